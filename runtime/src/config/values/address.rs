//! Addresses: what is listened on, where services and targets are, which networks are trusted.

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::str::FromStr;

use ipnet::IpNet;

use super::patterns::path_prefix;
use crate::config::checked::TargetAddress;

/// A host name or address literal that can stand in a Host header, without a port.
pub(super) fn is_host(text: &str) -> bool {
    let literal = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
    match literal {
        Some(address) => address.parse::<std::net::Ipv6Addr>().is_ok(),
        None => !text.is_empty() && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"-._".contains(&b)),
    }
}

/// An upstream's name: a host that services can put into their URL, in lower case.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct UpstreamName(pub String);

impl FromStr for UpstreamName {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if is_host(text) {
            return Ok(Self(text.to_ascii_lowercase()));
        }
        Err(format!("\"{text}\" cannot be the host of a url: use letters, digits, \"-\", \".\" and \"_\""))
    }
}

impl fmt::Display for UpstreamName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A host and port to connect to; the host is a name, an IPv4 address or an IPv6 address in brackets.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Authority {
    /// As it stands in a Host header, without the port.
    pub host: String,
    /// 1 to 65535.
    pub port: u16,
}

impl Authority {
    /// `host` or `host:port`; the port is `default` if the text has none.
    pub(super) fn parse(text: &str, default: Option<u16>) -> Result<Self, String> {
        let (host, port) = match text.rsplit_once(':') {
            Some((host, port)) if !port.contains(']') => (host, Some(port)),
            _ => (text, None),
        };
        if !is_host(host) {
            return Err(format!("\"{text}\" is no address: expected host:port, with IPv6 addresses in [brackets]"));
        }
        let port = match (port, default) {
            (None, Some(default)) => default,
            (None, None) => return Err(format!("\"{text}\" has no port: expected host:port")),
            (Some(port), _) => match port.parse() {
                Ok(port) if port > 0 => port,
                _ => return Err(format!("\"{port}\" is no port: expected 1 to 65535")),
            },
        };
        Ok(Self { host: host.to_ascii_lowercase(), port })
    }
}

impl FromStr for Authority {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        Self::parse(text, None)
    }
}

impl fmt::Display for Authority {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.host, self.port)
    }
}

/// Where clients connect: an address and port, or a unix socket.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Bind {
    /// `0.0.0.0:8000`
    Tcp(SocketAddr),
    /// `unix:/run/tidegate.sock`
    Unix(PathBuf),
}

impl FromStr for Bind {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.strip_prefix("unix:") {
            Some(path) => unix_path(path).map(Self::Unix),
            None => text.parse().map(Self::Tcp).map_err(|_| {
                format!("\"{text}\" is no address to listen on: expected \"0.0.0.0:8000\" or \"unix:/path\"")
            }),
        }
    }
}

impl fmt::Display for Bind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(address) => address.fmt(f),
            Self::Unix(path) => write!(f, "unix:{}", path.display()),
        }
    }
}

pub(super) fn unix_path(path: &str) -> Result<PathBuf, String> {
    // sun_path, with the zero at its end.
    const LONGEST: usize = 107;
    match path {
        path if !path.starts_with('/') => Err(format!("\"unix:{path}\" needs an absolute path")),
        path if path.len() > LONGEST => Err(format!("the path of a unix socket has at most {LONGEST} bytes")),
        path => Ok(path.into()),
    }
}

impl FromStr for TargetAddress {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.strip_prefix("unix:") {
            Some(path) => unix_path(path).map(Self::Unix),
            None => text.parse().map(Self::Host),
        }
    }
}

impl fmt::Display for TargetAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Host(authority) => authority.fmt(f),
            Self::Unix(path) => write!(f, "unix:{}", path.display()),
            Self::Service(name) => f.write_str(name),
        }
    }
}

/// A host's name without a port.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlainHost(pub String);

impl FromStr for PlainHost {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if is_host(text) { Ok(Self(text.to_ascii_lowercase())) } else { Err(format!("\"{text}\" is no host name")) }
    }
}

/// A name server: an address, and a port if it is not 53.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NameServer(pub SocketAddr);

impl FromStr for NameServer {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        const DNS: u16 = 53;
        let with_port = || text.parse::<IpAddr>().map(|address| SocketAddr::new(address, DNS));
        text.parse()
            .or_else(|_| with_port())
            .map(Self)
            .map_err(|_| format!("\"{text}\" is no address of a name server: expected \"10.0.0.2\" or \"10.0.0.2:53\""))
    }
}

/// A network, or one address: `10.0.0.0/8`, `192.0.2.1`, `::1`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Network(pub IpNet);

impl FromStr for Network {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let single = || text.parse::<IpAddr>().map(IpNet::from);
        text.parse::<IpNet>()
            .or_else(|_| single())
            .map(|net| Self(net.trunc()))
            .map_err(|_| format!("\"{text}\" is no network: expected an address like \"192.0.2.1\", or \"10.0.0.0/8\""))
    }
}

/// How a service is spoken to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Scheme {
    /// HTTP in the clear.
    Http,
    /// HTTP over TLS.
    Https,
    /// gRPC: HTTP/2 in the clear.
    Grpc,
    /// gRPC over TLS.
    Grpcs,
}

impl Scheme {
    /// Whether TLS is spoken.
    pub fn is_tls(self) -> bool {
        matches!(self, Self::Https | Self::Grpcs)
    }

    /// Whether only HTTP/2 will do.
    pub fn is_grpc(self) -> bool {
        matches!(self, Self::Grpc | Self::Grpcs)
    }

    /// The port of a URL that names none; gRPC has the ports of HTTP (Kong: 80, 443).
    pub fn default_port(self) -> u16 {
        if self.is_tls() { 443 } else { 80 }
    }
}

/// Where a service is: `http://host[:port][/path]`, with https, grpc and grpcs besides http (Kong: `url`, shorthand for
/// protocol, host, port and path). A unix socket is written as nginx has it: `http://unix:/socket[:/path]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServiceUrl {
    /// How it is spoken to.
    pub scheme: Scheme,
    /// An upstream's name, any host, or a unix socket.
    pub address: TargetAddress,
    /// Whether the URL names a port.
    pub explicit_port: bool,
    /// What goes before the path of every request; empty or beginning with "/" and not ending with it.
    pub path: String,
}

impl FromStr for ServiceUrl {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (scheme, rest) = match text.split_once("://") {
            Some(("http", rest)) => (Scheme::Http, rest),
            Some(("https", rest)) => (Scheme::Https, rest),
            Some(("grpc", rest)) => (Scheme::Grpc, rest),
            Some(("grpcs", rest)) => (Scheme::Grpcs, rest),
            Some((other, _)) => {
                return Err(format!("\"{other}\" is not spoken here: expected http, https, grpc or grpcs"));
            }
            None => return Err(format!("\"{text}\" is no URL: expected http://host:port/path")),
        };
        if let Some(rest) = rest.strip_prefix("unix:") {
            let (socket, path) = rest.split_once(':').unwrap_or((rest, ""));
            let address = TargetAddress::Unix(unix_path(socket)?);
            return Ok(Self { scheme, address, explicit_port: false, path: base_path(path)? });
        }
        let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
        if authority.contains('@') {
            return Err("a user name in the URL would go unused: let a plugin set `authorization`".to_owned());
        }
        let explicit_port = authority.rsplit(']').next().is_some_and(|tail| tail.contains(':'));
        let authority = Authority::parse(authority, Some(scheme.default_port()))?;
        Ok(Self { scheme, address: TargetAddress::Host(authority), explicit_port, path: base_path(path)? })
    }
}

impl ServiceUrl {
    /// The URL's host, as a Host header names it without its port.
    pub fn host(&self) -> &str {
        match &self.address {
            TargetAddress::Host(authority) => &authority.host,
            TargetAddress::Unix(_) | TargetAddress::Service(_) => "localhost",
        }
    }
}

fn base_path(path: &str) -> Result<String, String> {
    if !path.is_empty() {
        path_prefix(path)?;
    }
    Ok(path.trim_end_matches('/').to_owned())
}
