//! One attempt to get an answer from one endpoint, and what it came to. A pooled connection that turns out dead is
//! replaced within the attempt where that is safe: it tells nothing about the endpoint.

use std::error::Error;
use std::io;

use http::header::{CONTENT_LENGTH, HeaderMap, HeaderValue, TRANSFER_ENCODING};
use http::{Request, Response, StatusCode};
use hyper::body::Incoming;
use tokio::time::{Instant, timeout_at};

use super::body::{RequestBody, UpstreamBody};
use super::connector::{Timings, connect, place, tls_failure};
use super::exchange::Found;
use super::forward;
use super::ongoing::Ongoing;
use super::patience::Patience;
use super::pool::{self, Key, Lease, Ticket};
use super::tunnel::Upgrade;
use super::upstream::{is_repeatable, is_replayable};
use super::wire::Seen;
use crate::balance::{self, Endpoint, Pick};
use crate::error::{Cause, Failure};
use crate::observe::{Attempt, Connection};
use crate::snapshot::Service;
use crate::tls::fault::{HandshakeFault, classify, looks_like_tls_alert};

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
pub(super) async fn attempt(
    found: &Found,
    ongoing: &mut Ongoing,
    upgrade: Option<&Upgrade>,
    pick: &Pick,
) -> Result<Response<UpstreamBody>, Failed> {
    let mut age = None;
    loop {
        let fresh_only = age.is_some();
        let mut record = Attempt::at(&pick.name, &pick.address);
        record.dns = ongoing.journal.dns.take();
        let outcome = once(found, ongoing, upgrade, pick, fresh_only, &mut record).await;
        record.outcome = outcome.as_ref().err().map_or(Attempt::OK, |failed| failed.failure.cause.code());
        age = record.connection;
        let wait = record.wait.unwrap_or_default();
        if ongoing.journal.attempts.is_empty() {
            // There are seldom more.
            ongoing.journal.attempts.reserve_exact(1);
        }
        ongoing.journal.attempts.push(record);
        match outcome {
            Ok(response) => {
                pick.answered(response.status().as_u16(), wait);
                return Ok(response);
            }
            // Dead when it was used again: nothing came, and either nothing went or it may go twice.
            Err(failed)
                if failed.failure.cause == Cause::UpstreamClosedIdle && !fresh_only && is_replayable(ongoing) => {}
            Err(failed) => {
                // Who only waited for another's connection has nothing to add to what that one said.
                if let (Some(how), Some(_)) = (blame(failed.failure.cause), age) {
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
    upgrade: Option<&Upgrade>,
    pick: &Pick,
    fresh_only: bool,
    record: &mut Attempt,
) -> Result<Response<UpstreamBody>, Failed> {
    let service = &found.route.service;
    let unsent = |failure| Failed { failure, sent: Sent::Nothing };
    let asked = Instant::now();
    let lease = lease(ongoing, service, pick.endpoint(), fresh_only, asked, record).await.map_err(unsent)?;
    let request = forward::request(found, ongoing, upgrade, lease.version()).map_err(unsent)?;
    let begun = if record.connect.is_some() { Instant::now() } else { asked };
    let answer = exchange(found, ongoing, upgrade, pick.endpoint(), lease, request, record).await;
    record.wait = Some(ongoing.client.worker.look_at_the_clock().duration_since(begun));
    answer
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
        match worker.pool.find(key, transport.may_share(), asked) {
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
    let connected = Box::pin(connect(worker, &ongoing.client.edge, endpoint, transport, limits, &mut timings)).await;
    (record.connect, record.tls) = (timings.connect, timings.tls);
    let connection = connected?;
    worker.pool.share(key, &connection);
    drop(ticket);
    Ok(worker.pool.lease(key, connection))
}

/// Send the request, and wait for the response's head.
async fn exchange(
    found: &Found,
    ongoing: &Ongoing,
    upgrade: Option<&Upgrade>,
    endpoint: &Endpoint,
    mut lease: Lease,
    request: Request<RequestBody>,
    record: &Attempt,
) -> Result<Response<UpstreamBody>, Failed> {
    let service = &found.route.service;
    let limit = service.timeouts.response;
    let read_before = lease.seen().map_or(0, Seen::read);
    let upload = ongoing.journal.upload.as_ref();
    let patience = Patience::of(&ongoing.client, upload, limit);
    let Some(answered) = patience.wait(lease.send(request)).await else {
        lease.give_up_on();
        let detail = format!("{}: no response head within {limit:?}", place(endpoint));
        return Err(Failed { failure: Failure::new(Cause::UpstreamResponseTimeout, detail), sent: Sent::Something });
    };
    match answered {
        Ok(response) => answer(response, service, endpoint, lease, upgrade),
        Err(mut error) => {
            let sent = if error.take_message().is_some() { Sent::Nothing } else { Sent::Something };
            let error = error.into_error();
            let refused = is_refused(&error);
            let sent = if refused { Sent::Nothing } else { sent };
            let nothing_came = lease.seen().is_none_or(|seen| seen.read() == read_before);
            let mut failure = failure(&error, endpoint, record, &lease, ongoing);
            let reused = record.connection == Some(Connection::Reused);
            let closed = failure.cause == Cause::UpstreamClosedBeforeResponse;
            if refused || reused && closed && nothing_came && (sent == Sent::Nothing || is_repeatable(ongoing)) {
                failure.cause = Cause::UpstreamClosedIdle;
            }
            Err(Failed { failure, sent })
        }
    }
}

fn answer(
    response: Response<Incoming>,
    service: &Service,
    endpoint: &Endpoint,
    lease: Lease,
    upgrade: Option<&Upgrade>,
) -> Result<Response<UpstreamBody>, Failed> {
    let status = response.status();
    if status == StatusCode::SWITCHING_PROTOCOLS && upgrade.is_some() {
        return Ok(response.map(|incoming| UpstreamBody::switching(incoming, lease)));
    }
    let refuse = |detail: String| {
        let failure = Failure::new(Cause::UpstreamProtocolError, format!("{}: {detail}", place(endpoint)));
        Err(Failed { failure, sent: Sent::Something })
    };
    if !(200..600).contains(&status.as_u16()) {
        return refuse(format!("{status} is no answer to this request"));
    }
    let mut codings = response.headers().get_all(TRANSFER_ENCODING).iter();
    if let Some(coding) = codings.find(|coding| !coding.as_bytes().eq_ignore_ascii_case(b"chunked")) {
        return refuse(format!("transfer-encoding {coding:?}, of which only \"chunked\" is understood"));
    }
    let mut response = response;
    one_length(response.headers_mut());
    Ok(response.map(|incoming| UpstreamBody::new(incoming, service.timeouts.idle, lease)))
}

/// hyper takes a list of equal lengths for one; clients need not (RFC 9110, section 8.6).
fn one_length(headers: &mut HeaderMap) {
    let mut lengths = headers.get_all(CONTENT_LENGTH).iter();
    let (Some(first), second) = (lengths.next(), lengths.next()) else { return };
    if second.is_none() && first.as_bytes().iter().all(u8::is_ascii_digit) {
        return;
    }
    let first = first.to_str().unwrap_or_default().split(',').next().unwrap_or_default().trim();
    if let Ok(length) = first.parse::<u64>() {
        headers.insert(CONTENT_LENGTH, HeaderValue::from(length));
    }
}

fn failure(error: &hyper::Error, endpoint: &Endpoint, record: &Attempt, lease: &Lease, ongoing: &Ongoing) -> Failure {
    let place = place(endpoint);
    // Over HTTP/2 the error does not say so.
    if let Some(broken) = ongoing.journal.upload.as_ref().and_then(|upload| upload.broken()) {
        return broken;
    }
    if let Some(seen) = lease.seen() {
        if looks_like_tls_alert(&seen.first()) {
            let detail = format!("{place}: it answers in TLS; the service's url should begin with https:");
            return Failure::new(Cause::UpstreamTlsExpected, detail);
        }
        let fault = classify(error, seen.certificate());
        let second_thoughts = !matches!(
            fault,
            HandshakeFault::Closed | HandshakeFault::Reset | HandshakeFault::TimedOut | HandshakeFault::Other
        );
        if source::<rustls::Error>(error).is_some() && second_thoughts {
            return tls_failure(endpoint, fault, &format!("{fault}: {error}"));
        }
    }
    let words = source_words(error);
    if error.is_parse_too_large() {
        let limit = ongoing.client.edge.limits.upstream_header_bytes;
        let seen = lease.seen().map_or(0, Seen::read);
        let detail = format!("{place}: its head is larger than `upstream_header_bytes` ({limit}); {seen} bytes came");
        return Failure::new(Cause::UpstreamHeadersTooLarge, detail);
    }
    let connection = match record.connection {
        Some(Connection::Reused) => "a reused connection",
        _ => "a fresh connection",
    };
    let ended = |error: &h2::Error| error.is_io() || error.is_go_away() && error.is_remote();
    let cause = if source::<h2::Error>(error).is_some_and(|error| error.is_library() && !ended(error)) {
        return Failure::new(Cause::UpstreamProtocolError, format!("{place}: {words}; does it speak HTTP/2?"));
    } else if error.is_parse() || source::<h2::Error>(error).is_some_and(|error| !ended(error)) {
        Cause::UpstreamProtocolError
    } else {
        // Closed in order or reset: what was asked for did not come.
        Cause::UpstreamClosedBeforeResponse
    };
    Failure::new(cause, format!("{place}, {connection}: {words}"))
}

/// The target has not looked at it: it refused the stream, or the connection ends in good order before it (RFC 9113,
/// sections 8.7 and 6.8).
fn is_refused(error: &hyper::Error) -> bool {
    source::<h2::Error>(error).is_some_and(|error| match error.reason() {
        Some(h2::Reason::REFUSED_STREAM) => true,
        Some(h2::Reason::NO_ERROR) => error.is_go_away() && error.is_remote(),
        _ => false,
    })
}

fn source<E: Error + 'static>(error: &hyper::Error) -> Option<&E> {
    let mut source = error.source();
    while let Some(cause) = source {
        if let Some(found) = cause.downcast_ref::<E>() {
            return Some(found);
        }
        if let Some(within) = cause.downcast_ref::<io::Error>().and_then(io::Error::get_ref)
            && let Some(found) = within.downcast_ref::<E>()
        {
            return Some(found);
        }
        source = cause.source();
    }
    None
}

/// An error and all it came from.
fn source_words(error: &hyper::Error) -> String {
    let mut words = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        words.push_str(&format!(": {cause}"));
        source = cause.source();
    }
    words
}

/// What a failure says about the endpoint's health; `None` if it is not its fault.
fn blame(cause: Cause) -> Option<balance::Failed> {
    match cause {
        Cause::UpstreamConnectRefused | Cause::UpstreamUnreachable | Cause::UpstreamReset => {
            Some(balance::Failed::Connect)
        }
        Cause::UpstreamTlsNotSpoken | Cause::UpstreamTlsFailed => Some(balance::Failed::Connect),
        Cause::UpstreamConnectTimeout | Cause::UpstreamResponseTimeout => Some(balance::Failed::Timeout),
        Cause::UpstreamClosedBeforeResponse => Some(balance::Failed::Reset),
        Cause::UpstreamProtocolError | Cause::UpstreamHeadersTooLarge | Cause::UpstreamTlsExpected => {
            Some(balance::Failed::Protocol)
        }
        _ => None,
    }
}
