//! `explain`: why an enterprise's units are drawn or not.

use std::io::Write;

use clap::Args;
use serde::Deserialize;
use serde_json::Value;

use super::args::{PlanName, ShowFormat};
use super::backend::{open, plan_id};
use super::failure::{Exit, Failure};
use super::table::clean;
use crate::frame::{AbsenceProof, RowProof};
use crate::model::DivisionCode;

/// Options of `explain`.
#[derive(Debug, Args)]
pub(super) struct ExplainArgs {
    #[command(flatten)]
    pub name: PlanName,
    /// The enterprise's id
    #[arg(long, value_name = "ID")]
    pub enterprise: String,
    /// Only its unit of this product
    #[arg(long, value_name = "ID")]
    pub product: Option<String>,
    /// If the frame has no such unit: prove that it has none in this county
    #[arg(long, value_name = "CODE", value_parser = super::steps::county)]
    pub county: Option<DivisionCode>,
    /// Sentences for people, or JSON, with proofs that `verify` checks
    #[arg(long, value_enum, default_value_t = ShowFormat::Table)]
    pub format: ShowFormat,
}

/// Runs `explain`.
pub(super) fn run(args: &ExplainArgs, threads: usize, out: &mut dyn Write) -> Result<(), Failure> {
    let plan = plan_id(&args.name.plan);
    let mut backend = open(&args.name.target, threads, false)?;
    let county = args.county.map(|code| code.to_string());
    let product = args.product.as_deref();
    let found = backend.explain(plan, &args.enterprise, product, county.as_deref())?;
    let units = found["units"].as_array().map(Vec::as_slice).unwrap_or_default();
    if units.is_empty() && found["absence"].is_null() {
        let of = args.product.as_ref().map(|id| format!(" with product `{id}`"));
        return Err(Failure::input(format_args!(
            "the frame of {plan} knows no enterprise `{}`{}: the registry did not supply it",
            args.enterprise,
            of.unwrap_or_default()
        )));
    }
    let text = match args.format {
        ShowFormat::Json => format!("{found}\n"),
        ShowFormat::Table => words(&found, units),
    };
    out.write_all(text.as_bytes()).map_err(Failure::stdout)
}

/// Checks the proofs of an explanation that was written as JSON: each leads to the frame that it names.
/// None if the bytes are no explanation.
pub(super) fn verify(bytes: &[u8]) -> Option<Result<String, Failure>> {
    let found: Value = serde_json::from_slice(bytes).ok()?;
    let format = found["format"].as_str()?;
    format.starts_with("spotcheck/explain/").then(|| check(&found))
}

fn check(found: &Value) -> Result<String, Failure> {
    let differs = |words: String| Failure::new(Exit::Differs, words);
    let (frame, enterprise) = (text(&found["frame"]), text(&found["enterprise_id"]));
    let units = found["units"].as_array().map(Vec::as_slice).unwrap_or_default();
    let mut said = String::new();
    for unit in units {
        let product = text(&unit["product_id"]);
        let failed = || differs(format!("{enterprise}/{product}: its proof does not hold"));
        let proof = RowProof::deserialize(&unit["proof"]).map_err(|_| failed())?;
        let row = proof.row().ok_or_else(failed)?;
        let reason = unit["exclusion"]["reason"].as_str();
        let same = row.key() == (enterprise.as_str(), product.as_str())
            && row.excluded.as_deref() == reason
            && proof.frame().map(|digest| digest.to_string()) == Some(frame.clone());
        if !same {
            return Err(failed());
        }
        let standing =
            reason.map_or("eligible".to_owned(), |reason| format!("not eligible, {reason}"));
        said += &format!("{enterprise}/{product}: in the frame, {standing}\n");
    }
    if units.is_empty() {
        let failed = || differs(format!("{enterprise}: the proof of its absence does not hold"));
        let absence = AbsenceProof::deserialize(&found["absence"]).map_err(|_| failed())?;
        let product = found["product_id"].as_str();
        let digest = absence.frame(&enterprise, product).ok_or_else(failed)?;
        if digest.to_string() != frame {
            return Err(failed());
        }
        said += &format!("{enterprise}: not in the frame's county {}\n", clean(&absence.county));
    }
    Ok(said + &format!("frame {frame}; compare it with the one that was frozen\n"))
}

/// A value as text, without the quotes of JSON.
fn text(value: &Value) -> String {
    clean(&value.as_str().map_or_else(|| value.to_string(), str::to_owned))
}

fn words(found: &Value, units: &[Value]) -> String {
    let mut said =
        format!("{} {}\n", text(&found["enterprise_id"]), text(&found["enterprise_name"]));
    if let Some(absence) = found["absence"].as_object() {
        let county = text(&absence["county"]);
        said += &format!("\nnot in the frame's county {county}; the JSON has the proof\n");
    }
    for unit in units {
        said += &format!("\n{}: {}\n", text(&unit["product_id"]), text(&unit["standing"]));
        if let Some(exclusion) = unit["exclusion"].as_object() {
            said += &format!("  not in the frame: {}\n", text(&exclusion["reason"]));
        }
        if let Some(facts) = unit["facts"].as_object() {
            let tier = &facts["tier"];
            let (tier, source) = (text(&tier["tier"]), text(&tier["source"]));
            said += &format!("  status {}, tier {tier} (by {source})\n", text(&facts["status"]));
            if let Some(window) = facts["window"].as_object() {
                let (day, free) = (text(&window["sampled_on"]), text(&window["free_from"]));
                said += &format!("  sampled on {day}; may be sampled again from {free} on\n");
            }
            let factors = facts["weight"].as_array().map(Vec::as_slice).unwrap_or_default();
            let factor = |f: &Value| {
                format!("{} {} × {}", text(&f["by"]), text(&f["value"]), text(&f["factor"]))
            };
            if !factors.is_empty() {
                let all: Vec<String> = factors.iter().map(factor).collect();
                said += &format!("  weight {}\n", all.join(", "));
            }
        }
        let (cell, lot) = (&unit["cell"], &unit["lot"]);
        if cell.is_object() {
            said += &format!(
                "  cell {} of {} units, {} drawn; probability {} (province {}, city {}, county {})\n",
                text(&cell["cell"]),
                text(&cell["units"]),
                text(&lot["drawn"]),
                text(&unit["probability"]["total"]),
                text(&unit["probability"]["province"]),
                text(&unit["probability"]["city"]),
                text(&unit["probability"]["county"]),
            );
            let short = match text(&lot["short"]).as_str() {
                "0" => "drawn".to_owned(),
                short => format!("{short} short of being drawn"),
            };
            said += &format!("  lot {}, rank {}: {short}\n", text(&lot["lot"]), text(&lot["rank"]));
            said += &format!("  {}\n", text(&lot["command"]));
        }
        if let Some(line) = unit["line"].as_object() {
            let by = format!("{} {}", text(&line["level"]), text(&line["authority"]));
            said += &match text(&line["replacement_rank"]).as_str() {
                "0" => format!(
                    "  line {}: drawn by {by}, wave {}\n",
                    text(&line["line"]),
                    text(&line["wave"])
                ),
                rank => {
                    format!("  line {}: replacement unit {rank} of {by}\n", text(&line["line"]))
                }
            };
        }
    }
    said
}
