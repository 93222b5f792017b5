//! The plan: lines, compliance, estimates, and the one text that a plan is.

mod document;

pub use document::{
    Allocation, ArcColumns, AuthorityRow, CellColumns, Certificate, CertificateRow, ComplianceRow,
    DivisionName, Document, ExcludedCount, FrameOutline, Head, Interval, Line, Percentile,
    ProductOutline, SeedRecord, WaveTotal,
};
