//! Heads of HTTP/1: a request's as it is written, an answer's as it is read (RFC 9112, sections 3 to 6).

use std::mem::MaybeUninit;
use std::sync::LazyLock;

use bytes::{Bytes, BytesMut};
use http::header::{CONNECTION, CONTENT_LENGTH, TRANSFER_ENCODING};
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode};
use httparse::{ParserConfig, Response, Status};
use memchr::memmem::Finder;

use super::framing::Framing;
use super::{Fault, outgoing};
use crate::host::exchange::ResponseHead;
use crate::limits;
use crate::proxy::forward::Onward;

/// What the answer depends on.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) enum Asked {
    #[default]
    ForAll,
    /// HEAD: for all but a body.
    ForHead,
    /// To switch protocols.
    ToSwitch,
}

impl Asked {
    pub(super) fn by(request: &Onward<'_>) -> Self {
        if request.upgrade.is_some() {
            Self::ToSwitch
        } else if *request.method == Method::HEAD {
            Self::ForHead
        } else {
            Self::ForAll
        }
    }
}

/// Append the head of `request`, whose body ends as `framing` says.
pub(super) fn write(out: &mut Vec<u8>, request: &Onward<'_>, framing: outgoing::Framing) {
    out.extend_from_slice(request.method.as_str().as_bytes());
    out.push(b' ');
    out.extend_from_slice(request.target.as_str().as_bytes());
    out.extend_from_slice(b" HTTP/1.1\r\n");
    // Where the body ends is said once, below.
    let mut had_length = false;
    request.each_field(|name, value| match *name {
        CONTENT_LENGTH => had_length = true,
        TRANSFER_ENCODING => {}
        _ => write_field(out, name, value),
    });
    if let Some(protocol) = request.upgrade {
        out.extend_from_slice(b"connection: upgrade\r\n");
        write_field(out, &http::header::UPGRADE, protocol.as_bytes());
    }
    match framing {
        outgoing::Framing::Chunked => out.extend_from_slice(b"transfer-encoding: chunked\r\n"),
        outgoing::Framing::Length(length) => write_length(out, length),
        outgoing::Framing::Over if had_length => write_length(out, 0),
        // A target is sent nothing that ends with its connection: it is told how long it is, or gets chunks.
        outgoing::Framing::Over | outgoing::Framing::UntilClosed => {}
    }
    out.extend_from_slice(b"\r\n");
}

/// Append one field.
pub(in crate::proxy) fn write_field(out: &mut Vec<u8>, name: &HeaderName, value: &[u8]) {
    out.extend_from_slice(name.as_str().as_bytes());
    out.extend_from_slice(b": ");
    out.extend_from_slice(value);
    out.extend_from_slice(b"\r\n");
}

/// Append a body's length.
pub(in crate::proxy) fn write_length(out: &mut Vec<u8>, length: u64) {
    out.extend_from_slice(b"content-length: ");
    decimal(length, |digits| out.extend_from_slice(digits));
    out.extend_from_slice(b"\r\n");
}

/// Show `number` in digits to `use_it`; `write!` costs ten times as much.
pub(in crate::proxy) fn decimal(mut number: u64, use_it: impl FnOnce(&[u8])) {
    let mut digits = [b'0'; 20];
    let mut first = digits.len();
    for digit in digits.iter_mut().rev() {
        *digit = b'0' + (number % 10) as u8;
        number /= 10;
        first -= 1;
        if number == 0 {
            break;
        }
    }
    use_it(digits.get(first..).unwrap_or_default());
}

/// An answer's head, where its body ends, and whether the connection can be used again.
type Parsed = (ResponseHead, Framing, bool);

/// How far the search for an answer's head has come.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Search {
    /// So many bytes hold no end.
    looked_at: usize,
    /// Interim answers so far.
    interim: usize,
}

/// Take the head of an answer off the front of what was read; `None` as long as it is not whole. Interim answers are
/// skipped: the final one says all that matters (RFC 9110, section 15.2).
pub(super) fn parse(
    read: &mut BytesMut,
    search: &mut Search,
    most: usize,
    asked: Asked,
) -> Result<Option<Parsed>, Fault> {
    loop {
        let beginning = read.get(..BEGINNING.len().min(read.len())).unwrap_or_default();
        if !BEGINNING.starts_with(beginning) {
            return Err(no_http(read));
        }
        let Some(length) = likely_end(read, search.looked_at).or_else(|| end(read, search.looked_at)) else {
            // An end may have begun in the last two bytes.
            search.looked_at = read.len().saturating_sub(2);
            return if read.len() >= most { Err(Fault::HeadTooLarge(read.len())) } else { Ok(None) };
        };
        search.looked_at = 0;
        let block = read.split_to(length).freeze();
        let (parsed, length) = parse_whole(&block, asked)?;
        if length < block.len() {
            // It ends before that, by bare LFs.
            let behind = block.get(length..).unwrap_or_default();
            *read = [behind, &**read].concat().as_slice().into();
        }
        if length > most {
            return Err(Fault::HeadTooLarge(length));
        }
        let status = parsed.0.status;
        if !status.is_informational() || status == StatusCode::SWITCHING_PROTOCOLS && asked == Asked::ToSwitch {
            return Ok(Some(parsed));
        }
        if status == StatusCode::SWITCHING_PROTOCOLS {
            return Err(Fault::Misread("101 Switching Protocols is no answer to this request".to_owned()));
        }
        search.interim += 1;
        if search.interim > limits::INTERIM_ANSWERS {
            return Err(Fault::Misread(format!("more than {} interim answers", limits::INTERIM_ANSWERS)));
        }
    }
}

const BEGINNING: &[u8] = b"HTTP/1.";

fn no_http(read: &[u8]) -> Fault {
    let shown = read.get(..read.len().min(32)).unwrap_or_default();
    Fault::Misread(format!("it begins with \"{}\", which is no HTTP/1", shown.escape_ascii()))
}

/// The length of the head, if it is whole: up to the first empty line, which begins at or behind `from`.
pub(in crate::proxy) fn end(read: &[u8], from: usize) -> Option<usize> {
    memchr::memchr_iter(b'\n', read.get(from..)?).find_map(|at| match read.get(from + at + 1..)? {
        [b'\n', ..] => Some(from + at + 2),
        [b'\r', b'\n', ..] => Some(from + at + 3),
        _ => None,
    })
}

/// The same, if it ends as nearly all do: that is found in less time. It may end before that, too.
fn likely_end(read: &[u8], from: usize) -> Option<usize> {
    static END: LazyLock<Finder<'static>> = LazyLock::new(|| Finder::new(b"\r\n\r\n"));
    let from = from.saturating_sub(1);
    END.find(read.get(from..)?).map(|at| from + at + 4)
}

/// The head that `block` begins with, and how long it is.
fn parse_whole(block: &Bytes, asked: Asked) -> Result<(Parsed, usize), Fault> {
    let mut fields = [const { MaybeUninit::uninit() }; limits::HEADERS];
    let mut response = Response::new(&mut []);
    let parsed = ParserConfig::default().parse_response_with_uninit_headers(&mut response, block, &mut fields);
    let length = match parsed {
        Ok(Status::Complete(length)) => length,
        Ok(Status::Partial) => return Err(Fault::Misread("its head has no end".to_owned())),
        Err(httparse::Error::TooManyHeaders) => return Err(Fault::TooManyFields(limits::HEADERS)),
        Err(error) => return Err(Fault::Misread(error.to_string())),
    };
    let code = response.code.unwrap_or_default();
    let status = StatusCode::from_u16(code).ok().filter(|_| code < 600);
    let status = status.ok_or_else(|| Fault::Misread(format!("{code} is no answer to this request")))?;

    let mut headers = HeaderMap::with_capacity(response.headers.len());
    let mut about = About { newest: response.version == Some(1), ..About::default() };
    for field in &*response.headers {
        let name = HeaderName::from_bytes(field.name.as_bytes()).ok();
        let value = HeaderValue::from_maybe_shared(block.slice_ref(field.value)).ok();
        let (Some(name), Some(value)) = (name, value) else {
            return Err(Fault::Misread(format!("\"{}\" is no header field", field.name)));
        };
        if about.note(&name, &value) == Noted::InFull {
            continue;
        }
        headers.append(name, value);
    }
    let framing = framing(&mut headers, status, asked, about)?;
    let persistent = framing != Framing::UntilClosed && about.is_persistent();
    Ok(((ResponseHead { status, headers }, framing, persistent), length))
}

/// What a head says of its framing and its connection, noted as its fields come by: looking for them costs more.
#[derive(Debug, Clone, Copy, Default)]
struct About {
    /// HTTP/1.1.
    newest: bool,
    coding: bool,
    length: bool,
    /// What it is, if it was said once and in nothing but digits, as it nearly always is.
    plain_length: Option<u64>,
    close: bool,
    keep_alive: bool,
}

/// Whether a field has more to say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Noted {
    InFull,
    InPart,
}

impl About {
    fn note(&mut self, name: &HeaderName, value: &HeaderValue) -> Noted {
        self.coding |= *name == TRANSFER_ENCODING;
        if *name == CONTENT_LENGTH {
            self.plain_length = if self.length { None } else { plain_number(value.as_bytes()) };
            self.length = true;
        }
        if *name != CONNECTION {
            return Noted::InPart;
        }
        let mut noted = Noted::InFull;
        for option in value.as_bytes().split(|byte| *byte == b',').map(<[u8]>::trim_ascii) {
            if option.eq_ignore_ascii_case(b"close") {
                self.close = true;
            } else if option.eq_ignore_ascii_case(b"keep-alive") {
                self.keep_alive = true;
            } else {
                // Other fields that are for this hop alone.
                noted = Noted::InPart;
            }
        }
        noted
    }

    /// RFC 9112, section 9.3. An answer of both framings may be somebody's smuggling, so nothing is read behind it.
    fn is_persistent(self) -> bool {
        let both = self.coding && self.length;
        !(self.close || both) && (self.newest || self.keep_alive)
    }
}

/// RFC 9112, section 6.3.
fn framing(headers: &mut HeaderMap, status: StatusCode, asked: Asked, about: About) -> Result<Framing, Fault> {
    let chunked = about.coding && is_chunked(headers, about)?;
    let length = match about.plain_length {
        None if about.length => length(headers)?,
        plain => plain,
    };
    let no_body = asked == Asked::ForHead
        || status.is_informational()
        || [StatusCode::NO_CONTENT, StatusCode::NOT_MODIFIED].contains(&status);
    Ok(match length {
        _ if no_body => Framing::Over,
        _ if chunked => Framing::CHUNKED,
        Some(length) => Framing::Length(length),
        None => Framing::UntilClosed,
    })
}

fn is_chunked(headers: &HeaderMap, about: About) -> Result<bool, Fault> {
    let mut codings = headers.get_all(TRANSFER_ENCODING).iter();
    Err(Fault::Misread(match (codings.next(), codings.next()) {
        (None, _) => return Ok(false),
        (Some(coding), None) if about.newest && coding.as_bytes().eq_ignore_ascii_case(b"chunked") => return Ok(true),
        (Some(coding), None) if about.newest => {
            format!("transfer-encoding {coding:?}, of which only \"chunked\" is understood")
        }
        (Some(_), None) => "HTTP/1.0 has no transfer-encoding".to_owned(),
        (Some(_), Some(_)) => "more than one transfer-encoding".to_owned(),
    }))
}

/// A number that cannot overflow.
fn plain_number(digits: &[u8]) -> Option<u64> {
    const DIGITS: usize = 19;
    if digits.is_empty() || digits.len() > DIGITS {
        return None;
    }
    digits.iter().try_fold(0, |number, digit| digit.is_ascii_digit().then(|| number * 10 + u64::from(digit - b'0')))
}

/// The answer's length, if it says one. Several that are equal become one: clients need not take a list for it (RFC
/// 9110, section 8.6).
fn length(headers: &mut HeaderMap) -> Result<Option<u64>, Fault> {
    let mut said = None;
    let mut plain = true;
    for value in headers.get_all(CONTENT_LENGTH) {
        for number in value.as_bytes().split(|byte| *byte == b',') {
            let number = number.trim_ascii();
            let digits = str::from_utf8(number).ok().filter(|_| number.iter().all(u8::is_ascii_digit));
            let Some(length) = digits.and_then(|digits| digits.parse::<u64>().ok()) else {
                return Err(Fault::Misread(format!("content-length {value:?}")));
            };
            match said {
                Some(before) if before != length => {
                    return Err(Fault::Misread(format!("content-lengths {before} and {length}")));
                }
                Some(_) => plain = false,
                None => said = Some(length),
            }
        }
    }
    if let (Some(length), false) = (said, plain) {
        headers.insert(CONTENT_LENGTH, HeaderValue::from(length));
    }
    Ok(said)
}

#[cfg(test)]
mod tests;
