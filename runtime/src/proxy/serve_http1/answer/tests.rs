use http::header::HeaderMap;

use super::*;
use crate::proxy::body::ResponseBody;
use crate::proxy::stamp::Stamp;

const NEWEST: About =
    About { newest: true, for_head: false, persistent: true, expects: false, upgrade: false, trailers: false };

/// What is written for an answer without a body, and what becomes of the connection.
fn written(status: u16, fields: &[(&'static str, &str)], about: About, after: After) -> (String, After) {
    let headers: HeaderMap = fields
        .iter()
        .map(|(name, value)| (HeaderName::from_static(name), http::HeaderValue::from_str(value).unwrap()))
        .collect();
    let status = StatusCode::from_u16(status).unwrap();
    let served = Served { status, headers, stamp: Stamp::own(), body: ResponseBody::empty() };
    let mut outgoing = Outgoing::default();
    let after = begin(&mut outgoing, b"", &served, about, after, |out| out.extend_from_slice(b"date: now\r\n"));
    assert!(outgoing.is_over());
    let head = String::from_utf8(outgoing.unwritten().to_vec()).unwrap();
    let stamp = "x-gateway-request-id: id\r\nx-gateway-response-latency: 0\r\n";
    assert!(head.contains(stamp), "{head}");
    (head.replace(stamp, ""), after)
}

#[test]
fn a_head_says_what_it_has_to() {
    let http10 = About { newest: false, ..NEWEST };
    let for_head = About { for_head: true, ..NEWEST };
    for (status, fields, about, after, expected) in [
        (200, &[][..], NEWEST, After::Next, "HTTP/1.1 200 OK\r\ncontent-length: 0\r\ndate: now\r\n\r\n"),
        (204, &[], NEWEST, After::Next, "HTTP/1.1 204 No Content\r\ndate: now\r\n\r\n"),
        (304, &[("content-length", "7")], NEWEST, After::Next, "HTTP/1.1 304 Not Modified\r\ndate: now\r\n\r\n"),
        (
            200,
            &[("content-length", "7")],
            for_head,
            After::Next,
            "HTTP/1.1 200 OK\r\ncontent-length: 7\r\ndate: now\r\n\r\n",
        ),
        (200, &[], for_head, After::Next, "HTTP/1.1 200 OK\r\ndate: now\r\n\r\n"),
        // Where the body ends is nobody else's to say.
        (
            200,
            &[("content-length", "7"), ("transfer-encoding", "chunked"), ("trailer", "x"), ("date", "then")],
            NEWEST,
            After::Next,
            "HTTP/1.1 200 OK\r\ndate: then\r\ncontent-length: 0\r\n\r\n",
        ),
        (
            404,
            &[],
            NEWEST,
            After::Close,
            "HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\nconnection: close\r\ndate: now\r\n\r\n",
        ),
        (
            200,
            &[],
            http10,
            After::Next,
            "HTTP/1.0 200 OK\r\ncontent-length: 0\r\nconnection: keep-alive\r\ndate: now\r\n\r\n",
        ),
        (
            599,
            &[],
            http10,
            After::Close,
            "HTTP/1.0 599 Unknown\r\ncontent-length: 0\r\nconnection: close\r\ndate: now\r\n\r\n",
        ),
        (
            101,
            &[("connection", "upgrade"), ("upgrade", "x")],
            NEWEST,
            After::Switch,
            "HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: x\r\ndate: now\r\n\r\n",
        ),
    ] {
        let (head, stays) = written(status, fields, about, after);
        assert_eq!((head.as_str(), stays), (expected, after));
    }
}

#[test]
fn an_answer_that_says_close_is_the_last() {
    let expected = "HTTP/1.1 400 Bad Request\r\nconnection: x, Close\r\ncontent-length: 0\r\ndate: now\r\n\r\n";
    let (head, after) = written(400, &[("connection", "x, Close")], NEWEST, After::Next);
    assert_eq!((head.as_str(), after), (expected, After::Close));
}
