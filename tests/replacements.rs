//! Lines that fall out in the field: strictly the next unit takes the place, firm quotas stay kept as long
//! as units are left, the log and the bundle show it, and whoever skips a unit is caught.

#[path = "cli_support/mod.rs"]
mod cli_support;
mod common;

use cli_support::{Server, World, at, plan_name, run};
use common::{example, plan, province};
use proptest::prelude::*;
use spotcheck::audit::recount;
use spotcheck::model::Digest;
use spotcheck::plan::{Document, Replaced, Standing};
use spotcheck::policy::Policy;
use std::sync::LazyLock;

static DRAWN: LazyLock<(Policy, Document)> = LazyLock::new(|| {
    let mut policy = example("annual-small.toml");
    policy.replacements_per_line = 2;
    let document = plan(&province(20_000, 1), &policy, "3 1 4 1 5").unwrap();
    (policy, document)
});

/// Lets lines fall out one after the other: those that `picks` choose among the standing ones.
fn fall_out(document: &Document, picks: &[u32]) -> Vec<Replaced> {
    let mut done: Vec<Replaced> = Vec::new();
    for pick in picks {
        let standing = Standing::new(document, &done).unwrap();
        let lines: Vec<u32> = standing.lines().map(|line| line.line).collect();
        let line = lines[*pick as usize % lines.len()];
        let next = standing.next(line).unwrap();
        let (arc, rank) = (next.out.arc, next.rank());
        let reason = "closed".to_owned();
        done.push(Replaced { line, arc, rank, reason, evidence: Digest([0; 32]) });
    }
    done
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn firm_quotas_are_kept_as_long_as_units_are_left(
        picks in prop::collection::vec(any::<u32>(), 1..120),
    ) {
        let (policy, document) = &*DRAWN;
        let done = fall_out(document, &picks);
        let standing = Standing::new(document, &done).unwrap();
        let lost = done.iter().filter(|replaced| replaced.rank == 0).count();
        prop_assert_eq!(standing.lines().count(), document.plan.batches as usize - lost);
        let rows = recount(document, policy, standing.lines()).unwrap();
        prop_assert_eq!(rows.len(), document.compliance.len());
        for (now, drawn) in rows.iter().zip(&document.compliance) {
            let short = drawn.planned.saturating_sub(now.planned);
            prop_assert!(short <= lost as u64, "{:?} {:?}", drawn, now);
            if drawn.hardness != "target" && lost == 0 {
                prop_assert_eq!((now.planned, now.kept), (drawn.planned, true), "{:?}", drawn);
            }
        }
        // A unit is taken once, and in the order of its arc.
        let mut taken: Vec<(u32, u32)> =
            done.iter().filter(|r| r.rank > 0).map(|r| (r.arc, r.rank)).collect();
        let mut ordered = taken.clone();
        ordered.sort_by_key(|(arc, _)| *arc);
        let in_turn = ordered.chunk_by(|a, b| a.0 == b.0).all(|part| {
            part.iter().enumerate().all(|(place, (_, rank))| *rank as usize == place + 1)
        });
        prop_assert!(in_turn);
        taken.sort_unstable();
        taken.dedup();
        prop_assert_eq!(taken.len() + lost, done.len());
        let rates = standing.rates(policy);
        let fell: u64 = rates.iter().map(|rate| rate.fell_out()).sum();
        prop_assert_eq!(fell, done.len() as u64);
    }
}

#[test]
fn attack_a_replacement_that_skips_a_unit_or_takes_another_arcs() {
    let (_, document) = &*DRAWN;
    let with = document.lines.iter().find(|line| line.replacement_rank == 2).unwrap();
    let line = document.drawn().position(|line| line.arc == with.arc).unwrap();
    let one = fall_out(document, &[line as u32]).remove(0);
    assert_eq!((one.arc, one.rank), (with.arc, 1));
    let told = |changed: Replaced| Standing::new(document, &[changed]).err().unwrap_or_default();
    assert!(told(Replaced { rank: 2, ..one.clone() }).contains("unit 1 of arc"));
    assert!(told(Replaced { rank: 0, ..one.clone() }).contains("unit 1 of arc"));
    assert!(told(Replaced { arc: one.arc + 1, ..one.clone() }).contains("unit 1 of arc"));
    assert!(told(Replaced { line: with.line, ..one.clone() }).contains("stands by"));
    assert!(told(Replaced { line: 0, ..one.clone() }).contains("has no line 0"));
    let twice = Standing::new(document, &[one.clone(), one]).err().unwrap();
    assert!(twice.contains("fell out before"), "{twice}");
}

fn issued() -> (World, String) {
    let world = World::province(3_000);
    world.import(&world.store(), &[]).expect(0);
    let done = world.plan(&world.store(), "3 1 4 1 5", &[]).expect(0);
    let plan = plan_name(&done);
    (world, plan)
}

#[test]
fn lines_fall_out_on_a_store_and_through_a_server() {
    let (world, plan) = issued();
    let store = world.store();
    let on = |args: &[&str]| world.on(&store, args);
    let replace = |line: &str, reason: &str, evidence: &str| {
        on(&["replace", &plan, line, "--reason", reason, "--evidence", evidence])
    };
    replace("5", "closed", "x").expect(2).says(&["is drawn", "only a plan in force"]);
    on(&["issue", &plan]).expect(0);
    replace("5", "bored", "x").expect(2).says(&["`bored` is no reason", "closed, moved"]);
    replace("5", "closed", " ").expect(2).says(&["the evidence must be"]);
    replace("0", "closed", "x").expect(2).says(&["has no line 0: it has 1 to"]);
    replace("523", "closed", "x").expect(2).says(&["stands by"]);
    let first = replace("5", "closed", "关停公示 2026-3").expect(0).out;
    assert!(first.contains("line 5 fell out: closed (out-of-scope)"), "{first}");
    assert!(first.contains("takes its place") && first.contains("every quota is kept"), "{first}");
    replace("5", "refused", "again").expect(2).says(&["fell out before", "took its place"]);

    // What took the place falls out, too: one unit each in this policy, so that a batch is missing.
    let taken = first.lines().nth(1).unwrap().split(' ').nth(1).unwrap().to_owned();
    let server = Server::start(store[1].as_ref());
    let far = at(&server);
    let why = ["--reason", "refused", "--evidence", "record 8"];
    let second = world.on(&far, &[&["replace", &plan, &taken][..], &why].concat()).expect(0).out;
    assert!(second.contains("non-response"), "{second}");
    let shown = world.on(&far, &["replacements", &plan]).expect(0).out;
    assert!(shown.contains("2 of 522 drawn lines fell out"), "{shown}");
    assert!(shown.contains("关停公示 2026-3") && shown.contains("record 8"), "{shown}");
    let json = world.on(&far, &["replacements", &plan, "--format", "json"]).expect(0).out;
    let json: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!(json["standing"]["rates"][0]["level"], "province");
    assert_eq!(json["replacements"][1]["line"].to_string(), taken);
    assert!(server.stop("TERM").success());
    assert_eq!(on(&["replacements", &plan]).expect(0).out, shown);

    // The bundle shows it, and holds.
    let (zip, key) = (world.text("plan.zip"), world.text("key"));
    on(&["bundle", &plan, "--out", &zip]).expect(0);
    world.write("key", run(&["log", "key", &store[0], &store[1]]).expect(0).out);
    let held = run(&["verify", &zip, "--key", &key]).expect(0).out;
    assert!(held.contains("fallen_lines"), "{held}");
}

#[test]
fn attack_evidence_is_exchanged_after_the_fact() {
    use spotcheck::audit::bundle::{self, Members};
    use spotcheck::audit::log::LogKey;
    let (world, plan) = issued();
    let store = world.store();
    world.on(&store, &["issue", &plan]).expect(0);
    let why = ["--reason", "moved", "--evidence", "a note"];
    world.on(&store, &[&["replace", &plan, "9"][..], &why].concat()).expect(0);
    let zip = world.text("plan.zip");
    world.on(&store, &["bundle", &plan, "--out", &zip]).expect(0);
    let opened = bundle::open(&world.read("plan.zip")).unwrap();
    // The bureau itself holds the key, so that its signature alone is no proof.
    let secret: [u8; 32] =
        std::fs::read(world.path("store/secrets/log-key")).unwrap()[..32].try_into().unwrap();
    let name = run(&["log", "key", &store[0], &store[1]]).expect(0).out;
    let key = LogKey::new(name.split('+').next().unwrap(), &secret).unwrap();
    assert_eq!(key.verifier(), name.trim());
    let with = |change: &dyn Fn(String) -> String| -> Vec<String> {
        let mut members: Members = opened.members.clone();
        let text = String::from_utf8(members["replacements.jsonl"].clone()).unwrap();
        members.insert("replacements.jsonl".into(), change(text).into_bytes());
        let packed =
            bundle::pack("whole", &plan, &members, |digest| key.bundle_note(digest)).unwrap();
        let report = bundle::verify(&packed, Some(key.verifier()), &[], 1);
        assert!(report.check("signature").unwrap().holds());
        report.check("fallen_lines").unwrap().problems.clone()
    };
    assert!(with(&|text| text).is_empty());
    let found = with(&|text| text.replace("a note", "a better note"));
    assert!(found.iter().any(|why| why.contains("is not what was logged")), "{found:?}");
    let found = with(&|text| text.replace("moved", "refused"));
    assert!(found.iter().any(|why| why.contains("as the log has it")), "{found:?}");
    assert!(!with(&|_| String::new()).is_empty());
    assert!(!with(&|text| text.clone() + &text).is_empty());
}
