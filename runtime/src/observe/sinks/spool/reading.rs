//! From the disk to batches, for the one sink that delivers from it at a time. What is on its way stays on the disk
//! until it is settled, and is read again by whoever delivers next if it is not.

use std::io;
use std::sync::Arc;

use tokio::sync::{OwnedMutexGuard, watch};
use tokio::task::{JoinHandle, spawn_blocking};
use tokio::time::{Instant, sleep_until};

use super::folder::Entry;
use super::scan::{Found, Scan};
use super::writing::file_bytes;
use super::{Place, Spool};
use crate::config::checked::BatchLimits;
use crate::observe::metrics::{Dropped, SinkMetrics};
use crate::observe::sinks::batch::{Batch, Draft};
use crate::observe::sinks::framing::Framing;
use crate::observe::sinks::orders::Orders;
use crate::observe::sinks::queue::Buffer;
use crate::observe::sinks::source::Next;

/// One sink's end of a disk buffer.
pub(in crate::observe::sinks) struct Reading {
    spool: Arc<Spool>,
    /// What the sink is known by.
    number: u64,
    orders: Arc<Orders>,
    metrics: Arc<SinkMetrics>,
    limits: BatchLimits,
    /// Bytes of a file, at most.
    file: u64,
    /// No more is written by this sink once its other end is dropped.
    writing: watch::Receiver<()>,
    written: watch::Receiver<(u64, u64)>,
    turn: Option<OwnedMutexGuard<()>>,
    /// What was there when this turn began has waited for long enough.
    backlog: Place,
    /// What is read already of what was written since then: records, and bytes.
    taken: (u64, u64),
    since: Option<Instant>,
    /// `None`: it is lent to the job.
    shelf: Option<Shelf>,
    job: Option<JoinHandle<(Shelf, io::Result<Read>)>>,
}

/// What reads: it is lent to a thread that may wait.
struct Shelf {
    framing: Framing,
    /// Where what is in memory is counted.
    buffer: Arc<Buffer>,
    open: Option<(Entry, Scan)>,
    at: Place,
}

/// What a look into the buffer has brought.
#[derive(Default)]
struct Read {
    batch: Option<Batch>,
    from: Place,
    records: u64,
    bytes: u64,
    damaged: u64,
}

impl Reading {
    /// For the sink that is known by `number`, whose part of the disk is `most` bytes.
    pub(in crate::observe::sinks) fn new(
        (spool, number, most): (Arc<Spool>, u64, usize),
        limits: BatchLimits,
        (framing, buffer): (Framing, Arc<Buffer>),
        writing: watch::Receiver<()>,
        orders: &Arc<Orders>,
        metrics: Arc<SinkMetrics>,
    ) -> Self {
        let shelf = Some(Shelf { framing, buffer, open: None, at: Place::default() });
        Self {
            number,
            orders: Arc::clone(orders),
            metrics,
            limits,
            file: file_bytes(most),
            writing,
            written: spool.written.subscribe(),
            turn: None,
            backlog: Place::default(),
            taken: (0, 0),
            since: None,
            shelf,
            job: None,
            spool,
        }
    }

    /// The next batch. What is under way when this is dropped is there the next time.
    pub(in crate::observe::sinks) async fn next(&mut self) -> Next {
        loop {
            if self.turn.is_none() && !self.begin().await {
                return Next::End;
            }
            if self.is_superseded() {
                self.hand_over().await;
                return Next::Handover;
            }
            if self.job.is_none() && !self.is_due() {
                // What is delivered is noted before anything is waited for.
                if let Err(words) = self.settle().await {
                    return Next::Failed(words);
                }
                if !self.wait().await {
                    return Next::End;
                }
                continue;
            }
            match self.read().await {
                Ok(Some(batch)) => return Next::Batch(batch),
                Ok(None) => {}
                Err(words) => return Next::Failed(words),
            }
        }
    }

    /// Whether it is another sink that delivers.
    pub(in crate::observe::sinks) fn is_superseded(&self) -> bool {
        !self.spool.is_delivered_by(self.number)
    }

    /// Until it is another. May be dropped.
    pub(in crate::observe::sinks) async fn superseded(&self) {
        // It fails once the sender is gone, which is in the spool.
        let _ = self.spool.reader.subscribe().wait_for(|sink| *sink != self.number).await;
    }

    /// Wait until this is the sink that delivers, and none before it does any more; whether that will be.
    async fn begin(&mut self) -> bool {
        let mut reader = self.spool.reader.subscribe();
        let turn = async {
            // It fails once the sender is gone, which is in the spool.
            let _ = reader.wait_for(|sink| *sink == self.number).await;
            Arc::clone(&self.spool.turn).lock_owned().await
        };
        let over = async {
            self.orders.closing().await;
            // One that delivers until then goes on until all is out.
            if !self.is_superseded() {
                self.orders.ended().await;
            }
        };
        // Nothing is lost with either.
        tokio::select! {
            biased;
            turn = turn => self.turn = Some(turn),
            () = over => return false,
        }
        self.written.mark_unchanged();
        self.taken = *self.spool.written.borrow();
        self.backlog = self.spool.end();
        self.since = None;
        if let Some(shelf) = &mut self.shelf {
            shelf.at = self.spool.state().done;
        }
        true
    }

    /// Let the next sink deliver.
    async fn hand_over(&mut self) {
        // What it has read is read again by whoever delivers next.
        if self.job.is_some() {
            drop(self.read().await);
        }
        self.turn = None;
    }

    /// Whether a batch is to be read now.
    fn is_due(&mut self) -> bool {
        let Some(shelf) = &self.shelf else { return false };
        // In this order: what is written after the first is told of again.
        let (records, bytes) = *self.written.borrow_and_update();
        let (at, end) = (shelf.at, self.spool.end());
        if at >= end {
            (self.since, self.taken) = (None, (records, bytes));
            return false;
        }
        let since = *self.since.get_or_insert_with(Instant::now);
        at < self.backlog
            || self.orders.is_closing()
            || since.elapsed() >= self.limits.wait
            || records.saturating_sub(self.taken.0) >= self.limits.records as u64
            || bytes.saturating_sub(self.taken.1) >= self.limits.bytes as u64
    }

    /// Until there is more; whether there can be.
    async fn wait(&mut self) -> bool {
        let closing = self.orders.is_closing();
        let empty = self.since.is_none();
        let ended = self.writing.has_changed().is_err();
        if closing && ended {
            return !empty;
        }
        let due = self.since.map(|since| since + self.limits.wait);
        let due = async {
            match due {
                Some(due) => sleep_until(due).await,
                None => std::future::pending().await,
            }
        };
        let mut reader = self.spool.reader.subscribe();
        // It is looked again whatever happens, and nothing is lost with the others.
        tokio::select! {
            () = due => {}
            _ = self.written.changed() => {}
            _ = reader.wait_for(|sink| *sink != self.number) => {}
            // It ends with an error once nothing more is written.
            _ = self.writing.changed(), if closing => {}
            () = self.orders.closing(), if !closing => {}
        }
        true
    }

    async fn settle(&self) -> Result<(), String> {
        let (spool, file) = (Arc::clone(&self.spool), self.file);
        self.words(spawn_blocking(move || spool.settle(file / 4)).await.map_err(io::Error::other).flatten())
    }

    /// Note for good how far all is delivered.
    pub(in crate::observe::sinks) async fn finish(&self) -> Result<(), String> {
        let (spool, file) = (Arc::clone(&self.spool), self.file);
        let finished = spawn_blocking(move || spool.settle(file / 4).and_then(|()| spool.sync()));
        self.words(finished.await.map_err(io::Error::other).flatten())
    }

    async fn read(&mut self) -> Result<Option<Batch>, String> {
        let job = match (self.job.take(), self.shelf.take()) {
            (Some(job), _) => job,
            (None, Some(shelf)) => {
                let (spool, limits, file) = (Arc::clone(&self.spool), self.limits, self.file);
                spawn_blocking(move || shelf.read(&spool, limits, file))
            }
            (None, None) => return Ok(None),
        };
        // It stays here while it is waited for: who waits may be dropped.
        let done = self.job.insert(job).await;
        self.job = None;
        let (shelf, read) = done.map_err(|error| error.to_string())?;
        self.shelf = Some(shelf);
        let read = self.words(read)?;
        if read.from >= self.backlog {
            self.taken.0 += read.records;
            self.taken.1 += read.bytes;
        }
        self.metrics.drop_records(Dropped::Damaged, read.damaged);
        Ok(read.batch)
    }

    fn words<T>(&self, done: io::Result<T>) -> Result<T, String> {
        done.map_err(|error| format!("{}: {error}", self.spool.folder.display()))
    }
}

impl Shelf {
    fn read(mut self, spool: &Arc<Spool>, limits: BatchLimits, file: u64) -> (Self, io::Result<Read>) {
        let read = spool.settle(file / 4).and_then(|()| self.batch(spool, limits));
        (self, read)
    }

    fn batch(&mut self, spool: &Arc<Spool>, limits: BatchLimits) -> io::Result<Read> {
        let mut read = Read::default();
        let Some((entry, place)) = spool.file_at(self.at) else {
            self.at = self.at.max(spool.end());
            return Ok(read);
        };
        (self.at, read.from) = (place, place);
        let mut scan = match self.open.take() {
            Some((open, scan)) if open.number == entry.number => scan,
            _ => match std::fs::File::open(entry.path(&spool.folder)) {
                Ok(file) => Scan::new(file, entry.salt),
                Err(error) if error.kind() == io::ErrorKind::NotFound => {
                    // Somebody has deleted it, and what was in it is not known.
                    self.at.at = entry.length;
                    return Ok(Read { damaged: 1, ..read });
                }
                Err(error) => return Err(error),
            },
        };
        let mut draft = Draft::default();
        loop {
            match scan.at(self.at.at, entry.length)? {
                Found::Record { time, bytes, next } => {
                    if !draft.takes(bytes.len() + self.framing.most(), limits) {
                        break;
                    }
                    draft.add(bytes, time, &mut self.framing);
                    self.at.at = next;
                    read.records += 1;
                    if draft.is_full(limits) {
                        break;
                    }
                }
                Found::Damaged { next } => {
                    read.damaged += 1;
                    self.at.at = next;
                }
                Found::End => break,
            }
        }
        read.bytes = self.at.at - place.at;
        self.open = Some((entry, scan));
        let batch = draft.into_batch(&self.framing, &self.buffer);
        read.batch = batch.map(|batch| batch.kept(Arc::clone(spool), self.at));
        Ok(read)
    }
}
