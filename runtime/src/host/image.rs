//! A component as it is once it has taken its config: what fresh instances for single requests are made of, so that they
//! have nothing to do but to begin. It may hold secrets of the config, so it stays in memory.

use wasmtime::Store;
use wasmtime::component::{Component as Compiled, Lift, WasmList};
use wasmtime_wizer::{ComponentInstanceState, Wizer};

use super::bindings::LIFECYCLE;
use super::bindings::exports::tidegate::plugin::lifecycle::Activation as Told;
use super::clock::CONTROL;
use super::component::{self, Component, Linked, now};
use super::deadline;
use super::hook::{self, Exports};
use super::plugin::Setup;
use super::state::State;
use crate::limits;

/// A configured component.
pub(super) struct Image {
    pub(super) linked: Linked,
    pub(super) exports: Exports,
}

impl Image {
    /// Configure `component` and keep what has become of it.
    pub(super) fn take(component: &Component, setup: &Setup) -> Result<Self, String> {
        let taken = component.callers.call(CONTROL, || now(take(component, setup)));
        match taken {
            Some(Ok(image)) => Ok(image),
            Some(Err(error)) => Err(format!("{error:#}")),
            None => Err("it waits for something in `configure`".to_owned()),
        }
    }
}

async fn take(component: &Component, setup: &Setup) -> wasmtime::Result<Image> {
    let engine = component.linked.pre.engine();
    let wizer = Wizer::new();
    let (context, instrumented) = wizer.instrument_component(&component.bytes)?;
    let compiled = Compiled::new(engine, &instrumented)?;
    let Linked { pre, .. } = component::link(engine, &component.services, &compiled, &setup.grants)?;
    let mut store = component.store(setup);
    // The whole of its memory comes out in one call.
    store.set_hostcall_fuel(usize::MAX);
    deadline::start(&mut store, limits::PLUGIN_LOAD_TIME);
    let instance = pre.instantiate_async(&mut store).await?;
    let configure = hook::export(&compiled, LIFECYCLE, "configure");
    let configure = configure.ok_or_else(|| wasmtime::format_err!("it lost its lifecycle"))?;
    let configure = instance.get_typed_func::<(&str,), (Result<Told, String>,)>(&mut store, configure)?;
    let told = configure.call_async(&mut store, (&setup.config,)).await?.0;
    told.map_err(wasmtime::Error::msg)?;
    deadline::start(&mut store, limits::PLUGIN_LOAD_TIME);
    let mut reader = Reader { store, instance, failed: None };
    let snapshot = wizer.snapshot_component(&context, &mut reader).await?;
    if let Some(error) = reader.failed {
        return Err(error);
    }
    let compiled = Compiled::new(engine, &snapshot)?;
    let linked = component::link(engine, &component.services, &compiled, &setup.grants)?;
    Ok(Image { linked, exports: Exports::of(&compiled) })
}

/// Reads the instance's memory and globals by the functions that were added for it.
struct Reader {
    store: Store<State>,
    instance: wasmtime::component::Instance,
    /// The first thing that went wrong: what was read since is nothing.
    failed: Option<wasmtime::Error>,
}

impl Reader {
    async fn read<R, T>(
        &mut self,
        interface: &str,
        function: &str,
        take: impl FnOnce(&mut Store<State>, R) -> T,
    ) -> Option<T>
    where
        R: Lift + Send + Sync + 'static,
    {
        let (store, instance) = (&mut self.store, self.instance);
        let read = async {
            let missing = || wasmtime::format_err!("{interface} has no {function}");
            let (_, at) = instance.get_export(&mut *store, None, interface).ok_or_else(missing)?;
            let (_, at) = instance.get_export(&mut *store, Some(&at), function).ok_or_else(missing)?;
            let read = instance.get_typed_func::<(), (R,)>(&mut *store, at)?;
            wasmtime::Result::Ok(read.call_async(&mut *store, ()).await?.0)
        };
        match read.await {
            Ok(value) => Some(take(store, value)),
            Err(error) => {
                self.failed.get_or_insert(error);
                None
            }
        }
    }
}

impl ComponentInstanceState for Reader {
    async fn call_func_ret_list_u8(&mut self, instance: &str, func: &str, contents: impl FnOnce(&[u8]) + Send) {
        self.read(instance, func, |store, list: WasmList<u8>| contents(list.as_le_slice(&*store))).await;
    }

    async fn call_func_ret_s32(&mut self, instance: &str, func: &str) -> i32 {
        self.read(instance, func, |_, value| value).await.unwrap_or_default()
    }

    async fn call_func_ret_s64(&mut self, instance: &str, func: &str) -> i64 {
        self.read(instance, func, |_, value| value).await.unwrap_or_default()
    }

    async fn call_func_ret_f32(&mut self, instance: &str, func: &str) -> u32 {
        self.read(instance, func, |_, value: f32| value.to_bits()).await.unwrap_or_default()
    }

    async fn call_func_ret_f64(&mut self, instance: &str, func: &str) -> u64 {
        self.read(instance, func, |_, value: f64| value.to_bits()).await.unwrap_or_default()
    }
}
