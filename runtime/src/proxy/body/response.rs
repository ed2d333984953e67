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

use super::{BodyError, Pace, poll_incoming};
use crate::balance::Pick;
use crate::hop_by_hop;
use crate::proxy::ongoing::Ongoing;
use crate::proxy::pool::Lease;
use crate::proxy::signal::Wait;

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
    /// Over HTTP/2; over HTTP/1 it comes from the lease.
    incoming: Option<Incoming>,
    pace: Pace,
    /// `None`: the last of it has come.
    lease: Option<Lease>,
    /// Waited for along with the target, if it pauses.
    cut: Option<Wait>,
    /// Its endpoint is at work on it as long as this is there.
    pick: Option<Pick>,
}

impl UpstreamBody {
    pub(in crate::proxy) fn new(incoming: Option<Incoming>, idle: Duration, lease: Lease) -> Self {
        let mut body = Self { incoming, pace: Pace::new(idle), lease: Some(lease), cut: None, pick: None };
        body.release_at_end();
        body
    }

    /// The same, as the work of this endpoint.
    pub(in crate::proxy) fn of(self, pick: Pick) -> Self {
        Self { pick: Some(pick), ..self }
    }

    /// That of an answer that switches protocols: it has no end of its own.
    pub(in crate::proxy) fn switching(lease: Lease) -> Self {
        Self { incoming: None, pace: Pace::new(Duration::MAX), lease: Some(lease), cut: None, pick: None }
    }

    /// The connection and the endpoint's work, which belong to somebody else now.
    pub(in crate::proxy) fn into_parts(self) -> (Option<Lease>, Option<Pick>) {
        (self.lease, self.pick)
    }

    fn is_over(&self) -> bool {
        match (&self.incoming, &self.lease) {
            (Some(incoming), _) => incoming.is_end_stream(),
            (None, Some(lease)) => lease.is_over(),
            (None, None) => true,
        }
    }

    fn size_hint(&self) -> SizeHint {
        match (&self.incoming, &self.lease) {
            (Some(incoming), _) => incoming.size_hint(),
            (None, Some(lease)) => lease.size_hint(),
            (None, None) => SizeHint::with_exact(0),
        }
    }

    fn release_at_end(&mut self) {
        if self.is_over()
            && let Some(lease) = self.lease.take()
        {
            lease.release();
        }
    }

    fn poll_frame(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let frame = ready!(self.poll_target(cx));
        self.pace.came();
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

    fn poll_target(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let frame = match (&mut self.incoming, &mut self.lease) {
            (Some(incoming), _) => poll_incoming(incoming, Version::HTTP_2, cx),
            (None, Some(lease)) => lease.poll_frame(cx).map(|frame| frame.map(|frame| Ok(frame?))),
            (None, None) => Poll::Ready(None),
        };
        if frame.is_ready() {
            return frame;
        }
        if let Poll::Ready(idle) = self.pace.poll_idle(cx) {
            return Poll::Ready(Some(Err(idle)));
        }
        let Some(lease) = &self.lease else { return Poll::Pending };
        let cut = self.cut.get_or_insert_with(|| lease.cut().wait());
        Pin::new(cut).poll(cx).map(|()| Some(Err(BodyError::Drained)))
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
            Source::Upstream(body) => body.is_over(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.source {
            Source::Empty => SizeHint::with_exact(0),
            Source::Whole(bytes) => SizeHint::with_exact(bytes.len() as u64),
            Source::Upstream(body) => body.size_hint(),
        }
    }
}
