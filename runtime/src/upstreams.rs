//! The upstreams of a generation, alive: their balancers, the tasks that keep names resolved and probe targets, and the
//! budget for retries. An upstream whose settings did not change is the same one in the next generation.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::net::IpAddr;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

use http::header::COOKIE;
use tokio::runtime::Handle;
use tokio::task::AbortHandle;
use tokio_rustls::TlsConnector;

use crate::balance::{self, Active, Address, Algorithm, At, HealthyWhen, Settings, TargetSpec, UnhealthyWhen};
use crate::config::Faults;
use crate::config::checked::{self, Balance, Dns, HashOn, Health, Probe, Target, TargetAddress};
use crate::dns::{self, Interest, Query, Resolver, follow};
use crate::host::exchange::Exchange;
use crate::limits;
use crate::transport::Transport;

/// One upstream.
pub struct Upstream {
    /// Who gets the next request.
    pub balancer: Arc<balance::Upstream>,
    hash_on: Vec<HashOn>,
    interests: Vec<Arc<Interest>>,
    /// One per worker.
    budgets: Box<[Budget]>,
    tasks: Vec<AbortHandle>,
}

impl Upstream {
    /// A request is on its way here.
    pub fn asked(&self, worker: usize) {
        self.interests.iter().for_each(|interest| interest.used());
        if let Some(budget) = self.budgets.get(worker) {
            budget.deposit();
        }
    }

    /// Whether one more attempt is within the budget; it is taken off it.
    pub fn may_retry(&self, worker: usize) -> bool {
        self.budgets.get(worker).is_some_and(Budget::withdraw)
    }

    /// What of the request decides about the target; `None` if nothing does.
    pub fn hash(&self, exchange: &Exchange) -> Option<u64> {
        self.hash_on.iter().find_map(|on| hash(on, exchange))
    }
}

impl Drop for Upstream {
    fn drop(&mut self) {
        self.tasks.iter().for_each(AbortHandle::abort);
    }
}

fn hash(on: &HashOn, exchange: &Exchange) -> Option<u64> {
    let request = &exchange.request;
    let mut hasher = DefaultHasher::new();
    match on {
        HashOn::Header(name) => hasher.write(request.headers.get(name)?.as_bytes()),
        HashOn::Cookie(name) => hasher.write(cookie(&request.headers, name)?.as_bytes()),
        HashOn::Address => exchange.client.ip().hash(&mut hasher),
        HashOn::Path => hasher.write(request.target.path().as_bytes()),
        HashOn::Consumer => hasher.write(exchange.authenticated.as_ref()?.consumer().username.as_bytes()),
    }
    Some(hasher.finish())
}

fn cookie<'h>(headers: &'h http::HeaderMap, name: &str) -> Option<&'h str> {
    let cookies = headers.get_all(COOKIE).iter().filter_map(|value| value.to_str().ok());
    let mut pairs = cookies.flat_map(|value| value.split(';')).filter_map(|pair| pair.trim().split_once('='));
    pairs.find(|(key, _)| *key == name).map(|(_, value)| value)
}

/// Retries that a worker may make, in hundredths of one: a share of its requests, and a few per second in any case.
/// Written by its worker only; on a cache line of its own.
#[repr(align(64))]
struct Budget {
    hundredths: AtomicI64,
    /// Milliseconds since `begun` at which the reserve was last added.
    refilled: AtomicU64,
    begun: Instant,
}

impl Budget {
    /// Ten seconds' reserve.
    const MOST: i64 = limits::RETRY_BUDGET_RESERVE as i64 * 10 * 100;

    fn new() -> Self {
        Self { hundredths: AtomicI64::new(Self::MOST), refilled: AtomicU64::new(0), begun: Instant::now() }
    }

    fn deposit(&self) {
        self.add(i64::from(limits::RETRY_BUDGET_PERCENT));
    }

    fn withdraw(&self) -> bool {
        let now = u64::try_from(self.begun.elapsed().as_millis()).unwrap_or(u64::MAX);
        let since = now.saturating_sub(self.refilled.swap(now, Ordering::Relaxed));
        let reserve = since.saturating_mul(limits::RETRY_BUDGET_RESERVE.into()) / 10;
        self.add(i64::try_from(reserve).unwrap_or(Self::MOST));
        let left = self.hundredths.load(Ordering::Relaxed) - 100;
        if left >= 0 {
            self.hundredths.store(left, Ordering::Relaxed);
        }
        left >= 0
    }

    fn add(&self, hundredths: i64) {
        let sum = self.hundredths.load(Ordering::Relaxed).saturating_add(hundredths).min(Self::MOST);
        self.hundredths.store(sum, Ordering::Relaxed);
    }
}

/// Whether an upstream is one that services lead to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Named {
    /// Some service's URL has its name.
    ByServices,
    /// Only a plugin can choose it.
    ByNobody,
}

/// Every upstream that is in use, and what they need.
pub struct Upstreams {
    /// Where their tasks run; `None`: nothing is to be served.
    control: Option<Handle>,
    workers: usize,
    known: Vec<Known>,
    resolver: Option<(Dns, Resolver)>,
}

struct Known {
    name: String,
    spec: Spec,
    upstream: Weak<Upstream>,
}

/// All that makes a difference.
#[derive(PartialEq)]
struct Spec {
    targets: Vec<Target>,
    balance: Balance,
    health: Health,
    slow_start: Option<Duration>,
    dns: Dns,
    /// What TLS probes are made with.
    transport: Option<u32>,
}

impl Upstreams {
    /// For so many workers; tasks run on `control`, if there is anything to be served.
    pub fn new(control: Option<Handle>, workers: usize) -> Self {
        Self { control, workers, known: Vec::new(), resolver: None }
    }

    /// The upstream that was configured as `listed`. `transport` is that of a service that speaks TLS to it.
    pub fn upstream(
        &mut self,
        listed: &checked::Upstream,
        named: Named,
        transport: Option<&Arc<Transport>>,
        dns: &Dns,
        faults: &Faults,
    ) -> Arc<Upstream> {
        let https = |active: &checked::Active| matches!(active.probe, Probe::Http { https: true, .. });
        let mut health = listed.health.clone();
        if listed.health.active.as_ref().is_some_and(https) && transport.is_none() {
            match named {
                Named::ByServices => {
                    let help =
                        "probes speak TLS as the services do; let one's url begin with https:, or type = \"http\"";
                    faults.at_with_help(&listed.name.span, "https probes, but no service speaks https to it", help);
                }
                // No fault: a service that is taken out for a while leaves its upstream behind.
                Named::ByNobody => {
                    let upstream = &*listed.name.value.0;
                    tracing::warn!(upstream, "not probed: its probes are https, and no service speaks https to it");
                    health.active = None;
                }
            }
        }
        let spec = Spec {
            targets: listed.targets.clone(),
            balance: listed.balance.clone(),
            health,
            slow_start: listed.slow_start,
            dns: dns.clone(),
            transport: transport.map(|transport| transport.id),
        };
        self.known(&format!("upstream {}", listed.name.value), &listed.name.value.0, spec, transport, faults)
    }

    /// The one target of a service whose URL names no upstream.
    pub fn of_service(&mut self, service: &checked::Service, dns: &Dns, faults: &Faults) -> Arc<Upstream> {
        let target = Target { address: service.url.value.address.clone(), weight: 1 };
        let spec = Spec {
            targets: vec![target],
            balance: Balance::RoundRobin,
            health: Health::default(),
            slow_start: None,
            dns: dns.clone(),
            transport: None,
        };
        let name = service.name.value.as_str();
        self.known(&format!("service {name}"), name, spec, None, faults)
    }

    fn known(
        &mut self,
        key: &str,
        name: &str,
        spec: Spec,
        transport: Option<&Arc<Transport>>,
        faults: &Faults,
    ) -> Arc<Upstream> {
        self.known.retain(|known| known.upstream.strong_count() > 0);
        let mut previous = None;
        for known in self.known.iter().filter(|known| known.name == key) {
            let Some(upstream) = known.upstream.upgrade() else { continue };
            if known.spec == spec {
                return upstream;
            }
            previous = Some(upstream);
        }
        let upstream = Arc::new(self.start(name, &spec, previous.as_deref(), transport, faults));
        self.known.push(Known { name: key.to_owned(), spec, upstream: Arc::downgrade(&upstream) });
        upstream
    }

    fn start(
        &mut self,
        name: &str,
        spec: &Spec,
        previous: Option<&Upstream>,
        transport: Option<&Arc<Transport>>,
        faults: &Faults,
    ) -> Upstream {
        let tls = transport.and_then(|transport| transport.tls.as_ref());
        let mut settings = settings(spec);
        if let (Some(active), Some(tls)) = (&mut settings.active, tls) {
            active.server_name = Some(tls.server_name.clone());
        }
        let targets: Vec<TargetSpec> = spec.targets.iter().map(target).collect();
        let previous = previous.map(|previous| &*previous.balancer);
        let balancer = Arc::new(balance::Upstream::new(name.into(), settings, targets, previous));
        let (mut interests, mut tasks) = (Vec::new(), Vec::new());
        for (position, target) in spec.targets.iter().enumerate() {
            let Some(query) = query(&target.address) else { continue };
            let (Some(resolver), Some(control)) = (self.resolver(&spec.dns, faults), &self.control) else { continue };
            let interest = Arc::new(Interest::new());
            let followed = Arc::clone(&balancer);
            let following = follow(resolver, query, Arc::clone(&interest), move |outcome| match outcome {
                Ok(answer) => {
                    let addresses: Vec<_> = answer.addresses.iter().map(|one| (one.address, one.weight)).collect();
                    followed.resolved(position, &addresses);
                }
                Err(fault) => followed.unresolved(position, fault.to_string().into()),
            });
            tasks.push(control.spawn(following).abort_handle());
            interests.push(interest);
        }
        if let (Some(control), Some(_)) = (&self.control, &spec.health.active) {
            // Probes speak HTTP/1, whatever services do.
            let connector = tls.map(|tls| {
                let mut config = (*tls.config).clone();
                config.alpn_protocols = vec![b"http/1.1".to_vec()];
                TlsConnector::from(Arc::new(config))
            });
            tasks.push(control.spawn(balance::probe(Arc::downgrade(&balancer), connector)).abort_handle());
        }
        let hash_on = match &spec.balance {
            Balance::ConsistentHash(hash_on) => hash_on.clone(),
            _ => Vec::new(),
        };
        let budgets = (0..self.workers).map(|_| Budget::new()).collect();
        Upstream { balancer, hash_on, interests, budgets, tasks }
    }

    /// Whoever resolves names by these settings; made when the first name needs it. `None`: nothing is to be served.
    pub fn resolver(&mut self, dns: &Dns, faults: &Faults) -> Option<Resolver> {
        if let Some((settings, resolver)) = &self.resolver
            && settings == dns
        {
            return Some(resolver.clone());
        }
        let _on_control = self.control.as_ref()?.enter();
        let settings = dns::Settings {
            nameservers: dns.nameservers.clone(),
            timeout: dns.timeout,
            stale: dns.stale,
            ..dns::Settings::default()
        };
        match Resolver::new(&settings) {
            Ok(resolver) => {
                self.resolver = Some((dns.clone(), resolver.clone()));
                Some(resolver)
            }
            Err(error) => {
                let help = "[dns] with nameservers = [\"10.0.0.2\"] goes before /etc/resolv.conf";
                faults.whole(format!("names cannot be resolved: {error}"), help);
                None
            }
        }
    }
}

fn target(target: &Target) -> TargetSpec {
    let at = match &target.address {
        TargetAddress::Unix(path) => At::Fixed(Address::Unix(path.as_path().into())),
        TargetAddress::Host(authority) => match literal(&authority.host) {
            Some(address) => At::Fixed(Address::Tcp((address, authority.port).into())),
            None => At::Named,
        },
        TargetAddress::Service(_) => At::Named,
    };
    TargetSpec { name: target.address.to_string().into(), weight: target.weight, at }
}

fn query(address: &TargetAddress) -> Option<Query> {
    match address {
        TargetAddress::Host(authority) if literal(&authority.host).is_none() => {
            Some(Query::Host { name: authority.host.clone(), port: authority.port })
        }
        TargetAddress::Service(name) => Some(Query::Service { name: name.clone() }),
        TargetAddress::Host(_) | TargetAddress::Unix(_) => None,
    }
}

fn literal(host: &str) -> Option<IpAddr> {
    host.trim_start_matches('[').trim_end_matches(']').parse().ok()
}

fn settings(spec: &Spec) -> Settings {
    Settings {
        algorithm: match spec.balance {
            Balance::RoundRobin => Algorithm::RoundRobin,
            Balance::LeastConnections => Algorithm::LeastConnections,
            Balance::ConsistentHash(_) => Algorithm::ConsistentHash,
            Balance::Latency => Algorithm::Latency,
        },
        passive: spec.health.passive.as_ref().map(|passive| balance::Passive {
            failures: passive.failures,
            within: passive.within,
            statuses: passive.statuses.clone(),
            recover: passive.recover,
        }),
        active: spec.health.active.as_ref().map(active),
        slow_start: spec.slow_start,
        threshold: spec.health.threshold,
    }
}

fn active(checked: &checked::Active) -> Active {
    let mut active = Active {
        interval: checked.interval,
        timeout: checked.timeout,
        healthy: HealthyWhen { successes: checked.successes, statuses: Vec::new() },
        unhealthy: UnhealthyWhen { failures: checked.failures, statuses: Vec::new() },
        ..Active::default()
    };
    match &checked.probe {
        Probe::Tcp => active.kind = balance::Probe::Tcp,
        Probe::Http { https, path, host, statuses } => {
            active.kind = if *https { balance::Probe::Https } else { balance::Probe::Http };
            active.path = path.clone();
            active.host.clone_from(host);
            active.healthy.statuses.clone_from(statuses);
            active.unhealthy.statuses = (100..600).filter(|status| !statuses.contains(status)).collect();
        }
    }
    active
}
