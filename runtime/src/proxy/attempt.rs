//! One attempt to get an answer from one endpoint, and what it came to. A pooled connection that turns out dead is
//! replaced within the attempt where that is safe: it tells nothing about the endpoint.

mod failure;

use std::future::poll_fn;
use std::pin::pin;
use std::task::Poll;

use http::StatusCode;
use hyper::body::Incoming;
use tokio::time::{Instant, timeout_at};

use super::body::{RequestBody, UpstreamBody};
use super::connector::{Timings, connect, place};
use super::exchange::Found;
use super::forward::Onward;
use super::ongoing::Ongoing;
use super::patience::{Over, Patience};
use super::pool::{self, Begun, Key, Lease, Ticket, Unanswered};
use super::upstream::{is_repeatable, is_replayable};
use super::wire::Seen;
use crate::balance::{Endpoint, Pick};
use crate::error::{Cause, Failure};
use crate::host::exchange::ResponseHead;
use crate::observe::{Attempt, Connection};
use crate::snapshot::Service;

/// An upstream's answer.
pub(super) type Answer = (ResponseHead, UpstreamBody);

/// An attempt that brought no answer.
pub(super) struct Failed {
    pub(super) failure: Failure,
    pub(super) sent: Sent,
}

/// What the target may have got of the request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Sent {
    Nothing,
    Something,
}

/// Try the endpoint that was picked. What came of it goes into the journal, and back to the balancer.
pub(super) async fn attempt(found: &Found, ongoing: &mut Ongoing, pick: &Pick) -> Result<Answer, Failed> {
    let mut age = None;
    loop {
        let fresh_only = age.is_some();
        let mut record = Attempt::at(&pick.name, &pick.address);
        record.dns = ongoing.journal.dns.take();
        let outcome = once(found, ongoing, pick, fresh_only, &mut record).await;
        record.outcome = outcome.as_ref().err().map_or(Attempt::OK, |failed| failed.failure.cause.code());
        age = record.connection;
        let wait = record.wait.unwrap_or_default();
        if ongoing.journal.attempts.is_empty() {
            // There are seldom more.
            ongoing.journal.attempts.reserve_exact(1);
        }
        ongoing.journal.attempts.push(record);
        match outcome {
            Ok(answer) => {
                pick.answered(answer.0.status.as_u16(), wait);
                return Ok(answer);
            }
            // Dead when it was used again: nothing came, and either nothing went or it may go twice.
            Err(failed)
                if failed.failure.cause == Cause::UpstreamClosedIdle && !fresh_only && is_replayable(ongoing) => {}
            Err(failed) => {
                ongoing.client.worker.look_at_the_clock();
                // Who only waited for another's connection has nothing to add to what that one said.
                if let (Some(how), Some(_)) = (failure::blame(failed.failure.cause), age) {
                    pick.failed(how);
                }
                return Err(failed);
            }
        }
    }
}

async fn once(
    found: &Found,
    ongoing: &mut Ongoing,
    pick: &Pick,
    fresh_only: bool,
    record: &mut Attempt,
) -> Result<Answer, Failed> {
    let service = &found.route.service;
    let unsent = |failure| Failed { failure, sent: Sent::Nothing };
    // Whatever was waited for before, the clock was looked at after it.
    let asked = ongoing.client.worker.now.get();
    let mut lease = lease(ongoing, service, pick.endpoint(), fresh_only, asked, record).await.map_err(unsent)?;
    let request = begin(found, ongoing, &mut lease).map_err(unsent)?;
    let begun = if record.connect.is_some() { ongoing.client.worker.look_at_the_clock() } else { asked };
    let answer = exchange(service, ongoing, pick.endpoint(), lease, (request, begun), record).await;
    record.wait = Some(ongoing.client.worker.look_at_the_clock().duration_since(begun));
    answer
}

/// Put the request down as it is to go over `lease`.
fn begin(found: &Found, ongoing: &Ongoing, lease: &mut Lease) -> Result<Begun, Failure> {
    let body = ongoing.journal.upload.as_ref().map_or_else(RequestBody::default, |upload| upload.body());
    lease.begin(&Onward::new(found, ongoing)?, body)
}

/// A connection to the endpoint: one that is there, or a new one.
async fn lease(
    ongoing: &Ongoing,
    service: &Service,
    endpoint: &Endpoint,
    fresh_only: bool,
    asked: Instant,
    record: &mut Attempt,
) -> Result<Lease, Failure> {
    let worker = &ongoing.client.worker;
    let transport = &service.transport;
    let key = Key { endpoint: endpoint.id, transport: transport.id };
    let deadline = asked + service.timeouts.connect;
    let ticket: Ticket = loop {
        if fresh_only {
            break Ticket::alone(&worker.pool, key);
        }
        match poll_fn(|cx| Poll::Ready(worker.pool.find(key, transport.may_share(), asked, cx))).await {
            pool::Found::Connection(lease) => {
                record.connection = Some(Connection::Reused);
                worker.observer.upstream_connection(Connection::Reused);
                return Ok(lease);
            }
            pool::Found::None(ticket) => break ticket,
            pool::Found::Wait(made) => {
                if timeout_at(deadline, made.notified()).await.is_err() {
                    let detail = format!("{}: no connection within {:?}", place(endpoint), service.timeouts.connect);
                    return Err(Failure::new(Cause::UpstreamConnectTimeout, detail));
                }
            }
        }
    };
    record.connection = Some(Connection::Fresh);
    worker.observer.upstream_connection(Connection::Fresh);
    let mut timings = Timings::default();
    let limits = (deadline, service.timeouts.connect);
    // In memory of its own: every connection of a client keeps the room for all states of its exchange.
    let connected = Box::pin(connect(&ongoing.client.edge, endpoint, transport, limits, &mut timings)).await;
    (record.connect, record.tls) = (timings.connect, timings.tls);
    let connection = connected?;
    worker.pool.share(key, &connection);
    drop(ticket);
    Ok(worker.pool.lease(key, connection))
}

/// Send the request, and wait for the response's head.
async fn exchange(
    service: &Service,
    ongoing: &Ongoing,
    endpoint: &Endpoint,
    mut lease: Lease,
    (request, begun): (Begun, Instant),
    record: &Attempt,
) -> Result<Answer, Failed> {
    let limit = service.timeouts.response;
    let read_before = lease.seen().map_or(0, Seen::read);
    let patience = Patience::of(&ongoing.client, ongoing.journal.upload.as_ref(), begun, limit);
    let failed = |cause, detail| Failed { failure: Failure::new(cause, detail), sent: Sent::Something };
    let waited = {
        let sent = pin!(lease.send(request));
        patience.wait(sent).await
    };
    let answered = match waited {
        Ok(answered) => answered,
        Err(over) => {
            lease.give_up_on();
            let place = place(endpoint);
            return Err(match over {
                Over::TooLate => {
                    failed(Cause::UpstreamResponseTimeout, format!("{place}: no response head within {limit:?}"))
                }
                Over::Drained => {
                    failed(Cause::GatewayDraining, format!("{place}: no answer when the drain's time was over"))
                }
            });
        }
    };
    match answered {
        Ok((head, incoming)) => answer(head, incoming, service, endpoint, lease, ongoing.upgrade.is_some()),
        Err(unanswered) => {
            let refused = matches!(&unanswered, Unanswered::Http2 { error, .. } if failure::is_refused(error));
            let heard = lease.http1().is_some_and(|connection| connection.has_heard())
                || lease.seen().is_some_and(|seen| seen.read() != read_before);
            let (mut failure, sent) = failure::of(&unanswered, endpoint, record, &mut lease, ongoing);
            let reused = record.connection == Some(Connection::Reused);
            let closed = failure.cause == Cause::UpstreamClosedBeforeResponse;
            if refused || reused && closed && !heard && (sent == Sent::Nothing || is_repeatable(ongoing)) {
                failure.cause = Cause::UpstreamClosedIdle;
            }
            Err(Failed { failure, sent })
        }
    }
}

fn answer(
    head: ResponseHead,
    incoming: Option<Incoming>,
    service: &Service,
    endpoint: &Endpoint,
    lease: Lease,
    may_switch: bool,
) -> Result<Answer, Failed> {
    let status = head.status;
    if status == StatusCode::SWITCHING_PROTOCOLS && may_switch {
        return Ok((head, UpstreamBody::switching(lease)));
    }
    if !(200..600).contains(&status.as_u16()) {
        let detail = format!("{}: {status} is no answer to this request", place(endpoint));
        let failure = Failure::new(Cause::UpstreamProtocolError, detail);
        return Err(Failed { failure, sent: Sent::Something });
    }
    Ok((head, UpstreamBody::new(incoming, service.timeouts.idle, lease)))
}
