//! The metrics that there are.

use metrics::{Unit, describe_counter, describe_gauge, describe_histogram};

/// Calls that have ended, by method and code.
pub const CALLS: &str = "spotcheck_calls_total";
/// How long calls took, by method.
pub const CALL_SECONDS: &str = "spotcheck_call_duration_seconds";
/// Calls that are open.
pub const CALLS_IN_FLIGHT: &str = "spotcheck_calls_in_flight";
/// Connections that were closed at once because there were too many.
pub const CONNECTIONS_REFUSED: &str = "spotcheck_connections_refused_total";
/// Rows of imports that have arrived.
pub const IMPORT_ROWS: &str = "spotcheck_import_rows_total";
/// Plans that were drawn and kept.
pub const PLANS_DRAWN: &str = "spotcheck_plans_drawn_total";
/// How long the stages of long work took, by stage.
pub const STAGE_SECONDS: &str = "spotcheck_stage_duration_seconds";
/// Batches of records handed to the store, by result.
pub const COMMITS: &str = "spotcheck_store_commits_total";
/// How long commits took.
pub const COMMIT_SECONDS: &str = "spotcheck_store_commit_duration_seconds";
/// Bytes of segments written.
pub const SEGMENT_BYTES_WRITTEN: &str = "spotcheck_store_segment_written_bytes_total";
/// Segments in the store.
pub const SEGMENTS: &str = "spotcheck_store_segments";
/// Bytes of the segments in the store.
pub const SEGMENT_BYTES: &str = "spotcheck_store_segment_bytes";
/// Bytes of the records' log.
pub const LOG_BYTES: &str = "spotcheck_store_log_bytes";
/// Whether the store takes no more writes.
pub const STORE_FAILED: &str = "spotcheck_store_failed";
/// Whether calls are taken.
pub const READY: &str = "spotcheck_ready";
/// What is running.
pub const BUILD: &str = "spotcheck_build_info";

/// How a metric counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Only ever grows.
    Counter,
    /// Goes up and down.
    Gauge,
    /// A distribution in seconds.
    Histogram,
}

/// A metric.
#[derive(Debug, Clone, Copy)]
pub struct Metric {
    /// Its name.
    pub name: &'static str,
    /// How it counts.
    pub kind: Kind,
    /// Its labels.
    pub labels: &'static [&'static str],
    /// What it says.
    pub what: &'static str,
}

const fn metric(
    kind: Kind,
    name: &'static str,
    labels: &'static [&'static str],
    what: &'static str,
) -> Metric {
    Metric { name, kind, labels, what }
}

/// All metrics.
pub const METRICS: &[Metric] = &[
    metric(Kind::Counter, CALLS, &["method", "code"], "Calls that have ended"),
    metric(Kind::Histogram, CALL_SECONDS, &["method"], "Seconds from a call's begin to its end"),
    metric(Kind::Gauge, CALLS_IN_FLIGHT, &[], "Calls that are open"),
    metric(
        Kind::Counter,
        CONNECTIONS_REFUSED,
        &[],
        "Connections closed at once because there were too many",
    ),
    metric(Kind::Counter, IMPORT_ROWS, &[], "Rows of imports that have arrived, kept or not"),
    metric(Kind::Counter, PLANS_DRAWN, &[], "Plans that were drawn and kept"),
    metric(Kind::Histogram, STAGE_SECONDS, &["stage"], "Seconds of a stage of long work"),
    metric(Kind::Counter, COMMITS, &["result"], "Commits: ok, conflict, failed"),
    metric(Kind::Histogram, COMMIT_SECONDS, &[], "Seconds until a commit is on disk"),
    metric(Kind::Counter, SEGMENT_BYTES_WRITTEN, &[], "Bytes of segments written"),
    metric(Kind::Gauge, SEGMENTS, &[], "Segments in the store"),
    metric(Kind::Gauge, SEGMENT_BYTES, &[], "Bytes of the segments in the store"),
    metric(Kind::Gauge, LOG_BYTES, &[], "Bytes of the records' log on disk"),
    metric(Kind::Gauge, STORE_FAILED, &[], "1 once the store takes no more writes"),
    metric(Kind::Gauge, READY, &[], "1 while calls are taken"),
    metric(Kind::Gauge, BUILD, &["version"], "Always 1"),
];

/// Bounds of the buckets of every histogram, in seconds: from a page of lines to a draw of a
/// large province.
pub const BUCKETS: &[f64] =
    &[0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0];

/// Tells the recorder what each metric says, and shows those that count from nothing.
pub(super) fn describe() {
    for Metric { name, kind, labels, what } in METRICS.iter().copied() {
        match kind {
            Kind::Counter => {
                describe_counter!(name, what);
                if labels.is_empty() {
                    metrics::counter!(name).absolute(0);
                }
            }
            Kind::Gauge => {
                describe_gauge!(name, what);
                if labels.is_empty() {
                    metrics::gauge!(name).set(0.0);
                }
            }
            Kind::Histogram => describe_histogram!(name, Unit::Seconds, what),
        }
    }
    metrics::gauge!(BUILD, "version" => env!("CARGO_PKG_VERSION")).set(1.0);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_metric_is_documented() {
        let manual = include_str!("../../../docs/OPERATIONS.md");
        let (_, section) = manual.split_once("## Metrics").expect("a section on metrics");
        let section = section.split("\n## ").next().unwrap_or_default();
        let documented: Vec<&str> =
            section.lines().filter(|line| line.starts_with("| `")).collect();
        let expected: Vec<String> = METRICS
            .iter()
            .map(|Metric { name, kind, labels, what }| {
                let kind = format!("{kind:?}").to_lowercase();
                format!("| `{name}` | {kind} | {} | {what} |", labels.join(", "))
            })
            .collect();
        assert_eq!(documented, expected);
    }

    #[test]
    fn names_follow_the_conventions() {
        for Metric { name, kind, .. } in METRICS {
            assert_eq!(name.ends_with("_total"), *kind == Kind::Counter, "{name}");
            assert_eq!(name.ends_with("_seconds"), *kind == Kind::Histogram, "{name}");
            assert!(name.bytes().all(|b| b.is_ascii_lowercase() || b == b'_'), "{name}");
        }
    }
}
