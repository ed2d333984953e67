//! A worker: one thread with its own event loop, listeners, upstream connections and plugin instances. What it shares
//! with the others is the snapshot, which it only reads.

use std::cell::RefCell;
use std::collections::HashMap;
use std::io;
use std::rc::Rc;
use std::sync::Arc;
use std::thread::JoinHandle;

use arc_swap::ArcSwap;
use arc_swap::cache::Cache;
use tokio::sync::{Semaphore, mpsc};
use tokio::task::LocalSet;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::accept::accept;
use super::pool::Pool;
use crate::limits;
use crate::snapshot::Snapshot;

/// The live generation, where all workers look for it.
pub type Live = Arc<ArcSwap<Snapshot>>;

/// What every task of a worker can reach.
pub(super) struct Worker {
    pub(super) id: usize,
    pub(super) pool: Rc<Pool>,
    /// One for each connection it may serve.
    pub(super) permits: Arc<Semaphore>,
    pub(super) connections: TaskTracker,
    live: RefCell<Cache<Live, Arc<Snapshot>>>,
    drain: CancellationToken,
}

impl Worker {
    /// The live generation. Looking costs one read as long as it has not changed.
    pub(super) fn snapshot(&self) -> Arc<Snapshot> {
        Arc::clone(self.live.borrow_mut().load())
    }

    /// Ends when the gateway stops.
    pub(super) async fn draining(&self) {
        self.drain.cancelled().await;
    }
}

/// What a worker is told.
pub enum Order {
    /// Accept on this listener.
    Listen(ListenerId, std::net::TcpListener),
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
    pub fn start(id: usize, live: &Live, drain: &CancellationToken) -> io::Result<Self> {
        let (orders, inbox) = mpsc::unbounded_channel();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let (live, drain) = (Arc::clone(live), drain.clone());
        let thread = std::thread::Builder::new()
            .name(format!("worker-{id}"))
            .stack_size(limits::WORKER_STACK_BYTES)
            .spawn(move || LocalSet::new().block_on(&runtime, run(id, live, drain, inbox)))?;
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

async fn run(id: usize, live: Live, drain: CancellationToken, mut orders: mpsc::UnboundedReceiver<Order>) {
    let worker = Rc::new(Worker {
        id,
        pool: Rc::default(),
        permits: Arc::new(Semaphore::new(limits::CONNECTIONS_PER_WORKER)),
        connections: TaskTracker::new(),
        live: RefCell::new(Cache::new(live)),
        drain: drain.clone(),
    });
    let mut listeners = HashMap::new();
    let mut sweep = tokio::time::interval(limits::IDLE_SWEEP);
    loop {
        // Orders stay in their channel and ticks are made up for, whichever branch comes first.
        tokio::select! {
            Some(order) = orders.recv() => obey(order, &worker, &mut listeners),
            _ = sweep.tick() => worker.pool.sweep(),
            () = drain.cancelled() => break,
        }
    }
    for (_, closed) in listeners {
        closed.cancel();
    }
    worker.connections.close();
    if tokio::time::timeout(limits::DRAIN_TIME, worker.connections.wait()).await.is_err() {
        let cut = worker.connections.len();
        tracing::warn!(worker = id, connections = cut, "not drained in time: the rest is cut off");
    }
}

fn obey(order: Order, worker: &Rc<Worker>, listeners: &mut HashMap<ListenerId, CancellationToken>) {
    match order {
        Order::Listen(id, listener) => match tokio::net::TcpListener::from_std(listener) {
            Ok(listener) => {
                let closed = CancellationToken::new();
                // Ends with its token, at the latest when the worker drains, which waits for it.
                worker.connections.spawn_local(accept(Rc::clone(worker), listener, closed.clone()));
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
