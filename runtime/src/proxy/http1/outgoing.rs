//! A message on its way to a peer: its head, then its body, framed for HTTP/1. Small pieces leave together with what is
//! before them; large ones are written from where they are.

use std::io::{self, IoSlice, Write as _};
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::{Buf, Bytes};
use http::HeaderMap;
use hyper::body::Body;
use tokio::io::AsyncWrite;

use super::head;
use crate::proxy::body::BodyError;

/// Pieces up to this many bytes are copied behind what waits to be written: that costs less than a write of their own.
const COPIED: usize = 8 << 10;
/// As much room is kept for the next message; a usual head fits.
const KEPT: usize = 1 << 10;

/// What is left of a message.
#[derive(Default)]
pub(in crate::proxy) struct Outgoing {
    /// The head and small pieces, framed.
    out: Vec<u8>,
    /// How much of `out` is written.
    written: usize,
    /// Goes behind `out`.
    piece: Bytes,
    /// A chunk's end goes behind `piece`.
    chunk_open: bool,
    framing: Framing,
    /// Whether trailers are sent along, as they are to who takes them.
    trailers: Trailers,
}

/// How the body's end is shown.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(in crate::proxy) enum Framing {
    /// There is nothing more to come.
    #[default]
    Over,
    /// By so many bytes to come.
    Length(u64),
    Chunked,
    /// By the connection's end.
    UntilClosed,
}

/// What becomes of trailers.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(in crate::proxy) enum Trailers {
    #[default]
    Sent,
    LeftOut,
}

impl Outgoing {
    /// Begin a message: the head goes behind what is given back.
    pub(in crate::proxy) fn begin(&mut self, framing: Framing, trailers: Trailers) -> &mut Vec<u8> {
        (self.framing, self.trailers) = (framing, trailers);
        (self.written, self.chunk_open) = (0, false);
        self.out.clear();
        self.out.shrink_to(COPIED);
        &mut self.out
    }

    /// Whether all of the body was taken.
    pub(in crate::proxy) fn is_over(&self) -> bool {
        self.framing == Framing::Over
    }

    /// Whether all that was taken is written.
    pub(in crate::proxy) fn is_written(&self) -> bool {
        self.written == self.out.len() && self.piece.is_empty()
    }

    /// Whether nothing lies here, taken or not.
    pub(in crate::proxy) fn is_empty(&self) -> bool {
        self.out.is_empty()
    }

    /// What of the head and of small pieces is not written.
    #[cfg(test)]
    pub(in crate::proxy) fn unwritten(&self) -> &[u8] {
        self.out.get(self.written..).unwrap_or_default()
    }

    /// Whether there is room for more of the body.
    fn wants_more(&self) -> bool {
        self.framing != Framing::Over && self.piece.is_empty() && self.out.len() < COPIED
    }

    /// What was written makes room.
    pub(in crate::proxy) fn clear_written(&mut self) {
        if self.is_written() {
            self.out.clear();
            self.written = 0;
        }
    }

    /// Nothing is on its way, and a connection that waits should not hold much.
    pub(in crate::proxy) fn rest(&mut self) {
        self.clear_written();
        if self.out.capacity() > KEPT {
            self.out = Vec::new();
        }
    }

    /// Take what there is of `body`, as far as there is room for it. Fails if the body does.
    pub(in crate::proxy) fn fill<B>(&mut self, cx: &mut Context<'_>, body: &mut B) -> Result<(), BodyError>
    where
        B: Body<Data = Bytes, Error = BodyError> + Unpin,
    {
        while self.wants_more() {
            if std::mem::take(&mut self.chunk_open) {
                self.out.extend_from_slice(b"\r\n");
            }
            let Poll::Ready(frame) = Pin::new(&mut *body).poll_frame(cx) else { break };
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

    /// Write on; how many bytes that were is to be told to [`Self::advance`].
    pub(in crate::proxy) fn poll_write<S>(&self, cx: &mut Context<'_>, stream: &mut S) -> Poll<io::Result<usize>>
    where
        S: AsyncWrite + Unpin,
    {
        let out = self.out.get(self.written..).unwrap_or_default();
        if self.piece.is_empty() {
            return Pin::new(stream).poll_write(cx, out);
        }
        Pin::new(stream).poll_write_vectored(cx, &[IoSlice::new(out), IoSlice::new(&self.piece)])
    }

    pub(in crate::proxy) fn advance(&mut self, bytes: usize) {
        let of_out = bytes.min(self.out.len() - self.written);
        self.written += of_out;
        if self.piece.is_empty() {
            return;
        }
        self.piece.advance((bytes - of_out).min(self.piece.len()));
        if self.piece.is_empty() {
            // What is left of it is the memory it was in.
            self.piece = Bytes::new();
        }
    }

    fn take(&mut self, bytes: Bytes) -> Result<(), BodyError> {
        match &mut self.framing {
            // More than was announced would be read as the next message.
            Framing::Length(left) => *left = left.checked_sub(bytes.len() as u64).ok_or(BodyError::Misframed)?,
            Framing::Chunked if bytes.is_empty() => return Ok(()),
            Framing::Chunked => {
                // A Vec takes all that is written to it.
                let _ = write!(self.out, "{:x}\r\n", bytes.len());
                self.chunk_open = true;
            }
            Framing::UntilClosed => {}
            Framing::Over => return Err(BodyError::Misframed),
        }
        if bytes.len() <= COPIED {
            self.out.extend_from_slice(&bytes);
        } else {
            self.piece = bytes;
        }
        if self.framing == Framing::Length(0) {
            self.framing = Framing::Over;
        }
        Ok(())
    }

    fn end(&mut self, trailers: Option<&HeaderMap>) -> Result<(), BodyError> {
        match self.framing {
            Framing::Length(1..) => return Err(BodyError::Misframed),
            Framing::Length(0) | Framing::UntilClosed | Framing::Over => {}
            Framing::Chunked => {
                self.out.extend_from_slice(b"0\r\n");
                for (name, value) in trailers.filter(|_| self.trailers == Trailers::Sent).into_iter().flatten() {
                    head::write_field(&mut self.out, name, value.as_bytes());
                }
                self.out.extend_from_slice(b"\r\n");
            }
        }
        self.framing = Framing::Over;
        Ok(())
    }
}
