//! Sinks: deliveries that the operator has configured and that plugins hand records to. A worker puts a record into the
//! sink's bounded queue and goes on; one task of the control plane per sink batches, delivers, and tries again.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::SystemTime;

use tokio::sync::mpsc::Sender;

use crate::limits;
use crate::observe::metrics::{Dropped, SinkMetrics};

mod batch;
mod deliveries;
mod delivery;
mod framing;
mod journal;
mod orders;
mod peer;
mod queue;
mod source;
mod spool;
mod task;

pub use deliveries::Deliveries;

use orders::Orders;
use queue::{Buffer, Record};
use spool::Spool;

/// The sinks of one generation, by name.
#[derive(Debug, Default)]
pub struct Sinks(HashMap<Arc<str>, Arc<Sink>>);

impl Sinks {
    /// The sink of this name. Whoever keeps it keeps it alive, beyond its generation, too.
    pub fn named(&self, name: &str) -> Option<&Arc<Sink>> {
        self.0.get(name)
    }

    /// Hand `record` to the sink of this name. Never waits.
    ///
    /// # Errors
    /// See [`Full`].
    pub fn emit(&self, sink: &str, record: &[u8]) -> Result<(), Full> {
        self.named(sink).ok_or(Full::NoSuchSink)?.emit(record)
    }

    /// Their generation is live: what is in disk buffers is delivered as these sinks say, and not as those before.
    pub fn begin(&self) {
        self.0.values().filter_map(|sink| sink.disk.as_ref()).for_each(|disk| disk.spool.deliver_by(disk.number));
    }
}

/// Where records are handed in. The last one to go closes the sink: it delivers what it still has, for as long as
/// [`limits::SINK_REMOVED_TIME`], and ends.
#[derive(Debug)]
pub struct Sink {
    /// As logs and metrics show it.
    pub name: Arc<str>,
    queue: Sender<Record>,
    buffer: Arc<Buffer>,
    /// The largest record, in bytes.
    record_bytes: usize,
    metrics: Arc<SinkMetrics>,
    orders: Arc<Orders>,
    /// Where its records wait, if not in memory alone.
    disk: Option<Disk>,
}

#[derive(Debug)]
struct Disk {
    spool: Arc<Spool>,
    most: usize,
    /// What the sink is known by there.
    number: u64,
}

/// Why a record was not taken. It is counted, and the sink's task says so in the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Full {
    /// There is no room for now, or the sink was closed.
    #[error("the sink's buffer is full")]
    Buffer,
    /// It is larger than the buffer, or than a datagram: there will never be room for it.
    #[error("the record is larger than the sink takes")]
    Record,
    /// The configuration has no sink of this name.
    #[error("there is no such sink")]
    NoSuchSink,
}

impl Sink {
    /// Hand `record` over; it is copied. Any thread may do this, and none waits: what there is no room for is refused.
    ///
    /// # Errors
    /// There is no room for it, now or ever.
    pub fn emit(&self, record: &[u8]) -> Result<(), Full> {
        if record.len() > self.record_bytes {
            self.metrics.drop_records(Dropped::TooLarge, 1);
            return Err(Full::Record);
        }
        let fits = self.disk.as_ref().is_none_or(|disk| disk.spool.admit(record.len(), disk.most));
        if fits && self.put(record) {
            return Ok(());
        }
        if let Some(disk) = self.disk.as_ref().filter(|_| fits) {
            disk.spool.dismiss(record.len());
        }
        self.metrics.drop_records(Dropped::Full, 1);
        Err(Full::Buffer)
    }

    fn put(&self, record: &[u8]) -> bool {
        if !self.buffer.take(record.len()) {
            return false;
        }
        let queued = Record { bytes: record.into(), time: SystemTime::now() };
        let taken = self.queue.try_send(queued).is_ok();
        if !taken {
            self.buffer.give_back(record.len());
        }
        taken
    }
}

impl Drop for Sink {
    fn drop(&mut self) {
        self.orders.close(limits::SINK_REMOVED_TIME);
    }
}

#[cfg(test)]
mod tests;
