//! What a server answers while it starts and while it stops.

mod common;
mod service;

use std::sync::Arc;
use std::time::Duration;

use service::{header, messages, province};
use spotcheck::service::planner::Planner;
use spotcheck::service::server::ServeError;
use spotcheck::service::v1;
use spotcheck::service::v1::registry_service_client::RegistryServiceClient;
use spotcheck::service::{Serving, serve_when};
use spotcheck::store::MemoryStore;
use tokio::sync::{mpsc, oneshot};
use tokio_stream::wrappers::ReceiverStream;
use tonic::Code;
use tonic::transport::Channel;
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_check_response::ServingStatus;
use tonic_health::pb::health_client::HealthClient;

/// What health says of a service.
async fn health(channel: &Channel, service: &str) -> ServingStatus {
    let request = HealthCheckRequest { service: service.to_owned() };
    HealthClient::new(channel.clone()).check(request).await.unwrap().into_inner().status()
}

const SERVICES: [&str; 5] = [
    "spotcheck.v1.RegistryService",
    "spotcheck.v1.FrameService",
    "spotcheck.v1.PlanService",
    "spotcheck.v1.LifecycleService",
    "spotcheck.v1.AuditService",
];

async fn latest(channel: &Channel) -> tonic::Status {
    let request = v1::GetRevisionRequest { name: "revisions/latest".into() };
    let mut registry = RegistryServiceClient::new(channel.clone());
    registry.get_revision(request).await.unwrap_err()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_is_alive_before_it_is_ready() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    let (open, opened) = oneshot::channel();
    let opening = async { Ok::<_, ServeError>(opened.await.unwrap()) };
    let (stop, stopped) = oneshot::channel::<()>();
    let how = Serving { drain: Duration::from_secs(60), ..Serving::default() };
    let serving = serve_when(listener, opening, how, async { drop(stopped.await) });
    let serving = tokio::spawn(serving);
    let channel = Channel::from_shared(address).unwrap().connect().await.unwrap();

    assert_eq!(health(&channel, "").await, ServingStatus::Serving);
    for service in SERVICES {
        assert_eq!(health(&channel, service).await, ServingStatus::NotServing, "{service}");
    }
    let early = latest(&channel).await;
    assert_eq!(early.code(), Code::Unavailable);
    assert!(early.message().contains("opening its store"), "{early}");

    let planner = Arc::new(Planner::new(Arc::new(MemoryStore::new()), 1).unwrap());
    assert!(open.send(planner).is_ok());
    while health(&channel, SERVICES[4]).await != ServingStatus::Serving {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    for service in SERVICES {
        assert_eq!(health(&channel, service).await, ServingStatus::Serving, "{service}");
    }
    assert_eq!(latest(&channel).await.code(), Code::FailedPrecondition);

    // An open call keeps the connection, on which health tells of the end.
    let watched = HealthCheckRequest { service: SERVICES[0].to_owned() };
    let mut watch = HealthClient::new(channel.clone()).watch(watched).await.unwrap().into_inner();
    assert_eq!(watch.message().await.unwrap().unwrap().status(), ServingStatus::Serving);
    let (sender, receiver) = mpsc::channel(64);
    let mut registry = RegistryServiceClient::new(channel.clone());
    let import = tokio::spawn(async move { registry.import(ReceiverStream::new(receiver)).await });
    let mut messages = messages(header(), &province(50)).into_iter();
    sender.send(messages.next().unwrap()).await.unwrap();
    sender.send(messages.next().unwrap()).await.unwrap();
    // Until the call is open at the server: a later one would be refused.
    tokio::time::sleep(Duration::from_millis(200)).await;
    stop.send(()).unwrap();
    assert_eq!(watch.message().await.unwrap().unwrap().status(), ServingStatus::NotServing);
    for message in messages {
        sender.send(message).await.unwrap();
    }
    drop(sender);
    import.await.unwrap().unwrap();
    // Who watches is sent away, and doesn't hold up the end.
    assert_eq!(watch.message().await.unwrap_err().code(), Code::Unavailable);
    serving.await.unwrap().unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_without_a_store_ends() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    #[derive(Debug)]
    struct Failed;
    impl From<ServeError> for Failed {
        fn from(error: ServeError) -> Self {
            panic!("{error}")
        }
    }
    let opening = async { Err::<Arc<Planner>, _>(Failed) };
    let never = std::future::pending();
    serve_when(listener, opening, Serving::default(), never).await.unwrap_err();
    // One that is told to stop before its store is open stops.
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let opening = std::future::pending::<Result<Arc<Planner>, ServeError>>();
    serve_when(listener, opening, Serving::default(), async {}).await.unwrap();
}

/// Draws that wait for their turn when the time to drain is over are told so.
#[tokio::test(flavor = "multi_thread")]
async fn calls_that_wait_are_ended_with_a_reason() {
    let planner = Arc::new(Planner::new(Arc::new(MemoryStore::new()), 1).unwrap());
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    let (stop, stopped) = oneshot::channel::<()>();
    let how = Serving { drain: Duration::ZERO, ..Serving::default() };
    let opening = std::future::ready(Ok::<_, ServeError>(planner));
    let serving = serve_when(listener, opening, how, async { drop(stopped.await) });
    let serving = tokio::spawn(serving);
    let channel = Channel::from_shared(address).unwrap().connect().await.unwrap();
    // As many imports as may run at once, and some more that wait for them.
    let calls = spotcheck::service::limits::IMPORTS_AT_ONCE + 3;
    let (mut senders, mut imports) = (Vec::new(), Vec::new());
    for _ in 0..calls {
        let (sender, receiver) = mpsc::channel(64);
        for message in messages(header(), &province(10)).into_iter().take(2) {
            sender.send(message).await.unwrap();
        }
        senders.push(sender);
        let mut registry = RegistryServiceClient::new(channel.clone());
        let call = async move { registry.import(ReceiverStream::new(receiver)).await };
        imports.push(tokio::spawn(call));
    }
    tokio::time::sleep(Duration::from_millis(200)).await;
    stop.send(()).unwrap();
    for import in imports {
        let ended = import.await.unwrap().unwrap_err();
        assert_eq!(ended.code(), Code::Unavailable, "{ended}");
        assert!(ended.message().contains("stopping"), "{ended}");
    }
    serving.await.unwrap().unwrap();
}
