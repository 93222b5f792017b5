//! Services that are there from the start and work once the store is open.

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll};

use http::{Request, Response};
use tonic::Code;
use tonic::body::Body;
use tonic::server::NamedService;
use tower::Service;

use super::errors;

/// A service that says UNAVAILABLE until it is put in its place.
pub(super) struct Late<S>(Arc<OnceLock<S>>);

impl<S> Default for Late<S> {
    fn default() -> Self {
        Late(Arc::default())
    }
}

impl<S> Clone for Late<S> {
    fn clone(&self) -> Self {
        Late(Arc::clone(&self.0))
    }
}

impl<S> Late<S> {
    /// Puts the service in its place; the first one stays.
    pub fn set(&self, service: S) {
        let _ = self.0.set(service);
    }
}

impl<S: NamedService> NamedService for Late<S> {
    const NAME: &'static str = S::NAME;
}

impl<S> Service<Request<Body>> for Late<S>
where
    S: Service<Request<Body>, Response = Response<Body>, Error = Infallible> + Clone,
    S::Future: Send + 'static,
{
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Response<Body>, Infallible>> + Send>>;

    // The services that are made from a protobuf file are always ready.
    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        match self.0.get() {
            Some(service) => Box::pin(service.clone().call(request)),
            None => {
                let message = "the server is opening its store; try again later";
                let status = errors::later(Code::Unavailable, "STARTING", message);
                Box::pin(std::future::ready(Ok(status.into_http())))
            }
        }
    }
}
