//! An answer's head as it is written for HTTP/1, and how its body's end is shown (RFC 9112, section 6). What decides about
//! the connection is said here and nowhere else.

use http::header::{CONNECTION, CONTENT_LENGTH, DATE, TRAILER, TRANSFER_ENCODING};
use http::{HeaderName, StatusCode};
use hyper::body::Body as _;

use super::request::About;
use crate::proxy::exchange::Served;
use crate::proxy::http1::head::{write_field, write_length};
use crate::proxy::http1::outgoing::{Framing, Outgoing, Trailers};

/// What becomes of the connection after an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum After {
    /// The next request.
    Next,
    /// It ends.
    Close,
    /// Another protocol.
    Switch,
}

/// Put the head of `served` down, for a request of which is known `about`; its body is to follow. `before` is what has to
/// be said first. An answer that says "close" itself is the last, as is one that ends with the connection.
pub(super) fn begin(
    outgoing: &mut Outgoing,
    before: &[u8],
    served: &Served,
    about: About,
    mut after: After,
    date: impl FnOnce(&mut Vec<u8>),
) -> After {
    let (status, headers, stamp) = (served.status, &served.headers, &served.stamp);
    let framing = framing(served, about);
    let trailers = if about.trailers { Trailers::Sent } else { Trailers::LeftOut };
    let out = outgoing.begin(framing, trailers);
    out.reserve(before.len() + ROOM_BASE + headers.len() * ROOM_PER_FIELD);
    out.extend_from_slice(before);
    write_status(out, status, about);
    let (mut dated, mut closes, mut length) = (false, false, None);
    for (name, value) in headers {
        match Special::of(name) {
            Special::No if stamp.replaces(name) => continue,
            Special::No => {}
            Special::Date => dated = true,
            Special::Connection => closes |= says_close(value.as_bytes()),
            Special::Length => {
                length = Some(value);
                continue;
            }
            Special::Coding => continue,
            Special::Trailer if framing != Framing::Chunked => continue,
            Special::Trailer => {}
        }
        write_field(out, name, value.as_bytes());
    }
    stamp.each_field(|name, value| write_field(out, name, value));
    if status == StatusCode::SWITCHING_PROTOCOLS {
        after = After::Switch;
    } else if closes || framing == Framing::UntilClosed {
        after = After::Close;
    }
    match framing {
        Framing::Length(length) => write_length(out, length),
        Framing::Chunked => out.extend_from_slice(b"transfer-encoding: chunked\r\n"),
        Framing::UntilClosed => {}
        // What GET would get: nobody counts it.
        Framing::Over if about.for_head => {
            length.into_iter().for_each(|length| write_field(out, &CONTENT_LENGTH, length.as_bytes()));
        }
        Framing::Over if has_no_body(status) => {}
        Framing::Over => write_length(out, 0),
    }
    match after {
        After::Close if !closes => out.extend_from_slice(b"connection: close\r\n"),
        After::Next if !about.newest => out.extend_from_slice(b"connection: keep-alive\r\n"),
        _ => {}
    }
    if !dated {
        date(out);
    }
    out.extend_from_slice(b"\r\n");
    after
}

/// What a head takes besides its fields, and what one of those does, mostly.
const ROOM_BASE: usize = 128;
const ROOM_PER_FIELD: usize = 48;

fn framing(served: &Served, about: About) -> Framing {
    if about.for_head || has_no_body(served.status) || served.body.is_end_stream() {
        return Framing::Over;
    }
    match served.body.size_hint().exact() {
        Some(0) => Framing::Over,
        Some(length) => Framing::Length(length),
        None if about.newest => Framing::Chunked,
        None => Framing::UntilClosed,
    }
}

/// RFC 9110, section 6.4.1.
fn has_no_body(status: StatusCode) -> bool {
    status.is_informational() || [StatusCode::NO_CONTENT, StatusCode::NOT_MODIFIED].contains(&status)
}

/// In the words of the client's own version.
fn write_status(out: &mut Vec<u8>, status: StatusCode, about: About) {
    if about.newest && status == StatusCode::OK {
        return out.extend_from_slice(b"HTTP/1.1 200 OK\r\n");
    }
    out.extend_from_slice(if about.newest { b"HTTP/1.1 " } else { b"HTTP/1.0 " });
    out.extend_from_slice(status.as_str().as_bytes());
    out.push(b' ');
    // Many a parser wants some words.
    out.extend_from_slice(status.canonical_reason().unwrap_or("Unknown").as_bytes());
    out.extend_from_slice(b"\r\n");
}

/// Fields with a meaning for the connection or the framing.
enum Special {
    No,
    Date,
    Connection,
    Length,
    Coding,
    Trailer,
}

impl Special {
    /// Told apart by length first.
    fn of(name: &HeaderName) -> Self {
        match name.as_str().len() {
            4 if *name == DATE => Self::Date,
            7 if *name == TRAILER => Self::Trailer,
            10 if *name == CONNECTION => Self::Connection,
            14 if *name == CONTENT_LENGTH => Self::Length,
            17 if *name == TRANSFER_ENCODING => Self::Coding,
            _ => Self::No,
        }
    }
}

fn says_close(value: &[u8]) -> bool {
    value.split(|byte| *byte == b',').any(|option| option.trim_ascii().eq_ignore_ascii_case(b"close"))
}

#[cfg(test)]
mod tests;
