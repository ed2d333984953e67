//! A plugin with its config: what a chain calls. It has instances of its own for every thread that calls it.

use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use tokio::sync::Semaphore;
use tokio::task::spawn_blocking;
use tokio::time::timeout;
use wasmtime::component::{ComponentNamedList, Lift, Lower};

use super::activation::Activation;
use super::clock::CONTROL;
use super::component::{self, Component, Linked};
use super::exchange::Exchange;
use super::grants::Grants;
use super::hook::{Exports, Hook};
use super::image::Image;
use super::instance::{CallError, Caller, Instance};
use super::own_sink::OWN;
use crate::config::checked::{Isolation, PluginLimits};
use crate::limits;
use crate::observe::metrics::PluginMetrics;
use crate::store::Space;

/// A configured plugin.
pub struct Plugin {
    pub(super) component: Arc<Component>,
    /// With what the use is granted.
    linked: Linked,
    pub(super) setup: Setup,
    /// Which hooks to call.
    pub activation: Activation,
    /// What fresh instances are made of, with isolation.
    image: Option<Image>,
    /// One per worker, and the control plane's, each used by that thread alone: freed with the plugin.
    benches: Box<[Bench]>,
}

/// What an instance is started with; by default, what one gets that is only asked who it is.
#[derive(Default)]
pub(super) struct Setup {
    /// JSON that satisfies the component's schema.
    pub(super) config: String,
    pub(super) limits: PluginLimits,
    pub(super) grants: Arc<Grants>,
    pub(super) isolation: Isolation,
    /// How often its timer hook is called, if it is.
    pub(super) timer: Option<Duration>,
    /// Where it is noted how much memory instances come to.
    pub(super) metrics: Option<Arc<PluginMetrics>>,
}

/// One thread's instances that are in no call.
struct Bench {
    /// Locked by its thread alone: for as long as a call takes that does not wait, else to put one in or out.
    idle: Mutex<Vec<Instance>>,
    /// One for each instance that may be in a call that waits.
    places: Semaphore,
}

impl Plugin {
    /// Give `component` its config, which already satisfies its schema.
    ///
    /// # Errors
    /// In the plugin's own words if it refuses the config, else how it failed.
    pub(super) fn configure(component: Arc<Component>, setup: Setup, workers: usize) -> Result<Self, String> {
        let linked = component.linked(&setup.grants).map_err(|error| format!("{error:#}"))?;
        let start = || {
            let start = || Instance::start(CONTROL, &component, &linked, &setup);
            let started = if setup.grants.has_wasi() {
                aside(start, setup.limits.wait.min(limits::PLUGIN_LOAD_WAIT))
            } else {
                now(start())
            };
            started.map_err(|error| error.to_string())
        };
        let (first, activation) = start()?;
        let places = setup.limits.instances;
        let mut benches = Vec::new();
        let mut image = None;
        match setup.isolation {
            Isolation::Worker => {
                // All workers' now, so that no request has to wait for one.
                benches.push(Bench::new(Some(first), places));
                for _ in 1..workers {
                    benches.push(Bench::new(Some(start()?.0), places));
                }
            }
            Isolation::Request => {
                benches.extend((0..workers).map(|_| Bench::new(None, places)));
                // An image holds memory alone: sockets and files that are open would not be in it.
                let taken = (!setup.grants.has_wasi()).then(|| Image::take(&component, &setup)).transpose();
                image = taken.unwrap_or_else(|problem| {
                    let plugin = &*component.name;
                    tracing::warn!(
                        plugin,
                        "no image can be taken of it, so it is configured for every request: {problem}"
                    );
                    None
                });
            }
        }
        // The control plane's is for timers only.
        benches.push(Bench::new(None, places));
        Ok(Self { component, linked, setup, activation, image, benches: benches.into() })
    }

    /// What the plugin calls itself.
    pub fn name(&self) -> &str {
        &self.component.name
    }

    /// Where records of its own go: what its settings make up, or name.
    pub fn own_sink(&self) -> Option<&str> {
        self.setup.grants.sink(OWN).map(|sink| &*sink.name)
    }

    /// Whose its instances are.
    pub fn isolation(&self) -> Isolation {
        self.setup.isolation
    }

    /// How often its timer hook is called, if it is.
    pub fn timer(&self) -> Option<Duration> {
        self.setup.timer
    }

    /// Start an instance, as a call does that finds none, and let go of it: the bytes of linear memory that it had.
    ///
    /// # Errors
    /// Why there was none.
    pub async fn start_one(&self) -> Result<usize, String> {
        let caller = Caller { thread: 0, space: Space(0), undoes: false };
        let started = self.start(caller).await.map_err(|error| error.to_string())?;
        Ok(started.memory())
    }

    /// Whether its calls may wait for something, so that they have to be awaited.
    pub(super) fn waits(&self) -> bool {
        self.linked.waits
    }

    /// Call a hook of a plugin whose calls do not wait. An instance that trapped is gone; the next call starts a fresh
    /// one.
    pub(super) fn call<P, R>(
        &self,
        hook: &Hook<P, R>,
        arguments: P,
        caller: Caller,
        mut exchange: Option<&mut Box<Exchange>>,
    ) -> Result<R, CallError>
    where
        P: ComponentNamedList + Lower + Send + Sync,
        R: ComponentNamedList + Lift + Send + Sync,
    {
        let (code, time) = (self.code(), self.setup.limits.time);
        if self.setup.isolation == Isolation::Worker {
            // It stays where it is: its thread is busy with this call.
            let mut idle = self.bench(caller)?.idle();
            if idle.is_empty() {
                idle.push(now(self.start(caller))?);
            }
            let called = idle.last_mut().map(|instance| instance.call(hook, arguments, code, caller, exchange, time));
            if !matches!(called, Some(Ok(_))) {
                idle.pop();
            }
            return called.unwrap_or_else(|| Err(CallError::Failed("it has no instance".to_owned())));
        }
        let own = exchange.as_deref_mut().and_then(|exchange| exchange.take_instance(caller.space));
        let mut instance = match own {
            Some(instance) => instance,
            None => now(self.start(caller))?,
        };
        let result = instance.call(hook, arguments, code, caller, exchange.as_deref_mut(), time);
        if result.is_ok() {
            self.put(instance, caller, exchange)?;
        }
        result
    }

    /// The same, of one whose calls may wait: meanwhile others are called on instances of their own.
    pub(super) async fn call_waiting<P, R>(
        &self,
        hook: &Hook<P, R>,
        arguments: P,
        caller: Caller,
        mut exchange: Option<&mut Box<Exchange>>,
    ) -> Result<R, CallError>
    where
        P: ComponentNamedList + Lower + Send + Sync + 'static,
        R: ComponentNamedList + Lift + Send + Sync + 'static,
    {
        let places = &self.bench(caller)?.places;
        let Ok(Ok(_place)) = timeout(limits::PLUGIN_PLACE_TIME, places.acquire()).await else {
            return Err(CallError::Busy(self.setup.limits.instances));
        };
        let PluginLimits { time, wait, .. } = self.setup.limits;
        let called = async {
            let mut instance = match self.take(caller, exchange.as_deref_mut())? {
                Some(instance) => instance,
                None => self.start(caller).await?,
            };
            let call = instance.call_waiting(hook, arguments, self.code(), caller, exchange.as_deref_mut(), time);
            Ok((call.await?, instance))
        };
        // Dropped in the middle, the call takes the instance with it, and so does one that failed.
        let (result, instance) = timeout(wait, called).await.unwrap_or(Err(CallError::Overdue(wait)))?;
        self.put(instance, caller, exchange)?;
        Ok(result)
    }

    /// The component that is called, and where it has its hooks.
    fn code(&self) -> (&Component, &Exports) {
        (&self.component, self.image.as_ref().map_or(&self.component.exports, |image| &image.exports))
    }

    /// An instance that is there: one of the thread's, or, with isolation, that of the exchange alone.
    fn take(&self, caller: Caller, exchange: Option<&mut Box<Exchange>>) -> Result<Option<Instance>, CallError> {
        Ok(match self.setup.isolation {
            Isolation::Worker => self.bench(caller)?.idle().pop(),
            Isolation::Request => exchange.and_then(|exchange| exchange.take_instance(caller.space)),
        })
    }

    /// Where it is taken from the next time.
    fn put(&self, instance: Instance, caller: Caller, exchange: Option<&mut Box<Exchange>>) -> Result<(), CallError> {
        match (self.setup.isolation, exchange) {
            (Isolation::Worker, _) => self.bench(caller)?.idle().push(instance),
            (Isolation::Request, Some(exchange)) => exchange.keep_instance(caller.space, instance),
            // A timer's call has it to itself.
            (Isolation::Request, None) => {}
        }
        Ok(())
    }

    async fn start(&self, caller: Caller) -> Result<Instance, CallError> {
        match &self.image {
            Some(image) => Instance::fresh(caller.thread, &self.component, image, &self.setup).await,
            None => Ok(Instance::start(caller.thread, &self.component, &self.linked, &self.setup).await?.0),
        }
    }

    fn bench(&self, caller: Caller) -> Result<&Bench, CallError> {
        // The control plane's is the last, whatever its number.
        let bench = self.benches.get(caller.thread).or(self.benches.last());
        bench.ok_or_else(|| CallError::Failed(format!("there is no worker {}", caller.thread)))
    }
}

impl Bench {
    fn new(first: Option<Instance>, instances: usize) -> Self {
        Self { idle: Mutex::new(first.into_iter().collect()), places: Semaphore::new(instances) }
    }

    fn idle(&self) -> MutexGuard<'_, Vec<Instance>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Start one that is granted sockets or files, whose `configure` may read some: on a thread with an event loop of its own,
/// since the control plane, which asks for it, cannot wait on its own.
fn aside<T, F>(start: impl FnOnce() -> F + Send, limit: Duration) -> Result<T, CallError>
where
    T: Send,
    F: Future<Output = Result<T, CallError>>,
{
    let failed = |error: io::Error| CallError::Failed(format!("there is no thread to load it on: {error}"));
    let wait = || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let started = runtime.block_on(async {
            let started = async {
                let started = start().await;
                // A read that `configure` has only begun is waited for in a hook; one that no thread had taken up by
                // the loop's end would never be there. They are taken up in their order, so this one is the last.
                drop(spawn_blocking(|| ()).await);
                started
            };
            timeout(limit, started).await
        });
        // What is left of it waits for a file, if anything is.
        runtime.shutdown_background();
        let overdue = || Err(CallError::Failed(format!("it waited for more than {limit:?} while it was loaded")));
        Ok(started.unwrap_or_else(|_| overdue()))
    };
    thread::scope(|scope| {
        let loading = thread::Builder::new().name("plugin-load".into()).spawn_scoped(scope, wait).map_err(failed)?;
        let panicked = |_| Err(CallError::Failed("the thread that loaded it panicked".to_owned()));
        loading.join().map_or_else(panicked, |started| started.map_err(failed)?)
    })
}

/// Start one at once: a component whose imports may wait has none that `configure` could.
fn now<T>(start: impl Future<Output = Result<T, CallError>>) -> Result<T, CallError> {
    let waits = || Err(CallError::Failed("it waits for something in `configure`".to_owned()));
    component::now(start).unwrap_or_else(waits)
}
