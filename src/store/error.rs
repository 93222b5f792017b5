//! Why the store did not do what it was asked.

use std::path::PathBuf;

use super::sled_store::{FORMAT, FORMAT_OLDEST, stamp};
use crate::model::Digest;

/// What helps against lost or changed records.
pub(super) const RESTORE: &str = "restore the store from a copy";

/// Missing segments that a message names; the rest are counted.
const NAMED_MAX: usize = 8;
/// Characters of a key that a message shows.
const KEY_CHARS_MAX: usize = 80;

/// Why the store did not do what it was asked.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// Another process (or another part of this one) has the store open.
    #[error(
        "the store {} is in use by another process; point at the running server with --server URL",
        dir.display()
    )]
    Locked {
        /// The store's directory.
        dir: PathBuf,
    },
    /// A record was changed by somebody else in between.
    #[error("the record `{}` was changed by somebody else in between", short(key))]
    Conflict {
        /// Its key.
        key: String,
    },
    /// A key that is the store's own.
    #[error("the record `{}` begins with a zero byte, as the store's own do", short(key))]
    Reserved {
        /// The record's key.
        key: String,
    },
    /// A key or a value is too large.
    #[error("the record `{}` has {bytes} bytes where at most {max} are allowed", short(key))]
    TooLarge {
        /// The record's key.
        key: String,
        /// Size of the key or value in bytes.
        bytes: usize,
        /// The limit in bytes.
        max: usize,
    },
    /// A batch is too large as a whole.
    #[error("the batch has {bytes} bytes where at most {max} are allowed; divide it")]
    BatchTooLarge {
        /// Size of all keys and values in bytes.
        bytes: usize,
        /// The limit in bytes.
        max: usize,
    },
    /// A file is damaged.
    #[error("{what} is damaged; {how_to_restore}")]
    Corrupt {
        /// Which file.
        what: String,
        /// How to get it back.
        how_to_restore: &'static str,
    },
    /// A segment is not there.
    #[error("the segment {digest} is missing; put it back from a copy of the store")]
    Missing {
        /// Its digest.
        digest: Digest,
    },
    /// Several segments are not there.
    #[error("{} are missing; put them back from a copy of the store", named(digests))]
    MissingSegments {
        /// Their digests, ascending.
        digests: Vec<Digest>,
    },
    /// The directory holds something else.
    #[error("{} is not empty and no store; give an empty or new directory", dir.display())]
    NotAStore {
        /// The directory.
        dir: PathBuf,
    },
    /// The store has an older format, which is not written to.
    #[error(
        "the store {0} has format {found}, this program works with {FORMAT}; \
         `spotcheck store migrate --store {0}` brings it there",
        dir.display()
    )]
    Older {
        /// The store's directory.
        dir: PathBuf,
        /// The format's number.
        found: u32,
    },
    /// The store has a format that is not known.
    #[error(
        "the store {} has format `{found}`, this program knows `{}` to `{}`; \
         use the program that it was made with, or a later one",
        dir.display(), stamp(FORMAT_OLDEST), stamp(FORMAT)
    )]
    Version {
        /// The store's directory.
        dir: PathBuf,
        /// The stamp that was found, shortened.
        found: String,
    },
    /// An earlier write failed, so that nothing more is written.
    #[error("an earlier write failed ({cause}); start again when the disk is well")]
    Failed {
        /// What failed.
        cause: String,
    },
    /// The operating system said no.
    #[error("{what}: {source}")]
    Io {
        /// What was being done.
        what: String,
        /// What it said.
        source: std::io::Error,
    },
}

impl StoreError {
    /// Whether something that was stored is not there as it was; else the store could not do what it was
    /// asked, and may another time.
    #[must_use]
    pub fn is_damage(&self) -> bool {
        use StoreError as E;
        matches!(self, E::Corrupt { .. } | E::Missing { .. } | E::MissingSegments { .. })
    }

    pub(super) fn io(what: impl Into<String>) -> impl FnOnce(std::io::Error) -> StoreError {
        let what = what.into();
        move |source| StoreError::Io { what, source }
    }

    /// What sled said while doing `what`.
    pub(super) fn sled(what: &str, error: sled::Error) -> StoreError {
        match error {
            // What it finds of damage in its configuration, it calls unsupported.
            sled::Error::Corruption { .. }
            | sled::Error::ReportableBug(_)
            | sled::Error::Unsupported(_) => StoreError::Corrupt {
                what: format!("the records' log ({what}: {error})"),
                how_to_restore: RESTORE,
            },
            sled::Error::Io(source) => StoreError::Io { what: what.into(), source },
            error => StoreError::Io { what: what.into(), source: std::io::Error::other(error) },
        }
    }
}

/// A key as a message shows it: it may be long and hold anything.
fn short(key: &str) -> String {
    let mut shown: String = key.chars().take(KEY_CHARS_MAX).flat_map(char::escape_debug).collect();
    if key.chars().nth(KEY_CHARS_MAX).is_some() {
        shown.push('…');
    }
    shown
}

fn named(digests: &[Digest]) -> String {
    let names: Vec<String> = digests.iter().take(NAMED_MAX).map(Digest::to_string).collect();
    let more = match digests.len().saturating_sub(NAMED_MAX) {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    format!("{} segments ({}{more})", digests.len(), names.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_say_what_to_do() {
        let locked = StoreError::Locked { dir: "plans".into() }.to_string();
        let hint = "is in use by another process; point at the running server with --server URL";
        assert!(locked.ends_with(hint), "{locked}");
        let conflict = StoreError::Conflict { key: format!("a\u{1b}{}", "b".repeat(100)) };
        let expected = format!("`a\\u{{1b}}{}…`", "b".repeat(KEY_CHARS_MAX - 2));
        assert!(conflict.to_string().contains(&expected), "{conflict}");
        let digests: Vec<Digest> = (0..10).map(|n| Digest([n; 32])).collect();
        let missing = StoreError::MissingSegments { digests }.to_string();
        assert!(missing.starts_with("10 segments (0000") && missing.contains("and 2 more)"));
    }
}
