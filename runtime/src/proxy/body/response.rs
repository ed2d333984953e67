//! A response's body, on its way to the client. It carries its exchange along, which is over when the body is.

use std::cell::Cell;
use std::future::poll_fn;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use hyper::body::{Body, Frame, Incoming, SizeHint};
use tokio::time::Instant;

use super::filter::{Filter, Out};
use super::{BodyError, Pace, poll_incoming};
use crate::balance::Pick;
use crate::error::Phase;
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
    /// One of these, through the plugins that see its pieces.
    Filtered(Box<Filtered>),
}

/// A body whose pieces pass plugins.
pub(in crate::proxy) struct Filtered {
    source: Source,
    filter: Filter,
    /// Trailers that wait for what the plugins make of the body's end.
    held: Option<Frame<Bytes>>,
    over: bool,
}

impl Source {
    /// Have its pieces pass `filter`.
    pub(in crate::proxy) fn filtered(self, filter: Filter) -> Self {
        Self::Filtered(Box::new(Filtered { source: self, filter, held: None, over: false }))
    }

    /// Wait for all of it, up to `most` bytes. It is then here, trailers apart.
    pub(in crate::proxy) async fn take_in(&mut self, most: u64) -> Result<Bytes, TakenIn> {
        if self.size_hint().exact().is_some_and(|length| length > most) {
            return Err(TakenIn::TooLarge);
        }
        let mut whole = Vec::new();
        while !self.is_end_stream() {
            match poll_fn(|cx| self.poll_frame(cx)).await {
                Some(Ok(frame)) => {
                    let Ok(bytes) = frame.into_data() else { break };
                    if (whole.len() + bytes.len()) as u64 > most {
                        return Err(TakenIn::TooLarge);
                    }
                    whole.extend_from_slice(&bytes);
                }
                Some(Err(error)) => return Err(TakenIn::Broken(error)),
                None => break,
            }
        }
        let whole = Bytes::from(whole);
        *self = Self::from(whole.clone());
        Ok(whole)
    }

    fn poll_frame(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        Poll::Ready(match self {
            Self::Empty => None,
            Self::Whole(bytes) => {
                let bytes = std::mem::take(bytes);
                *self = Self::Empty;
                Some(Ok(Frame::data(bytes)))
            }
            Self::Upstream(body) => ready!(body.poll_frame(cx)),
            Self::Filtered(body) => ready!(body.poll_frame(cx)),
        })
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Empty => true,
            Self::Whole(_) => false,
            Self::Upstream(body) => body.is_over(),
            Self::Filtered(body) => body.over,
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Empty => SizeHint::with_exact(0),
            Self::Whole(bytes) => SizeHint::with_exact(bytes.len() as u64),
            Self::Upstream(body) => body.size_hint(),
            Self::Filtered(_) => SizeHint::default(),
        }
    }
}

/// Why a body could not be had whole.
pub(in crate::proxy) enum TakenIn {
    /// It is larger than it may be.
    TooLarge,
    /// It broke off.
    Broken(BodyError),
}

impl Filtered {
    fn poll_frame(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        loop {
            if self.filter.is_running() {
                match ready!(self.filter.poll(cx)) {
                    Ok(Out::Bytes(bytes)) if bytes.is_empty() => {}
                    Ok(Out::Bytes(bytes)) => return Poll::Ready(Some(Ok(Frame::data(bytes)))),
                    Ok(Out::Reply(_)) => return Poll::Ready(Some(Err(BodyError::GivenUp))),
                    Err(failure) => return Poll::Ready(Some(Err(BodyError::Plugin(failure)))),
                }
            }
            if self.filter.has_ended() {
                self.over = true;
                return Poll::Ready(self.held.take().map(Ok));
            }
            match ready!(self.source.poll_frame(cx)) {
                Some(Ok(frame)) => match frame.into_data() {
                    Ok(bytes) => self.filter.begin(bytes, self.source.is_end_stream()),
                    Err(trailers) => {
                        self.held = Some(trailers);
                        self.filter.begin(Bytes::new(), true);
                    }
                },
                Some(Err(error)) => return Poll::Ready(Some(Err(error))),
                None => self.filter.begin(Bytes::new(), true),
            }
        }
    }
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
            // Nothing comes after them, so whoever writes them may not ask again.
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
            (Some(incoming), _) => poll_incoming(incoming, cx),
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
        let frame = ready!(this.source.poll_frame(cx));
        if let Some(exchange) = &mut this.exchange {
            match &frame {
                Some(Ok(frame)) if frame.is_trailers() => exchange.complete(),
                Some(Ok(frame)) => exchange.sent(frame.data_ref().map_or(0, Bytes::len)),
                None => exchange.complete(),
                Some(Err(BodyError::Plugin(failure))) => exchange.fail(failure.clone().during(Phase::Body)),
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
        self.source.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.source.size_hint()
    }
}
