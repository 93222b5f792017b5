//! `verify`: a plan file, a bundle or an explanation checked offline.

use std::io::Write;

use crate::audit::{self, Check, Report};

use super::args::VerifyArgs;
use super::failure::{Exit, Failure};
use super::files;
use super::log;
use super::table::{Grid, clean, grouped};

/// Runs `verify`.
pub(super) fn run(args: &VerifyArgs, threads: usize, out: &mut dyn Write) -> Result<(), Failure> {
    let bytes = files::plan(&args.file)?;
    if let Some(checked) = super::explain::verify(&bytes) {
        return write!(out, "{}", checked?).map_err(Failure::stdout);
    }
    let is_bundle = audit::bundle::is_bundle(&bytes);
    if is_bundle && args.kept.is_some() {
        return Err(Failure::input("--kept is for plan files; this is a bundle"));
    }
    let report = if is_bundle {
        let key = args.key.as_deref().map(log::key).transpose()?;
        let earlier: Result<Vec<String>, Failure> =
            args.earlier.iter().map(|path| files::text(path)).collect();
        let report = audit::bundle::verify(&bytes, key.as_deref(), &earlier?, threads);
        if let Some(county) = &args.county
            && report.part != Some(format!("county {county}"))
        {
            let part = report.part.as_deref().unwrap_or("a whole plan");
            let words = format!("the bundle is of {}, not of county {county}", clean(part));
            return Err(Failure::new(Exit::Differs, words));
        }
        report
    } else if args.key.is_some() || !args.earlier.is_empty() || args.county.is_some() {
        let words = "--key, --earlier and --county are for bundles; this is a plan file";
        return Err(Failure::input(words));
    } else if let Some(path) = &args.kept {
        audit::verify_keeping(&bytes, &files::plan(path)?)
    } else {
        audit::verify(&bytes)
    };
    write!(out, "{}", checks(&report)).map_err(Failure::stdout)?;
    judge(&report)?;
    if is_bundle && args.key.is_none() {
        let words = "the log's key is the one that the bundle names; --key compares it with yours";
        writeln!(out, "{words}").map_err(Failure::stdout)?;
    }
    writeln!(out, "{}: everything holds", name(&report)).map_err(Failure::stdout)
}

/// Whether everything holds; if not, the problems in words.
pub(super) fn judge(report: &Report) -> Result<(), Failure> {
    if report.holds() {
        return Ok(());
    }
    Err(Failure::new(Exit::Differs, failed(report)))
}

fn name(report: &Report) -> String {
    let plan = report.plan.as_deref().map_or_else(|| "the file".to_owned(), clean);
    match &report.part {
        Some(part) => format!("{plan}, {}", clean(part)),
        None => plan,
    }
}

/// The checks as a table.
pub(super) fn checks(report: &Report) -> Grid {
    let mut grid = Grid::new(&["check", "what", "looked at>", "problems>"]);
    for check in &report.checks {
        let problems =
            if is_skipped(check) { "not checked".to_owned() } else { grouped(check.problem_count) };
        grid.row([check.name, check.what, &grouped(check.count), &problems]);
    }
    grid
}

/// The problems in words.
fn failed(report: &Report) -> String {
    let mut text = format!("{}: does not hold", name(report));
    let mut skipped = 0;
    for check in report.checks.iter().filter(|check| !check.holds()) {
        if is_skipped(check) {
            skipped += 1;
            continue;
        }
        for problem in &check.problems {
            text += &format!("\n  {}: {}", check.name, clean(problem));
        }
        let more = check.problem_count.saturating_sub(check.problems.len() as u64);
        if more > 0 {
            text += &format!("\n  {}: and {} more", check.name, grouped(more));
        }
    }
    if skipped > 0 {
        text += &format!("\n  {skipped} further checks were not made, because these failed");
    }
    text
}

/// Whether a check was left out because one before it failed.
fn is_skipped(check: &Check) -> bool {
    check.count == 0 && check.problems.first().is_some_and(|text| text.starts_with("not checked"))
}
