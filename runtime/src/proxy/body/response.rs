//! A response's body, on its way to the client. It carries its exchange along, which is over when the body is.

use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use hyper::body::{Body, Frame, Incoming, SizeHint};

use super::{BodyError, Paced};
use crate::proxy::ongoing::Ongoing;
use crate::proxy::pool::Lease;

/// A response's body, with the exchange it ends.
pub(in crate::proxy) struct ResponseBody {
    source: Source,
    /// `None`: somebody else sees to its end.
    exchange: Option<Box<Ongoing>>,
}

/// Where a response's body comes from.
pub(in crate::proxy) enum Source {
    /// There is none.
    Empty,
    /// Our own.
    Whole(Bytes),
    /// An upstream.
    Upstream(UpstreamBody),
}

impl From<Bytes> for Source {
    fn from(bytes: Bytes) -> Self {
        if bytes.is_empty() { Self::Empty } else { Self::Whole(bytes) }
    }
}

/// An upstream's body. Its connection goes back to the pool with the last byte, or is closed with the body.
pub(in crate::proxy) struct UpstreamBody {
    paced: Paced,
    lease: Option<Lease>,
}

impl UpstreamBody {
    pub(in crate::proxy) fn new(incoming: Incoming, idle: Duration, lease: Lease) -> Self {
        let mut body = Self { paced: Paced::new(incoming, idle), lease: Some(lease) };
        body.release_at_end();
        body
    }

    /// That of an answer that switches protocols: it has no end of its own.
    pub(in crate::proxy) fn switching(incoming: Incoming, lease: Lease) -> Self {
        Self { paced: Paced::new(incoming, Duration::MAX), lease: Some(lease) }
    }

    /// The connection, which belongs to somebody else now.
    pub(in crate::proxy) fn into_lease(self) -> Option<Lease> {
        self.lease
    }

    fn release_at_end(&mut self) {
        if self.paced.incoming.is_end_stream()
            && let Some(lease) = self.lease.take()
        {
            lease.release();
        }
    }

    fn poll_frame(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let frame = ready!(self.paced.poll_frame(cx));
        match &frame {
            Some(Ok(_)) => self.release_at_end(),
            // The last frame, without a length that would have announced it.
            None => self.lease.take().into_iter().for_each(Lease::release),
            // Nobody knows what else would come on that connection.
            Some(Err(_)) => self.lease = None,
        }
        Poll::Ready(frame)
    }
}

impl ResponseBody {
    pub(in crate::proxy) fn new(source: Source, mut exchange: Box<Ongoing>) -> Self {
        exchange.answered();
        let mut body = Self { source, exchange: Some(exchange) };
        body.note_end();
        body
    }

    /// No body, of an exchange that goes on.
    pub(in crate::proxy) fn empty() -> Self {
        Self { source: Source::Empty, exchange: None }
    }

    fn note_end(&mut self) {
        if self.is_end_stream()
            && let Some(exchange) = &mut self.exchange
        {
            exchange.complete();
        }
    }
}

impl Body for ResponseBody {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let this = &mut *self;
        let frame = match &mut this.source {
            Source::Empty => None,
            Source::Whole(bytes) => {
                let bytes = std::mem::take(bytes);
                this.source = Source::Empty;
                Some(Ok(Frame::data(bytes)))
            }
            Source::Upstream(body) => ready!(body.poll_frame(cx)),
        };
        if let Some(exchange) = &mut this.exchange {
            match &frame {
                Some(Ok(frame)) => exchange.sent(frame.data_ref().map_or(0, Bytes::len)),
                None => exchange.complete(),
                Some(Err(error)) => {
                    exchange.fail(exchange.journal.broken_off(error.upstreams(), error));
                }
            }
        }
        this.note_end();
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        match &self.source {
            Source::Empty => true,
            Source::Whole(_) => false,
            Source::Upstream(body) => body.paced.incoming.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.source {
            Source::Empty => SizeHint::with_exact(0),
            Source::Whole(bytes) => SizeHint::with_exact(bytes.len() as u64),
            Source::Upstream(body) => body.paced.incoming.size_hint(),
        }
    }
}
