//! The addresses the gateway listens on. Each worker has a socket of its own on each (`SO_REUSEPORT`), so the kernel
//! spreads connections without a lock. What a new configuration has in common with the live one is left alone, and what
//! others have opened (listeners/inherited.rs) is accepted from by somebody, however many sockets and workers there are.

pub(crate) mod inherited;
mod sockets;

use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use socket2::SockRef;

use crate::admin::listener;
use crate::config::Faults;
use crate::config::checked::Listener;
use crate::config::reader::Located;
use crate::config::values::Bind;
use crate::limits;
use crate::proxy::worker::{Handle, ListenerId, Listening, Order};

use inherited::{Inherited, Keeper, Label, Parcel, Purpose};
pub(crate) use sockets::make_way;
use sockets::{Neighbours, Sharing, bind, bind_unix, bound};

/// The open listeners.
#[derive(Default)]
pub(crate) struct Listeners {
    open: Vec<Open>,
    next: ListenerId,
    admin: Option<Open>,
    inherited: Inherited,
}

struct Open {
    id: ListenerId,
    /// As configured: port 0 stays 0 here.
    address: Bind,
    /// Of a unix socket.
    file: Option<SocketFile>,
    /// One of each, for whoever takes over from this process.
    sockets: Vec<Listening>,
    keeper: Keeper,
}

/// The file of a unix socket; it goes when the listener does, unless somebody has put another in its place.
pub(crate) struct SocketFile {
    path: PathBuf,
    /// `None`: it is another process's now.
    identity: Option<(u64, u64)>,
}

impl SocketFile {
    /// The file at `path`, which is there.
    pub(crate) fn at(path: &Path) -> io::Result<Self> {
        Ok(Self { path: path.to_owned(), identity: Some(identity(path)?) })
    }
}

impl Drop for SocketFile {
    fn drop(&mut self) {
        if self.identity.is_some_and(|ours| identity(&self.path).is_ok_and(|identity| identity == ours))
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

/// The sockets of one listener, and what each worker is given of them.
struct Bound {
    open: Open,
    shares: Vec<Share>,
}

/// A worker, and the socket that it is to accept from.
type Share = (usize, Listening);

/// Sockets of one address, however they were come by.
struct Opened {
    sockets: Vec<Listening>,
    /// Of a unix socket of our own.
    file: Option<SocketFile>,
    keeper: Keeper,
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
    /// With sockets that others have opened.
    pub(crate) fn with(inherited: Inherited) -> Self {
        Self { inherited, ..Self::default() }
    }

    /// The socket of the admin server.
    ///
    /// # Errors
    /// The address cannot be had.
    pub(crate) fn admin(&mut self, address: &Bind) -> io::Result<listener::Listener> {
        let (socket, keeper) = match self.inherited.take(address, Purpose::Admin)? {
            Some(Parcel { label, mut sockets }) => (sockets.pop(), label.keeper),
            None => (None, Keeper::Us),
        };
        let (socket, file) = match (socket, address) {
            (Some(socket), Bind::Tcp(_)) => (socket, None),
            (Some(socket), Bind::Unix(path)) => (socket, Some(SocketFile::at(path)?)),
            (None, _) => listener::open(address)?,
        };
        let ours = vec![socket.try_clone()?];
        self.admin = Some(Open { id: self.next, address: address.clone(), file, sockets: ours, keeper });
        self.next += 1;
        Ok(socket.into())
    }

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
            match self.bind(id, address, workers) {
                Ok(bound) => change.bound.push(bound),
                Err(error) => {
                    let message = format!("cannot listen on {address}: {error}");
                    faults.at_with_help(&listener.span, message, advice(&error));
                }
            }
        }
        change.gone = self.open.iter().map(|open| open.id).filter(|id| !change.ids.contains(id)).collect();
        change
    }

    fn bind(&mut self, id: ListenerId, address: &Bind, workers: usize) -> io::Result<Bound> {
        let Opened { sockets, file, keeper } = match self.inherited.take(address, Purpose::Clients)? {
            Some(parcel) => adopt(parcel, address, workers)?,
            None => self.open(address, workers)?,
        };
        let shares = shares(&sockets, workers)?;
        Ok(Bound { open: Open { id, address: address.clone(), file, sockets, keeper }, shares })
    }

    fn open(&self, address: &Bind, workers: usize) -> io::Result<Opened> {
        let (sockets, file) = match address {
            Bind::Unix(path) => bind_unix(path)?,
            Bind::Tcp(address) => {
                let same_port = |open: &Open| matches!(open.address, Bind::Tcp(open) if open.port() == address.port());
                let ours = self.open.iter().any(same_port);
                let neighbours = if ours { Neighbours::Ours } else { Neighbours::Unknown };
                (bind(*address, workers, neighbours)?, None)
            }
        };
        Ok(Opened { sockets, file, keeper: Keeper::Us })
    }

    /// Hand the sockets of `change` to the workers, and have them close what is gone.
    pub(crate) fn apply(&mut self, change: Change, workers: &[Handle]) {
        for Bound { open, shares } in change.bound {
            match open.sockets.first().and_then(Listening::local_address) {
                Some(actual) => tracing::info!(address = %actual, "listening"),
                None => tracing::info!(address = %open.address, "listening"),
            }
            if open.keeper == Keeper::Us {
                open.sockets.iter().for_each(listen);
            }
            for (worker, socket) in shares {
                if let Some(worker) = workers.get(worker) {
                    worker.tell(Order::Listen(open.id, socket, open.keeper.queue()));
                }
            }
            self.open.push(open);
        }
        for gone in self.open.extract_if(.., |open| change.gone.contains(&open.id)) {
            workers.iter().for_each(|worker| worker.tell(Order::Close(gone.id)));
        }
        let used: Vec<_> = self.open.iter().chain(&self.admin).map(|open| open.address.to_string()).collect();
        self.inherited.settle(&used);
    }

    /// All sockets, for another process to accept from as well.
    ///
    /// # Errors
    /// No more files may be open.
    pub(crate) fn parcels(&self) -> io::Result<Vec<Parcel>> {
        let open = self.open.iter().map(|open| (open, Purpose::Clients));
        let open = open.chain(self.admin.iter().map(|open| (open, Purpose::Admin)));
        // systemd's are among those that it has opened.
        let ours = open.filter(|(open, _)| open.keeper == Keeper::Us);
        let ours = ours.map(|(open, purpose)| {
            let sockets = open.sockets.iter().map(Listening::try_clone).collect::<io::Result<_>>()?;
            Ok(Parcel { label: open.label(purpose), sockets })
        });
        ours.chain(self.inherited.parcels().iter().map(Parcel::again)).collect()
    }

    /// What this process has inherited from the one before and has no use for.
    pub(crate) fn unwanted(&self) -> Vec<usize> {
        let ours = self.inherited.parcels().iter().filter(|parcel| parcel.label.keeper == Keeper::Us);
        ours.map(|parcel| parcel.label.number).collect()
    }

    /// The gateway ends: nobody connects any more.
    pub(crate) fn close(&mut self) {
        self.open.clear();
        self.admin = None;
    }

    /// Another process listens now on all but the `unwanted`, the files of unix sockets included. The listeners whose
    /// clients are its own.
    pub(crate) fn leave(&mut self, unwanted: &[usize]) -> Vec<ListenerId> {
        let mut left = Vec::new();
        for open in &mut self.open {
            if !unwanted.contains(&open.label(Purpose::Clients).number) {
                left.push(open.id);
                open.file.iter_mut().for_each(|file| file.identity = None);
            }
        }
        // The admin server is always the other's.
        for file in self.admin.iter_mut().filter_map(|open| open.file.as_mut()) {
            file.identity = None;
        }
        self.close();
        left
    }
}

impl Open {
    fn label(&self, purpose: Purpose) -> Label {
        let number = usize::try_from(self.id).unwrap_or(usize::MAX);
        Label { number, address: self.address.to_string(), purpose, keeper: self.keeper }
    }
}

/// Have a socket listen that does not yet; for others, nothing changes.
fn listen(socket: &Listening) {
    if let Listening::Tcp(socket) = socket
        && let Err(error) = SockRef::from(socket).listen(limits::LISTEN_BACKLOG)
    {
        tracing::error!(%error, "a worker's socket cannot listen: others take its clients");
    }
}

/// Sockets that somebody else has opened on `address`.
fn adopt(parcel: Parcel, address: &Bind, workers: usize) -> io::Result<Opened> {
    let Parcel { label: Label { keeper, .. }, mut sockets } = parcel;
    for socket in &sockets {
        let socket = SockRef::from(socket);
        socket.set_nonblocking(true)?;
        if matches!(address, Bind::Tcp(_)) {
            socket.set_tcp_user_timeout(Some(limits::PEER_STALL))?;
        }
    }
    // More workers than there were: those on top share a socket if the system does not let them have one of their own.
    if let (Keeper::Us, Some(actual)) = (keeper, sockets.first().and_then(Listening::local_address)) {
        for _ in sockets.len()..workers {
            // They listen when somebody accepts from them: until then, nobody may wait there.
            match bound(actual, Sharing::WithOtherWorkers) {
                Ok(socket) => sockets.push(Listening::Tcp(socket)),
                Err(error) => tracing::debug!(%error, %address, "workers share a socket"),
            }
        }
    }
    let file = match address {
        // Without the file, nobody comes any more; who waits is served.
        Bind::Unix(path) if keeper == Keeper::Us => SocketFile::at(path).ok(),
        _ => None,
    };
    Ok(Opened { sockets, file, keeper })
}

/// Which worker accepts from which socket: each worker from one at least, and each socket by one at least.
fn shares(sockets: &[Listening], workers: usize) -> io::Result<Vec<Share>> {
    let turns = workers.max(sockets.len());
    let sockets = sockets.iter().cycle().take(turns);
    sockets.zip((0..workers).cycle()).map(|(socket, worker)| Ok((worker, socket.try_clone()?))).collect()
}

fn advice(error: &io::Error) -> &'static str {
    match error.kind() {
        io::ErrorKind::AddrInUse => "another program serves this address: stop it, or choose another port",
        io::ErrorKind::PermissionDenied => "ports below 1024 need the privilege to listen on them",
        io::ErrorKind::AddrNotAvailable => "this machine has no such address: 0.0.0.0 means all it has",
        _ => "choose another address",
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn nobody_is_without_a_socket_and_no_socket_without_anybody() {
        for (sockets, workers) in [(1, 1), (1, 4), (4, 1), (3, 2), (2, 3), (5, 5)] {
            let bound = bind("127.0.0.1:0".parse().unwrap(), sockets, Neighbours::Ours).unwrap();
            let shares = shares(&bound, workers).unwrap();
            assert_eq!(shares.len(), sockets.max(workers));
            let busy: BTreeSet<_> = shares.iter().map(|(worker, _)| *worker).collect();
            assert_eq!(busy, (0..workers).collect());
            // The next one to connect is in somebody's queue, whichever the kernel has chosen.
            let address = bound[0].local_address().unwrap();
            drop(bound);
            for _ in 0..20 {
                let client = std::net::TcpStream::connect(address).unwrap();
                let accepts = |(_, socket): &&Share| match socket {
                    Listening::Tcp(socket) => socket.accept().is_ok(),
                    Listening::Unix(_) => false,
                };
                assert_eq!(shares.iter().filter(accepts).count(), 1, "{sockets} sockets, {workers} workers");
                drop(client);
            }
        }
    }
}
