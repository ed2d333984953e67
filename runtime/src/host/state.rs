//! What one plugin instance has in its store: the exchange lent to it, who calls it, and its bounds.

use std::sync::Arc;

use wasmtime::ResourceLimiter;

use super::deadline::Deadline;
use super::edits::{Ready, Shelf, Values};
use super::exchange::{Exchange, Progress, RequestHead, RequestId, ResponseHead};
use super::grants::Grants;
use super::instance::Caller;
use super::scratch::Owner;
use super::services::Services;
use super::wasi::{Granted, Wasi};
use crate::limits;
use crate::observe::metrics::PluginMetrics;
use crate::store::Space;

/// Data of a plugin's store.
pub(super) struct State {
    /// The exchange lent by [`State::swap_exchange`]; a vacant one in between.
    exchange: Box<Exchange>,
    lent: bool,
    /// Which use of the chain is being called; `None` while it is loaded.
    caller: Option<Caller>,
    /// Host calls that the call under way may still make.
    calls_left: u32,
    /// Edits that the plugin has prepared.
    pub(super) shelf: Shelf,
    /// The plugin's name, for its log lines.
    pub(super) plugin: Arc<str>,
    pub(super) services: Arc<Services>,
    /// Whose keys and values it sees: those of all uses of the plugin.
    pub(super) kv_space: Space,
    pub(super) grants: Arc<Grants>,
    pub(super) wasi: Wasi,
    /// Sockets and files, if the use grants any.
    pub(super) granted: Option<Box<Granted>>,
    pub(super) limiter: Limiter,
    pub(super) deadline: Deadline,
}

impl State {
    pub(super) fn new(
        (plugin, kv_space): (Arc<str>, Space),
        services: Arc<Services>,
        grants: Arc<Grants>,
        limiter: Limiter,
    ) -> Self {
        Self {
            exchange: Box::new(Exchange::vacant()),
            lent: false,
            caller: None,
            calls_left: limits::PLUGIN_HOST_CALLS,
            shelf: Shelf::default(),
            kv_space,
            plugin,
            services,
            grants,
            wasi: Wasi::default(),
            granted: None,
            limiter,
            deadline: Deadline::default(),
        }
    }

    /// Lend `exchange` for a hook, and with the second call take it back: two pointers change places.
    pub(super) fn swap_exchange(&mut self, exchange: &mut Box<Exchange>) {
        std::mem::swap(&mut self.exchange, exchange);
        self.lent = !self.lent;
        if let Some(granted) = &self.granted {
            granted.serves(self.request_id());
        }
    }

    /// A call begins.
    pub(super) fn begin(&mut self, caller: Caller) {
        self.caller = Some(caller);
        self.calls_left = limits::PLUGIN_HOST_CALLS;
        self.limiter.denied = false;
        if let Some(granted) = &mut self.granted {
            granted.begin();
        }
    }

    /// Whether a hook is called; if not, the plugin is being loaded.
    pub(super) fn is_called(&self) -> bool {
        self.caller.is_some()
    }

    /// One more host call; a trap once there are too many.
    pub(super) fn count(&mut self) -> wasmtime::Result<()> {
        match self.calls_left.checked_sub(1) {
            Some(left) => {
                self.calls_left = left;
                Ok(())
            }
            None => Err(wasmtime::format_err!("called the gateway more than {} times", limits::PLUGIN_HOST_CALLS)),
        }
    }

    /// The current exchange; a trap where there is none.
    pub(super) fn exchange(&mut self) -> wasmtime::Result<&mut Exchange> {
        self.count()?;
        self.exchange_uncounted()
    }

    /// The same within a host call that has been counted, or will be.
    pub(super) fn exchange_uncounted(&mut self) -> wasmtime::Result<&mut Exchange> {
        if self.lent {
            return Ok(&mut self.exchange);
        }
        Err(match self.caller {
            Some(_) => wasmtime::format_err!("there is no exchange in a timer hook"),
            None => wasmtime::format_err!("there is no exchange in `describe` and `configure`"),
        })
    }

    /// The current exchange, to be changed.
    pub(super) fn exchange_to_change(&mut self) -> wasmtime::Result<&mut Exchange> {
        let undoes = self.caller.is_some_and(|caller| caller.undoes);
        let exchange = self.exchange()?;
        if undoes {
            exchange.remember();
        }
        Ok(exchange)
    }

    /// Whose scratch is meant by "its own".
    pub(super) fn owner(&self) -> Owner {
        Owner::Use(self.space())
    }

    /// Whose counters are meant: nobody's while the plugin is loaded.
    pub(super) fn space(&self) -> Space {
        self.caller.map_or(Space(0), |caller| caller.space)
    }

    /// The calling thread's number.
    pub(super) fn thread(&self) -> usize {
        self.caller.map_or(usize::MAX, |caller| caller.thread)
    }

    /// The current request's id, for log lines.
    pub(super) fn request_id(&self) -> Option<RequestId> {
        self.lent.then_some(self.exchange.id)
    }

    pub(super) fn request(&mut self) -> wasmtime::Result<&mut RequestHead> {
        Ok(&mut self.exchange()?.request)
    }

    /// The request, if it may still be changed.
    pub(super) fn request_to_change(&mut self) -> wasmtime::Result<Result<&mut Exchange, String>> {
        let exchange = self.exchange_to_change()?;
        Ok(match exchange.progress {
            Progress::Request => Ok(exchange),
            _ => Err("the request has been sent already".to_owned()),
        })
    }

    pub(super) fn response(&mut self) -> wasmtime::Result<&mut ResponseHead> {
        let response = self.exchange()?.response.as_mut();
        response.ok_or_else(|| wasmtime::format_err!("there is no response in a request hook"))
    }

    /// The response, if it may still be changed.
    pub(super) fn response_to_change(&mut self) -> wasmtime::Result<Result<&mut Exchange, String>> {
        let exchange = self.exchange_to_change()?;
        match exchange.progress {
            Progress::Request => Err(wasmtime::format_err!("there is no response in a request hook")),
            Progress::Response => Ok(Ok(exchange)),
            Progress::Body | Progress::Over => Ok(Err("the response has been sent already".to_owned())),
        }
    }

    /// Its head, likewise.
    pub(super) fn response_head_to_change(&mut self) -> wasmtime::Result<Result<&mut ResponseHead, String>> {
        let exchange = self.response_to_change()?;
        Ok(exchange.and_then(|exchange| exchange.response.as_mut().ok_or_else(|| "there is no response".to_owned())))
    }

    /// Keep `edits` for the answer, if there is none yet.
    pub(super) fn edit_in_advance(
        &mut self,
        edits: impl FnOnce() -> Result<(Arc<Ready>, Values), String>,
    ) -> wasmtime::Result<Result<(), String>> {
        let space = self.space();
        let exchange = self.exchange()?;
        Ok(match exchange.progress {
            Progress::Request => {
                edits().and_then(|(edits, values)| exchange.in_advance.hand_over(space, edits, values))
            }
            _ => Err("only a request hook edits the answer in advance".to_owned()),
        })
    }
}

/// Holds an instance to its memory, and remembers when it asked for more.
pub(super) struct Limiter {
    /// What is left, for all memories of the instance together.
    memory: usize,
    /// What it has by now.
    taken: usize,
    /// Whether growth was denied, which explains the trap that usually follows.
    pub(super) denied: bool,
    /// Where it is noted; nowhere while it is only asked who it is.
    metrics: Option<Arc<PluginMetrics>>,
}

impl Limiter {
    pub(super) fn new(memory: usize, metrics: Option<Arc<PluginMetrics>>) -> Self {
        Self { memory, taken: 0, denied: false, metrics }
    }

    /// Bytes that the instance has taken so far.
    pub(super) fn taken(&self) -> usize {
        self.taken
    }
}

impl ResourceLimiter for Limiter {
    fn memory_growing(&mut self, current: usize, desired: usize, _maximum: Option<usize>) -> wasmtime::Result<bool> {
        let more = desired.saturating_sub(current);
        let left = self.memory.checked_sub(more);
        self.denied |= left.is_none();
        if left.is_some() {
            self.taken += more;
            if let Some(metrics) = &self.metrics {
                metrics.grown(self.taken as u64);
            }
        }
        self.memory = left.unwrap_or(self.memory);
        Ok(left.is_some())
    }

    fn table_growing(&mut self, _current: usize, desired: usize, _maximum: Option<usize>) -> wasmtime::Result<bool> {
        Ok(desired <= limits::PLUGIN_TABLE_ELEMENTS)
    }
}
