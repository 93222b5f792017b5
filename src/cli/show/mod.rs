//! `show`: a plan as a planner wants to see it, or its file.
//!
//! | file | what for |
//! |---|---|
//! | `head` | what the plan is, budgets, exclusions, the price of the quotas |
//! | `quotas` | what was asked, planned and guaranteed |
//! | `spread` | batches by city, level and channel; probabilities by tier |
//!
//! Everything is a function of the plan file alone, so whoever has the file can print it.

mod head;
mod quotas;
mod spread;

use std::fmt::Write as _;
use std::io::Write;

use crate::plan::Document;

use super::args::{ShowArgs, ShowFormat};
use super::backend::open;
use super::failure::Failure;

/// Runs `show`.
pub(super) fn run(args: &ShowArgs, threads: usize, out: &mut dyn Write) -> Result<(), Failure> {
    let bytes = open(&args.name.target, threads, false)?.export(&args.name.plan)?;
    if args.format == ShowFormat::Json {
        return out.write_all(&bytes).map_err(Failure::stdout);
    }
    let document = Document::from_bytes(&bytes).map_err(Failure::other)?;
    out.write_all(text(&document, args.full).as_bytes()).map_err(Failure::stdout)
}

/// Everything, with every authority and every row of every quota if `full`.
pub(super) fn text(document: &Document, full: bool) -> String {
    let mut text = head::head(document);
    let mut section = |title: &str, body: String| {
        // Writing into a text cannot fail.
        let _ = write!(text, "\n## {title}\n{body}");
    };
    section("Budgets", head::budgets(document, full));
    section("Quotas", quotas::quotas(document, full));
    section("Batches by city, level and channel", spread::by_city(document));
    section("Probability of being drawn, by tier", spread::by_tier(document));
    section("Excluded", head::exclusions(document));
    section("Price of the quotas", head::price(document));
    text
}
