//! What fails on the way to an upstream and back, from its name to the last byte of its answer.

use super::{Expected, Peer, Row, Sees, Shown, Tried};
use crate::harness::access::phase::{BALANCE, BODY, CONNECT, DNS, RESPONSE, TLS};
use crate::harness::upstream::Step::{self, Head, Reset, Stall};

/// Of every service over TLS.
const TRUST: &str = "tls = { ca = \"ca.pem\", server_name = \"upstream.test\" }";
const TRUST_HTTP2: &str = "tls = { ca = \"ca.pem\", server_name = \"upstream.test\" }\nhttp = \"2\"";

/// Both are right where a connection is reset before anything was said on it.
const RESET: &str = "upstream_connect_reset|upstream_closed_before_response";
/// A handshake that breaks off.
const TLS_RESET: &str = "upstream_connect_reset|upstream_tls_failed|upstream_closed_before_response";
const CLOSED: &str = "upstream_closed_before_response";
const BROKEN: &str = "upstream_body_truncated";
const NO_HTTP: &str = "upstream_protocol_error";
/// The body's framing is wrong, and the head is on its way already.
const BROKEN_FRAMING: &str = "upstream_body_truncated|upstream_protocol_error";
/// TLS 1.3 servers refuse a client's certificate after the client's part of the handshake.
const TLS_OR_LATER: &str = "tls|response";
const EARLY: &str = "connect|response";
const EARLY_TLS: &str = "connect|tls";

pub(super) fn rows() -> Vec<Row> {
    let mut rows = lookups();
    rows.extend(balance());
    rows.extend(connections());
    rows.extend(handshakes());
    rows.extend(heads());
    rows.extend(bodies());
    rows
}

fn lookups() -> Vec<Row> {
    let row = |name, host, words| row(name, Peer::Named(host), "", 503, "upstream_dns_failed", DNS, words).untried();
    vec![
        row("nxdomain", "nxdomain.test", &["nxdomain.test"]),
        row("servfail", "servfail.test", &["servfail.test"]),
        row("no-records", "empty.test", &["empty.test"]),
        row("no-answer", "silent.test", &["silent.test"]),
    ]
}

fn balance() -> Vec<Row> {
    vec![
        row("no-weight", Peer::NoWeight, "", 503, "upstream_no_target", BALANCE, &["no-weight"]).untried(),
        row("all-unhealthy", Peer::Unhealthy, "", 503, "upstream_all_unhealthy", BALANCE, &["all-unhealthy"])
            .untried()
            .after(3),
    ]
}

fn connections() -> Vec<Row> {
    vec![
        row("refused", Peer::Refusing, "", 502, "upstream_connect_refused", CONNECT, &["refused"]),
        row("unreachable", Peer::Unreachable, "", 502, "upstream_connect_unreachable", CONNECT, &["unreachable"]),
        row("full-backlog", Peer::Full, "", 504, "upstream_connect_timeout", CONNECT, &["400ms"]),
        script("reset-at-once", &[Reset], 502, RESET, EARLY, &["reset"]),
        script("closed-at-once", &[], 502, CLOSED, EARLY, &["fresh"]),
    ]
}

fn handshakes() -> Vec<Row> {
    let over_tls = |name, script: &[Step], status, code, phase, words| {
        row(name, Peer::ScriptOverTls(script.to_vec()), TRUST, status, code, phase, words)
    };
    let shown = |name, shown, service, phase, words| {
        row(name, Peer::Certificate(shown), service, 502, "upstream_tls_failed", phase, words)
    };
    let banner = Step::write("220 mail.example.com ESMTP\r\n");
    let plain = Step::write("HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\nconnection: close\r\n\r\n");
    // TLS 1.0's record of a fatal alert: protocol_version.
    let old = Step::write(&b"\x15\x03\x01\x00\x02\x02\x46"[..]);
    vec![
        over_tls("plain-to-tls", &[Step::Byte, plain], 502, "upstream_tls_not_spoken", TLS, &["TLS"]),
        over_tls("banner-to-tls", &[banner], 502, "upstream_tls_not_spoken", TLS, &["TLS"]),
        over_tls("silent-to-tls", &[Stall], 504, "upstream_connect_timeout", EARLY_TLS, &["TLS"]),
        over_tls("reset-in-tls", &[Step::Byte, Reset], 502, TLS_RESET, EARLY_TLS, &[]),
        over_tls("closed-in-tls", &[Step::Byte], 502, TLS_RESET, EARLY_TLS, &[]),
        over_tls("old-tls", &[Step::Byte, old], 502, "upstream_tls_failed", TLS, &["protocol version"]),
        row("tls-to-plain", Peer::TlsUnexpected, "", 502, "upstream_tls_expected", RESPONSE, &["TLS"]),
        shown("expired", Shown::Expired, TRUST, TLS, &["expired"]),
        shown("not-yet-valid", Shown::NotYetValid, TRUST, TLS, &["not valid yet"]),
        shown("misnamed", Shown::Misnamed, TRUST, TLS, &["upstream.test"]),
        shown("unknown-issuer", Shown::OfUnknownIssuer, TRUST, TLS, &["unknown issuer"]),
        shown("client-certificate", Shown::ClientsShowToo, TRUST, TLS_OR_LATER, &["certificate required"]),
        shown("no-http2", Shown::OnlyHttp1, TRUST_HTTP2, TLS, &["protocol"]),
    ]
}

fn heads() -> Vec<Row> {
    let large = format!("HTTP/1.1 200 OK\r\nx-large: {}\r\n\r\n", "x".repeat(40_000));
    let answers = |name, answer: &'static str| script(name, &[Head, Step::write(answer)], 502, NO_HTTP, RESPONSE, &[]);
    let half = || Step::write("HTTP/1.1 200 OK\r\nx-half: ");
    let interim = "HTTP/1.1 100 Continue\r\n\r\n".repeat(100);
    vec![
        script("closed-after-head", &[Head], 502, CLOSED, RESPONSE, &["fresh"]),
        script("reset-after-head", &[Head, Reset], 502, CLOSED, RESPONSE, &["fresh"]),
        script("closed-in-status", &[Head, Step::write("HTTP/1.")], 502, CLOSED, RESPONSE, &["fresh"]),
        script("closed-in-head", &[Head, half()], 502, CLOSED, RESPONSE, &["fresh"]),
        script("reset-in-head", &[Head, half(), Reset], 502, CLOSED, RESPONSE, &["fresh"]),
        script(
            "closed-after-1xx",
            &[Head, Step::write("HTTP/1.1 103 Early Hints\r\n\r\n")],
            502,
            CLOSED,
            RESPONSE,
            &[],
        ),
        script("endless-interim", &[Head, Step::write(interim), Stall], 502, NO_HTTP, RESPONSE, &["interim"]),
        script("no-head", &[Head, Stall], 504, "upstream_response_timeout", RESPONSE, &["400ms"]),
        script("half-a-head", &[Head, half(), Stall], 504, "upstream_response_timeout", RESPONSE, &["400ms"]),
        script(
            "large-head",
            &[Head, Step::write(large)],
            502,
            "upstream_headers_too_large",
            RESPONSE,
            &["upstream_header_bytes"],
        ),
        answers("no-http", "220 mail.example.com ESMTP\r\n\r\n"),
        answers("no-status", "HTTP/1.1 OK\r\n\r\n"),
        answers("status-of-two-digits", "HTTP/1.1 20 OK\r\n\r\n"),
        answers("status-999", "HTTP/1.1 999 What\r\ncontent-length: 0\r\n\r\n"),
        answers("another-version", "HTTP/3.0 200 OK\r\n\r\n"),
        answers("nul-in-head", "HTTP/1.1 200 OK\r\nx: \0\r\n\r\n"),
        answers("two-lengths", "HTTP/1.1 200 OK\r\ncontent-length: 2\r\ncontent-length: 3\r\n\r\nokk"),
        answers("bad-length", "HTTP/1.1 200 OK\r\ncontent-length: two\r\n\r\nok"),
        answers("unasked-upgrade", "HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: x\r\n\r\n"),
    ]
}

/// The client has the head already: all that is left to do is not to end the body well.
fn bodies() -> Vec<Row> {
    let broken = |name, answer: &'static str, end: &[Step], code, words| {
        let script = [&[Head, Step::write(answer)], end].concat();
        Row {
            expected: Expected { sees: Sees::BrokenBody, ..expected(200, code, BODY, words) },
            ..script_row(name, script)
        }
    };
    const LENGTH: &str = "HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nonly this";
    const CHUNKS: &str = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n9\r\nonly this\r\n";
    vec![
        broken("length-closed", LENGTH, &[], BROKEN, &[]),
        broken("length-reset", LENGTH, &[Reset], BROKEN, &[]),
        broken("chunks-closed", CHUNKS, &[], BROKEN, &[]),
        broken("chunks-reset", CHUNKS, &[Reset], BROKEN, &[]),
        broken("chunks-without-end", CHUNKS, &[Step::write("0\r\n")], BROKEN, &[]),
        broken("length-stalls", LENGTH, &[Stall], "upstream_body_timeout", &["400ms"]),
        broken("chunks-stall", CHUNKS, &[Stall], "upstream_body_timeout", &["400ms"]),
        broken("bad-chunk-size", CHUNKS, &[Step::write("zz\r\n"), Stall], BROKEN_FRAMING, &[]),
        broken("chunk-overrun", CHUNKS, &[Step::write("2\r\nokk\r\n0\r\n\r\n"), Stall], BROKEN_FRAMING, &[]),
        broken("large-chunk-size", CHUNKS, &[Step::write("10000000000000002\r\nok"), Stall], BROKEN_FRAMING, &[]),
    ]
}

fn script<const N: usize>(
    name: &'static str,
    script: &[Step; N],
    status: u16,
    code: &'static str,
    phase: &'static str,
    words: &'static [&'static str],
) -> Row {
    Row { expected: expected(status, code, phase, words), ..script_row(name, script.to_vec()) }
}

fn script_row(name: &'static str, script: Vec<Step>) -> Row {
    row(name, Peer::Script(script), "", 200, "", "", &[])
}

fn row(
    name: &'static str,
    peer: Peer,
    service: &'static str,
    status: u16,
    code: &'static str,
    phase: &'static str,
    words: &'static [&'static str],
) -> Row {
    let request = format!("GET /{name} HTTP/1.1\r\nHost: a\r\n\r\n").into();
    Row { name, peer, service, route: "", request, before: 0, expected: expected(status, code, phase, words) }
}

fn expected(status: u16, code: &'static str, phase: &'static str, words: &'static [&'static str]) -> Expected {
    Expected { sees: Sees::Status(status), code, phase, words, tried: Tried::Yes }
}

impl Row {
    /// It does not come to a connection.
    fn untried(self) -> Self {
        Self { expected: Expected { tried: Tried::No, ..self.expected }, ..self }
    }

    fn after(self, before: usize) -> Self {
        Self { before, ..self }
    }
}
