//! A request's body: from its client to an upstream, and, as long as it is small enough to be kept, to the next upstream
//! if that one fails.

mod onward;
mod whole;

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::rc::Rc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use http::HeaderMap;
use hyper::body::Frame;
use tokio::time::Instant;

pub(in crate::proxy) use onward::RequestBody;

use super::filter::{Filter, Out};
use super::{BodyError, FromClient, Pace};
use crate::error::{Cause, Failure};
use crate::host::plugin_use::Reply;
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
    /// Its length, if that is known.
    length: Cell<Option<u64>>,
    /// Bytes that have come so far.
    received: Cell<u64>,
    /// The attempt that may read.
    attempt: Cell<u32>,
    turn: Cell<Turn>,
    /// Why it broke off, if it did: over HTTP/2 an upstream's connection does not say.
    broken: RefCell<Option<Failure>>,
    /// What a plugin answers in place of the upstream, having seen some of it.
    reply: RefCell<Option<Box<Reply>>>,
}

struct Source {
    /// `None`: nobody needs it any more.
    incoming: Option<FromClient>,
    pace: Pace,
    /// What has come so far, as long as it is within bounds.
    kept: Kept,
    ended: bool,
    /// The plugins that its pieces pass.
    filter: Option<Filter>,
    /// What has come already and passes them first.
    ahead: VecDeque<Piece>,
    /// All of it has come already.
    came_ahead: bool,
    /// Trailers that wait for what the plugins make of the body's end.
    held: Option<Piece>,
}

impl Source {
    fn poll_frame(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let Some(incoming) = &mut self.incoming else { return Poll::Ready(Some(Err(BodyError::GivenUp))) };
        match incoming.poll_frame(cx) {
            Poll::Pending => self.pace.poll_idle(cx).map(|idle| Some(Err(idle))),
            ready => {
                self.pace.came();
                ready
            }
        }
    }
}

enum Kept {
    Whole {
        pieces: Vec<Piece>,
        bytes: usize,
    },
    /// Something that came is not here any more.
    Cut,
}

impl Kept {
    fn new() -> Self {
        Self::Whole { pieces: Vec::new(), bytes: 0 }
    }

    fn keep(&mut self, piece: &Piece, most: usize) {
        let Self::Whole { pieces, bytes } = self else { return };
        if let Piece::Bytes(piece) = piece {
            *bytes += piece.len();
        }
        if *bytes <= most {
            pieces.push(piece.clone());
        } else {
            *self = Self::Cut;
        }
    }
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
    pub(in crate::proxy) fn new(incoming: FromClient, bounds: Bounds) -> Option<Rc<Self>> {
        if incoming.is_over() {
            return None;
        }
        let now = Instant::now();
        let length = incoming.length();
        let keep = bounds.kept > 0 && length.is_none_or(|length| length <= bounds.kept as u64);
        Some(Rc::new(Self {
            source: RefCell::new(Source {
                incoming: Some(incoming),
                pace: Pace::new(bounds.idle),
                kept: if keep { Kept::new() } else { Kept::Cut },
                ended: false,
                filter: None,
                ahead: VecDeque::new(),
                came_ahead: false,
                held: None,
            }),
            bounds,
            deadline: now + bounds.total,
            length: Cell::new(length),
            received: Cell::new(0),
            attempt: Cell::new(0),
            turn: Cell::new(Turn::Upstream(now)),
            broken: RefCell::new(None),
            reply: RefCell::new(None),
        }))
    }

    /// What a plugin answers in place of the upstream, if one does.
    pub(in crate::proxy) fn reply(&self) -> Option<Box<Reply>> {
        self.reply.borrow_mut().take()
    }

    pub(in crate::proxy) fn received(&self) -> u64 {
        self.received.get()
    }

    /// Whether another attempt could send the body from its first byte.
    pub(in crate::proxy) fn is_replayable(&self) -> bool {
        self.received.get() == 0 || matches!(self.source.borrow().kept, Kept::Whole { .. })
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

    /// When the upstream has had its turn for `limit`, if it stays its turn.
    pub(in crate::proxy) fn upstream_deadline(&self, limit: Duration) -> Instant {
        match self.turn.get() {
            Turn::Upstream(since) => since + limit,
            Turn::Client => Instant::now() + limit,
        }
    }

    fn poll_next(&self, next: usize, cx: &mut Context<'_>) -> Poll<Option<Result<Piece, BodyError>>> {
        let source = &mut *self.source.borrow_mut();
        if let Kept::Whole { pieces, .. } = &source.kept
            && let Some(piece) = pieces.get(next)
        {
            return Poll::Ready(Some(Ok(piece.clone())));
        }
        if source.ended {
            return Poll::Ready(None);
        }
        let piece = match source.filter {
            None => ready!(self.poll_client(source, cx)),
            Some(_) => ready!(self.poll_filtered(source, cx)),
        };
        match &piece {
            Some(Ok(piece)) => source.kept.keep(piece, self.bounds.kept),
            Some(Err(_)) => {}
            None => source.ended = true,
        }
        self.turn.set(Turn::Upstream(Instant::now()));
        Poll::Ready(piece)
    }

    /// What the client sends next, within its bounds.
    fn poll_client(&self, source: &mut Source, cx: &mut Context<'_>) -> Poll<Option<Result<Piece, BodyError>>> {
        if let Some(piece) = source.ahead.pop_front() {
            return Poll::Ready(Some(Ok(piece)));
        }
        if source.came_ahead {
            return Poll::Ready(None);
        }
        self.turn.set(Turn::Client);
        let frame = match ready!(source.poll_frame(cx)) {
            Some(Ok(frame)) => frame,
            Some(Err(BodyError::GivenUp)) => return Poll::Ready(Some(Err(BodyError::GivenUp))),
            Some(Err(error)) => return Poll::Ready(Some(Err(self.break_off(error, source)))),
            None => return Poll::Ready(None),
        };
        if Instant::now() > self.deadline {
            return Poll::Ready(Some(Err(self.break_off(BodyError::Late(self.bounds.total), source))));
        }
        Poll::Ready(Some(self.take(frame).map_err(|error| self.break_off(error, source))))
    }

    /// What the plugins make of it.
    fn poll_filtered(&self, source: &mut Source, cx: &mut Context<'_>) -> Poll<Option<Result<Piece, BodyError>>> {
        loop {
            let Some(filter) = &mut source.filter else { return self.poll_client(source, cx) };
            if filter.is_running() {
                match ready!(filter.poll(cx)) {
                    Ok(Out::Bytes(bytes)) if bytes.is_empty() => {}
                    Ok(Out::Bytes(bytes)) => return Poll::Ready(Some(Ok(Piece::Bytes(bytes)))),
                    Ok(Out::Reply(reply)) => {
                        *self.reply.borrow_mut() = Some(reply);
                        let answered = Failure::new(Cause::PluginFailed, "a plugin has answered");
                        return Poll::Ready(Some(Err(self.break_off(BodyError::Plugin(answered), source))));
                    }
                    Err(failure) => {
                        return Poll::Ready(Some(Err(self.break_off(BodyError::Plugin(failure), source))));
                    }
                }
            }
            if source.filter.as_ref().is_some_and(Filter::has_ended) {
                return Poll::Ready(source.held.take().map(Ok));
            }
            let (bytes, end) = match ready!(self.poll_client(source, cx)) {
                Some(Ok(Piece::Bytes(bytes))) => {
                    let end = source.incoming.as_ref().is_none_or(FromClient::is_over);
                    (bytes, source.ahead.is_empty() && (source.came_ahead || end))
                }
                Some(Ok(trailers)) => {
                    source.held = Some(trailers);
                    (Bytes::new(), true)
                }
                None => (Bytes::new(), true),
                broken => return Poll::Ready(broken),
            };
            if let Some(filter) = &mut source.filter {
                filter.begin(bytes, end);
            }
        }
    }

    /// It is over, and stays so.
    fn break_off(&self, error: BodyError, source: &mut Source) -> BodyError {
        let failure = match &error {
            BodyError::Plugin(failure) => failure.clone(),
            error => Failure::new(error.clients(), format!("the request's body broke off: {error}")),
        };
        *self.broken.borrow_mut() = Some(failure);
        source.incoming = None;
        error
    }

    /// Count a piece.
    fn take(&self, frame: Frame<Bytes>) -> Result<Piece, BodyError> {
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
        Ok(piece)
    }
}
