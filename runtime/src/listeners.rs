//! The addresses the gateway listens on. Each worker has a socket of its own on each (`SO_REUSEPORT`), so the kernel
//! spreads connections without a lock. What a new configuration has in common with the live one is left alone.

use std::io;
use std::net::{SocketAddr, TcpListener};

use socket2::{Domain, Protocol, Socket, Type};

use crate::config::Faults;
use crate::config::reader::Located;
use crate::limits;
use crate::proxy::worker::{Handle, ListenerId, Order};

/// The open listeners.
#[derive(Default)]
pub(crate) struct Listeners {
    open: Vec<Open>,
    next: ListenerId,
}

struct Open {
    id: ListenerId,
    /// As configured: port 0 stays 0 here.
    address: SocketAddr,
}

/// What is to be opened and closed. Dropping it closes what it opened and changes nothing.
pub(crate) struct Change {
    bound: Vec<(SocketAddr, Vec<TcpListener>)>,
    gone: Vec<ListenerId>,
}

impl Listeners {
    /// Open what is new in `wanted`; each address that cannot be listened on is a fault.
    pub(crate) fn prepare(&self, wanted: &[Located<SocketAddr>], workers: usize, faults: &Faults) -> Change {
        let mut bound = Vec::new();
        let mut kept = Vec::new();
        for address in wanted {
            let open = self.open.iter().find(|open| open.address == address.value && !kept.contains(&open.id));
            if let Some(open) = open {
                kept.push(open.id);
                continue;
            }
            let ours = self.open.iter().any(|open| open.address.port() == address.value.port());
            match bind(address.value, workers, if ours { Neighbours::Ours } else { Neighbours::Unknown }) {
                Ok(sockets) => bound.push((address.value, sockets)),
                Err(error) => {
                    let message = format!("cannot listen on {}: {error}", address.value);
                    faults.at_with_help(&address.span, message, advice(&error));
                }
            }
        }
        let gone = self.open.iter().map(|open| open.id).filter(|id| !kept.contains(id)).collect();
        Change { bound, gone }
    }

    /// Hand the sockets of `change` to the workers, and have them close what is gone.
    pub(crate) fn apply(&mut self, change: Change, workers: &[Handle]) {
        for (address, sockets) in change.bound {
            let id = self.next;
            self.next += 1;
            self.open.push(Open { id, address });
            if let Some(actual) = sockets.first().and_then(|socket| socket.local_addr().ok()) {
                tracing::info!(address = %actual, "listening");
            }
            for (worker, socket) in workers.iter().zip(sockets) {
                worker.tell(Order::Listen(id, socket));
            }
        }
        self.open.retain(|open| !change.gone.contains(&open.id));
        for id in change.gone {
            workers.iter().for_each(|worker| worker.tell(Order::Close(id)));
        }
    }
}

fn advice(error: &io::Error) -> &'static str {
    match error.kind() {
        io::ErrorKind::AddrInUse => "another program serves this address: stop it, or choose another port",
        io::ErrorKind::PermissionDenied => "ports below 1024 need the privilege to listen on them",
        io::ErrorKind::AddrNotAvailable => "this machine has no such address: 0.0.0.0 means all it has",
        _ => "choose another address",
    }
}

/// Who may be on the port already.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Neighbours {
    /// This gateway, on another address that overlaps with this one.
    Ours,
    Unknown,
}

/// One socket per worker on the same address.
fn bind(address: SocketAddr, workers: usize, neighbours: Neighbours) -> io::Result<Vec<TcpListener>> {
    // With SO_REUSEPORT alone, a second gateway would take half of the first one's connections without a word. A
    // socket without it finds out whether anybody serves the address.
    if neighbours == Neighbours::Unknown {
        drop(listener(address, Sharing::Alone)?);
    }
    let mut sockets = Vec::with_capacity(workers);
    let mut address = address;
    for _ in 0..workers {
        let socket = listener(address, Sharing::WithOtherWorkers)?;
        address = socket.local_addr()?;
        sockets.push(socket);
    }
    Ok(sockets)
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Sharing {
    Alone,
    WithOtherWorkers,
}

fn listener(address: SocketAddr, sharing: Sharing) -> io::Result<TcpListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    socket.set_reuse_address(true)?;
    if sharing == Sharing::WithOtherWorkers {
        socket.set_reuse_port(true)?;
    }
    if address.is_ipv6() {
        // Else whether "[::]" also means 0.0.0.0 would depend on the machine.
        socket.set_only_v6(true)?;
    }
    // Accepted connections inherit it. Without it, a client that stops reading keeps its connection for good.
    socket.set_tcp_user_timeout(Some(limits::PEER_STALL))?;
    socket.bind(&address.into())?;
    socket.listen(limits::LISTEN_BACKLOG)?;
    socket.set_nonblocking(true)?;
    Ok(socket.into())
}
