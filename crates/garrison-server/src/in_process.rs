//! A transport that is a function call.

use crate::{
    Body, Server, body,
    identity::User,
    router::{self, Caller},
};
use bytes::Bytes;
use futures::{FutureExt, future::BoxFuture};
use http::{HeaderValue, Request, Response, header::USER_AGENT};
use std::{
    convert::Infallible,
    sync::Arc,
    task::{Context, Poll},
};
use tower::Service;

/// What the control loops of this process call themselves.
const PROGRAM: HeaderValue = HeaderValue::from_static("garrison-controllers");

/// Requests to a server in the same process, made as one user. Everything behind authentication is as over the network.
#[derive(Clone)]
pub struct InProcess {
    server: Server,
    user: Arc<User>,
}

impl InProcess {
    pub(crate) fn new(server: Server, user: User) -> Self {
        Self { server, user: Arc::new(user) }
    }
}

impl<B> Service<Request<B>> for InProcess
where
    B: http_body::Body<Data = Bytes> + Send + 'static,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = BoxFuture<'static, Result<Self::Response, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, mut request: Request<B>) -> Self::Future {
        // The name under which it owns what it writes.
        request.headers_mut().entry(USER_AGENT).or_insert(PROGRAM);
        let Self { server, user } = self.clone();
        let answer = router::handle(server, Caller::Known(User::clone(&user)), request.map(body::boxed));
        Box::pin(answer.map(Ok))
    }
}
