//! A worker: one thread with its own event loop, listeners, upstream connections and plugin instances. What it shares
//! with the others is the snapshot, which it only reads.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::io;
use std::net::SocketAddr;
use std::os::fd::{AsFd, BorrowedFd};
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
    /// The gateway stops, or another process has taken over: no connection outlives its next answer.
    pub(super) leaving: Signal,
    /// Connections without a request are closed.
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
#[derive(Debug)]
pub enum Listening {
    /// Of its own, on an address that all workers share; or one that all of them share.
    Tcp(std::net::TcpListener),
    /// The same for all workers.
    Unix(std::os::unix::net::UnixListener),
}

/// Whose the clients are that wait in a socket's queue when this process accepts no more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Queue {
    /// Ours: nobody else has the socket.
    Ours,
    /// Those of another process that has it, too, and accepts from it, or will.
    Others,
}

impl Listening {
    /// Where it listens; `None` if it has no address.
    pub fn local_address(&self) -> Option<SocketAddr> {
        match self {
            Self::Tcp(socket) => socket.local_addr().ok(),
            Self::Unix(_) => None,
        }
    }

    /// The same socket once more.
    ///
    /// # Errors
    /// No more files may be open.
    pub fn try_clone(&self) -> io::Result<Self> {
        match self {
            Self::Tcp(socket) => socket.try_clone().map(Self::Tcp),
            Self::Unix(socket) => socket.try_clone().map(Self::Unix),
        }
    }
}

impl AsFd for Listening {
    fn as_fd(&self) -> BorrowedFd<'_> {
        match self {
            Self::Tcp(socket) => socket.as_fd(),
            Self::Unix(socket) => socket.as_fd(),
        }
    }
}

/// What a worker is told.
pub enum Order {
    /// Accept on this listener, on this socket of its too if it has others already.
    Listen(ListenerId, Listening, Queue),
    /// Close it; connections go on.
    Close(ListenerId),
    /// There is a new generation: let go of the old one, though no request asks for either.
    Refresh,
    /// Another process accepts from the same sockets of these listeners. What is told next is to drain.
    Leave(Arc<[ListenerId]>),
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
        leaving: Signal::default(),
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
    // What it was told before is heard, whichever branch came first.
    while let Ok(order) = orders.try_recv() {
        obey(order, &worker, &mut listeners);
    }
    if !worker.leaving.is_told() {
        worker.draining.tell();
        worker.leaving.tell();
    }
    listeners.values().for_each(|open| open.closed.cancel());
    worker.drain().await;
}

/// A listener of a worker's.
#[derive(Clone)]
pub(super) struct Open {
    pub(super) closed: CancellationToken,
    pub(super) queue: Rc<Cell<Queue>>,
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
        let idle = limits::HANDOVER_IDLE.min(limit / 2);
        let ended = async {
            // Who has no request on its way may just be sending one: it is answered, and told that it was the last.
            if !self.draining.is_told() && timeout(idle, self.connections.wait()).await.is_err() {
                self.draining.tell();
            }
            self.connections.wait().await;
        };
        if timeout(limit, ended).await.is_ok() {
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

fn obey(order: Order, worker: &Rc<Worker>, listeners: &mut HashMap<ListenerId, Open>) {
    match order {
        Order::Listen(id, listener, queue) => match Acceptor::new(listener) {
            Ok(listener) => {
                let new = || Open { closed: CancellationToken::new(), queue: Rc::new(Cell::new(queue)) };
                let open = listeners.entry(id).or_insert_with(new).clone();
                // Ends with its token, at the latest when the worker drains, which waits for it.
                worker.connections.spawn_local(accept(Rc::clone(worker), id, listener, open));
            }
            Err(error) => tracing::error!(%error, "a listener could not be taken over"),
        },
        Order::Refresh => drop(worker.snapshot()),
        Order::Close(id) => {
            if let Some(open) = listeners.remove(&id) {
                open.closed.cancel();
            }
        }
        Order::Leave(ids) => {
            let left = ids.iter().filter_map(|id| listeners.get(id));
            left.for_each(|open| open.queue.set(Queue::Others));
            worker.leaving.tell();
        }
    }
}
