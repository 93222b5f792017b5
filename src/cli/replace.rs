//! `replace` and `replacements`: lines that fall out in the field, and what the plan comes to.

use std::io::Write;

use clap::Args;

use super::args::{PlanName, ShowFormat};
use super::backend::{open, plan_id};
use super::failure::Failure;
use super::table::{Grid, clean, grouped};
use crate::service::v1;

/// Options of `replace`.
#[derive(Debug, Args)]
pub(super) struct ReplaceArgs {
    #[command(flatten)]
    pub name: PlanName,
    /// Number of the line that fell out
    pub line: u32,
    /// Why: the code of a reason, as the policy has them (`closed`, `refused`, …)
    #[arg(long, value_name = "CODE")]
    pub reason: String,
    /// What that rests on, e.g. the number of a record
    #[arg(long, value_name = "TEXT")]
    pub evidence: String,
}

/// Options of `replacements`.
#[derive(Debug, Args)]
pub(super) struct ReplacementsArgs {
    #[command(flatten)]
    pub name: PlanName,
    /// Tables for people, or JSON
    #[arg(long, value_enum, default_value_t = ShowFormat::Table)]
    pub format: ShowFormat,
}

/// Runs `replace`.
pub(super) fn replace(
    args: &ReplaceArgs,
    threads: usize,
    out: &mut dyn Write,
) -> Result<(), Failure> {
    let plan = plan_id(&args.name.plan);
    let mut backend = open(&args.name.target, threads, false)?;
    let done = backend.replace(plan, args.line, &args.reason, &args.evidence)?;
    let noted = done.replacement.unwrap_or_default();
    let mut text = format!(
        "line {} fell out: {} ({}), entry {} of the log\n",
        noted.line, noted.reason, noted.reason_kind, noted.sequence
    );
    match &done.taken {
        Some(taken) => {
            text += &format!(
                "line {} takes its place: {}/{}, {}, lot {}\n",
                taken.line,
                clean(&taken.enterprise_id),
                clean(&taken.product_id),
                clean(&taken.enterprise_name),
                taken.lot
            );
        }
        None => text += "no replacement unit is left: a batch is missing\n",
    }
    text += &if done.missed.is_empty() {
        "every quota is kept\n".to_owned()
    } else {
        missed(&done.missed)
    };
    out.write_all(text.as_bytes()).map_err(Failure::stdout)
}

/// Rows that are not kept, as a table.
fn missed(rows: &[v1::StandingRow]) -> String {
    let mut grid =
        Grid::new(&["quota", "group", "hardness", "bound", "required>", "drawn>", "now>", "kept"]);
    for row in rows {
        let drawn = row.drawn.clone().unwrap_or_default();
        let group = if drawn.group.is_empty() { drawn.scope } else { drawn.group };
        grid.row([
            drawn.quota,
            group,
            drawn.hardness,
            format!("{} {}", drawn.bound, drawn.asked),
            grouped(row.required),
            grouped(drawn.planned),
            grouped(row.planned),
            if row.kept { "yes".to_owned() } else { "NO".to_owned() },
        ]);
    }
    grid.to_string()
}

/// Runs `replacements`.
pub(super) fn replacements(
    args: &ReplacementsArgs,
    threads: usize,
    out: &mut dyn Write,
) -> Result<(), Failure> {
    let plan = plan_id(&args.name.plan);
    let mut backend = open(&args.name.target, threads, false)?;
    let (all, standing) = (backend.replacements(plan)?, backend.standing(plan)?);
    let text = match args.format {
        ShowFormat::Json => {
            let value = serde_json::json!({ "replacements": all, "standing": standing });
            format!("{value}\n")
        }
        ShowFormat::Table => tables(&all, &standing),
    };
    out.write_all(text.as_bytes()).map_err(Failure::stdout)
}

fn tables(all: &[v1::Replacement], standing: &v1::GetPlanStandingResponse) -> String {
    let mut lines = Grid::new(&["line>", "replaced by>", "reason", "kind", "evidence", "entry>"]);
    for one in all {
        let taken = if one.taken == 0 { "none left".to_owned() } else { one.taken.to_string() };
        lines.row([
            one.line.to_string(),
            taken,
            one.reason.clone(),
            one.reason_kind.clone(),
            one.evidence.clone(),
            one.sequence.to_string(),
        ]);
    }
    let mut rates = Grid::new(&[
        "level",
        "authority",
        "batches>",
        "out of scope>",
        "non-response>",
        "fell out>",
        "not replaced>",
    ]);
    for rate in &standing.rates {
        let fell_out = rate.out_of_scope + rate.non_response;
        // For people only.
        let share = 100.0 * fell_out as f64 / (rate.batches.max(1)) as f64;
        rates.row([
            rate.level().as_str_name().trim_start_matches("LEVEL_").to_lowercase(),
            rate.authority.clone(),
            grouped(rate.batches),
            grouped(rate.out_of_scope),
            grouped(rate.non_response),
            format!("{share:.1} %"),
            grouped(rate.lost),
        ]);
    }
    let mut text = format!(
        "{} of {} drawn lines fell out; {} batches stand\n",
        grouped(standing.fell_out),
        grouped(standing.drawn),
        grouped(standing.standing)
    );
    if standing.fell_out > 0 {
        text += &format!("\n{lines}\n{rates}");
    }
    text += &match standing.missed {
        0 => "\nevery quota is kept\n".to_owned(),
        missed => format!("\n{} quota rows are not kept\n", grouped(missed)),
    };
    if standing.changed > 0 {
        let (shown, changed) = (standing.rows.len() as u64, standing.changed);
        text += &format!("\n{} quota rows changed or are not kept", grouped(changed));
        if shown < changed {
            text += &format!("; the first {}", grouped(shown));
        }
        text += &format!(":\n\n{}", missed(&standing.rows));
    }
    text
}
