//! What operators and their machines may ask the gateway: metrics, status, readiness, failures. A small server of the
//! control plane's; it only reads, and no request of a client's ever waits for it.

use std::io;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;
use http::{Method, Request, Response, StatusCode};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::limits;
use crate::observe::failures::Failures;
use crate::observe::metrics::{Extra, Metrics, TargetState};
use crate::proposal::Configuration;

mod answer;
mod query;

use answer::Answer;

/// What the answers are made of.
pub struct Admin {
    /// The process's.
    pub metrics: Arc<Metrics>,
    /// The process's.
    pub failures: Arc<Failures>,
    /// The rest, which changes as the gateway runs.
    pub gateway: Arc<dyn View>,
    /// What is looked at and changed.
    pub configuration: Configuration,
    /// The gateway's version.
    pub version: &'static str,
    /// Worker threads.
    pub workers: usize,
    /// When the gateway started.
    pub started: Instant,
    /// The names by which this server may be asked, besides "localhost" and any address: the host of `admin.address`,
    /// if it is a name.
    pub hosts: Vec<String>,
    /// One scrape at a time: each takes memory and a thread.
    pub scrapes: Semaphore,
}

/// The gateway as seen from here. Nothing in it may block.
pub trait View: Send + Sync + 'static {
    /// The live generation's number.
    fn generation(&self) -> u64;
    /// Whether clients should be sent here.
    fn readiness(&self) -> Readiness;
    /// Lines of the access log that were lost.
    fn access_log_dropped(&self) -> u64;
    /// All targets of the live generation.
    fn targets(&self) -> Vec<TargetState>;
}

/// Whether clients should be sent here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Readiness {
    /// They should.
    Ready,
    /// They should not: the gateway finishes what it has, then stops.
    Draining,
}

impl Admin {
    /// With the usual number of scrapes at a time, and no names but "localhost".
    pub fn new(
        metrics: Arc<Metrics>,
        failures: Arc<Failures>,
        gateway: Arc<dyn View>,
        configuration: Configuration,
        version: &'static str,
        workers: usize,
    ) -> Self {
        let (started, scrapes) = (Instant::now(), Semaphore::new(1));
        Self { metrics, failures, gateway, configuration, version, workers, started, hosts: Vec::new(), scrapes }
    }

    /// Serve on `listener` until `end`; then answer what has been asked, and return.
    ///
    /// # Errors
    /// The listener is none that can be waited for.
    pub async fn serve(self: Arc<Self>, listener: std::net::TcpListener, end: CancellationToken) -> io::Result<()> {
        listener.set_nonblocking(true)?;
        let listener = TcpListener::from_std(listener)?;
        let permits = Arc::new(Semaphore::new(limits::ADMIN_CONNECTIONS));
        let connections = TaskTracker::new();
        // Cancelling loses at most a connection that has not said anything yet.
        while let Some(Ok(permit)) = end.run_until_cancelled(Arc::clone(&permits).acquire_owned()).await {
            let Some(accepted) = end.run_until_cancelled(listener.accept()).await else { break };
            match accepted {
                Ok((stream, _)) => {
                    let connection = Arc::clone(&self).connection(stream, end.clone());
                    connections.spawn(async move {
                        connection.await;
                        drop(permit);
                    });
                }
                Err(error) => {
                    tracing::warn!(%error, "the admin API could not accept a connection");
                    sleep(limits::ACCEPT_BACKOFF).await;
                }
            }
        }
        drop(listener);
        connections.close();
        // Each has a deadline of its own.
        connections.wait().await;
        Ok(())
    }

    /// Serve one connection for its time.
    async fn connection(self: Arc<Self>, stream: TcpStream, end: CancellationToken) {
        let service = service_fn(move |request| {
            let admin = Arc::clone(&self);
            async move { Ok::<_, std::convert::Infallible>(admin.answer(&request).await) }
        });
        let connection = http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(limits::ADMIN_HEAD_TIMEOUT)
            .max_buf_size(limits::ADMIN_HEAD_BYTES)
            .serve_connection(TokioIo::new(stream), service);
        let mut connection = std::pin::pin!(connection);
        // All branches leave the connection where it is, so nothing is lost by the others being dropped.
        let ended = tokio::select! {
            ended = &mut connection => Some(ended),
            () = end.cancelled() => None,
            () = sleep(limits::ADMIN_CONNECTION_TIME) => None,
        };
        let ended = match ended {
            Some(ended) => Ok(ended),
            None => {
                connection.as_mut().graceful_shutdown();
                timeout(limits::ADMIN_LAST_ANSWER, connection).await
            }
        };
        match ended {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::debug!(%error, "admin connection ended"),
            Err(_) => tracing::debug!("admin connection cut off: its client does not read"),
        }
    }

    async fn answer(&self, request: &Request<Incoming>) -> Response<http_body_util::Full<Bytes>> {
        let answer = match self.check_host(request) {
            Ok(()) => self.look_up(request).await,
            Err(refusal) => refusal,
        };
        answer.into_response(request.method())
    }

    async fn look_up(&self, request: &Request<Incoming>) -> Answer {
        let path = request.uri().path();
        if !["/metrics", "/status", "/ready", "/failures"].contains(&path) {
            return Answer::message(StatusCode::NOT_FOUND, "Not found");
        }
        if ![Method::GET, Method::HEAD].contains(request.method()) {
            return Answer::message(StatusCode::METHOD_NOT_ALLOWED, "Method not allowed");
        }
        match path {
            "/metrics" => self.metrics().await,
            "/status" => self.status(),
            "/ready" => self.ready(),
            _ => self.failures(request.uri().query().unwrap_or_default()),
        }
    }

    async fn metrics(&self) -> Answer {
        let _permit = self.scrapes.acquire().await;
        let extra = Extra {
            version: self.version,
            generation: self.gateway.generation(),
            access_log_dropped: self.gateway.access_log_dropped(),
            targets: self.gateway.targets(),
        };
        let metrics = Arc::clone(&self.metrics);
        match tokio::task::spawn_blocking(move || metrics.render(extra)).await {
            Ok(page) => Answer::new(StatusCode::OK, Metrics::CONTENT_TYPE, page),
            Err(error) => {
                tracing::error!(%error, "no metrics");
                Answer::message(StatusCode::INTERNAL_SERVER_ERROR, "An unexpected error occurred")
            }
        }
    }

    fn status(&self) -> Answer {
        let totals = self.metrics.totals();
        Answer::json(
            StatusCode::OK,
            &serde_json::json!({
                "version": self.version,
                "generation": self.gateway.generation(),
                "uptime_seconds": self.started.elapsed().as_secs(),
                "workers": self.workers,
                "connections": { "open": totals.connections_open, "total": totals.connections },
                "requests": { "active": totals.exchanges, "total": totals.requests },
            }),
        )
    }

    fn ready(&self) -> Answer {
        match self.gateway.readiness() {
            Readiness::Ready => Answer::json(StatusCode::OK, &serde_json::json!({ "ready": true })),
            Readiness::Draining => Answer::json(
                StatusCode::SERVICE_UNAVAILABLE,
                &serde_json::json!({ "ready": false, "message": "draining" }),
            ),
        }
    }

    /// A list as Kong's admin API shows lists.
    fn failures(&self, query: &str) -> Answer {
        match query::failures(query) {
            Ok(query) => {
                let failures = self.failures.list(&query);
                let list: Vec<_> = failures.iter().map(|failed| &**failed).collect();
                Answer::json(StatusCode::OK, &serde_json::json!({ "data": list, "next": null }))
            }
            Err(problem) => Answer::message(StatusCode::BAD_REQUEST, &problem),
        }
    }

    /// A page from somewhere else may have its own name lead here (DNS rebinding), and a browser will let it read our
    /// answers; but it has to ask by that name. An address cannot be made to lead elsewhere.
    fn check_host(&self, request: &Request<Incoming>) -> Result<(), Answer> {
        let mut hosts = request.headers().get_all(http::header::HOST).iter();
        let host = match (hosts.next(), hosts.next()) {
            (Some(host), None) => host.to_str().ok().and_then(|host| host.parse::<http::uri::Authority>().ok()),
            // No browser speaks HTTP/1.0.
            (None, None) if request.version() == http::Version::HTTP_10 => return Ok(()),
            _ => None,
        };
        let Some(host) = host.filter(|host| !host.as_str().contains('@')) else {
            return Err(Answer::message(StatusCode::BAD_REQUEST, "the request needs one valid Host"));
        };
        // What an absolute target names goes before Host (RFC 9112, section 3.2.2), so both have to be ours.
        let names = [Some(&host), request.uri().authority()];
        match names.into_iter().flatten().find(|name| !self.is_ours(name.host())) {
            None => Ok(()),
            Some(foreign) => {
                let host = foreign.host();
                let message = format!("\"{host}\" is not a name of this admin API: ask it by address, or as localhost");
                Err(Answer::message(StatusCode::FORBIDDEN, &message))
            }
        }
    }

    fn is_ours(&self, host: &str) -> bool {
        let bare = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
        let named =
            self.hosts.iter().map(String::as_str).chain(["localhost"]).any(|own| own.eq_ignore_ascii_case(host));
        named || bare.parse::<IpAddr>().is_ok()
    }
}

#[cfg(test)]
mod tests;
