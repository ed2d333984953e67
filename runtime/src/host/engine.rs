//! The one wasmtime engine, and the clock of the guests that run on it.

use std::sync::Arc;

use wasmtime::{Enabled, InstanceAllocationStrategy, PoolingAllocationConfig};

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
        let wasmtime = pooled()?;
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

/// An engine whose instances take slots of a pool: a fresh one costs microseconds, and the machine is asked for the
/// address space once. How much of that there is, and whether the kernel can say which pages were touched, is found out
/// by trying; where there is too little (`ulimit -v`), every instance is made by itself.
fn pooled() -> wasmtime::Result<wasmtime::Engine> {
    // Without the kernel's word, resetting a resident page costs more than taking a new one.
    for (scan, resident) in [(Enabled::Yes, limits::PLUGIN_RESIDENT_BYTES), (Enabled::No, 0)] {
        for slots in limits::PLUGIN_SLOTS {
            let pool = InstanceAllocationStrategy::Pooling(pool(slots, scan, resident));
            if let Ok(engine) = wasmtime::Engine::new(&config(pool, limits::PLUGIN_ADDRESSES_IN_POOL)) {
                return Ok(engine);
            }
        }
    }
    let mut config = config(InstanceAllocationStrategy::OnDemand, limits::PLUGIN_ADDRESSES);
    // By themselves they would be four times what they guard. Code that checks all needs little of them.
    config.memory_guard_size(limits::PLUGIN_GUARD_ADDRESSES).guard_before_linear_memory(false);
    wasmtime::Engine::new(&config)
}

fn pool(slots: u32, scan: Enabled, resident: usize) -> PoolingAllocationConfig {
    let mut pool = PoolingAllocationConfig::new();
    pool.pagemap_scan(scan)
        .linear_memory_keep_resident(resident)
        .total_component_instances(slots)
        .total_core_instances(slots * limits::CORE_INSTANCES)
        .max_core_instances_per_component(limits::CORE_INSTANCES_MAX)
        .total_memories(slots)
        .max_memories_per_component(1)
        .total_tables(slots * limits::CORE_TABLES)
        .max_tables_per_component(limits::CORE_INSTANCES_MAX)
        .table_elements(limits::PLUGIN_TABLE_ELEMENTS)
        .table_keep_resident(limits::PLUGIN_TABLE_RESIDENT_BYTES)
        .total_stacks(slots.min(limits::PLUGIN_STACKS))
        .max_unused_warm_slots(limits::PLUGIN_WARM_SLOTS);
    pool
}

/// `addresses` are set aside for each memory: as many as it could ever use spare its code all checks.
fn config(strategy: InstanceAllocationStrategy, addresses: u64) -> wasmtime::Config {
    let mut config = wasmtime::Config::new();
    config
        .allocation_strategy(strategy)
        .memory_reservation(addresses)
        .epoch_interruption(true)
        // Component-model async would cost every call half as much again, and no hook uses it.
        .concurrency_support(false)
        .max_wasm_stack(limits::PLUGIN_STACK_BYTES)
        .wasm_backtrace_max_frames(std::num::NonZeroUsize::new(32));
    config
}
