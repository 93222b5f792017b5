//! A server's refusal in the words and with the exit codes that a store would give.
//!
//! A status carries as much as fits a trailer; where that is not all, the count says so.

use std::fmt::Write as _;

use tonic::{Code, Status};
use tonic_types::{ErrorDetails, StatusExt as _};

use crate::cli::failure::{Exit, Failure};
use crate::cli::import::bad_rows;
use crate::design::{Clash, Refusal, Verdict};
use crate::registry::{BadRow, Report, Table};

/// The failure that a status means.
pub(super) fn failure(status: &Status) -> Failure {
    let details = status.get_error_details();
    let reason = details.error_info().map_or("", |info| info.reason.as_str());
    match (status.code(), reason) {
        (_, "BAD_ROWS") => bad_rows(&report(&details)),
        (_, "INFEASIBLE") => refused(Verdict::Infeasible, &details),
        (_, "NOT_CERTIFIED") => refused(Verdict::NotCertified, &details),
        // A status without a reason was made by the transport, not by a server of ours.
        (Code::Unavailable, "") => {
            Failure::other(format_args!("the server cannot be reached: {}", status.message()))
        }
        (Code::Unimplemented, _) => Failure::other(format_args!(
            "the server does not know this call ({}); is it of another version?",
            status.message()
        )),
        (
            Code::InvalidArgument
            | Code::NotFound
            | Code::FailedPrecondition
            | Code::OutOfRange
            | Code::AlreadyExists
            | Code::Aborted,
            _,
        ) => Failure::input(with_violations(status, &details)),
        _ => Failure::other(status.message()),
    }
}

fn refused(verdict: Verdict, details: &ErrorDetails) -> Failure {
    let violations = details.precondition_failure().map(|failed| failed.violations.as_slice());
    let clashes: Vec<Clash> = violations
        .unwrap_or_default()
        .iter()
        .map(|violation| {
            let (scope, group) =
                violation.subject.split_once(' ').unwrap_or((&violation.subject, ""));
            Clash::new(&violation.r#type, scope, group, violation.description.clone())
        })
        .collect();
    let clash_count = count(details, "clashes").max(clashes.len() as u64) as usize;
    Failure::new(Exit::Refused, Refusal { verdict, clashes, clash_count })
}

fn report(details: &ErrorDetails) -> Report {
    let violations = details.bad_request().map(|bad| bad.field_violations.as_slice());
    let rows: Vec<BadRow> = violations
        .unwrap_or_default()
        .iter()
        .map(|violation| bad_row(&violation.field, &violation.description))
        .collect();
    Report { count: count(details, "problems").max(rows.len() as u64), rows }
}

/// From `enterprises.csv:12 status` and `` `x`: must be … ``; what is not of this form is told as
/// it stands.
fn bad_row(place: &str, text: &str) -> BadRow {
    let (file, field) = place.split_once(' ').unwrap_or((place, ""));
    let (file, row) = file.split_once(':').unwrap_or((file, "0"));
    let table = Table::ALL.into_iter().find(|table| table.file_name() == file);
    let (value, why) =
        text.strip_prefix('`').and_then(|rest| rest.split_once("`: ")).unwrap_or(("", text));
    match (table, row.parse()) {
        (Some(table), Ok(row)) => BadRow::new(table, row, field, value, why),
        _ => BadRow::new(Table::Divisions, 0, "", "", format_args!("{place}: {text}")),
    }
}

/// A number among the facts of a status; 0 if it is not there.
fn count(details: &ErrorDetails, name: &str) -> u64 {
    let fact = details.error_info().and_then(|info| info.metadata.get(name));
    fact.and_then(|text| text.parse().ok()).unwrap_or(0)
}

/// The message, with those violations that it does not tell itself.
fn with_violations(status: &Status, details: &ErrorDetails) -> String {
    let mut text = status.message().to_owned();
    for violation in details.bad_request().iter().flat_map(|bad| &bad.field_violations) {
        if !status.message().contains(&violation.description) {
            // Writing into a text cannot fail.
            let _ = write!(text, "\n  {}: {}", violation.field, violation.description);
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bad_row_comes_back_as_it_was() {
        let sent = BadRow::new(Table::Tiers, 12, "tier", "E", "is not known");
        assert_eq!(bad_row("tiers.csv:12 tier", "`E`: is not known"), sent);
        let whole = BadRow::new(Table::Supply, 0, "", "", "has no rows");
        assert_eq!(bad_row("supply.csv", "has no rows"), whole);
        assert_eq!(bad_row("x", "y").why, "x: y");
    }
}
