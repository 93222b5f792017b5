//! Entries: what was done, when and by whom; one line of JSON each.

use serde::{Deserialize, Serialize};

use crate::draw::{SeedSource, share_commitment, system_commitment};
use crate::model::{Digest, HashName, merkle};

/// Names the format in every entry.
pub const LOG_FORMAT: &str = "spotcheck-log/1";
/// Most characters of a name, a reason or another text in an entry.
pub const TEXT_CHARS_MAX: usize = 1_000;

/// One entry.
///
/// Its bytes are this struct as JSON: fields in this order, no blank, no line feed. Its hash in the
/// tree is SHA-256(0x00 ‖ bytes).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Entry {
    /// [`LOG_FORMAT`].
    pub log: String,
    /// Number, from 0, without gaps.
    pub sequence: u64,
    /// When, in seconds since 1970-01-01T00:00:00Z; never before the entry before.
    pub time: u64,
    /// Who, as the service knows them.
    pub actor: String,
    /// What.
    pub event: Event,
}

/// What was done.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum Event {
    /// The log begins; always and only entry 0.
    Open {
        /// The log's name in its checkpoints.
        origin: String,
        /// The key that signs it, as a verifier key of a signed note.
        key: String,
    },
    /// Frame, policy, certified design and the terms of the seed were fixed.
    Freeze {
        /// Name of the frozen record.
        freeze: String,
        /// Identifier of the policy.
        programme: String,
        /// First and last day of the policy's period.
        period: [String; 2],
        /// Digest of the frame.
        frame: Digest,
        /// Digest of the policy.
        policy: Digest,
        /// Commitment to cells, expected batches and certificate.
        design: Digest,
        /// What the seed may be.
        seed: SeedTerms,
        /// The frozen record of the same programme and period before this; empty for the first.
        predecessor: String,
        /// Why there is another one; empty for the first.
        reason: String,
    },
    /// The seed came to be.
    Seed {
        /// The frozen record.
        freeze: String,
        /// Where it comes from.
        source: String,
        /// What everybody can see of it: dice or a published value; empty for other sources.
        public_value: String,
        /// Commitment to the seed.
        seed: Digest,
    },
    /// The plan was drawn.
    Draw {
        /// The frozen record.
        freeze: String,
        /// The plan.
        plan: String,
        /// SHA-256 of the plan file.
        document: Digest,
        /// Commitment to the batches of all arcs.
        counts: Digest,
        /// Commitment to all lines.
        lines: Digest,
    },
    /// The plan is in force.
    Issue {
        /// The plan.
        plan: String,
        /// SHA-256 of the plan file.
        document: Digest,
    },
    /// A line fell out in the field, and the next replacement unit of its arc took its place.
    Replace {
        /// The plan.
        plan: String,
        /// Number of the line that fell out; it may be that of a replacement unit.
        line: u32,
        /// The line's arc.
        arc: u32,
        /// Rank of the unit that took its place; 0 if none was left.
        rank: u32,
        /// Code of the reason.
        reason: String,
        /// Commitment to what the reason rests on.
        evidence: Digest,
    },
    /// Another plan took the place of a plan.
    Supersede {
        /// The plan whose place is taken.
        plan: String,
        /// The plan that takes it.
        by: String,
        /// Why.
        reason: String,
    },
    /// A frozen record, with its plan if it has one, is given up.
    Void {
        /// The frozen record.
        freeze: String,
        /// Why.
        reason: String,
    },
    /// The log is signed with another key from here on.
    KeyChange {
        /// The key so far.
        old: String,
        /// The new key.
        new: String,
        /// The line `spotcheck key change`, both keys on a line each, signed by both.
        note: String,
    },
}

/// What a frozen record says of its seed before it exists.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "source", rename_all = "snake_case", deny_unknown_fields)]
pub enum SeedTerms {
    /// Any text: unprotected, since who types it could have tried others.
    Text,
    /// Dice thrown before witnesses.
    Ceremony {
        /// Commitment to the bureau's share.
        share: Digest,
    },
    /// A value that will be published.
    Beacon {
        /// Commitment to the bureau's share.
        share: Digest,
        /// Who publishes it: a chain of a randomness beacon, or another source.
        chain: String,
        /// Which value: the round, or the name and time.
        round: String,
    },
    /// The operating system's random bytes, which exist already.
    System {
        /// Commitment to them.
        commitment: Digest,
    },
}

impl SeedTerms {
    /// The source's name.
    #[must_use]
    pub fn source(&self) -> &'static str {
        match self {
            SeedTerms::Text => "text",
            SeedTerms::Ceremony { .. } => "ceremony",
            SeedTerms::Beacon { .. } => "beacon",
            SeedTerms::System { .. } => "system",
        }
    }

    /// Whether nobody could have chosen the seed among several: false only for a text.
    #[must_use]
    pub fn is_protected(&self) -> bool {
        !matches!(self, SeedTerms::Text)
    }

    /// Whether a seed that is opened is of this source and opens what was committed to.
    #[must_use]
    pub fn accepts(&self, seed: &SeedSource) -> bool {
        match (self, seed) {
            (SeedTerms::Text, SeedSource::Text(_)) => true,
            (SeedTerms::Ceremony { share: promised }, SeedSource::Ceremony { share, .. })
            | (SeedTerms::Beacon { share: promised, .. }, SeedSource::Beacon { share, .. }) => {
                share_commitment(share) == *promised
            }
            (SeedTerms::System { commitment }, SeedSource::System { value }) => {
                system_commitment(value) == *commitment
            }
            _ => false,
        }
    }
}

/// Bytes that are no entry.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum EntryError {
    /// They cannot be read.
    #[error("no log entry: {0}")]
    Unreadable(String),
    /// They say the same as an entry in other bytes.
    #[error("no canonical log entry: its bytes should be {0}")]
    NotCanonical(String),
}

impl Entry {
    /// The entry's bytes.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        match serde_json::to_vec(self) {
            Ok(bytes) => bytes,
            // Texts and numbers, written into memory: nothing of this can fail.
            Err(error) => unreachable!("an entry always has bytes: {error}"),
        }
    }

    /// Reads an entry.
    ///
    /// # Errors
    /// If the bytes are no entry, or not the one text that it has.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, EntryError> {
        let entry: Entry = serde_json::from_slice(bytes)
            .map_err(|error| EntryError::Unreadable(error.to_string()))?;
        let canonical = entry.to_bytes();
        if canonical == bytes {
            Ok(entry)
        } else {
            Err(EntryError::NotCanonical(String::from_utf8_lossy(&canonical).into_owned()))
        }
    }

    /// The entry's hash in the tree.
    #[must_use]
    pub fn leaf(&self) -> Digest {
        merkle::leaf(HashName::Sha256, &self.to_bytes())
    }
}
