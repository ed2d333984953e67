//! A plugin's file, loaded: checked against the contract, compiled, described. One per distinct file, shared by all
//! uses of it, whatever their config.

use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use serde_json::Value;
use sha2::{Digest, Sha256};
use tidegate_precompiled::Cache;
use wasmtime::Store;
use wasmtime::component::{Component as Compiled, ComponentExportIndex, InstancePre, Linker};

use super::bindings::exports::tidegate::plugin::lifecycle::Description;
use super::bindings::{LIFECYCLE, PACKAGE, VERSION};
use super::calls;
use super::clock::{CONTROL, Callers};
use super::deadline;
use super::engine::Engine;
use super::grants::Grants;
use super::hook::{self, Exports};
use super::load::{self, LoadError};
use super::own_sink::OwnSink;
use super::plugin::Setup;
use super::schema::Schema;
use super::services::Services;
use super::state::{Limiter, State};
use super::wasi::{self, Granted};
use crate::limits;
use crate::store::Space;

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
    /// The sink that the settings of a use make up, if they do.
    pub own_sink: Option<OwnSink>,
    /// The component itself, to be configured once more where images are taken of it.
    pub(super) bytes: Arc<[u8]>,
    /// Whose keys and values its instances see.
    kv_space: Space,
    pub(super) callers: Arc<Callers>,
    pub(super) services: Arc<Services>,
    /// For uses that grant neither servers nor sockets nor files: what else is granted is asked for when it is used.
    pub(super) linked: Linked,
    pub(super) configure: ComponentExportIndex,
    pub(super) exports: Exports,
    /// What it imports of what has to be granted.
    pub needs: Vec<&'static Need>,
}

/// A component with all that it imports.
#[derive(Clone)]
pub(super) struct Linked {
    pub(super) pre: InstancePre<State>,
    /// Some of its imports may wait for something, so calls have to be awaited.
    pub(super) waits: bool,
}

/// An interface that a plugin has if its use is granted it.
pub struct Need {
    /// Its name.
    pub interface: &'static str,
    /// What it is called among a use's grants.
    pub grant: &'static str,
    /// The key that grants it, as a use has it.
    pub key: &'static str,
    is_granted: fn(&Grants) -> bool,
}

static NEEDS: [Need; 3] = [
    Need {
        interface: "http-client",
        grant: "http",
        key: "grants = { http = [\"https://…\"] }",
        is_granted: Grants::has_origins,
    },
    Need {
        interface: "secrets",
        grant: "secrets",
        key: "grants = { secrets = [\"…\"] }",
        is_granted: Grants::has_secrets,
    },
    Need { interface: "sink", grant: "sinks", key: "grants = { sinks = [\"…\"] }", is_granted: Grants::has_sinks },
];

impl Component {
    /// With what this use is granted.
    pub(super) fn linked(&self, grants: &Grants) -> wasmtime::Result<Linked> {
        if grants.has_wasi() || grants.has_origins() {
            let pre = &self.linked.pre;
            return link(pre.engine(), &self.services, pre.component(), grants);
        }
        Ok(self.linked.clone())
    }

    /// What it imports, needs under this config, and is not granted.
    pub fn ungranted(&self, grants: &Grants, config: &Value) -> Option<&'static Need> {
        self.needed(config).find(|need| !(need.is_granted)(grants))
    }

    /// What it imports and needs under this config: all of it, but what its schema says that only some settings need.
    pub fn needed(&self, config: &Value) -> impl Iterator<Item = &'static Need> {
        self.needs.iter().copied().filter(|need| self.schema.needs(need.grant, config))
    }

    /// The hooks it exports.
    pub fn hooks(&self) -> impl Iterator<Item = &'static str> {
        self.exports.names()
    }

    /// The interfaces it imports, as `package/name@version`.
    pub fn imports(&self) -> Vec<String> {
        let ty = self.linked.pre.component().component_type();
        ty.imports(self.linked.pre.engine()).map(|(name, _)| name.to_owned()).collect()
    }

    /// Bytes of what it has been compiled to.
    pub fn compiled_bytes(&self) -> usize {
        // What cannot be written down is nowhere but in memory, where nobody asks for its size.
        self.linked.pre.component().serialize().map_or(0, |compiled| compiled.len())
    }

    /// Whether it has a timer hook.
    pub fn has_timer(&self) -> bool {
        self.exports.timer.is_some()
    }
}

/// The contract that this gateway speaks with plugins.
pub fn contract() -> String {
    format!("{PACKAGE}@{VERSION}")
}

/// SHA-256 of a plugin's file, by which it is known.
pub fn digest(wasm: &[u8]) -> [u8; 32] {
    Sha256::digest(wasm).into()
}

impl Component {
    /// Load a component (wasm32-wasip2) or core module (wasm32-wasip1) of the contract's world.
    ///
    /// Takes some ten milliseconds per hundred kilobytes if it has to be compiled, that is, unless it is in `cache`.
    ///
    /// # Errors
    /// Whatever [`LoadError`] names.
    pub fn load(
        engine: &Engine,
        services: &Arc<Services>,
        cache: Option<&Cache>,
        wasm: &[u8],
    ) -> Result<Self, LoadError> {
        let digest = digest(wasm);
        let bytes = load::componentise(wasm)?;
        let compiled = compile(engine.wasmtime(), cache, &bytes)?;
        load::check_imports(engine.wasmtime(), &compiled)?;
        load::check_exports(engine.wasmtime(), &compiled)?;

        let linked = link(engine.wasmtime(), services, &compiled, &Grants::default());
        let linked = linked.map_err(|error| load::mismatch(&error))?;

        let lifecycle = |name| hook::export(&compiled, LIFECYCLE, name).ok_or(LoadError::NotAPlugin);
        let (describe, configure) = (lifecycle("describe")?, lifecycle("configure")?);
        let exports = Exports::of(&compiled);
        if exports.names().next().is_none() {
            return Err(LoadError::NoHook);
        }

        let description = self::describe(engine, &linked, services, describe)?;
        let schema = Schema::parse(&description.config_schema).map_err(LoadError::Schema)?;
        let own_sink = OwnSink::of(&schema.json).map_err(LoadError::OwnSink)?;
        Ok(Self {
            digest,
            kv_space: Space::of(&["kv", &description.name]),
            name: description.name.into(),
            version: description.version,
            priority: description.priority,
            schema,
            own_sink,
            bytes: bytes.into_owned().into(),
            callers: Arc::clone(engine.callers()),
            services: Arc::clone(services),
            linked,
            configure,
            exports,
            needs: NEEDS.iter().filter(|need| load::imports(engine.wasmtime(), &compiled, &[need.interface])).collect(),
        })
    }

    /// A store for one instance.
    pub(super) fn store(&self, setup: &Setup) -> Store<State> {
        store(self.linked.pre.engine(), (Arc::clone(&self.name), self.kv_space), &self.services, setup)
    }
}

fn compile(engine: &wasmtime::Engine, cache: Option<&Cache>, wasm: &[u8]) -> Result<Compiled, LoadError> {
    if let Some(compiled) = cache.and_then(|cache| cache.load(engine, wasm)) {
        return Ok(compiled);
    }
    let compiled = Compiled::new(engine, wasm).map_err(|error| load::invalid(&error))?;
    if let Some(Err(error)) = cache.map(|cache| cache.keep(engine, wasm, &compiled)) {
        tracing::warn!(%error, "a compiled plugin could not be kept for the next start");
    }
    Ok(compiled)
}

/// `compiled`, with all that it imports.
pub(super) fn link(
    engine: &wasmtime::Engine,
    services: &Services,
    compiled: &Compiled,
    grants: &Grants,
) -> wasmtime::Result<Linked> {
    let mut linker = Linker::new(engine);
    calls::link(&mut linker, services, grants)?;
    wasi::link(&mut linker, compiled, grants)?;
    let waits = grants.has_wasi() || load::imports(engine, compiled, &calls::waiting(services, grants));
    Ok(Linked { pre: linker.instantiate_pre(compiled)?, waits })
}

/// A store for one instance of a plugin, bounded in memory; its clock starts with each call.
fn store(
    engine: &wasmtime::Engine,
    plugin: (Arc<str>, Space),
    services: &Arc<Services>,
    setup: &Setup,
) -> Store<State> {
    let Setup { limits, grants, metrics, .. } = setup;
    let limiter = Limiter::new(limits.memory, metrics.clone());
    let mut state = State::new(plugin, Arc::clone(services), Arc::clone(grants), limiter);
    if grants.has_wasi() {
        state.granted = Some(Box::new(Granted::new(&state.plugin, grants)));
    }
    let mut store = Store::new(engine, state);
    store.limiter(|state| &mut state.limiter);
    let body = usize::try_from(limits.body).unwrap_or(usize::MAX);
    store.set_hostcall_fuel(body.saturating_add(limits::PLUGIN_CALL_BYTES));
    deadline::watch(&mut store);
    store
}

fn describe(
    engine: &Engine,
    Linked { pre, waits }: &Linked,
    services: &Arc<Services>,
    index: ComponentExportIndex,
) -> Result<Description, LoadError> {
    let nobody = ("describe".into(), Space(0));
    let mut store = store(engine.wasmtime(), nobody, services, &Setup::default());
    deadline::start(&mut store, limits::PLUGIN_LOAD_TIME);
    let describe = async {
        let instance = if *waits { pre.instantiate_async(&mut store).await? } else { pre.instantiate(&mut store)? };
        let describe = instance.get_typed_func::<(), (Description,)>(&mut store, index)?;
        let told = if *waits { describe.call_async(&mut store, ()).await? } else { describe.call(&mut store, ())? };
        Ok(told.0)
    };
    let described: Option<wasmtime::Result<_>> = engine.callers().call(CONTROL, || now(describe));
    match described {
        Some(Ok(description)) => Ok(description),
        Some(Err(error)) => Err(LoadError::Describe(format!("{error:#}"))),
        None => Err(LoadError::Describe("it waits for something".to_owned())),
    }
}

/// The outcome of what has nothing to wait for: nothing that a plugin may call while it is loaded has.
pub(super) fn now<T>(ready: impl Future<Output = T>) -> Option<T> {
    match pin!(ready).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(outcome) => Some(outcome),
        Poll::Pending => None,
    }
}
