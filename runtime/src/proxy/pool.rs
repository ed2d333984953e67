//! A worker's connections to targets. They never leave their worker, so there is no lock and no hop. An HTTP/1
//! connection carries one request at a time and is idle in between; an HTTP/2 connection is shared.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};
use std::rc::Rc;

use http::{Request, Response, Version};
use hyper::body::Incoming;
use hyper::client::conn::{TrySendError, http1, http2};
use tokio::sync::Notify;
use tokio::task::AbortHandle;
use tokio::time::Instant;

use super::body::RequestBody;
use super::wire::Seen;
use crate::limits;

/// What a connection is good for: this endpoint, spoken to in this way.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Key {
    pub(super) endpoint: u32,
    pub(super) transport: u32,
}

/// For keys of our own making, which nobody can choose so as to collide (Fibonacci hashing).
#[derive(Default)]
struct KeyHasher(u64);

impl Hasher for KeyHasher {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        bytes.iter().for_each(|byte| self.write_u32((*byte).into()));
    }

    fn write_u32(&mut self, number: u32) {
        self.0 = (self.0.rotate_left(32) ^ u64::from(number)).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    }
}

/// A connection of either kind. Dropping the last of it closes it, whatever is still on its way.
pub(super) enum Connection {
    Http1(Http1),
    Http2(Rc<Http2>),
}

pub(super) struct Http1 {
    sender: http1::SendRequest<RequestBody>,
    _driver: Driver,
    seen: Seen,
}

pub(super) struct Http2 {
    sender: http2::SendRequest<RequestBody>,
    /// Requests on their way.
    streams: Cell<usize>,
    /// As many as it takes.
    room: Rc<Cell<usize>>,
    /// When the last one ended.
    idle_since: Cell<Instant>,
    /// It did not answer, so nobody else should have to wait for it.
    given_up: Cell<bool>,
    _driver: Driver,
    seen: Seen,
}

/// The task that moves a connection along.
pub(super) struct Driver(pub(super) AbortHandle);

impl Drop for Driver {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl Connection {
    pub(super) fn http1(sender: http1::SendRequest<RequestBody>, driver: Driver, seen: Seen) -> Self {
        Self::Http1(Http1 { sender, _driver: driver, seen })
    }

    pub(super) fn http2(
        sender: http2::SendRequest<RequestBody>,
        room: Rc<Cell<usize>>,
        driver: Driver,
        seen: Seen,
    ) -> Self {
        let (streams, idle_since, given_up) = (Cell::new(0), Cell::new(Instant::now()), Cell::new(false));
        Self::Http2(Rc::new(Http2 { sender, streams, room, idle_since, given_up, _driver: driver, seen }))
    }
}

/// Connections by what they are good for.
#[derive(Default)]
pub(super) struct Pool {
    slots: RefCell<HashMap<Key, Slot, BuildHasherDefault<KeyHasher>>>,
}

#[derive(Default)]
struct Slot {
    /// The one used last on top.
    idle: Vec<Idle>,
    shared: Vec<Rc<Http2>>,
    /// An HTTP/2 connection is being made, which others wait for rather than make their own.
    connecting: Option<Rc<Notify>>,
}

struct Idle {
    connection: Http1,
    since: Instant,
}

impl Idle {
    fn is_good(&self, now: Instant) -> bool {
        self.connection.sender.is_ready() && now.duration_since(self.since) < limits::IDLE_CONNECTION_TIME
    }
}

impl Http2 {
    /// Whether it takes one more request. One that takes none any more ends with the requests it has.
    fn has_room(&self) -> bool {
        self.is_good() && self.sender.is_ready() && self.streams.get() < self.room.get()
    }

    fn is_good(&self) -> bool {
        !self.sender.is_closed() && !self.given_up.get()
    }

    fn is_idle(&self, now: Instant) -> bool {
        self.streams.get() == 0 && now.duration_since(self.idle_since.get()) >= limits::IDLE_CONNECTION_TIME
    }
}

/// What the pool has for a request.
pub(super) enum Found {
    Connection(Lease),
    /// Somebody is making one that will do: wait for this, then look again.
    Wait(Rc<Notify>),
    /// Make one. Others wait until the ticket is gone, if it is for a connection that can be shared.
    None(Ticket),
}

/// Whoever makes a connection that others wait for holds this.
pub(super) struct Ticket {
    waiting: Option<Rc<Notify>>,
    pool: Rc<Pool>,
    key: Key,
}

impl Ticket {
    /// For a connection that nobody waits for.
    pub(super) fn alone(pool: &Rc<Pool>, key: Key) -> Self {
        Self { waiting: None, pool: Rc::clone(pool), key }
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        if let Some(waiting) = self.waiting.take() {
            if let Some(slot) = self.pool.slots.borrow_mut().get_mut(&self.key) {
                slot.connecting = None;
            }
            waiting.notify_waiters();
        }
    }
}

impl Pool {
    /// A connection for `key`; `shared` says that what would be made can be shared.
    pub(super) fn find(self: &Rc<Self>, key: Key, shared: bool, now: Instant) -> Found {
        let mut slots = self.slots.borrow_mut();
        let slot = slots.entry(key).or_default();
        while let Some(idle) = slot.idle.pop() {
            if idle.is_good(now) {
                return Found::Connection(self.lease(key, Connection::Http1(idle.connection)));
            }
        }
        let room = slot.shared.iter().filter(|connection| connection.has_room()).min_by_key(|c| c.streams.get());
        if let Some(connection) = room {
            return Found::Connection(self.lease(key, Connection::Http2(Rc::clone(connection))));
        }
        if let Some(connecting) = &slot.connecting {
            return Found::Wait(Rc::clone(connecting));
        }
        let waiting = shared.then(Rc::<Notify>::default);
        slot.connecting.clone_from(&waiting);
        Found::None(Ticket { waiting, pool: Rc::clone(self), key })
    }

    /// A connection that was just made; one that can be shared is there for others from now on.
    pub(super) fn lease(self: &Rc<Self>, key: Key, connection: Connection) -> Lease {
        if let Connection::Http2(connection) = &connection {
            connection.streams.set(connection.streams.get() + 1);
        }
        Lease { connection: Some(connection), key, pool: Rc::clone(self) }
    }

    /// Let others share `connection`.
    pub(super) fn share(&self, key: Key, connection: &Connection) {
        let Connection::Http2(connection) = connection else { return };
        let mut slots = self.slots.borrow_mut();
        let shared = &mut slots.entry(key).or_default().shared;
        shared.retain(|connection| connection.is_good());
        if shared.len() < limits::H2_CONNECTIONS {
            shared.push(Rc::clone(connection));
        }
    }

    /// Close what has been idle for too long, or was closed by the other side.
    pub(super) fn sweep(&self) {
        let now = Instant::now();
        self.slots.borrow_mut().retain(|_, slot| {
            slot.idle.retain(|idle| idle.is_good(now));
            slot.shared.retain(|connection| connection.is_good() && !connection.is_idle(now));
            !slot.idle.is_empty() || !slot.shared.is_empty() || slot.connecting.is_some()
        });
    }

    /// How many connections wait for a request.
    pub(super) fn idle(&self) -> usize {
        self.slots.borrow().values().map(|slot| slot.idle.len()).sum()
    }

    fn put(&self, key: Key, connection: Http1) {
        let mut slots = self.slots.borrow_mut();
        let idle = &mut slots.entry(key).or_default().idle;
        if idle.len() < limits::IDLE_CONNECTIONS {
            idle.push(Idle { connection, since: Instant::now() });
        }
    }
}

/// A connection in use. Dropping it closes the connection, or takes back the one request on a shared one; releasing it
/// keeps it for the next request.
pub(super) struct Lease {
    /// Always there, until it is taken apart.
    connection: Option<Connection>,
    key: Key,
    pool: Rc<Pool>,
}

impl Lease {
    /// What the connection speaks.
    pub(super) fn version(&self) -> Version {
        match &self.connection {
            Some(Connection::Http2(_)) => Version::HTTP_2,
            _ => Version::HTTP_11,
        }
    }

    /// What has come over the connection.
    pub(super) fn seen(&self) -> Option<&Seen> {
        match &self.connection {
            Some(Connection::Http1(connection)) => Some(&connection.seen),
            Some(Connection::Http2(connection)) => Some(&connection.seen),
            None => None,
        }
    }

    /// Send `request`, and wait for the response's head.
    pub(super) async fn send(
        &mut self,
        request: Request<RequestBody>,
    ) -> Result<Response<Incoming>, TrySendError<Request<RequestBody>>> {
        match &mut self.connection {
            Some(Connection::Http1(connection)) => connection.sender.try_send_request(request).await,
            Some(Connection::Http2(connection)) => connection.sender.clone().try_send_request(request).await,
            None => std::future::pending().await,
        }
    }

    /// It did not answer in time. A shared connection takes no more requests.
    pub(super) fn give_up_on(&self) {
        if let Some(Connection::Http2(connection)) = &self.connection {
            connection.given_up.set(true);
        }
    }

    /// The response is over.
    pub(super) fn release(mut self) {
        // Sharing ends with the drop of the lease.
        if !matches!(self.connection, Some(Connection::Http1(_))) {
            return;
        }
        let Some(Connection::Http1(mut connection)) = self.connection.take() else { return };
        let (pool, key) = (Rc::clone(&self.pool), self.key);
        if connection.sender.is_ready() {
            return pool.put(key, connection);
        }
        // hyper may still have to notice, or to finish sending a request that was answered early. The task ends with
        // its deadline, and with its worker.
        tokio::task::spawn_local(async move {
            if let Ok(Ok(())) = tokio::time::timeout(limits::REUSE_WAIT, connection.sender.ready()).await {
                pool.put(key, connection);
            }
        });
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        if let Some(Connection::Http2(connection)) = &self.connection {
            connection.streams.set(connection.streams.get().saturating_sub(1));
            connection.idle_since.set(Instant::now());
        }
    }
}
