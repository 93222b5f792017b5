//! The planner over a store in memory: what is kept, what is refused, and who wins a race.

use std::sync::{Arc, Barrier};

use super::*;

mod bundles;
mod steps;
use crate::model::IdScheme;
use crate::policy::Policy;
use crate::registry::{DivisionInput, EnterpriseInput, Import, Mode, ProductInput, SupplyInput};
use crate::store::MemoryStore;

/// A province of one county with so many producers of one product.
fn rows(enterprises: usize) -> Import {
    named_rows(enterprises, "e")
}

fn named_rows(enterprises: usize, name: &str) -> Import {
    let mut import = Import::new(IdScheme::Opaque, Mode::Replace);
    for (code, level, parent_code) in
        [("37", "province", ""), ("3701", "city", "37"), ("370102", "county", "3701")]
    {
        let division = DivisionInput { code, name: code, level, parent_code, ..Default::default() };
        import.push_division(1, &division);
    }
    import.push_product(1, &ProductInput { product_id: "P", name: "p", ..Default::default() });
    for number in 0..enterprises {
        let (row, id) = (number as u64 + 1, format!("E{number:03}"));
        let enterprise_id = id.as_str();
        let enterprise = EnterpriseInput {
            enterprise_id,
            name,
            status: "active",
            division: "370102",
            area: "urban",
            ..Default::default()
        };
        import.push_enterprise(row, &enterprise);
        let channel = "production";
        let supply = SupplyInput { enterprise_id, product_id: "P", channel, ..Default::default() };
        import.push_supply(row, &supply);
    }
    import
}

fn policy(batches: u64) -> Policy {
    let text = format!(
        "id = \"t\"\ntitle = \"T\"\nmethod = \"m1\"\nas_of = \"2025-12-15\"\n\
         period = {{ from = \"2026-01-01\", to = \"2026-12-31\" }}\n\
         [budget]\nprovince = {{ total = {batches} }}\n"
    );
    Policy::from_toml(&text).unwrap()
}

fn request(seed: &str) -> PlanRequest {
    PlanRequest {
        source: Source::Policy { policy: Box::new(policy(5)), revision: None },
        seed_text: seed.to_owned(),
        supersedes: None,
        reason: String::new(),
        actor: "tester".into(),
        request_id: String::new(),
        now: 1_000,
    }
}

fn superseding(seed: &str, plan: &str, reason: &str) -> PlanRequest {
    let supersedes = Some(plan.to_owned());
    PlanRequest { supersedes, reason: reason.to_owned(), ..request(seed) }
}

fn planner() -> (Arc<MemoryStore>, Planner) {
    let store = Arc::new(MemoryStore::new());
    let planner = Planner::new(Arc::clone(&store) as Arc<dyn PlanStore>, 2).unwrap();
    (store, planner)
}

fn plan(planner: &Planner, request: &PlanRequest) -> Result<Drawn, PlannerError> {
    planner.plan(request, &planner.unwatched())
}

#[test]
fn imports_build_on_one_another() {
    let (_, planner) = planner();
    assert!(matches!(planner.latest_revision(), Err(PlannerError::NothingImported)));
    let first = planner.import(rows(10), None, "", 7).unwrap();
    assert_eq!((first.record.number, first.record.imported_at, first.unchanged), (1, 7, false));
    let again = planner.import(rows(10), None, "", 8).unwrap();
    assert_eq!((again.record, again.unchanged), (first.record.clone(), true));
    let second = planner.import(rows(11), Some(1), "", 9).unwrap().record;
    assert_eq!((second.number, second.base), (2, 1));
    assert_ne!(second.digest, first.record.digest);
    let conflict = planner.import(rows(12), Some(1), "", 9).unwrap_err();
    assert!(matches!(conflict, PlannerError::RevisionConflict { base: 1, head: 2 }));
    assert!(matches!(
        planner.import(rows(12), Some(0), "", 9),
        Err(PlannerError::RevisionConflict { base: 0, head: 2 })
    ));
    assert_eq!(planner.revisions(None, 10).unwrap(), [second, first.record]);
    assert_eq!(planner.revisions(Some(2), 10).unwrap().len(), 1);
    assert_eq!(planner.registry(1).unwrap().enterprises.len(), 10);
}

#[test]
fn bad_rows_change_nothing() {
    let (store, planner) = planner();
    let mut import = rows(3);
    import.push_supply(4, &SupplyInput { enterprise_id: "E9", ..Default::default() });
    assert!(matches!(planner.import(import, None, "", 0), Err(PlannerError::BadRows(_))));
    assert_eq!(planner.head().unwrap(), 0);
    assert!(store.segments().unwrap().is_empty());
}

#[test]
fn the_second_of_two_imports_is_refused() {
    let (_, planner) = planner();
    let order = ImportOrder::default();
    let Begun::New(one) = planner.begin_import(&order).unwrap() else { panic!() };
    let Begun::New(two) = planner.begin_import(&order).unwrap() else { panic!() };
    planner.finish_import(one, rows(5), 0).unwrap();
    let conflict = planner.finish_import(two, rows(6), 0).unwrap_err();
    assert!(matches!(conflict, PlannerError::RevisionConflict { base: 0, head: 1 }));
}

#[test]
fn of_many_imports_at_once_one_is_made() {
    let (_, planner) = planner();
    let barrier = Barrier::new(4);
    let made = std::thread::scope(|scope| {
        let import = |size| {
            let (planner, barrier) = (&planner, &barrier);
            scope.spawn(move || {
                let rows = rows(size);
                barrier.wait();
                planner.import(rows, Some(0), "", 0).is_ok()
            })
        };
        let threads: Vec<_> = (5..9).map(import).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).filter(|made| *made).count()
    });
    assert_eq!((made, planner.head().unwrap()), (1, 1));
}

#[test]
fn a_named_import_is_made_once() {
    let (_, planner) = planner();
    let first = planner.import(rows(5), None, "monday", 0).unwrap().record;
    planner.import(rows(6), None, "tuesday", 0).unwrap();
    let again = planner.import(rows(7), None, "monday", 0).unwrap();
    assert_eq!((again.record, again.unchanged), (first, true));
    assert_eq!(planner.head().unwrap(), 2);
    assert!(matches!(
        planner.import(rows(7), Some(2), "monday", 0),
        Err(PlannerError::RequestReused(_))
    ));
    let error = planner.import(rows(7), None, "no spaces", 0).unwrap_err();
    assert!(matches!(error, PlannerError::RequestId(_)));
}

#[test]
fn a_frame_is_frozen_once() {
    let (_, planner) = planner();
    assert!(matches!(planner.freeze(&policy(5), None, "", 1), Err(PlannerError::NothingImported)));
    planner.import(rows(10), None, "", 0).unwrap();
    let frame = planner.freeze(&policy(5), None, "f", 1).unwrap();
    assert_eq!((frame.units, frame.revision, frame.frozen_at), (10, 1, 1));
    assert_eq!(planner.freeze(&policy(5), Some(1), "", 2).unwrap(), frame);
    planner.import(rows(11), None, "", 0).unwrap();
    // The named request still means what it meant.
    assert_eq!(planner.freeze(&policy(5), None, "f", 3).unwrap(), frame);
    assert_ne!(planner.freeze(&policy(5), None, "", 3).unwrap().digest, frame.digest);
    assert_eq!(planner.frames(None, 10).unwrap().len(), 2);
    assert_eq!(planner.policy(&frame).unwrap(), policy(5));
}

#[test]
fn one_seed_one_plan() {
    let (_, planner) = planner();
    planner.import(rows(10), None, "", 0).unwrap();
    let first = plan(&planner, &request("1")).unwrap();
    assert!(!first.existing);
    assert_eq!((first.record.batches, first.record.created_at), (5, 1_000));
    let later = PlanRequest { now: 2_000, ..request("1") };
    let again = plan(&planner, &later).unwrap();
    assert_eq!((again.record, again.existing), (first.record.clone(), true));
    let framed = PlanRequest { source: Source::Frame(first.record.frame), ..request("1") };
    assert_eq!(plan(&planner, &framed).unwrap().record, first.record);
    let id = &first.record.id;
    let same = planner.regenerate(id, &planner.unwatched()).unwrap();
    assert_eq!((same.same, same.difference), (true, None));
    let bytes = planner.document_bytes(id).unwrap();
    assert_eq!(Digest::of(&bytes), first.record.document);
    assert!(crate::audit::verify(&bytes).holds());
}

#[test]
fn another_seed_must_supersede() {
    let (_, planner) = planner();
    planner.import(rows(10), None, "", 0).unwrap();
    let first = plan(&planner, &request("1")).unwrap().record.id;
    assert!(matches!(
        plan(&planner, &request("2")),
        Err(PlannerError::AlreadyDrawn { plan }) if plan == first
    ));
    for reason in ["", " ", "two\nlines", &"x".repeat(1_001)] {
        let error = plan(&planner, &superseding("2", &first, reason)).unwrap_err();
        assert!(matches!(error, PlannerError::Reason), "{reason:?}");
    }
    assert!(matches!(
        plan(&planner, &superseding("2", "t-000000000000", "why")),
        Err(PlannerError::NotTheLatest { .. })
    ));
    let alone = PlanRequest { reason: "why".into(), ..request("1") };
    assert!(matches!(plan(&planner, &alone), Err(PlannerError::ReasonAlone)));
    let second = plan(&planner, &superseding("2", &first, "dice fell off the table")).unwrap();
    assert_eq!(second.record.supersedes.as_deref(), Some(first.as_str()));
    let again = plan(&planner, &superseding("2", &first, "dice fell off the table")).unwrap();
    assert_eq!((&again.record, again.existing), (&second.record, true));
    let old = planner.plan_record(&first).unwrap();
    assert_eq!(old.state, PlanState::Superseded);
    assert_eq!(old.superseded_by.as_deref(), Some(second.record.id.as_str()));
    // A superseded plan can't be superseded again, nor come back; a chain can go on.
    assert!(matches!(
        plan(&planner, &superseding("3", &first, "why")),
        Err(PlannerError::NotTheLatest { .. })
    ));
    assert!(matches!(
        plan(&planner, &superseding("1", &second.record.id, "why")),
        Err(PlannerError::SeedUsed { plan }) if plan == first
    ));
    plan(&planner, &superseding("3", &second.record.id, "again")).unwrap();
    assert_eq!(planner.plans("", 10).unwrap().len(), 3);
    assert!(planner.regenerate(&first, &planner.unwatched()).unwrap().same);
}

#[test]
fn plans_are_listed_by_policy() {
    let (_, planner) = planner();
    planner.import(rows(10), None, "", 0).unwrap();
    // Ids that begin alike, the one with what the other's names go on with.
    let ids = ["t", "t-f1", "t-0", "s", "u"];
    for id in ids {
        let draw = |request: PlanRequest| {
            let policy = Box::new(Policy { id: id.into(), ..policy(5) });
            let source = Source::Policy { policy, revision: None };
            plan(&planner, &PlanRequest { source, ..request }).unwrap().record.id
        };
        let first = draw(request("1"));
        let second = draw(superseding("2", &first, "r"));
        draw(superseding("3", &second, "r"));
    }
    let all = planner.plans("", 99).unwrap();
    assert_eq!(all.len(), 15);
    for id in ids {
        let own: Vec<_> = all.iter().filter(|plan| plan.policy_id == id).cloned().collect();
        let freezes: Vec<_> = own.iter().map(|plan| plan.freeze.clone()).collect();
        assert_eq!(own.len(), 3);
        for limit in 0..4 {
            assert_eq!(planner.plans_of(id, "", limit).unwrap(), own[..limit]);
            assert_eq!(planner.freezes_of(id, "", limit).unwrap().len(), limit);
        }
        for place in 0..3 {
            assert_eq!(planner.plans_of(id, &own[place].id, 9).unwrap(), own[place + 1..]);
        }
        let found = planner.freezes_of(id, "", 9).unwrap();
        assert!(found.iter().all(|frozen| freezes.contains(&frozen.record.name)));
        let after = planner.freezes_of(id, &found[1].record.name, 9).unwrap();
        assert_eq!(after, found[2..]);
    }
    assert!(planner.plans_of("", "", 9).unwrap().is_empty());
    assert!(planner.freezes_of("t-", "", 9).unwrap().is_empty());
}

#[test]
fn a_named_plan_is_drawn_once() {
    let (_, planner) = planner();
    planner.import(rows(10), None, "", 0).unwrap();
    let named = |seed| PlanRequest { request_id: "r".into(), ..request(seed) };
    let first = plan(&planner, &named("1")).unwrap().record;
    planner.import(rows(11), None, "", 0).unwrap();
    assert_eq!(plan(&planner, &named("1")).unwrap().record, first);
    assert!(matches!(plan(&planner, &named("2")), Err(PlannerError::RequestReused(_))));
}

#[test]
fn of_many_draws_at_once_one_is_kept() {
    let (_, planner) = planner();
    planner.import(rows(50), None, "", 0).unwrap();
    let barrier = Barrier::new(6);
    let drawn: Vec<_> = std::thread::scope(|scope| {
        let draw = |thread: usize| {
            let (planner, barrier) = (&planner, &barrier);
            scope.spawn(move || {
                barrier.wait();
                plan(planner, &request(if thread < 3 { "one" } else { "two" }))
            })
        };
        let threads: Vec<_> = (0..6).map(draw).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    let plans = planner.plans("", 10).unwrap();
    assert_eq!(plans.len(), 1);
    let new = drawn.iter().filter(|d| d.as_ref().is_ok_and(|d| !d.existing)).count();
    let refused =
        drawn.iter().filter(|d| matches!(d, Err(PlannerError::AlreadyDrawn { .. }))).count();
    assert_eq!((new, refused), (1, 3), "{drawn:?}");
}

#[test]
fn what_is_missing_is_named_at_the_start() {
    let (store, planner) = planner();
    planner.import(rows(10), None, "", 0).unwrap();
    let plan = plan(&planner, &request("1")).unwrap().record;
    drop(planner);
    let start = || Planner::new(Arc::clone(&store) as Arc<dyn PlanStore>, 1);
    assert!(start().is_ok());
    store.remove_segment(&plan.document).unwrap();
    let error = start().err().unwrap().to_string();
    assert!(error.contains(&plan.id) && error.contains(&plan.document.to_string()), "{error}");
}

#[test]
fn cancelled_work_keeps_no_plan() {
    let (_, planner) = planner();
    planner.import(rows(10), None, "", 0).unwrap();
    let work = Work { threads: 1, cancelled: &|| true, progress: &|_| {} };
    assert!(matches!(planner.plan(&request("1"), &work), Err(PlannerError::Cancelled)));
    assert!(planner.plans("", 10).unwrap().is_empty());
}

#[test]
fn the_largest_record_fits_the_store() {
    let (_, planner) = planner();
    planner.import(rows(10), None, "", 0).unwrap();
    let quotes = "\"".repeat(crate::draw::SEED_TEXT_BYTES_MAX);
    let first = plan(&planner, &request(&quotes)).unwrap().record;
    let reason = "\u{10348}".repeat(crate::service::limits::REASON_CHARS_MAX);
    let seed = "\\".repeat(crate::draw::SEED_TEXT_BYTES_MAX);
    plan(&planner, &superseding(&seed, &first.id, &reason)).unwrap();
}
