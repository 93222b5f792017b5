//! Bundles of plans, and those that are not what they claim.

use super::steps::{at, dice, freeze, imported};
use super::*;
use crate::audit::bundle::{History, Members, Parts, members, open, pack, verify};
use crate::audit::log::{Entry, Event, Ledger, LogKey};
use crate::audit::{Report, log};
use crate::plan::Document;

/// An issued plan with its planner.
fn issued() -> (Planner, String) {
    let (_, planner) = imported();
    let work = planner.unwatched();
    planner.freeze_plan(&freeze(5, ""), &work).unwrap();
    planner.seed_plan("t-f1", Some(dice(1)), &at(11)).unwrap();
    let id = planner.draw_plan("t-f1", &at(12), &work).unwrap().record.id;
    planner.issue_plan(&id, &at(13)).unwrap();
    (planner, id)
}

fn failed(report: &Report) -> Vec<&'static str> {
    report.checks.iter().filter(|check| !check.holds()).map(|check| check.name).collect()
}

/// The bundle with other members, signed by `key`.
fn forged(bytes: &[u8], key: &LogKey, forge: impl FnOnce(&mut Members)) -> Vec<u8> {
    let mut opened = open(bytes).unwrap();
    forge(&mut opened.members);
    pack(&opened.form, &opened.plan, &opened.members, |digest| key.bundle_note(digest)).unwrap()
}

/// The store's own key, as whoever runs the store has it.
fn own(planner: &Planner) -> LogKey {
    planner.registrar.key(&planner.book).unwrap()
}

fn replan(members: &mut Members, forge: impl FnOnce(&mut Document)) {
    let mut document = Document::from_bytes(&members["plan.json"]).unwrap();
    forge(&mut document);
    members.insert("plan.json".into(), document.to_bytes());
}

#[test]
fn a_bundle_holds() {
    let (planner, id) = issued();
    let bundle = planner.bundle(&id, BundleForm::Whole).unwrap();
    assert_eq!(bundle, planner.bundle(&id, BundleForm::Whole).unwrap());
    let key = planner.ledger().key().to_owned();
    let head = planner.checkpoint().unwrap();
    for threads in [1, 2] {
        let report = verify(&bundle, Some(&key), std::slice::from_ref(&head), threads);
        assert!(report.holds(), "{report}");
        assert_eq!(report.plan.as_deref(), Some(id.as_str()));
    }
    // An earlier head stays its beginning when the log grows, under another key, too.
    planner.change_log_key("a", 20).unwrap();
    let later = planner.bundle(&id, BundleForm::Whole).unwrap();
    let report = verify(&later, Some(planner.ledger().key()), &[head], 1);
    assert!(report.holds(), "{report}");
    assert!(matches!(
        planner.bundle("t-000000000000", BundleForm::Whole),
        Err(PlannerError::NotFound { .. })
    ));
}

#[test]
fn attack_a_bundle_is_signed_with_another_key() {
    let (planner, id) = issued();
    let bundle = planner.bundle(&id, BundleForm::Whole).unwrap();
    let key = planner.ledger().key().to_owned();
    let other = LogKey::new("spotcheck.local/other", &[9; 32]).unwrap();
    let report = verify(&forged(&bundle, &other, |_| {}), Some(&key), &[], 1);
    assert_eq!(failed(&report), ["signature"], "{report}");
    // The whole log made anew with another key: only the key known from elsewhere shows it.
    let report = verify(&bundle, Some(other.verifier()), &[], 1);
    assert_eq!(failed(&report), ["log"], "{report}");
    // The plan's own note.
    let note = other.plan_note(&id, &planner.plan_record(&id).unwrap().document).unwrap();
    let swapped = forged(&bundle, &own(&planner), |members| {
        members.insert("plan.note".into(), note.into_bytes());
    });
    assert_eq!(failed(&verify(&swapped, Some(&key), &[], 1)), ["signature"]);
}

#[test]
fn attack_the_plan_is_not_the_one_that_was_drawn() {
    let (planner, id) = issued();
    let bundle = planner.bundle(&id, BundleForm::Whole).unwrap();
    let key = own(&planner);
    let seen = |name: &str, forge: &dyn Fn(&mut Document)| {
        let forged = forged(&bundle, &key, |members| replan(members, forge));
        let report = verify(&forged, Some(key.verifier()), &[], 1);
        let failed = failed(&report);
        assert!(failed.contains(&"protocol"), "{name}: {report}");
    };
    seen("rounding altered", &|d| d.allocation.arcs.n[0] += 1);
    seen("expected batches altered", &|d| d.allocation.arcs.x[0] -= 1);
    seen("certificate weakened", &|d| d.certificate.families[0].push("x".into()));
    seen("a lot altered", &|d| d.lines[0].lot.0[0] ^= 1);
    seen("another share", &|d| d.seed.share = "00".repeat(32));
    seen("other dice", &|d| d.seed.text = "654321".repeat(9));
    seen("another policy", &|d| d.policy["title"] = "other".into());
    seen("another frame", &|d| d.frame.digest.0[0] ^= 1);
    seen("columns that do not fit", &|d| d.allocation.cells.units.truncate(0));
    let unreadable = forged_plan(&bundle, &key, b"{}".to_vec());
    assert!(failed(&verify(&unreadable, None, &[], 1)).contains(&"readable"));
}

fn forged_plan(bundle: &[u8], key: &LogKey, plan: Vec<u8>) -> Vec<u8> {
    forged(bundle, key, |members| {
        members.insert("plan.json".into(), plan);
    })
}

/// The log's entries with another last one, signed anew by the store's own key.
fn relogged(members: &mut Members, key: &LogKey, change: impl Fn(Vec<Entry>) -> Vec<Entry>) {
    let lines = members["log/entries.jsonl"].clone();
    let entries = lines.split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
    let entries = change(entries.map(|line| Entry::from_bytes(line).unwrap()).collect());
    let mut ledger = Ledger::default();
    for entry in &entries {
        ledger.append(entry).unwrap();
    }
    let head = log::Checkpoint {
        origin: ledger.origin().to_owned(),
        size: ledger.len(),
        root: ledger.root(),
    };
    let parts = Parts {
        replacements: Vec::new(),
        plan: members["plan.json"].clone(),
        history: History {
            note: String::from_utf8(members["plan.note"].clone()).unwrap(),
            entries: entries.iter().map(Entry::to_bytes).collect(),
            checkpoint: key.checkpoint(&head).unwrap(),
        },
    };
    *members = super::bundles::members(parts);
}

#[test]
fn attack_the_log_is_cut_off_edited_or_forked() {
    let (planner, id) = issued();
    let bundle = planner.bundle(&id, BundleForm::Whole).unwrap();
    let key = own(&planner);
    let known = planner.checkpoint().unwrap();
    let check = |bytes: &[u8]| {
        let report = verify(bytes, Some(key.verifier()), std::slice::from_ref(&known), 1);
        let failed = failed(&report);
        assert!(!failed.is_empty(), "{report}");
        failed
    };
    // Without a new signature the head gives it away.
    let cut = forged(&bundle, &key, |members| {
        let lines = members.get_mut("log/entries.jsonl").unwrap();
        lines.pop();
        let end = lines.iter().rposition(|byte| *byte == b'\n').unwrap();
        lines.truncate(end + 1);
    });
    assert!(check(&cut).contains(&"log"));
    let edited = forged(&bundle, &key, |members| {
        let text = String::from_utf8(members["log/entries.jsonl"].clone()).unwrap();
        let text = text.replacen("\"actor\":\"a\"", "\"actor\":\"b\"", 1);
        members.insert("log/entries.jsonl".into(), text.into_bytes());
    });
    assert!(check(&edited).contains(&"log"));
    // With one, the head that the auditor holds does.
    let resigned = forged(&bundle, &key, |members| {
        relogged(members, &key, |mut entries| {
            for entry in &mut entries {
                if let Event::Seed { .. } = entry.event {
                    entry.actor = "somebody else".into();
                }
            }
            entries
        });
    });
    assert_eq!(check(&resigned), ["growth"]);
    let shorter = forged(&bundle, &key, |members| {
        relogged(members, &key, |mut entries| {
            entries.pop();
            entries
        });
    });
    assert_eq!(check(&shorter), ["growth"]);
}
