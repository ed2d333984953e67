//! A request's head, read off what came (RFC 9112, sections 2 to 6). What cannot be read, or could be read in two ways
//! as far as that decides where the request ends, is refused here; all else that a head may say is `intake`'s to judge.

use std::mem::MaybeUninit;

use bytes::Bytes;
use http::header::{
    CONNECTION, CONTENT_LENGTH, EXPECT, HeaderMap, HeaderName, HeaderValue, TE, TRANSFER_ENCODING, UPGRADE,
};
use http::{Method, Request, Uri, Version, request};
use httparse::{Header, ParserConfig, Status};

use crate::config::checked::ClientLimits;
use crate::error::{Cause, Failure};
use crate::limits;
use crate::proxy::http1::framing::Framing;

/// A request as its head has it.
pub(super) struct Asked {
    pub(super) head: request::Parts,
    pub(super) about: About,
    /// Where its body ends.
    pub(super) framing: Framing,
}

impl Default for Asked {
    fn default() -> Self {
        Self { head: Request::new(()).into_parts().0, about: About::default(), framing: Framing::Over }
    }
}

/// What a head says of its connection and of the answer it wants, noted as its fields come by: looking for them costs
/// more.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct About {
    /// HTTP/1.1.
    pub(super) newest: bool,
    /// HEAD.
    pub(super) for_head: bool,
    /// The client keeps the connection open for another request.
    pub(super) persistent: bool,
    /// It waits to be told to go on before it sends the body.
    pub(super) expects: bool,
    /// It may want to speak something else.
    pub(super) upgrade: bool,
    /// It takes trailers.
    pub(super) trailers: bool,
}

/// Read the head that `block` begins with into `asked`, and tell how long it is; `None` as long as it is not whole.
pub(super) fn parse(block: &Bytes, limits: &ClientLimits, asked: &mut Option<Asked>) -> Result<Option<usize>, Failure> {
    let mut few = [const { MaybeUninit::uninit() }; limits::HEADERS];
    let mut many = Vec::new();
    let fields = match few.get_mut(..limits.headers) {
        Some(fields) => fields,
        None => {
            many.resize_with(limits.headers, MaybeUninit::uninit);
            &mut many[..]
        }
    };
    let mut request = httparse::Request::new(&mut []);
    let length = match ParserConfig::default().parse_request_with_uninit_headers(&mut request, block, fields) {
        Ok(Status::Complete(length)) if length <= limits.header_bytes => length,
        Ok(Status::Partial) if block.len() < limits.header_bytes => return Ok(None),
        Ok(_) | Err(httparse::Error::TooManyHeaders) => return Err(too_large(limits)),
        Err(error) => return Err(invalid(&error)),
    };
    whole(block, &request, asked.insert(Asked::default())).map(|()| Some(length))
}

fn too_large(limits: &ClientLimits) -> Failure {
    let (bytes, fields) = (limits.header_bytes, limits.headers);
    let detail = format!("larger than `header_bytes` ({bytes}), or more fields than `headers` ({fields})");
    Failure::new(Cause::HeaderTooLarge, detail)
}

fn invalid(problem: &dyn std::fmt::Display) -> Failure {
    Failure::new(Cause::RequestInvalid, format!("the head cannot be read: {problem}"))
}

fn whole(block: &Bytes, request: &httparse::Request<'_, '_>, asked: &mut Asked) -> Result<(), Failure> {
    let head = &mut asked.head;
    head.method = Method::from_bytes(request.method.unwrap_or_default().as_bytes()).map_err(|error| invalid(&error))?;
    let target = request.path.unwrap_or_default();
    if target.len() > TARGET_BYTES {
        let detail = format!("its target has {} bytes, and {TARGET_BYTES} are the most that can be read", target.len());
        return Err(Failure::new(Cause::UriTooLong, detail));
    }
    head.uri = Uri::from_maybe_shared(block.slice_ref(target.as_bytes())).map_err(|error| invalid(&error))?;
    let newest = request.version == Some(1);
    let mut noted = Noted::new(newest);
    head.version = if newest { Version::HTTP_11 } else { Version::HTTP_10 };
    head.headers = HeaderMap::with_capacity(request.headers.len());
    for field in &*request.headers {
        let (name, value) = read(block, field)?;
        if noted.note(&name, &value, &mut head.headers)? == Kept::Yes {
            head.headers.append(name, value);
        }
    }
    (asked.about, asked.framing) = noted.settle()?;
    asked.about.for_head = head.method == Method::HEAD;
    Ok(())
}

/// All that an address is made for.
const TARGET_BYTES: usize = u16::MAX as usize - 1;

fn read(block: &Bytes, field: &Header<'_>) -> Result<(HeaderName, HeaderValue), Failure> {
    let name = HeaderName::from_bytes(field.name.as_bytes()).map_err(|error| invalid(&error))?;
    let value = HeaderValue::from_maybe_shared(block.slice_ref(field.value)).map_err(|error| invalid(&error))?;
    Ok((name, value))
}

/// What the fields so far say.
struct Noted {
    about: About,
    coding: Coding,
    /// There is a length, be it one that counts or not.
    length_said: bool,
    length: Option<u64>,
    close: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Coding {
    None,
    Chunked,
    /// The last word on it is not that it is chunked.
    Other,
}

/// Whether a field goes into the head.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kept {
    Yes,
    No,
}

impl Noted {
    fn new(newest: bool) -> Self {
        let about = About { newest, persistent: newest, ..About::default() };
        Self { about, coding: Coding::None, length_said: false, length: None, close: false }
    }

    fn note(&mut self, name: &HeaderName, value: &HeaderValue, headers: &mut HeaderMap) -> Result<Kept, Failure> {
        match *name {
            TRANSFER_ENCODING => self.coding(value, headers)?,
            CONTENT_LENGTH => return self.length(value),
            CONNECTION => self.connection(value),
            EXPECT => self.about.expects = value.as_bytes().eq_ignore_ascii_case(b"100-continue"),
            UPGRADE => self.about.upgrade = self.about.newest,
            TE => self.about.trailers |= has(value, "trailers"),
            _ => {}
        }
        Ok(Kept::Yes)
    }

    /// What is chunked has no length, whatever it says (RFC 9112, section 6.3).
    fn coding(&mut self, value: &HeaderValue, headers: &mut HeaderMap) -> Result<(), Failure> {
        if !self.about.newest {
            return Err(invalid(&"HTTP/1.0 has no transfer-encoding"));
        }
        if self.length.take().is_some() {
            headers.remove(CONTENT_LENGTH);
        }
        let last = value.as_bytes().rsplit(|byte| *byte == b',').next().unwrap_or_default();
        let chunked = last.trim_ascii().eq_ignore_ascii_case(b"chunked");
        self.coding = if chunked { Coding::Chunked } else { Coding::Other };
        Ok(())
    }

    fn length(&mut self, value: &HeaderValue) -> Result<Kept, Failure> {
        self.length_said = true;
        if self.coding != Coding::None {
            return Ok(Kept::No);
        }
        let digits = value.to_str().ok().filter(|digits| digits.bytes().all(|byte| byte.is_ascii_digit()));
        let length = digits.and_then(|digits| digits.parse().ok());
        let length: u64 = length.ok_or_else(|| invalid(&format_args!("content-length {value:?}")))?;
        match self.length {
            Some(before) if before != length => Err(invalid(&format_args!("content-lengths {before} and {length}"))),
            // Once is enough.
            Some(_) => Ok(Kept::No),
            None if length > LENGTH_MAX => {
                Err(Failure::new(Cause::HeaderTooLarge, format!("content-length {length} is more than can be counted")))
            }
            None => {
                self.length = Some(length);
                Ok(Kept::Yes)
            }
        }
    }

    /// RFC 9112, section 9.3. Once there is "close", nothing undoes it.
    fn connection(&mut self, value: &HeaderValue) {
        self.close |= has(value, "close");
        self.about.persistent |= has(value, "keep-alive");
    }

    fn settle(mut self) -> Result<(About, Framing), Failure> {
        // A request of both framings may be somebody's smuggling, so nothing is read behind it (section 6.1).
        let both = self.coding != Coding::None && self.length_said;
        self.about.persistent &= !(self.close || both);
        let framing = match (self.coding, self.length) {
            (Coding::Other, _) => return Err(invalid(&"its transfer-encoding does not end in \"chunked\"")),
            (Coding::Chunked, _) => Framing::CHUNKED,
            (Coding::None, Some(length @ 1..)) => Framing::Length(length),
            (Coding::None, _) => Framing::Over,
        };
        // A client of HTTP/1.0 does not know what to go on means.
        self.about.expects &= self.about.newest && framing != Framing::Over;
        Ok((self.about, framing))
    }
}

/// The two lengths above it stand for something else in some implementations.
const LENGTH_MAX: u64 = u64::MAX - 2;

/// Whether a list has this element.
fn has(list: &HeaderValue, element: &str) -> bool {
    list.as_bytes().split(|byte| *byte == b',').any(|item| item.trim_ascii().eq_ignore_ascii_case(element.as_bytes()))
}

#[cfg(test)]
mod tests;
