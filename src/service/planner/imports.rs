//! Rows into revisions.

use std::sync::Arc;

use super::book::Change;
use super::records::{counts_by_name, key};
use super::requests::Request;
use super::{Planner, PlannerError, RevisionRecord};
use crate::model::Digest;
use crate::registry::{Import, Mode, Registry};

/// What an import asks for, before its rows.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ImportOrder {
    /// What it does to its tables.
    pub mode: Mode,
    /// The revision that it builds on, 0 for the empty registry; none: the latest at its start.
    pub base: Option<u64>,
    /// Name of the request; empty for none. A repeated one is recognised by its name, mode and
    /// base; its rows are not compared.
    pub request_id: String,
}

/// An import that may go on.
pub struct ImportTicket {
    /// The revision that it builds on; 0 for none.
    base: u64,
    request: Request,
}

/// The start of an import.
pub enum Begun {
    /// The same request was made before, with this result.
    Known(RevisionRecord),
    /// Rows are awaited.
    New(ImportTicket),
}

/// The end of an import.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Imported {
    /// The revision that was made, or found.
    pub record: RevisionRecord,
    /// Whether the latest revision already held exactly this, so that no new one was made.
    pub unchanged: bool,
}

impl Planner {
    /// Starts an import: fixes what it builds on.
    ///
    /// # Errors
    /// If `base` is not the latest revision, or the request's name was used for something else.
    pub fn begin_import(&self, order: &ImportOrder) -> Result<Begun, PlannerError> {
        let base = order.base.map_or_else(|| "latest".to_owned(), |base| base.to_string());
        let fields = [order.mode.as_str().as_bytes(), base.as_bytes()];
        let request = Request::new("import", &order.request_id, &fields)?;
        if let Some(result) = request.known(&self.book)? {
            let number = result.parse().unwrap_or(0);
            return Ok(Begun::Known(self.revision(number)?));
        }
        let head = self.head()?;
        match order.base {
            Some(base) if base != head => Err(PlannerError::RevisionConflict { base, head }),
            _ => Ok(Begun::New(ImportTicket { base: head, request })),
        }
    }

    /// Ends an import: all of its rows become a new revision, or none.
    ///
    /// `now` is in seconds since 1970-01-01T00:00:00Z.
    ///
    /// # Errors
    /// With all bad rows, or if the registry has changed since the import began.
    pub fn finish_import(
        &self,
        ticket: ImportTicket,
        import: Import,
        now: u64,
    ) -> Result<Imported, PlannerError> {
        let ImportTicket { base, request } = ticket;
        let conflict = |head| PlannerError::RevisionConflict { base, head };
        let head = self.head()?;
        if head != base {
            return Err(conflict(head));
        }
        let before = if base == 0 { None } else { Some(self.registry(base)?) };
        let (registry, counts) = import.finish(before.as_deref())?;
        drop(before);
        let bytes = registry.encode();
        let digest = Digest::of(&bytes);
        if base != 0 {
            let record = self.revision(base)?;
            if record.digest == digest {
                request.keep(&self.book, &base.to_string())?;
                return Ok(Imported { record, unchanged: true });
            }
        }
        self.book.put_segment(&bytes)?;
        let record = RevisionRecord {
            number: base + 1,
            digest,
            bytes: bytes.len() as u64,
            counts: counts_by_name(&counts),
            id_scheme: registry.id_scheme,
            imported_at: now,
            base,
        };
        let mut change = Change::default();
        change.expect(key::HEAD, Some(&base).filter(|base| **base != 0))?;
        change.put(key::HEAD, &record.number)?;
        change.put(&key::revision(record.number), &record)?;
        request.record(&mut change, &record.number.to_string())?;
        if !self.book.commit(change)? {
            // Either the same request ended twice, or another import was first.
            if let Some(result) = request.known(&self.book)? {
                let record = self.revision(result.parse().unwrap_or(0))?;
                return Ok(Imported { record, unchanged: false });
            }
            return Err(conflict(self.head()?));
        }
        self.revisions.put(record.number, Arc::new(registry));
        Ok(Imported { record, unchanged: false })
    }

    /// Imports rows that are all there: [`Planner::begin_import`] and [`Planner::finish_import`].
    ///
    /// # Errors
    /// As these two.
    pub fn import(
        &self,
        import: Import,
        base: Option<u64>,
        request_id: &str,
        now: u64,
    ) -> Result<Imported, PlannerError> {
        let order = ImportOrder { mode: import.mode(), base, request_id: request_id.to_owned() };
        match self.begin_import(&order)? {
            Begun::Known(record) => Ok(Imported { record, unchanged: true }),
            Begun::New(ticket) => self.finish_import(ticket, import, now),
        }
    }

    /// Number of the latest revision; 0 if nothing was imported.
    ///
    /// # Errors
    /// If the store cannot be read.
    pub fn head(&self) -> Result<u64, PlannerError> {
        Ok(self.book.get(key::HEAD)?.unwrap_or(0))
    }

    /// The latest revision.
    ///
    /// # Errors
    /// If there is none.
    pub fn latest_revision(&self) -> Result<RevisionRecord, PlannerError> {
        match self.head()? {
            0 => Err(PlannerError::NothingImported),
            number => self.revision(number),
        }
    }

    /// A revision.
    ///
    /// # Errors
    /// If there is none of this number.
    pub fn revision(&self, number: u64) -> Result<RevisionRecord, PlannerError> {
        self.book.get(&key::revision(number))?.ok_or_else(|| PlannerError::NotFound {
            kind: "revision",
            name: format!("revisions/{number}"),
        })
    }

    /// Revisions below `before` (none: from the latest on), the latest first, at most `limit`.
    ///
    /// # Errors
    /// If the store cannot be read.
    pub fn revisions(
        &self,
        before: Option<u64>,
        limit: usize,
    ) -> Result<Vec<RevisionRecord>, PlannerError> {
        let head = self.head()?;
        let last = before.map_or(head, |before| before.saturating_sub(1).min(head));
        (1..=last).rev().take(limit).map(|number| self.revision(number)).collect()
    }

    /// The registry of a revision.
    ///
    /// # Errors
    /// If there is none of this number, or its segment is damaged.
    pub fn registry(&self, number: u64) -> Result<Arc<Registry>, PlannerError> {
        self.revisions.get_or(&number, || {
            let record = self.revision(number)?;
            let bytes = self.book.segment(&record.digest)?;
            let damaged = |error| PlannerError::damaged(format!("revision {number}"), error);
            Registry::decode(&bytes).map_err(damaged)
        })
    }
}
