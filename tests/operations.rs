//! The real binary as an operator meets it: settings, logs, metrics, readiness, signals.
#![cfg(unix)]

mod cli_support;
mod common;
mod operations_support;
mod service;

use std::fs;
use std::os::unix::net::UnixDatagram;
use std::time::Duration;

use cli_support::{World, command, run};
use operations_support::{Running, Settings};
use service::{header, messages, part, province};
use spotcheck::service::telemetry::names;
use spotcheck::service::v1;
use spotcheck::service::v1::draw_plan_response::Event;
use spotcheck::service::v1::import_request::Part;
use spotcheck::service::v1::plan_service_client::PlanServiceClient;
use spotcheck::service::v1::registry_service_client::RegistryServiceClient;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::transport::Channel;
use tonic::{Code, Request};

#[test]
fn the_configuration_is_shown_with_its_origins() {
    let world = World::empty();
    let file = world.text("serve.toml");
    world.write("serve.toml", "store = \"/srv/a\"\ndrain_seconds = 7\nlog_format = \"json\"\n");
    let mut shown = command();
    shown.args(["serve", "--config", &file, "--print-config", "--listen", "127.0.0.1:0"]);
    shown.env("SPOTCHECK_LOG_FORMAT", "text").env("SPOTCHECK_THREADS", "3");
    let shown = shown.output().unwrap();
    assert_eq!(shown.status.code(), Some(0), "{shown:?}");
    let expected = format!(
        "store = \"/srv/a\" # {file}:1\nlisten = \"127.0.0.1:0\" # --listen\n\
         threads = 3 # SPOTCHECK_THREADS\ndrain_seconds = 7 # {file}:2\n\
         # metrics_listen is not set\nlog_format = \"text\" # SPOTCHECK_LOG_FORMAT\n\
         log_level = \"info\" # default\n"
    );
    let text = String::from_utf8(shown.stdout).unwrap();
    // Other settings may stand between these.
    let mut lines = text.lines();
    for line in expected.lines() {
        assert!(lines.any(|found| found == line), "`{line}` is not in its place in:\n{text}");
    }
    assert!(!world.path("store").exists(), "nothing is opened");
    // The file may be named by the environment, and is no good in either case.
    world.write("serve.toml", "store = \"a\"\n\ndrain = 7\n");
    let mut refused = command();
    refused.args(["serve", "--print-config"]).env("SPOTCHECK_CONFIG", &file);
    let refused = refused.output().unwrap();
    assert_eq!(refused.status.code(), Some(2));
    let said = String::from_utf8(refused.stderr).unwrap();
    assert!(said.contains(&format!("{file}:3: unknown setting `drain`")), "{said}");
    run(&["serve", "--listen", "127.0.0.1:0"]).expect(2).says(&["`store` is required"]);
    run(&["serve", "--store", "s", "--listen", "here"]).expect(2).says(&["--listen", "`here`"]);
    assert!(!fs::exists("s").unwrap());
}

#[test]
fn every_call_leaves_one_line_and_its_figures() {
    let world = World::village();
    let mut server = Running::start(&world, Settings::default());
    let place = ["--server".to_owned(), server.url.clone()];
    world.import(&place, &["--id-scheme", "opaque"]).expect(0);
    world.plan(&place, "a seed to keep quiet about", &[]).expect(0);
    let (made, given) = server.block_on(async |channel| {
        let mut plans = PlanServiceClient::new(channel);
        let id = |response: &tonic::metadata::MetadataMap| {
            response.get("x-request-id").unwrap().to_str().unwrap().to_owned()
        };
        let listed = plans.list_plans(v1::ListPlansRequest::default()).await.unwrap();
        let mut request =
            Request::new(v1::GetPlanRequest { name: "plans/none-0123456789ab".into() });
        request.metadata_mut().insert("x-request-id", "order-66".parse().unwrap());
        let missing = plans.get_plan(request).await.unwrap_err();
        assert_eq!(missing.code(), Code::NotFound);
        (id(listed.metadata()), id(missing.metadata()))
    });
    assert_eq!(given, "order-66");
    let (status, text) = server.get("/metrics");
    assert_eq!(status, 200);
    let value = |name: &str| -> f64 {
        let line =
            text.lines().find(|line| line.strip_prefix(name).is_some_and(|r| r.starts_with(' ')));
        let line = line.unwrap_or_else(|| panic!("{name} is not in:\n{text}"));
        line.rsplit(' ').next().unwrap().parse().unwrap()
    };
    let calls = |method: &str, code: &str| {
        value(&format!("spotcheck_calls_total{{method=\"spotcheck.v1.{method}\",code=\"{code}\"}}"))
    };
    assert_eq!(calls("RegistryService/Import", "OK"), 1.0);
    assert_eq!(calls("PlanService/ListPlans", "OK"), 1.0);
    assert_eq!(calls("PlanService/GetPlan", "NOT_FOUND"), 1.0);
    // 4 divisions, 2 products, 4 enterprises, 8 rows of supply, 2 tiers.
    assert_eq!(value("spotcheck_import_rows_total"), 20.0);
    assert_eq!(value("spotcheck_plans_drawn_total"), 1.0);
    assert!(value("spotcheck_store_commits_total{result=\"ok\"}") >= 3.0);
    assert!(value("spotcheck_store_segments") >= 3.0);
    assert!(value("spotcheck_store_segment_bytes") > 0.0);
    assert!(value("spotcheck_store_log_bytes") > 0.0);
    assert_eq!(value("spotcheck_calls_in_flight"), 0.0);
    assert_eq!(value("spotcheck_ready"), 1.0);
    assert_eq!(value("spotcheck_store_failed"), 0.0);
    assert_eq!(value("spotcheck_stage_duration_seconds_count{stage=\"storing\"}"), 1.0);
    for metric in names::METRICS {
        assert!(text.contains(&format!("# TYPE {} ", metric.name)), "{} is not told", metric.name);
        assert!(text.contains(&format!("# HELP {} ", metric.name)), "{} has no help", metric.name);
    }
    assert_eq!(server.get("/healthz"), (200, "alive\n".into()));
    assert_eq!(server.get("/readyz"), (200, "ready\n".into()));
    assert_eq!(server.get("/other").0, 404);

    assert_eq!(server.stop("TERM"), Some(0));
    let log = server.log();
    let lines: Vec<serde_json::Value> =
        log.lines().map(|line| serde_json::from_str(line).expect(line)).collect();
    let of = |method: &str| {
        let name = format!("spotcheck.v1.{method}");
        let mut found = lines.iter().filter(|line| line["method"] == *name);
        let line = found.next().unwrap_or_else(|| panic!("{method} is not in:\n{log}"));
        assert!(found.next().is_none(), "two lines of {method}");
        line
    };
    let line = of("PlanService/GetPlan");
    assert_eq!(line["status"], "NOT_FOUND");
    assert_eq!(line["request_id"], "order-66");
    assert!(line["ms"].as_f64().unwrap() >= 0.0);
    assert!(line["peer"].as_str().unwrap().starts_with("127.0.0.1:"));
    assert_eq!(of("PlanService/ListPlans")["request_id"], *made);
    // What the handler says belongs to the call.
    let import = of("RegistryService/Import");
    let imported = lines.iter().find(|line| line["message"] == "imported").unwrap();
    assert_eq!(imported["span"]["request_id"], import["request_id"]);
    let planned = lines.iter().find(|line| line["message"] == "planned").unwrap();
    assert!(planned["span"]["request_id"].is_string(), "{planned}");
    for private in ["keep quiet", "E1", "E2"] {
        assert!(!log.contains(private), "`{private}` is in the log:\n{log}");
    }
}

/// Opens an import and leaves it open: header and some rows, but no end.
async fn open_import(
    channel: Channel,
) -> (mpsc::Sender<v1::ImportRequest>, tokio::task::JoinHandle<Result<(), tonic::Status>>) {
    let mut registry = RegistryServiceClient::new(channel);
    let (sender, receiver) = mpsc::channel(64);
    for message in messages(header(), &province(50)) {
        if !matches!(message.part, Some(Part::End(_))) {
            sender.send(message).await.unwrap();
        }
    }
    let call =
        tokio::spawn(
            async move { registry.import(ReceiverStream::new(receiver)).await.map(|_| ()) },
        );
    (sender, call)
}

async fn until(mut done: impl FnMut() -> bool) {
    while !done() {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

#[test]
fn a_signal_during_an_import_leaves_the_store_whole() {
    let world = World::village();
    let mut server = Running::start(&world, Settings { drain: 1, ..Settings::default() });
    let metrics = server.metrics.clone();
    let terminate = server.signal("TERM");
    let refused = server.block_on(async |channel| {
        let (sender, call) = open_import(channel.clone()).await;
        until(|| operations_support::get(&metrics, "/metrics").1.contains("import_rows_total 1"))
            .await;
        terminate();
        until(|| operations_support::get(&metrics, "/readyz") == (503, "stopping\n".into())).await;
        let refused = call.await.unwrap().unwrap_err();
        drop(sender);
        refused
    });
    assert_eq!(refused.code(), Code::Unavailable, "{refused}");
    assert!(refused.message().contains("stopping"), "{refused}");
    assert_eq!(server.wait(), Some(0));
    // Nothing of it was kept, and the store takes the next import as its first.
    let done = world.import(&world.store(), &["--id-scheme", "opaque"]).expect(0);
    assert!(done.out.starts_with("revision  1\n"), "{}", done.out);
}

#[test]
fn an_open_import_may_end_after_the_signal() {
    let world = World::village();
    let mut server = Running::start(&world, Settings::default());
    let metrics = server.metrics.clone();
    let terminate = server.signal("INT");
    server.block_on(async |channel| {
        let (sender, call) = open_import(channel.clone()).await;
        until(|| operations_support::get(&metrics, "/metrics").1.contains("import_rows_total 1"))
            .await;
        terminate();
        until(|| operations_support::get(&metrics, "/readyz").0 == 503).await;
        // No new call is taken: the server says UNAVAILABLE, or its connection takes no more, for
        // which this client has words of its own (CANCELLED, INTERNAL) and a cause.
        let late = RegistryServiceClient::new(channel)
            .get_revision(v1::GetRevisionRequest { name: "revisions/latest".into() })
            .await;
        let late = late.unwrap_err();
        let by_client = std::error::Error::source(&late).is_some();
        let refused = matches!(late.code(), Code::Unavailable | Code::Cancelled);
        assert!(refused || by_client, "{late:?}");
        let all = messages(header(), &province(50));
        let Some(Part::End(end)) = &all.last().unwrap().part else { panic!("the end") };
        sender.send(part(Part::End(*end))).await.unwrap();
        drop(sender);
        call.await.unwrap().unwrap();
    });
    assert_eq!(server.wait(), Some(0));
    let log = server.log();
    assert!(!log.contains("ending what is still open"), "{log}");
    let planner = operations_support::planner(&world);
    assert_eq!(planner.head().unwrap(), 1);
}

#[test]
fn a_signal_during_a_draw_leaves_the_store_whole() {
    let world = World::province(20_000);
    world.write("policy.toml", include_str!("../examples/annual-small.toml"));
    world.import(&world.store(), &[]).expect(0);
    let mut server = Running::start(&world, Settings { drain: 0, ..Settings::default() });
    let terminate = server.signal("TERM");
    let policy = fs::read_to_string(world.path("policy.toml")).unwrap();
    let outcome = server.block_on(async |channel| {
        let policy = spotcheck::policy::Draft::from_toml(&policy).unwrap();
        let policy = spotcheck::service::convert::policy_message(policy);
        let create = v1::CreatePlanRequest {
            source: Some(v1::create_plan_request::Source::Policy(policy)),
            seed_text: "cut off".into(),
            ..Default::default()
        };
        let request = v1::DrawPlanRequest { create: Some(create) };
        let answers = PlanServiceClient::new(channel).draw_plan(request).await;
        let mut answers = answers.unwrap().into_inner();
        let first = answers.message().await.unwrap().unwrap();
        assert!(matches!(first.event, Some(Event::Stage(_))), "{first:?}");
        terminate();
        loop {
            match answers.message().await {
                Ok(Some(v1::DrawPlanResponse { event: Some(Event::Created(_)) })) => break Ok(()),
                Ok(Some(_)) => {}
                Ok(None) => panic!("the stream ended without its plan"),
                Err(status) => break Err(status),
            }
        }
    });
    assert_eq!(server.wait(), Some(0));
    let planner = operations_support::planner(&world);
    let plans = planner.plans("", 10).unwrap();
    match outcome {
        // Acknowledged is kept.
        Ok(()) => assert_eq!(plans.len(), 1),
        Err(status) => {
            println!("the draw was cut off: {status}");
            assert_eq!(status.code(), Code::Unavailable, "{status}");
            assert_eq!(plans, []);
        }
    }
    drop(planner);
    // The same draw goes through now, and again gives the same.
    let done = world.plan(&world.store(), "cut off", &[]).expect(0);
    let name = cli_support::plan_name(&done);
    world.on(&world.store(), &["regenerate", &name]).expect(0);
}

#[test]
fn a_second_signal_ends_at_once() {
    let world = World::village();
    let mut server = Running::start(&world, Settings { drain: 3600, ..Settings::default() });
    let metrics = server.metrics.clone();
    let terminate = server.signal("TERM");
    let broken = server.block_on(async |channel| {
        let (sender, call) = open_import(channel).await;
        until(|| operations_support::get(&metrics, "/metrics").1.contains("import_rows_total 1"))
            .await;
        terminate();
        until(|| operations_support::get(&metrics, "/readyz").0 == 503).await;
        assert!(!call.is_finished(), "an open call goes on");
        terminate();
        let ended = call.await.unwrap();
        drop(sender);
        ended
    });
    assert!(broken.is_err());
    assert_eq!(server.wait(), Some(0));
    assert_eq!(operations_support::planner(&world).head().unwrap(), 0);
}

#[test]
fn the_service_manager_is_told() {
    let world = World::village();
    let path = world.path("notify");
    let socket = UnixDatagram::bind(&path).unwrap();
    socket.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
    let mut told = [0; 64];
    let env = vec![("NOTIFY_SOCKET", path.to_str().unwrap().to_owned())];
    let mut server = Running::start(&world, Settings { env, ..Settings::default() });
    let length = socket.recv(&mut told).unwrap();
    assert_eq!(&told[..length], b"READY=1");
    assert_eq!(server.stop("TERM"), Some(0));
    let length = socket.recv(&mut told).unwrap();
    assert_eq!(&told[..length], b"STOPPING=1");
}

/// A log on a full disk: its lines are lost, calls go on.
#[cfg(target_os = "linux")]
#[test]
fn a_log_that_cannot_be_written_stops_nothing() {
    let world = World::village();
    let settings = Settings { log: Some("/dev/full".into()), ..Settings::default() };
    let mut server = Running::start(&world, settings);
    let place = ["--server".to_owned(), server.url.clone()];
    world.import(&place, &["--id-scheme", "opaque"]).expect(0);
    world.plan(&place, "unheard", &[]).expect(0);
    assert_eq!(server.stop("TERM"), Some(0));
    assert_eq!(operations_support::planner(&world).plans("", 10).unwrap().len(), 1);
}
