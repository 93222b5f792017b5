//! What was asked, planned and guaranteed.

use std::collections::BTreeMap;

use crate::cli::table::{Grid, grouped};
use crate::plan::{ComplianceRow, Document};

/// Rows of one bound of one quota in one grouping.
struct Summary<'a> {
    tightest: &'a ComplianceRow,
    rows: u64,
    missed: u64,
}

/// One line for each bound of each quota and grouping, with its tightest group; with `full`,
/// every row as well.
pub(super) fn quotas(document: &Document, full: bool) -> String {
    if document.compliance.is_empty() {
        return "none\n".to_owned();
    }
    let names = Names::new(document);
    let mut places = BTreeMap::new();
    let mut list: Vec<Summary<'_>> = Vec::new();
    for row in &document.compliance {
        let key = (row.quota.as_str(), row.scope.as_str(), row.bound.as_str());
        let place = *places.entry(key).or_insert(list.len());
        match list.get_mut(place) {
            Some(summary) => {
                summary.rows += 1;
                summary.missed += u64::from(!row.holds);
                if slack(row) < slack(summary.tightest) {
                    summary.tightest = row;
                }
            }
            None => list.push(Summary { tightest: row, rows: 1, missed: u64::from(!row.holds) }),
        }
    }
    let mut grid = Grid::new(&[
        "quota",
        "for each",
        "rows>",
        "hold",
        "tightest",
        "asked>",
        "required>",
        "planned>",
        "guaranteed>",
    ]);
    for Summary { tightest, rows, missed } in list {
        let hold = match missed {
            0 => "all".to_owned(),
            missed => format!("{} not ({})", grouped(missed), tightest.hardness),
        };
        grid.row([
            tightest.quota.clone(),
            tightest.scope.clone(),
            grouped(rows),
            hold,
            names.group(tightest),
            asked(tightest),
            grouped(tightest.required),
            grouped(tightest.planned),
            guaranteed(tightest),
        ]);
    }
    if !full {
        return grid.to_string();
    }
    let mut each = Grid::new(&[
        "quota",
        "for each",
        "group",
        "hardness",
        "asked>",
        "of>",
        "required>",
        "planned>",
        "guaranteed>",
        "holds",
    ]);
    for row in &document.compliance {
        each.row([
            row.quota.clone(),
            row.scope.clone(),
            names.group(row),
            row.hardness.clone(),
            asked(row),
            if row.base == 0 { String::new() } else { grouped(row.base) },
            grouped(row.required),
            grouped(row.planned),
            guaranteed(row),
            if row.holds { "yes" } else { "no" }.to_owned(),
        ]);
    }
    format!("{grid}\n{each}")
}

/// Batches between what the worst draw gives and what is required.
fn slack(row: &ComplianceRow) -> i128 {
    let (required, low, high) =
        (i128::from(row.required), i128::from(row.guaranteed_low), i128::from(row.guaranteed_high));
    if row.bound.starts_with("min") { low - required } else { required - high }
}

fn asked(row: &ComplianceRow) -> String {
    let sign = if row.bound.starts_with("min") { '≥' } else { '≤' };
    format!("{sign} {}", row.asked)
}

/// What every draw gives.
fn guaranteed(row: &ComplianceRow) -> String {
    match (row.guaranteed_low, row.guaranteed_high) {
        (low, high) if low == high => grouped(low),
        (low, high) => format!("{}–{}", grouped(low), grouped(high)),
    }
}

/// Names of divisions and products, which groups give by code.
struct Names<'a> {
    divisions: BTreeMap<String, &'a str>,
    products: BTreeMap<&'a str, &'a str>,
}

impl<'a> Names<'a> {
    fn new(document: &'a Document) -> Self {
        let divisions = document.frame.divisions.iter();
        let products = document.frame.products.iter();
        Names {
            divisions: divisions.map(|d| (d.code.to_string(), d.name.as_str())).collect(),
            products: products.map(|p| (p.product_id.as_str(), p.name.as_str())).collect(),
        }
    }

    /// The group with the names of what it gives by code.
    fn group(&self, row: &ComplianceRow) -> String {
        if row.group.is_empty() {
            return row.group.clone();
        }
        let mut text = row.group.clone();
        // A value may hold a slash itself (a category does); then the parts don't match.
        let dims: Vec<&str> = row.scope.split('/').collect();
        let values: Vec<&str> = row.group.split('/').collect();
        if dims.len() == values.len() {
            for (dim, value) in dims.iter().zip(&values) {
                let name = match *dim {
                    "authority" | "city" | "county" => self.divisions.get(*value),
                    "product" => self.products.get(value),
                    _ => None,
                };
                if let Some(name) = name.filter(|name| *name != value) {
                    text += " ";
                    text += name;
                }
            }
        }
        text
    }
}
