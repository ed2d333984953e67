//! One request to an upstream: target, connection, response head.

use std::error::Error;
use std::pin::pin;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use http::{Request, Response};
use tokio::time::{Instant, timeout_at};

use super::body::{BodyError, Progress, RequestBody, ResponseBody, Step, UpstreamBody};
use super::connector::connect;
use super::pool::{Connection, Lease, Pool};
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
        let (connection, age) = match pool.take(target) {
            Some(connection) => (connection, Age::Reused),
            None => (connect(target, service.timeouts.connect).await?, Age::Fresh),
        };
        match attempt(service, connection, age, target, pool, request).await {
            Ok(response) => return Ok(response),
            // A pooled connection that died before it took the request: nothing was sent, so nothing is sent twice.
            // Each turn takes one out of the pool, and the pool is bounded.
            Err(Attempt::NotSent(unsent)) => request = *unsent,
            Err(Attempt::Failed(failure)) => return Err(failure),
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Age {
    Fresh,
    Reused,
}

enum Attempt {
    NotSent(Box<Request<RequestBody>>),
    Failed(Failure),
}

async fn attempt(
    service: &Service,
    mut connection: Connection,
    age: Age,
    target: &Arc<Authority>,
    pool: &Rc<Pool>,
    request: Request<RequestBody>,
) -> Result<Response<ResponseBody>, Attempt> {
    let limit = service.timeouts.response;
    let progress = request.body().progress();
    progress.restart();
    let Some(answered) = in_turn(&progress, limit, connection.sender().try_send_request(request)).await else {
        let detail = format!("{target}: no response head within {limit:?}");
        return Err(Attempt::Failed(Failure::new(Cause::UpstreamResponseTimeout, detail)));
    };
    match answered {
        Ok(response) if !(200..600).contains(&response.status().as_u16()) => {
            let detail = format!("{target}: {} is no answer to this request", response.status());
            Err(Attempt::Failed(Failure::new(Cause::UpstreamProtocolError, detail)))
        }
        Ok(response) => {
            let lease = Lease::new(connection, Arc::clone(target), Rc::clone(pool));
            let idle = service.timeouts.idle;
            Ok(response.map(|incoming| ResponseBody::Upstream(UpstreamBody::new(incoming, idle, lease))))
        }
        Err(mut error) => match (error.take_message(), age) {
            (Some(request), Age::Reused) => Err(Attempt::NotSent(Box::new(request))),
            _ => Err(Attempt::Failed(failure(&error.into_error(), target, age))),
        },
    }
}

/// Wait for `answer` until it has been the upstream's turn for `limit`: a slow upload is no late answer.
async fn in_turn<T>(progress: &Progress, limit: Duration, answer: impl Future<Output = T>) -> Option<T> {
    let mut answer = pin!(answer);
    loop {
        let deadline = match progress.step() {
            Step::Upstream(since) => since + limit,
            Step::Client => Instant::now() + limit,
        };
        if let Ok(answer) = timeout_at(deadline, &mut answer).await {
            return Some(answer);
        }
        if matches!(progress.step(), Step::Upstream(since) if since + limit <= Instant::now()) {
            return None;
        }
    }
}

fn failure(error: &hyper::Error, target: &Authority, age: Age) -> Failure {
    let source = error.source();
    if let Some(body) = source.and_then(|source| source.downcast_ref::<BodyError>()) {
        return Failure::new(blame(body), format!("the request's body broke off: {body}"));
    }
    let cause = if error.is_parse_too_large() {
        Cause::UpstreamHeadersTooLarge
    } else if error.is_parse() {
        Cause::UpstreamProtocolError
    } else {
        // Closed in order or reset: what was asked for did not come.
        Cause::UpstreamClosedBeforeResponse
    };
    let connection = match age {
        Age::Fresh => "a fresh connection",
        Age::Reused => "a reused connection",
    };
    let source = source.map(|source| format!(": {source}")).unwrap_or_default();
    Failure::new(cause, format!("{target}, {connection}: {error}{source}"))
}

/// A body that broke off is its client's doing, one way or another.
fn blame(error: &BodyError) -> Cause {
    match error {
        BodyError::Idle(_) => Cause::RequestTimeout,
        BodyError::Peer(error) if error.is_incomplete_message() || error.is_closed() => Cause::ClientClosed,
        BodyError::Peer(_) => Cause::RequestInvalid,
    }
}
