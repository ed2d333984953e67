//! What is delivered at a time.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::SystemTime;

use bytes::Bytes;

use super::framing::Framing;
use super::queue::Buffer;
use super::spool::{Place, Spool};
use crate::config::checked::BatchLimits;
use crate::limits;
use crate::observe::metrics::{Dropped, SinkMetrics};

/// Records, framed and in order. The room that they take in the buffer is given back when this is dropped.
#[derive(Debug)]
pub(super) struct Batch {
    body: Bytes,
    /// Where each record ends.
    ends: Vec<usize>,
    held: AtomicUsize,
    buffer: Arc<Buffer>,
    /// Where it is kept on a disk, and up to which place that is done with once this is.
    kept: Option<(Arc<Spool>, Place)>,
}

/// A batch before it is one.
#[derive(Default)]
pub(super) struct Draft {
    body: Vec<u8>,
    ends: Vec<usize>,
    /// Bytes of the buffer that its records have already.
    pub(super) held: usize,
}

impl Draft {
    /// Whether another record fits in, with its framing of so many bytes; the first always does.
    pub(super) fn takes(&self, framed: usize, limits: BatchLimits) -> bool {
        self.ends.is_empty() || self.body.len().saturating_add(framed) <= limits.bytes
    }

    pub(super) fn add(&mut self, record: &[u8], time: SystemTime, framing: &mut Framing) {
        if self.ends.is_empty() {
            framing.begin(&mut self.body);
        }
        framing.write(&mut self.body, record, time);
        self.ends.push(self.body.len());
    }

    pub(super) const fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }

    pub(super) const fn is_full(&self, limits: BatchLimits) -> bool {
        self.body.len() >= limits.bytes || self.ends.len() >= limits.records
    }

    /// The batch, if there is anything in it.
    pub(super) fn into_batch(mut self, framing: &Framing, buffer: &Arc<Buffer>) -> Option<Batch> {
        if self.ends.is_empty() {
            return None;
        }
        framing.end(&mut self.body);
        // It grew by doubling, and nobody has counted what is empty.
        self.body.shrink_to_fit();
        self.ends.shrink_to_fit();
        let size = self.body.len() + self.ends.len() * limits::SINK_RECORD_OVERHEAD;
        buffer.hold(size.saturating_sub(self.held));
        let held = AtomicUsize::new(self.held.max(size));
        Some(Batch { body: self.body.into(), ends: self.ends, held, buffer: Arc::clone(buffer), kept: None })
    }
}

impl Batch {
    /// The same batch, which is kept in `spool` until all up to `place` is settled.
    pub(super) fn kept(mut self, spool: Arc<Spool>, place: Place) -> Self {
        self.kept = Some((spool, place));
        self
    }
    /// Those of its records whose numbers `wanted` says, as a batch that takes the place of this one.
    pub(super) fn rest(&self, wanted: impl Fn(usize) -> bool) -> Self {
        let (mut body, mut ends) = (Vec::new(), Vec::new());
        for (_, record) in self.each().enumerate().filter(|(number, _)| wanted(*number)) {
            body.extend_from_slice(record);
            ends.push(body.len());
        }
        let held = AtomicUsize::new(self.held.swap(0, Ordering::Relaxed));
        Self { body: body.into(), ends, held, buffer: Arc::clone(&self.buffer), kept: self.kept.clone() }
    }

    /// All records, one behind the other.
    pub(super) const fn body(&self) -> &Bytes {
        &self.body
    }

    /// How many there are.
    pub(super) const fn records(&self) -> u64 {
        self.ends.len() as u64
    }

    /// The same.
    pub(super) const fn count(&self) -> usize {
        self.ends.len()
    }

    /// Each record by itself.
    pub(super) fn each(&self) -> impl Iterator<Item = &[u8]> {
        let starts = std::iter::once(0).chain(self.ends.iter().copied());
        starts.zip(&self.ends).filter_map(|(start, end)| self.body.get(start..*end))
    }

    /// Count it as delivered.
    pub(super) fn delivered(&self, metrics: &SinkMetrics) {
        metrics.deliver(self.records(), self.body.len() as u64);
        self.settle();
    }

    /// Count it as lost.
    pub(super) fn lost(&self, metrics: &SinkMetrics, reason: Dropped) {
        metrics.drop_records(reason, self.records());
        self.settle();
    }

    /// It is not to be sent any more, which has been counted.
    pub(super) fn settle(&self) {
        if let Some((spool, place)) = &self.kept {
            spool.done(*place);
        }
    }
}

impl Drop for Batch {
    fn drop(&mut self) {
        self.buffer.free(*self.held.get_mut());
    }
}
