//! Sockets and files for plugins whose use grants them, by wasmtime-wasi: what has to wait there is awaited and holds
//! nobody up. It takes over all of `wasi:` for such a plugin but the lookup of names and the folders to begin with, since
//! streams and pollables have to be of one make.

use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use tokio::io::{AsyncWrite, sink};
use wasmtime::component::{Linker, ResourceTable, ResourceType};
use wasmtime_wasi::cli::{IsTerminal, StdoutStream};
use wasmtime_wasi::filesystem::Descriptor;
use wasmtime_wasi::p2::{
    DynInputStream, DynOutputStream, DynPollable, IoError, Network, OutputStream, Pollable, StreamError, StreamResult,
};
use wasmtime_wasi::sockets::{SocketAddrUse, WasiSocketsCtx};
use wasmtime_wasi::{WasiCtx, WasiCtxView, WasiView, async_trait};

use super::{Denied, Lines};
use crate::config::values::{Peer, PeerHost, Protocol};
use crate::host::bindings::tidegate::plugin::log::Level;
use crate::host::calls;
use crate::host::exchange::RequestId;
use crate::host::grants::Grants;
use crate::host::state::State;
use crate::limits;

/// What an instance holds for WASI if its use grants sockets or files.
#[derive(Default)]
pub(in crate::host) struct Granted {
    context: WasiCtx,
    pub(super) table: ResourceTable,
    /// Who may be reached, until a hook is called: sockets belong to the event loop they were made on, and plugins are
    /// loaded on another one than they work on, so there are none before.
    sockets: Option<WasiSocketsCtx>,
    reach: Arc<Reach>,
    /// The request that lines of output belong to.
    request: Arc<Mutex<Option<RequestId>>>,
}

/// The packages that wasmtime-wasi offers.
pub(super) const PACKAGES: [&str; 6] = ["cli", "clocks", "filesystem", "io", "random", "sockets"];

/// Offer all of them to `linker`.
pub(super) fn link(linker: &mut Linker<State>) -> wasmtime::Result<()> {
    wasmtime_wasi::p2::add_to_linker_async(linker)?;
    linker.allow_shadowing(true);
    Ok(())
}

/// What wasmtime-wasi means by the resource of this name.
pub(super) fn resource(name: &str) -> ResourceType {
    match name {
        "pollable" => ResourceType::host::<DynPollable>(),
        "input-stream" => ResourceType::host::<DynInputStream>(),
        "output-stream" => ResourceType::host::<DynOutputStream>(),
        "error" => ResourceType::host::<IoError>(),
        "network" => ResourceType::host::<Network>(),
        "descriptor" => ResourceType::host::<Descriptor>(),
        _ => ResourceType::host::<Denied>(),
    }
}

impl WasiView for State {
    fn ctx(&mut self) -> WasiCtxView<'_> {
        // Without a grant nothing is linked that asks for it; it would be one that permits nothing.
        let granted = self.granted.get_or_insert_default();
        WasiCtxView { ctx: &mut granted.context, table: &mut granted.table }
    }
}

impl Granted {
    /// What `grants` say, for an instance of `plugin`.
    pub(in crate::host) fn new(plugin: &Arc<str>, grants: &Grants) -> Self {
        let reach = Arc::new(Reach { peers: Arc::clone(&grants.sockets), ..Reach::default() });
        let request = Arc::default();
        let output = |level| Output { plugin: Arc::clone(plugin), level, request: Arc::clone(&request) };
        let mut context = WasiCtx::builder();
        context.stdout(output(Level::Info)).stderr(output(Level::Warn)).max_random_size(limits::PLUGIN_RANDOM_BYTES);
        let speaks = |protocol| grants.sockets.iter().any(|peer| peer.protocol == protocol);
        context.allow_tcp(speaks(Protocol::Tcp)).allow_udp(speaks(Protocol::Udp)).socket_addr_check({
            let reach = Arc::clone(&reach);
            move |address, purpose| {
                let permitted = reach.permits(address, purpose);
                Box::pin(async move { permitted })
            }
        });
        let mut context = context.build();
        let sockets = Some(std::mem::take(context.sockets()));
        let mut table = ResourceTable::new();
        table.set_max_capacity(limits::PLUGIN_HANDLES);
        Self { context, table, sockets, reach, request }
    }

    /// A hook is called: the plugin is no longer being loaded.
    pub(in crate::host) fn begin(&mut self) {
        if let Some(sockets) = self.sockets.take() {
            *self.context.sockets() = sockets;
        }
    }

    /// Whom it may reach, as soon as it may.
    pub(super) fn reach(&self) -> Option<&Arc<Reach>> {
        self.sockets.is_none().then_some(&self.reach)
    }

    /// Whose exchange it has in hand now.
    pub(in crate::host) fn serves(&self, request: Option<RequestId>) {
        *self.request.lock().unwrap_or_else(PoisonError::into_inner) = request;
    }
}

/// Whom an instance's sockets may reach.
#[derive(Default)]
pub(super) struct Reach {
    peers: Arc<[Peer]>,
    /// What granted names stood for when the plugin last asked.
    found: Mutex<HashMap<String, Vec<IpAddr>>>,
}

impl Reach {
    /// Whether this name may be looked up.
    pub(super) fn has_name(&self, name: &str) -> bool {
        let named = |peer: &Peer| matches!(&peer.host, PeerHost::Name(granted) if granted == name);
        self.peers.iter().any(named)
    }

    /// A granted name stands for these addresses.
    pub(super) fn found(&self, name: String, addresses: Vec<IpAddr>) {
        self.found.lock().unwrap_or_else(PoisonError::into_inner).insert(name, addresses);
    }

    fn permits(&self, address: SocketAddr, purpose: SocketAddrUse) -> bool {
        match purpose {
            SocketAddrUse::TcpConnect => self.has(Protocol::Tcp, address),
            SocketAddrUse::UdpSend | SocketAddrUse::UdpReceive => self.has(Protocol::Udp, address),
            // Any port of the system's choosing, as every connection has one.
            SocketAddrUse::TcpBind | SocketAddrUse::UdpBind => address.ip().is_unspecified() && address.port() == 0,
            SocketAddrUse::TcpListen | SocketAddrUse::TcpAccept => false,
        }
    }

    fn has(&self, protocol: Protocol, address: SocketAddr) -> bool {
        let found = self.found.lock().unwrap_or_else(PoisonError::into_inner);
        let stands_for = |name| found.get(name).is_some_and(|addresses| addresses.contains(&address.ip()));
        self.peers.iter().any(|peer| match &peer.host {
            PeerHost::Network(_) => peer.is(protocol, address),
            PeerHost::Name(name) => peer.protocol == protocol && peer.port == address.port() && stands_for(name),
        })
    }
}

/// Stdout or stderr, line by line into the log.
#[derive(Clone)]
struct Output {
    plugin: Arc<str>,
    level: Level,
    request: Arc<Mutex<Option<RequestId>>>,
}

/// A plugin's hold on it.
struct OutputLines {
    output: Output,
    lines: Lines,
}

impl IsTerminal for Output {
    fn is_terminal(&self) -> bool {
        false
    }
}

impl StdoutStream for Output {
    /// WASI 0.3 asks for this one; nothing here speaks it.
    fn async_stream(&self) -> Box<dyn AsyncWrite + Send + Sync> {
        Box::new(sink())
    }

    fn p2_stream(&self) -> Box<dyn OutputStream> {
        Box::new(OutputLines { output: self.clone(), lines: Lines::default() })
    }
}

#[async_trait]
impl Pollable for OutputLines {
    async fn ready(&mut self) {}
}

#[async_trait]
impl OutputStream for OutputLines {
    fn write(&mut self, bytes: Bytes) -> StreamResult<()> {
        if bytes.len() > limits::PLUGIN_LOG_BYTES {
            return Err(StreamError::trap("wrote more than `check-write` allows"));
        }
        let Output { plugin, level, request } = &self.output;
        let request = *request.lock().unwrap_or_else(PoisonError::into_inner);
        self.lines.take(&bytes, |line| calls::log_line(plugin, request, *level, line));
        Ok(())
    }

    fn flush(&mut self) -> StreamResult<()> {
        Ok(())
    }

    fn check_write(&mut self) -> StreamResult<usize> {
        Ok(limits::PLUGIN_LOG_BYTES)
    }
}
