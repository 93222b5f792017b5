//! Records: the small values that the store keeps, their keys and their form.
//!
//! A record is JSON of at most 16 KiB. Whatever is larger stands in a segment, named by its digest.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::audit::log::{SeedTerms, State};
use crate::draw::{SeedError, SeedSource};
use crate::model::{Digest, FramedHasher, IdScheme};
use crate::registry::{Counts, Table};

/// An immutable state of the registry.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RevisionRecord {
    /// Number, from 1, without gaps.
    pub number: u64,
    /// Digest of the revision's canonical bytes; names their segment.
    pub digest: Digest,
    /// Size of these bytes.
    pub bytes: u64,
    /// Rows by table.
    pub counts: BTreeMap<String, u64>,
    /// The rule that enterprise ids follow.
    pub id_scheme: IdScheme,
    /// When the import ended, in seconds since 1970-01-01T00:00:00Z.
    pub imported_at: u64,
    /// The revision that it was built on; 0 for none.
    pub base: u64,
}

impl RevisionRecord {
    /// Rows of a table.
    #[must_use]
    pub fn count(&self, table: Table) -> u64 {
        self.counts.get(table.as_str()).copied().unwrap_or(0)
    }
}

/// Row counts as a record keeps them.
pub(super) fn counts_by_name(counts: &Counts) -> BTreeMap<String, u64> {
    Table::ALL.iter().map(|table| (table.as_str().to_owned(), counts.get(*table))).collect()
}

/// A frozen frame.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FrameRecord {
    /// The frame's digest: the root of its roll.
    pub digest: Digest,
    /// Segment of the frame's canonical bytes.
    pub segment: Digest,
    /// Segment of its roll, as JSON.
    pub roll: Digest,
    /// Size of the canonical bytes.
    pub bytes: u64,
    /// The revision that it was first frozen from.
    pub revision: u64,
    /// Digest of that revision.
    pub registry_digest: Digest,
    /// Identifier of the policy.
    pub policy_id: String,
    /// Digest of the policy.
    pub policy_digest: Digest,
    /// Segment of the policy's canonical text.
    pub policy_segment: Digest,
    /// Day as of which tiers, status and history are known.
    pub as_of: String,
    /// Eligible units.
    pub units: u64,
    /// Enterprises with an eligible unit.
    pub enterprises: u64,
    /// Cells.
    pub cells: u64,
    /// Units that are not eligible.
    pub excluded_units: u64,
    /// Their counts by reason, as many as a record holds.
    pub excluded: Vec<(String, u64)>,
    /// Findings on the data.
    pub quality: Vec<(String, u64)>,
    /// When it was first frozen, in seconds since 1970-01-01T00:00:00Z.
    pub frozen_at: u64,
}

/// Where a plan stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum PlanState {
    /// Drawn, not yet in force.
    Drawn,
    /// In force: signed.
    Issued,
    /// Superseded by another plan of the same programme.
    Superseded,
    /// Given up.
    Void,
}

impl PlanState {
    /// The state that the log knows a drawn plan in.
    #[must_use]
    pub(super) fn of(state: State) -> Self {
        match state {
            State::Issued => PlanState::Issued,
            State::Superseded => PlanState::Superseded,
            State::Void => PlanState::Void,
            State::Frozen | State::Seeded | State::Drawn => PlanState::Drawn,
        }
    }
}

/// A seed as it was opened; may have to stay secret.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OpenedSeed {
    /// `text`, `ceremony`, `beacon` or `system`.
    pub source: String,
    /// What was entered.
    pub text: String,
    /// The bureau's share in hexadecimal; empty where the source has none.
    pub share: String,
}

impl std::fmt::Debug for OpenedSeed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "OpenedSeed({})", self.source)
    }
}

impl OpenedSeed {
    /// The record of a seed.
    #[must_use]
    pub fn new(source: &SeedSource) -> Self {
        OpenedSeed {
            source: source.name().to_owned(),
            text: source.text(),
            share: source.share().map(hex::encode).unwrap_or_default(),
        }
    }

    /// The seed of a record.
    ///
    /// # Errors
    /// If the record is damaged.
    pub fn source(&self) -> Result<SeedSource, SeedError> {
        SeedSource::from_parts(&self.source, &self.text, &self.share)
    }
}

/// A frozen record: what a plan will be drawn from, fixed before its seed. Its state is in the log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FreezeRecord {
    /// Name.
    pub name: String,
    /// The frame.
    pub frame: Digest,
    /// Identifier of the policy.
    pub policy_id: String,
    /// Title of the policy; may be empty.
    pub title: String,
    /// Digest of the policy.
    pub policy_digest: Digest,
    /// Commitment to cells, expected batches and certificate.
    pub design: Digest,
    /// What the seed may be.
    pub terms: SeedTerms,
    /// The operating system's bytes in hexadecimal, for a seed from there; secret.
    pub system_value: String,
    /// The seed, once it is there.
    pub seed: Option<OpenedSeed>,
    /// The plan, once it is drawn.
    pub plan: Option<String>,
    /// The frozen record before this; empty for the first.
    pub predecessor: String,
    /// Why there is another one.
    pub reason: String,
    /// When it was frozen, in seconds since 1970-01-01T00:00:00Z.
    pub frozen_at: u64,
}

/// A plan.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlanRecord {
    /// Name.
    pub id: String,
    /// Digest of the plan file; names its segment.
    pub document: Digest,
    /// Size of the plan file.
    pub bytes: u64,
    /// Identifier of the policy.
    pub policy_id: String,
    /// Title of the policy; may be empty.
    pub title: String,
    /// Method version.
    pub method: String,
    /// Digest of the policy.
    pub policy_digest: Digest,
    /// The frame.
    pub frame: Digest,
    /// Digest over the frame's and the policy's digests.
    pub input_digest: Digest,
    /// The frozen record that it was drawn from.
    pub freeze: String,
    /// Which frozen record of its programme that is, from 1.
    pub draw_number: u64,
    /// The seed.
    pub seed: OpenedSeed,
    /// The 32 bytes that it makes.
    pub seed_digest: Digest,
    /// When it was drawn, in seconds since 1970-01-01T00:00:00Z. Only here, never in the plan file.
    pub created_at: u64,
    /// Eligible units.
    pub units: u64,
    /// Units drawn.
    pub batches: u64,
    /// Replacement units listed.
    pub replacements: u64,
    /// Replacement units asked for and not found.
    pub replacement_shortfall: u64,
    /// Rows of compliance.
    pub compliance_rows: u64,
    /// Rows of compliance that do not hold in every draw: targets only.
    pub compliance_missed: u64,
    /// State.
    pub state: PlanState,
    /// The plan that it supersedes.
    pub supersedes: Option<String>,
    /// Why; empty if it supersedes none.
    pub reason: String,
    /// The plan that supersedes it.
    pub superseded_by: Option<String>,
    /// Once it is in force: a note signed with the log's key that vouches for the plan's file.
    pub note: String,
}

impl PlanRecord {
    /// Another one whenever the record is another: all but these three never change.
    #[must_use]
    pub fn etag(&self) -> String {
        let by = self.superseded_by.as_deref().unwrap_or_default();
        etag(&[self.id.as_bytes(), format!("{:?}", self.state).as_bytes(), by.as_bytes()])
    }
}

/// Sixteen hexadecimal digits that tell states of a record apart.
pub(super) fn etag(fields: &[&[u8]]) -> String {
    let start = FramedHasher::new("spotcheck/etag");
    let digest = fields.iter().fold(start, |hasher, field| hasher.field(field)).finish();
    hex::encode(&digest.0[..8])
}

/// A line that fell out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReplacementRecord {
    /// Number of the log's entry.
    pub sequence: u64,
    /// The plan.
    pub plan: String,
    /// Number of the line that fell out.
    pub line: u32,
    /// The line's arc.
    pub arc: u32,
    /// Rank of the unit that took its place; 0 if none was left.
    pub rank: u32,
    /// Number of the line of that unit; 0 if none was left.
    pub taken: u32,
    /// Code of the reason.
    pub reason: String,
    /// What the reason rests on.
    pub evidence: String,
    /// With which the evidence was committed to, 64 hexadecimal digits.
    pub salt: String,
    /// When it was noted, in seconds since 1970-01-01T00:00:00Z.
    pub replaced_at: u64,
}

impl ReplacementRecord {
    /// Whether the log's entry is that of this record.
    #[must_use]
    pub(super) fn is(&self, replaced: &crate::plan::Replaced) -> bool {
        let own = (self.line, self.arc, self.rank, &self.reason);
        replaced.is_opened_by(&self.salt, &self.evidence)
            && own == (replaced.line, replaced.arc, replaced.rank, &replaced.reason)
    }
}

/// What a named request asked for and got.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct RequestRecord {
    /// Digest of what was asked.
    pub asked: Digest,
    /// Name of the result.
    pub result: String,
}

/// Keys of records. Ids hold no slash, so that no two keys can be confused.
pub(super) mod key {
    use crate::model::Digest;

    /// The number of the latest revision.
    pub const HEAD: &str = "head";
    pub const REVISIONS: &str = "revision/";
    pub const FRAMES: &str = "frame/";
    pub const PLANS: &str = "plan/";

    /// Numbers of 20 digits, so that keys sort as numbers do.
    pub fn revision(number: u64) -> String {
        format!("{REVISIONS}{number:020}")
    }

    pub fn frame(digest: &Digest) -> String {
        format!("{FRAMES}{digest}")
    }

    pub fn plan(id: &str) -> String {
        format!("{PLANS}{id}")
    }

    /// The frame that follows from a revision and a policy.
    pub fn frozen(registry: &Digest, policy: &Digest) -> String {
        format!("frozen/{registry}/{policy}")
    }

    pub const FREEZES: &str = "freeze/";

    /// A frozen record.
    pub fn freeze(name: &str) -> String {
        format!("{FREEZES}{name}")
    }

    pub const LOG: &str = "log/";

    /// An entry of the log; 20 digits, so that keys sort as numbers do.
    pub fn entry(sequence: u64) -> String {
        format!("{LOG}{sequence:020}")
    }

    /// The signed head of the log.
    pub const CHECKPOINT: &str = "checkpoint";

    /// The replacements of a plan; 20 digits of the log's entry, so that keys sort as the log does.
    pub fn replacements(plan: &str) -> String {
        format!("{REPLACEMENTS}{plan}/")
    }

    pub const REPLACEMENTS: &str = "replacement/";

    /// A named request; `kind` keeps the names of different calls apart.
    pub fn request(kind: &str, id: &str) -> String {
        format!("request/{kind}/{id}")
    }
}
