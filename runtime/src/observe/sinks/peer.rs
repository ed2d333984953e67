//! Who a sink connects to: its name resolved as those of upstreams are, TCP, and TLS if it is to be spoken; or a unix
//! socket.

use std::io;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use rustix::io::Errno;
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use sha2::{Digest, Sha256};
use socket2::SockRef;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpStream, UnixStream};
use tokio::time::{Instant, timeout, timeout_at};

use crate::certificates;
use crate::config::Faults;
use crate::config::checked::{Sink, SinkTo, StreamSink, SyslogOver};
use crate::config::file;
use crate::config::reader::Located;
use crate::config::values::{Authority, SinkAddress};
use crate::dns::Resolver;
use crate::limits;
use crate::tls::client::{Client, Roots, Verify, connect as connect_tls, server_name};
use crate::tls::files::{self, Pem};

/// An address, and how to get there.
pub(super) struct Peer {
    address: SinkAddress,
    /// `None`: no name has to be resolved, or nobody could be asked.
    resolver: Option<Resolver>,
    tls: Option<Tls>,
}

/// Where an address leads, as far as that is known without asking.
enum Place<'p> {
    Socket(&'p Path),
    Port(SocketAddr),
    Named(&'p Authority),
}

/// Whom to trust, and whose certificate it must be.
pub(super) type Tls = (Arc<ClientConfig>, ServerName<'static>);

/// A connection, over TLS or not.
pub(super) trait Wire: AsyncRead + AsyncWrite + Send + Sync + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Sync + Unpin> Wire for T {}

impl Peer {
    pub(super) const fn new(address: SinkAddress, resolver: Option<Resolver>, tls: Option<Tls>) -> Self {
        Self { address, resolver, tls }
    }

    /// Its addresses, the first [`limits::SINK_ADDRESSES`] of them; bounded in time by the resolver. A unix socket has
    /// none.
    pub(super) async fn addresses(&self) -> Result<Vec<SocketAddr>, String> {
        let named = match place(&self.address) {
            Place::Socket(_) => return Ok(Vec::new()),
            Place::Port(address) => return Ok(vec![address]),
            Place::Named(authority) => authority,
        };
        let Some(resolver) = &self.resolver else { return Err(format!("{named}: nobody resolves names")) };
        let answer = resolver.addresses(&named.host, named.port).await.map_err(|fault| fault.to_string())?;
        Ok(answer.addresses.iter().take(limits::SINK_ADDRESSES).map(|resolved| resolved.address).collect())
    }

    /// Connect, to one address after the other, within this time all together.
    pub(super) async fn connect(&self, within: Duration) -> Result<Box<dyn Wire>, String> {
        let deadline = Instant::now() + within;
        let late = |_| format!("{}: not connected within {within:?}", self.address);
        if let Place::Socket(path) = place(&self.address) {
            let connected = timeout_at(deadline, UnixStream::connect(path)).await.map_err(late)?;
            let words = |error: io::Error| format!("{}: {}", self.address, of_socket(&error));
            return connected.map(|stream| Box::new(stream) as Box<dyn Wire>).map_err(words);
        }
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
    pub(super) const fn name(&self) -> &SinkAddress {
        &self.address
    }
}

/// Whether a name has to be resolved.
pub(super) fn is_named(address: &SinkAddress) -> bool {
    matches!(place(address), Place::Named(_))
}

fn place(address: &SinkAddress) -> Place<'_> {
    match address {
        SinkAddress::Unix(path) => Place::Socket(path),
        SinkAddress::Host(authority) => {
            let host = authority.host.trim_start_matches('[').trim_end_matches(']');
            let literal = host.parse().ok().map(|ip| SocketAddr::new(ip, authority.port));
            literal.map_or(Place::Named(authority), Place::Port)
        }
    }
}

/// What is wrong with a unix socket, where the system's own words leave one guessing.
pub(super) fn of_socket(error: &io::Error) -> String {
    let story = match Errno::from_io_error(error) {
        Some(Errno::PROTOTYPE) => {
            "one side streams, and the other wants datagrams: `udp` is for datagrams, `tcp` for streams"
        }
        Some(Errno::CONNREFUSED) => "nobody has this socket open any more",
        Some(Errno::AGAIN) => "nobody takes what is waiting there already",
        _ => return error.to_string(),
    };
    format!("{story}: {error}")
}

/// TLS as `sink` speaks it. The outer `None`: something is wrong with it, which has been noted.
pub(super) fn tls(sink: &Sink, faults: &Faults) -> Option<Option<Tls>> {
    let host = |stream: &StreamSink| match (&stream.address, &stream.server_name) {
        // A fault of its own.
        (SinkAddress::Unix(_), _) => None,
        (SinkAddress::Host(_), Some(name)) => Some(name.0.clone()),
        (SinkAddress::Host(authority), None) => Some(authority.host.clone()),
    };
    let (host, alpn) = match &sink.settings.to {
        SinkTo::Http(http) if http.url.tls => (http.url.authority.host.clone(), vec![b"http/1.1".to_vec()]),
        SinkTo::Tcp(stream) if stream.tls => (host(stream)?, Vec::new()),
        SinkTo::Syslog(syslog) => match &syslog.over {
            SyslogOver::Tcp(stream) if stream.tls => (host(stream)?, Vec::new()),
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
