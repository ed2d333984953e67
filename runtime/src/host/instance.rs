//! One instance of a plugin on one worker: a store with the plugin in it, configured, its hooks at hand.

use std::time::Duration;

use thiserror::Error;
use wasmtime::component::TypedFunc;
use wasmtime::{Store, Trap};

use super::bindings::exports::tidegate::plugin::lifecycle::Activation as GuestActivation;
use super::bindings::tidegate::plugin::types::Flow;
use super::component::{Component, store};
use super::deadline;
use super::exchange::Exchange;
use super::plugin::{Activation, Hook};
use super::state::State;
use crate::config::checked::PluginLimits;
use crate::limits;

type HookFunction = TypedFunc<(), (Result<Flow, String>,)>;

pub(super) struct Instance {
    store: Store<State>,
    on_request: Option<HookFunction>,
    on_response: Option<HookFunction>,
}

/// How a call can fail.
#[derive(Debug, Error)]
pub(super) enum CallError {
    /// The plugin says so itself; it goes on living.
    #[error("{0}")]
    Failed(String),
    /// It ran longer than its use allows.
    #[error("ran longer than its limit allows")]
    TimedOut,
    /// It wanted more memory than its use allows.
    #[error("needed more memory than its limit allows")]
    OutOfMemory,
    /// Anything else that ended it: a panic, an unreachable instruction, a host function that refused.
    #[error("trapped: {0}")]
    Trapped(String),
}

impl Instance {
    /// A fresh instance that has taken its config, for worker number `caller`.
    pub(super) fn start(
        caller: usize,
        component: &Component,
        config: &str,
        limits: &PluginLimits,
    ) -> Result<(Self, Activation), CallError> {
        let mut store = store(component.pre.engine(), component.name.clone(), limits.memory);
        deadline::start(&mut store, limits::PLUGIN_LOAD_TIME);
        let start = |store: &mut Store<State>| -> wasmtime::Result<_> {
            let instance = component.pre.instantiate(&mut *store)?;
            let configure = instance
                .get_typed_func::<(&str,), (Result<GuestActivation, String>,)>(&mut *store, component.configure)?;
            let (activation,) = configure.call(&mut *store, (config,))?;
            let hook = |store: &mut Store<State>, index: Option<_>| -> wasmtime::Result<Option<HookFunction>> {
                index.map(|index| instance.get_typed_func(store, index)).transpose()
            };
            let on_request = hook(store, component.on_request)?;
            let on_response = hook(store, component.on_response)?;
            Ok((activation, on_request, on_response))
        };
        let (activation, on_request, on_response) = match component.callers.call(caller, || start(&mut store)) {
            Ok(started) => started,
            Err(error) => return Err(classify(&error, store.data())),
        };
        let activation = activation.map_err(CallError::Failed)?;
        let activation = Activation { on_request: activation.on_request, on_response: activation.on_response };
        Ok((Self { store, on_request, on_response }, activation))
    }

    /// Lend `exchange` to the plugin and call one hook. The exchange comes back, however the call ends.
    pub(super) fn call(
        &mut self,
        hook: Hook,
        use_index: usize,
        exchange: &mut Box<Exchange>,
        time: Duration,
    ) -> Result<Flow, CallError> {
        let function = match hook {
            Hook::Request => &self.on_request,
            Hook::Response => &self.on_response,
        };
        let Some(function) = function else { return Ok(Flow::Next) };
        let state = self.store.data_mut();
        state.swap_exchange(exchange);
        state.use_index = use_index;
        state.limiter.denied = false;
        deadline::start(&mut self.store, time);
        let result = function.call(&mut self.store, ());
        self.store.data_mut().swap_exchange(exchange);
        match result {
            Ok((decision,)) => decision.map_err(CallError::Failed),
            Err(error) => Err(classify(&error, self.store.data())),
        }
    }
}

fn classify(error: &wasmtime::Error, state: &State) -> CallError {
    match error.downcast_ref::<Trap>() {
        Some(Trap::Interrupt) => CallError::TimedOut,
        _ if state.limiter.denied => CallError::OutOfMemory,
        _ => CallError::Trapped(format!("{error:?}")),
    }
}
