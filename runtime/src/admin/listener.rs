//! Where the admin API listens: an address, or a unix socket that its owner alone may connect to.

use std::fs::{File, Permissions};
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use socket2::{Domain, SockAddr, Socket, Type};
use tokio_util::either::Either;

use super::request::Peer;
use crate::config::values::Bind;
use crate::limits;
use crate::listeners::{SocketFile, make_way};
use crate::proxy::worker::Listening;

/// An open listener.
pub struct Listener(Listening);

/// The same, being waited for.
pub(super) struct Accepting(Either<tokio::net::TcpListener, tokio::net::UnixListener>);

/// A connection that somebody has made.
pub(super) type Stream = Either<tokio::net::TcpStream, tokio::net::UnixStream>;

/// Listen on `address`; a unix socket with its file.
///
/// # Errors
/// It cannot be listened on, or somebody does already.
pub(crate) fn open(address: &Bind) -> io::Result<(Listening, Option<SocketFile>)> {
    match address {
        Bind::Tcp(address) => Ok((Listening::Tcp(std::net::TcpListener::bind(address)?), None)),
        Bind::Unix(path) => {
            make_way(path)?;
            Ok((Listening::Unix(private(path)?), Some(SocketFile::at(path)?)))
        }
    }
}

impl Listener {
    /// The port that the system has chosen is in it.
    ///
    /// # Errors
    /// The socket has none.
    pub fn address(&self) -> io::Result<String> {
        match &self.0 {
            Listening::Tcp(socket) => Ok(socket.local_addr()?.to_string()),
            Listening::Unix(socket) => {
                let address = socket.local_addr()?;
                Ok(format!("unix:{}", address.as_pathname().unwrap_or(Path::new("")).display()))
            }
        }
    }

    pub(super) fn accepting(self) -> io::Result<Accepting> {
        Ok(Accepting(match self.0 {
            Listening::Tcp(socket) => {
                socket.set_nonblocking(true)?;
                Either::Left(tokio::net::TcpListener::from_std(socket)?)
            }
            Listening::Unix(socket) => {
                socket.set_nonblocking(true)?;
                Either::Right(tokio::net::UnixListener::from_std(socket)?)
            }
        }))
    }
}

impl From<Listening> for Listener {
    fn from(socket: Listening) -> Self {
        Self(socket)
    }
}

impl From<std::net::TcpListener> for Listener {
    fn from(socket: std::net::TcpListener) -> Self {
        Self(Listening::Tcp(socket))
    }
}

impl Accepting {
    /// The next connection. Nothing is lost if the wait is given up.
    pub(super) async fn accept(&self) -> io::Result<(Stream, Peer)> {
        match &self.0 {
            Either::Left(socket) => {
                let (stream, peer) = socket.accept().await?;
                Ok((Either::Left(stream), Peer::Address(peer.ip().to_canonical())))
            }
            Either::Right(socket) => Ok((Either::Right(socket.accept().await?.0), Peer::Socket)),
        }
    }
}

/// A unix socket whose file has mode 0600 from the moment it is there: the kernel takes the socket's own mode for it.
fn private(path: &Path) -> io::Result<std::os::unix::net::UnixListener> {
    let socket = File::from(OwnedFd::from(Socket::new(Domain::UNIX, Type::STREAM, None)?));
    socket.set_permissions(Permissions::from_mode(0o600))?;
    let socket = Socket::from(OwnedFd::from(socket));
    socket.bind(&SockAddr::unix(path)?)?;
    // Where the kernel does not, this does, before anybody can connect.
    std::fs::set_permissions(path, Permissions::from_mode(0o600))?;
    socket.listen(limits::LISTEN_BACKLOG)?;
    Ok(socket.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_unix_socket_is_its_owners_and_goes_with_its_listener() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("admin.sock");
        let bind = Bind::Unix(path.clone());
        let (socket, file) = open(&bind).unwrap();
        let listener = Listener::from(socket);
        assert_eq!(listener.address().unwrap(), format!("unix:{}", path.display()));
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert!(open(&bind).is_err_and(|error| error.kind() == io::ErrorKind::AddrInUse));
        drop((listener, file));
        assert!(!path.exists());
    }

    #[test]
    fn the_file_is_private_before_anybody_sets_its_mode() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("admin.sock");
        let socket = File::from(OwnedFd::from(Socket::new(Domain::UNIX, Type::STREAM, None).unwrap()));
        socket.set_permissions(Permissions::from_mode(0o600)).unwrap();
        Socket::from(OwnedFd::from(socket)).bind(&SockAddr::unix(&path).unwrap()).unwrap();
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o077, 0);
    }
}
