//! The bundle of a whole plan: the plan file, the log, and what ties them together.

use super::container::Members;
use super::county::to_lines;
use super::replaced::OpenedReplacement;
use super::verify::{inputs, opened_seed};
use crate::audit::log::{Freeze, Ledger};
use crate::audit::report::Check;
use crate::model::{Digest, HashName};
use crate::plan::{
    Allocation, Document, commitments, counts_commitment, design_commitment, lines_commitment,
};
use crate::policy::Policy;

pub(super) const PLAN: &str = "plan.json";
pub(super) const PLAN_NOTE: &str = "plan.note";
pub(super) const ENTRIES: &str = "log/entries.jsonl";
pub(super) const CHECKPOINT: &str = "log/checkpoint";
pub(super) const REPLACEMENTS: &str = "replacements.jsonl";

/// What goes into the bundle of a whole plan.
pub struct Parts {
    /// The plan file.
    pub plan: Vec<u8>,
    /// The way it came about.
    pub history: History,
    /// Lines that fell out, in the order of the log.
    pub replacements: Vec<OpenedReplacement>,
}

/// The way a plan came about, which every form of a bundle holds.
pub struct History {
    /// The note that puts it in force; empty if it is not issued.
    pub note: String,
    /// All entries of the log, in order.
    pub entries: Vec<Vec<u8>>,
    /// The signed head of the log.
    pub checkpoint: String,
}

/// The members of a whole plan's bundle.
#[must_use]
pub fn members(parts: Parts) -> Members {
    let mut members = history(parts.history);
    members.insert(PLAN.to_owned(), parts.plan);
    if !parts.replacements.is_empty() {
        members.insert(REPLACEMENTS.to_owned(), to_lines(&parts.replacements));
    }
    members
}

/// The members that every form has.
pub(super) fn history(history: History) -> Members {
    let mut lines = Vec::new();
    for entry in history.entries {
        lines.extend(entry);
        lines.push(b'\n');
    }
    let mut members = Members::new();
    members.insert(ENTRIES.to_owned(), lines);
    members.insert(CHECKPOINT.to_owned(), history.checkpoint.into_bytes());
    if !history.note.is_empty() {
        members.insert(PLAN_NOTE.to_owned(), history.note.into_bytes());
    }
    members
}

/// Compares a plan with the steps that the log records of it.
pub(super) fn steps<'a>(
    ledger: &'a Ledger,
    document: &Document,
    file: &Digest,
    check: &mut Check,
    threads: usize,
) -> Option<&'a Freeze> {
    let id = &document.plan.id;
    let Some(freeze) = ledger.freeze_of_plan(id) else {
        check.require(false, || format!("the log knows no plan `{id}`"));
        return None;
    };
    let drawn = freeze.plan.as_ref().map(|(_, document)| *document);
    check.equal(Some(*file), drawn, || "the plan file".into());
    inputs(freeze, &document.frame, &document.plan, check);
    opened_seed(freeze, &document.seed, check);
    // A policy that cannot be read is found among the plan's own checks.
    let hash =
        Policy::from_json(&document.policy).map_or(HashName::default(), |policy| policy.hash);
    let allocation = &document.allocation;
    if !sound(allocation) {
        check.require(false, || "cells and arcs do not fit together".into());
        return Some(freeze);
    }
    let counties = commitments(hash, &document.frame.counties, allocation, threads);
    let design = design_commitment(hash, &counties, &document.certificate);
    check.equal(design, freeze.design, || "the commitment to design and certificate".into());
    check.equal(Some(counts_commitment(hash, &counties)), freeze.counts, || {
        "the commitment to the batches".into()
    });
    let lines = Some(lines_commitment(hash, document));
    check.equal(lines, freeze.lines, || "the commitment to the lines".into());
    Some(freeze)
}

/// Whether the columns can be walked; what else is wrong with them the plan's own checks say.
pub(super) fn sound(allocation: &Allocation) -> bool {
    let (cells, arcs) = (&allocation.cells, &allocation.arcs);
    let count = cells.units.len();
    let lengths = [
        cells.county.len(),
        cells.area.len(),
        cells.product.len(),
        cells.tier.len(),
        cells.cluster.len(),
        cells.accident.len(),
        cells.first_wave.len(),
        cells.weight.len(),
        cells.certain.len(),
    ];
    let of_arcs = [arcs.level.len(), arcs.channel.len(), arcs.x.len(), arcs.n.len()];
    lengths.iter().all(|length| *length == count)
        && cells.attributes.values().all(|column| column.len() == count)
        && of_arcs.iter().all(|length| *length == arcs.cell.len())
        && arcs.cell.is_sorted()
        && arcs.cell.last().is_none_or(|cell| (*cell as usize) < count)
}
