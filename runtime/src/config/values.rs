//! The words of gateway.toml, parsed: durations, sizes, names, hosts, paths, URLs, addresses. Past this file no
//! string needs parsing again.

use std::borrow::Cow;
use std::convert::Infallible;
use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use crate::proxy::path::normalise;

/// A name that the operator chose, as logs and messages show it: 1 to 128 printable characters.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Name(String);

impl Name {
    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for Name {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text.is_empty() || text.len() > 128 {
            return Err(format!("a name has 1 to 128 characters, this one has {}", text.len()));
        }
        match text.chars().find(|c| c.is_control() || c.is_whitespace()) {
            Some(c) => Err(format!("a name has no {c:?} in it")),
            None => Ok(Self(text.to_owned())),
        }
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Any text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Text(pub String);

impl FromStr for Text {
    type Err = Infallible;

    fn from_str(text: &str) -> Result<Self, Infallible> {
        Ok(Self(text.to_owned()))
    }
}

/// A duration as `"250ms"`, `"5s"`, `"2m"` or `"1h"`; never zero, since every wait must be able to happen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Period(pub Duration);

impl FromStr for Period {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (number, unit) = number_and_unit(text, "a duration like \"250ms\", \"5s\", \"2m\" or \"1h\"")?;
        let milliseconds: u64 = match unit {
            "ms" => 1,
            "s" => 1_000,
            "m" => 60_000,
            "h" => 3_600_000,
            _ => return Err(format!("`{unit}` is no unit of time: use ms, s, m or h")),
        };
        let total = number.checked_mul(milliseconds).filter(|ms| (1..=86_400_000).contains(ms));
        total.map(|ms| Self(Duration::from_millis(ms))).ok_or_else(|| "a duration is from 1ms to 24h".to_owned())
    }
}

/// A size as `"512KiB"` or `"16MiB"`, in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ByteSize(pub usize);

impl FromStr for ByteSize {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (number, unit) = number_and_unit(text, "a size like \"512KiB\" or \"16MiB\"")?;
        let bytes: u64 = match unit {
            "B" => 1,
            "KiB" => 1 << 10,
            "MiB" => 1 << 20,
            "GiB" => 1 << 30,
            _ => return Err(format!("`{unit}` is no unit of size: use B, KiB, MiB or GiB")),
        };
        let total = number.checked_mul(bytes).and_then(|bytes| usize::try_from(bytes).ok());
        total.map(Self).ok_or_else(|| "that is more than this machine can address".to_owned())
    }
}

fn number_and_unit<'t>(text: &'t str, expected: &str) -> Result<(u64, &'t str), String> {
    let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at(digits);
    match number.parse() {
        Ok(number) if !unit.is_empty() => Ok((number, unit.trim_start())),
        _ => Err(format!("expected {expected}, not \"{text}\"")),
    }
}

/// Which hosts a route answers for (Kong: `hosts`), in lower case and without a port.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum HostPattern {
    /// `api.example.com`
    Exact(String),
    /// `*.example.com`: held as `.example.com`, which the host must end with.
    Suffix(String),
}

impl FromStr for HostPattern {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let host = text.to_ascii_lowercase();
        let (pattern, plain) = match host.strip_prefix('*') {
            Some(suffix) => (Self::Suffix(suffix.to_owned()), suffix.strip_prefix('.')),
            None => (Self::Exact(host.clone()), Some(&*host)),
        };
        match plain {
            Some(plain) if is_host(plain) => Ok(pattern),
            _ => Err(format!("\"{text}\" is no host: expected api.example.com or *.example.com, without a port")),
        }
    }
}

/// A host name or address literal that can stand in a Host header, without a port.
fn is_host(text: &str) -> bool {
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

/// The beginning of a path (Kong: `paths`), matched byte by byte against the path as received.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct PathPrefix(pub String);

impl FromStr for PathPrefix {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text.starts_with('~') {
            return Err("regular expressions are not supported in paths; use a prefix like \"/v1\"".to_owned());
        }
        if !text.starts_with('/') {
            return Err(format!("a path begins with \"/\", \"{text}\" does not"));
        }
        if let Some(c) = text.chars().find(|c| !c.is_ascii_graphic() || "?#".contains(*c)) {
            return Err(format!("a path has no {c:?} in it; percent-encode it"));
        }
        match normalise(text)? {
            Cow::Owned(normal) if normal != text => {
                Err(format!("no request has this path once it is normalised: write \"{normal}\""))
            }
            _ => Ok(Self(text.to_owned())),
        }
    }
}

/// An HTTP method, in upper case as methods are case-sensitive (RFC 9110, section 9.1).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Method(pub http::Method);

impl FromStr for Method {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text.is_empty() || !text.bytes().all(|b| b.is_ascii_uppercase() || b == b'-') {
            return Err(format!("\"{text}\" is no method: expected upper case, like \"GET\""));
        }
        text.parse().map(Self).map_err(|_| format!("\"{text}\" is no method"))
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

impl FromStr for Authority {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (host, port) = match text.rsplit_once(':') {
            Some((host, port)) if !port.contains(']') => (host, Some(port)),
            _ => (text, None),
        };
        if !is_host(host) {
            return Err(format!("\"{text}\" is no address: expected host:port, with IPv6 addresses in [brackets]"));
        }
        let port = match port {
            None => 80,
            Some(port) => match port.parse() {
                Ok(port) if port > 0 => port,
                _ => return Err(format!("\"{port}\" is no port: expected 1 to 65535")),
            },
        };
        Ok(Self { host: host.to_ascii_lowercase(), port })
    }
}

impl fmt::Display for Authority {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.host, self.port)
    }
}

/// Where a service is: `http://host[:port][/path]` (Kong: `url`, shorthand for protocol, host, port and path).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServiceUrl {
    /// An upstream's name or any host.
    pub authority: Authority,
    /// Whether the URL names a port.
    pub explicit_port: bool,
    /// What goes before the path of every request; empty or beginning with "/" and not ending with it.
    pub path: String,
}

impl FromStr for ServiceUrl {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let rest = match text.split_once("://") {
            Some(("http", rest)) => rest,
            Some((scheme, _)) => return Err(format!("\"{scheme}\" is not supported here: expected http://")),
            None => return Err(format!("\"{text}\" is no URL: expected http://host:port/path")),
        };
        let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
        if authority.contains('@') {
            return Err("user names and passwords are not supported in a url".to_owned());
        }
        if !path.is_empty() {
            path.parse::<PathPrefix>()?;
        }
        Ok(Self {
            authority: authority.parse()?,
            explicit_port: authority.rsplit(']').next().is_some_and(|tail| tail.contains(':')),
            path: path.trim_end_matches('/').to_owned(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_and_sizes_need_a_known_unit_and_a_sane_amount() {
        assert_eq!("250ms".parse(), Ok(Period(Duration::from_millis(250))));
        assert_eq!("2m".parse(), Ok(Period(Duration::from_secs(120))));
        assert_eq!("16MiB".parse(), Ok(ByteSize(16 << 20)));
        for bad in ["", "5", "s", "0s", "5 minutes", "-1s", "5d", "99999999999999999999s", "48h"] {
            assert!(bad.parse::<Period>().is_err(), "{bad:?}");
        }
        for bad in ["", "5", "5MB", "1.5MiB", "99999999999999999999B", "99999999999GiB"] {
            assert!(bad.parse::<ByteSize>().is_err(), "{bad:?}");
        }
    }

    #[test]
    fn hosts_are_exact_or_one_leading_wildcard() {
        assert_eq!("API.example.com".parse(), Ok(HostPattern::Exact("api.example.com".into())));
        assert_eq!("*.shop.example.com".parse(), Ok(HostPattern::Suffix(".shop.example.com".into())));
        assert_eq!("[::1]".parse(), Ok(HostPattern::Exact("[::1]".into())));
        for bad in ["", "*", "*.", "a.*", "*a.b", "a b", "a:80", "a/b", "[::1"] {
            assert!(bad.parse::<HostPattern>().is_err(), "{bad:?}");
        }
    }

    #[test]
    fn service_urls_are_split_into_what_is_connected_to_and_what_goes_before_the_path() {
        let url: ServiceUrl = "http://Orders.internal:8080/base/".parse().unwrap();
        assert_eq!((url.authority.to_string().as_str(), url.path.as_str()), ("orders.internal:8080", "/base"));
        let url: ServiceUrl = "http://[::1]".parse().unwrap();
        assert_eq!((url.authority.to_string().as_str(), url.explicit_port), ("[::1]:80", false));
        for bad in
            ["orders", "ftp://x", "https://x", "http://", "http://a:0", "http://a:70000", "http://a/b?c", "http://u@h"]
        {
            assert!(bad.parse::<ServiceUrl>().is_err(), "{bad:?}");
        }
    }
}
