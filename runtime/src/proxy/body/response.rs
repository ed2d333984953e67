//! A response's body, on its way to the client. It carries its exchange along, which is over when the body is.

use std::cell::Cell;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use http::Version;
use hyper::body::{Body, Frame, Incoming, SizeHint};
use tokio::time::Instant;

use super::{BodyError, Paced};
use crate::balance::Pick;
use crate::hop_by_hop;
use crate::proxy::ongoing::Ongoing;
use crate::proxy::pool::Lease;

/// A response's body, with the exchange it ends.
pub(in crate::proxy) struct ResponseBody {
    source: Source,
    /// `None`: somebody else sees to its end.
    exchange: Option<Box<Ongoing>>,
    /// Over HTTP/2: since when the client has taken nothing.
    untaken: Option<Untaken>,
    /// Bytes that make it whole, if that is known: nobody asks for more then, though the end may be still to come.
    length: Option<u64>,
}

/// Since when something has been there for a client to take; `None` while it is the upstream's turn.
pub(in crate::proxy) type Untaken = Rc<Cell<Option<Instant>>>;

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
    /// Its endpoint is at work on it as long as this is there.
    pick: Option<Pick>,
}

impl UpstreamBody {
    pub(in crate::proxy) fn new(incoming: Incoming, idle: Duration, lease: Lease) -> Self {
        let paced = Paced::new(incoming, lease.version(), idle);
        let mut body = Self { paced, lease: Some(lease), pick: None };
        body.release_at_end();
        body
    }

    /// The same, as the work of this endpoint.
    pub(in crate::proxy) fn of(self, pick: Pick) -> Self {
        Self { pick: Some(pick), ..self }
    }

    /// That of an answer that switches protocols: it has no end of its own.
    pub(in crate::proxy) fn switching(incoming: Incoming, lease: Lease) -> Self {
        Self { paced: Paced::new(incoming, Version::HTTP_11, Duration::MAX), lease: Some(lease), pick: None }
    }

    /// The connection and the endpoint's work, which belong to somebody else now.
    pub(in crate::proxy) fn into_parts(self) -> (Option<Lease>, Option<Pick>) {
        (self.lease, self.pick)
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
        let frame = frame.map(|frame| frame.map(hop_by_hop::without_framing));
        match &frame {
            // Nothing comes after them, and hyper may not ask again.
            Some(Ok(frame)) if frame.is_trailers() => self.lease.take().into_iter().for_each(Lease::release),
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
        let untaken = exchange.client.untaken_answer();
        let mut body = Self { source, exchange: Some(exchange), untaken, length: None };
        body.length = body.size_hint().exact();
        body.note_end();
        body
    }

    /// No body, of an exchange that goes on.
    pub(in crate::proxy) fn empty() -> Self {
        Self { source: Source::Empty, exchange: None, untaken: None, length: None }
    }

    fn note_end(&mut self) {
        let ended = self.is_end_stream();
        if let Some(exchange) = &mut self.exchange
            && (ended || self.length == Some(exchange.journal.sent))
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
        if let Some(untaken) = &this.untaken {
            untaken.set(None);
        }
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
                Some(Ok(frame)) if frame.is_trailers() => exchange.complete(),
                Some(Ok(frame)) => exchange.sent(frame.data_ref().map_or(0, Bytes::len)),
                None => exchange.complete(),
                Some(Err(error)) => {
                    exchange.fail(exchange.journal.broken_off(error.upstreams(), error));
                }
            }
        }
        if let Some(untaken) = &this.untaken {
            untaken.set(Some(Instant::now()));
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
