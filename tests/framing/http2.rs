//! HTTP/2 requests that would become something else in HTTP/1.1, frame by frame (RFC 9113, section 8).

use tokio::time::timeout;

use super::{Bench, CODE, Judged, SOON, Want, got, lossy, requests};
use crate::harness::access::key;
use crate::harness::wire::Wire;

/// A request's fields, pseudo-header fields among them, and its body, if it has any.
struct Row {
    name: &'static str,
    fields: Vec<(Vec<u8>, Vec<u8>)>,
    body: Option<&'static str>,
    trailers: &'static [(&'static str, &'static str)],
    verdict: Verdict,
}

enum Verdict {
    /// By a reset stream, a closed connection or a status; the upstream gets nothing.
    Refused,
    /// As that, but the upstream may have got a beginning.
    BrokenOff,
    Forwarded(Want),
    Either(Want),
}

use Verdict::{BrokenOff, Either, Forwarded, Refused};

/// How the gateway answered a stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Response {
    Ok,
    Status(u16),
    /// RST_STREAM, GOAWAY or the end of the connection.
    Reset,
}

#[tokio::test]
async fn http2_is_refused_or_read_in_one_way() {
    let bench = Bench::start().await;
    let rows = rows();
    let mut faults = Vec::new();
    for row in &rows {
        if let Err(fault) = judge(&bench, row).await {
            let fields: Vec<_> = row.fields.iter().map(|(name, value)| (lossy(name), lossy(value))).collect();
            faults.push(format!("{}: {fault}\n    {fields:?}", row.name));
        }
        if let Err(fault) = bench.serves().await {
            faults.push(format!("{}, and after it: {fault}", row.name));
        }
    }
    assert!(faults.is_empty(), "{} faults in {} rows:\n{}", faults.len(), rows.len(), faults.join("\n"));
}

async fn judge(bench: &Bench, row: &Row) -> Judged {
    let (captured, accesses) = (bench.captured.mark(), bench.gateway.accesses());
    let mut wire = Wire::connect(bench.gateway.addresses[0]).await;
    wire.send(&row.frames()).await;
    let Ok(response) = timeout(SOON, response(&mut wire)).await else { return Err("no answer".to_owned()) };
    if let Response::Status(400..) = response {
        let line = bench.gateway.accessed_since(accesses, SOON, key::ERROR, CODE).await;
        line.ok_or_else(|| format!("{response:?}, and not in the access log"))?;
    }
    let captured = bench.captured.since(&captured);
    let refused = matches!(response, Response::Reset | Response::Status(400..500));
    match &row.verdict {
        Forwarded(want) | Either(want) if response == Response::Ok => want.is(&captured),
        Either(_) | Refused if refused => match &captured[..] {
            [] => Ok(()),
            [bytes, ..] => Err(format!("refused, and yet forwarded: {:?}", lossy(bytes))),
        },
        BrokenOff if refused => match requests(&captured)?.0 {
            whole if whole.is_empty() => Ok(()),
            whole => Err(format!("a broken body came to its end: {whole:?}")),
        },
        _ => {
            let got: Vec<_> = captured.iter().map(|bytes| lossy(bytes)).collect();
            Err(format!("{response:?}, and the upstream got {got:?}"))
        }
    }
}

fn rows() -> Vec<Row> {
    [good(), injections(), pseudo_fields(), framing(), connection_fields()].into_iter().flatten().collect()
}

fn good() -> Vec<Row> {
    vec![
        get("a plain GET", Forwarded(got("/row").for_host("a"))),
        get("Host instead of :authority", Forwarded(got("/row").for_host("a")))
            .replace(":authority", None)
            .and("host", "a"),
        post("a body", "hello", Forwarded(posted())),
        post("a body with its length", "hello", Forwarded(posted())).and("content-length", "5"),
        get("te: trailers", Forwarded(got("/row"))).and("te", "trailers"),
        // Put together again for HTTP/1.1 (section 8.2.3).
        get("cookies in pieces", Forwarded(got("/row").with("cookie", "a=1; b=2")))
            .and("cookie", "a=1")
            .and("cookie", "b=2"),
    ]
}

/// What would be a second line, or a second request, in HTTP/1.1 (section 8.2.1 and 10.3).
fn injections() -> Vec<Row> {
    const REQUEST: &str = "/row HTTP/1.1\r\nhost: a\r\n\r\nGET /smuggled HTTP/1.1\r\nhost: a\r\n\r\n";
    vec![
        get("a request in :path", Refused).replace(":path", Some(REQUEST)),
        get("a space in :path", Refused).replace(":path", Some("/row HTTP/1.1")),
        get("LF in :path", Refused).replace(":path", Some("/row\nx: y")),
        get("NUL in :path", Refused).replace(":path", Some("/row\0")),
        get("a fragment in :path", Either(got("/row"))).replace(":path", Some("/row#part")),
        get("a request in :method", Refused).replace(":method", Some("GET /smuggled HTTP/1.1\r\nx: ")),
        get("a space in :method", Refused).replace(":method", Some("GET /smuggled")),
        get("a field in :authority", Refused).replace(":authority", Some("a\r\nx: y")),
        get("a space in :authority", Refused).replace(":authority", Some("a b")),
        get("a path in :authority", Refused).replace(":authority", Some("a/b")),
        get("a user in :authority", Refused).replace(":authority", Some("u@a")),
        get("a field in :scheme", Refused).replace(":scheme", Some("http\r\nx: y")),
        get("a field in a value", Refused).and("x-a", "b\r\ntransfer-encoding: chunked"),
        get("LF in a value", Refused).and("x-a", "b\ntransfer-encoding: chunked"),
        get("CR in a value", Refused).and("x-a", "b\rtransfer-encoding: chunked"),
        get("NUL in a value", Refused).and("x-a", "b\0c"),
        get("a field in a name", Refused).and("x-a: b\r\ntransfer-encoding", "chunked"),
        get("a colon in a name", Refused).and("x-a:b", "c"),
        get("a space in a name", Refused).and("x-a ", "b"),
        get("LF in a name", Refused).and("x-a\n", "b"),
        get("an empty name", Refused).and("", "b"),
        get("a name in capitals", Refused).and("X-A", "b"),
        get("framing in capitals", Refused).and("Transfer-Encoding", "chunked"),
    ]
}

/// Section 8.3.
fn pseudo_fields() -> Vec<Row> {
    vec![
        get("no :method", Refused).replace(":method", None),
        get("no :path", Refused).replace(":path", None),
        get("no :scheme", Refused).replace(":scheme", None),
        get("neither :authority nor Host", Refused).replace(":authority", None),
        get("an empty :path", Refused).replace(":path", Some("")),
        get("a :path without its slash", Refused).replace(":path", Some("row")),
        get("an absolute :path", Refused).replace(":path", Some("http://b/row")),
        get("* for GET", Refused).replace(":path", Some("*")),
        get("an empty :authority", Either(got("/row"))).replace(":authority", Some("")),
        get("two :method", Refused).first(":method", "POST"),
        get("two :path", Refused).first(":path", "/smuggled"),
        get("two :authority", Refused).first(":authority", "b"),
        get("two :scheme", Refused).first(":scheme", "http"),
        get("an unknown one", Refused).first(":x", "y"),
        get("one of responses", Refused).first(":status", "200"),
        get("one behind a field", Refused).and("x-a", "b").and(":path", "/smuggled"),
        get("an unasked extended CONNECT", Refused).replace(":method", Some("CONNECT")).first(":protocol", "websocket"),
        get("CONNECT with a path", Refused).replace(":method", Some("CONNECT")),
        get("another Host than :authority", Either(got("/row").for_host("a"))).and("host", "b"),
        get("two Hosts", Refused).replace(":authority", None).and("host", "a").and("host", "b"),
        get("another scheme", Refused).replace(":scheme", Some("ftp")),
    ]
}

/// Section 8.1.1.
fn framing() -> Vec<Row> {
    vec![
        post("a length that says more", "hello", BrokenOff).and("content-length", "6"),
        post("a length that says less", "hello", BrokenOff).and("content-length", "4"),
        post("a length of zero before a body", "hello", BrokenOff).and("content-length", "0"),
        post("a length that is none", "hello", BrokenOff).and("content-length", "+5"),
        post("a list of lengths", "hello", BrokenOff).and("content-length", "5, 6"),
        post("two lengths", "hello", BrokenOff).and("content-length", "5").and("content-length", "6"),
        get("a length without a body", BrokenOff).and("content-length", "5"),
        // Malformed; but the h2 crate takes the field away before anybody could see it.
        post("a pseudo-header field in trailers", "hello", Either(posted())).trailing(&[(":path", "/smuggled")]),
        post("framing in trailers", "hello", Either(posted())).trailing(&[("content-length", "99")]),
        post("a field in a trailer's value", "hello", BrokenOff).trailing(&[("x-a", "b\r\nc: d")]),
    ]
}

/// Section 8.2.2.
fn connection_fields() -> Vec<Row> {
    vec![
        post("transfer-encoding", "0\r\n\r\nGET /smuggled HTTP/1.1\r\n\r\n", Refused)
            .and("transfer-encoding", "chunked"),
        get("connection", Refused).and("connection", "close"),
        get("keep-alive", Refused).and("keep-alive", "timeout=5"),
        get("proxy-connection", Refused).and("proxy-connection", "keep-alive"),
        get("upgrade", Refused).and("upgrade", "websocket"),
        get("te: gzip", Refused).and("te", "gzip"),
    ]
}

fn posted() -> Want {
    super::posted("hello")
}

fn get(name: &'static str, verdict: Verdict) -> Row {
    let fields = [(":method", "GET"), (":scheme", "http"), (":path", "/row"), (":authority", "a")];
    let fields = fields.map(|(name, value)| (name.into(), value.into())).to_vec();
    Row { name, fields, body: None, trailers: &[], verdict }
}

fn post(name: &'static str, body: &'static str, verdict: Verdict) -> Row {
    Row { body: Some(body), ..get(name, verdict).replace(":method", Some("POST")) }
}

impl Row {
    /// Another value, or none.
    fn replace(mut self, name: &str, value: Option<&str>) -> Self {
        self.fields.retain(|(other, _)| other != name.as_bytes());
        match value {
            Some(value) => self.first(name, value),
            None => self,
        }
    }

    /// One more field before all others.
    fn first(mut self, name: &str, value: &str) -> Self {
        self.fields.insert(0, (name.into(), value.into()));
        self
    }

    /// One more field behind all others.
    fn and(mut self, name: &str, value: &str) -> Self {
        self.fields.push((name.into(), value.into()));
        self
    }

    fn trailing(self, trailers: &'static [(&'static str, &'static str)]) -> Self {
        Self { trailers, ..self }
    }

    /// Preface, settings, and the request on stream 1.
    fn frames(&self) -> Vec<u8> {
        let mut bytes = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec();
        bytes.extend(frame(SETTINGS, 0, 0, &[]));
        let ends = |last: bool| if last { END_STREAM } else { 0 };
        let head = self.fields.iter().flat_map(|(name, value)| literal(name, value)).collect::<Vec<_>>();
        bytes.extend(frame(HEADERS, END_HEADERS | ends(self.body.is_none()), 1, &head));
        if let Some(body) = self.body {
            bytes.extend(frame(DATA, ends(self.trailers.is_empty()), 1, body.as_bytes()));
        }
        if !self.trailers.is_empty() {
            let fields = self.trailers.iter().flat_map(|(name, value)| literal(name.as_bytes(), value.as_bytes()));
            bytes.extend(frame(HEADERS, END_HEADERS | END_STREAM, 1, &fields.collect::<Vec<_>>()));
        }
        bytes
    }
}

// Frame types and flags (section 6).
const DATA: u8 = 0;
const HEADERS: u8 = 1;
const RST_STREAM: u8 = 3;
const SETTINGS: u8 = 4;
const GOAWAY: u8 = 7;
const END_STREAM: u8 = 1;
const END_HEADERS: u8 = 4;

fn frame(kind: u8, flags: u8, stream: u8, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
    [&length[1..], &[kind, flags, 0, 0, 0, stream], payload].concat()
}

/// A field as it is, without Huffman coding or indexing (RFC 7541, section 6.2.2).
fn literal(name: &[u8], value: &[u8]) -> Vec<u8> {
    // Seven bits hold a length below 127.
    let text = |text: &[u8]| [&[u8::try_from(text.len()).ok().filter(|length| *length < 127).unwrap()], text].concat();
    [vec![0], text(name), text(value)].concat()
}

/// What becomes of stream 1.
async fn response(wire: &mut Wire) -> Response {
    let mut at = 0;
    loop {
        let unread = &wire.unread()[at..];
        let length = unread.first_chunk::<3>().map(|[a, b, c]| u32::from_be_bytes([0, *a, *b, *c]) as usize);
        match length {
            Some(length) if unread.len() >= 9 + length => {
                match (unread[3], &unread[9..9 + length]) {
                    (HEADERS, head) => return status(head),
                    (RST_STREAM | GOAWAY, _) => return Response::Reset,
                    _ => {}
                }
                at += 9 + length;
            }
            _ => {
                if !wire.read().await {
                    return Response::Reset;
                }
            }
        }
    }
}

/// `:status` comes first: from the static table, or as a literal whose first digit says enough.
fn status(head: &[u8]) -> Response {
    const STATIC: [u16; 7] = [200, 204, 206, 304, 400, 404, 500];
    // A change of the table's size may come before it.
    let head = &head[head.iter().position(|byte| byte & 0xe0 != 0x20).unwrap_or(0)..];
    match head {
        [0x88, ..] => Response::Ok,
        [byte @ 0x89..=0x8e, ..] => Response::Status(STATIC[usize::from(byte - 0x88)]),
        // 6 bits are a digit's Huffman code (RFC 7541, appendix B).
        [_, 0x80..=0x83, code, ..] => Response::Status(u16::from(code >> 2) % 0x16 * 100),
        [_, _, digit, ..] => Response::Status(u16::from(digit.wrapping_sub(b'0')) * 100),
        _ => Response::Reset,
    }
}
