//! `sink`: records to the deliveries that the use is granted.

use wasmtime::StoreContextMut;
use wasmtime::component::{Linker, WasmList, WasmStr};

use crate::host::bindings::tidegate::plugin::sink::Error;
use crate::host::state::State;
use crate::observe::sinks::Full;

/// Not by the generated function, which would make a copy of every record before the sink's own.
pub(super) fn link(linker: &mut Linker<State>) -> wasmtime::Result<()> {
    linker
        .instance("tidegate:plugin/sink@0.1.0")?
        .func_wrap("emit", |store, (sink, record)| emit(store, &sink, &record))
}

fn emit(
    mut store: StoreContextMut<'_, State>,
    sink: &WasmStr,
    record: &WasmList<u8>,
) -> wasmtime::Result<(Result<(), Error>,)> {
    store.data_mut().count()?;
    if !store.data().is_called() {
        return Err(wasmtime::format_err!("nothing is delivered while a plugin is loaded"));
    }
    let name = sink.to_str(&store)?;
    let Some(sink) = store.data().grants.sink(&name) else { return Ok((Err(Error::NotGranted),)) };
    Ok((sink.emit(record.as_le_slice(&store)).map_err(|full| match full {
        Full::Buffer => Error::Full,
        Full::Record => Error::TooLarge,
        Full::NoSuchSink => Error::NotGranted,
    }),))
}
