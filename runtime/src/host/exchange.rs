//! What plugins see and change of one request and its answer. The proxy makes it, lends it to each hook by moving it
//! into the plugin's store and back (a pointer's worth of copying), and forwards what is left.

use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;

use bytes::Bytes;
use http::header::{HOST, HeaderMap};
use http::uri::PathAndQuery;
use http::{Method, StatusCode};

use crate::identity::{Credential, Identities};
use crate::limits;
use crate::proxy::route::Captures;
use crate::snapshot::Route;
use crate::tls::session::Session;

/// One request on its way, and its answer once there is one.
pub struct Exchange {
    /// The same in logs, in answers and at the upstream.
    pub id: RequestId,
    /// Who sent the request, as far as trusted proxies tell.
    pub client: SocketAddr,
    /// How it was sent, likewise.
    pub scheme: Scheme,
    /// The connection's TLS, if there is any.
    pub tls: Option<Arc<Session>>,
    /// What the named groups of the route's regex found in the path.
    pub captures: Captures,
    /// The request, as edited so far.
    pub request: RequestHead,
    /// The answer, as edited so far; `None` until response hooks run.
    pub response: Option<ResponseHead>,
    /// Where the request goes, once that is known.
    pub route: Option<Arc<Route>>,
    /// Who sent it, once a plugin has found out.
    pub credential: Option<Arc<Credential>>,
    /// Who may come in at all.
    pub identities: Arc<Identities>,
    /// What plugins keep from hook to hook.
    pub scratch: Scratch,
}

impl Exchange {
    /// Stands in a plugin's store while no exchange is lent to it.
    pub(super) fn vacant() -> Self {
        Self {
            id: RequestId([0; 16]),
            client: SocketAddr::from(([0, 0, 0, 0], 0)),
            scheme: Scheme::Http,
            tls: None,
            captures: Captures::default(),
            request: RequestHead {
                method: Method::GET,
                target: PathAndQuery::from_static("/"),
                headers: HeaderMap::new(),
            },
            response: None,
            route: None,
            credential: None,
            identities: Arc::default(),
            scratch: Scratch::default(),
        }
    }
}

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
pub struct RequestHead {
    /// GET, POST …
    pub method: Method,
    /// Path and query.
    pub target: PathAndQuery,
    /// The header section; `host` is always the authority the client asked for.
    pub headers: HeaderMap,
}

impl RequestHead {
    /// The authority the client asked for; empty if it named none.
    pub fn host(&self) -> &str {
        self.headers.get(HOST).and_then(|host| host.to_str().ok()).unwrap_or_default()
    }
}

/// A response without its body.
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
    /// A new one, different from all others for practical purposes.
    pub fn random() -> Self {
        Self(fastrand::u128(..).to_ne_bytes())
    }

    /// As a header value.
    pub fn to_header(self) -> http::HeaderValue {
        let digit = |nibble: u8| if nibble < 10 { b'0' + nibble } else { b'a' + nibble - 10 };
        let mut text = [b'0'; 32];
        for (digits, byte) in text.chunks_exact_mut(2).zip(self.0) {
            digits.copy_from_slice(&[digit(byte >> 4), digit(byte & 15)]);
        }
        http::HeaderValue::from_bytes(&text).unwrap_or(http::HeaderValue::from_static(""))
    }
}

impl fmt::Display for RequestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

/// Values that plugin uses keep for the exchange, each use seeing its own.
#[derive(Default)]
pub struct Scratch {
    entries: Vec<(usize, String, Bytes)>,
    bytes: usize,
}

impl Scratch {
    /// What use number `owner` of the chain keeps under `key`.
    pub fn value(&self, owner: usize, key: &str) -> Option<&Bytes> {
        self.entries.iter().find(|(o, k, _)| *o == owner && k == key).map(|(_, _, value)| value)
    }

    /// Keep `value`.
    ///
    /// # Errors
    /// The exchange would hold more than [`limits::SCRATCH_BYTES`].
    pub fn keep(&mut self, owner: usize, key: String, value: Bytes) -> Result<(), String> {
        let added = key.len() + value.len();
        let old = self.entries.iter().position(|(o, k, _)| *o == owner && *k == key);
        let freed = old.and_then(|at| self.entries.get(at)).map_or(0, |(_, k, v)| k.len() + v.len());
        if self.bytes - freed + added > limits::SCRATCH_BYTES {
            return Err(format!("the scratch of one exchange holds at most {} bytes", limits::SCRATCH_BYTES));
        }
        self.bytes = self.bytes - freed + added;
        match old.and_then(|at| self.entries.get_mut(at)) {
            Some(entry) => entry.2 = value,
            None => self.entries.push((owner, key, value)),
        }
        Ok(())
    }
}
