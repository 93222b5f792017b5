//! Spans of calls, as a collector gets them.
#![cfg(unix)]

mod cli_support;
mod operations_support;

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use cli_support::{World, plan_name, run};
use opentelemetry_proto::tonic::collector::trace::v1::trace_service_server::{
    TraceService, TraceServiceServer,
};
use opentelemetry_proto::tonic::collector::trace::v1::{
    ExportTraceServiceRequest, ExportTraceServiceResponse,
};
use opentelemetry_proto::tonic::common::v1::KeyValue;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::trace::v1::Span;
use opentelemetry_proto::tonic::trace::v1::span::SpanKind;
use operations_support::{Running, Settings};
use spotcheck::service::v1;
use spotcheck::service::v1::plan_service_client::PlanServiceClient;
use tokio::net::TcpListener;
use tokio::runtime::Runtime;
use tokio_stream::wrappers::TcpListenerStream;
use tonic::{Code, Request, Response, Status};

type Received = Arc<Mutex<Vec<ExportTraceServiceRequest>>>;

#[derive(Clone, Default)]
struct Collector(Received);

#[tonic::async_trait]
impl TraceService for Collector {
    async fn export(
        &self,
        request: Request<ExportTraceServiceRequest>,
    ) -> Result<Response<ExportTraceServiceResponse>, Status> {
        self.0.lock().unwrap().push(request.into_inner());
        Ok(Response::new(ExportTraceServiceResponse::default()))
    }
}

/// A collector; ends with the runtime.
fn collector(runtime: &Runtime) -> (SocketAddr, Received) {
    let collector = Collector::default();
    let received = Arc::clone(&collector.0);
    let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0")).unwrap();
    let address = listener.local_addr().unwrap();
    let server =
        tonic::transport::Server::builder().add_service(TraceServiceServer::new(collector));
    runtime.spawn(server.serve_with_incoming(TcpListenerStream::new(listener)));
    (address, received)
}

fn text(attributes: &[KeyValue], key: &str) -> Option<String> {
    let found = attributes.iter().find(|attribute| attribute.key == key)?;
    match found.value.as_ref()?.value.as_ref()? {
        Value::StringValue(text) => Some(text.clone()),
        Value::IntValue(number) => Some(number.to_string()),
        other => panic!("{other:?}"),
    }
}

fn traced(endpoint: String) -> Settings {
    Settings { env: vec![("SPOTCHECK_OTLP_ENDPOINT", endpoint)], ..Settings::default() }
}

#[test]
fn calls_and_their_stages_are_spans() {
    let runtime = Runtime::new().unwrap();
    let (address, received) = collector(&runtime);
    let world = World::province(3_000);
    world.import(&world.store(), &[]).expect(0);
    let mut server = Running::start(&world, traced(format!("http://{address}")));
    let far = ["--server".to_owned(), server.url.clone()];
    let plan = plan_name(&world.plan(&far, "3 1 4", &[]).expect(0));
    server.block_on(async |channel| {
        let mut plans = PlanServiceClient::new(channel);
        let get = |name: String, sampled: &str| {
            let mut request = Request::new(v1::GetPlanRequest { name });
            let parent =
                format!("00-{}-00f067aa0ba902b7-{sampled}", "4bf92f3577b34da6a3ce929d0e0e4736");
            request.metadata_mut().insert("traceparent", parent.parse().unwrap());
            request.metadata_mut().insert("x-request-id", "asked-7".parse().unwrap());
            request
        };
        plans.get_plan(get(format!("plans/{plan}"), "01")).await.unwrap();
        let missing = plans.get_plan(get("plans/none-1".into(), "01")).await.unwrap_err();
        assert_eq!(missing.code(), Code::NotFound);
        // Whose client does not sample is not sent.
        plans.get_plan(get(format!("plans/{plan}"), "00")).await.unwrap();
        // One that is no trace is none.
        let mut odd = get(format!("plans/{plan}"), "01");
        odd.metadata_mut().insert("traceparent", "00-zz".parse().unwrap());
        plans.get_plan(odd).await.unwrap();
    });
    assert_eq!(server.stop("TERM"), Some(0));
    let received = received.lock().unwrap();
    let groups = || received.iter().flat_map(|request| &request.resource_spans);
    for group in groups() {
        let attributes = &group.resource.as_ref().unwrap().attributes;
        assert_eq!(text(attributes, "service.name").as_deref(), Some("spotcheck"));
        let version = text(attributes, "service.version");
        assert_eq!(version.as_deref(), Some(env!("CARGO_PKG_VERSION")));
    }
    let spans: Vec<&Span> =
        groups().flat_map(|group| &group.scope_spans).flat_map(|scope| &scope.spans).collect();
    let named = |name: &str| -> Vec<&Span> {
        spans.iter().filter(|span| span.name == name).copied().collect()
    };
    let gets = named("spotcheck.v1.PlanService/GetPlan");
    assert_eq!(gets.len(), 3, "{gets:?}");
    let own = gets.iter().filter(|span| span.parent_span_id.is_empty()).count();
    assert_eq!(own, 1);
    let of_client: Vec<_> = gets
        .iter()
        .filter(|span| hex::encode(&span.parent_span_id) == "00f067aa0ba902b7")
        .collect();
    assert_eq!(of_client.len(), 2);
    let mut codes = Vec::new();
    for span in of_client {
        assert_eq!(hex::encode(&span.trace_id), "4bf92f3577b34da6a3ce929d0e0e4736");
        assert_eq!(span.kind(), SpanKind::Server);
        let attribute = |key| text(&span.attributes, key).unwrap_or_default();
        assert_eq!(attribute("rpc.system"), "grpc");
        assert_eq!(attribute("rpc.service"), "spotcheck.v1.PlanService");
        assert_eq!(attribute("rpc.method"), "GetPlan");
        assert_eq!(attribute("spotcheck.request_id"), "asked-7");
        assert_eq!(attribute("client.address"), "127.0.0.1");
        // What a client asks wrongly is no error of the server.
        assert!(span.status.as_ref().is_none_or(|status| status.code == 0));
        codes.push(attribute("rpc.grpc.status_code"));
    }
    codes.sort();
    assert_eq!(codes, ["0", "5"]);
    let draws = named("spotcheck.v1.PlanService/DrawPlan");
    assert_eq!(draws.len(), 1);
    let stages: Vec<_> =
        spans.iter().filter(|span| span.parent_span_id == draws[0].span_id).collect();
    let names: Vec<&str> = stages.iter().map(|span| span.name.as_str()).collect();
    for stage in ["frame", "exact flow", "certificate", "rounding", "storing"] {
        assert!(names.contains(&stage), "{stage} is not in {names:?}");
    }
    for stage in stages {
        assert_eq!(stage.trace_id, draws[0].trace_id);
        assert!(stage.start_time_unix_nano >= draws[0].start_time_unix_nano);
        assert!(stage.end_time_unix_nano >= stage.start_time_unix_nano);
    }
    assert!(spans.iter().all(|span| !span.name.starts_with("grpc.")));
    // The log names the trace.
    let log = server.log();
    assert!(log.contains("\"trace\":\"4bf92f3577b34da6a3ce929d0e0e4736\""), "{log}");
    // Spans are no place for secrets.
    let all = format!("{spans:?}");
    assert!(!all.contains("3 1 4"), "{all}");
}

#[test]
fn without_a_collector_calls_go_on_and_the_end_does_not_wait() {
    let world = World::village();
    // Bound and not answered: connections are taken by nobody.
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let gone = format!("http://{}", silent.local_addr().unwrap());
    for endpoint in [gone, "http://127.0.0.1:1".into()] {
        let mut server = Running::start(&world, traced(endpoint));
        let far = ["--server".to_owned(), server.url.clone()];
        for _ in 0..30 {
            world.on(&far, &["plans"]).expect(0);
        }
        let begun = Instant::now();
        assert_eq!(server.stop("TERM"), Some(0));
        assert!(begun.elapsed() < Duration::from_secs(20), "{:?}", begun.elapsed());
        assert!(server.log().contains("ExportError"), "{}", server.log());
    }
}

#[test]
fn spans_stay_on_this_machine_unless_that_is_said() {
    let world = World::village();
    let store = world.text("store");
    let serve = |endpoint: &str, more: &[&str]| {
        let first = ["serve", "--store", &store, "--otlp-endpoint", endpoint];
        run(&[&first[..], &["--listen", "127.0.0.1:0"], more].concat())
    };
    serve("http://192.0.2.1:4317", &[]).expect(2).says(&["otlp_endpoint", "insecure"]);
    for odd in ["127.0.0.1:4317", "https://127.0.0.1:4317", "http://collector:4317", "http://"] {
        serve(odd, &[]).expect(2).says(&["--otlp-endpoint", "http://127.0.0.1:4317"]);
    }
    assert!(!world.path("store").exists());
}
