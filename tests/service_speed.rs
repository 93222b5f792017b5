//! Figures of the service over a real socket, each beside a control in the same run.
//!
//! `cargo test --release --test service_speed -- --ignored --nocapture`

mod common;
mod service;

use std::time::{Duration, Instant};

use service::{Server, header, part, policy};
use spotcheck::generate::{File, Options, generate};
use spotcheck::registry::{AnyInput, Mode, Table, read_rows};
use spotcheck::service::v1;
use spotcheck::service::v1::import_request::Part;
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_client::HealthClient;

const UNITS: u64 = 500_000;

/// The messages of a synthetic province, made before the clock starts.
fn synthetic() -> (Vec<v1::ImportRequest>, u64) {
    let dir = tempfile::tempdir().unwrap();
    let options = Options { units: UNITS, seed: 1 };
    let path = |name: &str| dir.path().join(name);
    generate(&options, |file: File| std::fs::File::create(path(file.file_name()))).unwrap();
    let header = v1::ImportHeader { id_scheme: v1::IdScheme::Uscc.into(), ..header() };
    let mut messages = vec![part(Part::Header(header))];
    let mut total = 0;
    for table in Table::ALL {
        let file = std::fs::File::open(path(table.file_name())).unwrap();
        let mut rows = v1::ImportRows::default();
        let mut sink = |row: u64, input: AnyInput<'_>| {
            service::add(&mut rows, row, input);
            total += 1;
            if row.is_multiple_of(1_000) {
                messages.push(part(Part::Rows(std::mem::take(&mut rows))));
            }
            Ok::<(), ()>(())
        };
        read_rows(table, Mode::Replace, file, &mut sink).unwrap();
        messages.push(part(Part::Rows(rows)));
    }
    messages.push(part(Part::End(v1::ImportEnd { rows: total })));
    (messages, total)
}

/// A kind of call whose rate is measured.
#[derive(Debug, Clone, Copy)]
enum Kind {
    /// The control: a unary call that does next to nothing.
    Health,
    GetPlan,
    Lines,
}

/// Calls a second of 32 callers over one connection each, for two seconds.
async fn rate(server: &Server, plan: &str, kind: Kind) -> f64 {
    let started = Instant::now();
    let mut callers = Vec::new();
    for _ in 0..32 {
        let channel = server.channel().await;
        let name = plan.to_owned();
        callers.push(tokio::spawn(async move {
            let mut health = HealthClient::new(channel.clone());
            let mut plans = v1::plan_service_client::PlanServiceClient::new(channel);
            let mut calls = 0u64;
            while started.elapsed() < Duration::from_secs(2) {
                match kind {
                    Kind::Health => {
                        health.check(HealthCheckRequest::default()).await.unwrap();
                    }
                    Kind::GetPlan => {
                        let request = v1::GetPlanRequest { name: name.clone() };
                        plans.get_plan(request).await.unwrap();
                    }
                    Kind::Lines => {
                        let plan = name.clone();
                        let request = v1::ListPlanLinesRequest { plan, ..Default::default() };
                        plans.list_plan_lines(request).await.unwrap();
                    }
                }
                calls += 1;
            }
            calls
        }));
    }
    let mut calls = 0;
    for caller in callers {
        calls += caller.await.unwrap();
    }
    calls as f64 / started.elapsed().as_secs_f64()
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "takes half a minute and means something only in a release build"]
async fn figures() {
    let (messages, rows) = synthetic();
    let dir = tempfile::tempdir().unwrap();
    let server = Server::on_disk(dir.path()).await;
    let mut registry = server.registry().await;
    let started = Instant::now();
    let imported = registry.import(tokio_stream::iter(messages)).await.unwrap().into_inner();
    let seconds = started.elapsed().as_secs_f64();
    println!("import: {rows} rows in {seconds:.2} s, {:.0} rows/s", rows as f64 / seconds);
    assert_eq!(imported.revision.unwrap().number, 1);
    let mut policy = policy();
    policy.budget.as_mut().unwrap().county.as_mut().unwrap().total = 2_000;
    policy.exclude.clear();
    let source = Some(v1::create_plan_request::Source::Policy(policy));
    let request = v1::CreatePlanRequest { source, ..service::create("1") };
    let started = Instant::now();
    let plan = server.plans().await.create_plan(request).await.unwrap().into_inner().plan.unwrap();
    println!("freeze and plan of {} units: {:.2?}", plan.units, started.elapsed());
    for kind in [Kind::Health, Kind::GetPlan, Kind::Lines, Kind::Health] {
        println!("{kind:?}: {:.0} calls/s", rate(&server, &plan.name, kind).await);
    }
    server.stop().await;
}
