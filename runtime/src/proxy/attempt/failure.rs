//! What an error on the way to an answer means: its cause, its words, and whether the endpoint is to blame.

use std::error::Error;
use std::io;

use super::Sent;
use crate::balance::{self, Endpoint};
use crate::error::{Cause, Failure};
use crate::observe::{Attempt, Connection};
use crate::proxy::connector::{place, tls_failure};
use crate::proxy::http1::Fault;
use crate::proxy::ongoing::Ongoing;
use crate::proxy::pool::{Lease, Unanswered};
use crate::tls::fault::{HandshakeFault, OurCertificate, classify, looks_like_tls_alert};

/// What `unanswered` was, and what the target got of the request.
pub(super) fn of(
    unanswered: &Unanswered,
    endpoint: &Endpoint,
    record: &Attempt,
    lease: &mut Lease,
    ongoing: &Ongoing,
) -> (Failure, Sent) {
    let place = place(endpoint);
    let connection = match record.connection {
        Some(Connection::Reused) => "a reused connection",
        _ => "a fresh connection",
    };
    let who = format!("{place}, {connection}");
    let sent = match unanswered {
        Unanswered::Http1(_) => lease.http1().is_some_and(|connection| connection.has_sent()),
        Unanswered::Http2 { error, kept } => !kept && !is_refused(error),
    };
    let sent = if sent { Sent::Something } else { Sent::Nothing };
    // Over HTTP/2 the error does not say so.
    if let Some(broken) = ongoing.journal.upload.as_ref().and_then(|upload| upload.broken()) {
        return (broken, sent);
    }
    let failure = match unanswered {
        Unanswered::Http1(fault) => of_http1(fault, endpoint, &who, lease, ongoing),
        Unanswered::Http2 { error, .. } => of_http2(error, endpoint, &who, lease, ongoing),
    };
    (failure, sent)
}

fn of_http1(fault: &Fault, endpoint: &Endpoint, who: &str, lease: &mut Lease, ongoing: &Ongoing) -> Failure {
    let (came, ours) = match lease.http1() {
        Some(connection) => (connection.unread().to_vec(), connection.certificate()),
        None => (Vec::new(), OurCertificate::NotAsked),
    };
    if let Some(failure) = of_tls(fault, &came, ours, endpoint) {
        return failure;
    }
    match fault {
        Fault::HeadTooLarge(bytes) => too_large(endpoint, ongoing, *bytes as u64),
        Fault::TooManyFields(_) => {
            Failure::new(Cause::UpstreamHeadersTooLarge, format!("{}: its head is too large: {fault}", place(endpoint)))
        }
        Fault::Misread(_) => Failure::new(Cause::UpstreamProtocolError, format!("{who}: {fault}")),
        // Closed in order or reset: what was asked for did not come.
        Fault::Closed | Fault::Io(_) | Fault::Upload(_) => {
            Failure::new(Cause::UpstreamClosedBeforeResponse, format!("{who}: {fault}"))
        }
    }
}

fn of_http2(error: &hyper::Error, endpoint: &Endpoint, who: &str, lease: &Lease, ongoing: &Ongoing) -> Failure {
    let seen = lease.seen();
    let ours = seen.map_or(OurCertificate::NotAsked, |seen| seen.certificate());
    let came = seen.map(|seen| seen.first()).unwrap_or_default();
    if let Some(failure) = of_tls(error, &came, ours, endpoint) {
        return failure;
    }
    if error.is_parse_too_large() {
        return too_large(endpoint, ongoing, seen.map_or(0, |seen| seen.read()));
    }
    let words = source_words(error);
    let ended = |error: &h2::Error| error.is_io() || error.is_go_away() && error.is_remote();
    let cause = if source::<h2::Error>(error).is_some_and(|error| error.is_library() && !ended(error)) {
        let detail = format!("{}: {words}; does it speak HTTP/2?", place(endpoint));
        return Failure::new(Cause::UpstreamProtocolError, detail);
    } else if error.is_parse() || source::<h2::Error>(error).is_some_and(|error| !ended(error)) {
        Cause::UpstreamProtocolError
    } else {
        Cause::UpstreamClosedBeforeResponse
    };
    Failure::new(cause, format!("{who}: {words}"))
}

/// A target that speaks TLS and was not expected to, or that has second thoughts about a handshake.
fn of_tls(error: &(dyn Error + 'static), came: &[u8], ours: OurCertificate, endpoint: &Endpoint) -> Option<Failure> {
    if looks_like_tls_alert(came) {
        let detail = format!("{}: it answers in TLS; the service's url should begin with https:", place(endpoint));
        return Some(Failure::new(Cause::UpstreamTlsExpected, detail));
    }
    let fault = classify(error, ours);
    let second_thoughts = !matches!(
        fault,
        HandshakeFault::Closed | HandshakeFault::Reset | HandshakeFault::TimedOut | HandshakeFault::Other
    );
    (source::<rustls::Error>(error).is_some() && second_thoughts)
        .then(|| tls_failure(endpoint, fault, &format!("{fault}: {error}")))
}

fn too_large(endpoint: &Endpoint, ongoing: &Ongoing, bytes: u64) -> Failure {
    let limit = ongoing.client.edge.limits.upstream_header_bytes;
    let place = place(endpoint);
    let detail = format!("{place}: its head is larger than `upstream_header_bytes` ({limit}); {bytes} bytes came");
    Failure::new(Cause::UpstreamHeadersTooLarge, detail)
}

/// The target has not looked at it: it refused the stream, or the connection ends in good order before it (RFC 9113,
/// sections 8.7 and 6.8).
pub(super) fn is_refused(error: &hyper::Error) -> bool {
    source::<h2::Error>(error).is_some_and(|error| match error.reason() {
        Some(h2::Reason::REFUSED_STREAM) => true,
        Some(h2::Reason::NO_ERROR) => error.is_go_away() && error.is_remote(),
        _ => false,
    })
}

fn source<'e, E: Error + 'static>(error: &'e (dyn Error + 'static)) -> Option<&'e E> {
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
pub(super) fn blame(cause: Cause) -> Option<balance::Failed> {
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
