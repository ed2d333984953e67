//! Bodies on their way: streamed piece by piece, each piece awaited no longer than the idle limit.

use std::cell::Cell;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use http_body_util::Full;
use hyper::body::{Body, Frame, Incoming, SizeHint};
use thiserror::Error;
use tokio::time::{Instant, Sleep, sleep};

use super::pool::Lease;

/// Why a body broke off.
#[derive(Debug, Error)]
pub(super) enum BodyError {
    /// The peer closed, or sent what is no HTTP.
    #[error(transparent)]
    Peer(#[from] hyper::Error),
    /// The peer paused for too long.
    #[error("nothing came for {0:?}")]
    Idle(Duration),
}

/// A body from a peer, which may not pause for longer than `idle`.
struct Stream {
    incoming: Incoming,
    idle: Duration,
    /// Made with the first pause: most bodies have none.
    timer: Option<Pin<Box<Sleep>>>,
}

impl Stream {
    fn new(incoming: Incoming, idle: Duration) -> Self {
        Self { incoming, idle, timer: None }
    }

    fn poll_frame(&mut self, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        if let Poll::Ready(frame) = Pin::new(&mut self.incoming).poll_frame(context) {
            self.timer = None;
            return Poll::Ready(frame.map(|frame| frame.map_err(BodyError::Peer)));
        }
        let idle = self.idle;
        let timer = self.timer.get_or_insert_with(|| Box::pin(sleep(idle)));
        ready!(timer.as_mut().poll(context));
        timer.as_mut().reset(Instant::now() + idle);
        Poll::Ready(Some(Err(BodyError::Idle(idle))))
    }
}

/// A client's body, on its way to an upstream.
pub(super) struct RequestBody {
    stream: Stream,
    progress: Progress,
}

/// How far a request's body is, for whoever waits for the upstream's answer to it.
#[derive(Clone)]
pub(super) struct Progress(Rc<Cell<Step>>);

/// Whose turn it is.
#[derive(Clone, Copy)]
pub(super) enum Step {
    /// The client's: the next piece has not come yet. The body's own idle limit ends that.
    Client,
    /// The upstream's, since then: to take the next piece, or to answer.
    Upstream(Instant),
}

impl Progress {
    /// The upstream's time counts from now: nothing could be sent before.
    pub(super) fn restart(&self) {
        self.0.set(Step::Upstream(Instant::now()));
    }

    pub(super) fn step(&self) -> Step {
        self.0.get()
    }
}

impl RequestBody {
    pub(super) fn new(incoming: Incoming, idle: Duration) -> Self {
        Self {
            stream: Stream::new(incoming, idle),
            progress: Progress(Rc::new(Cell::new(Step::Upstream(Instant::now())))),
        }
    }

    pub(super) fn progress(&self) -> Progress {
        self.progress.clone()
    }
}

impl Body for RequestBody {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let frame = self.stream.poll_frame(context);
        self.progress.0.set(if frame.is_ready() { Step::Upstream(Instant::now()) } else { Step::Client });
        frame
    }

    fn is_end_stream(&self) -> bool {
        self.stream.incoming.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.stream.incoming.size_hint()
    }
}

/// A response's body, on its way to a client.
pub(super) enum ResponseBody {
    /// Our own.
    Whole(Full<Bytes>),
    /// An upstream's, with the connection it comes on.
    Upstream(UpstreamBody),
}

impl From<Bytes> for ResponseBody {
    fn from(bytes: Bytes) -> Self {
        Self::Whole(Full::new(bytes))
    }
}

/// An upstream's body. Its connection goes back to the pool with the last byte, or is closed with the body.
pub(super) struct UpstreamBody {
    stream: Stream,
    lease: Option<Lease>,
}

impl UpstreamBody {
    pub(super) fn new(incoming: Incoming, idle: Duration, lease: Lease) -> Self {
        let mut body = Self { stream: Stream::new(incoming, idle), lease: Some(lease) };
        body.release_at_end();
        body
    }

    fn release_at_end(&mut self) {
        if self.stream.incoming.is_end_stream()
            && let Some(lease) = self.lease.take()
        {
            lease.release();
        }
    }
}

impl Body for ResponseBody {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        match &mut *self {
            Self::Whole(body) => Pin::new(body).poll_frame(context).map_err(|never| match never {}),
            Self::Upstream(body) => {
                let frame = ready!(body.stream.poll_frame(context));
                match &frame {
                    Some(Ok(_)) => body.release_at_end(),
                    // The last frame, without a length that would have announced it.
                    None => body.lease.take().into_iter().for_each(Lease::release),
                    Some(Err(error)) => {
                        let target = body.lease.take().map(|lease| lease.target().to_string());
                        tracing::warn!(target, %error, "the upstream's body broke off");
                    }
                }
                Poll::Ready(frame)
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Whole(body) => body.is_end_stream(),
            Self::Upstream(body) => body.stream.incoming.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Whole(body) => body.size_hint(),
            Self::Upstream(body) => body.stream.incoming.size_hint(),
        }
    }
}
