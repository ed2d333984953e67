//! The one wasmtime engine, and the thread that lets running guests notice the time.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;

use crate::limits;

/// Compiles and runs all plugins. Dropping it ends its clock thread.
pub struct Engine {
    wasmtime: wasmtime::Engine,
    stop: Arc<AtomicBool>,
    clock: Option<JoinHandle<()>>,
}

impl Engine {
    /// An engine with its clock running.
    ///
    /// # Errors
    /// This machine is none that wasmtime can compile for, or no thread could be started.
    pub fn new() -> anyhow::Result<Self> {
        let mut config = wasmtime::Config::new();
        config
            .epoch_interruption(true)
            // Component-model async would cost every call half as much again, and no hook uses it.
            .concurrency_support(false)
            .max_wasm_stack(limits::PLUGIN_STACK_BYTES)
            .wasm_backtrace_max_frames(std::num::NonZeroUsize::new(32));
        let wasmtime = wasmtime::Engine::new(&config)?;
        let stop = Arc::new(AtomicBool::new(false));
        let clock = std::thread::Builder::new().name("plugin-clock".into()).spawn({
            let (engine, stop) = (wasmtime.clone(), Arc::clone(&stop));
            move || {
                while !stop.load(Ordering::Relaxed) {
                    std::thread::park_timeout(limits::EPOCH_TICK);
                    engine.increment_epoch();
                }
            }
        })?;
        Ok(Self { wasmtime, stop, clock: Some(clock) })
    }

    pub(super) fn wasmtime(&self) -> &wasmtime::Engine {
        &self.wasmtime
    }
}

impl Drop for Engine {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(clock) = self.clock.take() {
            clock.thread().unpark();
            // A clock that panicked has already said so.
            drop(clock.join());
        }
    }
}
