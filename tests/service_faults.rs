//! Clients that die, imports that cross, servers that stop and start again.

mod common;
mod service;

use std::time::{Duration, Instant};

use service::{Server, create, header, import, messages, part, province};
use spotcheck::policy::Draft;
use spotcheck::service::v1::import_request::Part;
use spotcheck::service::{convert, v1};
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::Code;
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_client::HealthClient;

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_dies_leaves_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::on_disk(dir.path()).await;
    let mut registry = server.registry().await;
    let (sender, receiver) = mpsc::channel(1);
    let call = tokio::spawn(async move { registry.import(ReceiverStream::new(receiver)).await });
    let mut messages = messages(header(), &province(50));
    // All rows are sent, but not that they are all.
    messages.pop();
    for message in messages {
        sender.send(message).await.unwrap();
    }
    tokio::time::sleep(Duration::from_millis(100)).await;
    call.abort();
    assert!(call.await.unwrap_err().is_cancelled());
    drop(sender);
    tokio::time::sleep(Duration::from_millis(100)).await;
    assert_eq!(server.planner.head().unwrap(), 0);
    // The registry is free for the next one.
    assert_eq!(import(&server, &province(50)).await.revision.unwrap().number, 1);
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_that_breaks_off_leaves_nothing() {
    let server = Server::in_memory().await;
    let all = messages(header(), &province(50));
    for count in 1..all.len() {
        let part = tokio_stream::iter(all[..count].to_vec());
        let broken = server.registry().await.import(part).await.unwrap_err();
        assert_eq!(broken.code(), Code::InvalidArgument, "{broken}");
    }
    // A message that was lost on the way is missed.
    let mut lost = all.clone();
    lost.remove(2);
    let lost = server.registry().await.import(tokio_stream::iter(lost)).await.unwrap_err();
    assert!(lost.message().contains("arrived"), "{lost}");
    assert_eq!(server.planner.head().unwrap(), 0);
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn of_two_imports_at_once_the_second_is_refused() {
    let server = Server::in_memory().await;
    let mut registry = server.registry().await;
    let (sender, receiver) = mpsc::channel(1);
    let slow = tokio::spawn(async move { registry.import(ReceiverStream::new(receiver)).await });
    let mut messages = messages(header(), &province(50)).into_iter();
    sender.send(messages.next().unwrap()).await.unwrap();
    sender.send(messages.next().unwrap()).await.unwrap();
    tokio::time::sleep(Duration::from_millis(100)).await;
    assert_eq!(import(&server, &province(60)).await.revision.unwrap().number, 1);
    for message in messages {
        sender.send(message).await.unwrap();
    }
    drop(sender);
    let refused = slow.await.unwrap().unwrap_err();
    assert_eq!(refused.code(), Code::Aborted, "{refused}");
    assert_eq!(server.planner.head().unwrap(), 1);
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restart_keeps_everything() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::on_disk(dir.path()).await;
    import(&server, &province(80)).await;
    let mut plans = server.plans().await;
    let plan = plans.create_plan(create("x")).await.unwrap().into_inner().plan.unwrap();
    let mut request =
        v1::ListPlanLinesRequest { plan: plan.name.clone(), page_size: 10, ..Default::default() };
    let first = plans.list_plan_lines(request.clone()).await.unwrap().into_inner();
    drop(plans);
    server.stop().await;

    let server = Server::on_disk(dir.path()).await;
    let mut plans = server.plans().await;
    let name = plan.name.clone();
    let found = plans.get_plan(v1::GetPlanRequest { name: name.clone() }).await.unwrap();
    assert_eq!(found.into_inner().plan.unwrap(), plan);
    // A page token survives.
    request.page_token = first.next_page_token;
    let second = plans.list_plan_lines(request).await.unwrap().into_inner();
    assert_eq!(second.lines[0].line, 11);
    let again = plans.regenerate_plan(v1::RegeneratePlanRequest { name }).await.unwrap();
    assert!(again.into_inner().same);
    assert!(plans.create_plan(create("x")).await.unwrap().into_inner().existing);
    assert!(import(&server, &province(80)).await.unchanged);
    server.stop().await;
}

/// A plan's file whose bytes are no longer what was drawn is never handed out as a whole.
#[tokio::test(flavor = "multi_thread")]
async fn a_damaged_plan_file_is_not_exported() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::on_disk(dir.path()).await;
    import(&server, &province(2_000)).await;
    let mut plans = server.plans().await;
    let policy = "id = \"large\"\nmethod = \"m1\"\nas_of = \"2025-12-15\"\n\
         period = { from = \"2026-01-01\", to = \"2026-12-31\" }\n\
         [budget]\nprovince = { total = 1500 }\n";
    let policy = convert::policy_message(Draft::from_toml(policy).unwrap());
    let source = Some(v1::create_plan_request::Source::Policy(policy));
    let request = v1::CreatePlanRequest { source, ..create("x") };
    let plan = plans.create_plan(request).await.unwrap().into_inner().plan.unwrap();
    let digest = &plan.document_digest;
    let path = dir.path().join("segments").join(&digest[..2]).join(digest);
    let sound = std::fs::read(&path).unwrap();
    let mut export = async || {
        let request = v1::ExportPlanRequest { name: plan.name.clone() };
        let mut parts = plans.export_plan(request).await.unwrap().into_inner();
        let (mut bytes, mut messages) = (0, 0);
        let ended = loop {
            match parts.message().await {
                Ok(Some(part)) => (bytes, messages) = (bytes + part.data.len(), messages + 1),
                Ok(None) => break Ok(()),
                Err(status) => break Err(status),
            }
        };
        (bytes, messages, ended)
    };
    let (bytes, messages, ended) = export().await;
    assert!(ended.is_ok() && bytes == sound.len() && messages > 1, "{messages} {ended:?}");
    for at in [0, sound.len() / 2, sound.len() - 1] {
        let mut damaged = sound.clone();
        damaged[at] ^= 1;
        std::fs::write(&path, damaged).unwrap();
        let (bytes, _, ended) = export().await;
        let status = ended.unwrap_err();
        assert!(bytes < sound.len());
        assert_eq!(status.code(), Code::DataLoss, "{status}");
        assert!(status.message().contains(digest), "{status}");
    }
    std::fs::write(&path, &sound).unwrap();
    assert!(export().await.2.is_ok());
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stopping_server_waits_for_open_calls() {
    let server = Server::in_memory().await;
    let mut registry = server.registry().await;
    let (sender, receiver) = mpsc::channel(1);
    let call = tokio::spawn(async move { registry.import(ReceiverStream::new(receiver)).await });
    for message in messages(header(), &province(50)) {
        sender.send(message).await.unwrap();
    }
    tokio::time::sleep(Duration::from_millis(100)).await;
    let planner = std::sync::Arc::clone(&server.planner);
    let started = Instant::now();
    let stopping = tokio::spawn(server.stop());
    tokio::time::sleep(Duration::from_millis(100)).await;
    drop(sender);
    assert!(call.await.unwrap().is_ok(), "what was begun is ended");
    stopping.await.unwrap();
    assert!(started.elapsed() < Duration::from_secs(8));
    assert_eq!(planner.head().unwrap(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn health_and_reflection_answer() {
    use tonic_reflection::pb::v1::ServerReflectionRequest;
    use tonic_reflection::pb::v1::server_reflection_client::ServerReflectionClient;
    use tonic_reflection::pb::v1::server_reflection_request::MessageRequest;
    use tonic_reflection::pb::v1::server_reflection_response::MessageResponse;

    let server = Server::in_memory().await;
    let mut health = HealthClient::new(server.channel().await);
    for service in ["", "spotcheck.v1.PlanService", "spotcheck.v1.RegistryService"] {
        let request = HealthCheckRequest { service: service.to_owned() };
        let status = health.check(request).await.unwrap().into_inner().status;
        assert_eq!(status, 1, "{service}");
    }
    let mut reflection = ServerReflectionClient::new(server.channel().await);
    let request = ServerReflectionRequest {
        message_request: Some(MessageRequest::ListServices(String::new())),
        ..Default::default()
    };
    let request = tokio_stream::iter([request]);
    let mut answers = reflection.server_reflection_info(request).await.unwrap().into_inner();
    let answer = answers.message().await.unwrap().unwrap().message_response.unwrap();
    let MessageResponse::ListServicesResponse(list) = answer else { panic!("{answer:?}") };
    let names: Vec<&str> = list.service.iter().map(|service| service.name.as_str()).collect();
    for name in ["FrameService", "PlanService", "RegistryService"] {
        assert!(names.contains(&format!("spotcheck.v1.{name}").as_str()), "{names:?}");
    }
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_late_call_ends_with_its_deadline() {
    let server = Server::in_memory().await;
    let mut registry = server.registry().await;
    let (sender, receiver) = mpsc::channel(4);
    sender.send(part(Part::Header(header()))).await.unwrap();
    let mut request = tonic::Request::new(ReceiverStream::new(receiver));
    request.metadata_mut().insert("grpc-timeout", "300m".parse().unwrap());
    let late = registry.import(request).await.unwrap_err();
    assert_eq!(late.code(), Code::DeadlineExceeded, "{late}");
    server.stop().await;
}
