//! The exchange itself: its names, the client, and scratch that lasts from hook to hook.
//!
//! To be called in hooks: outside of one there is no exchange, and these functions trap.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crate::bindings::imports::tidegate::plugin::exchange::Outcome;
use crate::host;
use crate::host::client::IpAddress;

mod report;

pub use report::{Attempt, Parts, Report, Text, report};

/// The request id: 32 hexadecimal digits, the same in logs and in answers.
///
/// ```
/// # use tidegate_sdk::{prelude::*, testing::{Exchange, Hook, Outcome}};
/// let trace = Hook(|request: &mut Request| {
///     request.set_header("x-trace", exchange::id());
///     Flow::Next
/// });
/// let mut exchange = Exchange::get("/");
/// assert_eq!(exchange.request(&trace), Outcome::Next);
/// assert_eq!(exchange.upstream_headers().first("x-trace").map(str::len), Some(32));
/// ```
pub fn id() -> String {
    host::exchange::id()
}

/// The route's name, once the request has one.
///
/// ```
/// # use tidegate_sdk::{prelude::*, testing::{Exchange, Hook}};
/// let told = Hook(|_: &mut Request| Flow::reply(200).body(exchange::route().unwrap_or_default()));
/// assert_eq!(Exchange::get("/").route("orders-v1", "orders").request(&told).reply().text(), "orders-v1");
/// ```
pub fn route() -> Option<String> {
    host::exchange::route()
}

/// The service's name, once the request has a route to it.
///
/// ```
/// # use tidegate_sdk::{prelude::*, testing::{Exchange, Hook}};
/// let told = Hook(|_: &mut Request| Flow::reply(200).body(exchange::service().unwrap_or_default()));
/// assert_eq!(Exchange::get("/").route("orders-v1", "orders").request(&told).reply().text(), "orders");
/// ```
pub fn service() -> Option<String> {
    host::exchange::service()
}

/// The consumer's username, once a plugin has authenticated the request.
///
/// ```
/// # use tidegate_sdk::{prelude::*, testing::{Exchange, Hook}};
/// let members_only = Hook(|_: &mut Request| match exchange::consumer() {
///     Some(_) => Flow::Next,
///     None => Flow::reply(403).body("for members"),
/// });
/// assert_eq!(Exchange::get("/").request(&members_only).reply().text(), "for members");
/// ```
pub fn consumer() -> Option<String> {
    host::exchange::consumer()
}

/// The client's address: the other end of its connection, or whom trusted proxies name.
///
/// ```
/// # use tidegate_sdk::{prelude::*, testing::{Exchange, Hook}};
/// let inside = Hook(|_: &mut Request| match exchange::client_ip().is_loopback() {
///     true => Flow::Next,
///     false => Flow::reply(403).body(format!("{} is outside", exchange::client_ip())),
/// });
/// assert_eq!(Exchange::get("/").request(&inside).reply().text(), "192.0.2.1 is outside");
/// ```
pub fn client_ip() -> IpAddr {
    match host::client::ip() {
        IpAddress::V4(bits) => Ipv4Addr::from_bits(bits).into(),
        IpAddress::V6((upper, lower)) => Ipv6Addr::from_bits(u128::from(upper) << 64 | u128::from(lower)).into(),
    }
}

/// The client's port; 0 if only a proxy knows it.
///
/// ```
/// # use tidegate_sdk::{prelude::*, testing::{Exchange, Hook}};
/// let told = Hook(|_: &mut Request| Flow::reply(200).body(exchange::client_port().to_string()));
/// let mut exchange = Exchange::get("/").client([192, 0, 2, 7].into(), 4321);
/// assert_eq!(exchange.request(&told).reply().text(), "4321");
/// ```
pub fn client_port() -> u16 {
    host::client::port()
}

/// The address that the client connected to: one of the gateway's own, or of a proxy that speaks the
/// PROXY protocol.
///
/// ```
/// # use tidegate_sdk::{prelude::*, testing::{Exchange, Hook, Outcome}};
/// let inside = Hook(|_: &mut Request| {
///     if exchange::local_ip().is_loopback() { Flow::Next } else { Flow::reply(404).empty() }
/// });
/// assert_eq!(Exchange::get("/").request(&inside), Outcome::Next);
/// assert_eq!(Exchange::get("/").local([192, 0, 2, 9].into(), 443).request(&inside).reply().status, 404);
/// ```
///
/// # Panics
/// If the gateway's answer is no address, which its contract rules out.
pub fn local_ip() -> IpAddr {
    let address = host::client::local_address();
    address.parse().unwrap_or_else(|_| panic!("the gateway says that it is reached at {address:?}"))
}

/// The port that the client connected to.
///
/// ```
/// # use tidegate_sdk::{prelude::*, testing::{Exchange, Hook}};
/// let told = Hook(|_: &mut Request| Flow::reply(200).body(exchange::local_port().to_string()));
/// assert_eq!(Exchange::get("/").local([192, 0, 2, 9].into(), 8443).request(&told).reply().text(), "8443");
/// ```
pub fn local_port() -> u16 {
    host::client::local_port()
}

/// A certificate that a client showed in its TLS handshake; a listener's `client_auth` asks for it. It was verified.
///
/// ```
/// # use tidegate_sdk::{prelude::*, testing::{Exchange, Hook, Outcome}};
/// use tidegate_sdk::exchange::ClientCertificate;
///
/// let by_spiffe = Hook(|_: &mut Request| {
///     let uris = exchange::client_certificate().map(|shown| shown.uris).unwrap_or_default();
///     if uris.iter().any(|uri| uri == "spiffe://example.org/billing") { Flow::Next } else { Flow::reply(403).empty() }
/// });
/// let uris = vec!["spiffe://example.org/billing".to_owned()];
/// let billing = ClientCertificate { uris, ..ClientCertificate::default() };
/// assert_eq!(Exchange::get("/").certificate(billing).request(&by_spiffe), Outcome::Next);
/// assert_eq!(Exchange::get("/").request(&by_spiffe).reply().status, 403);
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ClientCertificate {
    /// Like `CN=alice,O=Example` (RFC 4514).
    pub subject: String,
    /// The subject's common name, if it has one.
    pub common_name: Option<String>,
    /// Who issued it, like the subject.
    pub issuer: String,
    /// Hexadecimal digits.
    pub serial: String,
    /// Names among its alternative names.
    pub dns_names: Vec<String>,
    /// Mail addresses among them.
    pub emails: Vec<String>,
    /// URIs among them, SPIFFE ids for example.
    pub uris: Vec<String>,
    /// SHA-256 of the certificate: 64 hexadecimal digits.
    pub fingerprint: String,
    /// When it ends, in seconds since 1970.
    pub not_after: u64,
}

/// The certificate that the client has shown, if it has shown one.
///
/// ```
/// # use tidegate_sdk::{prelude::*, testing::{Exchange, Hook, Outcome}};
/// use tidegate_sdk::exchange::ClientCertificate;
///
/// let tell = Hook(|request: &mut Request| {
///     request.remove_header("x-client-fingerprint");
///     if let Some(shown) = exchange::client_certificate() {
///         request.set_header("x-client-fingerprint", shown.fingerprint);
///     }
///     Flow::Next
/// });
/// let shown = ClientCertificate { fingerprint: "ab".repeat(32), ..ClientCertificate::default() };
/// let mut exchange = Exchange::get("/").certificate(shown);
/// assert_eq!(exchange.request(&tell), Outcome::Next);
/// assert_eq!(exchange.upstream_headers().first("x-client-fingerprint"), Some("ab".repeat(32).as_str()));
/// ```
pub fn client_certificate() -> Option<ClientCertificate> {
    let shown = host::client::shown_certificate()?;
    Some(ClientCertificate {
        subject: shown.subject,
        common_name: shown.common_name,
        issuer: shown.issuer,
        serial: shown.serial,
        dns_names: shown.dns_names,
        emails: shown.emails,
        uris: shown.uris,
        fingerprint: shown.fingerprint,
        not_after: shown.not_after,
    })
}

/// What this use of the plugin has [`set`] under `key` earlier in the exchange.
///
/// ```
/// # use tidegate_sdk::{prelude::*, testing::{Exchange, Hook, Outcome}};
/// let begin = Hook(|request: &mut Request| {
///     exchange::set("path", request.path());
///     request.set_path("/index.html");
///     Flow::Next
/// });
/// let told = Hook(|_: &Ended, _: &Response, _: &Request| {
///     let path = exchange::get("path").unwrap_or_default();
///     log::info!("asked for {}", String::from_utf8_lossy(&path));
/// });
/// let mut exchange = Exchange::get("/home");
/// assert_eq!(exchange.request(&begin), Outcome::Next);
/// exchange.over(&told, tidegate_sdk::testing::ended(200));
/// assert_eq!(exchange.log()[0].1, "asked for /home");
/// ```
pub fn get(key: &str) -> Option<Vec<u8>> {
    host::exchange::get(key)
}

/// Remembers `value` under `key` until the exchange ends, for this use of the plugin alone. An
/// instance serves many exchanges, so this is where a request hook leaves word for the response hook.
///
/// All plugins of an exchange may keep 64 KiB together, keys included, and 256 values; the hook that
/// wants to keep more traps.
///
/// ```
/// # use tidegate_sdk::{prelude::*, testing::{Exchange, Hook, Outcome}};
/// let before = Hook(|request: &mut Request| {
///     exchange::set("language", request.query_param("lang").unwrap_or_default());
///     Flow::Next
/// });
/// let after = Hook(|response: &mut Response, _: &Request| {
///     response.set_header("content-language", exchange::get("language").unwrap_or_default());
///     Flow::Next
/// });
/// let mut exchange = Exchange::get("/?lang=de");
/// assert_eq!(exchange.request(&before), Outcome::Next);
/// assert_eq!(exchange.response(&after), Outcome::Next);
/// assert_eq!(exchange.client_headers().first("content-language"), Some("de"));
/// ```
pub fn set(key: &str, value: impl AsRef<[u8]>) {
    host::exchange::set(key, value.as_ref());
}

/// What some plugin of this exchange has [`set_shared`] under `key`.
///
/// ```
/// # use tidegate_sdk::{prelude::*, testing::{Exchange, Hook, Outcome}};
/// let score = Hook(|_: &mut Request| {
///     exchange::set_shared("bot-score.value", "97");
///     Flow::Next
/// });
/// let refuse = Hook(|_: &mut Request| match exchange::get_shared("bot-score.value") {
///     Some(score) if score == b"97" => Flow::reply(403).empty(),
///     _ => Flow::Next,
/// });
/// let mut exchange = Exchange::get("/");
/// assert_eq!(exchange.request(&refuse), Outcome::Next);
/// assert_eq!(exchange.request(&score), Outcome::Next);
/// assert_eq!(exchange.request(&refuse).reply().status, 403);
/// ```
pub fn get_shared(key: &str) -> Option<Vec<u8>> {
    host::exchange::shared_get(key)
}

/// Remembers `value` under `key` until the exchange ends, for every plugin of the exchange. Begin the
/// key with your plugin's name. Bounded as by [`set`].
///
/// ```
/// # use tidegate_sdk::{prelude::*, testing::{Exchange, Hook, Outcome}};
/// let classify = Hook(|request: &mut Request| {
///     let agent = request.header("user-agent");
///     let kind = if agent.is_some_and(|agent| agent.as_bytes().starts_with(b"curl/")) { "tool" } else { "browser" };
///     exchange::set_shared("classify.kind", kind);
///     Flow::Next
/// });
/// let log = Hook(|_: &Ended, _: &Response, _: &Request| {
///     let kind = exchange::get_shared("classify.kind").unwrap_or_default();
///     log::info!("by a {}", String::from_utf8_lossy(&kind));
/// });
/// let mut exchange = Exchange::get("/").header("user-agent", "curl/8.14");
/// assert_eq!(exchange.request(&classify), Outcome::Next);
/// exchange.over(&log, tidegate_sdk::testing::ended(200));
/// assert_eq!(exchange.log()[0].1, "by a tool");
/// ```
pub fn set_shared(key: &str, value: impl AsRef<[u8]>) {
    host::exchange::shared_set(key, value.as_ref());
}

/// How an exchange ended.
///
/// ```
/// use tidegate_sdk::prelude::*;
/// use tidegate_sdk::testing::{self, Exchange, Hook};
///
/// let told = Hook(|ended: &Ended, _: &Response, request: &Request| {
///     if let Some(code) = &ended.failure {
///         log::warn!("{} failed with {}: {code}", request.path(), ended.status);
///     }
/// });
/// let mut exchange = Exchange::get("/a");
/// let failure = Some("upstream_connect_refused".to_owned());
/// exchange.over(&told, Ended { failure, upstream_status: None, ..testing::ended(502) });
/// assert_eq!(exchange.log()[0].1, "/a failed with 502: upstream_connect_refused");
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ended {
    /// When the request came.
    pub begun: SystemTime,
    /// What the client was answered; 499 if it went away.
    pub status: u16,
    /// What the upstream said, if it said anything.
    pub upstream_status: Option<u16>,
    /// Why it failed, by the code that the gateway's log has, if it failed.
    pub failure: Option<String>,
    /// From the request's head to the answer's head.
    pub answered: Duration,
    /// Of this, the upstream's part, if one was asked.
    pub upstream: Option<Duration>,
    /// Of this, what plugins took.
    pub plugins: Duration,
    /// Until the answer's last byte.
    pub total: Duration,
    /// Bytes of the request's body.
    pub received: u64,
    /// Bytes of the response's body.
    pub sent: u64,
}

impl Ended {
    pub(crate) fn of(ended: Outcome) -> Self {
        Self {
            begun: UNIX_EPOCH + Duration::from_micros(ended.begun),
            status: ended.status,
            upstream_status: ended.upstream_status,
            failure: ended.failure,
            answered: Duration::from_micros(ended.timings.answered),
            upstream: ended.timings.upstream.map(Duration::from_micros),
            plugins: Duration::from_micros(ended.timings.plugins),
            total: Duration::from_micros(ended.timings.total),
            received: ended.received,
            sent: ended.sent,
        }
    }
}
