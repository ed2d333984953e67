//! Where a route's requests come from and go to: hosts, server names, sources (Kong: `hosts`, `snis`, `sources`). Each
//! says itself whether it takes what a request has.

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::str::FromStr;

use ipnet::IpNet;

use super::address::is_host;
use crate::limits;

/// Which hosts a route answers for, and at which port.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct HostPattern {
    /// What the Host header says before its port.
    pub name: HostName,
    /// What it says as the port, or the listener's if it says none; `None`: any.
    pub port: Option<u16>,
}

/// A host or server name, or one end of it, in lower case.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum HostName {
    /// `api.example.com`
    Exact(String),
    /// `*.example.com`: held as `.example.com`, which the name must end with, and be longer.
    Suffix(String),
    /// `example.*`: held as `example.`, which the name must begin with, and be longer.
    Prefix(String),
}

impl HostName {
    /// Whether this is `name`, which is in lower case and has no port.
    pub fn takes(&self, name: &[u8]) -> bool {
        match self {
            Self::Exact(exact) => name == exact.as_bytes(),
            Self::Suffix(end) => name.len() > end.len() && name.ends_with(end.as_bytes()),
            Self::Prefix(start) => name.len() > start.len() && name.starts_with(start.as_bytes()),
        }
    }
}

impl FromStr for HostName {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let name = text.to_ascii_lowercase();
        let (pattern, plain) = if let Some(end) = name.strip_prefix('*') {
            (Self::Suffix(end.to_owned()), end.strip_prefix('.'))
        } else if let Some(start) = name.strip_suffix('*') {
            (Self::Prefix(start.to_owned()), start.strip_suffix('.'))
        } else {
            (Self::Exact(name.clone()), Some(&*name))
        };
        match plain {
            Some(plain) if is_host(plain) && name.len() <= limits::HOST_BYTES => Ok(pattern),
            _ => Err(format!("\"{text}\" is no host: expected api.example.com, *.example.com or example.*")),
        }
    }
}

impl fmt::Display for HostName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Exact(name) => f.write_str(name),
            Self::Suffix(end) => write!(f, "*{end}"),
            Self::Prefix(start) => write!(f, "{start}*"),
        }
    }
}

impl FromStr for HostPattern {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (name, port) = match text.rsplit_once(':') {
            Some((name, port)) if !port.contains(']') => (name, Some(parse_port(port)?)),
            _ => (text, None),
        };
        Ok(Self { name: name.parse()?, port })
    }
}

impl fmt::Display for HostPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.port {
            None => self.name.fmt(f),
            Some(port) => write!(f, "{}:{port}", self.name),
        }
    }
}

fn parse_port(text: &str) -> Result<u16, String> {
    let port = text.parse().ok().filter(|port| *port > 0 && text.bytes().all(|byte| byte.is_ascii_digit()));
    port.ok_or_else(|| format!("\"{text}\" is no port: expected 1 to 65535"))
}

/// The name that a client asks for in its TLS handshake: exact, `*.a.com` or `a.*`; a final dot is dropped.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Sni(HostName);

impl Sni {
    /// The name, or the end of names, that it is.
    pub fn into_name(self) -> HostName {
        self.0
    }

    /// Whether this is `name`, as the client wrote it.
    pub fn takes(&self, name: &str) -> bool {
        let name = name.strip_suffix('.').unwrap_or(name).as_bytes();
        match &self.0 {
            HostName::Exact(exact) => name.eq_ignore_ascii_case(exact.as_bytes()),
            HostName::Suffix(end) => {
                let at = name.len().checked_sub(end.len()).filter(|at| *at > 0);
                at.and_then(|at| name.get(at..)).is_some_and(|tail| tail.eq_ignore_ascii_case(end.as_bytes()))
            }
            HostName::Prefix(start) => {
                name.len() > start.len()
                    && name.get(..start.len()).is_some_and(|head| head.eq_ignore_ascii_case(start.as_bytes()))
            }
        }
    }
}

impl FromStr for Sni {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        // An address is no server name (RFC 6066, section 3).
        let name = text.strip_suffix('.').unwrap_or(text);
        match name.parse() {
            Ok(name) if !text.starts_with('[') && text.parse::<IpAddr>().is_err() => Ok(Self(name)),
            _ => Err(format!("\"{text}\" is no server name: expected api.example.com, *.example.com or example.*")),
        }
    }
}

impl fmt::Display for Sni {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Where a request comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Source {
    net: IpNet,
    port: Option<u16>,
}

impl Source {
    /// `net` is an address or a range of them in CIDR notation (Kong: `ip`).
    ///
    /// # Errors
    /// It is neither.
    pub fn new(net: &str, port: Option<u16>) -> Result<Self, String> {
        let address = |text: &str| text.parse::<IpAddr>().ok().map(|address| IpNet::from(address.to_canonical()));
        let net = address(net).or_else(|| net.parse::<IpNet>().ok().map(|net| net.trunc()));
        net.map(|net| Self { net, port }).ok_or_else(|| {
            "expected an address or a range, like \"10.0.0.1\", \"10.0.0.0/8\", \"fd00::/8\" or \"[::1]:443\""
                .to_owned()
        })
    }

    /// The range, in CIDR notation.
    pub fn network(&self) -> String {
        self.net.to_string()
    }

    /// The port, if it has to be this one.
    pub fn port(&self) -> Option<u16> {
        self.port
    }

    /// Whether `peer` is there. An IPv4 peer of an IPv6 listener counts as IPv4.
    pub fn takes(&self, peer: SocketAddr) -> bool {
        self.net.contains(&peer.ip().to_canonical()) && self.port.is_none_or(|port| port == peer.port())
    }
}

impl FromStr for Source {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if let Some((net, tail)) = text.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
            let port = match tail.strip_prefix(':') {
                Some(port) => Some(parse_port(port)?),
                None if tail.is_empty() => None,
                None => return Err(format!("\"{tail}\" is no port: expected \":\" and a number")),
            };
            return Self::new(net, port);
        }
        match text.split_once(':') {
            Some((net, port)) if !port.contains(':') => Self::new(net, Some(parse_port(port)?)),
            _ => Self::new(text, None),
        }
    }
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.port, self.net) {
            (None, net) => net.fmt(f),
            (Some(port), IpNet::V4(net)) => write!(f, "{net}:{port}"),
            (Some(port), IpNet::V6(net)) => write!(f, "[{net}]:{port}"),
        }
    }
}
