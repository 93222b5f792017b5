//! The checks of a bundle, whatever its form.

use super::container::{BundleError, Opened, open};
use super::county::County;
use super::public::Public;
use super::replaced;
use super::whole::{CHECKPOINT, ENTRIES, PLAN, PLAN_NOTE, REPLACEMENTS, steps};
use crate::audit::log::{
    Entry, Freeze, Ledger, State, open_checkpoint, verify_bundle_note, verify_plan_note,
};
use crate::audit::report::{Check, Report};
use crate::draw::{Seed, SeedSource, seed_commitment};
use crate::model::{Digest, HashName, merkle};
use crate::plan::Document;

/// A bundle that was opened, with what is checked of every form.
struct Base {
    opened: Opened,
    ledger: Ledger,
    container: Check,
    signature: Check,
    log: Check,
    growth: Check,
}

/// Checks a bundle: container, signature, log, protocol, and then all that its form can show.
/// `key` is the log's key as the auditor knows it from elsewhere; none: the one that the log
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
            return Report { plan: None, part: None, checks: vec![container] };
        }
    };
    let form = opened.form.clone();
    let own: &[&str] = match form.split_once('/') {
        Some(("county", _)) => &["county.json", "roster.jsonl", "lines.jsonl"],
        None if form == "public" => &["public.json", "lines.jsonl", "leaves.bin"],
        None if form == "whole" => &[PLAN],
        _ => {
            container.require(false, || format!("form `{form}` is unknown"));
            return Report { plan: Some(opened.plan), part: None, checks: vec![container] };
        }
    };
    let optional: &[&str] = if form == "whole" { &[PLAN_NOTE, REPLACEMENTS] } else { &[PLAN_NOTE] };
    let needed = || own.iter().chain(&[ENTRIES, CHECKPOINT]);
    for name in opened.members.keys() {
        let known = needed().chain(optional).any(|known| known == name);
        container.require(known, || format!("`{name}` is no member of it"));
    }
    for name in needed() {
        let missing = || BundleError::Missing((*name).to_owned()).to_string();
        container.require(opened.members.contains_key(*name), missing);
    }
    let member = |name: &str| opened.members.get(name).map(Vec::as_slice).unwrap_or_default();
    let mut log =
        Check::named("log", "the log's entries follow its rules and lead to its signed head");
    let checkpoint = String::from_utf8_lossy(member(CHECKPOINT)).into_owned();
    let ledger = read_log(member(ENTRIES), &checkpoint, key, &mut log);
    let mut growth =
        Check::named("growth", "every earlier head that was given is the log's beginning");
    for earlier in earlier {
        grown(&ledger, earlier, &mut growth);
    }
    let mut signature = Check::named("signature", "manifest and plan are signed by the log's key");
    let signed = verify_bundle_note(&opened.signature, ledger.key(), &opened.manifest);
    signature.require(signed.is_ok(), || format!("the manifest: {}", words(&signed)));
    let base = Base { opened, ledger, container, signature, log, growth };
    match form.split_once('/') {
        Some((_, code)) => county(base, code),
        None if form == "public" => public(base),
        None => whole(base, threads),
    }
}

impl Base {
    fn member(&self, name: &str) -> &[u8] {
        self.opened.members.get(name).map(Vec::as_slice).unwrap_or_default()
    }

    /// Checks the note of a plan that is in force.
    fn in_force(&mut self, freeze: &Freeze) {
        let Some((id, file)) = freeze.plan.as_ref().filter(|_| freeze.state == State::Issued)
        else {
            return;
        };
        // Signed by the key that was in force when it was issued.
        let note = String::from_utf8_lossy(self.member(PLAN_NOTE)).into_owned();
        let signed = |key: &String| verify_plan_note(&note, key, id, file).is_ok();
        let found = self.ledger.keys().iter().any(signed);
        self.signature.require(found, || {
            "the plan: no key of the log has signed its file as in force".into()
        });
    }

    fn report(self, plan: Option<String>, part: Option<String>, more: Vec<Check>) -> Report {
        let mut checks = vec![self.container, self.signature, self.log, self.growth];
        checks.extend(more);
        Report { plan, part, checks }
    }
}

fn whole(mut base: Base, threads: usize) -> Report {
    let plan = base.opened.members.remove(PLAN).unwrap_or_default();
    let document = crate::audit::read::document(&plan);
    // The plan's own checks beside those against the log.
    let (found, report) = std::thread::scope(|scope| {
        let against = scope.spawn(|| against_log(&base, &plan, document.as_ref().ok(), threads));
        let report = crate::audit::verify::verify_read(&plan, &document);
        (crate::model::join(against), report)
    });
    let (freeze, protocol, replacements) = found;
    if let Some(freeze) = freeze {
        base.in_force(&freeze);
    }
    let mut checks = vec![protocol, replacements];
    checks.extend(report.checks);
    base.report(report.plan, None, checks)
}

/// Compares a whole plan with the log.
fn against_log(
    base: &Base,
    plan: &[u8],
    document: Option<&Document>,
    threads: usize,
) -> (Option<Freeze>, Check, Check) {
    let mut protocol = Check::named(
        "protocol",
        "frame, policy, design, seed, batches, lines and file are those that the log fixed",
    );
    let mut replacements = Check::named(
        "fallen_lines",
        "lines that fell out gave way to the next unit of their arc, as the log has it",
    );
    let Some(document) = document else {
        protocol.require(false, || "the plan file cannot be read".into());
        replacements.require(false, || "the plan file cannot be read".into());
        return (None, protocol, replacements);
    };
    let file = Digest::of(plan);
    let freeze = steps(&base.ledger, document, &file, &mut protocol, threads).cloned();
    replaced::check(base.member(REPLACEMENTS), document, &base.ledger, &mut replacements);
    let named = base.opened.plan.as_str();
    protocol.equal(named, &document.plan.id, || "the manifest's plan".into());
    (freeze, protocol, replacements)
}

fn county(mut base: Base, code: &str) -> Report {
    let part = Some(format!("county {code}"));
    let mut protocol = Check::named(
        "protocol",
        "frame, policy, design, seed and batches are those that the log fixed",
    );
    let read = County::read(
        base.member("county.json"),
        base.member("roster.jsonl"),
        base.member("lines.jsonl"),
        &mut protocol,
    );
    let plan = Some(base.opened.plan.clone());
    let Some(county) = read else { return base.report(plan, part, vec![protocol]) };
    protocol.equal(county.part.county.to_string().as_str(), code, || "the county".into());
    protocol.equal(base.opened.plan.as_str(), &county.part.plan.id, || "the plan".into());
    let mut keys =
        Check::named("keys", "digests, seed and the plan's name follow from one another");
    let sub_keys = county.keys(&mut keys);
    let mut frame =
        Check::named("frame", "roster and cells lead to the frame's digest, in the county's place");
    county.frame(&mut frame);
    let (design, counts) = county.commitments(&mut protocol);
    let freeze = base.ledger.freeze_of_plan(&county.part.plan.id).cloned();
    match freeze {
        None => protocol.problem(|| format!("the log knows no plan `{}`", county.part.plan.id)),
        Some(freeze) => {
            inputs(&freeze, &county.part.frame, &county.part.plan, &mut protocol);
            let seed = &county.part.seed;
            opened_seed(&freeze, seed, &mut protocol);
            if county.part.in_design.is_some() {
                protocol.equal(design, Some(freeze.design), || "the design, by the county".into());
                protocol.equal(counts, freeze.counts, || "the batches, by the county".into());
            }
            base.in_force(&freeze);
        }
    }
    let mut cells =
        Check::named("cells", "batches are expectations rounded, within cells, floors and budget");
    let sound = county.cells(&mut cells);
    let mut lots = Check::named("lots", "exactly the units of the smallest lots have lines");
    let mut quotas = Check::named("quotas", "the rows of the county are kept by her batches");
    if sound.is_some() {
        county.lots(&sub_keys, &mut lots);
        county.quotas(&mut quotas);
    } else {
        lots.problem(|| "not checked, because `cells` failed".into());
        quotas.problem(|| "not checked, because `cells` failed".into());
    }
    base.report(plan, part, vec![protocol, keys, frame, cells, lots, quotas])
}

fn public(mut base: Base) -> Report {
    let mut protocol =
        Check::named("protocol", "frame, policy and lines are those that the log fixed");
    let read = Public::read(
        base.member("public.json"),
        base.member("lines.jsonl"),
        base.member("leaves.bin"),
        &mut protocol,
    );
    let (plan, part) = (Some(base.opened.plan.clone()), Some("public".to_owned()));
    let Some(public) = read else { return base.report(plan, part, vec![protocol]) };
    protocol.equal(base.opened.plan.as_str(), &public.part.plan.id, || "the plan".into());
    let mut frame = Check::named("frame", "outline, policy and digests belong together");
    public.inputs(&mut frame);
    let mut lines =
        Check::named("lines", "lines that are shown were committed to, and their waves are over");
    let root = public.lines(&mut lines);
    match base.ledger.freeze_of_plan(&public.part.plan.id).cloned() {
        None => protocol.problem(|| format!("the log knows no plan `{}`", public.part.plan.id)),
        Some(freeze) => {
            inputs(&freeze, &public.part.frame, &public.part.plan, &mut protocol);
            protocol.equal(Some(root), freeze.lines, || "the commitment to the lines".into());
            base.in_force(&freeze);
        }
    }
    let mut budgets = Check::named("budgets", "the batches of authorities and waves add up");
    public.budgets(&mut budgets);
    let mut quotas = Check::named("quotas", "the rows that are shown are the policy's, and kept");
    public.quotas(&mut quotas);
    base.report(plan, part, vec![protocol, frame, lines, budgets, quotas])
}

/// What a frozen record fixed of frame and policy.
pub(super) fn inputs(
    freeze: &Freeze,
    frame: &crate::frame::FrameOutline,
    plan: &crate::plan::Head,
    check: &mut Check,
) {
    check.equal(frame.digest, freeze.frame, || "frame.digest".into());
    check.equal(frame.policy_digest, freeze.policy, || "frame.policy_digest".into());
    check.equal(plan.policy_id.as_str(), &freeze.programme.0, || "the programme".into());
}

/// Whether a seed is the one that a frozen record committed to.
pub(super) fn opened_seed(freeze: &Freeze, seed: &crate::plan::SeedRecord, check: &mut Check) {
    match SeedSource::from_parts(&seed.source, &seed.text, &seed.share) {
        Ok(source) => check.require(freeze.terms.accepts(&source), || {
            format!("the seed does not open what was frozen for a {}", freeze.terms.source())
        }),
        Err(error) => check.require(false, || format!("seed: {error}")),
    }
    let opened = Some(seed_commitment(&Seed(seed.digest.0)));
    check.equal(opened, freeze.seed, || "the commitment to the seed".into());
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
    let root = ledger.leaves().get(..size).map(|leaves| merkle::root(HashName::Sha256, leaves));
    check.require(root == Some(head.root), || {
        format!(
            "FORKED: the head of {} entries with root {} is not the beginning of this log of {}",
            head.size,
            head.root,
            ledger.len()
        )
    });
}
