//! Counts and times for Prometheus. Each worker writes numbers of its own, which no other thread writes; a scrape reads
//! and adds up those of all workers. So a request pays for a few plain stores, and never for another worker's.

use std::collections::{BTreeMap, HashMap};
use std::marker::PhantomData;
use std::rc::Rc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError, RwLock};
use std::time::Duration;

use crate::limits;
use crate::observe::record::Connection;

mod custom;
mod plugins;
mod render;
mod shard;
mod sinks;

pub use sinks::{Dropped, SinkMetrics};

pub use custom::{Custom, Note};
pub use plugins::{HOOKS, PluginMetrics};

use shard::{Shard, add, subtract};

/// What stands for the routes, or services, that have no metrics of their own.
const OTHER: &str = "other";

/// All metrics of the process.
#[derive(Debug)]
pub struct Metrics {
    workers: Box<[Arc<WorkerMetrics>]>,
    routes: Mutex<Routes>,
    failures: RwLock<Failures>,
    plugins: Mutex<BTreeMap<Arc<str>, Arc<PluginMetrics>>>,
    /// What plugins note themselves.
    pub custom: Custom,
    sinks: Mutex<BTreeMap<Arc<str>, Arc<SinkMetrics>>>,
}

/// Every pair of a route and a service that was ever asked for, as far as there is room.
#[derive(Debug, Default)]
struct Routes {
    pairs: BTreeMap<(Arc<str>, Arc<str>), Pair>,
    asked: u64,
}

#[derive(Debug)]
struct Pair {
    metrics: Arc<RouteMetrics>,
    /// When it was asked for last, counted in questions.
    asked: u64,
}

#[derive(Debug, Default)]
struct Failures {
    /// By code, then by service; "" if there was none.
    counts: BTreeMap<&'static str, HashMap<Arc<str>, AtomicU64>>,
    series: usize,
}

/// What a scrape shows besides what is counted here.
#[derive(Debug, Clone)]
pub struct Extra {
    /// Of the gateway.
    pub version: &'static str,
    /// The live one.
    pub generation: u64,
    /// [`AccessLog::dropped`](crate::observe::access_log::AccessLog::dropped).
    pub access_log_dropped: u64,
    /// All targets of the live generation.
    pub targets: Vec<TargetState>,
}

/// One address of a target.
#[derive(Debug, Clone)]
pub struct TargetState {
    /// The upstream's name.
    pub upstream: Arc<str>,
    /// The target's name.
    pub target: Arc<str>,
    /// The address, or "" if there is none yet.
    pub address: String,
    /// Whether it gets requests.
    pub health: Health,
    /// Requests that it is at work on.
    pub in_flight: u64,
}

/// Whether a target gets requests.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Health {
    /// It does.
    Healthy,
    /// It does not.
    Unhealthy,
}

/// What all workers have done, in sum.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Totals {
    /// Client connections that are open.
    pub connections_open: u64,
    /// Exchanges that are under way.
    pub exchanges: u64,
    /// Client connections since the start.
    pub connections: u64,
    /// Exchanges that began since the start.
    pub requests: u64,
}

impl Metrics {
    /// For `workers` workers, numbered from 0.
    pub fn new(workers: usize) -> Self {
        Self {
            workers: (0..workers).map(|_| Arc::default()).collect(),
            routes: Mutex::default(),
            failures: RwLock::default(),
            plugins: Mutex::default(),
            custom: Custom::default(),
            sinks: Mutex::default(),
        }
    }

    /// For the calls of a plugin, by the name it is used by. Those beyond [`limits::METRIC_PLUGINS`] share one. To be
    /// called when a generation is built.
    pub fn plugin(&self, name: &str) -> Arc<PluginMetrics> {
        let mut plugins = self.plugins.lock().unwrap_or_else(PoisonError::into_inner);
        let known = plugins.contains_key(name) || plugins.len() < limits::METRIC_PLUGINS;
        let name: Arc<str> = if known { name } else { OTHER }.into();
        let workers = self.workers.len();
        Arc::clone(plugins.entry(Arc::clone(&name)).or_insert_with(|| Arc::new(PluginMetrics::new(name, workers))))
    }

    /// For the requests of a route; "" if none was found. The same pair leads to the same object, so that counts outlive
    /// a generation. When there is no room, the pairs go that were out of use for longest; if all are in use, the rest
    /// share one. To be called when a generation is built.
    pub fn route(&self, route: &str, service: &str) -> Arc<RouteMetrics> {
        let mut routes = self.routes.lock().unwrap_or_else(PoisonError::into_inner);
        let key = (Arc::from(route), Arc::from(service));
        if !routes.pairs.contains_key(&key) && routes.pairs.len() >= limits::METRIC_ROUTES {
            routes.make_room();
            if routes.pairs.len() >= limits::METRIC_ROUTES {
                return routes.pair((OTHER.into(), OTHER.into()), self.workers.len());
            }
        }
        routes.pair(key, self.workers.len())
    }

    /// For the sink of this name. The same name leads to the same object. When there is no room, those go that no sink
    /// uses; if all are in use, the rest share one.
    pub fn sink(&self, name: &str) -> Arc<SinkMetrics> {
        let mut sinks = self.sinks.lock().unwrap_or_else(PoisonError::into_inner);
        if !sinks.contains_key(name) && sinks.len() >= limits::METRIC_SINKS {
            sinks.retain(|_, metrics| Arc::strong_count(metrics) > 1);
        }
        let room = sinks.contains_key(name) || sinks.len() < limits::METRIC_SINKS;
        let name: Arc<str> = if room { name.into() } else { OTHER.into() };
        Arc::clone(sinks.entry(Arc::clone(&name)).or_insert_with(|| Arc::new(SinkMetrics::new(name))))
    }

    /// For worker `id`. One that was not announced counts for itself, and nobody sees it.
    pub fn worker(&self, id: usize) -> Arc<WorkerMetrics> {
        self.workers.get(id).cloned().unwrap_or_default()
    }

    /// Count a failed exchange.
    pub fn failure(&self, code: &'static str, service: Option<&str>) {
        let service = service.unwrap_or_default();
        {
            let failures = self.failures.read().unwrap_or_else(PoisonError::into_inner);
            if let Some(count) = failures.counts.get(code).and_then(|services| services.get(service)) {
                count.fetch_add(1, Ordering::Relaxed);
                return;
            }
        }
        self.failures.write().unwrap_or_else(PoisonError::into_inner).first(code, service);
    }

    /// What all workers have done, in sum.
    pub fn totals(&self) -> Totals {
        let sum = |of: fn(&WorkerMetrics) -> &AtomicU64| -> u64 {
            self.workers.iter().map(|worker| of(worker).load(Ordering::Relaxed)).sum()
        };
        Totals {
            connections_open: sum(|worker| &worker.connections_open),
            exchanges: sum(|worker| &worker.exchanges),
            connections: sum(|worker| &worker.connections),
            requests: sum(|worker| &worker.requests),
        }
    }

    /// Everything in OpenMetrics' text format ([`Self::CONTENT_TYPE`]), which Prometheus reads. Takes some ten
    /// microseconds per route, so it is not for an event loop.
    pub fn render(&self, extra: Extra) -> String {
        let routes = self.routes.lock().unwrap_or_else(PoisonError::into_inner);
        let routes: Vec<Arc<RouteMetrics>> = routes.pairs.values().map(|pair| Arc::clone(&pair.metrics)).collect();
        let failures = self.failures.read().unwrap_or_else(PoisonError::into_inner).list();
        let plugins = self.plugins.lock().unwrap_or_else(PoisonError::into_inner).values().cloned().collect();
        let sinks = self.sinks.lock().unwrap_or_else(PoisonError::into_inner).values().cloned().collect();
        let workers = self.workers.to_vec();
        let (custom, refused) = (self.custom.families(), self.custom.refused());
        render::render(render::Scrape { routes, plugins, custom, refused, workers, failures, sinks, extra })
    }

    /// What [`Self::render`] makes.
    pub const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";
}

impl Routes {
    fn pair(&mut self, key: (Arc<str>, Arc<str>), workers: usize) -> Arc<RouteMetrics> {
        self.asked += 1;
        let pair = self.pairs.entry(key).or_insert_with_key(|(route, service)| Pair {
            metrics: Arc::new(RouteMetrics::new(Arc::clone(route), Arc::clone(service), workers)),
            asked: 0,
        });
        pair.asked = self.asked;
        Arc::clone(&pair.metrics)
    }

    /// Forget half of the pairs that no generation uses. Half, so that this is not done for each new one.
    fn make_room(&mut self) {
        let unused = |pair: &Pair| Arc::strong_count(&pair.metrics) == 1;
        let mut ages: Vec<u64> = self.pairs.values().filter(|pair| unused(pair)).map(|pair| pair.asked).collect();
        ages.sort_unstable();
        if let Some(bound) = ages.get(ages.len() / 2).copied() {
            self.pairs.retain(|_, pair| !unused(pair) || pair.asked > bound);
        }
    }
}

impl Failures {
    fn first(&mut self, code: &'static str, service: &str) {
        let services = self.counts.entry(code).or_default();
        let known = services.contains_key(service) || self.series < limits::METRIC_FAILURES;
        let service = if known { service } else { OTHER };
        if !services.contains_key(service) {
            self.series += 1;
        }
        services.entry(service.into()).or_default().fetch_add(1, Ordering::Relaxed);
    }

    fn list(&self) -> Vec<render::FailureCount> {
        let all = self.counts.iter().flat_map(|(code, services)| services.iter().map(move |of| (code, of)));
        all.map(|(code, (service, count))| (*code, Arc::clone(service), count.load(Ordering::Relaxed))).collect()
    }
}

/// The requests of one route.
#[derive(Debug)]
pub struct RouteMetrics {
    route: Arc<str>,
    service: Arc<str>,
    /// One per worker, made with its first request: most routes of a large configuration are quiet.
    shards: Box<[OnceLock<Box<Shard>>]>,
}

impl RouteMetrics {
    fn new(route: Arc<str>, service: Arc<str>, workers: usize) -> Self {
        Self { route, service, shards: (0..workers).map(|_| OnceLock::new()).collect() }
    }

    /// Count an exchange that is over: what was answered, how long it took as a whole, until the upstream's response
    /// head, and what the gateway and its plugins added. Only worker `worker` may say so for itself.
    pub fn observe(&self, worker: usize, status: u16, total: Duration, upstream: Option<Duration>, gateway: Duration) {
        if let Some(shard) = self.shard(worker) {
            shard.codes.count(status);
            shard.total.observe(&shard::EXCHANGE_BOUNDS, total);
            shard.gateway.observe(&shard::GATEWAY_BOUNDS, gateway);
            if let Some(upstream) = upstream {
                shard.upstream.observe(&shard::EXCHANGE_BOUNDS, upstream);
            }
        }
    }

    /// Count bytes of bodies: `received` from the client, `sent` to it. Only worker `worker` may say so for itself.
    pub fn transferred(&self, worker: usize, received: u64, sent: u64) {
        if let Some(shard) = self.shard(worker) {
            add(&shard.bytes_in, received);
            add(&shard.bytes_out, sent);
        }
    }

    fn shard(&self, worker: usize) -> Option<&Shard> {
        self.shards.get(worker).map(|shard| &**shard.get_or_init(Box::default))
    }
}

/// The gauges and counters of one worker. Only that worker may change them; the guards stay on its thread. On cache
/// lines of its own.
#[derive(Debug, Default)]
#[repr(align(128))]
pub struct WorkerMetrics {
    connections_open: AtomicU64,
    connections: AtomicU64,
    exchanges: AtomicU64,
    requests: AtomicU64,
    upstream_fresh: AtomicU64,
    upstream_reused: AtomicU64,
    pool_idle: AtomicU64,
}

/// A client connection is open as long as this is there.
#[derive(Debug)]
pub struct OpenConnection(Arc<WorkerMetrics>, OnItsThread);

/// An exchange is under way as long as this is there.
#[derive(Debug)]
pub struct OpenExchange(Arc<WorkerMetrics>, OnItsThread);

/// What is written by one thread must not be dropped by another.
type OnItsThread = PhantomData<Rc<()>>;

impl WorkerMetrics {
    /// A client has connected.
    pub fn connection(self: &Arc<Self>) -> OpenConnection {
        add(&self.connections, 1);
        add(&self.connections_open, 1);
        OpenConnection(Arc::clone(self), PhantomData)
    }

    /// A request has come.
    pub fn exchange(self: &Arc<Self>) -> OpenExchange {
        add(&self.requests, 1);
        add(&self.exchanges, 1);
        OpenExchange(Arc::clone(self), PhantomData)
    }

    /// A connection to an upstream was put to use.
    pub fn upstream_connection(&self, connection: Connection) {
        match connection {
            Connection::Fresh => add(&self.upstream_fresh, 1),
            Connection::Reused => add(&self.upstream_reused, 1),
        }
    }

    /// So many connections are idle in the worker's pool.
    pub fn pool_idle(&self, connections: usize) {
        self.pool_idle.store(connections as u64, Ordering::Relaxed);
    }
}

impl Drop for OpenConnection {
    fn drop(&mut self) {
        subtract(&self.0.connections_open, 1);
    }
}

impl Drop for OpenExchange {
    fn drop(&mut self) {
        subtract(&self.0.exchanges, 1);
    }
}

#[cfg(test)]
mod tests;
