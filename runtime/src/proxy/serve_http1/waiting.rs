//! How long a client may take between two exchanges: without a byte, and from the first byte of a head to its last. And
//! how long it may take nothing of an answer.

use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::time::{Instant, Sleep, sleep};

use crate::config::checked::ClientLimits;
use crate::limits;

/// Where a client is between two exchanges.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Turn {
    /// It has sent nothing, since then.
    Idle(Instant),
    /// It has sent a part of a head, since then.
    Head(Instant),
}

impl Turn {
    /// When that has lasted too long.
    pub(super) fn deadline(self, limits: &ClientLimits) -> Instant {
        match self {
            Self::Idle(since) => since + limits.keepalive_timeout,
            Self::Head(since) => since + limits.header_timeout,
        }
    }
}

/// Since when a client has taken nothing of what there is for it. Set up by who has to wait: most never do.
#[derive(Default)]
pub(super) struct Stalled(Option<Pin<Box<Sleep>>>);

impl Stalled {
    /// It takes nothing; ready once that has lasted too long.
    pub(super) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        self.0.get_or_insert_with(|| Box::pin(sleep(limits::PEER_STALL))).as_mut().poll(cx)
    }

    /// It has taken something.
    pub(super) fn over(&mut self) {
        self.0 = None;
    }
}
