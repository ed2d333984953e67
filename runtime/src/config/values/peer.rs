//! Whom the sockets of a plugin may reach.

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::str::FromStr;

use ipnet::IpNet;

use super::address::is_host;

/// `tcp://host:port` or `udp://host:port`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Peer {
    /// What is spoken.
    pub protocol: Protocol,
    /// Who may be reached,
    pub host: PeerHost,
    /// and at which port: 1 to 65535.
    pub port: u16,
}

/// What a socket speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Protocol {
    /// Connections.
    Tcp,
    /// Datagrams.
    Udp,
}

/// Who may be reached.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum PeerHost {
    /// Every address of this network; a single one is a network, too.
    Network(IpNet),
    /// Whatever addresses this name has, in lower case.
    Name(String),
}

impl Peer {
    /// Whether this is `address` by this protocol, as far as no name has to be known for it.
    pub fn is(&self, protocol: Protocol, address: SocketAddr) -> bool {
        let PeerHost::Network(network) = &self.host else { return false };
        self.protocol == protocol && self.port == address.port() && network.contains(&address.ip().to_canonical())
    }
}

impl FromStr for Peer {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (protocol, authority) = match text.split_once("://") {
            Some(("tcp", rest)) => (Protocol::Tcp, rest),
            Some(("udp", rest)) => (Protocol::Udp, rest),
            _ => return Err(format!("\"{text}\" is nobody to reach: expected tcp://host:port or udp://host:port")),
        };
        let (host, port) = authority.rsplit_once(':').unwrap_or((authority, ""));
        let Some(port) = port.parse().ok().filter(|port| *port > 0) else {
            return Err(format!("\"{text}\" has no port: expected one of 1 to 65535 at its end"));
        };
        let literal = host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
        // IPv6 stands in brackets and nothing else does, for what would its last colon mean?
        let network = network(literal.unwrap_or(host)).filter(|network| network.addr().is_ipv6() == literal.is_some());
        let host = match network {
            Some(network) => PeerHost::Network(network),
            None if literal.is_none() && is_host(host) => PeerHost::Name(host.to_ascii_lowercase()),
            None => {
                let expected = "a name, an address or a network, with IPv6 in [brackets]";
                return Err(format!("\"{host}\" is nobody to reach: expected {expected}"));
            }
        };
        Ok(Self { protocol, host, port })
    }
}

fn network(text: &str) -> Option<IpNet> {
    let address = text.parse::<IpAddr>().ok().map(IpNet::from);
    address.or_else(|| text.parse::<IpNet>().ok().map(|network| network.trunc()))
}

impl fmt::Display for Peer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.protocol {
            Protocol::Tcp => "tcp://",
            Protocol::Udp => "udp://",
        })?;
        match &self.host {
            PeerHost::Network(network @ IpNet::V4(_)) => write!(f, "{network}")?,
            PeerHost::Network(network @ IpNet::V6(_)) => write!(f, "[{network}]")?,
            PeerHost::Name(name) => f.write_str(name)?,
        }
        write!(f, ":{}", self.port)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_peer_is_a_protocol_a_host_and_a_port() {
        for (text, shown) in [
            ("tcp://10.0.0.5:6379", "tcp://10.0.0.5/32:6379"),
            ("udp://10.1.2.3/8:53", "udp://10.0.0.0/8:53"),
            ("tcp://[fd00::1]:443", "tcp://[fd00::1/128]:443"),
            ("tcp://[fd00::/8]:443", "tcp://[fd00::/8]:443"),
            ("tcp://Redis.internal:6379", "tcp://redis.internal:6379"),
        ] {
            assert_eq!(text.parse::<Peer>().as_ref().map(ToString::to_string).as_deref(), Ok(shown), "{text}");
        }
        for text in [
            "redis.internal:6379",
            "http://redis.internal:6379",
            "tcp://redis.internal",
            "tcp://redis.internal/8:6379",
            "tcp://10.0.0.0/33:6379",
            "tcp://10.0.0.0/:6379",
            "tcp://10.0.0.5:0",
            "tcp://fd00::1:443",
            "tcp://[fd00::]/8:443",
            "tcp://[10.0.0.5]:443",
            "tcp://*:443",
            "tcp://:443",
        ] {
            text.parse::<Peer>().unwrap_err();
        }
    }

    #[test]
    fn addresses_are_of_a_network_whichever_way_they_are_written() {
        let peer: Peer = "tcp://10.0.0.0/8:6379".parse().unwrap();
        for (protocol, address, is) in [
            (Protocol::Tcp, "10.9.9.9:6379", true),
            (Protocol::Tcp, "[::ffff:10.9.9.9]:6379", true),
            (Protocol::Udp, "10.9.9.9:6379", false),
            (Protocol::Tcp, "10.9.9.9:6380", false),
            (Protocol::Tcp, "11.0.0.1:6379", false),
        ] {
            assert_eq!(peer.is(protocol, address.parse().unwrap()), is, "{protocol:?} {address}");
        }
    }
}
