//! Who a sink connects to: its name resolved as those of upstreams are, TCP, and TLS if it is to be spoken.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use sha2::{Digest, Sha256};
use socket2::SockRef;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout, timeout_at};

use crate::certificates;
use crate::config::Faults;
use crate::config::checked::{Sink, SinkTo, StreamSink, SyslogOver};
use crate::config::file;
use crate::config::reader::Located;
use crate::config::values::Authority;
use crate::dns::Resolver;
use crate::limits;
use crate::tls::client::{Client, Roots, Verify, connect as connect_tls, server_name};
use crate::tls::files::{self, Pem};

/// A host and port, and how to get there.
pub(super) struct Peer {
    address: Authority,
    /// `None`: it is an address, or nobody could be asked.
    resolver: Option<Resolver>,
    tls: Option<Tls>,
}

/// Whom to trust, and whose certificate it must be.
pub(super) type Tls = (Arc<ClientConfig>, ServerName<'static>);

/// A connection, over TLS or not.
pub(super) trait Wire: AsyncRead + AsyncWrite + Send + Sync + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Sync + Unpin> Wire for T {}

impl Peer {
    pub(super) const fn new(address: Authority, resolver: Option<Resolver>, tls: Option<Tls>) -> Self {
        Self { address, resolver, tls }
    }

    /// Its addresses, the first [`limits::SINK_ADDRESSES`] of them; bounded in time by the resolver.
    pub(super) async fn addresses(&self) -> Result<Vec<SocketAddr>, String> {
        if let Some(address) = literal(&self.address) {
            return Ok(vec![address]);
        }
        let Some(resolver) = &self.resolver else { return Err(format!("{}: nobody resolves names", self.address)) };
        let answer =
            resolver.addresses(&self.address.host, self.address.port).await.map_err(|fault| fault.to_string())?;
        Ok(answer.addresses.iter().take(limits::SINK_ADDRESSES).map(|resolved| resolved.address).collect())
    }

    /// Connect, to one address after the other, within this time all together.
    pub(super) async fn connect(&self, within: Duration) -> Result<Box<dyn Wire>, String> {
        let deadline = Instant::now() + within;
        let late = |_| format!("{}: not connected within {within:?}", self.address);
        let addresses = timeout_at(deadline, self.addresses()).await.map_err(late)??;
        let each = within / u32::try_from(addresses.len().max(1)).unwrap_or(1);
        let mut words = format!("{}: there is no address", self.address);
        for address in addresses {
            match timeout(each, self.connect_to(address)).await {
                Ok(Ok(wire)) => return Ok(wire),
                Ok(Err(error)) => words = format!("{}: {error}", self.place(address)),
                Err(_) => words = format!("{}: not connected within {each:?}", self.place(address)),
            }
        }
        Err(words)
    }

    async fn connect_to(&self, address: SocketAddr) -> Result<Box<dyn Wire>, String> {
        let words = |error: io::Error| error.to_string();
        let stream = TcpStream::connect(address).await.map_err(words)?;
        stream.set_nodelay(true).map_err(words)?;
        SockRef::from(&stream).set_tcp_user_timeout(Some(limits::PEER_STALL)).map_err(words)?;
        match &self.tls {
            None => Ok(Box::new(stream)),
            Some((config, name)) => {
                let connected = connect_tls(Arc::clone(config), name.clone(), stream).await;
                connected
                    .map(|connected| Box::new(connected.stream) as Box<dyn Wire>)
                    .map_err(|error| error.to_string())
            }
        }
    }

    /// As configured, and the address if that is another.
    pub(super) fn place(&self, address: SocketAddr) -> String {
        let (name, address) = (self.address.to_string(), address.to_string());
        if name == address { name } else { format!("{name} ({address})") }
    }

    /// As configured.
    pub(super) const fn name(&self) -> &Authority {
        &self.address
    }
}

/// Whether a name has to be resolved.
pub(super) fn is_named(address: &Authority) -> bool {
    literal(address).is_none()
}

fn literal(address: &Authority) -> Option<SocketAddr> {
    let host = address.host.trim_start_matches('[').trim_end_matches(']');
    host.parse().ok().map(|ip| SocketAddr::new(ip, address.port))
}

/// TLS as `sink` speaks it. The outer `None`: something is wrong with it, which has been noted.
pub(super) fn tls(sink: &Sink, faults: &Faults) -> Option<Option<Tls>> {
    let host = |stream: &StreamSink| {
        stream.server_name.as_ref().map_or_else(|| stream.address.host.clone(), |name| name.0.clone())
    };
    let (host, alpn) = match &sink.settings.to {
        SinkTo::Http(http) if http.url.tls => (http.url.authority.host.clone(), vec![b"http/1.1".to_vec()]),
        SinkTo::Tcp(stream) if stream.tls => (host(stream), Vec::new()),
        SinkTo::Syslog(syslog) => match &syslog.over {
            SyslogOver::Tcp(stream) if stream.tls => (host(stream), Vec::new()),
            _ => return Some(None),
        },
        _ => return Some(None),
    };
    let roots = match &sink.ca {
        None => Roots::System,
        Some(ca) => {
            let read = Pem::read(&ca.value).and_then(|pem| files::authorities(&pem));
            let authorities = read.map_err(|error| faults.at(&ca.span, error.to_string())).ok()?;
            certificates::warn(&authorities.warnings);
            Roots::Given(authorities.roots)
        }
    };
    let note = |error: String| faults.at(&sink.name.span, error);
    let client = Client { roots, certificate: None, verify: Verify::Full, alpn };
    let config = client.into_config().map_err(|error| note(error.to_string())).ok()?;
    let name = server_name(&host).map_err(|error| note(error.to_string())).ok()?;
    Some(Some((config, name)))
}

/// What tells whether a file has changed; one that cannot be read is a fault, elsewhere.
pub(super) fn digest(path: Option<&Located<std::path::PathBuf>>) -> Option<[u8; 32]> {
    path.map(|path| file::read(&path.value, limits::PEM_BYTES).map_or([0; 32], |bytes| Sha256::digest(bytes).into()))
}
