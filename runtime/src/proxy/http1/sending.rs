//! A request on its way to a target. A target that takes nothing more may have said why, so that what it says is waited
//! for.

use std::io::{self, ErrorKind};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use hyper::body::Body;
use tokio::io::AsyncWrite;

use super::head;
use super::outgoing::{Framing, Outgoing, Trailers};
use crate::proxy::body::{BodyError, RequestBody};
use crate::proxy::forward::Onward;

/// What is left to be sent.
#[derive(Default)]
pub(super) struct Sending {
    outgoing: Outgoing,
    body: RequestBody,
    /// Bytes that went out.
    sent: u64,
    /// What was written may still lie in the stream, as it does with TLS when the socket is full.
    unflushed: bool,
    /// The target takes nothing any more, for this reason.
    deaf: Option<ErrorKind>,
}

impl Sending {
    /// Put down the head of `request`; `body` follows.
    pub(super) fn begin(&mut self, request: &Onward<'_>, body: RequestBody) {
        let framing = framing(&body);
        (self.body, self.sent) = (body, 0);
        head::write(self.outgoing.begin(framing, Trailers::Sent), request, framing);
    }

    /// Whether all of it was sent.
    pub(super) fn is_over(&self) -> bool {
        self.outgoing.is_over() && self.outgoing.is_written() && !self.unflushed && self.deaf.is_none()
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
            let written = if self.outgoing.is_written() {
                match ready!(Pin::new(&mut *stream).poll_flush(cx)) {
                    Ok(()) => {
                        self.unflushed = false;
                        return if self.outgoing.is_over() { Poll::Ready(Ok(())) } else { Poll::Pending };
                    }
                    Err(error) => Err(error),
                }
            } else {
                ready!(self.outgoing.poll_write(cx, stream))
            };
            match written {
                Ok(0) => self.deafen(ErrorKind::WriteZero),
                Ok(bytes) => {
                    self.sent += bytes as u64;
                    self.unflushed = true;
                    self.outgoing.advance(bytes);
                }
                Err(error) => self.deafen(error.kind()),
            }
        }
        Poll::Pending
    }

    /// The target takes nothing any more: it is its turn, then, to say why.
    fn deafen(&mut self, why: ErrorKind) {
        self.deaf = Some(why);
        self.body.is_not_taken();
    }

    /// Take what there is of the body, as far as there is room for it.
    fn fill(&mut self, cx: &mut Context<'_>) -> Result<(), BodyError> {
        self.outgoing.clear_written();
        // Before anything went out, all of the request may still go elsewhere, unless its body was begun and not kept.
        if self.outgoing.is_over() || self.sent == 0 && !self.outgoing.is_empty() && !self.body.is_kept() {
            return Ok(());
        }
        self.outgoing.fill(cx, &mut self.body)?;
        if self.outgoing.is_over() {
            // All of the body was taken. A connection that waits for another request does not hold on to it.
            self.body = RequestBody::default();
        }
        Ok(())
    }
}

fn framing(body: &RequestBody) -> Framing {
    if body.is_end_stream() {
        return Framing::Over;
    }
    body.size_hint().exact().map_or(Framing::Chunked, Framing::Length)
}
