//! How long an upstream's answer is waited for: as long as it is the upstream's turn. A slow upload is no late answer.

use std::cell::Cell;
use std::future::poll_fn;
use std::pin::Pin;
use std::rc::Rc;
use std::task::Poll;
use std::time::Duration;

use tokio::time::Instant;

use super::body::Upload;
use super::connection::Client;
use super::signal::Wait;
use super::timer::Timer;

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

/// What a connection waits with: its requests share it.
pub(super) struct Alarm {
    timer: Timer,
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
        let mut alarm = self
            .client
            .alarm
            .take()
            .unwrap_or_else(|| Alarm { timer: Timer::default(), drained: self.client.worker.cut.wait() });
        let answered = poll_fn(|cx| {
            if let Poll::Ready(answer) = answer.as_mut().poll(cx) {
                return Poll::Ready(Ok(answer));
            }
            if alarm.timer.poll(cx, self.deadline()).is_ready() {
                return Poll::Ready(Err(Over::TooLate));
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
