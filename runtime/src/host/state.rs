//! What one plugin instance has in its store: the exchange lent to it, and its bounds.

use std::sync::Arc;

use wasmtime::ResourceLimiter;

use super::deadline::Deadline;
use super::exchange::{Exchange, RequestHead, RequestId, ResponseHead};
use super::wasi::Wasi;
use crate::limits;

/// Data of a plugin's store.
pub(super) struct State {
    /// The exchange lent by [`State::swap_exchange`]; a vacant one in between.
    exchange: Box<Exchange>,
    in_hook: bool,
    /// Which use of the chain is being called: the owner of scratch.
    pub(super) use_index: usize,
    /// The plugin's name, for its log lines.
    pub(super) plugin: Arc<str>,
    pub(super) wasi: Wasi,
    pub(super) limiter: Limiter,
    pub(super) deadline: Deadline,
}

impl State {
    pub(super) fn new(plugin: Arc<str>, memory: usize) -> Self {
        Self {
            exchange: Box::new(Exchange::vacant()),
            in_hook: false,
            use_index: 0,
            plugin,
            wasi: Wasi::default(),
            limiter: Limiter { memory, denied: false },
            deadline: Deadline::default(),
        }
    }

    /// Lend `exchange` for a hook, and with the second call take it back: two pointers change places.
    pub(super) fn swap_exchange(&mut self, exchange: &mut Box<Exchange>) {
        std::mem::swap(&mut self.exchange, exchange);
        self.in_hook = !self.in_hook;
    }

    /// The current exchange; a trap outside of a hook.
    pub(super) fn exchange(&mut self) -> wasmtime::Result<&mut Exchange> {
        if self.in_hook {
            return Ok(&mut self.exchange);
        }
        Err(wasmtime::format_err!("there is no exchange outside of a hook"))
    }

    /// The current request's id, for log lines.
    pub(super) fn request_id(&self) -> Option<RequestId> {
        self.in_hook.then_some(self.exchange.id)
    }

    pub(super) fn request(&mut self) -> wasmtime::Result<&mut RequestHead> {
        Ok(&mut self.exchange()?.request)
    }

    pub(super) fn response(&mut self) -> wasmtime::Result<&mut ResponseHead> {
        let response = self.exchange()?.response.as_mut();
        response.ok_or_else(|| wasmtime::format_err!("there is no response yet in a request hook"))
    }
}

/// Holds an instance to its memory, and remembers when it asked for more.
pub(super) struct Limiter {
    /// What is left, for all memories of the instance together.
    memory: usize,
    /// Whether growth was denied, which explains the trap that usually follows.
    pub(super) denied: bool,
}

impl ResourceLimiter for Limiter {
    fn memory_growing(&mut self, current: usize, desired: usize, _maximum: Option<usize>) -> wasmtime::Result<bool> {
        let left = self.memory.checked_sub(desired.saturating_sub(current));
        self.denied |= left.is_none();
        self.memory = left.unwrap_or(self.memory);
        Ok(left.is_some())
    }

    fn table_growing(&mut self, _current: usize, desired: usize, _maximum: Option<usize>) -> wasmtime::Result<bool> {
        Ok(desired <= limits::PLUGIN_TABLE_ELEMENTS)
    }
}
