//! Records: the small values that the store keeps, their keys and their form.
//!
//! A record is JSON of at most 16 KiB. Whatever is larger stands in a segment, named by its digest.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::model::{Digest, IdScheme};
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
    /// Digest of the frame's canonical bytes; names their segment.
    pub digest: Digest,
    /// Size of these bytes.
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
    /// Drawn, and the latest plan of its input.
    Drawn,
    /// Superseded by another plan of the same input.
    Superseded,
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
    /// The seed's text.
    pub seed_text: String,
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

    /// The latest plan of an input.
    pub fn drawn(policy_id: &str, frame: &Digest) -> String {
        format!("drawn/{policy_id}/{frame}")
    }

    /// A named request; `kind` keeps the names of different calls apart.
    pub fn request(kind: &str, id: &str) -> String {
        format!("request/{kind}/{id}")
    }
}
