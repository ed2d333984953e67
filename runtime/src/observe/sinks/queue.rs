//! From single records to batches. Room in the buffer is taken by whoever hands a record in, without a lock, and given
//! back when the record's batch is delivered or dropped; so the bound holds for all that a sink keeps.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::SystemTime;

use tokio::sync::mpsc::Receiver;
use tokio::sync::mpsc::error::TryRecvError;
use tokio::task::coop::consume_budget;
use tokio::time::{Instant, sleep};

use super::batch::{Batch, Draft};
use super::framing::Framing;
use super::orders::Orders;
use crate::config::checked::BatchLimits;
use crate::limits;

/// One record on its way to the task.
#[derive(Debug)]
pub(super) struct Record {
    pub(super) bytes: Box<[u8]>,
    /// When it was handed in.
    pub(super) time: SystemTime,
}

/// A bound on bytes.
#[derive(Debug)]
pub(super) struct Buffer {
    held: Arc<AtomicUsize>,
    most: usize,
    /// What each record counts for besides its own bytes.
    overhead: usize,
}

impl Buffer {
    /// `held` is where its bytes are counted; `framing` is what goes around a record at most.
    pub(super) const fn new(held: Arc<AtomicUsize>, most: usize, framing: usize) -> Self {
        Self { held, most, overhead: limits::SINK_RECORD_OVERHEAD + framing }
    }

    /// The largest record that there can be room for.
    pub(super) const fn record_bytes(&self) -> usize {
        self.most.saturating_sub(self.overhead)
    }

    /// Take the room of a record of so many bytes; whether there was enough.
    pub(super) fn take(&self, record: usize) -> bool {
        let size = self.room(record);
        // Whoever comes at the same moment may see this before it is undone, and be refused as well.
        let fits = self.held.fetch_add(size, Ordering::Relaxed).saturating_add(size) <= self.most;
        if !fits {
            self.free(size);
        }
        fits
    }

    /// Give the room of a record back.
    pub(super) fn give_back(&self, record: usize) {
        self.free(self.room(record));
    }

    /// Give this much room back.
    pub(super) fn free(&self, size: usize) {
        self.held.fetch_sub(size, Ordering::Relaxed);
    }

    /// Take room that is needed, whether it is there or not: what comes next finds less of it.
    pub(super) fn hold(&self, size: usize) {
        self.held.fetch_add(size, Ordering::Relaxed);
    }

    /// What a record of so many bytes takes.
    pub(super) const fn room(&self, record: usize) -> usize {
        record.saturating_add(self.overhead)
    }
}

/// The task's end of the queue, and the batch that is being put together.
pub(super) struct Intake {
    records: Receiver<Record>,
    limits: BatchLimits,
    framing: Framing,
    buffer: Arc<Buffer>,
    orders: Arc<Orders>,
    draft: Draft,
    /// Since when there is something in it.
    begun: Option<Instant>,
    /// It did not fit into the batch before.
    left_over: Option<Record>,
}

impl Intake {
    pub(super) fn new(
        records: Receiver<Record>,
        limits: BatchLimits,
        framing: Framing,
        buffer: Arc<Buffer>,
        orders: &Arc<Orders>,
    ) -> Self {
        let orders = Arc::clone(orders);
        Self { records, limits, framing, buffer, orders, draft: Draft::default(), begun: None, left_over: None }
    }

    /// The next batch; `None` once the sink is closed and all is taken. What has come together stays when this is
    /// dropped, so that it can be waited for along with something else.
    pub(super) async fn next(&mut self) -> Option<Batch> {
        if let Some(record) = self.left_over.take()
            && let Some(batch) = self.add(record)
        {
            return Some(batch);
        }
        loop {
            // With more records than this thread can keep up with, others of its tasks have their turns.
            consume_budget().await;
            let received = match self.records.try_recv() {
                Ok(record) => Some(record),
                Err(TryRecvError::Disconnected) => return self.take(),
                Err(TryRecvError::Empty) if self.draft.is_empty() => self.first().await?,
                Err(TryRecvError::Empty) => {
                    let age = self.begun.map_or(self.limits.wait, |begun| begun.elapsed());
                    let Some(left) = self.limits.wait.checked_sub(age).filter(|left| !left.is_zero()) else {
                        return self.take();
                    };
                    // Not until the next record comes: each would wake this thread, at its worker's cost.
                    self.unless_closing(sleep(left.min(limits::SINK_TICK))).await;
                    None
                }
            };
            if let Some(batch) = received.and_then(|record| self.add(record)) {
                return Some(batch);
            }
        }
    }

    /// The first record of a batch; `None` if there will be none, `Some(None)` if it is to be looked again.
    async fn first(&mut self) -> Option<Option<Record>> {
        if self.records.is_closed() {
            return self.records.recv().await.map(Some);
        }
        // Either may be dropped: nothing is taken before it is returned.
        tokio::select! {
            record = self.records.recv() => record.map(Some),
            () = self.orders.closing() => {
                self.records.close();
                Some(None)
            }
        }
    }

    async fn unless_closing(&mut self, pause: impl Future<Output = ()>) {
        if self.records.is_closed() {
            return tokio::task::yield_now().await;
        }
        tokio::select! {
            () = pause => {}
            () = self.orders.closing() => self.records.close(),
        }
    }

    /// Add a record; the batch, if it is full or was so before.
    fn add(&mut self, record: Record) -> Option<Batch> {
        let size = record.bytes.len().saturating_add(self.framing.most());
        if !self.draft.takes(size, self.limits) {
            self.left_over = Some(record);
            return self.take();
        }
        self.begun.get_or_insert_with(Instant::now);
        self.draft.held += self.buffer.room(record.bytes.len());
        self.draft.add(&record.bytes, record.time, &mut self.framing);
        if self.draft.is_full(self.limits) { self.take() } else { None }
    }

    fn take(&mut self) -> Option<Batch> {
        self.begun = None;
        std::mem::take(&mut self.draft).into_batch(&self.framing, &self.buffer)
    }
}
