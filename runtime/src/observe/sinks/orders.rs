//! What a sink's task is told: to end by some moment, or to open its file again.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::sync::{Notify, watch};
use tokio::time::{Instant, timeout_at};

/// Shared by the task and whoever gives orders.
#[derive(Debug, Default)]
pub(super) struct Orders {
    /// When the task has to be over; `None`: nobody said so yet.
    end: watch::Sender<Option<Instant>>,
    reopen: AtomicBool,
    asked: Notify,
}

impl Orders {
    /// Take nothing more, and be over `within` this time; the earliest end that was ever said counts.
    pub(super) fn close(&self, within: Duration) {
        let at = Instant::now() + within;
        self.end.send_modify(|end| *end = Some(end.map_or(at, |before| before.min(at))));
    }

    /// Open the file again.
    pub(super) fn reopen(&self) {
        self.reopen.store(true, Ordering::Release);
        self.asked.notify_one();
    }

    pub(super) fn is_closing(&self) -> bool {
        self.end.borrow().is_some()
    }

    /// Until the sink takes nothing more.
    pub(super) async fn closing(&self) {
        // It fails once the sender is gone, which is here.
        let _ = self.end.subscribe().wait_for(Option::is_some).await;
    }

    /// Until the task has to be over.
    pub(super) async fn ended(&self) {
        let mut orders = self.end.subscribe();
        loop {
            let end = *orders.borrow_and_update();
            match end {
                None => drop(orders.changed().await),
                // The end may be moved nearer meanwhile.
                Some(at) if timeout_at(at, orders.changed()).await.is_err() => return,
                Some(_) => {}
            }
        }
    }

    /// Until the file is to be opened again.
    pub(super) async fn reopening(&self) {
        while !self.must_reopen() {
            self.asked.notified().await;
        }
    }

    /// Whether the file is to be opened again; the order then counts as carried out.
    pub(super) fn must_reopen(&self) -> bool {
        self.reopen.swap(false, Ordering::AcqRel)
    }
}
