//! The whole gateway: starts the workers, puts each new generation in place, drains and stops. The control plane lives
//! here; no request ever waits for it.

mod chains;
mod change;
mod check;
mod outlook;
mod parts;
mod succession;

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::Context;
use arc_swap::ArcSwap;
use tokio::runtime::Handle as Control;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use outlook::Outlook;
use parts::{AdminServer, access_log, admin, cache};
use succession::End;

pub use check::{Checked, check, check_text};

use crate::admin::doors::Doors;
use crate::certificates::Certificates;
use crate::component_files::ComponentFiles;
use crate::config::checked::{AccessLog as LogSettings, Counters as CounterSettings, LogTarget, PluginCache, WasmFile};
use crate::config::store::{FileStore, Store};
use crate::config::values::Bind;
use crate::config::{self, Config};
use crate::file_limit;
use crate::generations::{Generations, Source};
use crate::handover::{Arrival, Program, Successor};
use crate::host::catalogue::Catalogue;
use crate::host::engine::Engine;
use crate::host::library::Library;
use crate::host::services::Services;
use crate::limits;
use crate::listeners::Listeners;
use crate::observe::access_log::{AccessLog, Lines};
use crate::observe::failures::Failures;
use crate::observe::metrics::Metrics;
use crate::observe::sinks::Deliveries;
use crate::proposal::{Configuration, Current, Proposal};
use crate::proxy::observer::Observer;
use crate::proxy::worker::{Handle, Live};
use crate::snapshot::{self, Snapshot, Stock};
use crate::store::counters::Counters;
use crate::systemd::Notify;
use crate::transport::Transports;
use crate::upstreams::Upstreams;
use crate::watch::Watch;

/// A gateway that serves.
pub struct Gateway {
    path: PathBuf,
    store: Box<dyn Store>,
    component_files: ComponentFiles,
    configuration: Configuration,
    /// What others want changed.
    proposals: mpsc::Receiver<Proposal>,
    fixed: Fixed,
    stock: Stock,
    listeners: Listeners,
    workers: Vec<Handle>,
    live: Live,
    /// Generations that some request may still be using. The control plane lets go of them last, since freeing one
    /// takes its time.
    retired: Vec<Arc<Snapshot>>,
    drain: CancellationToken,
    access_log: Option<Arc<AccessLog>>,
    admin: Option<AdminServer>,
    services: Arc<Services>,
    watch: Watch,
    signals: Signals,
    program: Program,
    /// The process that is about to take over.
    successor: Option<Successor>,
    notify: Notify,
}

/// What the gateway is told from outside.
struct Signals {
    hangup: Signal,
    terminate: Signal,
    interrupt: Signal,
    user2: Signal,
}

impl Signals {
    fn listen() -> io::Result<Self> {
        Ok(Self {
            hangup: signal(SignalKind::hangup())?,
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
            user2: signal(SignalKind::user_defined2())?,
        })
    }
}

/// What only a restart changes.
#[derive(PartialEq, Eq)]
struct Fixed {
    workers: Option<usize>,
    connections_per_worker: usize,
    access_log: LogSettings,
    admin: Option<Bind>,
    plugin_cache: PluginCache,
    state_dir: PathBuf,
    counters: CounterSettings,
}

impl Fixed {
    fn of(config: &Config) -> Self {
        Self {
            workers: config.workers,
            connections_per_worker: config.limits.connections_per_worker,
            access_log: config.access_log.clone(),
            admin: config.admin.as_ref().map(|admin| admin.address.value.clone()),
            plugin_cache: config.plugin_cache.clone(),
            state_dir: config.state_dir.clone(),
            counters: config.counters.clone(),
        }
    }

    /// What differs, by its name in gateway.toml.
    fn differences(&self, other: &Self) -> impl Iterator<Item = &'static str> {
        let differences = [
            (self.workers != other.workers).then_some("`workers`"),
            (self.connections_per_worker != other.connections_per_worker).then_some("`limits.connections_per_worker`"),
            (self.access_log != other.access_log).then_some("`access_log`"),
            (self.admin != other.admin).then_some("`admin.address`"),
            (self.plugin_cache != other.plugin_cache).then_some("`plugin_cache`"),
            (self.state_dir != other.state_dir).then_some("`state_dir`"),
            (self.counters != other.counters).then_some("`counters`"),
        ];
        differences.into_iter().flatten()
    }
}

impl Gateway {
    /// Start serving the configuration at `path`, with what this process was given by the one before, if there is one;
    /// what is not a request's is done on `control`.
    ///
    /// # Errors
    /// [`config::Report`] if the configuration has any; anything else is this machine's fault.
    pub fn start(path: &Path, arrival: &mut Arrival, control: &Control) -> anyhow::Result<Self> {
        let program = Program::of_this_process();
        // Before anybody can think that the gateway is there: an unexpected SIGHUP ends a process.
        let signals = {
            let _on_control = control.enter();
            Signals::listen().context("cannot listen to signals")?
        };
        let mut watch = Watch::new(path);
        let store = FileStore::new(path);
        let text = store.read()?;
        let (config, faults) = config::parse(path, &text)?;
        watch.set_files(files(path, &config, &[]));
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        let count = config.workers.unwrap_or(cores);
        if let Err(missing) = file_limit::raise(count, config.limits.connections_per_worker) {
            tracing::warn!("{missing}");
        }

        let metrics = Arc::new(Metrics::new(count));
        let services = Services::new(Counters::new(&config.counters, count + 1)?, Arc::clone(&metrics), count);
        let mut stock = Stock {
            library: Library::new(
                Engine::new(count)?,
                Arc::clone(&services),
                count,
                Some(control.clone()),
                cache(&config),
            ),
            certificates: Certificates::default(),
            transports: Transports::default(),
            upstreams: Upstreams::new(Some(control.clone()), count),
            sinks: arrival.sinks(Deliveries::new(Some(control.clone()))),
            metrics: Arc::clone(&metrics),
            watched: Vec::new(),
        };
        let mut listeners = Listeners::with(arrival.sockets());
        let change = listeners.prepare(&config.listeners, count, &faults);
        let doors = config.admin.as_ref().and_then(|admin| Doors::new(admin, &faults));
        let generations = Arc::new(Generations::open(Some(&config.state_dir)));
        let mut snapshot = snapshot::build(&config, faults, &mut stock, change.ids(), generations.next())?;
        watch.set_files(files(path, &config, &stock.watched));
        let generation = change::begin(&generations, &config, &text, &snapshot);
        snapshot.generation = generation;

        let access_log = access_log(&config.access_log)
            .with_context(|| match &config.access_log.target {
                Some(LogTarget::File(path)) => format!("cannot open the access log {}", path.display()),
                _ => "cannot write the access log to standard output".to_owned(),
            })?
            .map(Arc::new);
        let failures = Arc::new(Failures::default());
        arrival.take_disk_buffers(&mut stock.sinks)?;
        snapshot.sinks.begin();
        let live: Live = Arc::new(ArcSwap::from_pointee(snapshot));
        let drain = CancellationToken::new();
        let (configuration, proposals) = Configuration::new(Current::of(&text, None), generations);
        let outlook = Outlook { live: Arc::clone(&live), drain: drain.clone(), access_log: access_log.clone() };
        let admin = match (&config.admin, doors) {
            (Some(listed), Some(doors)) => {
                let shared = (Arc::clone(&metrics), Arc::clone(&failures));
                let files = ComponentFiles::of(&config.state_dir);
                let catalogue = Catalogue::new(cache(&config));
                Some(admin(
                    (listed, doors),
                    &mut listeners,
                    control,
                    shared,
                    outlook,
                    (configuration.clone(), files, catalogue),
                    count,
                )?)
            }
            _ => None,
        };
        let worker = |id| {
            let lines = access_log.as_ref().map_or_else(Lines::off, |log| log.lines());
            let observer =
                Observer::new(id, lines, config.access_log.query, Arc::clone(&metrics), Arc::clone(&failures));
            Handle::start(id, &live, &drain, observer)
        };
        let workers = (0..count).map(worker).collect::<io::Result<Vec<_>>>();
        let workers = workers.context("cannot start the workers")?;
        let unwanted = listeners.unwanted();
        listeners.apply(change, &workers);
        tracing::info!(workers = count, generation, "serving");
        let notify = Notify::from_environment();
        if !arrival.serving(unwanted) {
            notify.ready("serving");
        }
        let (path, fixed) = (path.to_owned(), Fixed::of(&config));
        let retired = Vec::new();
        Ok(Self {
            path,
            store: Box::new(store),
            component_files: ComponentFiles::of(&config.state_dir),
            configuration,
            proposals,
            fixed,
            stock,
            listeners,
            workers,
            live,
            retired,
            drain,
            access_log,
            admin,
            services,
            watch,
            signals,
            program,
            successor: None,
            notify,
        })
    }

    /// Serve until told to stop; put changes of the files in place meanwhile.
    ///
    /// SIGHUP looks at the files at once, and SIGUSR2 has another process take over. SIGTERM and SIGINT drain, a second
    /// one stops without waiting.
    pub async fn run(mut self) {
        let mut retire = tokio::time::interval(limits::RETIRE_INTERVAL);
        let mut sweep = tokio::time::interval(limits::STORE_SWEEP);
        let mut tidy = tokio::time::interval(limits::COMPONENT_GRACE);
        let end = loop {
            // Signals stay pending and changes stay visible, whichever branch comes first. While another process takes
            // over, which has seen the files as they are, this one leaves them alone.
            let alone = self.successor.is_none();
            tokio::select! {
                () = self.watch.changed(), if alone => self.reload(Source::File),
                Some(proposal) = self.proposals.recv(), if alone => self.make(proposal),
                Some(()) = self.signals.hangup.recv(), if alone => {
                    self.access_log.iter().for_each(|log| log.reopen());
                    self.stock.sinks.reopen();
                    self.reload(Source::Signal);
                }
                _ = retire.tick(), if !self.retired.is_empty() => self.retire(),
                _ = tidy.tick() => self.sweep_components(),
                _ = sweep.tick() => {
                    self.services.sweep();
                    self.stock.sinks.bring_in();
                }
                Some(()) = self.signals.user2.recv() => self.hand_over(),
                event = succession::next(&mut self.successor) => {
                    if let Some(end) = self.go_along(event).await {
                        break end;
                    }
                }
                Some(()) = self.signals.terminate.recv() => break End::Told,
                Some(()) = self.signals.interrupt.recv() => break End::Told,
            }
        };
        self.stop(end).await;
    }

    async fn stop(mut self, end: End) {
        match &end {
            End::Told => {
                self.go_on("this process was told to stop");
                self.notify.stopping();
                tracing::info!("draining: requests in flight are finished, new connections refused");
                self.listeners.close();
            }
            End::HandedOver(unwanted) => {
                tracing::info!("draining: requests in flight are finished, the new process has all others");
                self.leave(unwanted);
            }
        }
        self.drain.cancel();
        let (workers, access_log) = (self.workers, self.access_log);
        let (admin, sinks) = (self.admin, self.stock.sinks);
        let ended = async move {
            let joined = tokio::task::spawn_blocking(move || workers.into_iter().for_each(Handle::join)).await;
            // No worker is left that could hand anything in.
            sinks.end().await;
            // To the last, whoever asks hears that the gateway is draining.
            if let Some(admin) = admin {
                admin.end.cancel();
                drop(admin.task.await);
            }
            // What the workers have handed over is still to be written.
            let written = tokio::task::spawn_blocking(move || drop(access_log)).await;
            joined.and(written)
        };
        let mut ended = std::pin::pin!(ended);
        // Of a process that drains because another serves, the first signal says what it does already: systemd sends one
        // to all of a unit's.
        let mut told = matches!(end, End::Told);
        loop {
            // Abandoning the wait is the point of a second signal.
            tokio::select! {
                _ = &mut ended => return tracing::info!("stopped"),
                Some(()) = self.signals.user2.recv() => tracing::warn!("SIGUSR2 ignored: this process is draining"),
                Some(()) = self.signals.terminate.recv() => if std::mem::replace(&mut told, true) { stop_now() },
                Some(()) = self.signals.interrupt.recv() => if std::mem::replace(&mut told, true) { stop_now() },
            }
        }
    }
}

/// Leave without waiting for the workers.
fn stop_now() {
    tracing::warn!("stopped before all requests were finished");
    std::process::exit(1);
}

/// Every file that the configuration consists of, with those that only its plugins make part of it.
fn files(path: &Path, config: &Config, of_plugins: &[PathBuf]) -> Vec<PathBuf> {
    // What is pinned cannot change.
    let components = config.components.iter().filter_map(|component| match &component.file {
        WasmFile::At(path) => Some(path.value.clone()),
        WasmFile::Pinned { .. } => None,
    });
    let watched = config.watched.iter().chain(of_plugins).cloned();
    std::iter::once(path.to_owned()).chain(components).chain(watched).collect()
}
