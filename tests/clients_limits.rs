//! What one client may take, on the real binary: calls at once and calls a second, while others and the
//! health checks go on.

mod cli_support;
mod office;

use std::time::{Duration, Instant};

use office::{Office, Running, list, with};
use spotcheck::service::v1;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Code, Status};
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_client::HealthClient;
use tonic_types::StatusExt;
use v1::plan_service_client::PlanServiceClient;
use v1::registry_service_client::RegistryServiceClient;

async fn healthy(office: &Office, server: &Running) {
    let mut health = HealthClient::new(office.channel(server).await);
    health.check(HealthCheckRequest { service: String::new() }).await.unwrap();
}

/// The code, the reason, and whether it says when to try again.
fn refusal(status: &Status) -> (Code, String, bool) {
    let details = status.get_error_details();
    let reason = details.error_info().map(|info| info.reason.clone()).unwrap_or_default();
    let wait = details.retry_info().and_then(|info| info.retry_delay);
    (status.code(), reason, wait.is_some_and(|wait| !wait.is_zero()))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_has_so_many_calls_open_and_others_their_own() {
    let office = Office::new();
    let server = office.start(&["--client-calls", "2"]);
    let (one, other) =
        (office.token("one", &["planner"], ""), office.token("two", &["planner"], ""));
    let channel = office.channel(&server).await;
    // Imports whose rows are on their way.
    let import = || {
        let (rows, stream) = tokio::sync::mpsc::channel::<v1::ImportRequest>(1);
        let mut registry = RegistryServiceClient::new(channel.clone());
        let request = with(&one, ReceiverStream::new(stream));
        (rows, tokio::spawn(async move { registry.import(request).await.map(drop) }))
    };
    let mut open = vec![import(), import()];
    let (begun, most) = (Instant::now(), Duration::from_secs(30));
    // They are open once the server has seen their headers, unless a list was open just then.
    let refused = loop {
        assert!(begun.elapsed() < most, "the imports do not count");
        tokio::time::sleep(Duration::from_millis(20)).await;
        for refused in open.iter_mut().filter(|(_, import)| import.is_finished()) {
            *refused = import();
        }
        if let Err(refused) = list(&channel, &one).await {
            break refused;
        }
    };
    let expected = (Code::ResourceExhausted, "CLIENT_LIMIT".to_owned(), true);
    assert_eq!(refusal(&refused), expected, "{refused:?}");
    // Another connection of the same client is the same client.
    let again = list(&office.channel(&server).await, &one).await.unwrap_err();
    assert_eq!(refusal(&again), expected);
    list(&channel, &other).await.unwrap();
    healthy(&office, &server).await;
    // A call that ends, here with a refusal for want of rows, makes room.
    let (rows, import) = open.pop().unwrap();
    drop(rows);
    assert!(import.await.unwrap().is_err());
    list(&channel, &one).await.unwrap();
    // So does one whose client goes away.
    let (_rows, import) = open.pop().unwrap();
    import.abort();
    while list(&channel, &one).await.is_err() {
        assert!(begun.elapsed() < most, "what was given up still counts");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_makes_so_many_calls_a_second() {
    let office = Office::new();
    let server = office.start(&["--client-rate", "5"]);
    let channel = office.channel(&server).await;
    for client in ["one", "two"] {
        let token = office.token(client, &["auditor"], "");
        let mut done = 0;
        let refused = loop {
            match list(&channel, &token).await {
                Ok(()) => done += 1,
                Err(refused) => break refused,
            }
            assert!(done < 1000);
        };
        let expected = (Code::ResourceExhausted, "CLIENT_LIMIT".to_owned(), true);
        assert_eq!(refusal(&refused), expected, "{refused:?}");
        assert!(done >= 5, "{done}");
        for _ in 0..20 {
            healthy(&office, &server).await;
        }
        // What it says is long enough.
        let wait = refused.get_error_details().retry_info().unwrap().retry_delay.unwrap();
        tokio::time::sleep(wait).await;
        list(&channel, &token).await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn attack_headers_beyond_measure_are_refused() {
    let office = Office::new();
    let server = office.start(&[]);
    let channel = office.channel(&server).await;
    let token = office.token("one", &["auditor"], "");
    let mut request = with(&token, v1::ListPlansRequest::default());
    for number in 0..40 {
        let name: tonic::metadata::MetadataKey<_> = format!("x-{number}").parse().unwrap();
        request.metadata_mut().insert(name, "y".repeat(1_000).parse().unwrap());
    }
    let mut plans = PlanServiceClient::new(channel.clone());
    assert!(plans.list_plans(request).await.is_err());
    // The server may close a connection over which such headers came.
    list(&office.channel(&server).await, &token).await.unwrap();
    healthy(&office, &server).await;
}
