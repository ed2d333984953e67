//! A request's body as one attempt sends it on.

use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use hyper::body::{Body, Frame, SizeHint};
use tokio::time::Instant;

use super::{Kept, Piece, Turn, Upload};
use crate::proxy::body::{BodyError, FromClient};

impl Upload {
    /// The body for a new attempt; what earlier ones hold is worth nothing from now on.
    pub(in crate::proxy) fn body(self: &Rc<Self>) -> RequestBody {
        self.attempt.set(self.attempt.get() + 1);
        self.turn.set(Turn::Upstream(Instant::now()));
        RequestBody(Some(Sending { upload: Rc::clone(self), attempt: self.attempt.get(), next: 0, sent: 0 }))
    }
}

/// A request's body on its way to one upstream; by default there is none.
#[derive(Default)]
pub(in crate::proxy) struct RequestBody(Option<Sending>);

struct Sending {
    upload: Rc<Upload>,
    attempt: u32,
    /// Which piece is next.
    next: usize,
    sent: u64,
}

impl RequestBody {
    /// Whether all that is read of it can be read again; one that is not there can.
    pub(in crate::proxy) fn is_kept(&self) -> bool {
        self.0.as_ref().is_none_or(|sending| matches!(sending.upload.source.borrow().kept, Kept::Whole { .. }))
    }

    /// The upstream takes no more of it, so whatever comes next is its turn.
    pub(in crate::proxy) fn is_not_taken(&self) {
        if let Some(sending) = &self.0 {
            sending.upload.turn.set(Turn::Upstream(Instant::now()));
        }
    }
}

impl Body for RequestBody {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let Some(sending) = &mut self.0 else { return Poll::Ready(None) };
        if sending.attempt != sending.upload.attempt.get() {
            return Poll::Ready(Some(Err(BodyError::GivenUp)));
        }
        let piece = ready!(sending.upload.poll_next(sending.next, cx));
        sending.next += 1;
        Poll::Ready(piece.map(|piece| {
            Ok(match piece? {
                Piece::Bytes(bytes) => {
                    sending.sent += bytes.len() as u64;
                    Frame::data(bytes)
                }
                Piece::Trailers(trailers) => Frame::trailers(trailers),
            })
        }))
    }

    fn is_end_stream(&self) -> bool {
        let Some(sending) = &self.0 else { return true };
        let source = sending.upload.source.borrow();
        if source.filter.is_some() {
            return source.ended;
        }
        let kept = match &source.kept {
            Kept::Whole { pieces, .. } => pieces.len(),
            Kept::Cut => 0,
        };
        sending.next >= kept && (source.ended || source.incoming.as_ref().is_some_and(FromClient::is_over))
    }

    fn size_hint(&self) -> SizeHint {
        match &self.0 {
            None => SizeHint::with_exact(0),
            Some(sending) => match sending.upload.length.get() {
                Some(length) => SizeHint::with_exact(length.saturating_sub(sending.sent)),
                None => SizeHint::default(),
            },
        }
    }
}
