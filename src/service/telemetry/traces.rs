//! Traces: a span for each call and one for each stage of its long work, sent to an OpenTelemetry
//! collector over OTLP. Without [`Traces::start`] there are none, and nothing is done for them.
//!
//! Attributes follow the semantic conventions for gRPC servers. A client's trace (W3C Trace Context,
//! `traceparent`) is gone on with, and what it says of sampling is kept.

use std::future::Future;
use std::net::SocketAddr;
use std::sync::OnceLock;
use std::time::{Duration, SystemTime};

use http::HeaderMap;
use opentelemetry::context::FutureExt;
use opentelemetry::propagation::{Extractor, TextMapPropagator};
use opentelemetry::trace::{Span, SpanBuilder, SpanKind, Status, TraceContextExt, TracerProvider};
use opentelemetry::{Context, KeyValue};
use opentelemetry_otlp::{ExporterBuildError, SpanExporter, WithExportConfig};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::propagation::TraceContextPropagator;
use opentelemetry_sdk::trace::{SdkTracer, SdkTracerProvider};
use tonic::Code;
use tracing::Instrument;

use super::methods;

/// How long the collector may take to accept some spans, and the last ones at the end.
const PATIENCE: Duration = Duration::from_secs(3);

static TRACER: OnceLock<SdkTracer> = OnceLock::new();

/// Sends spans as long as it is there. At most 2048 wait to be sent; more are dropped.
pub struct Traces(SdkTracerProvider);

impl Traces {
    /// Starts to send the spans of this process to `http://ADDRESS:PORT`. To be called in a runtime;
    /// only the first one of a process is used.
    ///
    /// # Errors
    /// If the endpoint is none.
    pub fn start(endpoint: &str) -> Result<Self, ExporterBuildError> {
        let exporter = SpanExporter::builder().with_tonic().with_endpoint(endpoint);
        let exporter = exporter.with_timeout(PATIENCE).build()?;
        let version = KeyValue::new("service.version", env!("CARGO_PKG_VERSION"));
        let name = env!("CARGO_PKG_NAME");
        let resource = Resource::builder().with_service_name(name).with_attribute(version).build();
        let provider = SdkTracerProvider::builder()
            .with_batch_exporter(exporter)
            .with_resource(resource)
            .build();
        TRACER.get_or_init(|| provider.tracer(name));
        Ok(Traces(provider))
    }

    /// Sends what is left, as far as the collector takes it; blocks, and needs the runtime still.
    pub fn stop(self) {
        if let Err(error) = self.0.shutdown_with_timeout(PATIENCE) {
            tracing::warn!(%error, "the last spans were not sent");
        }
    }
}

struct Headers<'a>(&'a HeaderMap);

impl Extractor for Headers<'_> {
    fn get(&self, key: &str) -> Option<&str> {
        self.0.get(key).and_then(|value| value.to_str().ok())
    }

    fn keys(&self) -> Vec<&str> {
        self.0.keys().map(http::HeaderName::as_str).collect()
    }
}

/// The span of a call.
pub(super) struct CallSpan(Context);

impl CallSpan {
    /// Begins it; none if nothing is traced, or the call is about the server.
    pub fn begin(
        method: &'static str,
        headers: &HeaderMap,
        peer: Option<SocketAddr>,
        request_id: &str,
    ) -> Option<Self> {
        let tracer = TRACER.get()?;
        if methods::is_about_the_server(method) {
            return None;
        }
        let (service, name) = method.split_once('/').unwrap_or(("", method));
        let mut attributes = vec![
            KeyValue::new("rpc.system", "grpc"),
            KeyValue::new("rpc.service", service),
            KeyValue::new("rpc.method", name),
            KeyValue::new("spotcheck.request_id", request_id.to_owned()),
        ];
        if let Some(peer) = peer {
            attributes.push(KeyValue::new("client.address", peer.ip().to_string()));
            attributes.push(KeyValue::new("client.port", i64::from(peer.port())));
        }
        let parent =
            TraceContextPropagator::new().extract_with_context(&Context::new(), &Headers(headers));
        let builder = SpanBuilder::from_name(method).with_kind(SpanKind::Server);
        let span = builder.with_attributes(attributes).start_with_context(tracer, &parent);
        Some(CallSpan(parent.with_span(span)))
    }

    /// Ends it.
    pub fn end(&self, code: Code, name: &'static str) {
        let span = self.0.span();
        span.set_attribute(KeyValue::new("rpc.grpc.status_code", i64::from(code as i32)));
        let servers = matches!(
            code,
            Code::Unknown
                | Code::DeadlineExceeded
                | Code::Unimplemented
                | Code::Internal
                | Code::Unavailable
                | Code::DataLoss
        );
        if servers {
            span.set_status(Status::error(name));
        }
        span.end();
    }

    /// The trace's name, for the log.
    pub fn trace_id(&self) -> String {
        self.0.span().span_context().trace_id().to_string()
    }
}

/// A future in the span of a call, if there is one.
pub(super) fn within<F: Future>(
    span: Option<&CallSpan>,
    future: F,
) -> impl Future<Output = F::Output> + use<F> {
    future.with_context(span.map(|span| span.0.clone()).unwrap_or_default())
}

/// A future that goes on in a task of its own with what it belongs to: request id and trace.
pub(in crate::service) fn carried<F: Future>(
    future: F,
) -> impl Future<Output = F::Output> + use<F> {
    future.in_current_span().with_current_context()
}

/// The call that work belongs to.
pub(in crate::service) struct Cause(Option<Context>);

impl Cause {
    /// The call that is worked on here.
    pub fn current() -> Self {
        Cause(TRACER.get().map(|_| Context::current()).filter(Context::has_active_span))
    }

    /// A stage of its work that ends now.
    pub fn stage(&self, name: &'static str, took: Duration) {
        if let (Cause(Some(call)), Some(tracer)) = (self, TRACER.get()) {
            let end = SystemTime::now();
            let stage = SpanBuilder::from_name(name).with_start_time(end - took);
            stage.start_with_context(tracer, call).end_with_timestamp(end);
        }
    }
}
