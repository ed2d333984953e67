//! One instance of a plugin: a store with the plugin in it, configured. A call lends it the exchange and takes the
//! exchange back, however the call ends; who calls says whether the guest may wait within it.

use std::future::poll_fn;
use std::pin::pin;
use std::task::Poll;
use std::time::Duration;

use rustix::io::Errno;
use thiserror::Error;
use wasmtime::component::{ComponentNamedList, Instance as Guest, Lift, Lower};
use wasmtime::{Store, Trap, WasmBacktrace};

use super::activation::Activation;
use super::bindings::exports::tidegate::plugin::lifecycle::Activation as Told;
use super::clock::Callers;
use super::component::{Component, Linked};
use super::deadline;
use super::exchange::Exchange;
use super::hook::{Exports, Functions, Hook};
use super::image::Image;
use super::plugin::Setup;
use super::state::State;
use crate::limits;
use crate::store::Space;

pub(super) struct Instance {
    store: Store<State>,
    guest: Guest,
    functions: Functions,
}

/// Who calls, and for which use.
#[derive(Debug, Clone, Copy)]
pub(super) struct Caller {
    /// The worker's number, or the control plane's.
    pub(super) thread: usize,
    /// Which use is called: the owner of counters, of scratch, of an instance with isolation.
    pub(super) space: Space,
    /// What undoing a failed call takes is kept.
    pub(super) undoes: bool,
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
    /// It took longer than its use allows, what it waited for included.
    #[error("took longer than {0:?} with what it waited for: `limits.wait` says how long it may")]
    Overdue(Duration),
    /// Anything else that ended it: a panic, an unreachable instruction, a host function that refused.
    #[error("trapped: {0}")]
    Trapped(String),
    /// There is no slot left for another instance of any plugin.
    #[error("found no room: {0}")]
    NoRoom(String),
    /// All instances that it may have are in calls that wait, and none came free in time.
    #[error("has all its {0} instances waiting: `instances` says how many there may be")]
    Busy(usize),
}

impl Instance {
    /// A fresh instance that has taken its config, for thread number `thread`. A component whose imports may wait is
    /// started in a way that allows for it; `configure` can wait for granted files alone.
    pub(super) async fn start(
        thread: usize,
        component: &Component,
        linked: &Linked,
        setup: &Setup,
    ) -> Result<(Self, Activation), CallError> {
        let mut store = bounded(component, setup);
        let (guest, told) = match start(&mut store, thread, component, linked, &setup.config).await {
            Ok(started) => started,
            Err(error) => return Err(classify(&error, store.data())),
        };
        let told = told.map_err(CallError::Failed)?;
        let activation = Activation::check(told, &component.exports, &setup.limits).map_err(CallError::Failed)?;
        Ok((Self { store, guest, functions: Functions::default() }, activation))
    }

    /// A fresh instance from what became of its component when that was configured.
    pub(super) async fn fresh(
        thread: usize,
        component: &Component,
        image: &Image,
        setup: &Setup,
    ) -> Result<Self, CallError> {
        let mut store = bounded(component, setup);
        let Linked { pre, waits } = &image.linked;
        let guest = if *waits {
            guarded(&component.callers, thread, limits::PLUGIN_LOAD_TIME, pre.instantiate_async(&mut store)).await
        } else {
            component.callers.call(thread, || pre.instantiate(&mut store))
        };
        match guest {
            Ok(guest) => Ok(Self { store, guest, functions: Functions::default() }),
            Err(error) => Err(classify(&error, store.data())),
        }
    }

    /// Bytes of linear memory that it has.
    pub(super) fn memory(&self) -> usize {
        self.store.data().limiter.taken()
    }

    /// Call a hook that has nothing to wait for.
    pub(super) fn call<P, R>(
        &mut self,
        hook: &Hook<P, R>,
        arguments: P,
        (component, exports): (&Component, &Exports),
        caller: Caller,
        exchange: Option<&mut Box<Exchange>>,
        time: Duration,
    ) -> Result<R, CallError>
    where
        P: ComponentNamedList + Lower + Send + Sync,
        R: ComponentNamedList + Lift + Send + Sync,
    {
        let lent = Lent::new(self, caller, exchange, time);
        let Instance { store, guest, functions } = &mut *lent.instance;
        let result = component.callers.call(caller.thread, || {
            let function = hook.function(functions, exports, guest, &mut *store)?;
            function.call(&mut *store, arguments)
        });
        result.map_err(|error| classify(&error, lent.instance.store.data()))
    }

    /// Call a hook that may wait for something. Dropped before its end, it gives the exchange back, and the instance is
    /// good for nothing any more.
    pub(super) async fn call_waiting<P, R>(
        &mut self,
        hook: &Hook<P, R>,
        arguments: P,
        (component, exports): (&Component, &Exports),
        caller: Caller,
        exchange: Option<&mut Box<Exchange>>,
        time: Duration,
    ) -> Result<R, CallError>
    where
        P: ComponentNamedList + Lower + Send + Sync + 'static,
        R: ComponentNamedList + Lift + Send + Sync + 'static,
    {
        let lent = Lent::new(self, caller, exchange, time);
        let Instance { store, guest, functions } = &mut *lent.instance;
        let result = {
            let call = async {
                let function = hook.function(functions, exports, guest, &mut *store)?;
                function.call_async(&mut *store, arguments).await
            };
            guarded(&component.callers, caller.thread, time, call).await
        };
        result.map_err(|error| classify(&error, lent.instance.store.data()))
    }
}

/// The store of a new instance, which now has the time to be loaded.
fn bounded(component: &Component, setup: &Setup) -> Store<State> {
    let mut store = component.store(setup);
    deadline::start(&mut store, limits::PLUGIN_LOAD_TIME);
    store
}

/// Run `guest` under the clock's eyes, whenever it is its turn.
///
/// It has `time` for each turn; so that nobody gets around that by waiting for nothing again and again, all turns of a
/// call together have no more than some times as much.
async fn guarded<T>(
    callers: &Callers,
    thread: usize,
    time: Duration,
    guest: impl Future<Output = wasmtime::Result<T>>,
) -> wasmtime::Result<T> {
    let mut guest = pin!(guest);
    let mut left = time.saturating_mul(limits::PLUGIN_TURNS);
    poll_fn(|cx| {
        let begun = deadline::cpu_time();
        let polled = callers.call(thread, || {
            deadline::turn();
            guest.as_mut().poll(cx)
        });
        left = left.saturating_sub(deadline::cpu_time().saturating_sub(begun));
        if polled.is_pending() && left.is_zero() { Poll::Ready(Err(Trap::Interrupt.into())) } else { polled }
    })
    .await
}

async fn start(
    store: &mut Store<State>,
    thread: usize,
    component: &Component,
    Linked { pre, waits }: &Linked,
    config: &str,
) -> wasmtime::Result<(Guest, Result<Told, String>)> {
    if *waits {
        let start = async {
            let guest = pre.instantiate_async(&mut *store).await?;
            let configure =
                guest.get_typed_func::<(&str,), (Result<Told, String>,)>(&mut *store, component.configure)?;
            Ok((guest, configure.call_async(&mut *store, (config,)).await?.0))
        };
        return guarded(&component.callers, thread, limits::PLUGIN_LOAD_TIME, start).await;
    }
    component.callers.call(thread, || {
        let guest = pre.instantiate(&mut *store)?;
        let configure = guest.get_typed_func::<(&str,), (Result<Told, String>,)>(&mut *store, component.configure)?;
        Ok((guest, configure.call(&mut *store, (config,))?.0))
    })
}

/// An exchange in the hands of an instance; it comes back when this is dropped.
struct Lent<'l> {
    instance: &'l mut Instance,
    exchange: Option<&'l mut Box<Exchange>>,
}

impl<'l> Lent<'l> {
    fn new(
        instance: &'l mut Instance,
        caller: Caller,
        mut exchange: Option<&'l mut Box<Exchange>>,
        time: Duration,
    ) -> Self {
        let state = instance.store.data_mut();
        if let Some(exchange) = &mut exchange {
            state.swap_exchange(exchange);
        }
        state.begin(caller);
        deadline::start(&mut instance.store, time);
        Self { instance, exchange }
    }
}

impl Drop for Lent<'_> {
    fn drop(&mut self) {
        if let Some(exchange) = &mut self.exchange {
            self.instance.store.data_mut().swap_exchange(exchange);
        }
    }
}

fn classify(error: &wasmtime::Error, state: &State) -> CallError {
    match error.downcast_ref::<Trap>() {
        Some(Trap::Interrupt) => CallError::TimedOut,
        _ if error.is::<wasmtime::PoolConcurrencyLimitError>() => CallError::NoRoom(story(error)),
        // Without a pool, it is the addresses that run out.
        _ if error.downcast_ref() == Some(&Errno::NOMEM) => CallError::NoRoom(story(error)),
        _ if state.limiter.denied => CallError::OutOfMemory,
        _ => CallError::Trapped(story(error)),
    }
}

/// What ended the guest, and where it was, in its own functions' names: the innermost first.
fn story(error: &wasmtime::Error) -> String {
    let reasons: Vec<String> = error.chain().map(ToString::to_string).filter(|said| !said.contains('\n')).collect();
    let mut story = reasons.join(": ");
    let Some(backtrace) = error.downcast_ref::<WasmBacktrace>() else { return story };
    let named = backtrace.frames().iter().map(|frame| match frame.func_name() {
        // Hashes tell two functions apart that nobody confuses in a backtrace.
        Some(name) => format!("{:#}", rustc_demangle::demangle(name)),
        None => format!("function {}", frame.func_index()),
    });
    let frames = named.skip_while(|name| is_panicking(name)).take(limits::TRAP_FRAMES);
    for (at, frame) in frames.enumerate() {
        story.push_str(if at == 0 { " in " } else { " < " });
        story.push_str(&frame);
    }
    story
}

/// Whether a function is only there to end a guest that panics: where it panicked is what matters.
fn is_panicking(name: &str) -> bool {
    ["abort", "std::", "core::", "__rust", "rust_"].iter().any(|own| name.starts_with(own))
}
