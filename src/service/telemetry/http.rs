//! `/metrics`, `/healthz` and `/readyz` over HTTP/1.1, on an address of their own.

use std::convert::Infallible;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use http::{Method, Request, Response, StatusCode, header};
use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use metrics_exporter_prometheus::{BuildError, PrometheusBuilder, PrometheusHandle};
use tokio::net::TcpListener;
use tokio::sync::Semaphore;

use super::names;
use super::store::Size;
use crate::service::phase::{Phase, Phases};

/// Connections at once: a scraper, a prober or two, somebody who looks.
const CONNECTIONS_MAX: usize = 16;
/// Longest life of a connection; scrapers open another one.
const CONNECTION_MAX: Duration = Duration::from_secs(60);
/// Longest time until a request's head is there.
const HEAD_MAX: Duration = Duration::from_secs(5);
/// How often samples move from where they are taken to their buckets, if nobody scrapes.
const UPKEEP: Duration = Duration::from_secs(10);

/// What is told.
#[derive(Clone)]
pub struct Board {
    recorder: PrometheusHandle,
    phases: Phases,
    size: Arc<OnceLock<Size>>,
}

impl Board {
    /// Starts counting in this process, for the server whose phases these are.
    ///
    /// # Errors
    /// If something counts already.
    pub fn start(phases: Phases) -> Result<Self, BuildError> {
        let recorder = PrometheusBuilder::new().set_buckets(names::BUCKETS)?.install_recorder()?;
        names::describe();
        Ok(Board { recorder, phases, size: Arc::default() })
    }

    /// From now on the size of this store is told, too.
    pub fn measures(&self, size: Size) {
        let _ = self.size.set(size);
    }

    /// Answers on `listener`, for ever.
    pub async fn serve(self, listener: TcpListener) {
        let upkeep = self.recorder.clone();
        let places = Arc::new(Semaphore::new(CONNECTIONS_MAX));
        let mut tick = tokio::time::interval(UPKEEP);
        loop {
            let accepted = tokio::select! {
                _ = tick.tick() => {
                    upkeep.run_upkeep();
                    continue;
                }
                accepted = listener.accept() => accepted,
            };
            let Ok((stream, _)) = accepted else {
                // Too many open files, say: it passes, or others tell of it.
                tokio::time::sleep(Duration::from_millis(100)).await;
                continue;
            };
            // More than these are closed at once.
            let Ok(place) = Arc::clone(&places).try_acquire_owned() else { continue };
            let board = self.clone();
            tokio::spawn(async move {
                let _place = place;
                let answer = service_fn(move |request| board.clone().answer(request));
                let connection = http1::Builder::new()
                    .timer(TokioTimer::new())
                    .header_read_timeout(HEAD_MAX)
                    .serve_connection(TokioIo::new(stream), answer);
                // A client that misbehaves is its own affair.
                let _ = tokio::time::timeout(CONNECTION_MAX, connection).await;
            });
        }
    }

    async fn answer(self, request: Request<Incoming>) -> Result<Response<Full<Bytes>>, Infallible> {
        let plain = "text/plain; charset=utf-8";
        let (code, kind, text) = match (request.method(), request.uri().path()) {
            (&Method::GET | &Method::HEAD, "/metrics") => {
                (StatusCode::OK, "text/plain; version=0.0.4; charset=utf-8", self.metrics().await)
            }
            (&Method::GET | &Method::HEAD, "/healthz") => (StatusCode::OK, plain, "alive\n".into()),
            (&Method::GET | &Method::HEAD, "/readyz") => match self.phases.now() {
                Phase::Serving => (StatusCode::OK, plain, "ready\n".into()),
                Phase::Starting => (StatusCode::SERVICE_UNAVAILABLE, plain, "starting\n".into()),
                _ => (StatusCode::SERVICE_UNAVAILABLE, plain, "stopping\n".into()),
            },
            (&Method::GET | &Method::HEAD, _) => {
                (StatusCode::NOT_FOUND, plain, "there are /metrics, /healthz and /readyz\n".into())
            }
            _ => (StatusCode::METHOD_NOT_ALLOWED, plain, "GET and HEAD\n".into()),
        };
        let mut response = Response::new(Full::new(Bytes::from(text)));
        *response.status_mut() = code;
        response.headers_mut().insert(header::CONTENT_TYPE, header::HeaderValue::from_static(kind));
        Ok(response)
    }

    async fn metrics(self) -> String {
        let ready = self.phases.now() == Phase::Serving;
        metrics::gauge!(names::READY).set(if ready { 1.0 } else { 0.0 });
        let measured = tokio::task::spawn_blocking(move || {
            if let Some(size) = self.size.get() {
                size.measure();
            }
            self.recorder.render()
        });
        measured.await.unwrap_or_default()
    }
}
