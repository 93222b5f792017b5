//! Proofs about the log that anyone can check with the log's key alone.

use serde::{Deserialize, Serialize};

use super::entry::{Entry, EntryError};
use super::ledger::Ledger;
use super::note::{Checkpoint, NoteError, open_checkpoint};
use crate::model::{Digest, HashName, merkle};

/// The proof that an entry is in the log. Its JSON is this struct.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct InclusionProof {
    /// The entry's bytes.
    pub entry: String,
    /// Its number.
    pub sequence: u64,
    /// Number of entries of the log.
    pub size: u64,
    /// Root of the log.
    pub root: Digest,
    /// Siblings from the bottom up.
    pub proof: Vec<Digest>,
    /// The signed head of the log.
    pub checkpoint: String,
}

/// The proof that an earlier log is the beginning of the log. Its JSON is this struct.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ConsistencyProof {
    /// Number of entries of the earlier log.
    pub old_size: u64,
    /// Its root.
    pub old_root: Digest,
    /// Number of entries of the log.
    pub size: u64,
    /// Its root.
    pub root: Digest,
    /// Hashes, as RFC 9162 orders them.
    pub proof: Vec<Digest>,
    /// The signed head of the log.
    pub checkpoint: String,
}

/// Why a proof proves nothing.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ProofError {
    /// The head is not signed by the key.
    #[error("the signed head: {0}")]
    Note(#[from] NoteError),
    /// The entry is none.
    #[error("{0}")]
    Entry(#[from] EntryError),
    /// The signed head is of another tree.
    #[error("the signed head is of {size} entries with root {root}, not of the tree of the proof")]
    Head {
        /// Its number of entries.
        size: u64,
        /// Its root.
        root: Digest,
    },
    /// The entry has another number.
    #[error("the entry is number {found}, not {sequence}")]
    Sequence {
        /// The number that it has.
        found: u64,
        /// The number that the proof says.
        sequence: u64,
    },
    /// The hashes don't lead to the root.
    #[error("the hashes of the proof do not lead from {from} to the root")]
    Hashes {
        /// What they should lead from.
        from: &'static str,
    },
    /// An earlier head that was signed is another one.
    #[error(
        "FORKED: the earlier signed head has {size} entries with root {root}; this log had \
         {found} when it had as many"
    )]
    Forked {
        /// Its number of entries.
        size: u64,
        /// Its root.
        root: Digest,
        /// The root that this log had.
        found: Digest,
    },
}

fn head(checkpoint: &str, key: &str, size: u64, root: &Digest) -> Result<(), ProofError> {
    let head = open_checkpoint(checkpoint, key)?;
    if (head.size, &head.root) == (size, root) {
        Ok(())
    } else {
        Err(ProofError::Head { size: head.size, root: head.root })
    }
}

impl InclusionProof {
    /// The proof for the entry of this number, whose bytes are given; `None` if there is none.
    #[must_use]
    pub fn new(ledger: &Ledger, checkpoint: &str, sequence: u64, entry: &[u8]) -> Option<Self> {
        let index = usize::try_from(sequence).ok()?;
        Some(InclusionProof {
            entry: String::from_utf8_lossy(entry).into_owned(),
            sequence,
            size: ledger.len(),
            root: ledger.root(),
            proof: merkle::inclusion(HashName::Sha256, ledger.leaves(), index)?,
            checkpoint: checkpoint.to_owned(),
        })
    }

    /// Checks the proof with the log's key; the entry that it is about.
    ///
    /// # Errors
    /// With what does not fit.
    pub fn check(&self, key: &str) -> Result<Entry, ProofError> {
        head(&self.checkpoint, key, self.size, &self.root)?;
        let entry = Entry::from_bytes(self.entry.as_bytes())?;
        if entry.sequence != self.sequence {
            let (found, sequence) = (entry.sequence, self.sequence);
            return Err(ProofError::Sequence { found, sequence });
        }
        if merkle::includes(
            HashName::Sha256,
            &entry.leaf(),
            (self.sequence, self.size),
            &self.proof,
            &self.root,
        ) {
            Ok(entry)
        } else {
            Err(ProofError::Hashes { from: "the entry" })
        }
    }
}

impl ConsistencyProof {
    /// The proof from the log when it had `old_size` entries; `None` if it never had.
    #[must_use]
    pub fn new(ledger: &Ledger, checkpoint: &str, old_size: u64) -> Option<Self> {
        let old = usize::try_from(old_size).ok()?;
        Some(ConsistencyProof {
            old_size,
            old_root: merkle::root(HashName::Sha256, ledger.leaves().get(..old)?),
            size: ledger.len(),
            root: ledger.root(),
            proof: merkle::consistency(ledger.leaves(), old)?,
            checkpoint: checkpoint.to_owned(),
        })
    }

    /// Checks the proof with the log's key, against an earlier signed head if one is given.
    ///
    /// # Errors
    /// With what does not fit; [`ProofError::Forked`] if the earlier head is of another log.
    pub fn check(&self, key: &str, earlier: Option<&Checkpoint>) -> Result<(), ProofError> {
        head(&self.checkpoint, key, self.size, &self.root)?;
        if let Some(earlier) = earlier
            && (earlier.size, earlier.root) != (self.old_size, self.old_root)
        {
            let (size, root, found) = (earlier.size, earlier.root, self.old_root);
            return Err(ProofError::Forked { size, root, found });
        }
        let old = (self.old_size, &self.old_root);
        if merkle::consistent(old, (self.size, &self.root), &self.proof) {
            Ok(())
        } else {
            Err(ProofError::Hashes { from: "the earlier log" })
        }
    }
}
