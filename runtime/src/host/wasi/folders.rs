//! `wasi:filesystem/preopens`: the granted folders as they were found when the configuration was loaded. Opened anew for
//! each instance, as wasmtime-wasi would have it, they would be whatever stands in their place by then, and a plugin
//! that may write around one could put a link there.

use std::sync::Arc;

use wasmtime::component::types::{ComponentInstance, ComponentItem};
use wasmtime::component::{LinkerInstance, Resource};
use wasmtime::{Engine, StoreContextMut};
use wasmtime_wasi::WasiView;
use wasmtime_wasi::filesystem::Descriptor;

use super::granted;
use crate::host::state::State;

/// Offer the interface, which has the type `interface`, to `linker`.
pub(super) fn link(
    linker: &mut LinkerInstance<'_, State>,
    engine: &Engine,
    interface: &ComponentInstance,
) -> wasmtime::Result<()> {
    for (item, export) in interface.exports(engine) {
        if let ComponentItem::Resource(_) = export.ty {
            // Of another interface, which sees to its end.
            linker.resource(item, granted::resource(item), |_, _| Ok(()))?;
        }
    }
    linker.func_wrap("get-directories", |mut ctx: StoreContextMut<'_, State>, ()| Ok((folders(ctx.data_mut())?,)))
}

fn folders(state: &mut State) -> wasmtime::Result<Vec<(Resource<Descriptor>, String)>> {
    let grants = Arc::clone(&state.grants);
    let table = state.ctx().table;
    let folders = grants.folders.iter();
    folders.map(|folder| Ok((table.push(Descriptor::Dir(folder.opened.clone()))?, folder.at.clone()))).collect()
}
