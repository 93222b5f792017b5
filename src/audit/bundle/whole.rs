//! The bundle of a whole plan: the plan file, the log, and what ties them together.

use super::container::{BundleError, Members, open};
use super::replaced::{self, OpenedReplacement};
use crate::audit::log::{
    Entry, Freeze, Ledger, State, open_checkpoint, verify_bundle_note, verify_plan_note,
};
use crate::audit::report::{Check, Report};
use crate::draw::{Seed, SeedSource, seed_commitment};
use crate::model::Digest;
use crate::plan::{Document, commitments, counts_commitment, design_commitment};

const PLAN: &str = "plan.json";
const PLAN_NOTE: &str = "plan.note";
const ENTRIES: &str = "log/entries.jsonl";
const CHECKPOINT: &str = "log/checkpoint";
const REPLACEMENTS: &str = "replacements.jsonl";

/// What goes into the bundle of a whole plan.
pub struct Parts {
    /// The plan file.
    pub plan: Vec<u8>,
    /// The note that puts it in force; empty if it is not issued.
    pub note: String,
    /// Lines that fell out, in the order of the log.
    pub replacements: Vec<OpenedReplacement>,
    /// All entries of the log, in order.
    pub entries: Vec<Vec<u8>>,
    /// The signed head of the log.
    pub checkpoint: String,
}

/// The members of a bundle.
#[must_use]
pub fn members(parts: Parts) -> Members {
    let mut lines = Vec::new();
    for entry in parts.entries {
        lines.extend(entry);
        lines.push(b'\n');
    }
    let mut members = Members::new();
    members.insert(PLAN.to_owned(), parts.plan);
    members.insert(ENTRIES.to_owned(), lines);
    members.insert(CHECKPOINT.to_owned(), parts.checkpoint.into_bytes());
    if !parts.note.is_empty() {
        members.insert(PLAN_NOTE.to_owned(), parts.note.into_bytes());
    }
    if !parts.replacements.is_empty() {
        members.insert(REPLACEMENTS.to_owned(), replaced::to_bytes(&parts.replacements));
    }
    members
}

/// Checks a bundle: container, signature, log, protocol, and then all that is checked of a plan
/// file. `key` is the log's key as the auditor knows it from elsewhere; none: the one that the log
/// itself names, which only shows that the bundle agrees with itself. `earlier` are heads of the
/// log that the auditor was given before.
#[must_use]
pub fn verify(bytes: &[u8], key: Option<&str>, earlier: &[String], threads: usize) -> Report {
    let mut container =
        Check::named("container", "the members are those of the manifest, once each, unaltered");
    let opened = match open(bytes) {
        Ok(opened) => opened,
        Err(error) => {
            container.require(false, || error.to_string());
            return Report { plan: None, checks: vec![container] };
        }
    };
    container.require(opened.form == "whole", || format!("form `{}` is unknown", opened.form));
    let known = [PLAN, PLAN_NOTE, REPLACEMENTS, ENTRIES, CHECKPOINT];
    for name in opened.members.keys() {
        container
            .require(known.contains(&name.as_str()), || format!("`{name}` is no member of it"));
    }
    for name in [PLAN, ENTRIES, CHECKPOINT] {
        let missing = || BundleError::Missing(name.to_owned()).to_string();
        container.require(opened.members.contains_key(name), missing);
    }
    let member = |name: &str| opened.members.get(name).map(Vec::as_slice).unwrap_or_default();
    let text = |name: &str| String::from_utf8_lossy(member(name)).into_owned();

    let mut log =
        Check::named("log", "the log's entries follow its rules and lead to its signed head");
    let ledger = read_log(member(ENTRIES), &text(CHECKPOINT), key, &mut log);
    let mut growth =
        Check::named("growth", "every earlier head that was given is the log's beginning");
    for earlier in earlier {
        grown(&ledger, earlier, &mut growth);
    }
    let mut signature = Check::named("signature", "manifest and plan are signed by the log's key");
    let signed = verify_bundle_note(&opened.signature, ledger.key(), &opened.manifest);
    signature.require(signed.is_ok(), || format!("the manifest: {}", words(&signed)));

    let plan = member(PLAN);
    let mut protocol = Check::named(
        "protocol",
        "frame, policy, design, seed, batches and file are those that the log fixed",
    );
    let mut replacements = Check::named(
        "fallen_lines",
        "lines that fell out gave way to the next unit of their arc, as the log has it",
    );
    let document = Document::from_bytes(plan).ok();
    if let Some(document) = &document {
        let file = Digest::of(plan);
        let freeze = steps(&ledger, document, &file, &mut protocol, threads);
        if freeze.is_some_and(|freeze| freeze.state == State::Issued) {
            let id = &document.plan.id;
            // Signed by the key that was in force when it was issued.
            let note = text(PLAN_NOTE);
            let signed = |key: &String| verify_plan_note(&note, key, id, &file).is_ok();
            signature.require(ledger.keys().iter().any(signed), || {
                "the plan: no key of the log has signed its file as in force".into()
            });
        }
        replaced::check(member(REPLACEMENTS), document, &ledger, &mut replacements);
        protocol.equal(opened.plan.as_str(), &document.plan.id, || "the manifest's plan".into());
    } else {
        protocol.require(false, || "the plan file cannot be read".into());
        replacements.require(false, || "the plan file cannot be read".into());
    }
    let mut report = crate::audit::verify(plan);
    let mut checks = vec![container, signature, log, growth, protocol, replacements];
    checks.append(&mut report.checks);
    Report { plan: report.plan, checks }
}

pub(super) fn words<T, E: std::fmt::Display>(result: &Result<T, E>) -> String {
    result.as_ref().err().map(ToString::to_string).unwrap_or_default()
}

/// Reads the log and compares it with its head.
fn read_log(lines: &[u8], checkpoint: &str, key: Option<&str>, check: &mut Check) -> Ledger {
    let mut ledger = Ledger::default();
    let ended = lines.is_empty() || lines.ends_with(b"\n");
    check.require(ended, || "the last entry has no line feed".into());
    for line in lines.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()) {
        let appended = Entry::from_bytes(line)
            .map_err(|error| error.to_string())
            .and_then(|entry| ledger.append(&entry).map_err(|error| error.to_string()));
        check.require(appended.is_ok(), || format!("entry {}: {}", ledger.len(), words(&appended)));
        if appended.is_err() {
            break;
        }
    }
    if let Some(key) = key {
        check.equal(ledger.key(), key, || "the log's key".into());
    }
    match open_checkpoint(checkpoint, ledger.key()) {
        Ok(head) => {
            check.equal(head.origin.as_str(), ledger.origin(), || "the head's log".into());
            check.equal(head.size, ledger.len(), || "the head's number of entries".into());
            check.equal(head.root, ledger.root(), || "the head's root".into());
        }
        Err(error) => check.require(false, || format!("the signed head: {error}")),
    }
    ledger
}

/// Whether an earlier head is the beginning of the log.
fn grown(ledger: &Ledger, earlier: &str, check: &mut Check) {
    // Signed by the key in force now or by one before; all of them are in the log.
    let head = ledger.keys().iter().find_map(|key| open_checkpoint(earlier, key).ok());
    let Some(head) = head else {
        check.require(false, || "a head that no key of the log has signed".into());
        return;
    };
    let size = usize::try_from(head.size).unwrap_or(usize::MAX);
    let root = ledger.leaves().get(..size).map(crate::model::merkle::root);
    check.require(root == Some(head.root), || {
        format!(
            "FORKED: the head of {} entries with root {} is not the beginning of this log of {}",
            head.size,
            head.root,
            ledger.len()
        )
    });
}

/// Compares a plan with the steps that the log records of it.
fn steps<'a>(
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
    check.equal(document.frame.digest, freeze.frame, || "frame.digest".into());
    check.equal(document.frame.policy_digest, freeze.policy, || "frame.policy_digest".into());
    check.equal(document.plan.policy_id.as_str(), &freeze.programme.0, || "the programme".into());
    let seed = &document.seed;
    match SeedSource::from_parts(&seed.source, &seed.text, &seed.share) {
        Ok(source) => check.require(freeze.terms.accepts(&source), || {
            format!("the seed does not open what was frozen for a {}", freeze.terms.source())
        }),
        Err(error) => check.require(false, || format!("seed: {error}")),
    }
    let opened = Some(seed_commitment(&Seed(seed.digest.0)));
    check.equal(opened, freeze.seed, || "the commitment to the seed".into());
    let allocation = &document.allocation;
    if !sound(document) {
        check.require(false, || "cells and arcs do not fit together".into());
        return Some(freeze);
    }
    let counties = commitments(&document.frame.counties, allocation, threads);
    let design = design_commitment(&counties, &document.certificate);
    check.equal(design, freeze.design, || "the commitment to design and certificate".into());
    check.equal(Some(counts_commitment(&counties)), freeze.counts, || {
        "the commitment to the batches".into()
    });
    Some(freeze)
}

/// Whether the columns can be walked; what else is wrong with them the plan's own checks say.
fn sound(document: &Document) -> bool {
    let (cells, arcs) = (&document.allocation.cells, &document.allocation.arcs);
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
