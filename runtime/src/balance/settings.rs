//! What the configuration says about balancing and health; Kong's `algorithm` and `healthchecks`.

use std::time::Duration;

use http::uri::PathAndQuery;
use http::{HeaderMap, HeaderValue};
use tokio_rustls::rustls::pki_types::ServerName;

/// How an upstream's requests are spread, and how its endpoints' health is found out.
#[derive(Debug, Clone, Default)]
pub struct Settings {
    /// Whose turn it is.
    pub algorithm: Algorithm,
    /// Health by what requests meet; `None`: failures eject nobody.
    pub passive: Option<Passive>,
    /// Health by probes; `None`: nobody is probed.
    pub active: Option<Active>,
    /// How long a new or recovered endpoint takes to its full share, beginning with a tenth of it.
    pub slow_start: Option<Duration>,
    /// Percent of the weight that must be healthy for the upstream to be used at all (Kong: `threshold`, 0).
    pub threshold: u8,
}

/// Whose turn it is. What is hashed for `ConsistentHash` is up to the caller.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Algorithm {
    /// By weight, evenly interleaved.
    #[default]
    RoundRobin,
    /// Who has the fewest requests in flight for its weight. Among more than `limits::LEAST_SCANNED` endpoints, the
    /// best of a few random ones.
    LeastConnections,
    /// The same endpoint for the same hash, as long as it is there and healthy; round-robin without a hash.
    ConsistentHash,
    /// The better of two random ones by recent latency, requests in flight and weight.
    Latency,
}

/// Health by what requests meet.
#[derive(Debug, Clone)]
pub struct Passive {
    /// So many failures within `within` eject an endpoint; at most `limits::PASSIVE_FAILURES`, 0: never.
    pub failures: u32,
    /// See `failures`.
    pub within: Duration,
    /// Answers that count as failures.
    pub statuses: Vec<u16>,
    /// Until an ejected endpoint gets one request for trial; times the ejections in a row, at most
    /// `limits::EJECTION_PAUSES` times. An ejection within this time of coming back is one in a row.
    pub recover: Duration,
}

impl Default for Passive {
    fn default() -> Self {
        let seconds = Duration::from_secs;
        Self { failures: 5, within: seconds(10), statuses: vec![500, 502, 503, 504], recover: seconds(10) }
    }
}

/// Health by probes. The defaults are Kong's where it has any.
#[derive(Debug, Clone)]
pub struct Active {
    /// What a probe does.
    pub kind: Probe,
    /// What it GETs; nothing with `Tcp`.
    pub path: PathAndQuery,
    /// Its Host; `None`: the target's name.
    pub host: Option<HeaderValue>,
    /// For the handshake of `Https`; `None`: the target's name without its port.
    pub server_name: Option<ServerName<'static>>,
    /// Sent along.
    pub headers: HeaderMap,
    /// Between two probes of an endpoint, give or take a tenth.
    pub interval: Duration,
    /// For all of one probe.
    pub timeout: Duration,
    /// What makes an endpoint healthy.
    pub healthy: HealthyWhen,
    /// What makes it unhealthy.
    pub unhealthy: UnhealthyWhen,
    /// Probes of one upstream at a time.
    pub concurrency: usize,
}

/// What a probe does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Probe {
    /// GET over plain HTTP/1.1.
    Http,
    /// The same over TLS.
    Https,
    /// Connects, and no more.
    Tcp,
}

/// What makes an endpoint healthy.
#[derive(Debug, Clone)]
pub struct HealthyWhen {
    /// Probes in a row. 0 leaves it to traffic to end what traffic began; what probes took out, one brings back.
    pub successes: u32,
    /// Answers that count. A status neither here nor in `unhealthy` says nothing.
    pub statuses: Vec<u16>,
}

/// What makes an endpoint unhealthy.
#[derive(Debug, Clone)]
pub struct UnhealthyWhen {
    /// Probes in a row, 0: never. A refused connection and a timeout count like a status.
    pub failures: u32,
    /// Answers that count.
    pub statuses: Vec<u16>,
}

impl Default for Active {
    fn default() -> Self {
        Self {
            kind: Probe::Http,
            path: PathAndQuery::from_static("/"),
            host: None,
            server_name: None,
            headers: HeaderMap::new(),
            interval: Duration::from_secs(5),
            timeout: Duration::from_secs(1),
            healthy: HealthyWhen { successes: 2, statuses: vec![200, 302] },
            unhealthy: UnhealthyWhen { failures: 3, statuses: vec![404, 429, 500, 501, 502, 503, 504, 505] },
            concurrency: 10,
        }
    }
}
