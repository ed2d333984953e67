//! How long an upstream's answer is waited for: as long as it is the upstream's turn. A slow upload is no late answer.

use std::cell::Cell;
use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::task::Poll;
use std::time::Duration;

use tokio::task::unconstrained;
use tokio::time::{Instant, Sleep, sleep_until};

use super::body::Upload;
use super::connection::Client;
use super::signal::Wait;

/// A wait for an answer.
pub(super) struct Patience<'w> {
    client: &'w Client,
    upload: Option<&'w Rc<Upload>>,
    begun: Instant,
    limit: Duration,
}

/// Why a wait is over without an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Over {
    /// It has been the upstream's turn for too long.
    TooLate,
    /// The drain's time is.
    Drained,
}

/// What a connection waits with: its requests share it, since moving a timer on costs less than setting one up for each.
pub(super) struct Alarm {
    timer: Pin<Box<Sleep>>,
    drained: Wait,
}

/// A connection's alarm, while nobody waits.
pub(super) type Idle = Cell<Option<Alarm>>;

impl<'w> Patience<'w> {
    pub(super) fn of(client: &'w Client, upload: Option<&'w Rc<Upload>>, begun: Instant, limit: Duration) -> Self {
        Self { client, upload, begun, limit }
    }

    /// `answer`, if it comes in time. Pinned by the caller, so that it is there once.
    pub(super) async fn wait<T>(&self, mut answer: Pin<&mut impl Future<Output = T>>) -> Result<T, Over> {
        let mut alarm = self.client.alarm.take().unwrap_or_else(|| Alarm {
            timer: Box::pin(sleep_until(self.deadline())),
            drained: self.client.worker.cut.wait(),
        });
        alarm.timer.as_mut().reset(self.deadline());
        let answered = poll_fn(|cx| {
            if let Poll::Ready(answer) = answer.as_mut().poll(cx) {
                return Poll::Ready(Ok(answer));
            }
            // Whatever else this task has done in its turn, the time is looked at.
            while pin!(unconstrained(alarm.timer.as_mut())).poll(cx).is_ready() {
                let deadline = self.deadline();
                if deadline <= Instant::now() {
                    return Poll::Ready(Err(Over::TooLate));
                }
                alarm.timer.as_mut().reset(deadline);
            }
            Pin::new(&mut alarm.drained).poll(cx).map(|()| Err(Over::Drained))
        })
        .await;
        self.client.alarm.set(Some(alarm));
        answered
    }

    fn deadline(&self) -> Instant {
        self.upload.map_or(self.begun + self.limit, |upload| upload.upstream_deadline(self.limit))
    }
}
