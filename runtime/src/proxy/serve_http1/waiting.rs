//! How long a client may take between two exchanges: without a byte, and from the first byte of a head to its last. And
//! how long it may take nothing of an answer.

use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::time::{Instant, Sleep, sleep_until};

use crate::config::checked::ClientLimits;
use crate::limits;

/// A connection's timer. Once set, it goes on by itself while requests come and go, and is looked at when it has fired:
/// most requests never touch it.
#[derive(Default)]
pub(super) struct Waiting {
    timer: Option<Pin<Box<Sleep>>>,
}

/// Where a client is between two exchanges.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Turn {
    /// It has sent nothing, since then.
    Idle(Instant),
    /// It has sent a part of a head, since then.
    Head(Instant),
}

/// How often something was looked for in vain since it was begun to wait for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Look {
    First,
    Again,
}

impl Turn {
    fn deadline(self, limits: &ClientLimits) -> Instant {
        match self {
            Self::Idle(since) => since + limits.keepalive_timeout,
            Self::Head(since) => since + limits.header_timeout,
        }
    }
}

impl Waiting {
    /// The client has sent nothing; ready once that has lasted too long.
    pub(super) fn poll(&mut self, cx: &mut Context<'_>, turn: Turn, look: Look, limits: &ClientLimits) -> Poll<()> {
        let deadline = turn.deadline(limits);
        let timer = match &mut self.timer {
            // It was polled by this task before, and wakes it.
            Some(timer) if look == Look::First && timer.deadline() <= deadline && !timer.is_elapsed() => {
                return Poll::Pending;
            }
            Some(timer) => timer,
            none => none.insert(Box::pin(sleep_until(deadline))),
        };
        if timer.deadline() > deadline {
            timer.as_mut().reset(deadline);
        }
        loop {
            ready!(timer.as_mut().poll(cx));
            if deadline <= Instant::now() {
                return Poll::Ready(());
            }
            timer.as_mut().reset(deadline);
        }
    }
}

/// Since when a client has taken nothing of what there is for it.
#[derive(Default)]
pub(super) struct Stalled(Option<Pin<Box<Sleep>>>);

impl Stalled {
    /// It takes nothing; ready once that has lasted too long.
    pub(super) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        self.0.get_or_insert_with(|| Box::pin(tokio::time::sleep(STALL))).as_mut().poll(cx)
    }

    /// It has taken something.
    pub(super) fn over(&mut self) {
        self.0 = None;
    }
}

const STALL: Duration = limits::PEER_STALL;
