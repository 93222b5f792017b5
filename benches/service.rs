//! The service over a real socket, each figure beside a control of the same stack in one run.
//!
//! `cargo bench --bench service [-- --units 1000000] [--soak-seconds 600]` prints, as ratios:
//! reading calls against an empty call and against a call that returns as many bytes; an import
//! and an export against streams of the same messages that nobody looks at; the slowest of a
//! hundred reads while a large plan is drawn, against the same without; and resident memory over
//! a mixed load.

#[path = "../tests/common/mod.rs"]
mod common;
#[path = "../tests/service/mod.rs"]
mod service;

use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use service::{Server, header, part};
use spotcheck::generate::{File, Options, generate};
use spotcheck::policy::Draft;
use spotcheck::registry::{AnyInput, Mode, Table, read_rows};
use spotcheck::service::v1::import_request::Part;
use spotcheck::service::{convert, v1};
use tokio_stream::StreamExt;
use tonic::body::Body;
use tonic::codegen::http::uri::PathAndQuery;
use tonic::codegen::{BoxFuture, Service, http};
use tonic::server::{ClientStreamingService, NamedService, ServerStreamingService, UnaryService};
use tonic::transport::Channel;
use tonic::{Request, Response, Status, Streaming};
use tonic_prost::ProstCodec;

const CALLERS: usize = 32;
const SECONDS: u64 = 1;
const TURNS: usize = 4;
/// Times that a plan is exported.
const EXPORTS: usize = 20;
/// Draws during which reads are timed.
const DRAWS: usize = 8;
/// How long reads are timed at a stretch, at most.
const READING_MAX: Duration = Duration::from_secs(2);

fn main() {
    let mut units = 1_000_000;
    let mut soak = 0;
    let mut args = std::env::args().skip(1).filter(|arg| arg != "--bench");
    while let Some(arg) = args.next() {
        let number = args.next().and_then(|text| text.parse().ok()).expect("a number");
        match arg.as_str() {
            "--units" => units = number,
            "--soak-seconds" => soak = number,
            other => panic!("unknown argument {other}"),
        }
    }
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    runtime.block_on(run(units, soak));
}

async fn run(units: u64, soak: u64) {
    let messages = province(units);
    let dir = tempfile::tempdir().expect("a temporary directory");
    let server = Server::on_disk(dir.path()).await;
    let plan = imports(&server, messages).await;
    let page = server.plans().await.list_plan_lines(lines(&plan)).await.expect("a page");
    let page = page.into_inner();
    let export = export(&server, &plan).await;
    let export = export.map(|message| message.expect("a message")).collect().await;
    let control = Control::start(page.clone(), export).await;
    reads(&server, &control, &plan, &page).await;
    exports(&server, &control, &plan).await;
    while_drawing(&server, &plan).await;
    if soak > 0 {
        memory(&server, &plan, Duration::from_secs(soak)).await;
    }
    server.stop().await;
}

/// The messages of a generated province and the number of its rows.
fn province(units: u64) -> (Vec<v1::ImportRequest>, u64) {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let path = |name: &str| dir.path().join(name);
    let create = |file: File| std::fs::File::create(path(file.file_name()));
    generate(&Options { units, seed: 1 }, create).expect("a province");
    let header = v1::ImportHeader { id_scheme: v1::IdScheme::Uscc.into(), ..header() };
    let mut messages = vec![part(Part::Header(header))];
    let mut total = 0;
    for table in Table::ALL {
        let file = std::fs::File::open(path(table.file_name())).expect("a table");
        let mut rows = v1::ImportRows::default();
        let mut sink = |row: u64, input: AnyInput<'_>| {
            service::add(&mut rows, row, input);
            total += 1;
            if row.is_multiple_of(1_000) {
                messages.push(part(Part::Rows(std::mem::take(&mut rows))));
            }
            Ok::<(), ()>(())
        };
        read_rows(table, Mode::Replace, file, &mut sink).expect("a table");
        messages.push(part(Part::Rows(rows)));
    }
    messages.push(part(Part::End(v1::ImportEnd { rows: total })));
    (messages, total)
}

/// Imports against a stream that is thrown away; then a plan. The plan's name.
async fn imports(server: &Server, (messages, rows): (Vec<v1::ImportRequest>, u64)) -> String {
    let control = Control::start(v1::ListPlanLinesResponse::default(), Vec::new()).await;
    let started = Instant::now();
    control.discard(messages.clone()).await;
    let thrown = started.elapsed().as_secs_f64();
    let started = Instant::now();
    let stream = tokio_stream::iter(messages);
    server.registry().await.import(stream).await.expect("an import");
    let took = started.elapsed().as_secs_f64();
    println!(
        "import     {:>10.0} rows/s, {:.2} × a stream of the same messages that is thrown away",
        rows as f64 / took,
        thrown / took
    );
    let policy = std::fs::read_to_string("examples/annual.toml").expect("a policy");
    let policy = convert::policy_message(Draft::from_toml(&policy).expect("a policy"));
    let create = v1::CreatePlanRequest {
        source: Some(v1::create_plan_request::Source::Policy(policy)),
        ..service::create("1")
    };
    let started = Instant::now();
    let created = server.plans().await.create_plan(create).await.expect("a plan").into_inner();
    println!("frame, plan {:>9.2} s", started.elapsed().as_secs_f64());
    created.plan.expect("a plan").name
}

fn lines(plan: &str) -> v1::ListPlanLinesRequest {
    v1::ListPlanLinesRequest { plan: plan.to_owned(), ..Default::default() }
}

async fn export(server: &Server, plan: &str) -> Streaming<v1::ExportPlanResponse> {
    let request = v1::ExportPlanRequest { name: plan.to_owned() };
    server.plans().await.export_plan(request).await.expect("an export").into_inner()
}

/// Calls a second of many callers, each over a connection of its own.
async fn rate<F, C>(channel: impl AsyncFn() -> Channel, call: C) -> f64
where
    C: Fn(Channel) -> F + Send + Sync + Clone + 'static,
    F: Future<Output = ()> + Send,
{
    let mut callers = Vec::new();
    let started = Instant::now();
    for _ in 0..CALLERS {
        let (channel, call) = (channel().await, call.clone());
        callers.push(tokio::spawn(async move {
            let mut calls = 0u64;
            while started.elapsed() < Duration::from_secs(SECONDS) {
                call(channel.clone()).await;
                calls += 1;
            }
            calls
        }));
    }
    let mut calls = 0;
    for caller in callers {
        calls += caller.await.expect("a caller");
    }
    calls as f64 / started.elapsed().as_secs_f64()
}

async fn reads(server: &Server, control: &Control, plan: &str, page: &v1::ListPlanLinesResponse) {
    let get = async || {
        let name = plan.to_owned();
        let call = move |channel| {
            let request = v1::GetPlanRequest { name: name.clone() };
            async move {
                let mut plans = v1::plan_service_client::PlanServiceClient::new(channel);
                plans.get_plan(request).await.expect("a plan");
            }
        };
        rate(async || server.channel().await, call).await
    };
    let list = async || {
        let request = lines(plan);
        let call = move |channel| {
            let request = request.clone();
            async move {
                let mut plans = v1::plan_service_client::PlanServiceClient::new(channel);
                plans.list_plan_lines(request).await.expect("a page");
            }
        };
        rate(async || server.channel().await, call).await
    };
    let nothing = async |path| {
        rate(async || control.channel().await, move |channel| control_call(channel, path)).await
    };
    // In turns, since machines drift.
    let mut sums = [0.0; 4];
    for _ in 0..TURNS {
        let rates = [nothing(EMPTY).await, get().await, nothing(PAGE).await, list().await];
        for (sum, rate) in sums.iter_mut().zip(rates) {
            *sum += rate / TURNS as f64;
        }
    }
    let [empty, get, same, list] = sums;
    let bytes = prost::Message::encoded_len(page);
    println!("empty call {empty:>10.0} /s");
    println!("GetPlan    {get:>10.0} /s, {:.2} × an empty call", get / empty);
    println!(
        "100 lines  {list:>10.0} /s, {:.2} × a call that returns the same {bytes} bytes \
         ({same:.0} /s)",
        list / same
    );
}

async fn exports(server: &Server, control: &Control, plan: &str) {
    let (mut real, mut raw, mut bytes) = (Duration::ZERO, Duration::ZERO, 0);
    // In turns, since machines drift, and many, since one is short.
    for _ in 0..EXPORTS {
        let started = Instant::now();
        let mut stream = export(server, plan).await;
        while let Some(message) = stream.next().await {
            bytes += message.expect("a message").data.len();
        }
        real += started.elapsed();
        let started = Instant::now();
        control.receive().await;
        raw += started.elapsed();
    }
    println!(
        "export     {:>10.0} MB/s, {:.2} × a stream of the same messages from memory",
        bytes as f64 / 1e6 / real.as_secs_f64(),
        raw.as_secs_f64() / real.as_secs_f64()
    );
}

/// The 99th percentile of reads with nothing else to do, and while a plan is drawn again.
async fn while_drawing(server: &Server, plan: &str) {
    let (mut idle, mut busy, mut drawing) = (Vec::new(), Vec::new(), Duration::ZERO);
    // In turns, since machines drift.
    for _ in 0..DRAWS {
        idle.extend(read_times(server, plan, Arc::new(AtomicBool::new(true))).await);
        let on = Arc::new(AtomicBool::new(true));
        let mut plans = server.plans().await;
        let request = v1::RegeneratePlanRequest { name: plan.to_owned() };
        let flag = Arc::clone(&on);
        let draw = tokio::spawn(async move {
            let started = Instant::now();
            plans.regenerate_plan(request).await.expect("the same plan");
            flag.store(false, Ordering::Relaxed);
            started.elapsed()
        });
        busy.extend(read_times(server, plan, on).await);
        drawing += draw.await.expect("a draw");
    }
    let slow = |times: &mut Vec<Duration>| {
        times.sort_unstable();
        times[times.len() * 99 / 100].as_secs_f64()
    };
    let (calls, (idle, busy)) = ((idle.len(), busy.len()), (slow(&mut idle), slow(&mut busy)));
    println!(
        "99 % of reads below {:.2} ms idle ({}), {:.2} ms ({}) during {DRAWS} draws of {:.2} s: \
         {:.1} ×",
        idle * 1e3,
        calls.0,
        busy * 1e3,
        calls.1,
        drawing.as_secs_f64() / DRAWS as f64,
        busy / idle
    );
}

/// What reads one after the other take, as long as `on` says, and at most two seconds.
async fn read_times(server: &Server, plan: &str, on: Arc<AtomicBool>) -> Vec<Duration> {
    let mut times = Vec::new();
    let mut plans = server.plans().await;
    let started = Instant::now();
    while on.load(Ordering::Relaxed) && started.elapsed() < READING_MAX {
        let request = v1::GetPlanRequest { name: plan.to_owned() };
        let started = Instant::now();
        plans.get_plan(request).await.expect("a plan");
        times.push(started.elapsed());
        tokio::time::sleep(Duration::from_micros(500)).await;
    }
    times
}

/// Resident memory in MiB while reads, streams, checks and draws go on.
async fn memory(server: &Server, plan: &str, time: Duration) {
    let started = Instant::now();
    let mut samples = Vec::new();
    while started.elapsed() < time {
        let mut plans = server.plans().await;
        for _ in 0..200 {
            plans.list_plan_lines(lines(plan)).await.expect("a page");
            let request = v1::GetPlanRequest { name: plan.to_owned() };
            plans.get_plan(request).await.expect("a plan");
        }
        let request = v1::StreamPlanLinesRequest { plan: plan.to_owned(), ..Default::default() };
        let mut stream = plans.stream_plan_lines(request).await.expect("lines").into_inner();
        while let Some(message) = stream.next().await {
            message.expect("lines");
        }
        let request = v1::RegeneratePlanRequest { name: plan.to_owned() };
        plans.regenerate_plan(request).await.expect("the same plan");
        samples.push(resident());
    }
    let part = (samples.len() / 3).max(1);
    let mean = |part: &[u64]| part.iter().sum::<u64>() as f64 / part.len() as f64;
    let (first, last) = (mean(&samples[..part]), mean(&samples[samples.len() - part..]));
    println!(
        "memory     {:.0} MiB in the first third of {} s, {:.0} MiB in the last: {:.2} × ({} rounds)",
        first,
        time.as_secs(),
        last,
        last / first,
        samples.len()
    );
}

fn resident() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find(|line| line.starts_with("VmRSS:"));
    let kib = line.and_then(|line| line.split_whitespace().nth(1)?.parse::<u64>().ok());
    kib.unwrap_or(0) / 1024
}

const EMPTY: &str = "/control.Control/Empty";
const PAGE: &str = "/control.Control/Page";
const DISCARD: &str = "/control.Control/Discard";
const RECEIVE: &str = "/control.Control/Receive";

async fn control_call(channel: Channel, path: &'static str) {
    let mut client = tonic::client::Grpc::new(channel);
    client.ready().await.expect("a connection");
    let codec = ProstCodec::<(), v1::ListPlanLinesResponse>::default();
    let path = PathAndQuery::from_static(path);
    client.unary(Request::new(()), path, codec).await.expect("an answer");
}

/// A server of the same stack that does nothing.
struct Control {
    address: String,
    serving: tokio::task::JoinHandle<()>,
}

impl Drop for Control {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

impl Control {
    async fn start(page: v1::ListPlanLinesResponse, export: Vec<v1::ExportPlanResponse>) -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a socket");
        let address = format!("http://{}", listener.local_addr().expect("an address"));
        let incoming = tonic::transport::server::TcpIncoming::from(listener);
        let service = ControlService { page: Arc::new(page), export: Arc::new(export) };
        let serving = tokio::spawn(async move {
            let server = tonic::transport::Server::builder()
                .initial_stream_window_size(4 << 20)
                .initial_connection_window_size(16 << 20)
                .add_service(service)
                .serve_with_incoming(incoming.with_nodelay(Some(true)));
            server.await.expect("a server");
        });
        Control { address, serving }
    }

    async fn channel(&self) -> Channel {
        let endpoint = Channel::from_shared(self.address.clone()).expect("an address");
        endpoint.connect().await.expect("a connection")
    }

    async fn discard(&self, messages: Vec<v1::ImportRequest>) {
        let mut client = tonic::client::Grpc::new(self.channel().await);
        client.ready().await.expect("a connection");
        let codec = ProstCodec::<v1::ImportRequest, ()>::default();
        let stream = Request::new(tokio_stream::iter(messages));
        let path = PathAndQuery::from_static(DISCARD);
        client.client_streaming(stream, path, codec).await.expect("an answer");
    }

    async fn receive(&self) {
        let mut client = tonic::client::Grpc::new(self.channel().await);
        client.ready().await.expect("a connection");
        let codec = ProstCodec::<(), v1::ExportPlanResponse>::default();
        let path = PathAndQuery::from_static(RECEIVE);
        let answers = client.server_streaming(Request::new(()), path, codec).await;
        let mut stream = answers.expect("an answer").into_inner();
        while let Some(message) = stream.next().await {
            message.expect("a message");
        }
    }
}

#[derive(Clone)]
struct ControlService {
    page: Arc<v1::ListPlanLinesResponse>,
    export: Arc<Vec<v1::ExportPlanResponse>>,
}

impl NamedService for ControlService {
    const NAME: &'static str = "control.Control";
}

impl Service<http::Request<Body>> for ControlService {
    type Response = http::Response<Body>;
    type Error = Infallible;
    type Future = BoxFuture<Self::Response, Self::Error>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: http::Request<Body>) -> Self::Future {
        let service = self.clone();
        Box::pin(async move {
            Ok(match request.uri().path() {
                EMPTY => {
                    let mut grpc = tonic::server::Grpc::new(ProstCodec::<(), ()>::default());
                    grpc.unary(Empty, request).await
                }
                PAGE => {
                    let codec = ProstCodec::<v1::ListPlanLinesResponse, ()>::default();
                    tonic::server::Grpc::new(codec).unary(Page(service.page), request).await
                }
                DISCARD => {
                    let codec = ProstCodec::<(), v1::ImportRequest>::default();
                    tonic::server::Grpc::new(codec).client_streaming(Discard, request).await
                }
                _ => {
                    let codec = ProstCodec::<v1::ExportPlanResponse, ()>::default();
                    let mut grpc = tonic::server::Grpc::new(codec);
                    grpc.server_streaming(Export(service.export), request).await
                }
            })
        })
    }
}

struct Empty;

impl UnaryService<()> for Empty {
    type Response = ();
    type Future = BoxFuture<Response<()>, Status>;

    fn call(&mut self, _: Request<()>) -> Self::Future {
        Box::pin(async { Ok(Response::new(())) })
    }
}

struct Page(Arc<v1::ListPlanLinesResponse>);

impl UnaryService<()> for Page {
    type Response = v1::ListPlanLinesResponse;
    type Future = BoxFuture<Response<Self::Response>, Status>;

    fn call(&mut self, _: Request<()>) -> Self::Future {
        let page = self.0.as_ref().clone();
        Box::pin(async move { Ok(Response::new(page)) })
    }
}

struct Discard;

impl ClientStreamingService<v1::ImportRequest> for Discard {
    type Response = ();
    type Future = BoxFuture<Response<()>, Status>;

    fn call(&mut self, request: Request<Streaming<v1::ImportRequest>>) -> Self::Future {
        Box::pin(async move {
            let mut stream = request.into_inner();
            while stream.message().await?.is_some() {}
            Ok(Response::new(()))
        })
    }
}

struct Export(Arc<Vec<v1::ExportPlanResponse>>);

impl ServerStreamingService<()> for Export {
    type Response = v1::ExportPlanResponse;
    type ResponseStream =
        std::pin::Pin<Box<dyn tokio_stream::Stream<Item = Result<Self::Response, Status>> + Send>>;
    type Future = BoxFuture<Response<Self::ResponseStream>, Status>;

    fn call(&mut self, _: Request<()>) -> Self::Future {
        let messages = self.0.as_ref().clone();
        Box::pin(async move {
            let stream: Self::ResponseStream =
                Box::pin(tokio_stream::iter(messages.into_iter().map(Ok)));
            Ok(Response::new(stream))
        })
    }
}
