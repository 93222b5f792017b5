//! The gRPC server: listens on a socket that it is handed, and ends when it is told to.

use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tonic::transport::Server;
use tonic::transport::server::TcpIncoming;
use tonic_health::ServingStatus;

use super::limits::{
    CALLS_PER_CONNECTION, CONNECTION_WINDOW_BYTES, DRAIN_MAX, KEEPALIVE, MESSAGE_BYTES_IN_MAX,
    MESSAGE_BYTES_OUT_MAX, STREAM_WINDOW_BYTES,
};
use super::planner::Planner;
use super::v1::audit_service_server::AuditServiceServer;
use super::v1::frame_service_server::FrameServiceServer;
use super::v1::lifecycle_service_server::LifecycleServiceServer;
use super::v1::plan_service_server::PlanServiceServer;
use super::v1::registry_service_server::RegistryServiceServer;
use super::work::{Desk, Stop};
use super::{audit, frames, lifecycle, plans, registry, v1};

/// Why the server ended without being told to.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ServeError {
    /// The connection layer failed.
    #[error("serving: {0}")]
    Transport(#[from] tonic::transport::Error),
    /// The descriptors could not be served.
    #[error("reflection: {0}")]
    Reflection(#[from] tonic_reflection::server::Error),
}

/// Longest time in which work that was told to stop does so and says it.
const LAST_WORDS_MAX: Duration = Duration::from_secs(2);

/// Serves `planner` on `listener` until `shutdown` ends.
///
/// Then health says NOT_SERVING, no new connection is taken, and open calls get
/// [`DRAIN_MAX`] to end; work that still runs is told to stop, and what is left is dropped with
/// the runtime. What was acknowledged is kept in any case.
///
/// # Errors
/// If the server cannot start or the connection layer fails.
pub async fn serve(
    listener: TcpListener,
    planner: Arc<Planner>,
    shutdown: impl Future<Output = ()>,
) -> Result<(), ServeError> {
    let stop = Stop::default();
    let desk = Desk::new(planner, stop.clone());
    let (max_in, max_out) = (MESSAGE_BYTES_IN_MAX, MESSAGE_BYTES_OUT_MAX);
    let registry = RegistryServiceServer::new(registry::Handler(desk.clone()))
        .max_decoding_message_size(max_in)
        .max_encoding_message_size(max_out);
    let frames = FrameServiceServer::new(frames::Handler(desk.clone()))
        .max_decoding_message_size(max_in)
        .max_encoding_message_size(max_out);
    let lifecycle = LifecycleServiceServer::new(lifecycle::Handler(desk.clone()))
        .max_decoding_message_size(max_in)
        .max_encoding_message_size(max_out);
    let audit = AuditServiceServer::new(audit::Handler(desk.clone()))
        .max_decoding_message_size(max_in)
        .max_encoding_message_size(max_out);
    let plans = PlanServiceServer::new(plans::Handler(desk))
        .max_decoding_message_size(max_in)
        .max_encoding_message_size(max_out);
    let (health, health_service) = tonic_health::server::health_reporter();
    health.set_serving::<RegistryServiceServer<registry::Handler>>().await;
    health.set_serving::<FrameServiceServer<frames::Handler>>().await;
    health.set_serving::<PlanServiceServer<plans::Handler>>().await;
    health.set_serving::<LifecycleServiceServer<lifecycle::Handler>>().await;
    health.set_serving::<AuditServiceServer<audit::Handler>>().await;
    let reflection = || {
        tonic_reflection::server::Builder::configure()
            .register_encoded_file_descriptor_set(v1::DESCRIPTORS)
            .register_encoded_file_descriptor_set(tonic_health::pb::FILE_DESCRIPTOR_SET)
    };
    let (end, ended) = oneshot::channel::<()>();
    let serving = Server::builder()
        .concurrency_limit_per_connection(CALLS_PER_CONNECTION)
        .initial_stream_window_size(STREAM_WINDOW_BYTES)
        .initial_connection_window_size(CONNECTION_WINDOW_BYTES)
        .http2_keepalive_interval(Some(KEEPALIVE))
        .http2_keepalive_timeout(Some(KEEPALIVE))
        .add_service(health_service)
        .add_service(reflection().build_v1()?)
        .add_service(reflection().build_v1alpha()?)
        .add_service(registry)
        .add_service(frames)
        .add_service(plans)
        .add_service(lifecycle)
        .add_service(audit)
        .serve_with_incoming_shutdown(
            TcpIncoming::from(listener).with_nodelay(Some(true)),
            async {
                let _ = ended.await;
            },
        );
    tokio::pin!(serving, shutdown);
    tokio::select! {
        result = &mut serving => return Ok(result?),
        () = &mut shutdown => {}
    }
    tracing::info!("stopping");
    // The empty name stands for the server as a whole.
    health.set_service_status("", ServingStatus::NotServing).await;
    health.set_not_serving::<RegistryServiceServer<registry::Handler>>().await;
    health.set_not_serving::<FrameServiceServer<frames::Handler>>().await;
    health.set_not_serving::<PlanServiceServer<plans::Handler>>().await;
    health.set_not_serving::<LifecycleServiceServer<lifecycle::Handler>>().await;
    health.set_not_serving::<AuditServiceServer<audit::Handler>>().await;
    let _ = end.send(());
    if let Ok(result) = tokio::time::timeout(DRAIN_MAX, &mut serving).await {
        return Ok(result?);
    }
    stop.set();
    match tokio::time::timeout(LAST_WORDS_MAX, serving).await {
        Ok(result) => Ok(result?),
        Err(_) => Ok(()),
    }
}
