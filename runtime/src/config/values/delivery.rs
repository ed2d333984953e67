//! The words of `[[sinks]]`: where records are sent, and what syslog messages call their sender.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

use http::HeaderValue;
use http::uri::PathAndQuery;

use super::address::{Authority, unix_path};

/// Who takes a sink's records: a host and port, or a unix socket, as `unix:/run/log.sock`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SinkAddress {
    /// By the network.
    Host(Authority),
    /// On this machine.
    Unix(PathBuf),
}

impl FromStr for SinkAddress {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.strip_prefix("unix:") {
            Some(path) => unix_path(path).map(Self::Unix),
            None => text.parse().map(Self::Host),
        }
    }
}

impl fmt::Display for SinkAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Host(authority) => authority.fmt(f),
            Self::Unix(path) => write!(f, "unix:{}", path.display()),
        }
    }
}

/// Where an HTTP sink sends its records: `http://` or `https://host[:port][/path][?query]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SinkUrl {
    /// Whether TLS is spoken.
    pub tls: bool,
    /// Who is connected to.
    pub authority: Authority,
    /// As its `Host` says it.
    pub host: HeaderValue,
    /// What is asked for there.
    pub target: PathAndQuery,
}

impl FromStr for SinkUrl {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (tls, rest) = match text.split_once("://") {
            Some(("http", rest)) => (false, rest),
            Some(("https", rest)) => (true, rest),
            Some((other, _)) => return Err(format!("\"{other}\" is not spoken here: expected http or https")),
            None => return Err("this is no URL: expected https://host:port/path".to_owned()),
        };
        let (place, target) = rest.split_at(rest.find(['/', '?', '#']).unwrap_or(rest.len()));
        if place.contains('@') {
            return Err("a user name in the URL would go unused: put `authorization` into `headers`".to_owned());
        }
        if target.contains('#') {
            return Err("a fragment (`#`) is never sent: leave it out".to_owned());
        }
        let authority = Authority::parse(place, Some(if tls { 443 } else { 80 }))?;
        let with_slash = if target.starts_with('/') { target.to_owned() } else { format!("/{target}") };
        let target = with_slash.parse().map_err(|_| "what stands behind the host is no path".to_owned())?;
        let host = HeaderValue::try_from(place).map_err(|_| format!("\"{place}\" cannot be a Host"))?;
        Ok(Self { tls, authority, host, target })
    }
}

/// What a syslog message says of the program it comes from: 1 to 48 printable ASCII characters (RFC 5424, section 6).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AppName(pub String);

impl FromStr for AppName {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if (1..=48).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Ok(Self(text.to_owned()));
        }
        Err("expected 1 to 48 printable ASCII characters without spaces".to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sink_goes_to_a_port_or_to_a_unix_socket() {
        let socket: SinkAddress = "unix:/dev/log".parse().unwrap();
        assert_eq!((&socket, socket.to_string()), (&SinkAddress::Unix("/dev/log".into()), "unix:/dev/log".to_owned()));
        assert_eq!("Logs:514".parse(), Ok(SinkAddress::Host("logs:514".parse().unwrap())));
        for text in ["unix:", "unix:log", "/dev/log", "logs", &format!("unix:/{}", "x".repeat(107))] {
            assert!(text.parse::<SinkAddress>().is_err(), "{text}");
        }
    }

    #[test]
    fn urls_keep_their_path_and_query_as_written() {
        for (text, tls, authority, host, target) in [
            ("http://Elastic:9200/_bulk", false, "elastic:9200", "Elastic:9200", "/_bulk"),
            ("https://logs.example.com", true, "logs.example.com:443", "logs.example.com", "/"),
            ("https://[::1]/a/?x=1&y", true, "[::1]:443", "[::1]", "/a/?x=1&y"),
            ("http://a?x", false, "a:80", "a", "/?x"),
        ] {
            let url: SinkUrl = text.parse().unwrap();
            assert_eq!((url.tls, url.authority.to_string().as_str()), (tls, authority), "{text}");
            assert_eq!((url.host.to_str().unwrap(), url.target.as_str()), (host, target), "{text}");
        }
        for text in
            ["", "elastic:9200", "ftp://a/", "http://", "http://u:p@a/", "http://a/#x", "http://a b/", "http://a/ b"]
        {
            assert!(text.parse::<SinkUrl>().is_err(), "{text}");
        }
    }
}
