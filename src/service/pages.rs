//! Page sizes and page tokens.
//!
//! A token is opaque to clients: in hexadecimal, eight bytes that say which list it belongs to,
//! then the key of the last entry that was given. It holds no state of the server, so it survives
//! restarts and never runs out.

use tonic::Status;

use super::errors;
use super::limits::{PAGE_SIZE_DEFAULT, PAGE_SIZE_MAX};
use crate::model::{Digest, FramedHasher};

/// One list, as far as its tokens are concerned: what is listed, and every filter.
pub(super) struct List([u8; 8]);

impl List {
    pub fn new(fields: &[&str]) -> Self {
        let hasher = FramedHasher::new("spotcheck/page");
        let hasher = fields.iter().fold(hasher, |hasher, field| hasher.field(field.as_bytes()));
        let Digest(bytes) = hasher.finish();
        let [a, b, c, d, e, f, g, h, ..] = bytes;
        List([a, b, c, d, e, f, g, h])
    }

    /// The token of the page after the entry with this key.
    pub fn token(&self, last: &str) -> String {
        hex::encode([&self.0, last.as_bytes()].concat())
    }

    /// The key after which the page begins; none for the first page.
    pub fn after(&self, token: &str) -> Result<Option<String>, Status> {
        if token.is_empty() {
            return Ok(None);
        }
        let bytes = hex::decode(token).unwrap_or_default();
        let key = bytes.strip_prefix(&self.0).map(|key| String::from_utf8(key.to_vec()));
        match key {
            Some(Ok(key)) if !key.is_empty() => Ok(Some(key)),
            _ => Err(misused()),
        }
    }

    /// As [`List::after`], for keys that are numbers.
    pub fn after_number(&self, token: &str) -> Result<Option<u64>, Status> {
        let key = self.after(token)?;
        key.map(|key| key.parse().map_err(|_| misused())).transpose()
    }
}

fn misused() -> Status {
    errors::field("page_token", "must be the next_page_token of the same list and filter")
}

/// Entries of a page.
pub(super) fn size(asked: i32) -> Result<usize, Status> {
    match usize::try_from(asked) {
        Ok(0) => Ok(PAGE_SIZE_DEFAULT),
        Ok(size) => Ok(size.min(PAGE_SIZE_MAX)),
        Err(_) => Err(errors::field("page_size", "must not be negative")),
    }
}

/// Cuts a list of one entry more than a page to the page; returns whether there was one more.
pub(super) fn cut<T>(entries: &mut Vec<T>, size: usize) -> bool {
    let more = entries.len() > size;
    entries.truncate(size);
    more
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_belong_to_their_list() {
        let list = List::new(&["plans", "a"]);
        let token = list.token("x-12");
        assert_eq!(list.after(&token).unwrap().as_deref(), Some("x-12"));
        assert_eq!(list.after("").unwrap(), None);
        assert!(List::new(&["plans", "b"]).after(&token).is_err());
        assert!(list.after_number(&token).is_err());
        for wrong in ["zz", "00", &token[..16], &token[1..]] {
            assert!(list.after(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn sizes_are_bounded() {
        assert_eq!(size(0).unwrap(), PAGE_SIZE_DEFAULT);
        assert_eq!(size(7).unwrap(), 7);
        assert_eq!(size(i32::MAX).unwrap(), PAGE_SIZE_MAX);
        assert!(size(-1).is_err());
    }
}
