//! `ready-edits`: edits of header sections that are parsed once. The values that they leave open are read where they are
//! in the plugin's memory.

use std::sync::Arc;

use wasmtime::StoreContextMut;
use wasmtime::component::{Linker, WasmList};

use crate::host::bindings::tidegate::plugin::types::Edit;
use crate::host::edits::{Ready, Values};
use crate::host::state::State;

type Store<'s> = StoreContextMut<'s, State>;
type Arguments = (u32, WasmList<u8>);
type Made = wasmtime::Result<(Result<(), String>,)>;

/// Offer the interface.
pub(super) fn link(linker: &mut Linker<State>) -> wasmtime::Result<()> {
    let mut instance = linker.instance("tidegate:plugin/ready-edits@0.1.0")?;
    instance.func_wrap("prepare", |mut store: Store<'_>, (edits, open): (Vec<Edit>, Vec<u32>)| {
        Ok((prepare(store.data_mut(), edits, &open)?,))
    })?;
    instance.func_wrap("edit-request", |mut store: Store<'_>, arguments: Arguments| -> Made {
        let (ready, values) = read(&store, &arguments)?;
        let exchange = store.data_mut().request_to_change()?;
        Ok((exchange.and_then(|exchange| ready.make(&mut exchange.request.headers, values?)),))
    })?;
    instance.func_wrap("edit-response", |mut store: Store<'_>, arguments: Arguments| -> Made {
        let (ready, values) = read(&store, &arguments)?;
        let response = store.data_mut().response_head_to_change()?;
        Ok((response.and_then(|response| ready.make(&mut response.headers, values?)),))
    })?;
    instance.func_wrap("edit-answer", |mut store: Store<'_>, arguments: Arguments| -> Made {
        let (ready, values) = read(&store, &arguments)?;
        Ok((store.data_mut().edit_in_advance(|| Ok((ready, values?)))?,))
    })
}

fn prepare(state: &mut State, edits: Vec<Edit>, open: &[u32]) -> wasmtime::Result<Result<u32, String>> {
    state.count()?;
    if !state.is_called() {
        return Err(wasmtime::format_err!("no edits are prepared while a plugin is loaded"));
    }
    Ok(Ready::new(edits, open).and_then(|ready| state.shelf.keep(ready)))
}

/// The edits of this number, and the values that they leave open.
fn read(store: &Store<'_>, (number, values): &Arguments) -> wasmtime::Result<(Arc<Ready>, Result<Values, String>)> {
    let ready = store.data().shelf.list(*number)?;
    Ok((Arc::clone(ready), ready.values(values.as_le_slice(store))))
}
