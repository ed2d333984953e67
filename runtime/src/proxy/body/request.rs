//! A request's body: from its client to an upstream, and, as long as it is small enough to be kept, to the next upstream
//! if that one fails.

use std::cell::{Cell, RefCell};
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, Version};
use hyper::body::{Body, Frame, Incoming, SizeHint};
use tokio::time::Instant;

use super::{BodyError, Pace, poll_incoming};
use crate::error::Failure;
use crate::proxy::intake;

/// What a request's body may be.
#[derive(Clone, Copy)]
pub(in crate::proxy) struct Bounds {
    /// Longest pause.
    pub(in crate::proxy) idle: Duration,
    /// Longest time for the whole.
    pub(in crate::proxy) total: Duration,
    /// Most bytes.
    pub(in crate::proxy) bytes: Option<u64>,
    /// Most bytes that are kept to be sent again.
    pub(in crate::proxy) kept: usize,
}

/// A request's body as it comes in, shared by the attempts to send it on.
pub(in crate::proxy) struct Upload {
    source: RefCell<Source>,
    bounds: Bounds,
    deadline: Instant,
    /// Its length, if the client said it.
    length: Option<u64>,
    /// Bytes that have come so far.
    received: Cell<u64>,
    /// The attempt that may read.
    attempt: Cell<u32>,
    turn: Cell<Turn>,
    /// Why it broke off, if it did: over HTTP/2 an upstream's connection does not say.
    broken: RefCell<Option<Failure>>,
}

struct Source {
    /// `None`: nobody needs it any more.
    incoming: Option<Incoming>,
    version: Version,
    pace: Pace,
    /// What has come so far, as long as it is within bounds.
    kept: Kept,
    ended: bool,
}

impl Source {
    fn poll_frame(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let Some(incoming) = &mut self.incoming else { return Poll::Ready(Some(Err(BodyError::GivenUp))) };
        match poll_incoming(incoming, self.version, cx) {
            Poll::Pending => self.pace.poll_idle(cx).map(|idle| Some(Err(idle))),
            ready => {
                self.pace.came();
                ready
            }
        }
    }
}

enum Kept {
    Whole(Vec<Piece>),
    /// Something that came is not here any more.
    Cut,
}

#[derive(Clone)]
enum Piece {
    Bytes(Bytes),
    Trailers(HeaderMap),
}

/// Whose turn it is, while the upstream's answer is waited for.
#[derive(Clone, Copy)]
enum Turn {
    /// The client's: the next piece has not come yet. The body's own limits end that.
    Client,
    /// The upstream's, since then: to take the next piece, or to answer.
    Upstream(Instant),
}

impl Upload {
    /// `incoming`, unless it is empty.
    pub(in crate::proxy) fn new(incoming: Incoming, version: Version, bounds: Bounds) -> Option<Rc<Self>> {
        if incoming.is_end_stream() {
            return None;
        }
        let now = Instant::now();
        let length = incoming.size_hint().exact();
        let keep = bounds.kept > 0 && length.is_none_or(|length| length <= bounds.kept as u64);
        Some(Rc::new(Self {
            source: RefCell::new(Source {
                incoming: Some(incoming),
                version,
                pace: Pace::new(bounds.idle),
                kept: if keep { Kept::Whole(Vec::new()) } else { Kept::Cut },
                ended: false,
            }),
            bounds,
            deadline: now + bounds.total,
            length,
            received: Cell::new(0),
            attempt: Cell::new(0),
            turn: Cell::new(Turn::Upstream(now)),
            broken: RefCell::new(None),
        }))
    }

    pub(in crate::proxy) fn received(&self) -> u64 {
        self.received.get()
    }

    /// Whether another attempt could send the body from its first byte.
    pub(in crate::proxy) fn is_replayable(&self) -> bool {
        self.received.get() == 0 || matches!(self.source.borrow().kept, Kept::Whole(_))
    }

    /// Why it broke off, if it did.
    pub(in crate::proxy) fn broken(&self) -> Option<Failure> {
        self.broken.borrow_mut().take()
    }

    /// Nobody needs the rest: the answer is complete. Gives the client's connection its reader back.
    pub(in crate::proxy) fn close(&self) {
        self.attempt.set(self.attempt.get() + 1);
        if let Ok(mut source) = self.source.try_borrow_mut() {
            source.incoming = None;
        }
    }

    /// The body for a new attempt; what earlier ones hold is worth nothing from now on.
    pub(in crate::proxy) fn body(self: &Rc<Self>) -> RequestBody {
        self.attempt.set(self.attempt.get() + 1);
        self.turn.set(Turn::Upstream(Instant::now()));
        RequestBody(Some(Sending { upload: Rc::clone(self), attempt: self.attempt.get(), next: 0, sent: 0 }))
    }

    /// When the upstream has had its turn for `limit`, if it stays its turn.
    pub(in crate::proxy) fn upstream_deadline(&self, limit: Duration) -> Instant {
        match self.turn.get() {
            Turn::Upstream(since) => since + limit,
            Turn::Client => Instant::now() + limit,
        }
    }

    fn poll_next(&self, next: usize, cx: &mut Context<'_>) -> Poll<Option<Result<Piece, BodyError>>> {
        let mut source = self.source.borrow_mut();
        if let Kept::Whole(pieces) = &source.kept
            && let Some(piece) = pieces.get(next)
        {
            return Poll::Ready(Some(Ok(piece.clone())));
        }
        if source.ended {
            return Poll::Ready(None);
        }
        self.turn.set(Turn::Client);
        let frame = match ready!(source.poll_frame(cx)) {
            Some(Ok(frame)) => frame,
            Some(Err(BodyError::GivenUp)) => return Poll::Ready(Some(Err(BodyError::GivenUp))),
            Some(Err(error)) => return Poll::Ready(Some(Err(self.break_off(error, &mut source)))),
            None => {
                source.ended = true;
                self.turn.set(Turn::Upstream(Instant::now()));
                return Poll::Ready(None);
            }
        };
        let now = Instant::now();
        self.turn.set(Turn::Upstream(now));
        if now > self.deadline {
            return Poll::Ready(Some(Err(self.break_off(BodyError::Late(self.bounds.total), &mut source))));
        }
        let taken = self.take(frame, &mut source).map_err(|error| self.break_off(error, &mut source));
        Poll::Ready(Some(taken))
    }

    /// It is over, and stays so.
    fn break_off(&self, error: BodyError, source: &mut Source) -> BodyError {
        let failure = Failure::new(error.clients(), format!("the request's body broke off: {error}"));
        *self.broken.borrow_mut() = Some(failure);
        source.incoming = None;
        error
    }

    /// Count and keep a piece.
    fn take(&self, frame: Frame<Bytes>, source: &mut Source) -> Result<Piece, BodyError> {
        let piece = match frame.into_data() {
            Ok(bytes) => {
                self.received.set(self.received.get() + bytes.len() as u64);
                Piece::Bytes(bytes)
            }
            Err(frame) => {
                let mut trailers = frame.into_trailers().unwrap_or_default();
                intake::clean_trailers(&mut trailers);
                Piece::Trailers(trailers)
            }
        };
        let received = self.received.get();
        if let Some(most) = self.bounds.bytes
            && received > most
        {
            return Err(BodyError::TooLarge(most));
        }
        if let Kept::Whole(pieces) = &mut source.kept {
            if received <= self.bounds.kept as u64 {
                pieces.push(piece.clone());
            } else {
                source.kept = Kept::Cut;
            }
        }
        Ok(piece)
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
        self.0.as_ref().is_none_or(|sending| matches!(sending.upload.source.borrow().kept, Kept::Whole(_)))
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
        let kept = match &source.kept {
            Kept::Whole(pieces) => pieces.len(),
            Kept::Cut => 0,
        };
        sending.next >= kept && (source.ended || source.incoming.as_ref().is_some_and(Body::is_end_stream))
    }

    fn size_hint(&self) -> SizeHint {
        match &self.0 {
            None => SizeHint::with_exact(0),
            Some(sending) => match sending.upload.length {
                Some(length) => SizeHint::with_exact(length.saturating_sub(sending.sent)),
                None => SizeHint::default(),
            },
        }
    }
}
