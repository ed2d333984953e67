//! All sinks of the process, whatever generation they are of: which of them stays what it is with the next one, and what
//! starts and ends their tasks.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::{Arc, Weak};
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::sync::mpsc::{Receiver, channel};
use tokio::task::{AbortHandle, JoinSet};
use tokio::time::{Instant, sleep};

use super::delivery::{self, Delivery};
use super::framing::Framing;
use super::orders::Orders;
use super::queue::{Buffer, Intake, Record};
use super::source::Source;
use super::spool::{self, Reading, Spool, Writing};
use super::task::Task;
use super::{Disk, Sink, Sinks, peer};
use crate::config::Faults;
use crate::config::checked::{self, DiskBuffer, Dns, FileSink, LookedFor, SinkSettings, SinkTo};
use crate::config::reader::Located;
use crate::dns::Resolver;
use crate::limits;
use crate::observe::metrics::{Metrics, SinkMetrics};

/// Every sink that is configured, or that still delivers.
pub struct Deliveries {
    /// Where their tasks run; `None`: nothing is to be delivered.
    control: Option<Handle>,
    pub(super) known: Vec<Known>,
    /// Disk buffers that are open, by their folders.
    spools: Vec<(PathBuf, Weak<Spool>)>,
    /// Whether they are another process's for now.
    theirs: bool,
    /// Sinks so far that had one.
    numbers: u64,
    /// The file that takes what is meant for plugins' own sinks, if nobody else is to hear of it.
    stand_in: Option<PathBuf>,
}

pub(super) struct Known {
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
    disk: Option<DiskBuffer>,
    /// Of what is in the file of its authorities.
    ca: Option<[u8; 32]>,
    dns: Dns,
}

/// What a task begins with.
struct Parts {
    name: Arc<str>,
    records: Receiver<Record>,
    buffer: Arc<Buffer>,
    framing: Framing,
    delivery: Delivery,
    orders: Arc<Orders>,
    metrics: Arc<SinkMetrics>,
}

impl Deliveries {
    /// Tasks run on `control`, if anything is to be delivered.
    pub const fn new(control: Option<Handle>) -> Self {
        Self { control, known: Vec::new(), spools: Vec::new(), theirs: false, numbers: 0, stand_in: None }
    }

    /// The same, but another process has the disk buffers until [`Deliveries::take_over`].
    pub fn while_they_are_anothers(self) -> Self {
        Self { theirs: true, ..self }
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
                let path = file.clone();
                let to = SinkTo::File(FileSink { path, looked_for: LookedFor::NowAndThen, rotate: None });
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
        let disk = listed.disk.as_ref().map(|disk| disk.value.clone());
        let settings = listed.settings.clone();
        let spec = Spec { settings, disk, ca: peer::digest(listed.ca.as_ref()), dns: dns.clone() };
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
        let disk = match (&listed.disk, &self.control) {
            (Some(listed), Some(_)) => Some(self.disk(listed, &metrics, faults)?),
            _ => None,
        };
        let orders = Arc::new(Orders::default());
        let framing = Framing::of(&spec.settings);
        let buffer = Arc::new(Buffer::new(metrics.buffer(), spec.settings.buffer, framing.most()));
        let on_disk = disk.as_ref().map_or(usize::MAX, |disk| spool::record_bytes(disk.most));
        let record_bytes = buffer.record_bytes().min(delivery::record_bytes(&spec.settings)).min(on_disk);
        let (queue, records) = channel(limits::SINK_RECORDS);
        let task = self.control.clone().map(|control| {
            let to = delivery::destination(&spec.settings, tls, resolver);
            let delivery = Delivery::new(&spec.settings, to, Arc::clone(&orders), Arc::clone(&metrics));
            let (name, buffer) = (Arc::clone(name), Arc::clone(&buffer));
            let (orders, metrics) = (Arc::clone(&orders), Arc::clone(&metrics));
            let parts = Parts { name, records, buffer, framing, delivery, orders, metrics };
            parts.start(&control, &spec, disk.as_ref())
        });
        let named = Arc::clone(name);
        let sink =
            Arc::new(Sink { name: named, queue, buffer, record_bytes, metrics, orders: Arc::clone(&orders), disk });
        self.known.push(Known { name: Arc::clone(name), spec, sink: Arc::downgrade(&sink), orders, task });
        Some(sink)
    }

    /// The disk buffer as `listed`: the one that is open, or another. `None`: it cannot be had, which has been noted.
    fn disk(&mut self, listed: &Located<DiskBuffer>, metrics: &SinkMetrics, faults: &Faults) -> Option<Disk> {
        let DiskBuffer { folder, most, .. } = &listed.value;
        self.spools.retain(|(_, spool)| spool.strong_count() > 0);
        let open = self.spools.iter().filter(|(other, _)| other == folder).find_map(|(_, spool)| spool.upgrade());
        let spool = match open {
            Some(spool) => spool,
            None => {
                let opened = if self.theirs { Spool::theirs(folder) } else { Spool::open(folder) };
                let note = |refused: &spool::Refused| {
                    faults.at_with_help(&listed.span, refused.to_string(), refused.help());
                };
                let spool = Arc::new(opened.inspect_err(note).ok()?);
                self.spools.push((folder.clone(), Arc::downgrade(&spool)));
                spool
            }
        };
        metrics.disk(spool.held());
        self.numbers += 1;
        Some(Disk { spool, most: *most, number: self.numbers })
    }

    /// Take the disk buffers from the process that had them so far, or take them back.
    ///
    /// # Errors
    /// One of them cannot be had, for this reason.
    pub fn take_over(&mut self) -> Result<(), String> {
        self.theirs = false;
        let entered: Vec<_> = self.open_spools().map(|spool| spool.enter()).collect();
        entered.into_iter().collect::<Result<(), _>>().map_err(|refused| refused.to_string())
    }

    /// Leave the disk buffers to another process: records are written beside them from now on, for it to deliver.
    ///
    /// # Errors
    /// The disk does not let us leave one of them in order.
    pub async fn hand_over(&mut self) -> Result<(), String> {
        self.theirs = true;
        // At the same time: each may wait for its peer.
        let mut leaving = JoinSet::new();
        for spool in self.open_spools() {
            leaving.spawn(async move {
                let left = spool.leave(limits::HANDOVER_SINKS).await;
                left.map_err(|error| format!("{}: {error}", spool.folder().display()))
            });
        }
        leaving.join_all().await.into_iter().collect()
    }

    /// Deliver what the process before has written beside the disk buffers, once it is done.
    pub fn bring_in(&self) {
        if let Some(control) = &self.control {
            let awaiting = self.open_spools().filter(|spool| spool.awaits_others());
            awaiting.for_each(|spool| drop(control.spawn_blocking(move || spool.bring_in())));
        }
    }

    fn open_spools(&self) -> impl Iterator<Item = Arc<Spool>> {
        self.spools.iter().filter_map(|(_, spool)| spool.upgrade())
    }

    /// Close the files and open what is at their paths now.
    pub fn reopen(&self) {
        self.known.iter().for_each(|known| known.orders.reopen());
    }

    /// Take nothing more, and deliver what there is; what is not delivered within [`limits::SINK_END`] is lost, unless
    /// it is kept on a disk.
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
    pub(super) fn is_over(&self) -> bool {
        match &self.task {
            Some(task) => task.is_finished(),
            None => self.sink.strong_count() == 0,
        }
    }

    /// As when the process is killed.
    #[cfg(test)]
    pub(super) fn kill(&self) {
        self.task.iter().for_each(AbortHandle::abort);
    }
}

impl Parts {
    fn start(self, control: &Handle, spec: &Spec, disk: Option<&Disk>) -> AbortHandle {
        let Self { name, records, buffer, framing, delivery, orders, metrics } = self;
        let SinkSettings { batch, retry, .. } = spec.settings;
        let task = |source, metrics| Task::new(Arc::clone(&name), source, delivery, retry, &orders, metrics);
        let (Some(disk), Some(settings)) = (disk, &spec.disk) else {
            let intake = Intake::new(records, batch, framing, buffer, &orders);
            return control.spawn(task(Source::Memory(Box::new(intake)), metrics).run()).abort_handle();
        };
        let own = |spool: &Arc<Spool>| (Arc::clone(spool), settings.clone());
        let (writing, end) = Writing::new(
            Arc::clone(&name),
            (records, buffer),
            own(&disk.spool),
            retry.wait,
            &orders,
            Arc::clone(&metrics),
        );
        // What was read has its room for sure: it is a batch, and for TCP what is in doubt.
        let read = Arc::new(Buffer::new(metrics.buffer(), usize::MAX, framing.most()));
        let reading = Reading::new(
            (Arc::clone(&disk.spool), disk.number, disk.most),
            batch,
            (framing, read),
            end,
            &orders,
            Arc::clone(&metrics),
        );
        let task = task(Source::Disk(Box::new(reading)), metrics);
        control.spawn(async { tokio::join!(writing.run(), task.run()) }).abort_handle()
    }
}
