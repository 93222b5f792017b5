//! The gRPC server: listens on a socket that it is handed, and ends when it is told to.

use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tonic::codec::CompressionEncoding;
use tonic::transport::{Server, ServerTlsConfig};
use tonic_health::ServingStatus;
use tonic_health::server::HealthReporter;

use super::connections::Connections;
pub use super::connections::Most;
use super::identity::guard::{Access, Guard};
use super::identity::shares::Limits;
use super::late::Late;
use super::limits::{
    CALLS_PER_CONNECTION, CONNECTION_WINDOW_BYTES, CONNECTIONS_MAX, CONNECTIONS_PER_CLIENT,
    DRAIN_MAX, HEADER_BYTES_MAX, KEEPALIVE, MESSAGE_BYTES_IN_MAX, MESSAGE_BYTES_OUT_MAX,
    OPENING_MAX, STREAM_IDLE_MAX, STREAM_WINDOW_BYTES,
};
use super::phase::{Phase, Phases};
use super::planner::Planner;
use super::telemetry::calls::Calls;
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
const LAST_WORDS_MAX: Duration = Duration::from_secs(3);

/// The services that are ready once the store is open.
const SERVICES: [&str; 5] = [
    v1::registry_service_server::SERVICE_NAME,
    v1::frame_service_server::SERVICE_NAME,
    v1::plan_service_server::SERVICE_NAME,
    v1::lifecycle_service_server::SERVICE_NAME,
    v1::audit_service_server::SERVICE_NAME,
];

/// Says of every service how it is.
async fn tell(health: &HealthReporter, status: ServingStatus) {
    for service in SERVICES {
        health.set_service_status(service, status).await;
    }
}

/// How a server serves.
#[derive(Debug, Clone)]
pub struct Serving {
    /// How long open calls get to end after it was told to stop.
    pub drain: Duration,
    /// The phases that it goes through.
    pub phases: Phases,
    /// Who may call.
    pub access: Access,
    /// What each client may take.
    pub limits: Limits,
    /// How many connections there may be.
    pub connections: Most,
    /// How long a stream may stand still.
    pub idle: Duration,
    /// Certificate and key, and whose certificates clients need; none for plain text.
    pub tls: Option<ServerTlsConfig>,
}

impl Default for Serving {
    fn default() -> Self {
        Serving {
            drain: DRAIN_MAX,
            phases: Phases::default(),
            access: Access::default(),
            limits: Limits::default(),
            connections: Most { all: CONNECTIONS_MAX, of_one: CONNECTIONS_PER_CLIENT },
            idle: STREAM_IDLE_MAX,
            tls: None,
        }
    }
}

/// Serves `planner` on `listener` until `shutdown` ends; see [`serve_when`].
///
/// # Errors
/// If the server cannot start or the connection layer fails.
pub async fn serve(
    listener: TcpListener,
    planner: Arc<Planner>,
    shutdown: impl Future<Output = ()>,
) -> Result<(), ServeError> {
    let open = std::future::ready(Ok(planner));
    serve_when(listener, open, Serving::default(), shutdown).await
}

/// Serves on `listener` the planner that `opening` ends with, until `shutdown` ends.
///
/// Before there is a planner, the server is alive (health of the empty name: SERVING), its
/// services are not ready (NOT_SERVING), and their calls fail with UNAVAILABLE.
///
/// After `shutdown` health says NOT_SERVING throughout, no new call is taken, and open calls get
/// their time to end; work that still runs is told to stop, calls that are still open end with
/// UNAVAILABLE, and what is left is dropped with the runtime. What was acknowledged is kept in any
/// case.
///
/// # Errors
/// If there is no planner in the end, the server cannot start, or the connection layer fails.
pub async fn serve_when<E: From<ServeError>>(
    listener: TcpListener,
    opening: impl Future<Output = Result<Arc<Planner>, E>>,
    how: Serving,
    shutdown: impl Future<Output = ()>,
) -> Result<(), E> {
    let Serving { drain, phases, access, limits, connections, idle, tls } = how;
    let stop = Stop::default();
    let (max_in, max_out) = (MESSAGE_BYTES_IN_MAX, MESSAGE_BYTES_OUT_MAX);
    let (registry, frames, plans) = (Late::default(), Late::default(), Late::default());
    let (lifecycle, audit) = (Late::default(), Late::default());
    let (health, health_service) = tonic_health::server::health_reporter();
    tell(&health, ServingStatus::NotServing).await;
    let reflection = || {
        tonic_reflection::server::Builder::configure()
            .register_encoded_file_descriptor_set(v1::DESCRIPTORS)
            .register_encoded_file_descriptor_set(tonic_health::pb::FILE_DESCRIPTOR_SET)
    };
    let (end, told) = oneshot::channel::<()>();
    let mut server = Server::builder();
    if let Some(tls) = tls {
        server = server.tls_config(tls.timeout(OPENING_MAX)).map_err(ServeError::from)?;
    }
    let serving = server
        .concurrency_limit_per_connection(CALLS_PER_CONNECTION)
        .initial_stream_window_size(STREAM_WINDOW_BYTES)
        .initial_connection_window_size(CONNECTION_WINDOW_BYTES)
        .http2_keepalive_interval(Some(KEEPALIVE))
        .http2_keepalive_timeout(Some(KEEPALIVE))
        .http2_max_header_list_size(HEADER_BYTES_MAX)
        .layer(Calls::new(phases.clone()))
        .layer(Guard::new(access, limits))
        .add_service(health_service)
        .add_service(reflection().build_v1().map_err(ServeError::from)?)
        .add_service(reflection().build_v1alpha().map_err(ServeError::from)?)
        .add_service(registry.clone())
        .add_service(frames.clone())
        .add_service(plans.clone())
        .add_service(lifecycle.clone())
        .add_service(audit.clone())
        .serve_with_incoming_shutdown(Connections::new(listener, connections), async {
            let _ = told.await;
        });
    tokio::pin!(serving, shutdown, opening);
    let ended = |result: Result<(), tonic::transport::Error>| Ok(result.map_err(ServeError::from)?);
    let planner = tokio::select! {
        biased;
        planner = &mut opening => planner?,
        result = &mut serving => return ended(result),
        // Nothing has been begun.
        () = &mut shutdown => return Ok(()),
    };
    let desk = Desk::new(planner, stop.clone(), idle);
    // Limits hold for what a message is after decompression. Answers are compressed for clients that
    // say that they take it.
    macro_rules! prepared {
        ($service:expr) => {
            $service
                .max_decoding_message_size(max_in)
                .max_encoding_message_size(max_out)
                .accept_compressed(CompressionEncoding::Gzip)
                .accept_compressed(CompressionEncoding::Zstd)
                .send_compressed(CompressionEncoding::Gzip)
                .send_compressed(CompressionEncoding::Zstd)
        };
    }
    registry.set(prepared!(RegistryServiceServer::new(registry::Handler(desk.clone()))));
    frames.set(prepared!(FrameServiceServer::new(frames::Handler(desk.clone()))));
    lifecycle.set(prepared!(LifecycleServiceServer::new(lifecycle::Handler(desk.clone()))));
    audit.set(prepared!(AuditServiceServer::new(audit::Handler(desk.clone()))));
    plans.set(prepared!(PlanServiceServer::new(plans::Handler(desk))));
    tell(&health, ServingStatus::Serving).await;
    phases.enter(Phase::Serving);
    tokio::select! {
        result = &mut serving => return ended(result),
        () = &mut shutdown => {}
    }
    tracing::info!(drain_seconds = drain.as_secs(), "stopping");
    // The empty name stands for the server as a whole.
    health.set_service_status("", ServingStatus::NotServing).await;
    tell(&health, ServingStatus::NotServing).await;
    phases.enter(Phase::Draining);
    let _ = end.send(());
    if let Ok(result) = tokio::time::timeout(drain, &mut serving).await {
        return ended(result);
    }
    tracing::warn!("ending what is still open");
    stop.set();
    phases.enter(Phase::Ending);
    match tokio::time::timeout(LAST_WORDS_MAX, serving).await {
        Ok(result) => ended(result),
        Err(_) => Ok(()),
    }
}
