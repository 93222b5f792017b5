//! Compressed calls: the same answers, smaller; and a small message that unpacks to a large one is
//! refused at the limit.

mod common;
mod service;

use service::{Server, create, header, messages, province};
use spotcheck::service::v1;
use spotcheck::service::v1::import_request::Part;
use tonic::Code;
use tonic::codec::CompressionEncoding::{Gzip, Zstd};

#[tokio::test(flavor = "multi_thread")]
async fn compressed_calls_have_the_same_answers() {
    let server = Server::in_memory().await;
    let tables = province(120);
    let requests = tokio_stream::iter(messages(header(), &tables));
    let mut registry = server.registry().await.send_compressed(Gzip).accept_compressed(Zstd);
    let imported = registry.import(requests).await.unwrap().into_inner();
    assert_eq!(imported.revision.unwrap().counts.unwrap().supply, 240);
    let plain = server.plans().await.create_plan(create("1 2")).await.unwrap();
    assert!(plain.metadata().get("grpc-encoding").is_none());
    let plain = plain.into_inner();
    for (encoding, name) in [(Gzip, "gzip"), (Zstd, "zstd")] {
        let mut plans = server.plans().await.send_compressed(encoding).accept_compressed(encoding);
        let answer = plans.create_plan(create("1 2")).await.unwrap();
        assert_eq!(answer.metadata().get("grpc-encoding").unwrap(), name);
        assert_eq!(answer.into_inner().plan, plain.plan);
        let name = plain.plan.clone().unwrap().name;
        let request = v1::ExportPlanRequest { name };
        let mut whole = [Vec::new(), Vec::new()];
        for (bytes, mut client) in whole.iter_mut().zip([plans, server.plans().await]) {
            let mut stream = client.export_plan(request.clone()).await.unwrap().into_inner();
            while let Some(part) = stream.message().await.unwrap() {
                bytes.extend(part.data);
            }
        }
        assert!(whole[0] == whole[1] && !whole[0].is_empty());
    }
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_that_unpacks_beyond_the_limit_is_refused() {
    let server = Server::in_memory().await;
    for encoding in [Gzip, Zstd] {
        let mut header = header();
        header.request_id = "a".repeat(64 << 20);
        let first = v1::ImportRequest { part: Some(Part::Header(header)) };
        let mut registry = server.registry().await.send_compressed(encoding);
        let refused = registry.import(tokio_stream::iter([first])).await.unwrap_err();
        let expected = [Code::OutOfRange, Code::ResourceExhausted];
        assert!(expected.contains(&refused.code()), "{refused:?}");
        assert!(refused.message().contains("limit"), "{refused:?}");
    }
    // It is well, and nothing was kept.
    let name = "revisions/latest".to_owned();
    let latest = server.registry().await.get_revision(v1::GetRevisionRequest { name }).await;
    assert_eq!(latest.unwrap_err().code(), Code::FailedPrecondition);
    server.stop().await;
}
