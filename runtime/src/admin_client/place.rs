//! Where an admin API is, and a connection to it.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context, anyhow, bail};
use http::Uri;
use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpStream, UnixStream, lookup_host};
use tokio::time::timeout;

use super::TlsConfig;
use crate::limits;
use crate::tls::Error;
use crate::tls::client::{connect as connect_tls, server_name};

/// Where it is.
pub(super) enum Place {
    /// At this socket.
    Socket(PathBuf),
    /// At this host.
    Host(Host),
}

/// What a URL says.
pub(super) struct Host {
    /// As the user has written it, without a slash at its end.
    url: String,
    /// With the port, if the URL has one: what Host says.
    authority: String,
    /// Without brackets.
    name: String,
    port: u16,
    /// Before each path, if it is behind something; without a slash at its end.
    prefix: String,
    tls: Option<(TlsConfig, ServerName<'static>)>,
}

/// A connection.
pub(super) trait Wire: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Wire for T {}

impl Place {
    /// What `text` means; `tls` is asked for if that is spoken there.
    pub(super) fn read(text: &str, tls: impl FnOnce() -> Result<TlsConfig, Error>) -> anyhow::Result<Self> {
        if let Some(path) = text.strip_prefix("unix:") {
            return Ok(Self::Socket(path.strip_prefix("//").unwrap_or(path).into()));
        }
        let wrong = || {
            anyhow!(
                "\"{text}\" is no address of an admin API: expected http://HOST:PORT, https://HOST:PORT or unix:/PATH"
            )
        };
        let uri: Uri = text.parse().map_err(|_| wrong())?;
        let (Some(scheme), Some(authority)) = (uri.scheme_str(), uri.authority()) else { return Err(wrong()) };
        if authority.host().is_empty() || authority.as_str().contains('@') || uri.query().is_some() {
            return Err(wrong());
        }
        let host = authority.host();
        let (port, tls) = match scheme {
            "http" => (80, None),
            "https" => (443, Some((tls()?, server_name(host)?))),
            _ => return Err(wrong()),
        };
        Ok(Self::Host(Host {
            url: text.trim_end_matches('/').to_owned(),
            authority: authority.to_string(),
            name: host.trim_start_matches('[').trim_end_matches(']').to_owned(),
            port: authority.port_u16().unwrap_or(port),
            prefix: uri.path().trim_end_matches('/').to_owned(),
            tls,
        }))
    }

    /// What Host says.
    pub(super) fn host(&self) -> &str {
        match self {
            Self::Socket(_) => "localhost",
            Self::Host(host) => &host.authority,
        }
    }

    /// `path`, from where the admin API begins.
    pub(super) fn target(&self, path: &str) -> String {
        match self {
            Self::Socket(_) => path.to_owned(),
            Self::Host(host) => format!("{}{path}", host.prefix),
        }
    }

    /// Whether what is sent there passes others in the clear.
    pub(super) fn is_overheard(&self) -> bool {
        match self {
            Self::Socket(_) => false,
            Self::Host(Host { tls: Some(_), .. }) => false,
            Self::Host(Host { name, .. }) => {
                name != "localhost" && !name.parse().is_ok_and(|address: std::net::IpAddr| address.is_loopback())
            }
        }
    }

    /// Connect, to one of its addresses after the other.
    pub(super) async fn connect(&self) -> anyhow::Result<Box<dyn Wire>> {
        match self {
            Self::Socket(path) => socket(path).await.with_context(|| format!("{self} cannot be reached")),
            Self::Host(host) => host.connect().await.with_context(|| format!("{self} cannot be reached")),
        }
    }
}

async fn socket(path: &Path) -> anyhow::Result<Box<dyn Wire>> {
    Ok(Box::new(timeout(limits::ADMIN_CLIENT_CONNECT, UnixStream::connect(path)).await??))
}

impl Host {
    async fn connect(&self) -> anyhow::Result<Box<dyn Wire>> {
        let found = timeout(limits::ADMIN_CLIENT_CONNECT, lookup_host((self.name.as_str(), self.port))).await??;
        let mut last = anyhow!("it has no address");
        for address in found {
            match timeout(limits::ADMIN_CLIENT_CONNECT, self.connect_to(address)).await {
                Ok(Ok(wire)) => return Ok(wire),
                Ok(Err(error)) => last = error,
                Err(_) => last = anyhow!("{address} does not answer"),
            }
        }
        Err(last)
    }

    async fn connect_to(&self, address: std::net::SocketAddr) -> anyhow::Result<Box<dyn Wire>> {
        let stream = TcpStream::connect(address).await?;
        match &self.tls {
            None => Ok(Box::new(stream)),
            Some((config, name)) => match connect_tls(Arc::clone(config), name.clone(), stream).await {
                Ok(connected) => Ok(Box::new(connected.stream)),
                Err(refused) => bail!("{refused}"),
            },
        }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Socket(path) => write!(f, "unix:{}", path.display()),
            Self::Host(host) => f.write_str(&host.url),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> anyhow::Result<Place> {
        Place::read(text, || Err(Error::NothingToTrust("a test".to_owned())))
    }

    #[test]
    fn addresses_are_read_or_refused() {
        for (text, host, target, overheard) in [
            ("http://127.0.0.1:8001", "127.0.0.1:8001", "/status", false),
            ("http://[::1]:8001/", "[::1]:8001", "/status", false),
            ("http://gateway.internal/admin/", "gateway.internal", "/admin/status", true),
            ("unix:/run/tidegate/admin.sock", "localhost", "/status", false),
        ] {
            let place = read(text).unwrap();
            assert_eq!((place.host(), place.target("/status").as_str()), (host, target), "{text}");
            assert_eq!(place.is_overheard(), overheard, "{text}");
        }
        for wrong in ["127.0.0.1:8001", "ftp://a", "http://", "http://a@b", "http://a/?x=1", "localhost", ""] {
            assert!(read(wrong).err().unwrap().to_string().contains("expected http://HOST:PORT"), "{wrong}");
        }
    }
}
