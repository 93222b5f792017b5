//! `plan`, `plans`, `lines`, `regenerate`: plans drawn, listed, written out and drawn again.

use std::io::Write;
use std::path::Path;

use crate::plan::write_csv;

use super::args::{LinesArgs, LinesFormat, PlanArgs, PlanName, PlansArgs};
use super::backend::{Drawn, LineFilter, PlanOrder, PlanRecord, open, plan_id};
use super::failure::{Exit, Failure};
use super::files;
use super::progress::Progress;
use super::table::{Grid, grouped};

/// Runs `plan`.
pub(super) fn plan(args: &PlanArgs, threads: usize, out: &mut dyn Write) -> Result<(), Failure> {
    let (draft, policy) = files::policy(&args.policy)?;
    if let Some(path) = &args.out {
        files::check_writable(path)?;
    }
    let order = PlanOrder {
        draft,
        policy,
        seed_text: args.seed_text.clone(),
        supersedes: args.supersedes.clone().zip(args.reason.clone()),
    };
    let mut backend = open(&args.target, threads, false)?;
    let progress = Progress::new();
    let drawn = backend.draw(&order, &progress);
    progress.done();
    let drawn = drawn?;
    let mut text = summary(&drawn);
    if let Some(path) = &args.out {
        let bytes = backend.export(&drawn.plan.id)?;
        text += &write_out(path, &bytes)?;
    }
    out.write_all(text.as_bytes()).map_err(Failure::stdout)
}

/// Writes a plan's file, and says so.
pub(super) fn write_out(path: &Path, bytes: &[u8]) -> Result<String, Failure> {
    files::write_whole(path, bytes)?;
    Ok(format!("file          {}\n", path.display()))
}

/// What a draw says for itself.
pub(super) fn summary(drawn: &Drawn) -> String {
    let plan = &drawn.plan;
    let mut text = format!("plan          {}", plan.id);
    if drawn.existing {
        text += "  (on record since ";
        text += &plan.drawn_at;
        text += ")";
    }
    text += &format!("\nunits         {} eligible", grouped(plan.units));
    text += &format!("\nbatches       {}", grouped(plan.batches));
    text += &format!("\nreplacements  {}", grouped(plan.replacements));
    if plan.replacement_shortfall > 0 {
        text += &format!(", {} not found", grouped(plan.replacement_shortfall));
    }
    text += &format!("\nquotas        {}\n", quotas(plan));
    text += &format!("sha256        {}\n", plan.digest);
    if plan.unprotected {
        text += "seed          a text: unprotected, others could have been tried before\n";
    }
    if plan.draw_number > 1 {
        text += &format!("draw          no. {} of this programme\n", plan.draw_number);
    }
    if !plan.supersedes.is_empty() {
        text += &format!("supersedes    {}\n", plan.supersedes);
    }
    text
}

/// Only targets can be missed: a plan that breaks a hard quota is never made.
fn quotas(plan: &PlanRecord) -> String {
    let rows = grouped(plan.rows);
    match plan.rows_missed {
        0 => format!("{rows} rows, every one holds in every draw"),
        missed => {
            format!("{rows} rows, every hard one holds in every draw; {missed} targets are missed")
        }
    }
}

/// Runs `plans`.
pub(super) fn plans(args: &PlansArgs, threads: usize, out: &mut dyn Write) -> Result<(), Failure> {
    let plans = open(&args.target, threads, false)?.plans()?;
    let mut grid = Grid::new(&[
        "plan",
        "title",
        "drawn",
        "units>",
        "batches>",
        "quotas missed>",
        "draw",
        "state",
    ]);
    for plan in &plans {
        let state = match plan.superseded_by.as_str() {
            "" => plan.state.to_owned(),
            by => format!("superseded by {by}"),
        };
        let draw = match (plan.draw_number, plan.unprotected) {
            (number, true) => format!("no. {number}, seed unprotected"),
            (number, false) => format!("no. {number}"),
        };
        grid.row([
            plan.id.clone(),
            plan.title.clone(),
            plan.drawn_at.clone(),
            grouped(plan.units),
            grouped(plan.batches),
            grouped(plan.rows_missed),
            draw,
            state,
        ]);
    }
    write!(out, "{grid}").map_err(Failure::stdout)
}

/// Runs `lines`.
pub(super) fn lines(args: &LinesArgs, threads: usize, out: &mut dyn Write) -> Result<(), Failure> {
    let filter = LineFilter { level: args.level, authority: args.authority };
    let lines = open(&args.name.target, threads, false)?.lines(&args.name.plan, filter)?;
    match args.format {
        LinesFormat::Csv => write_csv(&lines, out).map_err(Failure::stdout),
        LinesFormat::Json => write_json(&lines, out).map_err(Failure::stdout),
    }
}

fn write_json(lines: &[crate::plan::Line], out: &mut dyn Write) -> std::io::Result<()> {
    out.write_all(b"[")?;
    for (place, line) in lines.iter().enumerate() {
        out.write_all(if place == 0 { b"\n" } else { b",\n" })?;
        serde_json::to_writer(&mut *out, line)?;
    }
    out.write_all(b"\n]\n")
}

/// Runs `regenerate`.
pub(super) fn regenerate(
    args: &PlanName,
    threads: usize,
    out: &mut dyn Write,
) -> Result<(), Failure> {
    let mut backend = open(&args.target, threads, false)?;
    let progress = Progress::new();
    let difference = backend.regenerate(&args.plan, &progress);
    progress.done();
    same(difference?)?;
    let plan = plan_id(&args.plan);
    writeln!(out, "{plan}: drawn again, every byte is the same").map_err(Failure::stdout)
}

/// A second draw must not differ.
pub(super) fn same(difference: Option<String>) -> Result<(), Failure> {
    match difference {
        Some(difference) => Err(Failure::new(Exit::Differs, difference)),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_difference_is_a_failure_of_its_own_kind() {
        assert!(same(None).is_ok());
        match same(Some("byte 7".into())) {
            Err(Failure::Says { exit: Exit::Differs, text }) => assert_eq!(text, "byte 7"),
            other => panic!("{other:?}"),
        }
    }
}
