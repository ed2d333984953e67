//! Heads of requests and responses, and what an exchange is known by.

use std::fmt;

use http::header::{HOST, HeaderMap};
use http::uri::PathAndQuery;
use http::{Method, StatusCode, Version};

/// How a request reached the gateway, or the proxy in front of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scheme {
    /// In the clear.
    Http,
    /// Over TLS.
    Https,
}

impl Scheme {
    /// `http` or `https`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Http => "http",
            Self::Https => "https",
        }
    }
}

/// A request without its body.
#[derive(Debug, Clone)]
pub struct RequestHead {
    /// GET, POST …
    pub method: Method,
    /// Path and query.
    pub target: PathAndQuery,
    /// What the client speaks.
    pub version: Version,
    /// The header section; `host` is always the authority the client asked for.
    pub headers: HeaderMap,
    /// A plugin has said which path the upstream gets: nothing is stripped off it, and nothing put before it.
    pub is_final: bool,
}

impl RequestHead {
    /// The authority the client asked for; empty if it named none.
    pub fn host(&self) -> &str {
        self.headers.get(HOST).and_then(|host| host.to_str().ok()).unwrap_or_default()
    }

    /// What the client speaks, by its name.
    pub fn protocol(&self) -> &'static str {
        protocol(self.version)
    }
}

/// A version of HTTP, by the name that logs and plugins know it by.
pub fn protocol(version: Version) -> &'static str {
    match version {
        Version::HTTP_10 => "HTTP/1.0",
        Version::HTTP_2 => "HTTP/2",
        _ => "HTTP/1.1",
    }
}

/// A response without its body.
#[derive(Debug, Clone)]
pub struct ResponseHead {
    /// 200 to 599.
    pub status: StatusCode,
    /// The header section.
    pub headers: HeaderMap,
}

/// 128 random bits, shown as 32 hexadecimal digits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RequestId([u8; 16]);

impl RequestId {
    /// Nobody's.
    pub(super) const NONE: Self = Self([0; 16]);

    /// A new one, different from all others for practical purposes.
    pub fn random() -> Self {
        Self(fastrand::u128(..).to_ne_bytes())
    }

    /// As a header value.
    pub fn to_header(self) -> http::HeaderValue {
        http::HeaderValue::from_bytes(&self.digits()).unwrap_or(http::HeaderValue::from_static(""))
    }

    /// As text.
    pub fn digits(self) -> [u8; 32] {
        let digit = |nibble: u8| if nibble < 10 { b'0' + nibble } else { b'a' + nibble - 10 };
        let mut text = [b'0'; 32];
        for (digits, byte) in text.chunks_exact_mut(2).zip(self.0) {
            digits.copy_from_slice(&[digit(byte >> 4), digit(byte & 15)]);
        }
        text
    }
}

impl fmt::Display for RequestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(str::from_utf8(&self.digits()).unwrap_or_default())
    }
}
