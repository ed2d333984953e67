//! A plugin with its config: what a chain calls. It has an instance on every worker.

use std::sync::{Arc, Mutex, PoisonError};

use super::bindings::tidegate::plugin::types::Flow;
use super::clock::CONTROL;
use super::component::Component;
use super::exchange::Exchange;
use super::instance::{CallError, Instance};
use crate::config::checked::PluginLimits;

/// Which of its hooks a plugin wants to be called for, under its config.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Activation {
    /// Call `on-request`.
    pub on_request: bool,
    /// Call `on-response`.
    pub on_response: bool,
}

/// The two hooks of an exchange.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Hook {
    /// Before the upstream.
    Request,
    /// After it.
    Response,
}

/// A configured plugin.
pub struct Plugin {
    pub(super) component: Arc<Component>,
    pub(super) config: String,
    pub(super) limits: PluginLimits,
    /// Which hooks to call.
    pub activation: Activation,
    /// One slot per worker, locked by that worker alone: never contended, and freed with the plugin.
    instances: Box<[Mutex<Option<Instance>>]>,
}

impl Plugin {
    /// Give `component` its config, which already satisfies its schema.
    ///
    /// # Errors
    /// In the plugin's own words if it refuses the config, else how it failed.
    pub fn configure(
        component: Arc<Component>,
        config: String,
        limits: PluginLimits,
        workers: usize,
    ) -> Result<Self, String> {
        let start = || Instance::start(CONTROL, &component, &config, &limits).map_err(|error| error.to_string());
        let (first, activation) = start()?;
        for (wanted, exported, hook) in [
            (activation.on_request, component.on_request.is_some(), "on-request"),
            (activation.on_response, component.on_response.is_some(), "on-response"),
        ] {
            if wanted && !exported {
                return Err(format!("it asks for {hook}, which it does not export"));
            }
        }
        // All workers' now, so that no request has to wait for one.
        let mut started = vec![Mutex::new(Some(first))];
        for _ in 1..workers {
            started.push(Mutex::new(Some(start()?.0)));
        }
        let instances = started.into();
        Ok(Self { component, config, limits, activation, instances })
    }

    /// What the plugin calls itself.
    pub fn name(&self) -> &str {
        &self.component.name
    }

    /// Call one hook. `worker` is the calling worker's number, `use_index` the use's place in its chain.
    ///
    /// An instance that trapped is gone; the next call starts a fresh one.
    pub(super) fn call(
        &self,
        hook: Hook,
        worker: usize,
        use_index: usize,
        exchange: &mut Box<Exchange>,
    ) -> Result<Flow, CallError> {
        let slot = self.instances.get(worker);
        let slot = slot.ok_or_else(|| CallError::Failed(format!("there is no worker {worker}")))?;
        let mut slot = slot.lock().unwrap_or_else(PoisonError::into_inner);
        let mut instance = match slot.take() {
            Some(instance) => instance,
            None => Instance::start(worker, &self.component, &self.config, &self.limits)?.0,
        };
        let call = || instance.call(hook, use_index, exchange, self.limits.time);
        let result = self.component.callers.call(worker, call);
        if matches!(result, Ok(_) | Err(CallError::Failed(_))) {
            *slot = Some(instance);
        }
        result
    }
}
