//! Ten minutes of mixed load: readers that page without a pause, and planners who import, draw, issue, replace,
//! bundle, explain and draw again; memory stays where it was, and no call fails.
#![cfg(target_os = "linux")]

mod cli_support;

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use cli_support::{Server, World, at, plan_name};
use spotcheck::service::v1;
use v1::plan_service_client::PlanServiceClient;

const UNITS: u32 = 20_000;
const POLICY: &str = include_str!("../examples/annual-small.toml");

/// Pages through all lines of all plans, again and again; counts calls.
async fn read(url: String, end: &AtomicBool, calls: &AtomicU64) {
    let mut plans = PlanServiceClient::connect(url).await.unwrap();
    while !end.load(Ordering::Relaxed) {
        let all = plans.list_plans(v1::ListPlansRequest::default()).await.unwrap().into_inner();
        calls.fetch_add(1, Ordering::Relaxed);
        for plan in all.plans.iter().rev().take(2) {
            let mut token = String::new();
            while !end.load(Ordering::Relaxed) {
                let page = v1::ListPlanLinesRequest {
                    plan: plan.name.clone(),
                    page_token: token,
                    ..Default::default()
                };
                let page = plans.list_plan_lines(page).await.unwrap().into_inner();
                calls.fetch_add(1, Ordering::Relaxed);
                token = page.next_page_token;
                if token.is_empty() {
                    break;
                }
            }
        }
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}

/// One programme after the other, from the import to a bundle.
fn work(world: &World, place: &[String; 2], end: &AtomicBool) -> u64 {
    let mut steps = 0;
    for number in 0.. {
        let (head, rest) = POLICY.split_once("\nid ").unwrap();
        let (_, rest) = rest.split_once('\n').unwrap();
        world.write("policy.toml", format!("{head}\nid = \"programme-{number}\"\n{rest}"));
        let enterprise = world.rename_an_enterprise(&format!("name {number}"));
        world.import(place, &[]).expect(0);
        let plan = plan_name(&world.plan(place, "3 1 4", &[]).expect(0));
        world.on(place, &["issue", &plan]).expect(0);
        for line in ["1", "2", "3"] {
            let why = ["--reason", "closed", "--evidence", "gone"];
            world.on(place, &[&["replace", &plan, line][..], &why].concat()).expect(0);
        }
        world.on(place, &["regenerate", &plan]).expect(0);
        let out = world.text(&format!("{number}.zip"));
        world.on(place, &["bundle", &plan, "--out", &out]).expect(0);
        std::fs::remove_file(out).unwrap();
        world.on(place, &["explain", &plan, "--enterprise", &enterprise]).expect(0);
        world.on(place, &["replacements", &plan]).expect(0);
        steps += 9;
        if end.load(Ordering::Relaxed) {
            break;
        }
    }
    steps
}

fn soak(time: Duration) {
    let world = World::province(UNITS);
    let store = world.path("store");
    let server = Server::start(&store);
    let place = at(&server);
    let (end, calls) = (AtomicBool::new(false), AtomicU64::new(0));
    let mut seen = Vec::new();
    let steps = thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                let runtime = tokio::runtime::Runtime::new().unwrap();
                runtime.block_on(read(server.url.clone(), &end, &calls));
            });
        }
        let working = scope.spawn(|| work(&world, &place, &end));
        let begun = Instant::now();
        while begun.elapsed() < time && !working.is_finished() {
            thread::sleep(time / 1_200);
            seen.push(server.memory());
        }
        end.store(true, Ordering::Relaxed);
        working.join().unwrap()
    });
    let tenths: Vec<u64> =
        seen.chunks(seen.len().div_ceil(10)).map(|tenth| *tenth.iter().max().unwrap()).collect();
    println!("{} reads, {steps} steps, {tenths:?} MiB at most in each tenth", calls.into_inner());
    // The first fifth fills caches and the allocator's pools.
    let (early, late) = (tenths[1].max(tenths[2]), *tenths[8..].iter().max().unwrap());
    assert!(late <= early + early / 4 + 16, "memory grows: {tenths:?}");
}

#[test]
#[ignore = "long: ten minutes"]
fn ten_minutes_of_mixed_load_leave_memory_flat() {
    soak(Duration::from_secs(600));
}
