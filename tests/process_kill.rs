//! A service that is killed while it imports, draws, issues, replaces and backs up: what it acknowledged
//! is there, the store is whole, and it goes on.

mod cli_support;

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use cli_support::{Server, World, at, plan_name, run};

/// What a client was told has been done.
#[derive(Default)]
struct Acknowledged {
    revision: u64,
    plans: Vec<String>,
    issued: Vec<String>,
    replaced: Vec<(String, u32)>,
}

/// What the registry's revision is, as `import` says it.
fn revision(out: &str) -> u64 {
    let line = out.lines().find_map(|line| line.strip_prefix("revision")).unwrap();
    line.split_whitespace().next().unwrap().parse().unwrap()
}

/// Works through the steps until one of them fails, which it may only do once the server is killed.
fn work(
    world: &World,
    place: &[String; 2],
    name: &str,
    told: &mut Acknowledged,
    killed: &AtomicBool,
) {
    let policy = String::from_utf8(world.read("policy.toml")).unwrap();
    for number in 0.. {
        let file = format!("{name}-{number}.toml");
        let id = format!("\"{name}-{number}\"");
        world.write(&file, policy.replacen("\"small\"", &id, 1));
        let policy = world.text(&file);
        macro_rules! step {
            ($args:expr) => {{
                let done = world.on(place, $args);
                if done.code != 0 {
                    assert!(killed.load(Ordering::SeqCst), "{done:?}");
                    return;
                }
                done
            }};
        }
        world.rename_an_enterprise(&format!("{name}-{number}"));
        let csv = world.text("csv");
        told.revision = revision(&step!(&["import", "--dir", &csv]).out);
        let plan = plan_name(&step!(&["plan", "--policy", &policy, "--seed-text", "3 1 4"]));
        told.plans.push(plan.clone());
        step!(&["issue", &plan]);
        told.issued.push(plan.clone());
        for line in 1..4 {
            let text = line.to_string();
            step!(&["replace", &plan, &text, "--reason", "closed", "--evidence", "gone"]);
            told.replaced.push((plan.clone(), line));
        }
    }
}

/// Kills a service at another moment of its work in each round, on the same store.
fn kill(rounds: std::ops::Range<u32>) -> Acknowledged {
    let world = World::province(3_000);
    let store = world.store();
    let mut told = Acknowledged::default();
    for round in rounds {
        let server = Server::start(store[1].as_ref());
        let place = at(&server);
        let killed = AtomicBool::new(false);
        let (plans, replaced) = (told.plans.len(), told.replaced.len());
        thread::scope(|scope| {
            scope.spawn(|| work(&world, &place, &format!("round-{round}"), &mut told, &killed));
            thread::sleep(Duration::from_millis(u64::from(round) * 7_919 % 1_400));
            killed.store(true, Ordering::SeqCst);
            drop(server);
        });
        // Opening it may be all that was done so far; every record is read and decoded.
        let shown = world.on(&store, &["plans"]).expect(0).out;
        run(&["store", "check", &store[0], &store[1]]).expect(0);
        let row = |plan: &String| shown.lines().find(|line| line.contains(plan.as_str()));
        assert!(told.plans.iter().all(|plan| row(plan).is_some()), "{shown}");
        for plan in &told.issued {
            assert!(row(plan).is_some_and(|row| row.contains("issued")), "{plan}: {shown}");
        }
        if let Some(plan) = told.plans[plans..].last() {
            world.on(&store, &["regenerate", plan]).expect(0);
        }
        for (plan, line) in &told.replaced[replaced..] {
            let again = ["replace", plan, &line.to_string(), "--reason", "closed"];
            let again = world.on(&store, &[&again[..], &["--evidence", "gone"]].concat());
            assert_ne!(again.code, 0, "line {line} of {plan} had not fallen out");
        }
    }
    world.rename_an_enterprise("last");
    let next = world.import(&store, &[]).expect(0);
    assert!(revision(&next.out) > told.revision);
    told
}

#[test]
fn four_kills_of_a_service_lose_nothing() {
    let told = kill(0..4);
    assert!(!told.replaced.is_empty());
}

#[test]
#[ignore = "long: 200 kills of a service"]
fn two_hundred_kills_of_a_service_lose_nothing() {
    let (mut plans, mut steps) = (0, 0);
    for start in (0..200).step_by(10) {
        let told = kill(start..start + 10);
        plans += told.plans.len();
        steps += told.issued.len() + told.replaced.len();
    }
    println!("200 kills: {plans} plans and {steps} steps after them acknowledged, 0 lost");
}
