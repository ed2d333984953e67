//! How long an upstream's answer is waited for: as long as it is the upstream's turn. A slow upload is no late answer.

use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::task::Poll;
use std::time::Duration;

use tokio::time::{Instant, Sleep, sleep_until};

use super::body::Upload;
use super::connection::Client;

/// A wait for an answer.
pub(super) struct Patience<'w> {
    client: &'w Client,
    upload: Option<&'w Rc<Upload>>,
    begun: Instant,
    limit: Duration,
}

impl<'w> Patience<'w> {
    pub(super) fn of(client: &'w Client, upload: Option<&'w Rc<Upload>>, limit: Duration) -> Self {
        Self { client, upload, begun: Instant::now(), limit }
    }

    /// `answer`; `None` once it has been the upstream's turn for too long.
    pub(super) async fn wait<T>(&self, answer: impl Future<Output = T>) -> Option<T> {
        let mut answer = pin!(answer);
        // A connection's requests share a timer: moving it on costs less than setting one up for each.
        let mut timer = self.client.timer.take().unwrap_or_else(|| Box::pin(sleep_until(self.deadline())));
        timer.as_mut().reset(self.deadline());
        let answered = poll_fn(|cx| {
            if let Poll::Ready(answer) = answer.as_mut().poll(cx) {
                return Poll::Ready(Some(answer));
            }
            while Pin::as_mut(&mut timer).poll(cx).is_ready() {
                let deadline = self.deadline();
                if deadline <= Instant::now() {
                    return Poll::Ready(None);
                }
                timer.as_mut().reset(deadline);
            }
            Poll::Pending
        })
        .await;
        self.client.timer.set(Some(timer));
        answered
    }

    fn deadline(&self) -> Instant {
        self.upload.map_or(self.begun + self.limit, |upload| upload.upstream_deadline(self.limit))
    }
}

/// The timer of a connection, while nobody waits.
pub(super) type Timer = std::cell::Cell<Option<Pin<Box<Sleep>>>>;
