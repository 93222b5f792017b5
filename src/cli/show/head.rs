//! What the plan is, budgets, exclusions, the price of the quotas.

use crate::cli::table::{Grid, clean, grouped};
use crate::model::Level;
use crate::plan::{AuthorityRow, Document};

/// What the plan is.
pub(super) fn head(document: &Document) -> String {
    let (plan, frame) = (&document.plan, &document.frame);
    let mut text = String::new();
    let mut line = |name: &str, value: &str| text += &format!("{name:<14}{}\n", clean(value));
    line("plan", &plan.id);
    line("title", &plan.title);
    line("method", &plan.method);
    line("as of", &frame.as_of);
    line("registry", &frame.registry_digest.to_string());
    line("frame", &frame.digest.to_string());
    line("policy", &frame.policy_digest.to_string());
    line("seed", &format!("{}: {}", document.seed.source, document.seed.text));
    line("seed digest", &document.seed.digest.to_string());
    let (units, enterprises) = (grouped(plan.units), grouped(frame.enterprises));
    let cells = grouped(frame.cells);
    line("eligible", &format!("{units} units of {enterprises} enterprises in {cells} cells"));
    line("batches", &grouped(plan.batches));
    let missing = match plan.replacement_shortfall {
        0 => String::new(),
        missing => format!(", {} not found", grouped(missing)),
    };
    line("replacements", &format!("{}{missing}", grouped(plan.replacements)));
    for wave in &plan.waves {
        let (batches, wanted) = (grouped(wave.batches), &wave.wanted);
        line("wave", &format!("until {}: {batches} batches ({wanted} asked)", wave.until));
    }
    for (kind, count) in &frame.quality {
        line("finding", &format!("{kind}: {}", grouped(*count)));
    }
    for remark in &plan.remarks {
        line("remark", remark);
    }
    text
}

/// Batches by level; of every authority if `full`.
pub(super) fn budgets(document: &Document, full: bool) -> String {
    let mut grid = Grid::new(&[
        "level",
        "authorities>",
        "eligible units>",
        "batches>",
        "fewest>",
        "median>",
        "most>",
    ]);
    let all = &document.allocation.authorities;
    for level in Level::ALL {
        let of_level: Vec<&AuthorityRow> = all.iter().filter(|a| a.level == *level).collect();
        let mut batches: Vec<u64> = of_level.iter().map(|a| a.batches).collect();
        batches.sort_unstable();
        let (Some(fewest), Some(most)) = (batches.first(), batches.last()) else { continue };
        let median = batches[(batches.len() - 1) / 2];
        let units: u64 = of_level.iter().map(|a| a.units).sum();
        let numbers = [of_level.len() as u64, units, batches.iter().sum(), *fewest, median, *most];
        let cells = std::iter::once(level.to_string()).chain(numbers.map(grouped));
        grid.row(cells);
    }
    if !full {
        return grid.to_string();
    }
    let mut each =
        Grid::new(&["level", "authority", "name", "eligible units>", "batches>", "by wave>"]);
    for row in all {
        let waves: Vec<String> = row.waves.iter().map(u64::to_string).collect();
        each.row([
            row.level.to_string(),
            row.authority.to_string(),
            row.name.clone(),
            grouped(row.units),
            grouped(row.batches),
            waves.join(" + "),
        ]);
    }
    format!("{grid}\n{each}")
}

/// Units that are not eligible, by reason.
pub(super) fn exclusions(document: &Document) -> String {
    if document.frame.excluded.is_empty() {
        return "nothing\n".to_owned();
    }
    let mut grid = Grid::new(&["reason", "units>"]);
    for excluded in &document.frame.excluded {
        grid.row([excluded.reason.clone(), grouped(excluded.units)]);
    }
    grid.to_string()
}

/// How far the quotas moved probabilities away from what risk alone would give.
pub(super) fn price(document: &Document) -> String {
    let mut grid = Grid::new(&["per cent of units>", "probability / risk-proportional, at most>"]);
    for percentile in &document.plan.price_of_quotas {
        grid.row([percentile.percent.to_string(), percentile.ratio.clone()]);
    }
    grid.to_string()
}
