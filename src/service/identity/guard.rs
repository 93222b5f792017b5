//! The layer that says of every call who makes it, and refuses who may not.
//!
//! Health checks need no token, so that a load balancer needs none. Reflection needs any.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use http::{HeaderMap, Request, Response, header};
use tonic::Status;
use tonic::body::Body;
use tower::{Layer, Service};

use super::tokens::Tokens;
use super::{Caller, Right, access};
use crate::service::errors;

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
pub struct Guard(Access);

impl Guard {
    /// Lets in whom `access` lets in.
    #[must_use]
    pub fn new(access: Access) -> Self {
        Guard(access)
    }

    fn admit(&self, path: &str, headers: &HeaderMap) -> Result<Option<Caller>, Status> {
        let method = path.strip_prefix('/').unwrap_or(path);
        let Access::Tokens(tokens) = &self.0 else { return Ok(Some(Caller::anonymous())) };
        if method.starts_with("grpc.health.") {
            return Ok(None);
        }
        let caller = tokens.caller(bearer(headers)?).map_err(errors::unauthenticated)?;
        if method.starts_with("grpc.reflection.") {
            return Ok(Some(caller));
        }
        // A method that there is not is for the router to refuse.
        caller.need(access::right(method).unwrap_or(Right::Public))?;
        Ok(Some(caller))
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
        match self.guard.admit(request.uri().path(), request.headers()) {
            Ok(caller) => {
                request.extensions_mut().remove::<Caller>();
                // Never handed on: nobody behind this layer needs it, or could log it.
                request.headers_mut().remove(header::AUTHORIZATION);
                if let Some(caller) = caller {
                    request.extensions_mut().insert(caller);
                }
                Box::pin(self.inner.call(request))
            }
            Err(status) => Box::pin(std::future::ready(Ok(status.into_http()))),
        }
    }
}
