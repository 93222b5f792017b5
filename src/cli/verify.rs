//! `verify`: a plan file checked offline.

use std::io::Write;

use crate::audit::{self, Report};

use super::args::VerifyArgs;
use super::failure::{Exit, Failure};
use super::files;
use super::table::{Grid, clean, grouped};

/// Runs `verify`.
pub(super) fn run(args: &VerifyArgs, out: &mut dyn Write) -> Result<(), Failure> {
    let bytes = files::plan(&args.file)?;
    let report = audit::verify(&bytes);
    write!(out, "{}", checks(&report)).map_err(Failure::stdout)?;
    let plan = report.plan.as_deref().map_or_else(|| "the file".to_owned(), clean);
    if report.holds() {
        return writeln!(out, "{plan}: everything holds").map_err(Failure::stdout);
    }
    Err(Failure::new(Exit::Differs, failed(&plan, &report)))
}

/// The checks as a table.
pub(super) fn checks(report: &Report) -> Grid {
    let mut grid = Grid::new(&["check", "what", "looked at>", "problems>"]);
    for check in &report.checks {
        let problems = match (check.problem_count, check.count) {
            (0, 0) => "not checked".to_owned(),
            (count, _) => grouped(count),
        };
        grid.row([check.name, check.what, &grouped(check.count), &problems]);
    }
    grid
}

/// The problems in words.
fn failed(plan: &str, report: &Report) -> String {
    let mut text = format!("{plan}: does not hold");
    for check in report.checks.iter().filter(|check| !check.holds()) {
        for problem in &check.problems {
            text += &format!("\n  {}: {}", check.name, clean(problem));
        }
        let more = check.problem_count.saturating_sub(check.problems.len() as u64);
        if more > 0 {
            text += &format!("\n  {}: and {} more", check.name, grouped(more));
        }
    }
    text
}
