//! From the queue to the disk: whatever has been handed in is appended within some milliseconds, and synced at the
//! sink's interval. The disk is waited for by the control plane's blocking threads.

use std::collections::VecDeque;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc::Receiver;
use tokio::sync::watch;
use tokio::task::{JoinHandle, spawn_blocking};
use tokio::time::{Instant, sleep, sleep_until};

use super::Spool;
use crate::config::checked::DiskBuffer;
use crate::limits;
use crate::observe::metrics::{Dropped, SinkMetrics};
use crate::observe::sinks::journal::Journal;
use crate::observe::sinks::orders::Orders;
use crate::observe::sinks::queue::{Buffer, Record};

/// One sink's records on their way to the disk.
pub(in crate::observe::sinks) struct Writing {
    records: Receiver<Record>,
    buffer: Arc<Buffer>,
    spool: Arc<Spool>,
    orders: Arc<Orders>,
    metrics: Arc<SinkMetrics>,
    journal: Journal,
    disk: DiskBuffer,
    pause: Duration,
    /// Taken from the queue, in pieces as they are read from it.
    waiting: VecDeque<Record>,
    taken: Vec<Record>,
    /// The oldest that is written and not being synced is to be synced by then.
    sync: Option<Instant>,
    /// Beside what is written meanwhile: it may take long.
    syncing: Option<JoinHandle<io::Result<()>>>,
    /// Dropped at the end: there will be no more.
    _ended: watch::Sender<()>,
}

/// Why it goes on.
enum Wake {
    Records,
    /// It is time to sync,
    Sync,
    /// or that has come to an end.
    Synced(io::Result<()>),
    /// The sink takes nothing more,
    Closed,
    /// and there is nothing more.
    Ended,
}

impl Writing {
    pub(in crate::observe::sinks) fn new(
        name: Arc<str>,
        (records, buffer): (Receiver<Record>, Arc<Buffer>),
        (spool, disk): (Arc<Spool>, DiskBuffer),
        pause: Duration,
        orders: &Arc<Orders>,
        metrics: Arc<SinkMetrics>,
    ) -> (Self, watch::Receiver<()>) {
        let (ended, end) = watch::channel(());
        let journal = Journal::new(name, Arc::clone(&metrics));
        let orders = Arc::clone(orders);
        let (waiting, taken) = (VecDeque::new(), Vec::new());
        let writing = Self {
            records,
            buffer,
            spool,
            orders,
            metrics,
            journal,
            disk,
            pause,
            waiting,
            taken,
            sync: None,
            syncing: None,
            _ended: ended,
        };
        (writing, end)
    }

    pub(in crate::observe::sinks) async fn run(mut self) {
        loop {
            match self.wake().await {
                Wake::Records => self.write().await,
                Wake::Sync => self.begin_sync(),
                Wake::Synced(done) => self.synced(done),
                Wake::Closed => self.records.close(),
                Wake::Ended => break,
            }
        }
        if let Some(syncing) = self.syncing.take() {
            // What it has left undone is done now.
            drop(syncing.await);
        }
        self.begin_sync();
        if let Some(syncing) = self.syncing.take() {
            self.synced(syncing.await.map_err(io::Error::other).flatten());
        }
    }

    async fn wake(&mut self) -> Wake {
        let open = !self.records.is_closed();
        let (sync, syncing) = (self.sync, &mut self.syncing);
        let next = async {
            match (syncing, sync) {
                (Some(syncing), _) => Wake::Synced(syncing.await.map_err(io::Error::other).flatten()),
                (None, Some(due)) => {
                    sleep_until(due).await;
                    Wake::Sync
                }
                (None, None) => std::future::pending().await,
            }
        };
        // Whichever comes first, the others lose nothing.
        tokio::select! {
            biased;
            () = self.orders.closing(), if open => Wake::Closed,
            wake = next => wake,
            taken = self.records.recv_many(&mut self.taken, limits::SINK_DISK_WRITE) => {
                self.waiting.extend(self.taken.drain(..));
                if taken == 0 { Wake::Ended } else { Wake::Records }
            }
        }
    }

    fn begin_sync(&mut self) {
        let spool = Arc::clone(&self.spool);
        self.sync = None;
        self.syncing = Some(spawn_blocking(move || spool.sync()));
    }

    fn synced(&mut self, done: io::Result<()>) {
        self.syncing = None;
        if self.note(done).is_some() {
            self.sync.get_or_insert_with(|| Instant::now() + self.disk.sync);
        }
    }

    /// Write what was taken, however often that has to be tried.
    async fn write(&mut self) {
        while !self.waiting.is_empty() {
            let Some(pause) = self.append().await else { continue };
            // What is not written by the end is lost; nothing is with the pause.
            tokio::select! {
                () = sleep(pause) => {}
                () = self.orders.ended() => return self.lose(),
            }
        }
        if self.records.is_empty() && !self.records.is_closed() {
            // Not until the next record comes: each would wake this thread, at its worker's cost.
            tokio::select! {
                () = sleep(limits::SINK_TICK) => {}
                () = self.orders.closing() => {}
            }
        }
    }

    /// Append what waits; how long to wait if that has failed.
    async fn append(&mut self) -> Option<Duration> {
        let before = room(&self.buffer, &self.waiting);
        let (spool, mut waiting) = (Arc::clone(&self.spool), std::mem::take(&mut self.waiting));
        let file = file_bytes(self.disk.most);
        let done = spawn_blocking(move || {
            let appended = spool.append(&mut waiting, file);
            (waiting, appended)
        });
        // That fails only when everything ends.
        let Ok((waiting, appended)) = done.await else { return None };
        self.waiting = waiting;
        self.buffer.free(before - room(&self.buffer, &self.waiting));
        self.sync.get_or_insert_with(|| Instant::now() + self.disk.sync);
        self.note(appended)
    }

    fn note(&mut self, done: io::Result<()>) -> Option<Duration> {
        match done {
            Ok(()) => {
                self.journal.succeeded();
                None
            }
            Err(error) => Some(self.journal.failed(&format!("{}: {error}", self.disk.folder.display()), self.pause)),
        }
    }

    fn lose(&mut self) {
        self.buffer.free(room(&self.buffer, &self.waiting));
        for record in self.waiting.drain(..) {
            self.spool.dismiss(record.bytes.len());
            self.metrics.drop_records(Dropped::GaveUp, 1);
        }
    }
}

/// What one file has at most, in a buffer of so many bytes.
pub(super) fn file_bytes(most: usize) -> u64 {
    (most / limits::SINK_DISK_FILES).min(limits::SINK_DISK_FILE_BYTES) as u64
}

fn room(buffer: &Buffer, records: &VecDeque<Record>) -> usize {
    records.iter().map(|record| buffer.room(record.bytes.len())).sum()
}
