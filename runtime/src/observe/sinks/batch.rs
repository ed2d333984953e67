//! What is delivered at a time.

use std::sync::Arc;

use bytes::Bytes;

use super::queue::Buffer;
use crate::observe::metrics::{Dropped, SinkMetrics};

/// Records, framed and in order. The room that they take in the buffer is given back when this is dropped.
#[derive(Debug)]
pub(super) struct Batch {
    body: Bytes,
    /// Where each record ends.
    ends: Vec<usize>,
    held: usize,
    buffer: Arc<Buffer>,
}

impl Batch {
    /// `held` bytes of `buffer` belong to these records.
    pub(super) fn new(body: Vec<u8>, ends: Vec<usize>, held: usize, buffer: Arc<Buffer>) -> Self {
        Self { body: body.into(), ends, held, buffer }
    }

    /// All records, one behind the other.
    pub(super) const fn body(&self) -> &Bytes {
        &self.body
    }

    /// How many there are.
    pub(super) const fn records(&self) -> u64 {
        self.ends.len() as u64
    }

    /// Each record by itself.
    pub(super) fn each(&self) -> impl Iterator<Item = &[u8]> {
        let starts = std::iter::once(0).chain(self.ends.iter().copied());
        starts.zip(&self.ends).filter_map(|(start, end)| self.body.get(start..*end))
    }

    /// Count it as delivered.
    pub(super) fn delivered(&self, metrics: &SinkMetrics) {
        metrics.deliver(self.records(), self.body.len() as u64);
    }

    /// Count it as lost.
    pub(super) fn lost(&self, metrics: &SinkMetrics, reason: Dropped) {
        metrics.drop_records(reason, self.records());
    }
}

impl Drop for Batch {
    fn drop(&mut self) {
        self.buffer.free(self.held);
    }
}
