//! Sinks: deliveries that the operator has configured and that plugins hand records to. A worker puts a record into the
//! sink's bounded queue and goes on; one task of the control plane per sink batches, delivers, and tries again.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::{Arc, Weak};
use std::time::{Duration, SystemTime};

use tokio::runtime::Handle;
use tokio::sync::mpsc::{Sender, channel};
use tokio::task::AbortHandle;
use tokio::time::{Instant, sleep};

use crate::config::Faults;
use crate::config::checked::{self, Dns, FileSink, LookedFor, SinkSettings, SinkTo};
use crate::dns::Resolver;
use crate::limits;
use crate::observe::metrics::{Dropped, Metrics, SinkMetrics};

mod batch;
mod delivery;
mod framing;
mod journal;
mod orders;
mod peer;
mod queue;
mod task;

use delivery::Delivery;
use orders::Orders;
use queue::{Buffer, Record};

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
        if self.buffer.take(record.len()) {
            let queued = Record { bytes: record.into(), time: SystemTime::now() };
            if self.queue.try_send(queued).is_ok() {
                return Ok(());
            }
            self.buffer.give_back(record.len());
        }
        self.metrics.drop_records(Dropped::Full, 1);
        Err(Full::Buffer)
    }
}

impl Drop for Sink {
    fn drop(&mut self) {
        self.orders.close(limits::SINK_REMOVED_TIME);
    }
}

/// Every sink that is configured, or that still delivers.
pub struct Deliveries {
    /// Where their tasks run; `None`: nothing is to be delivered.
    control: Option<Handle>,
    known: Vec<Known>,
    /// The file that takes what is meant for plugins' own sinks, if nobody else is to hear of it.
    stand_in: Option<PathBuf>,
}

struct Known {
    name: Arc<str>,
    spec: Spec,
    sink: Weak<Sink>,
    orders: Arc<Orders>,
    task: Option<AbortHandle>,
}

/// All that makes a difference.
#[derive(PartialEq)]
struct Spec {
    settings: SinkSettings,
    /// Of what is in the file of its authorities.
    ca: Option<[u8; 32]>,
    dns: Dns,
}

impl Deliveries {
    /// Tasks run on `control`, if anything is to be delivered.
    pub const fn new(control: Option<Handle>) -> Self {
        Self { control, known: Vec::new(), stand_in: None }
    }

    /// The same, but what goes to sinks that settings of plugins make up is written to this file.
    pub fn with_stand_in(self, file: PathBuf) -> Self {
        Self { stand_in: Some(file), ..self }
    }

    /// A sink that settings of a plugin make up, or the file that stands in for it.
    pub fn own_sink(&self, listed: checked::Sink) -> checked::Sink {
        match &self.stand_in {
            None => listed,
            Some(file) => {
                let to = SinkTo::File(FileSink { path: file.clone(), looked_for: LookedFor::NowAndThen });
                let settings = SinkSettings { to, framing: checked::Framing::Newline, ..listed.settings };
                checked::Sink { settings, ca: None, ..listed }
            }
        }
    }

    /// The sinks as listed. One whose settings did not change is the one that there is, with its buffer and connection.
    /// `resolver` makes whoever resolves names, for the first sink that needs it.
    pub fn sinks(
        &mut self,
        listed: &[checked::Sink],
        dns: &Dns,
        metrics: &Metrics,
        mut resolver: impl FnMut() -> Option<Resolver>,
        faults: &Faults,
    ) -> Sinks {
        self.known.retain(|known| !known.is_over());
        let mut sinks = HashMap::new();
        for sink in listed {
            if let Some(started) = self.sink(sink, dns, metrics, &mut resolver, faults) {
                sinks.insert(Arc::clone(&started.name), started);
            }
        }
        Sinks(sinks)
    }

    /// This one, likewise. `None`: there is something wrong with it, which has been noted.
    pub fn sink(
        &mut self,
        listed: &checked::Sink,
        dns: &Dns,
        metrics: &Metrics,
        resolver: &mut dyn FnMut() -> Option<Resolver>,
        faults: &Faults,
    ) -> Option<Arc<Sink>> {
        let name: Arc<str> = listed.name.value.as_str().into();
        let spec = Spec { settings: listed.settings.clone(), ca: peer::digest(listed.ca.as_ref()), dns: dns.clone() };
        let same = |known: &&Known| known.name == name && known.spec == spec;
        let alive = self.known.iter().filter(same).find_map(|known| known.sink.upgrade());
        alive.or_else(|| self.start(listed, &name, spec, metrics, resolver, faults))
    }

    /// `None`: there is something wrong with it, which has been noted.
    fn start(
        &mut self,
        listed: &checked::Sink,
        name: &Arc<str>,
        spec: Spec,
        metrics: &Metrics,
        resolver: &mut dyn FnMut() -> Option<Resolver>,
        faults: &Faults,
    ) -> Option<Arc<Sink>> {
        let tls = peer::tls(listed, faults)?;
        let metrics = metrics.sink(name);
        let orders = Arc::new(Orders::default());
        let framing = framing::Framing::of(&spec.settings);
        let buffer = Arc::new(Buffer::new(metrics.buffer(), spec.settings.buffer, framing.most()));
        let (queue, records) = channel(limits::SINK_RECORDS);
        let mut task = None;
        if let Some(control) = &self.control {
            let to = delivery::destination(&spec.settings, tls, resolver);
            let delivery = Delivery::new(&spec.settings, to, Arc::clone(&orders), Arc::clone(&metrics));
            let intake = queue::Intake::new(records, spec.settings.batch, framing, Arc::clone(&buffer), &orders);
            let metrics = Arc::clone(&metrics);
            let running = task::Task::new(Arc::clone(name), intake, delivery, spec.settings.retry, &orders, metrics);
            task = Some(control.spawn(running.run()).abort_handle());
        }
        let record_bytes = buffer.record_bytes().min(delivery::record_bytes(&spec.settings));
        let (named, orders_of) = (Arc::clone(name), Arc::clone(&orders));
        let sink = Arc::new(Sink { name: named, queue, buffer, record_bytes, metrics, orders: orders_of });
        self.known.push(Known { name: Arc::clone(name), spec, sink: Arc::downgrade(&sink), orders, task });
        Some(sink)
    }

    /// Close the files and open what is at their paths now.
    pub fn reopen(&self) {
        self.known.iter().for_each(|known| known.orders.reopen());
    }

    /// Take nothing more, and deliver what there is; what is not delivered within [`limits::SINK_END`] is lost.
    pub async fn end(self) {
        self.known.iter().for_each(|known| known.orders.close(limits::SINK_END));
        // The tasks hold themselves to it; this is for a disk that does not answer.
        let deadline = Instant::now() + limits::SINK_END + GRACE;
        while self.known.iter().any(|known| !known.is_over()) {
            if Instant::now() >= deadline {
                tracing::error!("not all sinks have ended in time");
                self.known.iter().filter_map(|known| known.task.as_ref()).for_each(AbortHandle::abort);
                return;
            }
            sleep(Duration::from_millis(5)).await;
        }
    }
}

/// What a task has after its deadline to count what is lost.
const GRACE: Duration = Duration::from_millis(500);

impl Known {
    fn is_over(&self) -> bool {
        match &self.task {
            Some(task) => task.is_finished(),
            None => self.sink.strong_count() == 0,
        }
    }
}

#[cfg(test)]
mod tests;
