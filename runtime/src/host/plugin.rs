//! A plugin with its config: what a chain calls. It has instances of its own for every thread that calls it.

use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::Semaphore;
use tokio::time::timeout;
use wasmtime::component::{ComponentNamedList, Lift, Lower};

use super::activation::Activation;
use super::clock::CONTROL;
use super::component::{self, Component};
use super::exchange::Exchange;
use super::grants::Grants;
use super::hook::Hook;
use super::instance::{CallError, Caller, Instance};
use crate::config::checked::PluginLimits;
use crate::limits;

/// A configured plugin.
pub struct Plugin {
    pub(super) component: Arc<Component>,
    pub(super) setup: Setup,
    /// Which hooks to call.
    pub activation: Activation,
    /// One per worker, and the control plane's, each used by that thread alone: freed with the plugin.
    benches: Box<[Bench]>,
}

/// What an instance is started with.
pub(super) struct Setup {
    /// JSON that satisfies the component's schema.
    pub(super) config: String,
    pub(super) limits: PluginLimits,
    pub(super) grants: Arc<Grants>,
}

/// One thread's instances that are in no call.
struct Bench {
    /// Locked by its thread alone, and never for longer than it takes to put one in or out.
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
        let limits = setup.limits;
        let start = || now(Instance::start(CONTROL, &component, &setup)).map_err(|error| error.to_string());
        let (first, activation) = start()?;
        // All workers' now, so that no request has to wait for one. The control plane's is for timers only.
        let mut benches = vec![Bench::new(Some(first), limits.instances)];
        for _ in 1..workers {
            benches.push(Bench::new(Some(start()?.0), limits.instances));
        }
        benches.push(Bench::new(None, limits.instances));
        Ok(Self { component, setup, activation, benches: benches.into() })
    }

    /// What the plugin calls itself.
    pub fn name(&self) -> &str {
        &self.component.name
    }

    /// Whether its calls may wait for something, so that they have to be awaited.
    pub(super) fn waits(&self) -> bool {
        self.component.waits
    }

    /// Call a hook of a plugin whose calls do not wait. An instance that trapped is gone; the next call starts a fresh
    /// one.
    pub(super) fn call<P, R>(
        &self,
        hook: &Hook<P, R>,
        arguments: P,
        caller: Caller,
        exchange: Option<&mut Box<Exchange>>,
    ) -> Result<R, CallError>
    where
        P: ComponentNamedList + Lower + Send + Sync,
        R: ComponentNamedList + Lift + Send + Sync,
    {
        let bench = self.bench(caller)?;
        let mut instance = match bench.take() {
            Some(instance) => instance,
            None => now(Instance::start(caller.thread, &self.component, &self.setup))?.0,
        };
        let result = instance.call(hook, arguments, &self.component, caller, exchange, self.setup.limits.time);
        if result.is_ok() {
            bench.put(instance);
        }
        result
    }

    /// The same, of one whose calls may wait: meanwhile others are called on instances of their own.
    pub(super) async fn call_waiting<P, R>(
        &self,
        hook: &Hook<P, R>,
        arguments: P,
        caller: Caller,
        exchange: Option<&mut Box<Exchange>>,
    ) -> Result<R, CallError>
    where
        P: ComponentNamedList + Lower + Send + Sync + 'static,
        R: ComponentNamedList + Lift + Send + Sync + 'static,
    {
        let bench = self.bench(caller)?;
        let Ok(Ok(_place)) = timeout(limits::PLUGIN_PLACE_TIME, bench.places.acquire()).await else {
            return Err(CallError::Busy(self.setup.limits.instances));
        };
        let mut instance = match bench.take() {
            Some(instance) => instance,
            None => Instance::start(caller.thread, &self.component, &self.setup).await?.0,
        };
        let time = self.setup.limits.time;
        // Dropped in the middle, the call takes the instance with it.
        let result = instance.call_waiting(hook, arguments, &self.component, caller, exchange, time).await;
        if result.is_ok() {
            bench.put(instance);
        }
        result
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

    fn take(&self) -> Option<Instance> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner).pop()
    }

    fn put(&self, instance: Instance) {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner).push(instance);
    }
}

/// Start one at once: a component whose imports may wait has none that `configure` could.
fn now<T>(start: impl Future<Output = Result<T, CallError>>) -> Result<T, CallError> {
    let waits = || Err(CallError::Failed("it waits for something in `configure`".to_owned()));
    component::now(start).unwrap_or_else(waits)
}
