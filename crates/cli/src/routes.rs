//! Lets an axum router answer on our own accept loop, which bounds what strangers can make it hold.

use std::convert::Infallible;
use std::future::Future;
use std::net::SocketAddr;

use axum::Router;
use axum::body::Body;
use http::{Request, Response};
use hyper::body::Incoming;
use proofmark_http::Handler;
use tower_service::Service as _;

/// A router as a handler.
pub(crate) struct Routes(pub(crate) Router);

impl Handler for Routes {
    type Body = Body;

    fn handle(
        &self,
        request: Request<Incoming>,
        _peer: SocketAddr,
    ) -> impl Future<Output = Response<Body>> + Send {
        let mut router = self.0.clone();
        async move {
            let answered: Result<_, Infallible> = router.call(request).await;
            answered.unwrap_or_else(|never| match never {})
        }
    }
}
