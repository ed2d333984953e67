//! The addresses the gateway listens on. Each worker has a socket of its own on each (`SO_REUSEPORT`), so the kernel
//! spreads connections without a lock. What a new configuration has in common with the live one is left alone.

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};

use socket2::{Domain, Protocol, Socket, Type};

use crate::config::Faults;
use crate::config::checked::Listener;
use crate::config::reader::Located;
use crate::config::values::Bind;
use crate::limits;
use crate::proxy::worker::{Handle, ListenerId, Listening, Order};

/// The open listeners.
#[derive(Default)]
pub(crate) struct Listeners {
    open: Vec<Open>,
    next: ListenerId,
}

struct Open {
    id: ListenerId,
    /// As configured: port 0 stays 0 here.
    address: Bind,
    /// Of a unix socket.
    _file: Option<SocketFile>,
}

/// The file of a unix socket; it goes when the listener does, unless somebody has put another in its place.
pub(crate) struct SocketFile {
    path: PathBuf,
    identity: (u64, u64),
}

impl SocketFile {
    /// The file at `path`, which is there.
    pub(crate) fn at(path: &Path) -> io::Result<Self> {
        Ok(Self { path: path.to_owned(), identity: identity(path)? })
    }
}

impl Drop for SocketFile {
    fn drop(&mut self) {
        if identity(&self.path).is_ok_and(|identity| identity == self.identity)
            && let Err(error) = std::fs::remove_file(&self.path)
        {
            tracing::debug!(path = %self.path.display(), %error, "the socket's file is left");
        }
    }
}

fn identity(path: &Path) -> io::Result<(u64, u64)> {
    let found = std::fs::symlink_metadata(path)?;
    Ok((found.dev(), found.ino()))
}

/// The sockets of one listener, one per worker, and the file of a unix socket.
struct Bound {
    id: ListenerId,
    address: Bind,
    sockets: Vec<Listening>,
    file: Option<SocketFile>,
}

/// What is to be opened and closed. Dropping it closes what it opened and changes nothing.
pub(crate) struct Change {
    bound: Vec<Bound>,
    gone: Vec<ListenerId>,
    /// Of all that were wanted, in order.
    ids: Vec<ListenerId>,
}

impl Change {
    /// The listeners' ids, as listed in the configuration.
    pub(crate) fn ids(&self) -> &[ListenerId] {
        &self.ids
    }
}

impl Listeners {
    /// Open what is new in `wanted`; each address that cannot be listened on is a fault.
    pub(crate) fn prepare(&mut self, wanted: &[Located<Listener>], workers: usize, faults: &Faults) -> Change {
        let mut change = Change { bound: Vec::new(), gone: Vec::new(), ids: Vec::new() };
        for listener in wanted {
            let address = &listener.value.address;
            let open = self.open.iter().find(|open| open.address == *address && !change.ids.contains(&open.id));
            if let Some(open) = open {
                change.ids.push(open.id);
                continue;
            }
            let id = self.next;
            self.next += 1;
            change.ids.push(id);
            match self.bind(address, workers) {
                Ok((sockets, file)) => change.bound.push(Bound { id, address: address.clone(), sockets, file }),
                Err(error) => {
                    let message = format!("cannot listen on {address}: {error}");
                    faults.at_with_help(&listener.span, message, advice(&error));
                }
            }
        }
        change.gone = self.open.iter().map(|open| open.id).filter(|id| !change.ids.contains(id)).collect();
        change
    }

    fn bind(&self, address: &Bind, workers: usize) -> io::Result<(Vec<Listening>, Option<SocketFile>)> {
        match address {
            Bind::Unix(path) => bind_unix(path, workers),
            Bind::Tcp(address) => {
                let same_port = |open: &Open| matches!(open.address, Bind::Tcp(open) if open.port() == address.port());
                let ours = self.open.iter().any(same_port);
                let neighbours = if ours { Neighbours::Ours } else { Neighbours::Unknown };
                Ok((bind(*address, workers, neighbours)?, None))
            }
        }
    }

    /// Hand the sockets of `change` to the workers, and have them close what is gone.
    pub(crate) fn apply(&mut self, change: Change, workers: &[Handle]) {
        for Bound { id, address, sockets, file } in change.bound {
            match sockets.first().and_then(Listening::local_address) {
                Some(actual) => tracing::info!(address = %actual, "listening"),
                None => tracing::info!(%address, "listening"),
            }
            self.open.push(Open { id, address, _file: file });
            for (worker, socket) in workers.iter().zip(sockets) {
                worker.tell(Order::Listen(id, socket));
            }
        }
        for gone in self.open.extract_if(.., |open| change.gone.contains(&open.id)) {
            workers.iter().for_each(|worker| worker.tell(Order::Close(gone.id)));
        }
    }

    /// The gateway ends: nobody connects any more.
    pub(crate) fn close(&mut self) {
        self.open.clear();
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
fn bind(address: SocketAddr, workers: usize, neighbours: Neighbours) -> io::Result<Vec<Listening>> {
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
        sockets.push(Listening::Tcp(socket));
    }
    Ok(sockets)
}

/// One socket that all workers accept on. A file that nobody listens on any more is replaced.
fn bind_unix(path: &Path, workers: usize) -> io::Result<(Vec<Listening>, Option<SocketFile>)> {
    make_way(path)?;
    let socket = UnixListener::bind(path)?;
    socket.set_nonblocking(true)?;
    let file = SocketFile::at(path)?;
    let sockets = (0..workers).map(|_| socket.try_clone().map(Listening::Unix)).collect::<io::Result<_>>()?;
    Ok((sockets, Some(file)))
}

/// Remove the file of a unix socket that nobody listens on any more.
///
/// # Errors
/// Somebody does.
pub(crate) fn make_way(path: &Path) -> io::Result<()> {
    match UnixStream::connect(path) {
        Ok(_) => Err(io::Error::new(io::ErrorKind::AddrInUse, "somebody serves it")),
        Err(error) if error.kind() == io::ErrorKind::ConnectionRefused && is_socket(path) => std::fs::remove_file(path),
        Err(_) => Ok(()),
    }
}

fn is_socket(path: &Path) -> bool {
    std::fs::symlink_metadata(path).is_ok_and(|found| found.file_type().is_socket())
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
    if sharing == Sharing::WithOtherWorkers {
        socket.listen(limits::LISTEN_BACKLOG)?;
    }
    socket.set_nonblocking(true)?;
    Ok(socket.into())
}
