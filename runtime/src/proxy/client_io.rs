//! What hyper reads a client's HTTP/1 from and writes it to. Knows when the client is between requests, and so bounds
//! how long it may idle and how long a head may take; and takes hyper's own bare refusals off the wire, so that
//! `connection` can send one that says what is wrong.

use std::io::{self, ErrorKind, IoSlice};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, Sleep, sleep_until};

use super::stream::Stream;
use crate::limits;

/// How many exchanges of a connection are not over. Written by the connection's own thread only; atomic because hyper
/// wants a stream that can be sent along with an upgrade.
pub(super) struct InFlight {
    begun: AtomicUsize,
    over: AtomicUsize,
    connected: Instant,
    /// When the last one was over, in milliseconds since then.
    idle_since: AtomicU64,
}

impl Default for InFlight {
    fn default() -> Self {
        Self { begun: 0.into(), over: 0.into(), connected: Instant::now(), idle_since: 0.into() }
    }
}

impl InFlight {
    pub(super) fn begin(&self) {
        self.begun.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn end(&self, now: Instant) {
        self.over.fetch_add(1, Ordering::Relaxed);
        let since = u64::try_from(now.saturating_duration_since(self.connected).as_millis()).unwrap_or(u64::MAX);
        self.idle_since.store(since, Ordering::Relaxed);
    }

    /// When the last one was over, or when the client connected.
    fn idle_since(&self) -> Instant {
        self.connected + Duration::from_millis(self.idle_since.load(Ordering::Relaxed))
    }

    pub(super) fn begun(&self) -> usize {
        self.begun.load(Ordering::Relaxed)
    }

    pub(super) fn none(&self) -> bool {
        self.begun() == self.over.load(Ordering::Relaxed)
    }
}

/// How long a client may take between exchanges.
#[derive(Clone, Copy)]
pub(super) struct Patience {
    /// Without a byte.
    pub(super) idle: Duration,
    /// From the first byte of a head to its last.
    pub(super) head: Duration,
}

/// Where a client is between two exchanges.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Turn {
    /// It has not begun a request.
    Idle,
    /// It has sent a part of a head, since then.
    Head(Instant),
}

/// What a connection's timer was last set for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Armed {
    ForIdleness,
    ForHead,
}

/// The connection's stream, with what is known about where it is.
pub(super) struct ClientIo {
    stream: Stream,
    in_flight: Arc<InFlight>,
    patience: Patience,
    /// Between exchanges.
    turn: Turn,
    /// Exchanges there had been when `turn` was last looked at: each ends with the client idle.
    begun: usize,
    /// Exchanges there had been when all was written and all of them were over; `None` if something was written since.
    clean: Option<usize>,
    /// hyper has refused a head by itself; what it wrote was dropped.
    refused: bool,
    armed: Armed,
    /// Made with the first wait, and moved along when it fires: most requests never touch it.
    timer: Option<Pin<Box<Sleep>>>,
    /// Since then the client has not taken a byte.
    stalled: Option<Pin<Box<Sleep>>>,
}

impl ClientIo {
    pub(super) fn new(stream: Stream, in_flight: Arc<InFlight>, patience: Patience) -> Self {
        Self {
            stream,
            in_flight,
            patience,
            turn: Turn::Idle,
            begun: 0,
            clean: Some(0),
            refused: false,
            armed: Armed::ForIdleness,
            timer: None,
            stalled: None,
        }
    }

    /// Where the client was when the connection ended.
    pub(super) fn turn(&mut self) -> Turn {
        self.look();
        self.turn
    }

    /// Whether a head was refused by hyper, without an answer having been sent.
    pub(super) fn refused(&self) -> bool {
        self.refused
    }

    /// The stream itself, once hyper is done with it.
    pub(super) fn into_stream(self) -> Stream {
        self.stream
    }

    /// Whether what is written now is hyper's own: all answers are out, and nobody has asked for another.
    fn is_refusal(&mut self) -> bool {
        self.refused |= self.clean == Some(self.in_flight.begun());
        self.clean = None;
        self.refused
    }

    /// Notice exchanges that have begun since the last look.
    fn look(&mut self) {
        let begun = self.in_flight.begun();
        if self.begun != begun {
            self.begun = begun;
            self.turn = Turn::Idle;
        }
    }

    /// The client sends nothing. Fails once that has lasted too long.
    fn wait(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.look();
        loop {
            if let Some(timer) = &mut self.timer
                && self.armed == Armed::ForIdleness
                && !self.in_flight.none()
            {
                // The exchange has limits of its own. hyper may not ask again when it is over, so the timer goes on.
                ready!(timer.as_mut().poll(cx));
                self.timer = None;
            }
            let deadline = self.deadline();
            self.armed = if let Turn::Head(_) = self.turn { Armed::ForHead } else { Armed::ForIdleness };
            let timer = self.timer.get_or_insert_with(|| Box::pin(sleep_until(deadline)));
            if timer.deadline() > deadline {
                timer.as_mut().reset(deadline);
            }
            ready!(timer.as_mut().poll(cx));
            if self.in_flight.none() && deadline <= Instant::now() {
                return Poll::Ready(Err(io::Error::new(ErrorKind::TimedOut, "the client sent nothing in time")));
            }
            self.timer = None;
        }
    }

    /// When it will have waited too long, as things are.
    fn deadline(&self) -> Instant {
        match self.turn {
            _ if !self.in_flight.none() => Instant::now() + self.patience.idle,
            Turn::Idle => self.in_flight.idle_since() + self.patience.idle,
            Turn::Head(since) => since + self.patience.head,
        }
    }

    /// The client takes nothing. Fails once that has lasted too long.
    fn stall(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        let timer = self.stalled.get_or_insert_with(|| Box::pin(sleep_until(Instant::now() + limits::PEER_STALL)));
        ready!(timer.as_mut().poll(cx));
        Poll::Ready(Err(io::Error::new(ErrorKind::TimedOut, "the client took nothing in time")))
    }
}

impl AsyncRead for ClientIo {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let before = buffer.filled().len();
        let Poll::Ready(read) = Pin::new(&mut this.stream).poll_read(cx, buffer) else {
            return this.wait(cx);
        };
        this.look();
        if read.is_ok() && buffer.filled().len() > before && this.turn == Turn::Idle && this.in_flight.none() {
            this.turn = Turn::Head(Instant::now());
        }
        Poll::Ready(read)
    }
}

impl AsyncWrite for ClientIo {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        if this.is_refusal() {
            return Poll::Ready(Ok(bytes.len()));
        }
        let Poll::Ready(written) = Pin::new(&mut this.stream).poll_write(cx, bytes) else {
            return this.stall(cx);
        };
        this.stalled = None;
        Poll::Ready(written)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        if this.is_refusal() {
            return Poll::Ready(Ok(slices.iter().map(|slice| slice.len()).sum()));
        }
        let Poll::Ready(written) = Pin::new(&mut this.stream).poll_write_vectored(cx, slices) else {
            return this.stall(cx);
        };
        this.stalled = None;
        Poll::Ready(written)
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    /// hyper flushes once it has nothing left to write.
    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        this.clean = this.in_flight.none().then(|| this.in_flight.begun());
        Pin::new(&mut this.stream).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if this.refused {
            // Our own refusal is still to come.
            return Poll::Ready(Ok(()));
        }
        Pin::new(&mut this.stream).poll_shutdown(cx)
    }
}
