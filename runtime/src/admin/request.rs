//! A request of the admin API as its endpoints are given it: who asks is known and may, the body is there.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;
use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderMap, Method};

use super::body::MediaType;
use super::form::{self, Plus};

/// What an endpoint is given. Not `Debug`: bodies hold secrets, and must not reach a log.
pub struct Request {
    /// HEAD comes as GET.
    pub method: Method,
    /// The path's, decoded, without empty ones: `/services/my%20api/` is `["services", "my api"]`.
    pub segments: Vec<String>,
    /// What is behind the path.
    pub query: Query,
    /// All of them but those that say who asks.
    pub headers: HeaderMap,
    /// What the body is.
    pub content_type: Option<MediaType>,
    /// All of it, within the endpoint's bound.
    pub body: Bytes,
    /// Who asks.
    pub author: Author,
    /// From where.
    pub peer: Peer,
}

impl Request {
    /// The path's segment at `index`, from 0; empty if there is none. An endpoint has those of its pattern.
    pub fn segment(&self, index: usize) -> &str {
        self.segments.get(index).map_or("", String::as_str)
    }
}

/// Who asks, and what they may.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Author {
    /// By what they are known.
    pub who: Who,
    /// What they may.
    pub role: Role,
}

/// By what somebody is known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Who {
    /// By nothing at all.
    Anybody,
    /// By being on this machine, where no token is asked for.
    Loopback,
    /// By being let to the unix socket.
    Socket,
    /// By the token of this name.
    Token(Arc<str>),
    /// By a certificate; the name is the configuration's for it.
    Certificate(Arc<str>),
}

impl fmt::Display for Who {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Anybody => f.write_str("anybody"),
            Self::Loopback => f.write_str("loopback"),
            Self::Socket => f.write_str("unix socket"),
            Self::Token(name) => write!(f, "token {name}"),
            Self::Certificate(name) => write!(f, "certificate {name}"),
        }
    }
}

/// What somebody may, or an endpoint needs; each may all that those before it may.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Role {
    /// What is for anybody who gets here.
    None,
    /// Look at whatever holds no secret.
    Read,
    /// Upload plugins, too.
    Plugins,
    /// Everything.
    Write,
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::None => "none",
            Self::Read => "read",
            Self::Plugins => "plugins",
            Self::Write => "write",
        })
    }
}

impl FromStr for Role {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let roles = [Self::Read, Self::Plugins, Self::Write];
        let found = roles.into_iter().find(|role| role.to_string() == text);
        found.ok_or_else(|| format!("there is no role \"{text}\""))
    }
}

/// Where a request comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Peer {
    /// This address.
    Address(IpAddr),
    /// The unix socket.
    Socket,
}

impl fmt::Display for Peer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Address(address) => address.fmt(f),
            Self::Socket => f.write_str("unix socket"),
        }
    }
}

/// The parameters of a query, decoded, in order.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Query(Vec<(String, String)>);

impl Query {
    /// `query` is what is behind the "?".
    ///
    /// # Errors
    /// What is wrong with it, in words for the client.
    pub fn read(query: &str) -> Result<Self, String> {
        let pairs = form::pairs(query.as_bytes()).map_err(|problem| format!("the query: {problem}"))?;
        Ok(Self(pairs.into_iter().map(|(name, value)| (name, value.unwrap_or_default())).collect()))
    }

    /// The value of `name`: empty if it has none, the last one if it is there more than once.
    pub fn value(&self, name: &str) -> Option<&str> {
        self.0.iter().rev().find(|(found, _)| found == name).map(|(_, value)| value.as_str())
    }

    /// All parameters.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(name, value)| (name.as_str(), value.as_str()))
    }
}

/// The segments of `path`, decoded.
///
/// # Errors
/// What is wrong with it, in words for the client.
pub fn segments(path: &str) -> Result<Vec<String>, String> {
    let segments = path.split('/').filter(|segment| !segment.is_empty());
    let decoded = segments.map(|segment| {
        let decoded =
            form::decoded(segment.as_bytes(), Plus::Itself).map_err(|problem| format!("the path: {problem}"))?;
        // Most clients take them for a way up the path; whoever sends one means something else than we would read.
        if decoded == "." || decoded == ".." || decoded.chars().any(char::is_control) {
            return Err(format!("the path: no segment may be {segment:?}"));
        }
        Ok(decoded)
    });
    decoded.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_split_and_decoded_or_refused() {
        for (path, expected) in [
            ("/", &[][..]),
            ("//", &[]),
            ("/services", &["services"]),
            ("/services/", &["services"]),
            ("//services//x", &["services", "x"]),
            ("/services/my%20api/routes", &["services", "my api", "routes"]),
            ("/services/a+b%2Bc", &["services", "a+b+c"]),
            ("/services/caf%C3%A9%2Fbar", &["services", "café/bar"]),
            ("*", &["*"]),
        ] {
            assert_eq!(segments(path).unwrap(), expected, "{path}");
        }
        for wrong in ["/a%", "/a%2", "/a%zz", "/%ff", "/a/../b", "/a/%2e%2E", "/.", "/a%00b", "/a%0Ab"] {
            let problem = segments(wrong).unwrap_err();
            assert!(problem.starts_with("the path: "), "{wrong}: {problem}");
        }
    }

    #[test]
    fn queries_are_decoded_or_refused() {
        let query = Query::read("size=7&tags=a%2Cb+c&size=8&dry_run&&x=1=2").unwrap();
        assert_eq!((query.value("size"), query.value("tags")), (Some("8"), Some("a,b c")));
        assert_eq!((query.value("dry_run"), query.value("x"), query.value("y")), (Some(""), Some("1=2"), None));
        assert_eq!(query.iter().count(), 5);
        assert_eq!(Query::read("").unwrap(), Query::default());
        for wrong in ["a=%f", "%zz=1", "a=%ff"] {
            assert!(Query::read(wrong).unwrap_err().starts_with("the query: "), "{wrong}");
        }
    }

    #[test]
    fn each_role_may_what_the_one_before_may() {
        assert!(Role::None < Role::Read && Role::Read < Role::Plugins && Role::Plugins < Role::Write);
    }
}
