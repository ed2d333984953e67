//! A request on its way to a target: its head, then its body, framed for HTTP/1. Small pieces leave together with what
//! is before them; large ones are written from where they are.

use std::io::{self, ErrorKind, IoSlice, Write as _};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::{Buf, Bytes};
use http::HeaderMap;
use hyper::body::Body;
use tokio::io::AsyncWrite;

use super::head;
use crate::proxy::body::{BodyError, RequestBody};
use crate::proxy::forward::Onward;

/// Pieces up to this many bytes are copied behind what waits to be written: that costs less than a write of their own.
const COPIED: usize = 8 << 10;

/// What is left to be sent.
#[derive(Default)]
pub(super) struct Sending {
    /// The head and small pieces, framed.
    out: Vec<u8>,
    /// How much of `out` is written.
    written: usize,
    /// Goes behind `out`.
    piece: Bytes,
    /// A chunk's end goes behind `piece`.
    chunk_open: bool,
    body: RequestBody,
    framing: Framing,
    /// Bytes that went out.
    sent: u64,
    /// What was written may still lie in the stream, as it does with TLS when the socket is full.
    unflushed: bool,
    /// The target takes nothing any more, for this reason.
    deaf: Option<ErrorKind>,
}

/// How the body's end is shown.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) enum Framing {
    /// There is nothing more to come.
    #[default]
    Over,
    /// By so many bytes to come.
    Length(u64),
    Chunked,
}

impl Framing {
    fn of(body: &RequestBody) -> Self {
        if body.is_end_stream() {
            return Self::Over;
        }
        body.size_hint().exact().map_or(Self::Chunked, Self::Length)
    }
}

impl Sending {
    /// Put down the head of `request`; `body` follows.
    pub(super) fn begin(&mut self, request: &Onward<'_>, body: RequestBody) {
        self.out.clear();
        self.out.shrink_to(COPIED);
        (self.written, self.sent) = (0, 0);
        self.framing = Framing::of(&body);
        self.body = body;
        head::write(&mut self.out, request, self.framing);
    }

    /// Whether all of it was sent.
    pub(super) fn is_over(&self) -> bool {
        self.framing == Framing::Over && self.is_written() && !self.unflushed && self.deaf.is_none()
    }

    /// Whether any of it was sent.
    pub(super) fn has_begun(&self) -> bool {
        self.sent > 0
    }

    /// Why the target takes nothing any more.
    pub(super) fn deaf(&self) -> Option<io::Error> {
        self.deaf.map(io::Error::from)
    }

    /// Send as much as can be sent; ready once all is. A target that takes nothing more is waited for in vain: what it
    /// has to say comes the other way. Fails if the body does.
    pub(super) fn poll<S: AsyncWrite + Unpin>(
        &mut self,
        cx: &mut Context<'_>,
        stream: &mut S,
    ) -> Poll<Result<(), BodyError>> {
        while self.deaf.is_none() {
            self.fill(cx)?;
            let written = if self.is_written() {
                match ready!(Pin::new(&mut *stream).poll_flush(cx)) {
                    Ok(()) => {
                        self.unflushed = false;
                        return if self.framing == Framing::Over { Poll::Ready(Ok(())) } else { Poll::Pending };
                    }
                    Err(error) => Err(error),
                }
            } else {
                ready!(self.poll_write(cx, stream))
            };
            match written {
                Ok(0) => self.deafen(ErrorKind::WriteZero),
                Ok(bytes) => self.advance(bytes),
                Err(error) => self.deafen(error.kind()),
            }
        }
        Poll::Pending
    }

    fn is_written(&self) -> bool {
        self.written == self.out.len() && self.piece.is_empty()
    }

    fn poll_write<S: AsyncWrite + Unpin>(&self, cx: &mut Context<'_>, stream: &mut S) -> Poll<io::Result<usize>> {
        let out = self.out.get(self.written..).unwrap_or_default();
        if self.piece.is_empty() {
            return Pin::new(stream).poll_write(cx, out);
        }
        Pin::new(stream).poll_write_vectored(cx, &[IoSlice::new(out), IoSlice::new(&self.piece)])
    }

    fn advance(&mut self, bytes: usize) {
        self.sent += bytes as u64;
        self.unflushed = true;
        let of_out = bytes.min(self.out.len() - self.written);
        self.written += of_out;
        self.piece.advance((bytes - of_out).min(self.piece.len()));
        if self.piece.is_empty() {
            // What is left of it is the memory it was in.
            self.piece = Bytes::new();
        }
    }

    /// The target takes nothing any more: it is its turn, then, to say why.
    fn deafen(&mut self, why: ErrorKind) {
        self.deaf = Some(why);
        self.body.is_not_taken();
    }

    /// Take what there is of the body, as far as there is room for it.
    fn fill(&mut self, cx: &mut Context<'_>) -> Result<(), BodyError> {
        if self.is_written() {
            self.out.clear();
            self.written = 0;
        }
        // Before anything went out, all of the request may still go elsewhere, unless its body was begun and not kept.
        if self.sent == 0 && !self.out.is_empty() && !self.body.is_kept() {
            return Ok(());
        }
        while self.framing != Framing::Over && self.piece.is_empty() && self.out.len() < COPIED {
            if std::mem::take(&mut self.chunk_open) {
                self.out.extend_from_slice(b"\r\n");
            }
            let Poll::Ready(frame) = Pin::new(&mut self.body).poll_frame(cx) else { break };
            match frame.transpose()? {
                Some(frame) => match frame.into_data() {
                    Ok(bytes) => self.take(bytes)?,
                    Err(frame) => self.end(frame.into_trailers().ok().as_ref())?,
                },
                None => self.end(None)?,
            }
        }
        Ok(())
    }

    fn take(&mut self, bytes: Bytes) -> Result<(), BodyError> {
        match &mut self.framing {
            // More than was announced would be read as the next request.
            Framing::Length(left) => *left = left.checked_sub(bytes.len() as u64).ok_or(BodyError::Misframed)?,
            Framing::Chunked if bytes.is_empty() => return Ok(()),
            Framing::Chunked => {
                // A Vec takes all that is written to it.
                let _ = write!(self.out, "{:x}\r\n", bytes.len());
                self.chunk_open = true;
            }
            Framing::Over => return Err(BodyError::Misframed),
        }
        if bytes.len() <= COPIED {
            self.out.extend_from_slice(&bytes);
        } else {
            self.piece = bytes;
        }
        if self.framing == Framing::Length(0) {
            self.over();
        }
        Ok(())
    }

    fn end(&mut self, trailers: Option<&HeaderMap>) -> Result<(), BodyError> {
        match self.framing {
            Framing::Length(1..) => return Err(BodyError::Misframed),
            Framing::Length(0) | Framing::Over => {}
            Framing::Chunked => {
                self.out.extend_from_slice(b"0\r\n");
                for (name, value) in trailers.into_iter().flatten() {
                    head::write_field(&mut self.out, name, value.as_bytes());
                }
                self.out.extend_from_slice(b"\r\n");
            }
        }
        self.over();
        Ok(())
    }

    /// All of the body was taken. A connection that waits for another request does not hold on to it.
    fn over(&mut self) {
        self.framing = Framing::Over;
        self.body = RequestBody::default();
    }
}
