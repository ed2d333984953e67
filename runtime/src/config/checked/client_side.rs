//! Listeners, what clients may do, and where exchanges are logged.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use super::{CertificatePair, PemSource};
use crate::config::reader::Located;
use crate::config::values::Bind;
use crate::limits;

/// `[[listeners]]`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listener {
    /// Where clients connect.
    pub address: Bind,
    /// `None`: plain HTTP.
    pub tls: Option<ServerTls>,
    /// Whether HTTP/2 is spoken: by ALPN over TLS, by prior knowledge in the clear.
    pub http2: bool,
    /// Whether every connection begins with a PROXY protocol header, which is then taken from trusted proxies only.
    pub proxy_protocol: bool,
}

/// `listeners.tls`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServerTls {
    /// The first is for clients that name no host, or one that nobody has a certificate for. None: the listener has
    /// only what all share.
    pub certificates: Vec<CertificatePair>,
    /// Whether clients show certificates, too.
    pub client_auth: ClientAuth,
    /// Whether TLS 1.2 is refused.
    pub only_tls13: bool,
}

/// Whether clients have to show a certificate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ClientAuth {
    /// They are not asked.
    None,
    /// They may; what they show must be issued by one of these authorities.
    Optional(Vec<Located<PemSource>>),
    /// They must.
    Required(Vec<Located<PemSource>>),
}

/// `[limits]`: what a client may ask for, and how long it may take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ClientLimits {
    /// Connections that one worker serves at a time.
    pub connections_per_worker: usize,
    /// Largest head of a request, in bytes.
    pub header_bytes: usize,
    /// Most header fields of a request.
    pub headers: usize,
    /// Longest target of a request, in bytes.
    pub uri_bytes: usize,
    /// Largest body of a request, in bytes; `None`: any.
    pub body_bytes: Option<u64>,
    /// A request's head must be there this long after its first byte.
    pub header_timeout: Duration,
    /// A connection without a request is closed after this.
    pub keepalive_timeout: Duration,
    /// The longest pause between two pieces of a request's body.
    pub body_idle_timeout: Duration,
    /// The whole of a request's body must be there after this.
    pub body_timeout: Duration,
    /// Largest head of a response, in bytes.
    pub upstream_header_bytes: usize,
    /// Requests in flight have this long to end when the gateway stops.
    pub drain_timeout: Duration,
    /// A new process that takes over has this long to serve.
    pub handover_timeout: Duration,
}

impl Default for ClientLimits {
    fn default() -> Self {
        Self {
            connections_per_worker: limits::CONNECTIONS_PER_WORKER,
            header_bytes: limits::HEAD_BYTES,
            headers: limits::HEADERS,
            uri_bytes: limits::URI_BYTES,
            body_bytes: None,
            header_timeout: limits::HEADER_TIMEOUT,
            keepalive_timeout: limits::KEEPALIVE_TIMEOUT,
            body_idle_timeout: limits::BODY_IDLE_TIMEOUT,
            body_timeout: limits::BODY_TIMEOUT,
            upstream_header_bytes: limits::HEAD_BYTES,
            drain_timeout: limits::DRAIN_TIME,
            handover_timeout: limits::HANDOVER_TIME,
        }
    }
}

/// `[access_log]`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AccessLog {
    /// `None`: there is none.
    pub target: Option<LogTarget>,
    /// Whether lines are for people; `None`: if they go to a terminal.
    pub text: Option<bool>,
    /// Whether lines have the query, which may hold keys and other secrets.
    pub query: bool,
}

/// Where the access log goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LogTarget {
    /// Standard output.
    Stdout,
    /// A file, appended to.
    File(PathBuf),
}

impl Listener {
    /// The TCP address, if it is one.
    pub fn tcp(&self) -> Option<SocketAddr> {
        match &self.address {
            Bind::Tcp(address) => Some(*address),
            Bind::Unix(_) => None,
        }
    }
}
