//! A sink's task: one batch after the other, each tried until it is delivered, refused or given up, so that the order
//! is kept. Ends when the sink is closed and all is out, or when its time is over.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Instant, sleep};

use super::batch::Batch;
use super::delivery::{Delivery, Event, Failure, Pause};
use super::journal::Journal;
use super::orders::Orders;
use super::source::{Next, Source};
use crate::config::checked::SinkRetry;
use crate::limits;
use crate::observe::metrics::{Dropped, SinkMetrics};

pub(super) struct Task {
    source: Source,
    delivery: Delivery,
    retry: SinkRetry,
    orders: Arc<Orders>,
    metrics: Arc<SinkMetrics>,
    journal: Journal,
}

/// How an attempt has ended.
enum Outcome {
    Delivered,
    Failed(Failure),
    /// There is no time left.
    Over,
}

impl Task {
    pub(super) fn new(
        name: Arc<str>,
        source: Source,
        delivery: Delivery,
        retry: SinkRetry,
        orders: &Arc<Orders>,
        metrics: Arc<SinkMetrics>,
    ) -> Self {
        let journal = Journal::new(name, Arc::clone(&metrics));
        Self { source, delivery, retry, orders: Arc::clone(orders), metrics, journal }
    }

    pub(super) async fn run(mut self) {
        loop {
            // What the source has put together stays with it when it is dropped, and a watch takes nothing away.
            tokio::select! {
                biased;
                next = self.source.next() => match next {
                    Next::Batch(batch) => self.deliver(Some(&Arc::new(batch))).await,
                    Next::Handover => self.delivery.leave(),
                    Next::Failed(words) => {
                        let pause = self.journal.failed(&words, self.retry.wait);
                        if self.orders.is_closing() {
                            break;
                        }
                        self.pause(pause).await;
                    }
                    Next::End => break,
                },
                event = self.delivery.watch() => match event {
                    Event::Sure => self.journal.succeeded(),
                    Event::Broken(words) => self.redeliver(&words).await,
                },
            }
            self.journal.tell_losses(false);
        }
        self.finish().await;
        self.journal.tell_losses(true);
    }

    /// The connection has ended, and what it carried is in doubt. With a peer that hangs up each time, this goes on for
    /// as long as with one that is away.
    async fn redeliver(&mut self, words: &str) {
        let pause = self.journal.failed(words, self.retry.wait);
        if self.must_leave() {
            return self.delivery.leave();
        }
        if self.retry.give_up.is_some_and(|most| self.journal.failing() >= most) {
            return self.give_up(None, words);
        }
        self.pause(pause).await;
        if self.source.is_superseded() {
            return self.delivery.leave();
        }
        self.metrics.retry();
        self.deliver(None).await;
    }

    /// Deliver `batch`, and before it what a former delivery may have lost; without a batch, that alone.
    async fn deliver(&mut self, batch: Option<&Arc<Batch>>) {
        let begun = Instant::now();
        let mut batch = batch.cloned();
        loop {
            let failure = match self.attempt(batch.as_ref()).await {
                Outcome::Delivered if self.delivery.is_sure() => return self.journal.succeeded(),
                Outcome::Delivered => return,
                Outcome::Over if self.source.keeps() => return self.delivery.leave(),
                Outcome::Over => return self.give_up(batch.as_ref(), "there was no time left"),
                Outcome::Failed(failure) => failure,
            };
            let (words, pause) = match failure {
                Failure::Again { words, pause } => (words, pause),
                Failure::Partly { rest, words, pause, unwanted } => {
                    unwanted.into_iter().for_each(|words| self.journal.lost(words));
                    batch = Some(rest);
                    (words, pause)
                }
                Failure::Unwanted(words) => {
                    self.journal.succeeded();
                    batch.iter().for_each(|batch| batch.settle());
                    return self.journal.lost(words);
                }
                Failure::Lost(words) => {
                    self.journal.failed(&words, self.retry.wait);
                    batch.iter().for_each(|batch| batch.settle());
                    return self.journal.lost(words);
                }
                Failure::Refused(words) => {
                    // The peer is there, and says what it thinks of it.
                    self.journal.succeeded();
                    batch.iter().for_each(|batch| batch.lost(&self.metrics, Dropped::Refused));
                    return self.journal.lost(words);
                }
            };
            let growing = match pause {
                Pause::Longest => self.journal.hindered(&words, self.retry.wait),
                Pause::Growing | Pause::For(_) => self.journal.failed(&words, self.retry.wait),
            };
            if self.must_leave() {
                return self.delivery.leave();
            }
            if self.retry.give_up.is_some_and(|most| begun.elapsed() >= most) {
                return self.give_up(batch.as_ref(), &words);
            }
            self.journal.tell_losses(false);
            self.pause(if let Pause::For(pause) = pause { pause } else { growing }).await;
            if self.source.is_superseded() {
                return self.delivery.leave();
            }
            self.metrics.retry();
        }
    }

    async fn attempt(&mut self, batch: Option<&Arc<Batch>>) -> Outcome {
        // Once time is over, none is begun: one that is broken off leaves a state that nothing may be sent in.
        tokio::select! {
            biased;
            () = self.orders.ended() => Outcome::Over,
            outcome = self.delivery.deliver(batch) => match outcome {
                Ok(()) => Outcome::Delivered,
                Err(failure) => Outcome::Failed(failure),
            },
        }
    }

    /// Wait before the next attempt. Whoever closes the sink gets one at once.
    async fn pause(&self, pause: Duration) {
        let closing = self.orders.is_closing();
        let pause = if closing { pause.min(limits::SINK_LAST_PAUSE) } else { pause };
        // Nothing is lost with any of them.
        tokio::select! {
            () = sleep(pause) => {}
            () = self.orders.ended() => {}
            () = self.orders.closing(), if !closing => {}
            () = self.source.superseded() => {}
        }
    }

    /// Whether what fails now is left to who comes after this: it is kept on a disk.
    fn must_leave(&self) -> bool {
        self.source.keeps() && (self.orders.is_closing() || self.source.is_superseded())
    }

    fn give_up(&mut self, batch: Option<&Arc<Batch>>, words: &str) {
        self.delivery.give_up();
        batch.iter().for_each(|batch| batch.lost(&self.metrics, Dropped::GaveUp));
        self.journal.lost(words);
    }

    /// End the connection in order. What the peer had not read then is sent once more.
    async fn finish(&mut self) {
        self.end_delivery().await;
        if let Err(words) = self.source.finish().await {
            self.journal.failed(&words, self.retry.wait);
        }
    }

    async fn end_delivery(&mut self) {
        for _ in 0..2 {
            // A connection that is not ended in order is closed all the same.
            let ended = tokio::select! {
                ended = self.delivery.finish() => ended,
                () = self.orders.ended() => break,
            };
            match ended {
                Ok(()) => return,
                Err(words) => {
                    self.journal.failed(&words, self.retry.wait);
                    self.metrics.retry();
                    self.deliver(None).await;
                }
            }
        }
        if self.source.keeps() {
            return self.delivery.leave();
        }
        self.delivery.give_up();
    }
}
