//! Names of upstream targets become addresses. The control plane asks, in the background, and keeps each name resolved
//! for as long as it is in use (`follow`); requests take what is there. Answers live as long as their TTL says, and one
//! lookup is in flight per name, however many ask.

mod cache;
mod fault;
mod follow;
mod hosts;
mod lookup;
mod servers;

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use hickory_resolver::proto::rr::RData;
use hickory_resolver::proto::rr::rdata::SRV;
use tokio::runtime::Handle;
use tokio::sync::watch;
use tokio::time::{Instant, timeout, timeout_at};

pub use fault::{Fault, Kind, SetupError};
pub use follow::{Interest, follow};

use cache::{Cache, Entry, Flight, Key, Outcome};
use fault::Failed;
use lookup::{Lookup, Wanted};

use crate::limits;

/// Whom to ask, and how long to wait and to believe.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Name servers. Empty: those of /etc/resolv.conf, with its `search`, `ndots`, `timeout` and `attempts`.
    pub nameservers: Vec<SocketAddr>,
    /// Domains that names with few dots are tried under, in this order. `None`: those of /etc/resolv.conf if the name
    /// servers come from there, none otherwise.
    pub search: Option<Vec<String>>,
    /// The longest that one name may take, all servers, attempts and domains together.
    pub timeout: Duration,
    /// How long an answer is served beyond its TTL while the name cannot be resolved.
    pub stale: Duration,
    /// The hosts file, which goes before the DNS. `None`: there is none.
    pub hosts: Option<PathBuf>,
}

impl Default for Settings {
    /// What the machine's other programs see; 5 seconds, and stale for an hour (Kong: `dns_stale_ttl`, 3600).
    fn default() -> Self {
        Self {
            nameservers: Vec::new(),
            search: None,
            timeout: Duration::from_secs(5),
            stale: Duration::from_secs(60 * 60),
            hosts: Some(PathBuf::from("/etc/hosts")),
        }
    }
}

/// What is to be resolved.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Query {
    /// A and AAAA records of `name`.
    Host {
        /// A name, or an address as it stands in a URL.
        name: String,
        /// The port of the resulting addresses.
        port: u16,
    },
    /// SRV records of `name`, and the addresses of their targets.
    Service {
        /// Like `_http._tcp.orders.example.com`.
        name: String,
    },
}

impl fmt::Display for Query {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Host { name, port } => write!(f, "{name}:{port}"),
            Self::Service { name } => write!(f, "{name} (SRV)"),
        }
    }
}

/// One address of a name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Resolved {
    /// Where to connect.
    pub address: SocketAddr,
    /// Share of the requests, relative to the others of the answer, at least 1. An SRV record's weight, each address
    /// of its target having all of it (0 counts as 1, as in Kong); 1 otherwise.
    pub weight: u16,
}

/// What a name stands for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// At least one, at most `limits::DNS_ADDRESSES`; sorted and without duplicates, so that records that merely
    /// changed places make the same answer.
    pub addresses: Vec<Resolved>,
    /// When to ask again.
    pub valid_until: Instant,
}

impl Answer {
    fn new(mut addresses: Vec<Resolved>, valid_until: Instant) -> Self {
        addresses.sort_unstable();
        addresses.dedup_by(|next, kept| {
            let same = next.address == kept.address;
            if same {
                kept.weight = kept.weight.saturating_add(next.weight);
            }
            same
        });
        addresses.truncate(limits::DNS_ADDRESSES);
        Self { addresses, valid_until }
    }
}

/// Resolves names. Clones share their answers.
#[derive(Clone)]
pub struct Resolver(Arc<Shared>);

struct Shared {
    lookup: Lookup,
    cache: Cache,
    /// Lookups run here, whichever runtime asks: the sockets belong to it, and who asks may go away meanwhile.
    runtime: Handle,
    timeout: Duration,
    stale: Duration,
}

impl Resolver {
    /// A resolver whose lookups run on the runtime this is called on.
    ///
    /// # Errors
    /// No name servers, or search domains that are none.
    pub fn new(settings: &Settings) -> Result<Self, SetupError> {
        Ok(Self(Arc::new(Shared {
            lookup: Lookup::new(settings)?,
            cache: Cache::default(),
            runtime: Handle::try_current().map_err(|_| SetupError::NoRuntime)?,
            // Bounded, so that adding them to a moment cannot overflow.
            timeout: settings.timeout.min(DECADE),
            stale: settings.stale.min(DECADE),
        })))
    }

    /// Tells it from all others that there are now. Clones are the same one.
    pub fn id(&self) -> usize {
        Arc::as_ptr(&self.0).addr()
    }

    /// The addresses of `host`, each with `port`. An address, in brackets or not, is its own answer and valid for ever.
    /// Of a name, the hosts file is asked first, then the DNS for A and AAAA, search domains included.
    ///
    /// # Errors
    /// There are none, or nobody knows; see [`Kind`].
    pub async fn addresses(&self, host: &str, port: u16) -> Result<Answer, Fault> {
        if let Some(ip) = literal(host) {
            let addresses = vec![Resolved { address: SocketAddr::new(ip, port), weight: 1 }];
            return Ok(Answer { addresses, valid_until: Instant::now() + DECADE });
        }
        let answer = self.0.clone().join(Key::host(host)).outcome().await?;
        let with_port = |ip: &Resolved| Resolved { address: SocketAddr::new(ip.address.ip(), port), ..*ip };
        Ok(Answer { addresses: answer.addresses.iter().map(with_port).collect(), valid_until: answer.valid_until })
    }

    /// The addresses of the targets that SRV records of `name` list: those of the best priority of which any target
    /// has addresses (RFC 2782).
    ///
    /// # Errors
    /// No records, no target with addresses, or nobody knows; see [`Kind`].
    pub async fn service(&self, name: &str) -> Result<Answer, Fault> {
        self.0.clone().join(Key::service(name)).outcome().await.map(Arc::unwrap_or_clone)
    }

    /// Whatever `query` asks for.
    ///
    /// # Errors
    /// Those of [`Self::addresses`] and [`Self::service`].
    pub async fn resolve(&self, query: &Query) -> Result<Answer, Fault> {
        match query {
            Query::Host { name, port } => self.addresses(name, *port).await,
            Query::Service { name } => self.service(name).await,
        }
    }
}

impl Shared {
    /// The lookup of `key`: the one that was already made, or is under way, or a new one.
    fn join(self: Arc<Self>, key: Key) -> Flight {
        match self.cache.enter(&key, Instant::now()) {
            Entry::Join(flight) => flight,
            Entry::Lead(landing, flight) => {
                let runtime = self.runtime.clone();
                // Nobody has to end it: it ends by itself within `timeout`, or with its runtime.
                drop(runtime.spawn(self.fly(key, landing)));
                flight
            }
            Entry::Full => {
                let words = format!("{} other names are being looked up", limits::DNS_NAMES);
                Flight::Landed(Err(self.fault(&key, Failed::new(Kind::Failed, words), Instant::now())))
            }
        }
    }

    async fn fly(self: Arc<Self>, key: Key, landing: watch::Sender<Option<Outcome>>) {
        let since = Instant::now();
        let outcome = match &key {
            Key::Host(name) => self.host(name).await,
            Key::Service(name) => self.listed(name, since).await,
        };
        let outcome = outcome.map(Arc::new).map_err(|failed| self.fault(&key, failed, since));
        self.cache.land(key, outcome.clone(), Instant::now());
        landing.send_replace(Some(outcome));
    }

    /// The answer has port 0: ports are the askers' own.
    async fn host(&self, name: &str) -> Result<Answer, Failed> {
        let found = timeout(self.timeout, self.lookup.records(name, Wanted::Addresses)).await;
        let found = found.unwrap_or_else(|_| Err(Failed::new(Kind::Timeout, "")))?;
        let address = |ip: IpAddr| Resolved { address: SocketAddr::new(ip, 0), weight: 1 };
        // Each once: only SRV records that name the same address twice add up.
        let mut ips: Vec<IpAddr> = found.records.iter().filter_map(RData::ip_addr).collect();
        ips.sort_unstable();
        ips.dedup();
        Ok(Answer::new(ips.into_iter().map(address).collect(), Instant::now() + found.ttl))
    }

    async fn listed(self: &Arc<Self>, name: &str, since: Instant) -> Result<Answer, Failed> {
        let deadline = since + self.timeout;
        let found = timeout_at(deadline, self.lookup.records(name, Wanted::Service)).await;
        let found = found.unwrap_or_else(|_| Err(Failed::new(Kind::Timeout, "")))?;
        let mut until = Instant::now() + found.ttl;
        // A target of "." says that there is no such service here (RFC 2782).
        let mut targets: Vec<&SRV> = found.records.iter().filter_map(target).collect();
        targets.sort_unstable_by_key(|srv| (srv.priority, srv.target.to_ascii(), srv.port, srv.weight));
        targets.dedup();
        targets.truncate(limits::DNS_SERVICE_TARGETS);

        let mut worst: Option<Failed> = None;
        for group in targets.chunk_by(|a, b| a.priority == b.priority) {
            match self.group(group, until, deadline).await {
                Ok(answer) => return Ok(answer),
                Err(failed) => {
                    // Those of less priority stand in, but not for long.
                    until = until.min(Instant::now() + limits::DNS_PARTIAL_TTL);
                    worst = Some(failed.or_worse_than(worst));
                }
            }
        }
        Err(worst.unwrap_or_else(|| Failed::new(Kind::NoRecords, "")))
    }

    /// The addresses of all targets of one priority that have any.
    async fn group(self: &Arc<Self>, group: &[&SRV], mut until: Instant, deadline: Instant) -> Result<Answer, Failed> {
        // All are on their way before the first is waited for.
        let flights: Vec<_> =
            group.iter().map(|srv| (*srv, self.clone().join(Key::host(&srv.target.to_ascii())))).collect();
        let mut addresses = Vec::new();
        let mut worst: Option<Failed> = None;
        for (srv, flight) in flights {
            match timeout_at(deadline, flight.outcome()).await {
                Ok(Ok(answer)) => {
                    until = until.min(answer.valid_until);
                    let weight = srv.weight.max(1);
                    let with_port = |ip: &Resolved| SocketAddr::new(ip.address.ip(), srv.port);
                    addresses.extend(answer.addresses.iter().map(|ip| Resolved { address: with_port(ip), weight }));
                }
                missed => {
                    until = until.min(Instant::now() + limits::DNS_PARTIAL_TTL);
                    let failed = match missed {
                        Ok(Err(fault)) => Failed::new(fault.kind, format!("of its target {fault}")),
                        _ => Failed::new(Kind::Timeout, format!("of its target {}", srv.target)),
                    };
                    worst = Some(failed.or_worse_than(worst));
                }
            }
        }
        match worst {
            Some(worst) if addresses.is_empty() => Err(worst),
            _ => Ok(Answer::new(addresses, until)),
        }
    }

    fn fault(&self, key: &Key, failed: Failed, since: Instant) -> Fault {
        let (name, wanted) = match key {
            Key::Host(name) => (name, Wanted::Addresses),
            Key::Service(name) => (name, Wanted::Service),
        };
        let asked = self.lookup.candidates(name).iter().map(ToString::to_string).collect();
        Fault::new(failed, name, wanted.record_types(), asked, self.lookup.servers(), since.elapsed())
    }
}

fn target(record: &RData) -> Option<&SRV> {
    match record {
        RData::SRV(srv) if !srv.target.is_root() => Some(srv),
        _ => None,
    }
}

/// The address that `host` is, in brackets or not.
fn literal(host: &str) -> Option<IpAddr> {
    let bare = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
    bare.parse().ok()
}

/// For ever, within what clocks can surely count.
const DECADE: Duration = Duration::from_secs(10 * 365 * 24 * 60 * 60);

#[cfg(test)]
mod tests;
