//! Where a body ends that a peer sends, and the way there (RFC 9112, sections 6 and 7). What could be read in two ways is
//! not read at all.

use bytes::{Buf, Bytes, BytesMut};
use http::{HeaderMap, HeaderName, HeaderValue};
use httparse::{EMPTY_HEADER, Status, parse_headers};
use hyper::body::{Frame, SizeHint};

use super::Fault;
use crate::limits;

/// What is left of a body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::proxy) enum Framing {
    /// Nothing.
    Over,
    /// So many bytes.
    Length(u64),
    Chunked(Chunks),
    /// All that comes before the connection is closed.
    UntilClosed,
}

/// A chunked body that goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::proxy) struct Chunks {
    at: Chunk,
    /// Bytes of extensions so far: one per byte of the body would be a way to keep the gateway busy.
    extensions: usize,
}

/// Where in a chunked body it goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Chunk {
    /// At a chunk's size.
    Size,
    /// Within a chunk, of which so many bytes are left.
    Bytes(u64),
    /// At the line's end behind a chunk.
    End,
    /// Behind the last chunk.
    Trailers,
}

/// What there is.
#[derive(Debug)]
pub(in crate::proxy) enum Step {
    /// A piece of the body.
    Frame(Frame<Bytes>),
    /// Its end.
    End,
    /// More has to come first.
    More,
}

impl Framing {
    /// A chunked body from its first byte on.
    pub(in crate::proxy) const CHUNKED: Self = Self::Chunked(Chunks { at: Chunk::Size, extensions: 0 });

    pub(in crate::proxy) fn is_over(self) -> bool {
        matches!(self, Self::Over | Self::Length(0))
    }

    pub(in crate::proxy) fn ends_with_the_connection(self) -> bool {
        self == Self::UntilClosed
    }

    pub(in crate::proxy) fn size_hint(self) -> SizeHint {
        match self {
            Self::Over => SizeHint::with_exact(0),
            Self::Length(left) => SizeHint::with_exact(left),
            Self::Chunked(_) | Self::UntilClosed => SizeHint::default(),
        }
    }

    /// The next step, taken off the front of what was read.
    pub(in crate::proxy) fn decode(&mut self, read: &mut BytesMut) -> Result<Step, Fault> {
        match self {
            Self::Over | Self::Length(0) => Ok(Step::End),
            _ if read.is_empty() => Ok(Step::More),
            Self::Length(left) => Ok(piece(read, left)),
            Self::UntilClosed => Ok(Step::Frame(Frame::data(read.split().freeze()))),
            Self::Chunked(chunks) => {
                let step = chunks.decode(read)?;
                if matches!(&step, Step::End) || matches!(&step, Step::Frame(frame) if frame.is_trailers()) {
                    *self = Self::Over;
                } else if chunks.at == Chunk::End && read.starts_with(b"\r\n0\r\n\r\n") {
                    // Knowing that it was the last piece saves whoever passes it on from asking again.
                    read.advance(7);
                    *self = Self::Over;
                }
                Ok(step)
            }
        }
    }
}

/// As much as there is of `left` bytes.
fn piece(read: &mut BytesMut, left: &mut u64) -> Step {
    let length = usize::try_from(*left).unwrap_or(usize::MAX).min(read.len());
    *left -= length as u64;
    Step::Frame(Frame::data(read.split_to(length).freeze()))
}

impl Chunks {
    fn decode(&mut self, read: &mut BytesMut) -> Result<Step, Fault> {
        loop {
            match &mut self.at {
                Chunk::Size => {
                    let Some((size, extensions)) = size(read)? else { return Ok(Step::More) };
                    self.extensions += extensions;
                    if self.extensions > limits::CHUNK_EXTENSION_BYTES {
                        return Err(Fault::Misread("the extensions of its chunks are too large".to_owned()));
                    }
                    self.at = if size == 0 { Chunk::Trailers } else { Chunk::Bytes(size) };
                }
                Chunk::Bytes(_) if read.is_empty() => return Ok(Step::More),
                Chunk::Bytes(left) => {
                    let step = piece(read, left);
                    if *left == 0 {
                        self.at = Chunk::End;
                    }
                    return Ok(step);
                }
                Chunk::End => {
                    match read.get(..2) {
                        Some(b"\r\n") => read.advance(2),
                        None if read.is_empty() || read.starts_with(b"\r") => return Ok(Step::More),
                        _ => return Err(Fault::Misread("a chunk is longer than its size says".to_owned())),
                    }
                    self.at = Chunk::Size;
                }
                Chunk::Trailers => return trailers(read),
            }
        }
    }
}

/// The size of the chunk that begins here, and how long its extensions are, which are left out; `None` as long as its
/// line is not whole.
fn size(read: &mut BytesMut) -> Result<Option<(u64, usize)>, Fault> {
    let line = read.get(..read.len().min(limits::CHUNK_LINE_BYTES)).unwrap_or_default();
    let Some(end) = line.iter().position(|byte| *byte == b'\n') else {
        return if line.len() < limits::CHUNK_LINE_BYTES {
            Ok(None)
        } else {
            Err(Fault::Misread("the line of a chunk's size is too long".to_owned()))
        };
    };
    let line = line.get(..end).unwrap_or_default();
    let size =
        parse_size(line).ok_or_else(|| Fault::Misread(format!("\"{}\" is no chunk's size", line.escape_ascii())));
    read.advance(end + 1);
    size.map(Some)
}

/// Hexadecimal digits, maybe extensions, and a carriage return.
fn parse_size(line: &[u8]) -> Option<(u64, usize)> {
    let line = line.strip_suffix(b"\r")?;
    let digits = line.iter().take_while(|byte| byte.is_ascii_hexdigit()).count();
    let (digits, rest) = line.split_at_checked(digits)?;
    // Nothing else is white space within a line.
    let blanks = rest.iter().take_while(|byte| matches!(byte, b' ' | b'\t')).count();
    let rest = rest.get(blanks..)?;
    let is_extension = rest.starts_with(b";") && rest.iter().all(|byte| *byte == b'\t' || !byte.is_ascii_control());
    if !rest.is_empty() && !is_extension {
        return None;
    }
    // Its longest is 2^64 - 1.
    let size = u64::from_str_radix(str::from_utf8(digits).ok()?, 16).ok()?;
    Some((size, rest.len()))
}

/// The fields behind the last chunk, and the empty line that ends all.
fn trailers(read: &mut BytesMut) -> Result<Step, Fault> {
    if read.starts_with(b"\r\n") {
        read.advance(2);
        return Ok(Step::End);
    }
    let too_many = || Fault::Misread("the trailers behind the body are too large".to_owned());
    let mut fields = [EMPTY_HEADER; limits::TRAILERS];
    let (length, trailers) = match parse_headers(read, &mut fields) {
        Ok(Status::Complete((length, _))) if length > limits::TRAILER_BYTES => return Err(too_many()),
        // httparse takes a bare LF for a line's end, which others may not.
        Ok(Status::Complete((length, _))) if has_bare_line_feed(read.get(..length).unwrap_or_default()) => {
            return Err(Fault::Misread("a bare LF in the trailers behind the body".to_owned()));
        }
        Ok(Status::Complete((length, fields))) => (length, collect(fields)),
        Ok(Status::Partial) if read.len() > limits::TRAILER_BYTES => return Err(too_many()),
        Ok(Status::Partial) => return Ok(Step::More),
        Err(httparse::Error::TooManyHeaders) => return Err(too_many()),
        Err(error) => return Err(Fault::Misread(format!("the trailers behind the body: {error}"))),
    };
    read.advance(length);
    Ok(Step::Frame(Frame::trailers(trailers)))
}

fn has_bare_line_feed(lines: &[u8]) -> bool {
    lines.split_inclusive(|byte| *byte == b'\n').any(|line| !line.ends_with(b"\r\n"))
}

fn collect(fields: &[httparse::Header<'_>]) -> HeaderMap {
    let valid = fields.iter().filter_map(|field| {
        Some((HeaderName::from_bytes(field.name.as_bytes()).ok()?, HeaderValue::from_bytes(field.value).ok()?))
    });
    let mut trailers = HeaderMap::with_capacity(fields.len());
    valid.for_each(|(name, value)| _ = trailers.append(name, value));
    trailers
}

#[cfg(test)]
mod tests;
