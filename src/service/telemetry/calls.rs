//! The layer around every call.
//!
//! It gives the call a request id, refuses new calls once the server drains, ends open ones when
//! it must or their client's deadline has passed, and at the call's end (of the answer's last byte,
//! or of the client's patience) writes one log line and counts.

use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use http::{HeaderMap, HeaderValue, Request, Response};
use http_body::{Body, Frame, SizeHint};
use tonic::transport::server::TcpConnectInfo;
use tonic::{Code, Status};
use tower::{Layer, Service};
use tracing::Instrument;

use super::traces::{CallSpan, within};
use super::{methods, names};
use crate::service::phase::{Phase, Phases};
use crate::service::work::{late, patience, stopping};

/// The metadata key of request ids, in requests and answers.
pub const REQUEST_ID: &str = "x-request-id";
/// Longest request id that is taken from a client.
const REQUEST_ID_CHARS_MAX: usize = 64;
/// How long work that was told to stop may take to say so itself, before its call is ended.
const OWN_WORDS_MAX: Duration = Duration::from_secs(1);
/// How long somebody who watches the server's health is shown that it drains, before that call is
/// ended: it has no end of its own, and must not hold up the server's.
const LAST_NEWS: Duration = Duration::from_millis(200);

/// Wraps services; see the module.
#[derive(Clone)]
pub struct Calls {
    phases: Phases,
    ids: Arc<Ids>,
}

impl Calls {
    /// Watches the calls of the server whose phases these are.
    #[must_use]
    pub fn new(phases: Phases) -> Self {
        Calls { phases, ids: Arc::new(Ids::new()) }
    }
}

impl<S> Layer<S> for Calls {
    type Service = Watched<S>;

    fn layer(&self, inner: S) -> Watched<S> {
        Watched { inner, calls: self.clone() }
    }
}

/// Request ids of this process: different from those of another start, and from each other.
struct Ids {
    start: u64,
    count: AtomicU64,
}

impl Ids {
    fn new() -> Self {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        // Microseconds of half a million years.
        let micros = u64::try_from(since.as_micros()).unwrap_or(u64::MAX);
        Ids { start: micros, count: AtomicU64::new(0) }
    }

    /// The client's own id if it is one that can stand in a log line, or a new one.
    fn of(&self, headers: &HeaderMap) -> HeaderValue {
        let fits = |value: &&HeaderValue| {
            let bytes = value.as_bytes();
            let plain = |b: &u8| b.is_ascii_alphanumeric() || b"._:-".contains(b);
            (1..=REQUEST_ID_CHARS_MAX).contains(&bytes.len()) && bytes.iter().all(plain)
        };
        match headers.get(REQUEST_ID).filter(fits) {
            Some(value) => value.clone(),
            None => {
                let count = self.count.fetch_add(1, Ordering::Relaxed);
                let text = format!("{:x}-{count:x}", self.start);
                HeaderValue::try_from(text).unwrap_or_else(|_| HeaderValue::from_static("-"))
            }
        }
    }
}

/// A service whose calls are watched.
#[derive(Clone)]
pub struct Watched<S> {
    inner: S,
    calls: Calls,
}

impl<S, B> Service<Request<tonic::body::Body>> for Watched<S>
where
    S: Service<Request<tonic::body::Body>, Response = Response<B>>,
    S::Future: Send + 'static,
    S::Error: Send + 'static,
    B: Send + 'static,
{
    type Response = Response<Answer<B>>;
    type Error = S::Error;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, S::Error>> + Send>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, request: Request<tonic::body::Body>) -> Self::Future {
        let id = self.calls.ids.of(request.headers());
        let method = methods::method(request.uri().path());
        let mut call = Call::begin(method, id.clone(), &request);
        let phases = self.calls.phases.clone();
        if phases.now() >= Phase::Draining && !methods::is_about_the_server(method) {
            let answer = refused(&mut call, &stopping(), &id);
            return Box::pin(std::future::ready(Ok(answer)));
        }
        let span = tracing::info_span!("call", request_id = call.id());
        let deadline = deadline(request.headers());
        let answering = within(call.trace.as_ref(), self.inner.call(request).instrument(span));
        Box::pin(async move {
            let end = end_of(method, phases.clone());
            tokio::select! {
                biased;
                response = answering => Ok(watched(call, response?, id, phases)),
                () = deadline => Ok(refused(&mut call, &late(), &id)),
                () = end => Ok(refused(&mut call, &stopping(), &id)),
            }
        })
    }
}

/// Waits until the client of a call waits no longer; for ever if it doesn't say.
fn deadline(headers: &HeaderMap) -> impl Future<Output = ()> + use<> {
    let patience = patience(headers);
    async move {
        match patience {
            Some(patience) => tokio::time::sleep(patience).await,
            None => std::future::pending().await,
        }
    }
}

/// Waits until a call of `method` must end, whether it has come to an end of its own or not.
async fn end_of(method: &'static str, phases: Phases) {
    if methods::is_about_the_server(method) {
        phases.reached(Phase::Draining).await;
        tokio::time::sleep(LAST_NEWS).await;
    } else {
        phases.reached(Phase::Ending).await;
        tokio::time::sleep(OWN_WORDS_MAX).await;
    }
}

/// An answer that is only a status.
fn refused<B>(call: &mut Call, status: &Status, id: &HeaderValue) -> Response<Answer<B>> {
    call.end(status.code());
    let mut response = status.clone().into_http::<()>();
    response.headers_mut().insert(REQUEST_ID, id.clone());
    response.map(|()| Answer { inner: None, call: None, end: None })
}

fn watched<B>(
    mut call: Call,
    mut response: Response<B>,
    id: HeaderValue,
    phases: Phases,
) -> Response<Answer<B>> {
    response.headers_mut().insert(REQUEST_ID, id);
    let open = match Status::from_header_map(response.headers()) {
        Some(status) => {
            call.end(status.code());
            None
        }
        None => Some((call, phases)),
    };
    response.map(|body| Answer { inner: Some(body), call: open, end: None })
}

/// Where a call comes from.
pub(in crate::service) fn peer<B>(request: &Request<B>) -> Option<SocketAddr> {
    if let Some(info) = request.extensions().get::<TcpConnectInfo>() {
        return info.remote_addr();
    }
    // What a connection knows of itself depends on whether it is encrypted; this knows how to
    // look it up in any case.
    let mut view = Request::new(());
    *view.extensions_mut() = request.extensions().clone();
    tonic::Request::from_http(view).remote_addr()
}

/// The body of an answer, watched to its end.
pub struct Answer<B> {
    inner: Option<B>,
    call: Option<(Call, Phases)>,
    /// When it must end; made when the answer has to be waited for.
    end: Option<Pin<Box<dyn Future<Output = ()> + Send>>>,
}

impl<B> Answer<B> {
    /// The end of an answer that comes to none of its own in time.
    fn cut(&mut self, context: &mut Context<'_>) -> Poll<HeaderMap> {
        let Some((call, phases)) = &mut self.call else { return Poll::Pending };
        let end = self.end.get_or_insert_with(|| Box::pin(end_of(call.method, phases.clone())));
        ready!(end.as_mut().poll(context));
        let status = stopping();
        call.end(status.code());
        self.inner = None;
        Poll::Ready(status.into_http::<()>().into_parts().0.headers)
    }
}

impl<B: Body + Unpin> Body for Answer<B> {
    type Data = B::Data;
    type Error = B::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<B::Data>, B::Error>>> {
        let Some(inner) = &mut self.inner else { return Poll::Ready(None) };
        let Poll::Ready(frame) = Pin::new(inner).poll_frame(context) else {
            let mut trailers = ready!(self.cut(context));
            trailers.remove(http::header::CONTENT_TYPE);
            return Poll::Ready(Some(Ok(Frame::trailers(trailers))));
        };
        let code = match &frame {
            Some(Ok(frame)) => frame.trailers_ref().map(|trailers| {
                Status::from_header_map(trailers).map_or(Code::Unknown, |status| status.code())
            }),
            Some(Err(_)) => Some(Code::Internal),
            None => Some(Code::Unknown),
        };
        if let (Some(code), Some((call, _))) = (code, &mut self.call) {
            call.end(code);
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.inner.as_ref().is_none_or(Body::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.as_ref().map_or_else(|| SizeHint::with_exact(0), Body::size_hint)
    }
}

/// A call that is open. Dropped before its end, it was given up by the client.
struct Call {
    method: &'static str,
    id: HeaderValue,
    peer: Option<SocketAddr>,
    begun: Instant,
    trace: Option<CallSpan>,
    ended: bool,
}

impl Call {
    fn begin<B>(method: &'static str, id: HeaderValue, request: &Request<B>) -> Self {
        metrics::gauge!(names::CALLS_IN_FLIGHT).increment(1.0);
        let (begun, peer) = (Instant::now(), peer(request));
        let name = id.to_str().unwrap_or_default();
        let trace = CallSpan::begin(method, request.headers(), peer, name);
        Call { method, id, peer, begun, trace, ended: false }
    }

    fn id(&self) -> &str {
        self.id.to_str().unwrap_or_default()
    }

    fn end(&mut self, code: Code) {
        if std::mem::replace(&mut self.ended, true) {
            return;
        }
        let (method, elapsed, status) = (self.method, self.begun.elapsed(), name(code));
        metrics::gauge!(names::CALLS_IN_FLIGHT).decrement(1.0);
        metrics::counter!(names::CALLS, "method" => method, "code" => status).increment(1);
        metrics::histogram!(names::CALL_SECONDS, "method" => method).record(elapsed);
        let ms = elapsed.as_micros() as f64 / 1e3;
        let trace = self.trace.as_ref().map(|trace| {
            trace.end(code, status);
            trace.trace_id()
        });
        let (request_id, trace) = (self.id(), trace.as_deref());
        let peer = self.peer.map(tracing::field::display);
        match code {
            Code::Internal | Code::Unknown | Code::DataLoss => {
                tracing::error!(method, status, ms, request_id, peer, trace, "call");
            }
            _ if methods::is_about_the_server(method) => {
                tracing::debug!(method, status, ms, request_id, peer, "call");
            }
            _ => tracing::info!(method, status, ms, request_id, peer, trace, "call"),
        }
    }
}

impl Drop for Call {
    fn drop(&mut self) {
        self.end(Code::Cancelled);
    }
}

/// The name of a code as the gRPC specification writes it.
fn name(code: Code) -> &'static str {
    match code {
        Code::Ok => "OK",
        Code::Cancelled => "CANCELLED",
        Code::Unknown => "UNKNOWN",
        Code::InvalidArgument => "INVALID_ARGUMENT",
        Code::DeadlineExceeded => "DEADLINE_EXCEEDED",
        Code::NotFound => "NOT_FOUND",
        Code::AlreadyExists => "ALREADY_EXISTS",
        Code::PermissionDenied => "PERMISSION_DENIED",
        Code::ResourceExhausted => "RESOURCE_EXHAUSTED",
        Code::FailedPrecondition => "FAILED_PRECONDITION",
        Code::Aborted => "ABORTED",
        Code::OutOfRange => "OUT_OF_RANGE",
        Code::Unimplemented => "UNIMPLEMENTED",
        Code::Internal => "INTERNAL",
        Code::Unavailable => "UNAVAILABLE",
        Code::DataLoss => "DATA_LOSS",
        Code::Unauthenticated => "UNAUTHENTICATED",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_plain_request_ids_are_taken() {
        let ids = Ids::new();
        let of = |text: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(REQUEST_ID, HeaderValue::from_bytes(text.as_bytes()).unwrap());
            ids.of(&headers).to_str().unwrap().to_owned()
        };
        let long = "a".repeat(REQUEST_ID_CHARS_MAX);
        for good in ["7", "b4f1-9.A_z:0", &long] {
            assert_eq!(of(good), good);
        }
        for bad in ["", "a b", "a\"b", "号", "x=y", &format!("{long}a")] {
            assert_ne!(of(bad), *bad);
        }
        let made = ids.of(&HeaderMap::new());
        assert_ne!(made, ids.of(&HeaderMap::new()));
    }

    #[test]
    fn codes_have_their_names() {
        for number in 0..=16 {
            let code = Code::from_i32(number);
            let camel = format!("{code:?}").to_uppercase();
            assert_eq!(name(code).replace('_', ""), camel);
        }
    }
}
