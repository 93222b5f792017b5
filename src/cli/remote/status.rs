//! A server's refusal in the words and with the exit codes that a store would give.

use std::fmt::Write as _;

use tonic::{Code, Status};
use tonic_types::StatusExt as _;

use crate::cli::failure::{Exit, Failure};

/// The failure that a status means.
pub(super) fn failure(status: &Status) -> Failure {
    let details = status.get_error_details();
    let reason = details.error_info().map_or("", |info| info.reason.as_str());
    let exit = match (status.code(), reason) {
        (Code::FailedPrecondition, "INFEASIBLE" | "NOT_CERTIFIED") => Exit::Refused,
        (
            Code::InvalidArgument
            | Code::NotFound
            | Code::FailedPrecondition
            | Code::OutOfRange
            | Code::AlreadyExists
            | Code::Aborted,
            _,
        ) => Exit::Input,
        _ => Exit::Other,
    };
    let mut text = match status.code() {
        Code::Unavailable => format!("the server cannot be reached: {}", status.message()),
        Code::Unimplemented => {
            format!("the server does not know this call ({}); is it of another version?", status.message())
        }
        _ => status.message().to_owned(),
    };
    // What the message already says is not said again.
    let mut add = |line: String, told: &str| {
        if !text.contains(told) {
            let _ = write!(text, "\n  {line}");
        }
    };
    if let Some(bad) = details.bad_request() {
        for violation in &bad.field_violations {
            let line = format!("{}: {}", violation.field, violation.description);
            add(line, &violation.description);
        }
    }
    if let Some(failed) = details.precondition_failure() {
        for violation in &failed.violations {
            let line = format!("{}: {}", violation.subject, violation.description);
            add(line, &violation.description);
        }
    }
    Failure::new(exit, text)
}
