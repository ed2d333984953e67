//! Active health checks: the control plane runs one `probe` per upstream, which asks every endpoint how it is.

use std::io;
use std::pin::pin;
use std::sync::{Arc, Weak};

use bytes::Bytes;
use http::{Request, StatusCode, header};
use http_body_util::Empty;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpStream, UnixStream};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until, timeout};
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::pki_types::ServerName;

use super::endpoint::Endpoint;
use super::health::Verdict;
use super::settings::{Active, Probe};
use super::{Address, Upstream};
use crate::limits;

/// Probe the endpoints of `upstream` until it is gone: all of them, each interval, whoever they then are. Ends at once
/// if it has no active checks. `tls` is for `Probe::Https`. Dropping the future ends the probes under way.
pub async fn probe(upstream: Weak<Upstream>, tls: Option<TlsConnector>) {
    let Some(active) = upstream.upgrade().and_then(|upstream| upstream.settings().active.clone()) else { return };
    let active = Arc::new(active);
    let interval = active.interval.max(limits::PROBE_INTERVAL_MIN);
    // Many upstreams, and many gateways, start at the same moment; their probes need not.
    let mut next = Instant::now() + interval.mul_f64(fastrand::f64() / 10.0);
    loop {
        sleep_until(next).await;
        next = Instant::now() + interval.mul_f64(0.9 + fastrand::f64() / 5.0);
        // Held for a moment only: the probes of a slow round must not keep an old generation alive.
        let Some(endpoints) = upstream.upgrade().map(|upstream| upstream.endpoints()) else { return };
        round(&endpoints, &active, tls.as_ref()).await;
    }
}

async fn round(endpoints: &[Arc<Endpoint>], active: &Arc<Active>, tls: Option<&TlsConnector>) {
    let mut probes = JoinSet::new();
    for endpoint in endpoints {
        if probes.len() >= active.concurrency.max(1) {
            probes.join_next().await;
        }
        let (endpoint, active, tls) = (Arc::clone(endpoint), Arc::clone(active), tls.cloned());
        probes.spawn(async move {
            if let Some(verdict) = verdict(&endpoint, &active, tls).await {
                endpoint.probed(&active, verdict);
            }
        });
    }
    while probes.join_next().await.is_some() {}
}

/// What one probe finds; `None`: its status says nothing.
async fn verdict(endpoint: &Endpoint, active: &Active, tls: Option<TlsConnector>) -> Option<Verdict> {
    let words = |outcome: &dyn std::fmt::Display| match active.kind {
        Probe::Tcp => format!("probe by TCP: {outcome}"),
        Probe::Http | Probe::Https => format!("probe GET {}: {outcome}", active.path),
    };
    match timeout(active.timeout, ask(endpoint, active, tls)).await {
        Err(_) => Some(Verdict::Unhealthy(words(&format_args!("no answer within {:?}", active.timeout)))),
        Ok(Err(error)) => Some(Verdict::Unhealthy(words(&error))),
        Ok(Ok(Answer::Connected)) => Some(Verdict::Healthy(words(&"connected"))),
        Ok(Ok(Answer::Status(status))) => {
            let words = words(&status.as_u16());
            if active.unhealthy.statuses.contains(&status.as_u16()) {
                Some(Verdict::Unhealthy(words))
            } else if active.healthy.statuses.contains(&status.as_u16()) {
                Some(Verdict::Healthy(words))
            } else {
                None
            }
        }
    }
}

enum Answer {
    Connected,
    Status(StatusCode),
}

/// Why a probe got no answer.
#[derive(Debug, thiserror::Error)]
enum ProbeError {
    #[error("{0}")]
    Io(#[from] io::Error),
    #[error("{0}")]
    Http(#[from] hyper::Error),
    #[error("the request cannot be made: {0}")]
    Request(#[from] http::Error),
    #[error("there is no TLS to probe with")]
    NoTls,
}

async fn ask(endpoint: &Endpoint, active: &Active, tls: Option<TlsConnector>) -> Result<Answer, ProbeError> {
    match &endpoint.address {
        Address::Tcp(address) => talk(TcpStream::connect(address).await?, endpoint, active, tls).await,
        Address::Unix(path) => talk(UnixStream::connect(path).await?, endpoint, active, tls).await,
    }
}

async fn talk<S>(
    stream: S,
    endpoint: &Endpoint,
    active: &Active,
    tls: Option<TlsConnector>,
) -> Result<Answer, ProbeError>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    match active.kind {
        Probe::Tcp => Ok(Answer::Connected),
        Probe::Http => status(stream, endpoint, active).await,
        Probe::Https => {
            let name = active.server_name.clone().map_or_else(|| server_name(endpoint), Ok)?;
            let stream = tls.ok_or(ProbeError::NoTls)?.connect(name, stream).await?;
            status(stream, endpoint, active).await
        }
    }
}

/// The target's name without its port.
fn server_name(endpoint: &Endpoint) -> io::Result<ServerName<'static>> {
    let host = endpoint.name.rsplit_once(':').map_or(&*endpoint.name, |(host, _)| host);
    let host = host.trim_matches(['[', ']']).to_owned();
    ServerName::try_from(host).map_err(|error| io::Error::new(io::ErrorKind::InvalidInput, error))
}

/// The status that GET is answered with. The body is left where it is: the connection ends here.
async fn status<S>(stream: S, endpoint: &Endpoint, active: &Active) -> Result<Answer, ProbeError>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let mut request = Request::get(active.path.as_str()).body(Empty::<Bytes>::new())?;
    let headers = request.headers_mut();
    headers.extend(active.headers.clone());
    headers.insert(header::HOST, active.host.clone().map_or_else(|| host(endpoint), Ok)?);
    headers.insert(header::CONNECTION, header::HeaderValue::from_static("close"));
    headers.entry(header::USER_AGENT).or_insert(USER_AGENT);

    let client = http1::Builder::new().max_buf_size(limits::HEAD_BYTES).clone();
    let (mut sender, connection) = client.handshake(TokioIo::new(stream)).await?;
    let mut answer = pin!(sender.send_request(request));
    // Nothing is lost by cancelling: either future ends with the probe.
    let response = tokio::select! {
        biased;
        response = &mut answer => response?,
        // The connection may end in the same moment that the response arrives.
        _ = connection => answer.await?,
    };
    Ok(Answer::Status(response.status()))
}

fn host(endpoint: &Endpoint) -> Result<header::HeaderValue, http::Error> {
    match &endpoint.address {
        Address::Tcp(_) => Ok(endpoint.name.parse()?),
        // A path is no host.
        Address::Unix(_) => Ok(header::HeaderValue::from_static("localhost")),
    }
}

const USER_AGENT: header::HeaderValue = header::HeaderValue::from_static("tidegate-probe");

#[cfg(test)]
mod tests;
