//! What wasmtime itself takes for a hook that does nothing: the floor under "an empty hook", on the same machine at the
//! same time.

use criterion::Criterion;
use wasmtime::component::{Component, ComponentType, Instance, Lift, Linker, TypedFunc, Val};
use wasmtime::{Config, Engine, Store};

#[derive(Clone, Copy, ComponentType, Lift)]
#[expect(dead_code, reason = "the cases of the contract")]
#[component(enum)]
#[repr(u8)]
enum Verdict {
    #[component(name = "next")]
    Next,
    #[component(name = "reply")]
    Reply,
    #[component(name = "failed")]
    Failed,
}

type OnRequest = TypedFunc<(), (Verdict,)>;

pub(super) fn call(criterion: &mut Criterion) {
    let file = super::target().join("guests/nothing.wasm");
    criterion.bench_function("wasmtime's own part of an empty hook", |bencher| {
        let (mut store, on_request) = ready(&file);
        bencher.iter(|| {
            let (verdict,) = on_request.call(&mut store, ()).unwrap();
            assert!(matches!(verdict, Verdict::Next));
        });
    });
}

/// The plugin, configured, with nothing behind its imports: it calls none of them.
fn ready(file: &std::path::Path) -> (Store<()>, OnRequest) {
    let mut config = Config::new();
    config.epoch_interruption(true).concurrency_support(false);
    let engine = Engine::new(&config).unwrap();
    let component = Component::from_file(&engine, file).unwrap();
    let mut linker = Linker::new(&engine);
    linker.define_unknown_imports_as_traps(&component).unwrap();
    let mut store = Store::new(&engine, ());
    store.set_epoch_deadline(1);
    let instance = linker.instantiate(&mut store, &component).unwrap();
    let configure = export(&mut store, &instance, "lifecycle", "configure");
    let configure = instance.get_func(&mut store, configure).unwrap();
    let mut told = [Val::Bool(false)];
    configure.call(&mut store, &[Val::String("{}".to_owned())], &mut told).unwrap();
    assert!(matches!(told, [Val::Result(Ok(_))]), "{told:?}");
    let on_request = export(&mut store, &instance, "request-hook", "on-request");
    let on_request = instance.get_typed_func(&mut store, on_request).unwrap();
    (store, on_request)
}

fn export(
    store: &mut Store<()>,
    instance: &Instance,
    interface: &str,
    name: &str,
) -> wasmtime::component::ComponentExportIndex {
    let interface = format!("tidegate:plugin/{interface}@0.1.0");
    let (_, interface) = instance.get_export(&mut *store, None, &interface).unwrap();
    instance.get_export(&mut *store, Some(&interface), name).unwrap().1
}
