//! Sockets that listen: of each worker on one address, or of all on one file.

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::os::unix::fs::FileTypeExt;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;

use socket2::{Domain, Protocol, SockRef, Socket, Type};

use super::SocketFile;
use crate::limits;
use crate::proxy::worker::Listening;

/// Who may be on the port already.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Neighbours {
    /// This gateway, on another address that overlaps with this one.
    Ours,
    Unknown,
}

/// One socket per worker on the same address.
pub(super) fn bind(address: SocketAddr, workers: usize, neighbours: Neighbours) -> io::Result<Vec<Listening>> {
    // With SO_REUSEPORT alone, a second gateway would take half of the first one's connections without a word. A
    // socket without it finds out whether anybody serves the address.
    if neighbours == Neighbours::Unknown {
        drop(bound(address, Sharing::Alone)?);
    }
    let mut sockets = Vec::with_capacity(workers);
    let mut address = address;
    for _ in 0..workers {
        let socket = bound(address, Sharing::WithOtherWorkers)?;
        SockRef::from(&socket).listen(limits::LISTEN_BACKLOG)?;
        address = socket.local_addr()?;
        sockets.push(Listening::Tcp(socket));
    }
    Ok(sockets)
}

/// One socket that all workers accept on. A file that nobody listens on any more is replaced.
pub(super) fn bind_unix(path: &Path) -> io::Result<(Vec<Listening>, Option<SocketFile>)> {
    make_way(path)?;
    let socket = UnixListener::bind(path)?;
    socket.set_nonblocking(true)?;
    let file = SocketFile::at(path)?;
    Ok((vec![Listening::Unix(socket)], Some(file)))
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
pub(super) enum Sharing {
    Alone,
    WithOtherWorkers,
}

/// A socket that does not listen yet.
pub(super) fn bound(address: SocketAddr, sharing: Sharing) -> io::Result<TcpListener> {
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
    socket.set_nonblocking(true)?;
    Ok(socket.into())
}
