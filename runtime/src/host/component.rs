//! A plugin's file, loaded: checked against the contract, compiled, described. One per distinct file, shared by all
//! uses of it, whatever their config.

use std::sync::Arc;

use sha2::{Digest, Sha256};
use wasmtime::component::{Component as Compiled, ComponentExportIndex, InstancePre, Linker};
use wasmtime::{Store, StoreContextMut};

use super::bindings::LIFECYCLE;
use super::bindings::exports::tidegate::plugin::lifecycle::Description;
use super::clock::{CONTROL, Callers};
use super::deadline;
use super::engine::Engine;
use super::hook::{self, Exports};
use super::load::{self, LoadError};
use super::schema::Schema;
use super::state::State;
use super::{calls, wasi};
use crate::limits;

/// A plugin that can be configured.
pub struct Component {
    /// SHA-256 of the file.
    pub digest: [u8; 32],
    /// What the plugin calls itself; goes into logs.
    pub name: Arc<str>,
    /// The plugin's own version.
    pub version: String,
    /// Its place in a chain, unless the use says otherwise.
    pub priority: i32,
    /// What its config may be.
    pub schema: Schema,
    pub(super) callers: Arc<Callers>,
    pub(super) pre: InstancePre<State>,
    pub(super) configure: ComponentExportIndex,
    pub(super) exports: Exports,
    /// Some of its imports may wait for something, so calls have to be awaited.
    pub(super) waits: bool,
}

impl Component {
    /// Whether it has a timer hook.
    pub fn has_timer(&self) -> bool {
        self.exports.timer.is_some()
    }
}

/// SHA-256 of a plugin's file, by which it is known.
pub fn digest(wasm: &[u8]) -> [u8; 32] {
    Sha256::digest(wasm).into()
}

impl Component {
    /// Load a component (wasm32-wasip2) or core module (wasm32-wasip1) of the contract's world.
    ///
    /// Takes some ten milliseconds per hundred kilobytes: it compiles.
    ///
    /// # Errors
    /// Whatever [`LoadError`] names.
    pub fn load(engine: &Engine, wasm: &[u8]) -> Result<Self, LoadError> {
        let digest = digest(wasm);
        let bytes = load::componentise(wasm)?;
        let compiled = Compiled::new(engine.wasmtime(), &*bytes).map_err(|error| load::invalid(&error))?;
        load::check_imports(engine.wasmtime(), &compiled)?;
        load::check_exports(engine.wasmtime(), &compiled)?;

        let mut linker = Linker::new(engine.wasmtime());
        calls::link(&mut linker)
            .and_then(|()| wasi::link(&mut linker, &compiled))
            .map_err(|error| load::mismatch(&error))?;
        let pre = linker.instantiate_pre(&compiled).map_err(|error| load::mismatch(&error))?;

        let lifecycle = |name| hook::export(&compiled, LIFECYCLE, name).ok_or(LoadError::NotAPlugin);
        let (describe, configure) = (lifecycle("describe")?, lifecycle("configure")?);
        let exports = Exports::of(&compiled);
        if exports.none() {
            return Err(LoadError::NoHook);
        }

        let description = self::describe(engine, &pre, describe)?;
        let schema = Schema::parse(&description.config_schema).map_err(LoadError::Schema)?;
        Ok(Self {
            digest,
            name: description.name.into(),
            version: description.version,
            priority: description.priority,
            schema,
            callers: Arc::clone(engine.callers()),
            pre,
            configure,
            exports,
            waits: false,
        })
    }
}

/// A store for one instance of a plugin, bounded in memory; its clock starts with each call.
pub(super) fn store(engine: &wasmtime::Engine, plugin: Arc<str>, memory: usize) -> Store<State> {
    let mut store = Store::new(engine, State::new(plugin, memory));
    store.limiter(|state| &mut state.limiter);
    store.set_hostcall_fuel(limits::PLUGIN_CALL_BYTES);
    deadline::watch(&mut store);
    store
}

fn describe(engine: &Engine, pre: &InstancePre<State>, index: ComponentExportIndex) -> Result<Description, LoadError> {
    let mut store = store(engine.wasmtime(), "describe".into(), limits::PLUGIN_MEMORY_BYTES);
    deadline::start(&mut store, limits::PLUGIN_LOAD_TIME);
    let describe = |store: &mut Store<State>| -> wasmtime::Result<Description> {
        let instance = pre.instantiate(&mut *store)?;
        let describe = instance.get_typed_func::<(), (Description,)>(&mut *store, index)?;
        Ok(describe.call(StoreContextMut::from(store), ())?.0)
    };
    engine.callers().call(CONTROL, || describe(&mut store)).map_err(|error| LoadError::Describe(format!("{error:#}")))
}
