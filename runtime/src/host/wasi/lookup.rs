//! `wasi:sockets/ip-name-lookup` by the gateway's own resolver, and for granted names alone: wasmtime-wasi's asks the C
//! library, which takes a thread for as long as a name server is silent.

use std::net::IpAddr;
use std::vec;

use wasmtime::component::types::{ComponentInstance, ComponentItem};
use wasmtime::component::{LinkerInstance, Resource, ResourceType};
use wasmtime::{Engine, StoreContextMut};
use wasmtime_wasi::p2::bindings::sockets::network::{ErrorCode, IpAddress};
use wasmtime_wasi::p2::{Network, Pollable, subscribe};
use wasmtime_wasi::{WasiView, async_trait};

use super::granted;
use crate::host::state::State;

/// The addresses of a name, taken one by one.
struct Found(vec::IntoIter<IpAddr>);

#[async_trait]
impl Pollable for Found {
    async fn ready(&mut self) {}
}

type Ctx<'s> = StoreContextMut<'s, State>;

/// Offer the interface, which has the type `interface`, to `linker`.
pub(super) fn link(
    linker: &mut LinkerInstance<'_, State>,
    engine: &Engine,
    interface: &ComponentInstance,
) -> wasmtime::Result<()> {
    for (item, export) in interface.exports(engine) {
        match (export.ty, item) {
            (ComponentItem::Resource(_), "resolve-address-stream") => {
                linker.resource(item, ResourceType::host::<Found>(), |mut ctx, rep| {
                    ctx.data_mut().ctx().table.delete(Resource::<Found>::new_own(rep))?;
                    Ok(())
                })?;
            }
            // Of another interface, which sees to its end.
            (ComponentItem::Resource(_), _) => linker.resource(item, granted::resource(item), |_, _| Ok(()))?,
            _ => {}
        }
    }
    linker.func_wrap_async("resolve-addresses", |ctx: Ctx<'_>, (_, name): (Resource<Network>, String)| {
        Box::new(async move { Ok((resolve(ctx, name).await?,)) })
    })?;
    let next = "[method]resolve-address-stream.resolve-next-address";
    linker.func_wrap(next, |mut ctx: Ctx<'_>, (stream,): (Resource<Found>,)| {
        let found = ctx.data_mut().ctx().table.get_mut(&stream)?;
        Ok((Ok::<_, ErrorCode>(found.0.next().map(IpAddress::from)),))
    })?;
    linker.func_wrap("[method]resolve-address-stream.subscribe", |mut ctx: Ctx<'_>, (stream,): (Resource<Found>,)| {
        Ok((subscribe(ctx.data_mut().ctx().table, stream)?,))
    })
}

async fn resolve(mut ctx: Ctx<'_>, name: String) -> wasmtime::Result<Result<Resource<Found>, ErrorCode>> {
    let name = name.to_ascii_lowercase();
    let addresses = match name.parse::<IpAddr>() {
        // Nothing is looked up; whether it may be reached is another question.
        Ok(address) => vec![address],
        Err(_) => {
            let state = ctx.data_mut();
            let reach =
                state.granted.as_ref().and_then(|granted| granted.reach()).filter(|reach| reach.has_name(&name));
            let (Some(reach), Some(resolver)) = (reach.cloned(), state.grants.resolver.clone()) else {
                return Ok(Err(ErrorCode::AccessDenied));
            };
            let Ok(answer) = resolver.addresses(&name, 0).await else { return Ok(Err(ErrorCode::NameUnresolvable)) };
            let addresses: Vec<_> = answer.addresses.iter().map(|resolved| resolved.address.ip()).collect();
            reach.found(name, addresses.clone());
            addresses
        }
    };
    Ok(Ok(ctx.data_mut().ctx().table.push(Found(addresses.into_iter()))?))
}
