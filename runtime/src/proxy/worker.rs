//! A worker: one thread with its own event loop, listeners, upstream connections and plugin instances. What it shares
//! with the others is the snapshot, which it only reads.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::io;
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::thread::JoinHandle;

use arc_swap::ArcSwap;
use arc_swap::cache::Cache;
use tokio::sync::{Semaphore, mpsc};
use tokio::task::LocalSet;
use tokio::time::{Instant, timeout};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::accept::{Acceptor, accept};
use super::date::Date;
use super::observer::Observer;
use super::pool::Pool;
use super::signal::Signal;
use crate::limits;
use crate::snapshot::Snapshot;

/// The live generation, where all workers look for it.
pub type Live = Arc<ArcSwap<Snapshot>>;

/// A time that was looked at, for those who come after: looking is cheap, and seven looks per request are not.
pub(super) type Now = Rc<Cell<Instant>>;

/// What every task of a worker can reach.
pub(super) struct Worker {
    pub(super) id: usize,
    pub(super) pool: Rc<Pool>,
    pub(super) observer: Observer,
    /// One for each connection it may serve.
    pub(super) permits: Arc<Semaphore>,
    pub(super) connections: TaskTracker,
    /// The drain's time is over: whoever still waits for an upstream is told so.
    pub(super) cut: Signal,
    /// The gateway stops.
    pub(super) draining: Signal,
    /// When something last happened here, as far as that was looked at. The pool goes by it, too.
    pub(super) now: Now,
    pub(super) date: Date,
    live: RefCell<Cache<Live, Arc<Snapshot>>>,
}

impl Worker {
    /// The live generation. Looking costs one read as long as it has not changed.
    pub(super) fn snapshot(&self) -> Arc<Snapshot> {
        Arc::clone(self.live.borrow_mut().load())
    }

    /// The time, for those who come after to share.
    pub(super) fn look_at_the_clock(&self) -> Instant {
        let now = Instant::now();
        self.now.set(now);
        now
    }
}

/// Has hyper's own tasks run on the worker they belong to.
#[derive(Clone, Copy)]
pub(super) struct LocalExecutor;

impl<F: Future<Output = ()> + 'static> hyper::rt::Executor<F> for LocalExecutor {
    fn execute(&self, task: F) {
        // Each ends with its connection.
        tokio::task::spawn_local(task);
    }
}

/// A listening socket on its way to a worker.
pub enum Listening {
    /// Of its own, on an address that all workers share.
    Tcp(std::net::TcpListener),
    /// The same for all workers.
    Unix(std::os::unix::net::UnixListener),
}

impl Listening {
    /// Where it listens; `None` if it has no address.
    pub fn local_address(&self) -> Option<SocketAddr> {
        match self {
            Self::Tcp(socket) => socket.local_addr().ok(),
            Self::Unix(_) => None,
        }
    }
}

/// What a worker is told.
pub enum Order {
    /// Accept on this listener.
    Listen(ListenerId, Listening),
    /// Close it; connections go on.
    Close(ListenerId),
    /// There is a new generation: let go of the old one, though no request asks for either.
    Refresh,
}

/// Tells a listener from others that were or will be on the same address.
pub type ListenerId = u64;

/// A running worker, seen from the control plane.
pub struct Handle {
    orders: mpsc::UnboundedSender<Order>,
    thread: JoinHandle<()>,
}

impl Handle {
    /// Start worker `id` on a thread of its own.
    ///
    /// # Errors
    /// The system has no thread, or no event loop, left.
    pub fn start(id: usize, live: &Live, drain: &CancellationToken, observer: Observer) -> io::Result<Self> {
        let (orders, inbox) = mpsc::unbounded_channel();
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .max_blocking_threads(limits::WORKER_FILE_THREADS)
            .build()?;
        let (live, drain) = (Arc::clone(live), drain.clone());
        let thread = std::thread::Builder::new()
            .name(format!("worker-{id}"))
            .stack_size(limits::WORKER_STACK_BYTES)
            .spawn(move || {
                LocalSet::new().block_on(&runtime, run(id, live, drain, observer, inbox));
                // Dropping it would wait for a disk that gives nothing, if a plugin's file is on one.
                runtime.shutdown_background();
            })?;
        Ok(Self { orders, thread })
    }

    /// Tell the worker. It is there until it is joined, so the order arrives.
    pub fn tell(&self, order: Order) {
        if self.orders.send(order).is_err() {
            tracing::error!("a worker is gone");
        }
    }

    /// Wait for the worker's end, which comes once it is drained.
    pub fn join(self) {
        if self.thread.join().is_err() {
            tracing::error!("a worker panicked");
        }
    }
}

async fn run(
    id: usize,
    live: Live,
    drain: CancellationToken,
    observer: Observer,
    mut orders: mpsc::UnboundedReceiver<Order>,
) {
    let limits = live.load().edge.limits;
    let (cut, now) = (Signal::default(), Now::new(Cell::new(Instant::now())));
    let worker = Rc::new(Worker {
        id,
        pool: Rc::new(Pool::new(cut.clone(), Rc::clone(&now))),
        observer,
        permits: Arc::new(Semaphore::new(limits.connections_per_worker)),
        connections: TaskTracker::new(),
        cut,
        draining: Signal::default(),
        now,
        date: Date::default(),
        live: RefCell::new(Cache::new(live)),
    });
    let mut listeners = HashMap::new();
    let mut sweep = tokio::time::interval(limits::IDLE_SWEEP);
    let mut flush = tokio::time::interval(limits::ACCESS_LOG_INTERVAL);
    loop {
        // Orders stay in their channel and ticks are made up for, whichever branch comes first.
        tokio::select! {
            Some(order) = orders.recv() => obey(order, &worker, &mut listeners),
            _ = sweep.tick() => worker.sweep(),
            _ = flush.tick() => worker.observer.flush(),
            () = drain.cancelled() => break,
        }
    }
    worker.draining.tell();
    for (_, closed) in listeners {
        closed.cancel();
    }
    worker.drain().await;
}

impl Worker {
    fn sweep(&self) {
        self.pool.sweep();
        self.observer.pool_idle(self.pool.idle());
    }

    /// Wait for the requests in flight; those that take too long are told so.
    async fn drain(&self) {
        self.connections.close();
        let limit = self.snapshot().edge.limits.drain_timeout;
        if timeout(limit, self.connections.wait()).await.is_ok() {
            return;
        }
        tracing::warn!(
            worker = self.id,
            connections = self.connections.len(),
            "not drained in time: the rest is cut off"
        );
        self.cut.tell();
        drop(timeout(limits::DRAIN_GRACE, self.connections.wait()).await);
    }
}

fn obey(order: Order, worker: &Rc<Worker>, listeners: &mut HashMap<ListenerId, CancellationToken>) {
    match order {
        Order::Listen(id, listener) => match Acceptor::new(listener) {
            Ok(listener) => {
                let closed = CancellationToken::new();
                // Ends with its token, at the latest when the worker drains, which waits for it.
                worker.connections.spawn_local(accept(Rc::clone(worker), id, listener, closed.clone()));
                listeners.insert(id, closed);
            }
            Err(error) => tracing::error!(%error, "a listener could not be taken over"),
        },
        Order::Refresh => drop(worker.snapshot()),
        Order::Close(id) => {
            if let Some(closed) = listeners.remove(&id) {
                closed.cancel();
            }
        }
    }
}
