//! The layer that says of every call who makes it, and refuses who may not, or takes too much.
//!
//! Health checks need no token, so that a load balancer needs none. Reflection needs any.

use std::net::IpAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use http::{HeaderMap, Request, Response, header};
use http_body_util::BodyExt;
use tonic::Status;
use tonic::body::Body;
use tower::{Layer, Service};

use super::shares::{Limits, Share, Shares};
use super::tokens::Tokens;
use super::{Caller, Right, access};
use crate::service::{errors, telemetry};

/// Who may call.
#[derive(Debug, Clone, Default)]
pub enum Access {
    /// Anybody, everything.
    #[default]
    Anybody,
    /// Who has a token, what their roles allow.
    Tokens(Arc<Tokens>),
}

/// Wraps services; see the module.
#[derive(Debug, Clone)]
pub struct Guard {
    access: Access,
    shares: Arc<Shares>,
}

impl Guard {
    /// Lets in whom `access` lets in, each as far as `limits` go.
    #[must_use]
    pub fn new(access: Access, limits: Limits) -> Self {
        Guard { access, shares: Arc::new(Shares::new(limits)) }
    }

    fn admit(&self, request: &Request<Body>) -> Result<(Option<Caller>, Option<Share>), Status> {
        let path = request.uri().path();
        let method = path.strip_prefix('/').unwrap_or(path);
        let about_the_server = ["grpc.health.", "grpc.reflection."];
        let address = || telemetry::calls::peer(request).map(|peer| peer.ip().to_canonical());
        let caller = self.caller(method, request.headers(), address)?;
        if about_the_server.iter().any(|start| method.starts_with(start)) {
            return Ok((caller, None));
        }
        let client = match (&self.access, &caller) {
            (Access::Tokens(_), Some(caller)) => caller.actor().to_owned(),
            _ => address().map_or_else(String::new, |address| address.to_string()),
        };
        Ok((caller, Some(self.shares.take(client)?)))
    }

    fn caller(
        &self,
        method: &str,
        headers: &HeaderMap,
        address: impl FnOnce() -> Option<IpAddr>,
    ) -> Result<Option<Caller>, Status> {
        let Access::Tokens(tokens) = &self.access else { return Ok(Some(Caller::anonymous())) };
        if method.starts_with("grpc.health.") {
            return Ok(None);
        }
        let token = bearer(headers)?;
        let caller = match tokens.known(token) {
            Some(caller) => caller,
            None => {
                self.shares.look(address())?;
                tokens.caller(token).map_err(errors::unauthenticated)?
            }
        };
        if method.starts_with("grpc.reflection.") {
            return Ok(Some(caller));
        }
        // A method that there is not is for the router to refuse.
        caller.need(access::right(method).unwrap_or(Right::Public))?;
        Ok(Some(caller))
    }
}

/// A body that holds a share as long as it is there.
fn holding(body: Body, share: Option<Share>) -> Body {
    match share {
        None => body,
        Some(share) => Body::new(body.map_frame(move |frame| {
            let _held = &share;
            frame
        })),
    }
}

/// The token of a request.
fn bearer(headers: &HeaderMap) -> Result<&str, Status> {
    let mut values = headers.get_all(header::AUTHORIZATION).iter();
    let (Some(value), None) = (values.next(), values.next()) else {
        return Err(errors::unauthenticated("one `authorization: Bearer TOKEN` is needed"));
    };
    let text = value.to_str().unwrap_or_default();
    match text.split_once(' ') {
        Some((scheme, token)) if scheme.eq_ignore_ascii_case("bearer") && !token.is_empty() => {
            Ok(token.trim())
        }
        _ => Err(errors::unauthenticated("`authorization` must be `Bearer TOKEN`")),
    }
}

impl<S> Layer<S> for Guard {
    type Service = Guarded<S>;

    fn layer(&self, inner: S) -> Guarded<S> {
        Guarded { inner, guard: self.clone() }
    }
}

/// A service that only some may call.
#[derive(Debug, Clone)]
pub struct Guarded<S> {
    inner: S,
    guard: Guard,
}

impl<S> Service<Request<Body>> for Guarded<S>
where
    S: Service<Request<Body>, Response = Response<Body>>,
    S::Future: Send + 'static,
    S::Error: Send + 'static,
{
    type Response = Response<Body>;
    type Error = S::Error;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, S::Error>> + Send>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, mut request: Request<Body>) -> Self::Future {
        match self.guard.admit(&request) {
            Ok((caller, share)) => {
                request.extensions_mut().remove::<Caller>();
                // Never handed on: nobody behind this layer needs it, or could log it.
                request.headers_mut().remove(header::AUTHORIZATION);
                if let Some(caller) = caller {
                    request.extensions_mut().insert(caller);
                }
                let answering = self.inner.call(request);
                // The share is given back once the answer has been sent, or nobody wants it any more.
                Box::pin(async move { Ok(answering.await?.map(|body| holding(body, share))) })
            }
            Err(status) => Box::pin(std::future::ready(Ok(status.into_http()))),
        }
    }
}
