//! The words of gateway.toml, parsed: names, durations, sizes, and in `values/` addresses and what routes match. Past
//! this file no string needs parsing again.

mod address;
mod certificates;
mod delivery;
mod ends;
mod origin;
mod patterns;
mod peer;
mod redis;

use std::convert::Infallible;
use std::fmt;
use std::str::FromStr;
use std::time::Duration;

pub use address::{Authority, Bind, NameServer, Network, PlainHost, Scheme, ServiceUrl, UpstreamName};
pub use delivery::{AppName, SinkAddress, SinkUrl};
pub use ends::{HostName, HostPattern, Sni, Source};
pub use origin::Origin;
pub use patterns::{HeaderCriterion, HeaderValues, PathPattern, PathRegex};
pub use peer::{Peer, PeerHost, Protocol};
pub use redis::RedisUrl;
use uuid::Uuid;

use super::checked::HashOn;

/// A name that the operator chose, as logs and messages show it: 1 to 128 printable characters.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Name(String);

impl Name {
    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The name of a sink that the settings of a plugin use make up, the first one or another of those that go to this
    /// place: no operator can choose one with a space in it.
    pub(crate) fn of_own_sink(plugin: &Self, place: &str, others: usize) -> Self {
        match others {
            0 => Self(format!("{plugin} {place}")),
            _ => Self(format!("{plugin} {place} ({})", others + 1)),
        }
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

/// What entities are filed under: 1 to 128 characters, without those that combine tags in a query (Kong: `tags`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tag(pub String);

impl FromStr for Tag {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text.is_empty() || text.len() > 128 {
            return Err(format!("a tag has 1 to 128 characters, this one has {}", text.len()));
        }
        match text.chars().find(|c| c.is_control() || [',', '/'].contains(c)) {
            Some(c) => Err(format!("a tag has no {c:?} in it")),
            None => Ok(Self(text.to_owned())),
        }
    }
}

/// The id of an entity (Kong: `id`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Id(pub Uuid);

impl FromStr for Id {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        // Other forms would be other ids to whoever looks for one.
        match Uuid::try_parse(text) {
            Ok(id) if text.len() == 36 => Ok(Self(id)),
            _ => Err(format!("\"{text}\" is no UUID: expected one like \"4e3ad2e4-0bc4-4638-8e34-c84a417ba39b\"")),
        }
    }
}

/// A SHA-256, in lower-case hexadecimal digits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checksum(pub String);

impl FromStr for Checksum {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text.len() == 64 && text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return Ok(Self(text.to_ascii_lowercase()));
        }
        Err("expected a SHA-256: 64 hexadecimal digits, as `sha256sum` prints them".to_owned())
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

/// A value for a header field.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FieldValue(pub http::HeaderValue);

impl FromStr for FieldValue {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        text.parse().map(Self).map_err(|_| format!("{text:?} cannot be the value of a header field"))
    }
}

/// What a health check asks for: a path, and a query if there is one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProbePath(pub http::uri::PathAndQuery);

impl FromStr for ProbePath {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let path = text.parse().ok().filter(|_| text.starts_with('/'));
        path.map(Self).ok_or_else(|| format!("\"{text}\" is no path to ask for: expected one like \"/healthz\""))
    }
}

impl FromStr for HashOn {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let expected = || format!("\"{text}\": expected header:NAME, cookie:NAME, address, path or consumer");
        Ok(match text.split_once(':') {
            Some(("header", name)) => {
                Self::Header(name.parse().map_err(|_| format!("\"{name}\" is no header field's name"))?)
            }
            Some(("cookie", name)) if !name.is_empty() && name.bytes().all(|b| b.is_ascii_graphic() && b != b'=') => {
                Self::Cookie(name.to_owned())
            }
            None if text == "address" => Self::Address,
            None if text == "path" => Self::Path,
            None if text == "consumer" => Self::Consumer,
            _ => return Err(expected()),
        })
    }
}

#[cfg(test)]
mod tests;
