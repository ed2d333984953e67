//! From an endpoint's address to a connection that can take a request: TCP or a unix socket, TLS, HTTP. Every failure
//! has a cause of its own.

use std::cell::Cell;
use std::io::{self, ErrorKind};
use std::pin::Pin;
use std::rc::Rc;
use std::time::Duration;

use hyper::client::conn::http2;
use hyper_util::rt::{TokioIo, TokioTimer};
use socket2::SockRef;
use tokio::net::{TcpStream, UnixStream};
use tokio::time::{Instant, timeout_at};

use super::http1::Http1;
use super::pool::{Connection, Driver};
use super::stream::{Socket, Stream};
use super::wire::Wire;
use super::worker::LocalExecutor;
use crate::balance::{Address, Endpoint};
use crate::error::{Cause, Failure};
use crate::limits;
use crate::snapshot::Edge;
use crate::tls::client::connect as connect_tls;
use crate::tls::fault::{HandshakeFault, OurCertificate};
use crate::transport::{Speech, Tls, Transport};

/// What the steps of making a connection took.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Timings {
    pub(super) connect: Option<Duration>,
    pub(super) tls: Option<Duration>,
}

/// Connect to `endpoint` by `deadline`, which `limit` set, all steps together. What they took is noted even if one fails.
pub(super) async fn connect(
    edge: &Edge,
    endpoint: &Endpoint,
    transport: &Transport,
    (deadline, limit): (Instant, Duration),
    timings: &mut Timings,
) -> Result<Connection, Failure> {
    let begun = Instant::now();
    let socket = timeout_at(deadline, socket(endpoint)).await;
    timings.connect = Some(begun.elapsed());
    let socket = match socket {
        Ok(Ok(socket)) => socket,
        Ok(Err(error)) => return Err(Failure::new(cause(&error), format!("{}: {error}", place(endpoint)))),
        Err(_) => {
            let detail = format!("{}: not connected within {limit:?}", place(endpoint));
            return Err(Failure::new(Cause::UpstreamConnectTimeout, detail));
        }
    };
    let Some(tls) = &transport.tls else {
        let speech = transport.http.in_the_clear();
        return http(edge, endpoint, Stream::from(socket), speech, OurCertificate::NotAsked).await;
    };
    let begun = Instant::now();
    let handshake = timeout_at(deadline, handshake(endpoint, tls, socket)).await;
    timings.tls = Some(begun.elapsed());
    match handshake {
        Ok(Ok((stream, certificate))) => {
            let agreed = stream.get_ref().1.alpn_protocol();
            let speech = transport.http.agreed(agreed).map_err(|problem| {
                Failure::new(Cause::UpstreamTlsFailed, format!("{} (alpn): {problem}", place(endpoint)))
            })?;
            http(edge, endpoint, Stream::ToTarget(Box::new(stream)), speech, certificate).await
        }
        Ok(Err(failure)) => Err(failure),
        Err(_) => {
            let detail = format!("{}: connected, but no TLS handshake within {limit:?}", place(endpoint));
            Err(Failure::new(Cause::UpstreamConnectTimeout, detail).during(crate::error::Phase::Tls))
        }
    }
}

/// An endpoint as failures name it: as configured, and the address if that is another.
pub(super) fn place(endpoint: &Endpoint) -> String {
    let address = endpoint.address.to_string();
    if *endpoint.name == *address { address } else { format!("{} ({address})", endpoint.name) }
}

async fn socket(endpoint: &Endpoint) -> io::Result<Socket> {
    match &endpoint.address {
        Address::Tcp(address) => {
            let stream = TcpStream::connect(address).await?;
            stream.set_nodelay(true)?;
            SockRef::from(&stream).set_tcp_user_timeout(Some(limits::PEER_STALL))?;
            Ok(Socket::Tcp(stream))
        }
        Address::Unix(path) => UnixStream::connect(path).await.map(Socket::Unix),
    }
}

type Secured = (tokio_rustls::client::TlsStream<Socket>, OurCertificate);

async fn handshake(endpoint: &Endpoint, tls: &Tls, socket: Socket) -> Result<Secured, Failure> {
    match connect_tls(tls.config.clone(), tls.server_name.clone(), socket).await {
        Ok(connected) => Ok((connected.stream, connected.certificate)),
        Err(refused) => Err(tls_failure(endpoint, refused.fault, &refused.to_string())),
    }
}

/// What a TLS handshake failed with, when it was going on or after the target had second thoughts.
pub(super) fn tls_failure(endpoint: &Endpoint, fault: HandshakeFault, words: &str) -> Failure {
    let cause = match fault {
        HandshakeFault::NotSpoken => Cause::UpstreamTlsNotSpoken,
        HandshakeFault::Reset | HandshakeFault::Closed => Cause::UpstreamReset,
        HandshakeFault::TimedOut => Cause::UpstreamConnectTimeout,
        _ => Cause::UpstreamTlsFailed,
    };
    Failure::new(cause, format!("{} ({}): {words}", place(endpoint), fault.code())).during(crate::error::Phase::Tls)
}

async fn http(
    edge: &Edge,
    endpoint: &Endpoint,
    stream: Stream,
    speech: Speech,
    certificate: OurCertificate,
) -> Result<Connection, Failure> {
    let failed = |error: hyper::Error| Failure::new(Cause::UpstreamReset, format!("{}: {error}", place(endpoint)));
    let head = edge.limits.upstream_header_bytes;
    match speech {
        Speech::Http1 => Ok(Connection::Http1(Http1::new(stream, certificate, head))),
        Speech::Http2 => {
            let (wire, seen) = Wire::new(stream, certificate);
            let handshake = http2::Builder::new(LocalExecutor)
                .timer(TokioTimer::new())
                .max_header_list_size(u32::try_from(head).unwrap_or(u32::MAX))
                .initial_stream_window_size(limits::H2_STREAM_WINDOW)
                .initial_connection_window_size(limits::H2_CONNECTION_WINDOW)
                .max_send_buf_size(limits::H2_SEND_BUFFER)
                .keep_alive_interval(limits::H2_PING)
                .keep_alive_timeout(limits::H2_PING)
                .handshake(TokioIo::new(wire));
            let (sender, mut connection) = handshake.await.map_err(failed)?;
            let room = Rc::new(Cell::new(limits::H2_SHARING));
            let allowed = Rc::clone(&room);
            let driver = drive(std::future::poll_fn(move |cx| {
                let ended = Pin::new(&mut connection).poll(cx);
                // The target may change its mind at any time.
                allowed.set(connection.current_max_send_streams().min(limits::H2_SHARING));
                ended
            }));
            Ok(Connection::http2(sender, room, driver, seen))
        }
    }
}

/// The task that moves a connection along until it ends, or nobody has it any more.
fn drive(connection: impl Future<Output = hyper::Result<()>> + 'static) -> Driver {
    let driver = tokio::task::spawn_local(async move {
        if let Err(error) = connection.await {
            tracing::debug!(%error, "upstream connection ended");
        }
    });
    Driver(driver.abort_handle())
}

fn cause(error: &io::Error) -> Cause {
    // EMFILE, ENFILE: no descriptors left; EADDRNOTAVAIL: no port left for this target.
    if matches!(error.raw_os_error(), Some(23 | 24)) || error.kind() == ErrorKind::AddrNotAvailable {
        return Cause::GatewayOverloaded;
    }
    match error.kind() {
        ErrorKind::ConnectionRefused | ErrorKind::NotFound => Cause::UpstreamConnectRefused,
        ErrorKind::TimedOut => Cause::UpstreamConnectTimeout,
        ErrorKind::ConnectionReset | ErrorKind::ConnectionAborted => Cause::UpstreamReset,
        _ => Cause::UpstreamUnreachable,
    }
}
