//! Bodies on their way: streamed piece by piece, counted, each piece awaited no longer than its limits say.

mod filter;
mod from_client;
mod request;
mod response;

use std::io::{self, ErrorKind};
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use hyper::body::{Body, Frame, Incoming};
use thiserror::Error;
use tokio::time::{Instant, Sleep, sleep_until};

pub(super) use filter::{Filter, Side};
pub(super) use from_client::FromClient;
pub(super) use request::{Bounds, RequestBody, Upload};
pub(super) use response::{ResponseBody, Source, TakenIn, Untaken, UpstreamBody};

use super::http1::Fault;
use crate::error::{Cause, Failure};

/// Why a body broke off.
#[derive(Debug, Error)]
pub(super) enum BodyError {
    /// The peer closed, or sent what is no HTTP.
    #[error(transparent)]
    Peer(#[from] hyper::Error),
    /// The peer paused for too long.
    #[error("nothing came for {0:?}")]
    Idle(Duration),
    /// The whole took too long.
    #[error("not complete after {0:?}")]
    Late(Duration),
    /// There is more than may come.
    #[error("larger than `body_bytes`, or a plugin, lets it be ({0})")]
    TooLarge(u64),
    /// A client's HTTP/1 broke.
    #[error(transparent)]
    Client(Fault),
    /// A target's HTTP/1 broke.
    #[error(transparent)]
    Target(#[from] Fault),
    /// It has another length than was said.
    #[error("its length is not what was said")]
    Misframed,
    /// A plugin that sees its pieces has failed or answered.
    #[error("{0}")]
    Plugin(Failure),
    /// The drain's time was over.
    #[error("the drain's time was over")]
    Drained,
    /// An HTTP/2 stream was taken back, politely, before its end.
    #[error("taken back before its end")]
    Cut,
    /// It has failed before, another attempt sends it now, or nobody needs it any more.
    #[error("given up")]
    GivenUp,
}

impl BodyError {
    /// What a request's body that broke off makes of its exchange: it is the client's doing, one way or another.
    pub(super) fn clients(&self) -> Cause {
        match self {
            Self::Idle(_) | Self::Late(_) => Cause::RequestTimeout,
            Self::TooLarge(_) => Cause::BodyTooLarge,
            Self::Peer(error) if error.is_incomplete_message() || error.is_closed() || is_reset(error) => {
                Cause::ClientClosed
            }
            Self::Client(fault) if fault.is_misread() => Cause::RequestInvalid,
            Self::Client(Fault::Io(error)) if error.kind() == ErrorKind::InvalidData => Cause::RequestInvalid,
            Self::Peer(_) | Self::Misframed => Cause::RequestInvalid,
            Self::Plugin(failure) => failure.cause,
            Self::Client(_) | Self::Cut | Self::GivenUp | Self::Target(_) | Self::Drained => Cause::ClientClosed,
        }
    }

    /// The same for a response's body, which is the upstream's doing.
    pub(super) fn upstreams(&self) -> Cause {
        match self {
            Self::Idle(_) | Self::Late(_) => Cause::UpstreamBodyTimeout,
            Self::Peer(error) if error.is_parse() => Cause::UpstreamProtocolError,
            Self::Target(Fault::Upload(broken)) => broken.clients(),
            Self::Target(fault) if fault.is_misread() => Cause::UpstreamProtocolError,
            Self::Drained => Cause::GatewayDraining,
            Self::Plugin(failure) => failure.cause,
            _ => Cause::UpstreamBodyTruncated,
        }
    }
}

/// A connection that ended without its proper end, or a stream that its peer took back.
fn is_reset(error: &hyper::Error) -> bool {
    let mut source = std::error::Error::source(error);
    while let Some(cause) = source {
        if let Some(io) = cause.downcast_ref::<io::Error>()
            && matches!(
                io.kind(),
                ErrorKind::ConnectionReset
                    | ErrorKind::ConnectionAborted
                    | ErrorKind::BrokenPipe
                    | ErrorKind::UnexpectedEof
            )
        {
            return true;
        }
        if let Some(h2) = cause.downcast_ref::<h2::Error>() {
            return h2.is_reset() || h2.is_go_away() || h2.is_io();
        }
        source = cause.source();
    }
    false
}

/// How long a peer may pause between two pieces of a body.
struct Pace {
    idle: Duration,
    /// Made with the first pause: most bodies have none.
    timer: Option<Pin<Box<Sleep>>>,
    /// The peer is being waited for, since the timer was set last.
    waiting: bool,
}

impl Pace {
    fn new(idle: Duration) -> Self {
        Self { idle, timer: None, waiting: false }
    }

    /// The peer has sent something.
    fn came(&mut self) {
        self.waiting = false;
    }

    /// The peer has sent nothing yet; ready once that has lasted too long.
    fn poll_idle(&mut self, cx: &mut Context<'_>) -> Poll<BodyError> {
        let idle = self.idle;
        let timer = self.timer.get_or_insert_with(|| Box::pin(sleep_until(Instant::now() + idle)));
        if !self.waiting {
            self.waiting = true;
            timer.as_mut().reset(Instant::now() + idle);
        }
        timer.as_mut().poll(cx).map(|()| BodyError::Idle(idle))
    }
}

/// The next frame of a body that comes over HTTP/2.
fn poll_incoming(incoming: &mut Incoming, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
    let frame = ready!(Pin::new(&mut *incoming).poll_frame(cx));
    if frame.is_none() && !incoming.is_end_stream() {
        // hyper takes a reset without an error for an end (RFC 9113, section 8.1, allows it after an answer).
        return Poll::Ready(Some(Err(BodyError::Cut)));
    }
    Poll::Ready(frame.map(|frame| frame.map_err(BodyError::Peer)))
}
