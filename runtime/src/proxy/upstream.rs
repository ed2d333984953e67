//! One request to an upstream: a target, a connection, the response's head; and another target if that fails, as far as
//! that cannot do harm.

use std::rc::Rc;
use std::time::Duration;

use http::Method;
use tokio::time::{Instant, timeout};

use super::attempt::{Answer, Failed, Sent, attempt};
use super::exchange::Found;
use super::ongoing::Ongoing;
use super::worker::Worker;
use crate::balance::{self, Nothing, Pick};
use crate::error::{Cause, Failure};

/// Send the request to a target of its service, or of the upstream that a plugin has chosen, and wait for the response's
/// head.
pub(super) async fn send(found: &Found, ongoing: &mut Ongoing) -> Result<Answer, Failure> {
    let service = &found.route.service;
    let chosen = ongoing.exchange.upstream.clone();
    let upstream = chosen.as_deref().unwrap_or(&service.upstream);
    let worker = Rc::clone(&ongoing.client.worker);
    upstream.asked(worker.id);
    let hash = upstream.hash(&ongoing.exchange);
    let mut tried = Vec::new();
    loop {
        let limit = service.timeouts.connect;
        let pick = pick(&upstream.balancer, limit, &worker, hash, &tried, &mut ongoing.journal.dns).await?;
        let failed = match attempt(found, ongoing, &pick).await {
            Ok((head, body)) => return Ok((head, body.of(pick))),
            Err(failed) => failed,
        };
        tried.push(pick.endpoint().id);
        let again = tried.len() <= service.retries.count as usize
            && may_repeat(&failed, ongoing)
            // What was not sent costs the upstream nothing, so it needs no budget.
            && (failed.sent == Sent::Nothing || upstream.may_retry(worker.id));
        if !again {
            let failure = failed.failure;
            return Err(if worker.cut.is_told() { draining(&failure) } else { failure });
        }
    }
}

/// Who gets the request. While names are being resolved for the first time, that is waited for.
async fn pick(
    balancer: &balance::Upstream,
    limit: Duration,
    worker: &Worker,
    hash: Option<u64>,
    tried: &[u32],
    waited: &mut Option<Duration>,
) -> Result<Pick, Failure> {
    let nothing = match balancer.pick(hash, tried) {
        Ok(pick) => return Ok(pick),
        Err(Nothing::Pending) => {
            let begun = Instant::now();
            // Its outcome is asked for either way.
            drop(timeout(limit, balancer.settled()).await);
            *waited = Some(worker.look_at_the_clock().saturating_duration_since(begun));
            match balancer.pick(hash, tried) {
                Ok(pick) => return Ok(pick),
                Err(nothing) => nothing,
            }
        }
        Err(nothing) => nothing,
    };
    let cause = match &nothing {
        Nothing::NoTarget => Cause::UpstreamNoTarget,
        Nothing::AllUnhealthy { .. } => Cause::UpstreamAllUnhealthy,
        Nothing::Unresolved(_) | Nothing::Pending => Cause::UpstreamDnsFailed,
    };
    Err(Failure::new(cause, format!("{}: {nothing}", balancer.name)))
}

/// Kong's rules: after errors, timeouts and resets, never after an answer; what is not idempotent only if nothing of it
/// was sent (RFC 9110, section 9.2.2).
fn may_repeat(failed: &Failed, ongoing: &Ongoing) -> bool {
    if !failed.failure.cause.is_upstreams() {
        return false;
    }
    match failed.sent {
        Sent::Nothing => is_replayable(ongoing),
        Sent::Something => ongoing.upgrade.is_none() && is_repeatable(ongoing),
    }
}

/// Whether sending the request twice comes to the same as sending it once.
pub(super) fn is_repeatable(ongoing: &Ongoing) -> bool {
    let method = &ongoing.exchange.request.method;
    let idempotent =
        [Method::GET, Method::HEAD, Method::OPTIONS, Method::PUT, Method::DELETE, Method::TRACE].contains(method);
    idempotent && is_replayable(ongoing)
}

/// Whether the whole of the request could be sent again.
pub(super) fn is_replayable(ongoing: &Ongoing) -> bool {
    ongoing.journal.upload.as_ref().is_none_or(|upload| upload.is_replayable())
}

fn draining(failure: &Failure) -> Failure {
    Failure::new(Cause::GatewayDraining, format!("the drain's time was over: {failure}"))
}
