//! Named requests: a call that is repeated with the same name answers with the first result.

use super::PlannerError;
use super::book::{Book, Change};
use super::records::{RequestRecord, key};
use crate::model::{Digest, FramedHasher, check_id};

/// A request with its name, or without one.
pub(super) struct Request {
    kind: &'static str,
    id: String,
    asked: Digest,
}

impl Request {
    /// A request of `kind`; `fields` are all that it asks for.
    pub fn new(kind: &'static str, id: &str, fields: &[&[u8]]) -> Result<Self, PlannerError> {
        if !id.is_empty() && check_id(id).is_err() {
            return Err(PlannerError::RequestId(id.chars().take(64).collect()));
        }
        let hasher = FramedHasher::new("spotcheck/request").field(kind.as_bytes());
        let hasher = fields.iter().fold(hasher, |hasher, field| hasher.field(field));
        Ok(Request { kind, id: id.to_owned(), asked: hasher.finish() })
    }

    /// The result of the same request, if it was made before.
    pub fn known(&self, book: &Book) -> Result<Option<String>, PlannerError> {
        if self.id.is_empty() {
            return Ok(None);
        }
        match book.get::<RequestRecord>(&key::request(self.kind, &self.id))? {
            Some(record) if record.asked == self.asked => Ok(Some(record.result)),
            Some(_) => Err(PlannerError::RequestReused(self.id.clone())),
            None => Ok(None),
        }
    }

    /// Makes the result part of a change, which is then made only once.
    pub fn record(&self, change: &mut Change, result: &str) -> Result<(), PlannerError> {
        if self.id.is_empty() {
            return Ok(());
        }
        let key = key::request(self.kind, &self.id);
        change.expect::<RequestRecord>(&key, None)?;
        change.put(&key, &RequestRecord { asked: self.asked, result: result.to_owned() })
    }

    /// Whether nothing is left to do: the request was answered before, or what it wants is `done`,
    /// which is then its result.
    pub fn settled(&self, book: &Book, done: bool, result: &str) -> Result<bool, PlannerError> {
        let known = self.known(book)?.is_some();
        if done && !known {
            self.keep(book, result)?;
        }
        Ok(known || done)
    }

    /// Keeps the result of a request that changed nothing else.
    pub fn keep(&self, book: &Book, result: &str) -> Result<(), PlannerError> {
        if self.id.is_empty() || self.known(book)?.is_some() {
            return Ok(());
        }
        let mut change = Change::default();
        self.record(&mut change, result)?;
        if book.commit(change)? {
            return Ok(());
        }
        // Somebody took the name in between: fine if for the same.
        self.known(book).map(|_| ())
    }
}
