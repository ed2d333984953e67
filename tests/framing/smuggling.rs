//! Second requests hidden behind, within and beside a first one, by framing, by Connection and by Upgrade.

use super::Verdict::{BrokenOff, Either, Forwarded, Refused};
use super::{BAD, Row, get, got, post, posted};

const TE: &str = "Transfer-Encoding: chunked\r\n";
const SECOND: &str = "GET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n";
const HOPS: &[&str] = &["connection", "upgrade", "http2-settings", "keep-alive", "proxy-connection"];
const CODING: &[u16] = &[400, 501];

pub(super) fn rows() -> Vec<Row> {
    [behind(), connections(), upgrades()].into_iter().flatten().collect()
}

fn behind() -> Vec<Row> {
    let length = 5 + SECOND.len();
    vec![
        // A front that reads lengths takes all of it for one request, one that reads chunks finds two.
        post(
            "length over chunks",
            &format!("Content-Length: {length}\r\n{TE}"),
            &format!("0\r\n\r\n{SECOND}"),
            Either(BAD, posted("").then_closed()),
        ),
        post(
            "chunks over length",
            &format!("{TE}Content-Length: 4\r\n"),
            "25\r\nGET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n00\r\n0\r\n\r\n",
            Either(BAD, posted("GET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n00").then_closed()),
        ),
        post(
            "two codings",
            &format!("{TE}Transfer-Encoding: x\r\nContent-Length: 4\r\n"),
            &format!("0\r\n\r\n{SECOND}"),
            Refused(CODING),
        ),
        post(
            "a coding hidden by a space before its colon",
            &format!("Content-Length: {length}\r\nTransfer-Encoding : chunked\r\n"),
            &format!("0\r\n\r\n{SECOND}"),
            Refused(BAD),
        ),
        post(
            "a coding hidden by a vertical tab",
            &format!("Content-Length: {length}\r\nTransfer-Encoding:\x0bchunked\r\n"),
            &format!("0\r\n\r\n{SECOND}"),
            Refused(BAD),
        ),
        post(
            "a coding hidden behind a bare LF",
            &format!("Content-Length: {length}\r\nX: y\nTransfer-Encoding: chunked\r\n"),
            &format!("0\r\n\r\n{SECOND}"),
            Either(BAD, posted("").then_closed()),
        ),
        post(
            "a coding hidden behind a bare CR",
            &format!("Content-Length: {length}\r\nX: y\rTransfer-Encoding: chunked\r\n"),
            &format!("0\r\n\r\n{SECOND}"),
            Refused(BAD),
        ),
        post("two lengths", "Content-Length: 0\r\nContent-Length: 35\r\n", SECOND, Refused(BAD)),
        post("a request behind a broken chunk", TE, &format!("5\r\nhelloX\r\n{SECOND}"), BrokenOff(BAD)),
        post("a request behind a size of 2^64", TE, &format!("10000000000000000\r\n{SECOND}"), BrokenOff(BAD)),
    ]
}

/// What Connection names goes no further; the framing and the host are not for it to take away.
fn connections() -> Vec<Row> {
    let hello = || posted("hello").without(HOPS);
    vec![
        post(
            "Connection names content-length",
            "Connection: content-length\r\nContent-Length: 5\r\n",
            "hello",
            Either(BAD, hello()),
        ),
        post(
            "Connection names transfer-encoding",
            &format!("Connection: transfer-encoding\r\n{TE}"),
            "5\r\nhello\r\n0\r\n\r\n",
            Either(BAD, hello()),
        ),
        get("Connection names host", "Connection: host\r\n", Either(BAD, got("/row").for_host("a").without(HOPS))),
        get(
            "Connection names x-forwarded-for",
            "Connection: x-forwarded-for\r\nX-Forwarded-For: 192.0.2.1\r\n",
            Either(BAD, got("/row").without(HOPS)),
        ),
        get(
            "Connection names a field",
            "Connection: x-hop\r\nX-Hop: 1\r\n",
            Forwarded(got("/row").without(&["x-hop"])),
        ),
        get(
            "what belongs to the hop without being named",
            "Keep-Alive: timeout=5\r\nProxy-Connection: keep-alive\r\nTE: gzip\r\n",
            Forwarded(got("/row").without(HOPS)),
        ),
        get("close in a list", "Connection: x, close\r\n", Forwarded(got("/row").without(HOPS).then_closed())),
    ]
}

fn upgrades() -> Vec<Row> {
    const H2C: &str = "Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAAP__\r\n";
    vec![
        get("an upgrade to h2c", H2C, Forwarded(got("/row").without(HOPS))),
        get(
            "an upgrade to h2c among others",
            "Connection: Upgrade\r\nUpgrade: x/1, h2c\r\n",
            Either(BAD, got("/row").without(&["http2-settings"])),
        ),
        get(
            "an upgrade that Connection does not name",
            "Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\n",
            Either(BAD, got("/row").without(HOPS)),
        ),
        post(
            "an upgrade with a body",
            "Connection: Upgrade\r\nUpgrade: websocket\r\nContent-Length: 5\r\n",
            "hello",
            Either(BAD, posted("hello")),
        ),
        // Only what is refused may be followed by a second request; here it is a body, and no request.
        post(
            "a request as an upgrade's body",
            "Connection: Upgrade\r\nUpgrade: websocket\r\nContent-Length: 35\r\n",
            SECOND,
            Either(BAD, posted(SECOND)),
        ),
    ]
}
