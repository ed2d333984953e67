//! HTTP/1.1 byte by byte: a client that sends whatever it is given, and the strictest reading of what arrives at an
//! upstream. Nothing here repairs anything.

use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use hyper::HeaderMap;
use hyper::header::{HeaderName, HeaderValue};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::Answer;

/// A request that can be read in one way only.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    pub method: String,
    pub target: String,
    /// Names in lower case, in the order of arrival.
    pub fields: Vec<(String, String)>,
    pub body: Vec<u8>,
}

/// What bytes begin with.
#[derive(Debug, PartialEq, Eq)]
pub enum Reading {
    /// A request of so many bytes.
    Whole(Request, usize),
    /// The beginning of one, good so far.
    Partial,
    /// What two parsers could read differently, and why.
    Ambiguous(String),
}

impl Request {
    /// The field's value, if it is there once.
    pub fn field(&self, name: &str) -> Option<&str> {
        let mut values = self.fields.iter().filter(|(other, _)| other == name).map(|(_, value)| value.as_str());
        let first = values.next();
        if values.next().is_some() { None } else { first }
    }
}

/// Either more bytes are needed, or no more can help.
enum Stop {
    Short,
    Wrong(String),
}

type Step<T> = Result<T, Stop>;

fn wrong<T>(why: impl Into<String>) -> Step<T> {
    Err(Stop::Wrong(why.into()))
}

/// Read the request that `bytes` begin with, by the letter of RFC 9112 and stricter: no alternative spelling passes.
pub fn read_request(bytes: &[u8]) -> Reading {
    let mut rest = bytes;
    match request(&mut rest) {
        Ok(request) => Reading::Whole(request, bytes.len() - rest.len()),
        Err(Stop::Short) => Reading::Partial,
        Err(Stop::Wrong(why)) => Reading::Ambiguous(why),
    }
}

fn request(rest: &mut &[u8]) -> Step<Request> {
    let start = line(rest)?;
    let [method, target, "HTTP/1.1"] = start.split(' ').collect::<Vec<_>>()[..] else {
        return wrong(format!("request line {start:?}"));
    };
    if method.is_empty() || !method.bytes().all(is_token) {
        return wrong(format!("method {method:?}"));
    }
    if !target.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'#')
        || !(target.starts_with('/') || target == "*")
    {
        return wrong(format!("target {target:?}"));
    }
    let (method, target) = (method.to_owned(), target.to_owned());
    let fields = fields(rest)?;
    let all = |name: &str| fields.iter().filter(|(other, _)| other == name).map(|(_, v)| v.clone()).collect::<Vec<_>>();
    match all("host")[..] {
        [ref host] if !host.contains(['@', '/', ' ', ',']) => {}
        ref hosts => return wrong(format!("Host {hosts:?}")),
    }
    let body = match (&all("content-length")[..], &all("transfer-encoding")[..]) {
        ([], []) => Vec::new(),
        ([length], []) => match length.parse::<usize>() {
            // Neither sign nor leading zeros.
            Ok(number) if number.to_string() == *length => take(rest, number)?.to_vec(),
            _ => return wrong(format!("Content-Length {length:?}")),
        },
        ([], [coding]) if coding == "chunked" => chunked(rest)?,
        (lengths, codings) => return wrong(format!("Content-Length {lengths:?}, Transfer-Encoding {codings:?}")),
    };
    Ok(Request { method, target, fields, body })
}

/// Up to CRLF, which is taken, too.
fn line(rest: &mut &[u8]) -> Step<String> {
    let Some(end) = rest.iter().position(|byte| matches!(byte, b'\r' | b'\n')) else { return Err(Stop::Short) };
    match rest.get(end..end + 2) {
        Some(b"\r\n") => {}
        None if rest[end] == b'\r' => return Err(Stop::Short),
        _ => return wrong("a bare CR or LF"),
    }
    // What is no UTF-8 is good in values alone, whose bytes nobody here compares.
    let text = String::from_utf8_lossy(&rest[..end]).into_owned();
    *rest = &rest[end + 2..];
    Ok(text)
}

/// Up to the empty line, which is taken, too.
fn fields(rest: &mut &[u8]) -> Step<Vec<(String, String)>> {
    let mut fields = Vec::new();
    loop {
        let line = line(rest)?;
        if line.is_empty() {
            return Ok(fields);
        }
        let Some((name, value)) = line.split_once(':') else { return wrong(format!("no colon: {line:?}")) };
        if name.is_empty() || !name.bytes().all(is_token) {
            return wrong(format!("name {name:?}"));
        }
        if value.bytes().any(|byte| byte.is_ascii_control() && byte != b'\t') {
            return wrong(format!("value {value:?}"));
        }
        fields.push((name.to_ascii_lowercase(), value.trim_matches([' ', '\t']).to_owned()));
    }
}

fn chunked(rest: &mut &[u8]) -> Step<Vec<u8>> {
    let mut body = Vec::new();
    loop {
        let size = line(rest)?;
        let Some(length) = usize::from_str_radix(&size, 16).ok().filter(|_| !size.starts_with('+')) else {
            return wrong(format!("chunk size {size:?}"));
        };
        if length == 0 {
            let trailers = fields(rest)?;
            return match trailers.iter().find(|(name, _)| FRAMING.contains(&name.as_str())) {
                Some((name, _)) => wrong(format!("{name} in trailers")),
                None => Ok(body),
            };
        }
        body.extend_from_slice(take(rest, length)?);
        if !take(rest, 2)?.eq(b"\r\n") {
            return wrong("a chunk that does not end where it should");
        }
    }
}

/// What a trailer must never say (RFC 9110, section 6.5.1).
const FRAMING: [&str; 3] = ["content-length", "transfer-encoding", "host"];

fn take<'b>(rest: &mut &'b [u8], length: usize) -> Step<&'b [u8]> {
    let Some((taken, left)) = rest.split_at_checked(length) else { return Err(Stop::Short) };
    *rest = left;
    Ok(taken)
}

fn is_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}

/// A client's connection, raw.
pub struct Wire {
    stream: TcpStream,
    unread: Vec<u8>,
}

/// How a connection went on after the last answer that was waited for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum End {
    /// The other side closed it, in order or not.
    Closed,
    /// It was still open when the wait was over.
    Open,
    /// Something else came.
    More(String),
}

impl Wire {
    pub async fn connect(address: SocketAddr) -> Self {
        Self { stream: TcpStream::connect(address).await.unwrap(), unread: Vec::new() }
    }

    /// Whether it could be sent: the other side may have closed already.
    pub async fn send(&mut self, bytes: &[u8]) -> bool {
        self.stream.write_all(bytes).await.is_ok()
    }

    /// Say that nothing more will be sent.
    pub async fn finish(&mut self) {
        drop(self.stream.shutdown().await);
    }

    /// The next final answer, if a whole one comes within `limit`.
    pub async fn answer(&mut self, limit: Duration) -> Option<Answer> {
        timeout(limit, async {
            loop {
                let mut rest = &self.unread[..];
                if let Ok(answer) = response(&mut rest) {
                    self.unread = rest.to_vec();
                    if answer.status >= 200 {
                        return Some(answer);
                    }
                } else if !self.read().await {
                    return None;
                }
            }
        })
        .await
        .ok()
        .flatten()
    }

    /// Wait for the end, for at most `limit`.
    pub async fn end(&mut self, limit: Duration) -> End {
        let ended = timeout(limit, async { while self.unread.is_empty() && self.read().await {} }).await;
        if !self.unread.is_empty() {
            return End::More(String::from_utf8_lossy(&self.unread).into_owned());
        }
        if ended.is_ok() { End::Closed } else { End::Open }
    }

    /// Bytes that no answer was made of.
    pub fn unread(&self) -> &[u8] {
        &self.unread
    }

    pub async fn read(&mut self) -> bool {
        let mut piece = [0; 16 << 10];
        match self.stream.read(&mut piece).await {
            Ok(length) => {
                self.unread.extend_from_slice(&piece[..length]);
                length > 0
            }
            Err(_) => false,
        }
    }
}

fn response(rest: &mut &[u8]) -> Step<Answer> {
    let start = line(rest)?;
    let status = start.strip_prefix("HTTP/1.1 ").or_else(|| start.strip_prefix("HTTP/1.0 "));
    let Some(status) = status.and_then(|rest| rest.get(..3)).and_then(|status| status.parse().ok()) else {
        return wrong(format!("status line {start:?}"));
    };
    let mut headers = HeaderMap::new();
    for (name, value) in fields(rest)? {
        let name = HeaderName::from_bytes(name.as_bytes()).unwrap();
        headers.append(name, HeaderValue::from_bytes(value.as_bytes()).unwrap());
    }
    let body = if status < 200 || matches!(status, 204 | 304) {
        Vec::new()
    } else if headers.get("transfer-encoding").is_some_and(|coding| coding == "chunked") {
        chunked(rest)?
    } else {
        let length = headers.get("content-length").and_then(|length| length.to_str().ok()?.parse().ok());
        take(rest, length.unwrap_or(0))?.to_vec()
    };
    Ok(Answer { status, headers, body: Bytes::from(body) })
}
