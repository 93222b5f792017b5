//! The planner's errors as gRPC statuses with google.rpc details.
//!
//! Every status has an ErrorInfo whose reason is stable and whose domain is `spotcheck.v1`; all are
//! listed in docs/ERRORS.md.
//! Details are cut to what gRPC libraries take in a trailer; the number of problems is never cut.

use std::collections::HashMap;
use std::time::Duration;

use tonic::{Code, Status};
use tonic_types::{ErrorDetails, StatusExt};

use super::limits::{ERROR_DETAILS_BYTES_MAX, ERROR_MESSAGE_BYTES_MAX};
use super::planner::PlannerError;
use crate::design::{Refusal, Verdict};
use crate::plan::ReplaceError;
use crate::policy::PolicyError;
use crate::registry::{BadRow, Report};

/// When to try again what was refused for now.
pub(super) const RETRY_AFTER: Duration = Duration::from_secs(1);

/// The domain of all reasons.
pub const DOMAIN: &str = "spotcheck.v1";

/// The status of an error.
pub(super) fn status(error: &PlannerError) -> Status {
    use PlannerError as E;
    let message = error.to_string();
    let plain = |code, reason, facts: &[(&str, &str)]| build(code, &message, reason, facts, |_| {});
    match error {
        E::NothingImported => plain(Code::FailedPrecondition, "NOTHING_IMPORTED", &[]),
        E::NotFound { kind, name } => {
            let facts = [("kind", *kind), ("name", name)];
            plain(Code::NotFound, "NOT_FOUND", &facts)
        }
        E::BadRows(report) => bad_rows(report),
        E::Policy(errors) => bad_policy(&errors.0),
        E::Frame(_) => violation(&message, "POLICY_MISFIT", "policy"),
        E::Keep { .. } => violation(&message, "POLICY_MISFIT", "policy.keep.plan"),
        E::Seed(_) => violation(&message, "BAD_SEED", "seed_text"),
        E::Refused(refusal) => refused(&message, refusal),
        E::Cancelled => plain(Code::Cancelled, "CANCELLED", &[]),
        E::RevisionConflict { base, head } => {
            let facts = [("base", base.to_string()), ("head", head.to_string())];
            let facts = facts.each_ref().map(|(name, value)| (*name, value.as_str()));
            plain(Code::Aborted, "REVISION_CONFLICT", &facts)
        }
        E::AlreadyDrawn { plan } => {
            plain(Code::FailedPrecondition, "ALREADY_DRAWN", &[("plan", plan)])
        }
        E::NotTheLatest { given, latest } => {
            let facts = [("given", given.as_str()), ("latest", latest.trim_matches('`'))];
            plain(Code::FailedPrecondition, "NOT_THE_LATEST", &facts)
        }
        E::SeedUsed { plan } => plain(Code::AlreadyExists, "SEED_USED", &[("plan", plan)]),
        E::Reason | E::ReasonAlone => violation(&message, "BAD_REASON", "reason"),
        E::RequestId(_) => violation(&message, "BAD_REQUEST_ID", "request_id"),
        E::RequestReused(id) => plain(Code::AlreadyExists, "REQUEST_REUSED", &[("request_id", id)]),
        E::Etag { name, etag } => {
            plain(Code::Aborted, "ETAG_MISMATCH", &[("name", name), ("etag", etag)])
        }
        E::Log(_) => plain(Code::FailedPrecondition, "LOG_RULE", &[]),
        E::Replace(ReplaceError::NoLine { line, .. }) => {
            let name = format!("line {line}");
            plain(Code::NotFound, "NOT_FOUND", &[("kind", "line"), ("name", &name)])
        }
        E::Replace(ReplaceError::Reason { .. }) => violation(&message, "BAD_REASON", "reason"),
        E::Replace(_) => plain(Code::FailedPrecondition, "LINE_NOT_SAMPLED", &[]),
        E::NotEmpty => plain(Code::FailedPrecondition, "STORE_FAILED", &[]),
        E::Evidence => field("evidence", &message),
        E::NotCommitted { freeze, .. } => {
            plain(Code::FailedPrecondition, "SEED_NOT_COMMITTED", &[("freeze", freeze)])
        }
        E::Damaged { .. } => plain(Code::DataLoss, "STORE_DAMAGED", &[]),
        E::Store(error) if error.is_damage() => plain(Code::DataLoss, "STORE_DAMAGED", &[]),
        E::Store(_) => plain(Code::Unavailable, "STORE_FAILED", &[]),
    }
}

/// INVALID_ARGUMENT for one field of a request.
pub(super) fn field(field: &str, description: &str) -> Status {
    let message = format!("{field}: {description}");
    build(Code::InvalidArgument, &message, "BAD_FIELD", &[], |details| {
        details.add_bad_request_violation(field, description);
    })
}

/// A status with a reason and nothing more.
pub(super) fn simple(code: Code, reason: &str, message: &str) -> Status {
    build(code, message, reason, &[], |_| {})
}

/// A status of something that passes by itself, with the time after which to try again.
pub(super) fn later(code: Code, reason: &str, message: &str) -> Status {
    build(code, message, reason, &[], |details| {
        details.set_retry_info(Some(RETRY_AFTER));
    })
}

/// RESOURCE_EXHAUSTED: this client takes as much as one may.
pub(super) fn client_limit(message: &str, wait: Duration) -> Status {
    build(Code::ResourceExhausted, message, "CLIENT_LIMIT", &[], |details| {
        details.set_retry_info(Some(wait.max(Duration::from_millis(1))));
    })
}

/// UNAUTHENTICATED: nobody is known to call.
pub(super) fn unauthenticated(message: &str) -> Status {
    build(Code::Unauthenticated, message, "UNAUTHENTICATED", &[], |_| {})
}

/// PERMISSION_DENIED: who calls may not do this.
pub(super) fn forbidden(what: &str) -> Status {
    let message = format!("you may not {what} here");
    build(Code::PermissionDenied, &message, "FORBIDDEN", &[], |_| {})
}

fn violation(message: &str, reason: &str, field: &str) -> Status {
    build(Code::InvalidArgument, message, reason, &[], |details| {
        details.add_bad_request_violation(field, cut(message, ERROR_DETAILS_BYTES_MAX / 2));
    })
}

/// Everything wrong with a policy, one violation for each path.
pub(super) fn bad_policy(errors: &[PolicyError]) -> Status {
    let count = errors.len().to_string();
    let first = errors.first().map(ToString::to_string).unwrap_or_default();
    let message = format!("the policy cannot be used: {}{first}", counted(errors.len() as u64));
    build(Code::InvalidArgument, &message, "BAD_POLICY", &[("problems", &count)], |details| {
        let mut room = Room::new();
        for error in errors {
            let path = format!("policy.{}", error.path);
            let path = path.trim_end_matches('.');
            // The path says where; the rest of the sentence is the same as the text's.
            let text = PolicyError { path: String::new(), ..error.clone() }.to_string();
            if !room.take(path.len() + text.len()) {
                break;
            }
            details.add_bad_request_violation(path, text);
        }
    })
}

fn bad_rows(report: &Report) -> Status {
    let count = report.count.to_string();
    let first = report.rows.first().map(ToString::to_string).unwrap_or_default();
    let message = format!("nothing was imported: {}{first}", counted(report.count));
    build(Code::InvalidArgument, &message, "BAD_ROWS", &[("problems", &count)], |details| {
        let mut room = Room::new();
        for row in &report.rows {
            let place = row_place(row);
            let text = match row.value.as_str() {
                "" => row.why.clone(),
                value => format!("`{value}`: {}", row.why),
            };
            if !room.take(place.len() + text.len()) {
                break;
            }
            details.add_bad_request_violation(place, text);
        }
    })
}

/// Where a bad row is: `enterprises.csv:12 status`.
fn row_place(bad: &BadRow) -> String {
    let mut place = bad.table.file_name().to_owned();
    if bad.row > 0 {
        place.push_str(&format!(":{}", bad.row));
    }
    if !bad.field.is_empty() {
        place.push(' ');
        place.push_str(&bad.field);
    }
    place
}

fn refused(message: &str, refusal: &Refusal) -> Status {
    let reason = match refusal.verdict {
        Verdict::Infeasible => "INFEASIBLE",
        Verdict::NotCertified => "NOT_CERTIFIED",
    };
    let count = refusal.clash_count.to_string();
    build(Code::FailedPrecondition, message, reason, &[("clashes", &count)], |details| {
        let mut room = Room::new();
        for clash in &refusal.clashes {
            let subject = format!("{} {}", clash.scope, clash.group);
            if !room.take(clash.rule.len() + subject.len() + clash.why.len()) {
                break;
            }
            details.add_precondition_failure_violation(&clash.rule, subject.trim(), &clash.why);
        }
    })
}

fn counted(problems: u64) -> String {
    if problems == 1 { String::new() } else { format!("{problems} problems, the first: ") }
}

fn build(
    code: Code,
    message: &str,
    reason: &str,
    facts: &[(&str, &str)],
    fill: impl FnOnce(&mut ErrorDetails),
) -> Status {
    let facts: HashMap<String, String> =
        facts.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    let mut details = ErrorDetails::with_error_info(reason, DOMAIN, facts);
    fill(&mut details);
    Status::with_error_details(code, cut(message, ERROR_MESSAGE_BYTES_MAX), details)
}

/// The beginning of a text, at most so many bytes.
fn cut(text: &str, bytes_max: usize) -> String {
    if text.len() <= bytes_max {
        return text.to_owned();
    }
    let end = text.floor_char_boundary(bytes_max.saturating_sub('…'.len_utf8()));
    format!("{}…", &text[..end])
}

/// What is left of the bytes that details may take.
struct Room(usize);

impl Room {
    fn new() -> Self {
        Room(ERROR_DETAILS_BYTES_MAX)
    }

    /// Takes the bytes of a violation with its framing; false if there are not so many.
    fn take(&mut self, bytes: usize) -> bool {
        let left = self.0.checked_sub(bytes + 16);
        self.0 = left.unwrap_or(0);
        left.is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::registry::Table;

    #[test]
    fn details_stay_below_what_a_trailer_holds() {
        let why = "必须是十八位统一社会信用代码".repeat(3);
        let rows = (0..100).map(|row| BadRow::new(Table::Enterprises, row, "status", "值", &why));
        let report = Report { rows: rows.collect(), count: 12_345 };
        let status = status(&PlannerError::BadRows(report));
        assert_eq!(status.code(), Code::InvalidArgument);
        assert!(status.message().len() <= ERROR_MESSAGE_BYTES_MAX);
        assert!(status.details().len() < ERROR_DETAILS_BYTES_MAX + 1024);
        let details = status.get_error_details();
        let violations = &details.bad_request().unwrap().field_violations;
        assert!(violations.len() > 10);
        assert_eq!(violations[1].field, "enterprises.csv:1 status");
        let info = details.error_info().unwrap();
        assert_eq!((info.reason.as_str(), info.domain.as_str()), ("BAD_ROWS", DOMAIN));
        assert_eq!(info.metadata["problems"], "12345");
    }

    #[test]
    fn every_reason_is_documented_and_no_other() {
        let documents = include_str!("../../docs/ERRORS.md");
        let documented: std::collections::BTreeSet<&str> = documents
            .lines()
            .filter_map(|line| line.strip_prefix("| `")?.split_once("` |"))
            .map(|(reason, _)| reason)
            .collect();
        let source = [
            include_str!("errors.rs"),
            include_str!("work.rs"),
            include_str!("late.rs"),
            include_str!("audit.rs"),
        ]
        .concat();
        let is_reason = |text: &&str| {
            text.len() >= 4 && text.bytes().all(|b| b.is_ascii_uppercase() || b == b'_')
        };
        let given: std::collections::BTreeSet<&str> = source.split('"').filter(is_reason).collect();
        assert_eq!(given, documented);
        // No other file makes statuses with reasons of its own.
        for file in std::fs::read_dir("src/service").unwrap() {
            let path = file.unwrap().path();
            if path.is_file() {
                let text = std::fs::read_to_string(&path).unwrap();
                let name = path.file_name().unwrap().to_str().unwrap();
                let listed = ["errors.rs", "work.rs", "late.rs", "audit.rs"].contains(&name);
                let makes = ["errors::simple(", "errors::later("].iter().any(|f| text.contains(f));
                assert!(listed || !makes, "{name}");
            }
        }
    }

    #[test]
    fn what_passes_says_when_to_try_again() {
        let status = later(Code::ResourceExhausted, "BUSY", "too much at once");
        let details = status.get_error_details();
        assert_eq!(details.retry_info().unwrap().retry_delay, Some(RETRY_AFTER));
        assert_eq!(details.error_info().unwrap().reason, "BUSY");
    }

    #[test]
    fn clashes_are_preconditions() {
        use crate::design::Clash;
        let clash = Clash::new("key products", "level", "city", "at most 3 of 5".to_owned());
        let status = status(&PlannerError::Refused(Refusal::infeasible(vec![clash])));
        assert_eq!(status.code(), Code::FailedPrecondition);
        let details = status.get_error_details();
        let violations = &details.precondition_failure().unwrap().violations;
        assert_eq!(violations[0].r#type, "key products");
        assert_eq!(violations[0].subject, "level city");
        assert_eq!(details.error_info().unwrap().reason, "INFEASIBLE");
    }
}
