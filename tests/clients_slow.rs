//! Clients that hold what they don't use, on the real binary: connections, streams that stand still, tokens
//! by the thousand.

mod cli_support;
mod office;

use std::io::Read;
use std::net::TcpStream;
use std::time::{Duration, Instant};

use cli_support::plan_name;
use office::{Office, list, with};
use spotcheck::service::v1;
use tokio_stream::wrappers::ReceiverStream;
use tonic::Code;
use tonic::transport::{Certificate, Channel, ClientTlsConfig};
use tonic_types::StatusExt;
use v1::plan_service_client::PlanServiceClient;
use v1::registry_service_client::RegistryServiceClient;

/// Longest wait for what must happen.
const PATIENCE: Duration = Duration::from_secs(60);

#[tokio::test(flavor = "multi_thread")]
async fn attack_connections_beyond_measure_are_closed_and_leave_room_for_others() {
    let office = Office::new();
    let server = office.start(&["--client-connections", "3"]);
    let token = office.token("one", &["auditor"], "");
    let channel = office.channel(&server).await;
    list(&channel, &token).await.unwrap();
    let port: u16 = server.port.parse().unwrap();
    let connect = || {
        let socket = TcpStream::connect(("127.0.0.1", port)).unwrap();
        socket.set_read_timeout(Some(Duration::from_millis(300))).unwrap();
        socket
    };
    // Closed: nothing will come. Open: nothing comes yet.
    let is_closed = |socket: &mut TcpStream| match socket.read(&mut [0]) {
        Ok(count) => count == 0,
        Err(error) => error.kind() == std::io::ErrorKind::ConnectionReset,
    };
    let mut held = [connect(), connect()];
    for _ in 0..5 {
        assert!(is_closed(&mut connect()));
    }
    assert!(!held.iter_mut().any(is_closed));
    // Who was there before is served.
    list(&channel, &token).await.unwrap();
    drop(held);
    let begun = Instant::now();
    while is_closed(&mut connect()) {
        assert!(begun.elapsed() < PATIENCE, "closed connections still count");
    }
    list(&channel, &token).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn attack_streams_that_nobody_fetches_hold_nothing_for_long() {
    let office = Office::new();
    let server = office.start(&["--idle-seconds", "2"]);
    let token = office.token("one", &["administrator"], "");
    let csv = office.world.text("csv");
    let policy = office.world.text("policy.toml");
    office.on(&server, &token, &["import", "--dir", &csv]).expect(0);
    let plan = ["plan", "--policy", &policy, "--seed-text", "3 1 4 1 5"];
    let id = plan_name(&office.on(&server, &token, &plan).expect(0));
    // As little as may be under way.
    let narrow = async || {
        let ca = Certificate::from_pem(office.world.read("ca.pem"));
        let tls = ClientTlsConfig::new().ca_certificate(ca);
        let endpoint = Channel::from_shared(server.url()).unwrap().tls_config(tls).unwrap();
        endpoint.initial_stream_window_size(65_535).connect().await.unwrap()
    };
    let export = async |channel: Channel| {
        let asked = with(&token, v1::ExportPlanRequest { name: format!("plans/{id}") });
        PlanServiceClient::new(channel).export_plan(asked).await
    };
    let channel = narrow().await;
    // Every place among the exports is taken by somebody who fetches nothing.
    let mut streams = Vec::new();
    for _ in 0..8 {
        streams.push(export(channel.clone()).await.unwrap().into_inner());
    }
    // The next one waits until they have to go.
    let begun = Instant::now();
    let mut stream = export(office.channel(&server).await).await.unwrap().into_inner();
    assert!(begun.elapsed() > Duration::from_millis(500), "{:?}", begun.elapsed());
    let mut bytes = 0;
    while let Some(message) = stream.message().await.unwrap() {
        bytes += message.data.len();
    }
    assert!(bytes > 2 * 65_535, "{bytes} bytes fit into the window");
    // What was under way by then arrives; what is cut off never looks whole.
    for mut stream in streams {
        let mut received = 0;
        let ended = loop {
            match stream.message().await {
                Ok(Some(message)) => received += message.data.len(),
                Ok(None) => break Code::Ok,
                Err(status) => break status.code(),
            }
        };
        match ended {
            Code::Ok => assert_eq!(received, bytes),
            ended => assert_eq!(ended, Code::DeadlineExceeded),
        }
    }
    // So does an import whose rows don't come.
    let (rows, stream) = tokio::sync::mpsc::channel::<v1::ImportRequest>(1);
    let request = with(&token, ReceiverStream::new(stream));
    let ended = RegistryServiceClient::new(channel).import(request).await.unwrap_err();
    assert_eq!(ended.code(), Code::DeadlineExceeded, "{ended}");
    drop(rows);
    // A copy of the store that nobody fetches ends, too, and gives its turn back: there are two.
    let narrow = narrow().await;
    let copy = async || {
        let asked = with(&token, v1::ExportStoreRequest {});
        let mut audit = v1::audit_service_client::AuditServiceClient::new(narrow.clone());
        audit.export_store(asked).await.unwrap().into_inner()
    };
    let _copies = [copy().await, copy().await];
    let again = v1::RegeneratePlanRequest { name: format!("plans/{id}") };
    let mut plans = PlanServiceClient::new(office.channel(&server).await);
    let again = tokio::time::timeout(PATIENCE, plans.regenerate_plan(with(&token, again))).await;
    assert!(again.expect("copies keep draws from running").unwrap().into_inner().same);
}

#[tokio::test(flavor = "multi_thread")]
async fn attack_tokens_by_the_thousand_are_not_all_looked_at() {
    let office = Office::new();
    let server = office.start(&[]);
    let channel = office.channel(&server).await;
    let good = office.token("one", &["auditor"], "");
    list(&channel, &good).await.unwrap();
    let bad = office.signed(&office.other_key, &office.claims("one", &["administrator"], ""));
    let (mut looked_at, mut refused) = (0, None);
    for _ in 0..5_000 {
        let status = list(&channel, &bad).await.unwrap_err();
        match status.code() {
            Code::Unauthenticated => looked_at += 1,
            Code::ResourceExhausted => {
                refused = Some(status);
                break;
            }
            _ => panic!("{status}"),
        }
    }
    let refused = refused.expect("every bad token is looked at");
    assert!(looked_at >= 99, "{looked_at}");
    let details = refused.get_error_details();
    assert_eq!(details.error_info().unwrap().reason, "CLIENT_LIMIT");
    // Who is known goes on, from the same address.
    list(&channel, &good).await.unwrap();
    tokio::time::sleep(details.retry_info().unwrap().retry_delay.unwrap()).await;
    assert_eq!(list(&channel, &bad).await.unwrap_err().code(), Code::Unauthenticated);
}
