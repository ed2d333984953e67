//! The part of WASI that plugins get: clocks, random numbers, stdout and stderr into the log. Ordinary crates import
//! much more without meaning to use it, so the rest is there too, and answers "not permitted" when called. None of it
//! waits, so calls need no stack of their own; sockets and files, by grant, are in `wasi/granted.rs`.

mod folders;
mod granted;
mod lookup;

use std::sync::OnceLock;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use wasmtime::StoreContextMut;
use wasmtime::component::types::{ComponentFunc, ComponentItem};
use wasmtime::component::{Component, Linker, LinkerInstance, Resource, ResourceType, Type, Val};

use super::bindings::tidegate::plugin::log::Level;
use super::calls;
use super::grants::Grants;
use super::state::State;
use crate::limits;

pub(super) use granted::Granted;

/// What an instance holds for WASI: stdout and stderr.
#[derive(Default)]
pub(super) struct Wasi {
    outputs: [Lines; 2],
}

/// A plugin's output on its way into the log: the line that has begun.
#[derive(Default)]
struct Lines(Vec<u8>);

/// An output stream is told by its number alone, so no table is needed.
struct OutputStream;
/// What an output stream can be waited for by. It takes everything at once, so each is always ready.
struct Pollable;
/// Anything else that WASI calls a resource; none is ever handed out.
struct Denied;

const STDOUT: u32 = 0;
const STDERR: u32 = 1;

/// Offer everything that `component` imports from `wasi:`, sockets and files as far as they are granted.
pub(super) fn link(linker: &mut Linker<State>, component: &Component, grants: &Grants) -> wasmtime::Result<()> {
    let engine = linker.engine().clone();
    if grants.has_wasi() {
        granted::link(linker)?;
    }
    for (name, import) in component.component_type().imports(&engine) {
        let ComponentItem::ComponentInstance(instance) = import.ty else { continue };
        let Some(interface) = name.strip_prefix("wasi:") else { continue };
        // Minor versions of WASI 0.2 only add, so one implementation serves all of them.
        let interface = interface.split('@').next().unwrap_or_default();
        let package = interface.split('/').next().unwrap_or_default();
        if grants.has_wasi() && granted::PACKAGES.contains(&package) {
            match interface {
                "sockets/ip-name-lookup" => lookup::link(&mut linker.instance(name)?, &engine, &instance)?,
                "filesystem/preopens" => folders::link(&mut linker.instance(name)?, &engine, &instance)?,
                _ => {}
            }
            continue;
        }
        let mut linker = linker.instance(name)?;
        for (item, export) in instance.exports(&engine) {
            match export.ty {
                ComponentItem::Resource(_) => {
                    let ty = if grants.has_wasi() { granted::resource(item) } else { resource(item) };
                    linker.resource(item, ty, |_, _| Ok(()))?;
                }
                ComponentItem::ComponentFunc(_) => function(&mut linker, interface, item)?,
                _ => {}
            }
        }
    }
    Ok(())
}

/// Interfaces name the resources of others again, so the name alone decides.
fn resource(name: &str) -> ResourceType {
    match name {
        "output-stream" => ResourceType::host::<OutputStream>(),
        "pollable" => ResourceType::host::<Pollable>(),
        _ => ResourceType::host::<Denied>(),
    }
}

/// `Ok` for the guest, in the shape of `result<T, stream-error>`.
type Streamed<T> = Result<T, StreamError>;

/// `wasi:io/streams.stream-error`. Ours never fail, so the error is never made.
#[derive(wasmtime::component::ComponentType, wasmtime::component::Lower)]
#[component(variant)]
enum StreamError {
    #[component(name = "last-operation-failed")]
    #[expect(dead_code, reason = "a case of the contract")]
    LastOperationFailed(Resource<Denied>),
    #[component(name = "closed")]
    #[expect(dead_code, reason = "a case of the contract")]
    Closed,
}

/// `wasi:clocks/wall-clock.datetime`
#[derive(wasmtime::component::ComponentType, wasmtime::component::Lower)]
#[component(record)]
struct Datetime {
    seconds: u64,
    nanoseconds: u32,
}

fn function(linker: &mut LinkerInstance<'_, State>, interface: &str, name: &str) -> wasmtime::Result<()> {
    type Ctx<'s> = StoreContextMut<'s, State>;
    match (interface, name) {
        ("clocks/monotonic-clock", "now") => linker.func_wrap(name, |_: Ctx<'_>, ()| Ok((monotonic_nanoseconds(),))),
        ("clocks/monotonic-clock", "resolution") => linker.func_wrap(name, |_: Ctx<'_>, ()| Ok((1_u64,))),
        ("clocks/wall-clock", "now") => linker.func_wrap(name, |_: Ctx<'_>, ()| Ok((wall_clock(),))),
        ("clocks/wall-clock", "resolution") => {
            linker.func_wrap(name, |_: Ctx<'_>, ()| Ok((Datetime { seconds: 0, nanoseconds: 1 },)))
        }
        ("random/random" | "random/insecure", "get-random-bytes" | "get-insecure-random-bytes") => {
            linker.func_wrap(name, |_: Ctx<'_>, (length,): (u64,)| Ok((random_bytes(length)?,)))
        }
        ("random/random" | "random/insecure", "get-random-u64" | "get-insecure-random-u64") => {
            linker.func_wrap(name, |_: Ctx<'_>, ()| Ok((random_u64()?,)))
        }
        ("random/insecure-seed", "insecure-seed") => {
            linker.func_wrap(name, |_: Ctx<'_>, ()| Ok(((random_u64()?, random_u64()?),)))
        }
        ("cli/stdout", "get-stdout") => {
            linker.func_wrap(name, |_: Ctx<'_>, ()| Ok((Resource::<OutputStream>::new_own(STDOUT),)))
        }
        ("cli/stderr", "get-stderr") => {
            linker.func_wrap(name, |_: Ctx<'_>, ()| Ok((Resource::<OutputStream>::new_own(STDERR),)))
        }
        ("cli/stdin", "get-stdin") => linker.func_wrap(name, |_: Ctx<'_>, ()| Ok((Resource::<Denied>::new_own(0),))),
        ("io/streams", "[method]output-stream.subscribe") => linker
            .func_wrap(name, |_: Ctx<'_>, (_,): (Resource<OutputStream>,)| Ok((Resource::<Pollable>::new_own(0),))),
        ("io/poll", "[method]pollable.block") => {
            linker.func_wrap(name, |_: Ctx<'_>, (_,): (Resource<Pollable>,)| Ok(()))
        }
        ("io/poll", "[method]pollable.ready") => {
            linker.func_wrap(name, |_: Ctx<'_>, (_,): (Resource<Pollable>,)| Ok((true,)))
        }
        ("io/poll", "poll") => linker.func_wrap(name, |_: Ctx<'_>, (all,): (Vec<Resource<Pollable>>,)| {
            let ready = 0..u32::try_from(all.len()).unwrap_or(u32::MAX);
            Ok((ready.collect::<Vec<u32>>(),))
        }),
        ("io/streams", "[method]output-stream.check-write") => linker
            .func_wrap(name, |_: Ctx<'_>, (_,): (Resource<OutputStream>,)| {
                Ok((Streamed::Ok(limits::PLUGIN_LOG_BYTES as u64),))
            }),
        ("io/streams", "[method]output-stream.write" | "[method]output-stream.blocking-write-and-flush") => linker
            .func_wrap(name, |mut ctx: Ctx<'_>, (stream, bytes): (Resource<OutputStream>, Vec<u8>)| {
                if bytes.len() > limits::PLUGIN_LOG_BYTES {
                    return Err(wasmtime::format_err!("wrote more than `check-write` allows"));
                }
                log_lines(ctx.data_mut(), stream.rep(), &bytes);
                Ok((Streamed::Ok(()),))
            }),
        ("io/streams", "[method]output-stream.flush" | "[method]output-stream.blocking-flush") => {
            linker.func_wrap(name, |_: Ctx<'_>, (_,): (Resource<OutputStream>,)| Ok((Streamed::Ok(()),)))
        }
        _ => {
            let place = format!("wasi:{interface}.{name}");
            linker.func_new(name, move |_, ty, _, results| deny(&place, &ty, results))
        }
    }
}

/// "Not permitted" in whatever shape the function can say it: an error, nothing, or, failing that, a trap.
fn deny(place: &str, ty: &ComponentFunc, results: &mut [Val]) -> wasmtime::Result<()> {
    match (results, ty.results().next().as_ref().and_then(refusal)) {
        ([result], Some(refusal)) => {
            *result = refusal;
            Ok(())
        }
        _ => Err(wasmtime::format_err!("plugins are not permitted to use {place}")),
    }
}

fn refusal(ty: &Type) -> Option<Val> {
    match ty {
        Type::Option(_) => Some(Val::Option(None)),
        Type::List(_) => Some(Val::List(Vec::new())),
        Type::Result(result) => match result.err()? {
            Type::Enum(codes) => {
                let code = codes.names().find(|name| ["not-permitted", "access-denied"].contains(name))?;
                Some(Val::Result(Err(Some(Box::new(Val::Enum(code.to_owned()))))))
            }
            _ => None,
        },
        _ => None,
    }
}

/// What a plugin wrote to stdout or stderr.
fn log_lines(state: &mut State, stream: u32, bytes: &[u8]) {
    let (at, level) = if stream == STDERR { (1, Level::Warn) } else { (0, Level::Info) };
    let request = state.request_id();
    let State { wasi, plugin, .. } = state;
    if let Some(output) = wasi.outputs.get_mut(at) {
        output.take(bytes, |line| calls::log_line(plugin, request, level, line));
    }
}

impl Lines {
    /// A line goes into the log once it is whole or too long.
    fn take(&mut self, bytes: &[u8], log: impl Fn(&str)) {
        let Self(line) = self;
        for piece in bytes.split_inclusive(|byte| *byte == b'\n') {
            let room = limits::PLUGIN_LOG_BYTES.saturating_sub(line.len());
            line.extend_from_slice(piece.get(..room.min(piece.len())).unwrap_or(piece));
            if piece.ends_with(b"\n") || piece.len() >= room {
                let whole = std::mem::take(line);
                let whole = String::from_utf8_lossy(&whole);
                if !whole.trim().is_empty() {
                    log(whole.trim_end());
                }
            }
        }
    }
}

fn monotonic_nanoseconds() -> u64 {
    static START: OnceLock<Instant> = OnceLock::new();
    u64::try_from(START.get_or_init(Instant::now).elapsed().as_nanos()).unwrap_or(u64::MAX)
}

fn wall_clock() -> Datetime {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Datetime { seconds: now.as_secs(), nanoseconds: now.subsec_nanos() }
}

fn random_bytes(length: u64) -> wasmtime::Result<Vec<u8>> {
    const MOST: u64 = limits::PLUGIN_RANDOM_BYTES;
    let length = usize::try_from(length).ok().filter(|_| length <= MOST);
    let length = length.ok_or_else(|| wasmtime::format_err!("at most {MOST} random bytes at a time"))?;
    let mut bytes = vec![0; length];
    getrandom::fill(&mut bytes).map_err(|error| wasmtime::format_err!("no random numbers: {error}"))?;
    Ok(bytes)
}

fn random_u64() -> wasmtime::Result<u64> {
    getrandom::u64().map_err(|error| wasmtime::format_err!("no random numbers: {error}"))
}
