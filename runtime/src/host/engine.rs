//! The one wasmtime engine, and the clock of the guests that run on it.

use std::sync::Arc;

use super::clock::{Callers, Clock};
use crate::limits;

/// Compiles and runs all plugins.
pub struct Engine {
    wasmtime: wasmtime::Engine,
    clock: Clock,
}

impl Engine {
    /// An engine whose guests are called by so many workers, and by the control plane.
    ///
    /// # Errors
    /// This machine is none that wasmtime can compile for, or no thread could be started.
    pub fn new(workers: usize) -> anyhow::Result<Self> {
        let mut config = wasmtime::Config::new();
        config
            .epoch_interruption(true)
            // Component-model async would cost every call half as much again, and no hook uses it.
            .concurrency_support(false)
            .max_wasm_stack(limits::PLUGIN_STACK_BYTES)
            .wasm_backtrace_max_frames(std::num::NonZeroUsize::new(32));
        let wasmtime = wasmtime::Engine::new(&config)?;
        let clock = Clock::start(workers, {
            let engine = wasmtime.clone();
            move || engine.increment_epoch()
        })?;
        Ok(Self { wasmtime, clock })
    }

    /// Whom guests are called by.
    pub(super) fn callers(&self) -> &Arc<Callers> {
        self.clock.callers()
    }

    pub(super) fn wasmtime(&self) -> &wasmtime::Engine {
        &self.wasmtime
    }
}
