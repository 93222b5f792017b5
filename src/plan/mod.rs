//! The plan: lines, compliance, estimates, and the one text that a plan is. Values in, values
//! out; writers are handed in.

mod changes;
mod commit;
mod compliance;
mod document;
mod explain;
mod lines;
mod make;
mod ranks;
mod replace;
mod selftest;
mod text;
mod waves;

pub use crate::frame::{DivisionName, ExcludedCount, FrameOutline, ProductOutline};
pub use changes::{Change, ChangeKind, Changes, DrawnBy, make_room};
pub use commit::{
    CountyCommitment, LINE_BLINDS, PublicLine, certificate_digest, commit_design, commitments,
    counts_commitment, county_commitment, design_commitment, design_digest, line_blind, line_leaf,
    line_leaves, lines_commitment,
};
pub use document::{
    Allocation, ArcColumns, AuthorityRow, CellColumns, Certificate, CertificateRow, ComplianceRow,
    Document, Head, Interval, Line, Percentile, SeedRecord, WaveTotal,
};
pub use explain::{
    ArcFacts, CellFacts, Exclusion, Explanation, FactsOf, LineFacts, LotFacts, Probabilities,
    UnitExplanation, explain,
};
pub use make::{MakeError, input_digest, make, plan_id};
pub use replace::{
    Next, Rate, ReplaceError, Replaced, Standing, check_reason, evidence_commitment,
};
pub use selftest::{DRAWS_MAX, SelfTest, selftest};
pub use text::{DocumentError, difference, write_csv};
