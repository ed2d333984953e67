//! Upstreams, their targets and health, and how services are talked to.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use http::uri::PathAndQuery;
use http::{HeaderName, HeaderValue};

use super::{CertificatePair, PemSource};
use crate::config::reader::Located;
use crate::config::values::{Authority, UpstreamName};

/// `[[upstreams]]`
#[derive(Debug)]
pub struct Upstream {
    /// What a service's URL says as its host.
    pub name: Located<UpstreamName>,
    /// At least one.
    pub targets: Vec<Target>,
    /// Who gets the next request.
    pub balance: Balance,
    /// How it is known whether a target works.
    pub health: Health,
    /// How long a target that came back takes until it gets its whole share.
    pub slow_start: Option<Duration>,
}

/// One server of an upstream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    /// Where it listens.
    pub address: TargetAddress,
    /// Share of the requests, relative to the other targets (Kong: 0 to 65535, default 100; 0 takes none).
    pub weight: u16,
}

/// Where a target listens.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum TargetAddress {
    /// A host and a port.
    Host(Authority),
    /// A unix socket.
    Unix(PathBuf),
    /// Whatever the SRV records of this name say.
    Service(String),
}

/// Who gets the next request (Kong: `algorithm`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Balance {
    /// By turns, as their weights say.
    RoundRobin,
    /// Whoever has the fewest, as their weights say.
    LeastConnections,
    /// Who is on the way of the request's hash. What is first in the list and there in the request is hashed.
    ConsistentHash(Vec<HashOn>),
    /// Whoever answered fastest of late, of two taken at random.
    Latency,
}

/// What of a request is hashed (Kong: `hash_on`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum HashOn {
    /// This header's value.
    Header(HeaderName),
    /// This cookie's value.
    Cookie(String),
    /// The client's address.
    Address,
    /// The path.
    Path,
    /// The consumer's username.
    Consumer,
}

/// `upstreams.health`
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Health {
    /// By asking.
    pub active: Option<Active>,
    /// By what requests come to.
    pub passive: Option<Passive>,
    /// Percent of the weight that must be healthy for the upstream to be used at all (Kong: `threshold`).
    pub threshold: u8,
}

/// `upstreams.health.active`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Active {
    /// What is asked.
    pub probe: Probe,
    /// Between two probes.
    pub interval: Duration,
    /// How long one may take.
    pub timeout: Duration,
    /// Good probes in a row that make a target healthy.
    pub successes: u32,
    /// Bad probes in a row that make a target unhealthy.
    pub failures: u32,
}

/// What an active check asks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Probe {
    /// Whether it accepts connections.
    Tcp,
    /// Whether GET of this path, as this host, answers with one of these statuses.
    Http {
        /// Over TLS.
        https: bool,
        /// With its query.
        path: PathAndQuery,
        /// `Host`; the target's own name otherwise.
        host: Option<HeaderValue>,
        /// What is good.
        statuses: Vec<u16>,
    },
}

/// `upstreams.health.passive`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Passive {
    /// This many failures …
    pub failures: u32,
    /// … within this time take a target out …
    pub within: Duration,
    /// … for this long; then one request tries it.
    pub recover: Duration,
    /// Statuses that count as failures, besides connections and answers that failed.
    pub statuses: Vec<u16>,
}

/// How long the steps of an exchange with an upstream may take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Timeouts {
    /// TCP and TLS handshake together; also the wait for a name's first address.
    pub connect: Duration,
    /// From the request's last byte to the response's head.
    pub response: Duration,
    /// Between two pieces of the response's body.
    pub idle: Duration,
    /// Between two pieces of an upgraded connection, either way.
    pub tunnel: Duration,
}

/// What happens after an attempt that failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Retries {
    /// How many more attempts a request gets (Kong: `retries`).
    pub count: u32,
    /// A body up to this many bytes is kept to be sent again.
    pub buffer: usize,
}

/// What is spoken to targets.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum HttpVersion {
    /// HTTP/1.1.
    One,
    /// HTTP/2: by ALPN over TLS, by prior knowledge in the clear.
    Two,
    /// Over TLS, what ALPN brings; HTTP/1.1 in the clear.
    Auto,
}

/// `services.tls`: how https is spoken to targets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServiceTls {
    /// Authorities that may have issued a target's certificate; none: the system's.
    pub ca: Vec<Located<PemSource>>,
    /// What the gateway shows.
    pub certificate: Option<CertificatePair>,
    /// The name asked for by SNI and looked for in the certificate; `None`: the host of the service's URL.
    pub server_name: Option<Located<String>>,
    /// Whether the certificate is looked at at all.
    pub verify: bool,
}

/// `[dns]`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Dns {
    /// Asked instead of those in /etc/resolv.conf.
    pub nameservers: Vec<SocketAddr>,
    /// For one lookup.
    pub timeout: Duration,
    /// How long an address is used beyond its TTL while its name cannot be resolved.
    pub stale: Duration,
}
