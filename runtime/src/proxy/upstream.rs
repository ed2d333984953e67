//! One request to an upstream: target, connection, response head.

use std::pin::pin;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use http::{Request, Response};
use tokio::time::timeout_at;

use super::body::{Progress, RequestBody, ResponseBody, UpstreamBody};
use super::connector::connect;
use super::pool::{Lease, Pool, Sender};
use crate::config::values::Authority;
use crate::error::{Cause, Failure};
use crate::snapshot::Service;

/// Send `request` to a target of `service` and wait for the response's head.
pub(super) async fn send(
    service: &Service,
    pool: &Rc<Pool>,
    mut request: Request<RequestBody>,
) -> Result<Response<ResponseBody>, Failure> {
    let none = || Failure::new(Cause::UpstreamNoTarget, format!("no target of {} has any weight", service.name));
    let target = service.balancer.pick().ok_or_else(none)?;
    loop {
        let (sender, connection) = match pool.take(target) {
            Some(sender) => (sender, Connection::Reused),
            None => (connect(target, service.timeouts.connect).await?, Connection::Fresh),
        };
        match attempt(service, sender, target, pool, request, connection).await {
            Ok(response) => return Ok(response),
            // A pooled connection that died before it took the request: nothing was sent, so nothing is sent twice.
            // Each turn takes one out of the pool, and the pool is bounded.
            Err(Attempt::NotSent(unsent)) => request = *unsent,
            Err(Attempt::Failed(failure)) => return Err(failure),
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Connection {
    Fresh,
    Reused,
}

enum Attempt {
    NotSent(Box<Request<RequestBody>>),
    Failed(Failure),
}

async fn attempt(
    service: &Service,
    mut sender: Sender,
    target: &Arc<Authority>,
    pool: &Rc<Pool>,
    request: Request<RequestBody>,
    connection: Connection,
) -> Result<Response<ResponseBody>, Attempt> {
    let limit = service.timeouts.response;
    let progress = request.body().progress();
    let Some(answered) = since_last(&progress, limit, sender.try_send_request(request)).await else {
        let detail = format!("{target}: no response head within {limit:?}");
        return Err(Attempt::Failed(Failure::new(Cause::UpstreamResponseTimeout, detail)));
    };
    match answered {
        Ok(response) => {
            let lease = Lease::new(sender, Arc::clone(target), Rc::clone(pool));
            let idle = service.timeouts.idle;
            Ok(response.map(|incoming| ResponseBody::Upstream(UpstreamBody::new(incoming, idle, lease))))
        }
        Err(mut error) => match (error.take_message(), connection) {
            (Some(request), Connection::Reused) => Err(Attempt::NotSent(Box::new(request))),
            _ => Err(Attempt::Failed(failure(&error.into_error(), target, connection))),
        },
    }
}

/// Wait for `answer` until the request has made no progress for `limit`: a long upload is no late answer.
async fn since_last<T>(progress: &Progress, limit: Duration, answer: impl Future<Output = T>) -> Option<T> {
    let mut answer = pin!(answer);
    loop {
        let last = progress.last();
        match timeout_at(last + limit, &mut answer).await {
            Ok(answer) => return Some(answer),
            Err(_) if progress.last() > last => {}
            Err(_) => return None,
        }
    }
}

fn failure(error: &hyper::Error, target: &Authority, connection: Connection) -> Failure {
    let cause = if error.is_incomplete_message() || error.is_canceled() || error.is_closed() {
        Cause::UpstreamClosedBeforeResponse
    } else if error.is_parse_too_large() {
        Cause::UpstreamHeadersTooLarge
    } else if error.is_parse() {
        Cause::UpstreamProtocolError
    } else if error.is_user() {
        // The body that failed is the client's.
        Cause::ClientClosed
    } else {
        Cause::UpstreamReset
    };
    let connection = match connection {
        Connection::Fresh => "a fresh connection",
        Connection::Reused => "a reused connection",
    };
    let source = std::error::Error::source(error).map(|source| format!(": {source}")).unwrap_or_default();
    Failure::new(cause, format!("{target}, {connection}: {error}{source}"))
}
