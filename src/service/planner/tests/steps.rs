//! Plans step by step, and what the start makes of a log that was tampered with.

use super::*;
use crate::audit::log::{Entry, Event, LedgerError, open_checkpoint, verify_plan_note};
use crate::draw::{SeedSource, share_commitment};
use crate::store::{Batch, PlanStore};

const SHARE: [u8; 32] = [5; 32];

pub(super) fn dice(first: u8) -> SeedSource {
    let digits = format!("{}{}", first, "123456".repeat(9));
    SeedSource::Ceremony { share: SHARE, digits }
}

pub(super) fn freeze(batches: u64, predecessor: &str) -> FreezeRequest {
    let reason = if predecessor.is_empty() { "" } else { "the registry was wrong" };
    FreezeRequest {
        source: Source::Policy { policy: Box::new(policy(batches)), revision: None },
        seed: SeedPlan::Ceremony { share: share_commitment(&SHARE) },
        predecessor: (!predecessor.is_empty()).then(|| predecessor.to_owned()),
        reason: reason.to_owned(),
        actor: "planner".into(),
        request_id: String::new(),
        now: 10,
    }
}

pub(super) fn at(now: u64) -> Asked<'static> {
    Asked { actor: "a", now, ..Asked::default() }
}

pub(super) fn imported() -> (Arc<MemoryStore>, Planner) {
    let (store, planner) = planner();
    planner.import(rows(20), None, "", 0).unwrap();
    (store, planner)
}

fn kinds(planner: &Planner) -> Vec<String> {
    let entries = planner.log_entries(0, 100).unwrap();
    let kind = |bytes: &Vec<u8>| {
        let value: serde_json::Value = serde_json::from_slice(bytes).unwrap();
        value["event"]["kind"].as_str().unwrap().to_owned()
    };
    entries.iter().map(kind).collect()
}

fn again(store: &Arc<MemoryStore>) -> Planner {
    Planner::new(Arc::clone(store) as Arc<dyn PlanStore>, 1).unwrap()
}

#[test]
fn a_ceremony_from_freeze_to_issue() {
    let (store, planner) = imported();
    let work = planner.unwatched();
    let frozen = planner.freeze_plan(&freeze(5, ""), &work).unwrap();
    assert_eq!(frozen.record.name, "t-f1");
    assert_eq!(planner.seed_plan("t-f1", Some(dice(1)), &at(11)).unwrap().log.entries, [1, 2]);
    let drawn = planner.draw_plan("t-f1", &at(12), &work).unwrap();
    assert!(!drawn.existing);
    let id = drawn.record.id.clone();
    assert_eq!((drawn.record.freeze.as_str(), drawn.record.draw_number), ("t-f1", 1));
    let issued = planner.issue_plan(&id, &at(13)).unwrap();
    assert_eq!(issued.state, PlanState::Issued);
    assert_eq!(kinds(&planner), ["open", "freeze", "seed", "draw", "issue"]);

    // The signature and the head are those of the log's key.
    let ledger = planner.ledger();
    verify_plan_note(&issued.note, ledger.key(), &id, &issued.document).unwrap();
    let head = open_checkpoint(&planner.checkpoint().unwrap(), ledger.key()).unwrap();
    assert_eq!((head.size, head.root), (5, ledger.root()));

    // The plan file has the seed, and is drawn again and verified from it.
    let document = planner.document(&id).unwrap();
    assert_eq!(document.seed.source, "ceremony");
    assert_eq!(document.seed.share, hex::encode(SHARE));
    assert!(planner.regenerate(&id, &work).unwrap().same);
    let report = crate::audit::verify(&planner.document_bytes(&id).unwrap());
    assert!(report.holds(), "{report}");

    // Every step again answers as before, and adds nothing.
    planner.seed_plan("t-f1", Some(dice(1)), &at(20)).unwrap();
    assert!(planner.draw_plan("t-f1", &at(20), &work).unwrap().existing);
    assert_eq!(planner.issue_plan(&id, &at(20)).unwrap(), issued);
    assert_eq!(planner.ledger().len(), 5);
    let planner = again(&store);
    assert_eq!((planner.log_damage(), planner.ledger().root()), (None, ledger.root()));
}

#[test]
fn steps_are_named_and_tied_to_what_was_read() {
    let (_, planner) = imported();
    let work = planner.unwatched();
    let first = planner.freeze_plan(&freeze(5, ""), &work).unwrap();
    let named = |request_id| Asked { request_id, ..at(11) };
    fn reading(etag: &str) -> Asked<'_> {
        Asked { etag, ..at(11) }
    }
    let refused = |error: Option<PlannerError>| match error {
        Some(PlannerError::Etag { etag, .. }) => etag,
        other => panic!("{other:?}"),
    };
    // A name belongs to one request; the same one again adds nothing.
    let seeded = planner.seed_plan("t-f1", Some(dice(1)), &named("s")).unwrap();
    assert_ne!(seeded.etag(), first.etag());
    assert_eq!(planner.seed_plan("t-f1", Some(dice(1)), &named("s")).unwrap(), seeded);
    let reused = planner.seed_plan("t-f1", Some(dice(2)), &named("s"));
    assert!(matches!(reused, Err(PlannerError::RequestReused(_))), "{reused:?}");
    let stale = planner.draw_plan("t-f1", &reading(&first.etag()), &work).err();
    assert_eq!(refused(stale), seeded.etag());
    let drawn = Asked { etag: &seeded.etag(), ..named("d") };
    let plan = planner.draw_plan("t-f1", &drawn, &work).unwrap().record;
    // Done already: the etag that was read before does no harm.
    assert!(planner.draw_plan("t-f1", &drawn, &work).unwrap().existing);
    let length = planner.ledger().len();
    let stale = planner.issue_plan(&plan.id, &reading(&seeded.etag())).err();
    assert_eq!(refused(stale), plan.etag());
    let issued = planner.issue_plan(&plan.id, &reading(&plan.etag())).unwrap();
    assert_ne!(issued.etag(), plan.etag());
    assert_eq!(planner.issue_plan(&plan.id, &named("i")).unwrap(), issued);
    for old in [plan.etag(), planner.frozen("t-f1").unwrap().etag()] {
        refused(planner.void_plan(&plan.id, "why", &reading(&old)).err());
    }
    let void = planner.void_plan(&plan.id, "why", &reading(&issued.etag())).unwrap();
    assert_eq!(planner.ledger().len(), length + 2);
    // A request that was answered is answered, whatever happened since.
    assert_eq!(planner.issue_plan(&plan.id, &named("i")).unwrap().state, PlanState::Void);
    assert_eq!(planner.void_plan("t-f1", "why", &named("v")).unwrap(), void);
    let reused = planner.void_plan("t-f1", "another reason", &named("v"));
    assert!(matches!(reused, Err(PlannerError::RequestReused(_))), "{reused:?}");
}

#[test]
fn the_log_shows_no_seed_before_its_time() {
    let (_, planner) = imported();
    planner.freeze_plan(&freeze(5, ""), &planner.unwatched()).unwrap();
    planner.seed_plan("t-f1", Some(dice(1)), &at(11)).unwrap();
    let seed = hex::encode(dice(1).seed(crate::model::HashName::Sha256).unwrap().0);
    for entry in planner.log_entries(0, 10).unwrap() {
        let text = String::from_utf8(entry).unwrap();
        assert!(!text.contains(&seed) && !text.contains(&hex::encode(SHARE)), "{text}");
    }
}

#[test]
fn attack_the_seed_is_chosen_after_several_tries() {
    let (_, planner) = imported();
    let work = planner.unwatched();
    planner.freeze_plan(&freeze(5, ""), &work).unwrap();
    // Another share than was committed to; a text in place of dice.
    let SeedSource::Ceremony { digits, .. } = dice(1) else { panic!() };
    for other in [SeedSource::Ceremony { share: [6; 32], digits }, SeedSource::Text("1".into())] {
        let error = planner.seed_plan("t-f1", Some(other), &at(11)).unwrap_err();
        assert!(matches!(error, PlannerError::NotCommitted { .. }), "{error}");
    }
    let error = planner.draw_plan("t-f1", &at(11), &work).unwrap_err();
    assert!(matches!(error, PlannerError::Log(LedgerError::State { .. })), "{error}");
    planner.seed_plan("t-f1", Some(dice(1)), &at(11)).unwrap();
    let error = planner.seed_plan("t-f1", Some(dice(2)), &at(12)).unwrap_err();
    assert!(matches!(error, PlannerError::Log(LedgerError::State { .. })), "{error}");
    planner.draw_plan("t-f1", &at(12), &work).unwrap();
    let error = planner.seed_plan("t-f1", Some(dice(2)), &at(13)).unwrap_err();
    assert!(matches!(error, PlannerError::Log(LedgerError::State { .. })), "{error}");
    // Nor in one step, beside the frozen record.
    let error = planner.plan(&request("1"), &work).unwrap_err();
    assert!(matches!(error, PlannerError::AlreadyDrawn { .. }), "{error}");
}

#[test]
fn attack_several_freezes_for_one_programme_wait_for_one_value() {
    let (_, planner) = imported();
    let work = planner.unwatched();
    planner.freeze_plan(&freeze(5, ""), &work).unwrap();
    planner.import(rows(21), None, "", 0).unwrap();
    // Another frame, another policy text, the same programme.
    for batches in [5, 6] {
        let error = planner.freeze_plan(&freeze(batches, "t-f1"), &work).unwrap_err();
        assert!(matches!(error, PlannerError::Log(LedgerError::OpenFreeze { .. })), "{error}");
    }
    planner.void_plan("t-f1", "the registry was wrong", &at(12)).unwrap();
    let error = planner.freeze_plan(&freeze(5, ""), &work).unwrap_err();
    assert!(matches!(error, PlannerError::Log(LedgerError::Predecessor { .. })), "{error}");
    let second = planner.freeze_plan(&freeze(5, "t-f1"), &work).unwrap();
    assert_eq!((second.log.number, second.log.number_of_frame), (2, 1));
    planner.seed_plan("t-f2", Some(dice(1)), &at(13)).unwrap();
    let plan = planner.draw_plan("t-f2", &at(14), &work).unwrap().record;
    assert_eq!(plan.draw_number, 2);
    // The same dice serve no third record, and the plan's name will do for its record's.
    let third = planner.freeze_plan(&freeze(6, &plan.id), &work).unwrap();
    assert_eq!(third.record.predecessor, "t-f2");
    let error = planner.seed_plan("t-f3", Some(dice(1)), &at(15)).unwrap_err();
    assert!(matches!(error, PlannerError::Log(LedgerError::ValueUsed { .. })), "{error}");
    planner.seed_plan("t-f3", Some(dice(2)), &at(15)).unwrap();
    let next = planner.draw_plan("t-f3", &at(16), &work).unwrap().record;
    assert_eq!(next.supersedes.as_deref(), Some(plan.id.as_str()));
    let old = planner.plan_record(&plan.id).unwrap();
    assert_eq!((old.state, old.superseded_by), (PlanState::Superseded, Some(next.id)));
    assert!(planner.issue_plan(&plan.id, &at(17)).is_err());
}

#[test]
fn the_operating_system_s_bytes_are_fixed_when_the_record_is_frozen() {
    let (_, planner) = imported();
    let work = planner.unwatched();
    let request = FreezeRequest { seed: SeedPlan::System, ..freeze(5, "") };
    let frozen = planner.freeze_plan(&request, &work).unwrap();
    let other = SeedSource::System { value: [1; 32] };
    assert!(planner.seed_plan("t-f1", Some(other), &at(11)).is_err());
    planner.seed_plan("t-f1", None, &at(11)).unwrap();
    let plan = planner.draw_plan("t-f1", &at(12), &work).unwrap().record;
    assert_eq!(plan.seed.text, frozen.record.system_value);
    assert!(planner.regenerate(&plan.id, &work).unwrap().same);
}

#[test]
fn attack_an_inert_attribute_is_edited_after_the_seed_is_known() {
    let (_, planner) = imported();
    let work = planner.unwatched();
    let frozen = planner.freeze_plan(&freeze(5, ""), &work).unwrap();
    planner.seed_plan("t-f1", Some(dice(1)), &at(11)).unwrap();
    // Names, which no rule looks at: they make another revision and another frame, so that whoever
    // hopes to move lots by them needs another record, which counts, and other dice.
    planner.import(named_rows(20, "another"), None, "", 0).unwrap();
    let other = planner.freeze(&policy(5), None, "", 12).unwrap();
    assert_ne!(other.digest, frozen.record.frame);
    let plan = planner.draw_plan("t-f1", &at(13), &work).unwrap().record;
    assert_eq!(plan.frame, frozen.record.frame, "the frozen frame is drawn from");
    assert!(planner.regenerate(&plan.id, &work).unwrap().same);
    let second = planner.freeze_plan(&freeze(5, "t-f1"), &work).unwrap();
    assert_eq!((second.record.frame, second.log.number), (other.digest, 2));
    let error = planner.seed_plan("t-f2", Some(dice(1)), &at(14)).unwrap_err();
    assert!(matches!(error, PlannerError::Log(LedgerError::ValueUsed { .. })), "{error}");
}

#[test]
fn a_plan_stays_in_force_until_another_one_is() {
    let (_, planner) = imported();
    let work = planner.unwatched();
    let draw = |seed: &str, before: &str| {
        let made = match before {
            "" => planner.plan(&request(seed), &work),
            before => planner.plan(&superseding(seed, before, "why"), &work),
        };
        made.unwrap().record.id
    };
    let state = |id: &str| planner.plan_record(id).unwrap().state;
    let first = draw("1", "");
    planner.issue_plan(&first, &at(1)).unwrap();
    let second = draw("2", &first);
    assert_eq!((state(&first), state(&second)), (PlanState::Issued, PlanState::Drawn));
    let third = draw("3", &second);
    assert_eq!((state(&first), state(&second)), (PlanState::Issued, PlanState::Superseded));
    planner.void_plan(&third, "a mistake", &at(2)).unwrap();
    assert_eq!(state(&first), PlanState::Issued, "still in force");
    let fourth = draw("4", &third);
    planner.issue_plan(&fourth, &at(3)).unwrap();
    assert_eq!((state(&first), state(&fourth)), (PlanState::Superseded, PlanState::Issued));
    let old = planner.plan_record(&first).unwrap();
    assert_eq!(old.superseded_by.as_deref(), Some(fourth.as_str()));
    // By hand, before the next one is in force; only by a later one.
    let fifth = draw("5", &fourth);
    let backwards = planner.supersede_plan(&fifth, &fourth, "why", &at(4)).unwrap_err();
    assert!(matches!(backwards, PlannerError::Log(LedgerError::NotTheNext { .. })), "{backwards}");
    assert!(planner.supersede_plan(&fourth, &fifth, " ", &at(4)).is_err());
    let ended = planner.supersede_plan(&fourth, &fifth, "a wrong tier", &at(4)).unwrap();
    assert_eq!(ended.state, PlanState::Superseded);
    assert_eq!(planner.supersede_plan(&fourth, &fifth, "again", &at(5)).unwrap(), ended);
    assert_eq!(state(&fifth), PlanState::Drawn);
}

#[test]
fn void_is_for_ever() {
    let (_, planner) = imported();
    let work = planner.unwatched();
    let plan = planner.plan(&request("1"), &work).unwrap().record;
    assert!(matches!(
        planner.void_plan(&plan.id, " ", &at(1)),
        Err(PlannerError::Log(LedgerError::Text { .. }))
    ));
    planner.void_plan(&plan.id, "wrong policy", &at(1)).unwrap();
    assert_eq!(planner.plan_record(&plan.id).unwrap().state, PlanState::Void);
    assert!(planner.issue_plan(&plan.id, &at(2)).is_err());
    assert_eq!(planner.void_plan(&plan.id, "again", &at(3)).unwrap().log.entries.len(), 4);
    // The next one names it.
    let error = planner.plan(&request("2"), &work).unwrap_err();
    assert!(matches!(error, PlannerError::AlreadyDrawn { .. }), "{error}");
    planner.plan(&superseding("2", "t-f1", "the first was void"), &work).unwrap();
}

#[test]
fn of_many_steps_at_once_one_is_taken() {
    let (_, planner) = imported();
    planner.freeze_plan(&freeze(5, ""), &planner.unwatched()).unwrap();
    let barrier = Barrier::new(4);
    let seeded = std::thread::scope(|scope| {
        let seed = |first| {
            let (planner, barrier) = (&planner, &barrier);
            scope.spawn(move || {
                barrier.wait();
                planner.seed_plan("t-f1", Some(dice(first)), &at(11)).is_ok()
            })
        };
        let threads: Vec<_> = (1..=4).map(seed).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).filter(|done| *done).count()
    });
    assert_eq!((seeded, planner.ledger().len()), (1, 3));
    let drawn = std::thread::scope(|scope| {
        let draw = || {
            let (planner, barrier) = (&planner, &barrier);
            scope.spawn(move || {
                barrier.wait();
                planner.draw_plan("t-f1", &at(12), &planner.unwatched()).unwrap()
            })
        };
        let threads: Vec<_> = (0..4).map(|_| draw()).collect();
        let drawn: Vec<Drawn> = threads.into_iter().map(|thread| thread.join().unwrap()).collect();
        assert!(drawn.iter().all(|other| other.record == drawn[0].record));
        drawn.iter().filter(|drawn| !drawn.existing).count()
    });
    assert_eq!((drawn, planner.ledger().len()), (1, 4));
}

#[test]
fn keys_change_and_old_heads_stay_checkable() {
    let (store, planner) = imported();
    let work = planner.unwatched();
    planner.plan(&request("1"), &work).unwrap();
    let old_key = planner.ledger().key().to_owned();
    let old_head = planner.checkpoint().unwrap();
    let new_key = planner.change_log_key("administrator", 5).unwrap();
    assert_ne!(old_key, new_key);
    open_checkpoint(&old_head, &old_key).unwrap();
    open_checkpoint(&planner.checkpoint().unwrap(), &new_key).unwrap();
    let planner = again(&store);
    assert_eq!((planner.log_damage(), planner.ledger().key()), (None, new_key.as_str()));
    planner.change_log_key("administrator", 6).unwrap();
    planner.void_plan("t-f1", "a reason", &at(7)).unwrap();
}

/// What the start says after the records were changed behind its back.
fn damage(change: impl FnOnce(&Planner, Batch) -> Batch) -> String {
    let (store, planner) = imported();
    let plan = planner.plan(&request("1"), &planner.unwatched()).unwrap().record;
    store.commit(change(&planner, Batch::new())).unwrap();
    let planner = again(&store);
    let damage = planner.log_damage().expect("the start sees it");
    // Nothing more is written, all is still read.
    let error = planner.issue_plan(&plan.id, &at(9)).err();
    assert!(error.is_none_or(|error| matches!(
        error,
        PlannerError::Damaged { .. } | PlannerError::NotFound { .. }
    )));
    let error = planner.plan(&superseding("2", &plan.id, "why not"), &planner.unwatched());
    assert!(error.is_err());
    damage
}

fn entry(planner: &Planner, number: u64) -> Entry {
    Entry::from_bytes(&planner.log_entries(number, 1).unwrap()[0]).unwrap()
}

#[test]
fn attack_an_entry_is_edited_in_the_store() {
    let said = damage(|planner, batch| {
        let mut entry = entry(planner, 2);
        entry.actor = "somebody else".into();
        batch.put(key::entry(2), entry.to_bytes())
    });
    assert!(said.contains("root"), "{said}");
    let said = damage(|planner, batch| {
        let mut entry = entry(planner, 1);
        let Event::Freeze { frame, .. } = &mut entry.event else { panic!() };
        *frame = Digest([0; 32]);
        batch.put(key::entry(1), entry.to_bytes())
    });
    assert!(said.contains("root"), "{said}");
}

#[test]
fn attack_the_log_is_cut_off_in_the_store() {
    let said = damage(|_, batch| batch.delete(key::entry(3)));
    assert!(said.contains("4 entries"), "{said}");
    let said = damage(|_, batch| batch.delete(key::entry(0)));
    assert!(said.contains("entry 1 where entry 0"), "{said}");
    let said = damage(|_, batch| batch.delete(key::CHECKPOINT));
    assert!(said.contains("head is missing"), "{said}");
    let said = damage(|_, batch| {
        (0..4).fold(batch.delete(key::CHECKPOINT), |batch, number| batch.delete(key::entry(number)))
    });
    assert!(said.contains("plan `t-"), "{said}");
}

#[test]
fn attack_a_plan_is_swapped_or_removed_behind_the_log() {
    let plan = |planner: &Planner| planner.plans("", 1).unwrap().remove(0);
    let said = damage(|planner, batch| {
        let mut record = plan(planner);
        record.document = planner.frames(None, 1).unwrap()[0].segment;
        batch.put(key::plan(&record.id), serde_json::to_vec(&record).unwrap())
    });
    assert!(said.contains("plan `t-"), "{said}");
    let said = damage(|planner, batch| batch.delete(key::plan(&plan(planner).id)));
    assert!(said.contains("1 plans, the store has 1 and 0"), "{said}");
    let said = damage(|planner, batch| {
        let mut record = plan(planner);
        record.id = "t-000000000000".into();
        batch.put(key::plan(&record.id), serde_json::to_vec(&record).unwrap())
    });
    assert!(said.contains("t-000000000000"), "{said}");
    let said = damage(|planner, batch| {
        let mut record = planner.frozen("t-f1").unwrap().record;
        record.design = Digest([0; 32]);
        batch.put(key::freeze("t-f1"), serde_json::to_vec(&record).unwrap())
    });
    assert!(said.contains("frozen record `t-f1`"), "{said}");
}

#[test]
fn attack_the_policy_or_the_certificate_is_changed_after_the_freeze() {
    let (store, planner) = imported();
    planner.freeze_plan(&freeze(5, ""), &planner.unwatched()).unwrap();
    planner.seed_plan("t-f1", Some(dice(1)), &at(11)).unwrap();
    // The frame's record is made to name another policy; the frozen record's digests give it away.
    let frame = planner.frames(None, 1).unwrap().remove(0);
    let other = policy(6);
    let segment = store.put_segment(other.canonical_text().as_bytes()).unwrap();
    let forged =
        FrameRecord { policy_segment: segment, policy_digest: other.digest(), ..frame.clone() };
    let bytes = serde_json::to_vec(&forged).unwrap();
    store.commit(Batch::new().put(key::frame(&frame.digest), bytes)).unwrap();
    let planner = again(&store);
    let error = planner.draw_plan("t-f1", &at(12), &planner.unwatched()).unwrap_err();
    assert!(matches!(error, PlannerError::Damaged { .. }), "{error}");
    assert_eq!(planner.ledger().len(), 3);
}
