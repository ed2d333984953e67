//! Where a worker's exchanges end up: in the access log, in the metrics, in the failures of late, and, if they failed,
//! in the gateway's log. One record for all of them.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use tokio::time::Instant;

use super::connection::Client;
use super::ongoing::{Logged, Ongoing};
use crate::error::Failure;
use crate::host::exchange::{RequestId, protocol};
use crate::observe::Connection;
use crate::observe::access_log::Lines;
use crate::observe::failures::Failures;
use crate::observe::metrics::{Metrics, OpenConnection, OpenExchange, WorkerMetrics};
use crate::observe::record::{Failing, Record};

/// What one worker writes to.
pub struct Observer {
    worker: usize,
    lines: Lines,
    /// Whether lines have the query.
    query: bool,
    metrics: Arc<Metrics>,
    own: Arc<WorkerMetrics>,
    failures: Arc<Failures>,
}

impl Observer {
    /// For worker number `worker`.
    pub fn new(worker: usize, lines: Lines, query: bool, metrics: Arc<Metrics>, failures: Arc<Failures>) -> Self {
        let own = metrics.worker(worker);
        Self { worker, lines, query, metrics, own, failures }
    }

    /// A client has connected; it is counted as long as the guard is there.
    pub(super) fn connection(&self) -> OpenConnection {
        self.own.connection()
    }

    /// Whether there is an access log.
    pub(super) fn logged(&self) -> Logged {
        if self.lines.is_on() { Logged::Yes } else { Logged::No }
    }

    /// A request has come; it is counted as long as the guard is there.
    pub(super) fn exchange(&self) -> OpenExchange {
        self.own.exchange()
    }

    /// A request goes over such a connection.
    pub(super) fn upstream_connection(&self, connection: Connection) {
        self.own.upstream_connection(connection);
    }

    /// So many connections to upstreams wait for a request.
    pub(super) fn pool_idle(&self, connections: usize) {
        self.own.pool_idle(connections);
    }

    /// Hand over what is written so far.
    pub(super) fn flush(&self) {
        self.lines.flush();
    }

    /// A connection came to nothing before HTTP began.
    pub(super) fn handshake_failed(&self, peer: SocketAddr, problem: &str) {
        self.metrics.failure("handshake_failed", None);
        tracing::info!(%peer, "a connection failed before its first request: {problem}");
    }

    /// An HTTP/2 connection ended in disorder.
    pub(super) fn http2_failed(&self, client: SocketAddr, error: &hyper::Error) {
        let source = std::error::Error::source(error).map(ToString::to_string).unwrap_or_default();
        let protocol = std::error::Error::source(error)
            .and_then(|source| source.downcast_ref::<h2::Error>())
            .is_some_and(|error| !error.is_io() && (error.is_library() || error.is_remote()));
        if protocol {
            self.metrics.failure("request_invalid", None);
            tracing::info!(code = "request_invalid", %client, "an HTTP/2 connection failed: {error}: {source}");
        } else {
            tracing::debug!(%client, "an HTTP/2 connection ended: {error}: {source}");
        }
    }

    /// A request was refused before it was one.
    pub(super) fn refused(&self, client: &Client, id: RequestId, failure: &Failure, sent: usize) {
        let status = failure.cause.row().status.as_u16();
        let request_id = id.to_string();
        let record = Record {
            time: SystemTime::now(),
            request_id: &request_id,
            client: client.address.ip(),
            client_port: client.address.port(),
            peer: peer(client, client.address),
            scheme: if client.tls.is_some() { "https" } else { "http" },
            protocol: "HTTP/1.1",
            tls: client.tls.as_ref().map(|tls| tls.version()),
            method: "-",
            host: b"",
            path: "-",
            user_agent: None,
            referer: None,
            status,
            bytes_in: 0,
            bytes_out: sent as u64,
            route: None,
            service: None,
            chosen: None,
            consumer: None,
            upstream_status: None,
            attempts: &[],
            total: Duration::ZERO,
            upstream: None,
            plugins: Duration::ZERO,
            failure: Some(failing(failure)),
        };
        client.worker.snapshot().unrouted.observe(self.worker, status, Duration::ZERO, None, Duration::ZERO);
        self.write(&record);
    }

    /// An exchange is over.
    pub(super) fn over(&self, ongoing: &Ongoing, now: Instant) {
        let Ongoing { exchange, journal, client, .. } = ongoing;
        let total = now.saturating_duration_since(journal.begun);
        let bytes_in = journal.received();
        let upstream = journal.upstream.filter(|_| journal.upstream_status.is_some());
        let unrouted;
        let metrics = match &exchange.route {
            Some(route) => &route.metrics,
            None => {
                unrouted = Arc::clone(&client.worker.snapshot().unrouted);
                &unrouted
            }
        };
        let elsewhere = journal.answered.saturating_sub(journal.upstream.unwrap_or_default());
        metrics.observe(self.worker, journal.status, total, upstream, elsewhere);
        metrics.transferred(self.worker, bytes_in, journal.sent);
        if journal.failure.is_none() && self.logged() == Logged::No {
            return;
        }
        let record = Record {
            time: SystemTime::now().checked_sub(total).unwrap_or(SystemTime::UNIX_EPOCH),
            request_id: journal.id.to_str().unwrap_or_default(),
            client: exchange.client.ip(),
            client_port: exchange.client.port(),
            peer: peer(client, exchange.client),
            scheme: exchange.scheme.name(),
            protocol: protocol(journal.version),
            tls: client.tls.as_ref().map(|tls| tls.version()),
            method: journal.method.as_str(),
            host: journal.host.as_ref().map_or(b"", |host| host.as_bytes()),
            path: if self.query { journal.target.as_str() } else { journal.target.path() },
            user_agent: journal.user_agent.as_ref().map(|agent| agent.as_bytes()),
            referer: journal.referer.as_ref().map(|referer| referer.as_bytes()),
            status: journal.status,
            bytes_in,
            bytes_out: journal.sent,
            route: exchange.route.as_ref().map(|route| &*route.name),
            service: exchange.route.as_ref().map(|route| &*route.service.name),
            chosen: exchange.upstream.as_ref().map(|upstream| &*upstream.balancer.name),
            consumer: exchange.authenticated.as_ref().map(|known| &*known.consumer().username),
            upstream_status: journal.upstream_status,
            attempts: &journal.attempts,
            total,
            upstream,
            plugins: exchange.plugin_time,
            failure: journal.failure.as_ref().map(failing),
        };
        self.write(&record);
    }

    fn write(&self, record: &Record<'_>) {
        self.lines.push(record);
        let Some(failure) = &record.failure else { return };
        self.metrics.failure(failure.code, record.service);
        self.failures.push(record);
        let Record { status, route, service, request_id, client, method, .. } = record;
        let (code, phase, detail) = (failure.code, failure.phase.name(), failure.detail);
        let path = record.path.split('?').next().unwrap_or_default();
        if *status >= 500 {
            tracing::warn!(code, phase, status, route, service, request_id, %client, method, path, "{detail}");
        } else {
            tracing::info!(code, phase, status, route, service, request_id, %client, method, path, "{detail}");
        }
    }
}

/// Who is connected, if that is not who sent the request.
fn peer(client: &Client, sender: SocketAddr) -> Option<std::net::IpAddr> {
    (client.peer.ip() != sender.ip()).then(|| client.peer.ip())
}

fn failing(failure: &Failure) -> Failing<'_> {
    Failing { code: failure.cause.code(), phase: failure.phase, detail: &failure.detail }
}
