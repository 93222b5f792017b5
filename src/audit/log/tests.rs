use super::*;
use crate::draw::{SeedSource, share_commitment};
use crate::model::{Digest, HashName, merkle};
use proptest::prelude::*;

fn key(number: u8) -> LogKey {
    LogKey::new("spotcheck.example/log", &[number; 32]).unwrap()
}

fn open() -> Event {
    Event::Open { origin: "spotcheck.example/log".into(), key: key(1).verifier().into() }
}

fn freeze(name: &str, frame: u8, before: &str) -> Event {
    let reason = if before.is_empty() { "" } else { "the registry was wrong" };
    Event::Freeze {
        freeze: name.into(),
        programme: "annual-2026".into(),
        period: ["2026-01-01".into(), "2026-12-31".into()],
        frame: Digest([frame; 32]),
        policy: Digest([2; 32]),
        design: Digest([3; 32]),
        seed: SeedTerms::Ceremony { share: share_commitment(&[7; 32]) },
        predecessor: before.into(),
        reason: reason.into(),
    }
}

fn seed(name: &str, value: &str) -> Event {
    Event::Seed {
        freeze: name.into(),
        source: "ceremony".into(),
        public_value: value.into(),
        seed: Digest([4; 32]),
    }
}

fn draw(name: &str, plan: &str) -> Event {
    let (freeze, plan) = (name.into(), plan.into());
    Event::Draw {
        freeze,
        plan,
        document: Digest([5; 32]),
        counts: Digest([6; 32]),
        lines: Digest([7; 32]),
    }
}

fn issue(plan: &str) -> Event {
    Event::Issue { plan: plan.into(), document: Digest([5; 32]) }
}

fn void(name: &str) -> Event {
    Event::Void { freeze: name.into(), reason: "a mistake".into() }
}

fn supersede(plan: &str, by: &str) -> Event {
    Event::Supersede { plan: plan.into(), by: by.into(), reason: "new registry".into() }
}

#[derive(Default, Clone)]
struct Log {
    ledger: Ledger,
    entries: Vec<Entry>,
}

impl Log {
    fn opened() -> Self {
        let mut log = Log::default();
        log.add(open()).unwrap();
        log
    }

    fn add(&mut self, event: Event) -> Result<(), LedgerError> {
        let sequence = self.ledger.len();
        let (log, actor) = (LOG_FORMAT.into(), "planner@370000".into());
        let entry = Entry { log, sequence, time: 1_000 + sequence, actor, event };
        self.ledger.append(&entry)?;
        self.entries.push(entry);
        Ok(())
    }

    fn all(events: impl IntoIterator<Item = Event>) -> Self {
        let mut log = Log::opened();
        events.into_iter().for_each(|event| log.add(event).unwrap());
        log
    }

    fn checkpoint(&self, key: &LogKey) -> String {
        let head = Checkpoint {
            origin: self.ledger.origin().into(),
            size: self.ledger.len(),
            root: self.ledger.root(),
        };
        key.checkpoint(&head).unwrap()
    }
}

fn whole() -> Log {
    Log::all([
        freeze("annual-2026-f1", 1, ""),
        seed("annual-2026-f1", "123"),
        draw("annual-2026-f1", "p1"),
        issue("p1"),
        freeze("annual-2026-f2", 1, "annual-2026-f1"),
        seed("annual-2026-f2", "321"),
        draw("annual-2026-f2", "p2"),
        supersede("p1", "p2"),
        issue("p2"),
    ])
}

#[test]
fn entries_have_one_text() {
    for entry in whole().entries {
        let bytes = entry.to_bytes();
        assert_eq!(Entry::from_bytes(&bytes).unwrap(), entry);
        let text = String::from_utf8(bytes).unwrap();
        let other = text.replacen(":", ": ", 1);
        assert!(matches!(Entry::from_bytes(other.as_bytes()), Err(EntryError::NotCanonical(_))));
        let more = text.replacen("{", "{\"x\":1,", 1);
        assert!(matches!(Entry::from_bytes(more.as_bytes()), Err(EntryError::Unreadable(_))));
    }
    let first = Log::opened().entries.remove(0);
    assert_eq!(
        String::from_utf8(first.to_bytes()).unwrap(),
        format!(
            "{{\"log\":\"spotcheck-log/1\",\"sequence\":0,\"time\":1000,\"actor\":\"planner@370000\",\
             \"event\":{{\"kind\":\"open\",\"origin\":\"spotcheck.example/log\",\"key\":\"{}\"}}}}",
            key(1).verifier()
        )
    );
}

#[test]
fn a_plan_goes_its_way() {
    let log = whole();
    let record = |name: &str| log.ledger.freeze(name).unwrap().clone();
    assert_eq!(record("annual-2026-f1").state, State::Superseded);
    let second = record("annual-2026-f2");
    assert_eq!((second.state, second.number, second.number_of_frame), (State::Issued, 2, 2));
    assert_eq!(second.entries, [5, 6, 7, 9]);
    assert_eq!(log.ledger.next_name("annual-2026"), "annual-2026-f3");
    assert_eq!(log.ledger.freeze_of_plan("p1").unwrap().name, "annual-2026-f1");
}

#[test]
fn attack_a_frozen_record_is_drawn_again_with_another_seed() {
    let mut log = Log::all([freeze("f1", 1, ""), seed("f1", "123"), draw("f1", "p1")]);
    for event in [seed("f1", "456"), draw("f1", "p2")] {
        let error = log.add(event).unwrap_err();
        assert!(matches!(error, LedgerError::State { state: State::Drawn, .. }), "{error}");
    }
}

#[test]
fn attack_several_freezes_wait_for_one_public_value() {
    let mut log = Log::all([freeze("f1", 1, "")]);
    // Another frame of the same programme: the digest does not matter.
    let error = log.add(freeze("f2", 9, "f1")).unwrap_err();
    assert_eq!(
        error.to_string(),
        LedgerError::OpenFreeze { programme: "annual-2026".into(), open: "f1".into() }.to_string()
    );
    log.add(seed("f1", "123")).unwrap();
    assert!(matches!(log.add(freeze("f2", 9, "f1")), Err(LedgerError::OpenFreeze { .. })));
    log.add(void("f1")).unwrap();
    assert!(matches!(log.add(freeze("f2", 9, "")), Err(LedgerError::Predecessor { .. })));
    log.add(freeze("f2", 9, "f1")).unwrap();
    assert!(matches!(log.add(seed("f2", "123")), Err(LedgerError::ValueUsed { .. })));
    log.add(seed("f2", "124")).unwrap();
}

#[test]
fn attack_a_seed_of_another_source_than_was_fixed() {
    let terms = SeedTerms::Ceremony { share: share_commitment(&[7; 32]) };
    let digits = "1".repeat(50);
    let with = |share| SeedSource::Ceremony { share, digits: digits.clone() };
    assert!(terms.accepts(&with([7; 32])));
    assert!(!terms.accepts(&with([8; 32])));
    assert!(!terms.accepts(&SeedSource::Text("123".into())));
    assert!(!terms.accepts(&SeedSource::Beacon { share: [7; 32], value: "00".repeat(16) }));
    let mut log = Log::all([freeze("f1", 1, "")]);
    let text = Event::Seed {
        freeze: "f1".into(),
        source: "text".into(),
        public_value: String::new(),
        seed: Digest([4; 32]),
    };
    assert!(matches!(log.add(text), Err(LedgerError::Source { .. })));
}

#[test]
fn attack_a_plan_is_signed_with_another_key() {
    let document = Digest([5; 32]);
    let note = key(1).plan_note("p1", &document).unwrap();
    verify_plan_note(&note, key(1).verifier(), "p1", &document).unwrap();
    let forged = key(2).plan_note("p1", &document).unwrap();
    assert!(verify_plan_note(&forged, key(1).verifier(), "p1", &document).is_err());
    assert!(verify_plan_note(&note, key(1).verifier(), "p2", &document).is_err());
    assert!(verify_plan_note(&note, key(1).verifier(), "p1", &Digest([6; 32])).is_err());
    let altered = note.replacen("p1", "p2", 1);
    assert!(verify_plan_note(&altered, key(1).verifier(), "p2", &document).is_err());
    // A key change that the key in force did not sign.
    let mut log = Log::opened();
    let change = |old: &LogKey, new: &LogKey, note: String| Event::KeyChange {
        old: old.verifier().into(),
        new: new.verifier().into(),
        note,
    };
    let alone = change(&key(1), &key(2), key(2).hand_over(&key(2)).unwrap());
    assert_eq!(log.add(alone), Err(LedgerError::Key));
    log.add(change(&key(1), &key(2), key(1).hand_over(&key(2)).unwrap())).unwrap();
    assert_eq!(log.ledger.key(), key(2).verifier());
    let again = change(&key(1), &key(3), key(1).hand_over(&key(3)).unwrap());
    assert_eq!(log.add(again), Err(LedgerError::Key));
}

#[test]
fn attack_an_entry_is_edited() {
    let log = whole();
    let root = log.ledger.root();
    let size = log.ledger.len();
    for (index, entry) in log.entries.iter().enumerate() {
        let proof = merkle::inclusion(HashName::Sha256, log.ledger.leaves(), index).unwrap();
        assert!(merkle::includes(
            HashName::Sha256,
            &entry.leaf(),
            (index as u64, size),
            &proof,
            &root
        ));
        let edited = Entry { time: entry.time + 1, ..entry.clone() };
        assert!(!merkle::includes(
            HashName::Sha256,
            &edited.leaf(),
            (index as u64, size),
            &proof,
            &root
        ));
    }
}

#[test]
fn attack_the_log_is_cut_off_or_forked() {
    let log = whole();
    let known = open_checkpoint(&log.checkpoint(&key(1)), key(1).verifier()).unwrap();
    assert_eq!((known.size, known.root), (10, log.ledger.root()));
    // The same log without its last entries, grown by another one: a fork.
    let mut fork = Log::all(log.entries[1..7].iter().map(|entry| entry.event.clone()));
    for event in
        [draw("annual-2026-f2", "p9"), supersede("p1", "p9"), issue("p9"), void("annual-2026-f2")]
    {
        fork.add(event).unwrap();
    }
    let forked = open_checkpoint(&fork.checkpoint(&key(1)), key(1).verifier()).unwrap();
    let proof = merkle::consistency(fork.ledger.leaves(), 10).unwrap();
    let old = (known.size, &known.root);
    assert!(!merkle::consistent(old, (forked.size, &forked.root), &proof));
    // Cut off: there is no proof from the longer one.
    let cut = Log::all(log.entries[1..5].iter().map(|entry| entry.event.clone()));
    assert!(merkle::consistency(cut.ledger.leaves(), 10).is_none());
    assert!(!merkle::consistent(old, (cut.ledger.len(), &cut.ledger.root()), &[]));
    // The honest log that has grown is consistent.
    let mut grown = log.clone();
    grown.add(void("annual-2026-f2")).unwrap();
    let proof = merkle::consistency(grown.ledger.leaves(), 10).unwrap();
    assert!(merkle::consistent(old, (11, &grown.ledger.root()), &proof));
}

#[test]
fn checkpoints_are_notes_that_other_tools_read() {
    let head =
        Checkpoint { origin: "spotcheck.example/log".into(), size: 0, root: Digest::of(b"") };
    let note = key(1).checkpoint(&head).unwrap();
    let mut lines = note.lines();
    let text = ["spotcheck.example/log", "0", "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=", ""];
    assert_eq!([(); 4].map(|()| lines.next().unwrap()), text);
    assert!(lines.next().unwrap().starts_with("— spotcheck.example/log "));
    assert_eq!(open_checkpoint(&note, key(1).verifier()), Ok(head.clone()));
    assert!(open_checkpoint(&note, key(2).verifier()).is_err());
    // A witness adds a line of its own; both are checked by their keys.
    let witness = LogKey::new("witness.example", &[9; 32]).unwrap();
    let own = witness.checkpoint(&head).unwrap();
    let both = format!("{note}{}\n", own.lines().last().unwrap());
    assert_eq!(open_checkpoint(&both, key(1).verifier()), Ok(head.clone()));
    assert_eq!(open_checkpoint(&both, witness.verifier()), Ok(head));
}

#[test]
fn names_and_reasons_are_lines_of_text() {
    let mut log = Log::opened();
    assert!(matches!(log.add(freeze("f 1", 1, "")), Err(LedgerError::Name { .. })));
    log.add(freeze("f1", 1, "")).unwrap();
    for reason in ["", " ", "two\nlines", &"x".repeat(1_001)] {
        let event = Event::Void { freeze: "f1".into(), reason: reason.into() };
        assert!(matches!(log.add(event), Err(LedgerError::Text { .. })), "{reason:?}");
    }
    assert_eq!(log.add(open()), Err(LedgerError::Open));
    assert!(matches!(Log::default().add(void("f1")), Err(LedgerError::Open)));
}

/// What a step of the random walk does: kind, record, public value.
type Step = (u8, u8, u8);

fn event(step: Step, log: &Log) -> Event {
    let (kind, record, value) = step;
    let name = format!("f{}", record % 4);
    let plan = format!("p{}", record % 4);
    match kind % 6 {
        0 => {
            let last =
                log.ledger.latest("annual-2026", &["2026-01-01".into(), "2026-12-31".into()]);
            let before = match value % 3 {
                0 => String::new(),
                _ => last.map(|freeze| freeze.name.clone()).unwrap_or_default(),
            };
            freeze(&name, value % 2, &before)
        }
        1 => seed(&name, &(value % 3).to_string()),
        2 => draw(&name, &plan),
        3 => issue(&plan),
        4 => supersede(&plan, &format!("p{}", value % 4)),
        _ => void(&name),
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]
    #[test]
    fn no_walk_draws_twice_or_forgets(steps in prop::collection::vec(any::<Step>(), 1..60)) {
        let mut log = Log::opened();
        for step in steps {
            let event = event(step, &log);
            let before = format!("{:?}", log.ledger);
            if log.add(event).is_err() {
                prop_assert_eq!(format!("{:?}", log.ledger), before, "a refusal changes nothing");
            }
        }
        // Recounted from the entries alone.
        let (mut seeds, mut draws, mut values) = (vec![], vec![], vec![]);
        let (mut open, mut in_force): (Option<String>, Vec<String>) = (None, vec![]);
        let mut last = String::new();
        for entry in &log.entries {
            match &entry.event {
                Event::Freeze { freeze, predecessor, .. } => {
                    prop_assert!(open.is_none(), "one open record of a programme");
                    prop_assert_eq!(predecessor, &last);
                    last.clone_from(freeze);
                    open = Some(freeze.clone());
                }
                Event::Seed { freeze, public_value, .. } => {
                    prop_assert_eq!(open.as_ref(), Some(freeze));
                    prop_assert!(!values.contains(public_value), "a value serves once");
                    values.push(public_value.clone());
                    seeds.push(freeze.clone());
                }
                Event::Draw { freeze, .. } => {
                    prop_assert!(seeds.contains(freeze) && !draws.contains(freeze));
                    draws.push(freeze.clone());
                    open = None;
                }
                Event::Issue { plan, .. } => in_force.push(plan.clone()),
                Event::Supersede { plan, .. } => in_force.retain(|other| other != plan),
                Event::Void { freeze, .. } => {
                    if open.as_ref() == Some(freeze) {
                        open = None;
                    }
                    let plan = format!("p{}", &freeze[1..]);
                    in_force.retain(|other| *other != plan);
                }
                _ => {}
            }
        }
        for freeze in log.ledger.freezes() {
            let plan = freeze.plan.as_ref().map(|(plan, _)| plan);
            let issued = plan.is_some_and(|plan| in_force.contains(plan));
            prop_assert_eq!(freeze.state == State::Issued, issued);
        }
        // What is read back from the bytes is the same ledger.
        let mut again = Ledger::default();
        for entry in &log.entries {
            again.append(&Entry::from_bytes(&entry.to_bytes()).unwrap()).unwrap();
        }
        prop_assert_eq!(again.root(), log.ledger.root());
    }
}

fn replace(line: u32, arc: u32, rank: u32) -> Event {
    Event::Replace {
        plan: "p1".into(),
        line,
        arc,
        rank,
        reason: "closed".into(),
        evidence: Digest([8; 32]),
    }
}

#[test]
fn lines_fall_out_once_and_units_are_taken_in_turn() {
    let steps = [freeze("annual-2026-f1", 1, ""), seed("annual-2026-f1", "123")];
    let mut log = Log::all(steps);
    log.add(draw("annual-2026-f1", "p1")).unwrap();
    assert!(matches!(log.add(replace(1, 7, 1)), Err(LedgerError::State { .. })));
    log.add(issue("p1")).unwrap();
    let skipped = log.add(replace(1, 7, 2));
    assert!(matches!(skipped, Err(LedgerError::NotTheNextUnit { .. })), "{skipped:?}");
    log.add(replace(1, 7, 1)).unwrap();
    assert!(matches!(log.add(replace(1, 7, 2)), Err(LedgerError::FellOut { .. })));
    assert!(matches!(log.add(replace(2, 7, 1)), Err(LedgerError::NotTheNextUnit { .. })));
    log.add(replace(2, 7, 2)).unwrap();
    log.add(replace(3, 8, 1)).unwrap();
    log.add(replace(4, 7, 0)).unwrap();
    assert!(matches!(log.add(replace(5, 7, 3)), Err(LedgerError::NotTheNextUnit { .. })));
    log.add(replace(5, 7, 0)).unwrap();
    let ranks: Vec<u32> = log.ledger.replaced("p1").iter().map(|r| r.rank).collect();
    assert_eq!(ranks, [1, 2, 1, 0, 0]);
    log.add(void("annual-2026-f1")).unwrap();
    assert!(matches!(log.add(replace(6, 9, 1)), Err(LedgerError::State { .. })));
    let mut reason = replace(6, 9, 1);
    if let Event::Replace { reason, .. } = &mut reason {
        *reason = "no code".into();
    }
    assert!(log.add(reason).is_err());
}
