//! A worker's connections to targets. They never leave their worker, so there is no lock and no hop. An HTTP/1
//! connection carries one request at a time and is idle in between; an HTTP/2 connection is shared.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

use bytes::Bytes;
use http::Request;
use hyper::body::{Frame, Incoming, SizeHint};
use hyper::client::conn::{TrySendError, http2};
use tokio::sync::Notify;
use tokio::task::AbortHandle;
use tokio::time::Instant;

use super::body::RequestBody;
use super::forward::Onward;
use super::http1::{Fault, Http1};
use super::signal::Signal;
use super::stream::Stream;
use super::wire::Seen;
use super::worker::Now;
use crate::error::Failure;
use crate::host::exchange::ResponseHead;
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
    Http1(Box<Http1>),
    Http2(Rc<Http2>),
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

/// The task that moves an HTTP/2 connection along.
pub(super) struct Driver(pub(super) AbortHandle);

impl Drop for Driver {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl Connection {
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
pub(super) struct Pool {
    slots: RefCell<HashMap<Key, Slot, BuildHasherDefault<KeyHasher>>>,
    /// The drain's time is over.
    pub(super) cut: Signal,
    now: Now,
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
    connection: Box<Http1>,
    since: Instant,
}

impl Idle {
    fn is_good(&mut self, now: Instant, cx: &mut Context<'_>) -> bool {
        now.duration_since(self.since) < limits::IDLE_CONNECTION_TIME && self.connection.is_alive(cx)
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
    /// An empty one, which is over when `cut` says so, and goes by `now`.
    pub(super) fn new(cut: Signal, now: Now) -> Self {
        Self { slots: RefCell::default(), cut, now }
    }

    /// A connection for `key`, for the task of `cx`; `shared` says that what would be made can be shared.
    pub(super) fn find(self: &Rc<Self>, key: Key, shared: bool, now: Instant, cx: &mut Context<'_>) -> Found {
        let mut slots = self.slots.borrow_mut();
        let slot = slots.entry(key).or_default();
        while let Some(mut idle) = slot.idle.pop() {
            if idle.is_good(now, cx) {
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
        let (now, mut nobody) = (Instant::now(), Context::from_waker(Waker::noop()));
        self.slots.borrow_mut().retain(|_, slot| {
            slot.idle.retain_mut(|idle| idle.is_good(now, &mut nobody));
            slot.shared.retain(|connection| connection.is_good() && !connection.is_idle(now));
            !slot.idle.is_empty() || !slot.shared.is_empty() || slot.connecting.is_some()
        });
    }

    /// How many connections wait for a request.
    pub(super) fn idle(&self) -> usize {
        self.slots.borrow().values().map(|slot| slot.idle.len()).sum()
    }

    fn put(&self, key: Key, connection: Box<Http1>) {
        let mut slots = self.slots.borrow_mut();
        let idle = &mut slots.entry(key).or_default().idle;
        if idle.len() < limits::IDLE_CONNECTIONS {
            idle.push(Idle { connection, since: self.now.get() });
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
    /// The connection, if it speaks HTTP/1.
    pub(super) fn http1(&mut self) -> Option<&mut Http1> {
        match &mut self.connection {
            Some(Connection::Http1(connection)) => Some(connection),
            _ => None,
        }
    }

    /// What has come over the connection, if it speaks HTTP/2.
    pub(super) fn seen(&self) -> Option<&Seen> {
        match &self.connection {
            Some(Connection::Http2(connection)) => Some(&connection.seen),
            _ => None,
        }
    }

    /// Put `request` down for [`Self::send`].
    pub(super) fn begin(&mut self, request: &Onward<'_>, body: RequestBody) -> Result<Begun, Failure> {
        match self.http1() {
            Some(connection) => {
                connection.begin(request, body);
                Ok(Begun::Http1)
            }
            None => request.http2(body).map(|request| Begun::Http2(Box::new(request))),
        }
    }

    /// Send a request, and wait for the answer's head. A body that is not returned comes over HTTP/1.
    pub(super) async fn send(&mut self, begun: Begun) -> Result<(ResponseHead, Option<Incoming>), Unanswered> {
        match (&mut self.connection, begun) {
            (Some(Connection::Http1(connection)), Begun::Http1) => {
                connection.answer().await.map(|head| (head, None)).map_err(Unanswered::Http1)
            }
            (Some(Connection::Http2(connection)), Begun::Http2(request)) => {
                let mut sender = connection.sender.clone();
                // In memory of its own, like its request: an exchange has room for HTTP/1 alone.
                let sent = Box::pin(sender.try_send_request(*request)).await;
                let (head, body) = sent.map_err(Unanswered::of_http2)?.into_parts();
                Ok((ResponseHead { status: head.status, headers: head.headers }, Some(body)))
            }
            // A lease begins what it sends.
            _ => std::future::pending().await,
        }
    }

    /// The answer's body, over HTTP/1.
    pub(super) fn poll_frame(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Fault>>> {
        self.http1().map_or(Poll::Ready(None), |connection| connection.poll_frame(cx))
    }

    /// Whether the answer is complete, over HTTP/1.
    pub(super) fn is_over(&self) -> bool {
        matches!(&self.connection, Some(Connection::Http1(connection)) if connection.is_over())
    }

    /// What is left of the answer's body, over HTTP/1.
    pub(super) fn size_hint(&self) -> SizeHint {
        match &self.connection {
            Some(Connection::Http1(connection)) => connection.size_hint(),
            _ => SizeHint::default(),
        }
    }

    /// Tells when the drain's time is over.
    pub(super) fn cut(&self) -> &Signal {
        &self.pool.cut
    }

    /// What is left of an HTTP/1 connection that speaks something else now: the stream, and what came over it already.
    pub(super) fn into_stream(mut self) -> Option<(Stream, Bytes)> {
        match self.connection.take() {
            Some(Connection::Http1(connection)) => connection.into_stream(),
            _ => None,
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
        if self.http1().is_some_and(|connection| connection.is_reusable())
            && let Some(Connection::Http1(connection)) = self.connection.take()
        {
            self.pool.put(self.key, connection);
        }
    }
}

/// A request that a connection is about to send.
pub(super) enum Begun {
    /// The connection has it.
    Http1,
    Http2(Box<Request<RequestBody>>),
}

/// Why a request got no answer.
pub(super) enum Unanswered {
    Http1(Fault),
    Http2 {
        error: hyper::Error,
        /// The request never left.
        kept: bool,
    },
}

impl Unanswered {
    fn of_http2(mut error: TrySendError<Request<RequestBody>>) -> Self {
        let kept = error.take_message().is_some();
        Self::Http2 { error: error.into_error(), kept }
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
