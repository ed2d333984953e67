//! The whole gateway: starts the workers, puts each new generation in place, drains and stops. The control plane lives
//! here; no request ever waits for it.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::Context;
use arc_swap::ArcSwap;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio_util::sync::CancellationToken;

use crate::config::{self, Config, Report};
use crate::host::engine::Engine;
use crate::host::library::Library;
use crate::limits;
use crate::listeners::Listeners;
use crate::proxy::worker::{Handle, Live, Order};
use crate::snapshot::{self, Snapshot};
use crate::watch::Watch;

/// A gateway that serves.
pub struct Gateway {
    path: PathBuf,
    /// `workers` of the file, which only a restart changes.
    configured_workers: Option<usize>,
    library: Library,
    listeners: Listeners,
    workers: Vec<Handle>,
    live: Live,
    /// Generations that some request may still be using. The control plane lets go of them last, since freeing one
    /// takes its time.
    retired: Vec<Arc<Snapshot>>,
    drain: CancellationToken,
    watch: Watch,
}

/// What a check found in order.
#[derive(Debug)]
pub struct Summary {
    /// Routes.
    pub routes: usize,
    /// Services.
    pub services: usize,
    /// Plugin uses in all scopes.
    pub plugin_uses: usize,
}

/// Check the configuration at `path` and every plugin in it, without serving.
///
/// # Errors
/// [`Report`] if there are any; anything else is this machine's fault.
pub fn check(path: &Path) -> anyhow::Result<Summary> {
    let mut library = Library::new(Engine::new()?, 1);
    let (config, faults) = config::load(path)?;
    snapshot::build(&config, faults, &mut library, 1)?;
    let routes = || config.services.iter().flat_map(|service| &service.routes);
    let uses_of = |lists: &mut dyn Iterator<Item = usize>| lists.sum::<usize>();
    Ok(Summary {
        routes: routes().count(),
        services: config.services.len(),
        plugin_uses: config.plugins.len()
            + uses_of(&mut config.services.iter().map(|service| service.plugins.len()))
            + uses_of(&mut routes().map(|route| route.plugins.len())),
    })
}

impl Gateway {
    /// Start serving the configuration at `path`.
    ///
    /// # Errors
    /// [`Report`] if the configuration has any; anything else is this machine's fault.
    pub fn start(path: &Path) -> anyhow::Result<Self> {
        let mut watch = Watch::new(path);
        let (config, faults) = config::load(path)?;
        watch.set_files(files(path, &config));
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        let count = config.workers.unwrap_or(cores);

        let mut library = Library::new(Engine::new()?, count);
        let mut listeners = Listeners::default();
        let change = listeners.prepare(&config.listeners, count, &faults);
        let snapshot = snapshot::build(&config, faults, &mut library, 1)?;

        let live: Live = Arc::new(ArcSwap::from_pointee(snapshot));
        let drain = CancellationToken::new();
        let workers = (0..count).map(|id| Handle::start(id, &live, &drain)).collect::<io::Result<Vec<_>>>();
        let workers = workers.context("cannot start the workers")?;
        listeners.apply(change, &workers);
        tracing::info!(workers = count, generation = 1, "serving");
        let path = path.to_owned();
        Ok(Self {
            path,
            configured_workers: config.workers,
            library,
            listeners,
            workers,
            live,
            retired: Vec::new(),
            drain,
            watch,
        })
    }

    /// Serve until told to stop; put changes of the files in place meanwhile.
    ///
    /// SIGHUP looks at the files at once. SIGTERM and SIGINT drain, a second one stops without waiting.
    ///
    /// # Errors
    /// The system refuses signal handlers.
    pub async fn run(mut self) -> anyhow::Result<()> {
        let mut hangup = signal(SignalKind::hangup())?;
        let mut terminate = signal(SignalKind::terminate())?;
        let mut interrupt = signal(SignalKind::interrupt())?;
        let mut retire = tokio::time::interval(limits::RETIRE_INTERVAL);
        loop {
            // Signals stay pending and changes stay visible, whichever branch comes first.
            tokio::select! {
                () = self.watch.changed() => self.reload(),
                Some(()) = hangup.recv() => self.reload(),
                _ = retire.tick(), if !self.retired.is_empty() => self.retire(),
                Some(()) = terminate.recv() => break,
                Some(()) = interrupt.recv() => break,
            }
        }
        self.stop(terminate, interrupt).await;
        Ok(())
    }

    /// Replace the live generation by what the files say now, or say why not.
    fn reload(&mut self) {
        match self.next_generation() {
            Ok(generation) => tracing::info!(generation, "configuration changed"),
            Err(report) => {
                let generation = self.live.load().generation;
                let faults = report.faults().len();
                tracing::error!(faults, "refused, generation {generation} keeps serving\n{report}");
                self.library.sweep();
            }
        }
    }

    /// Free the generations that nobody uses any more.
    fn retire(&mut self) {
        self.retired.retain(|snapshot| Arc::strong_count(snapshot) > 1);
        self.library.sweep();
    }

    fn next_generation(&mut self) -> Result<u64, Report> {
        self.watch.look();
        let (config, faults) = config::load(&self.path)?;
        self.watch.set_files(files(&self.path, &config));
        if config.workers != self.configured_workers {
            faults.whole("`workers` has changed", "restart to change it, or change it back");
        }
        let generation = self.live.load().generation + 1;
        let change = self.listeners.prepare(&config.listeners, self.workers.len(), &faults);
        let next: Snapshot = snapshot::build(&config, faults, &mut self.library, generation)?;
        self.retired.push(self.live.swap(Arc::new(next)));
        self.workers.iter().for_each(|worker| worker.tell(Order::Refresh));
        self.listeners.apply(change, &self.workers);
        Ok(generation)
    }

    async fn stop(self, mut terminate: Signal, mut interrupt: Signal) {
        tracing::info!("draining: requests in flight are finished, new connections refused");
        self.drain.cancel();
        let workers = self.workers;
        let drained = tokio::task::spawn_blocking(move || workers.into_iter().for_each(Handle::join));
        // Abandoning the wait is the point of a second signal.
        tokio::select! {
            _ = drained => tracing::info!("stopped"),
            Some(()) = terminate.recv() => stop_now(),
            Some(()) = interrupt.recv() => stop_now(),
        }
    }
}

/// Leave without waiting for the workers.
fn stop_now() {
    tracing::warn!("stopped before all requests were finished");
    std::process::exit(1);
}

/// Every file that the configuration consists of.
fn files(path: &Path, config: &Config) -> Vec<PathBuf> {
    let components = config.components.iter().map(|component| component.path.value.clone());
    std::iter::once(path.to_owned()).chain(components).chain(config.watched.iter().cloned()).collect()
}
