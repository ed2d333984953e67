//! The exchange itself: its names, the client, and scratch that lasts from hook to hook.
//!
//! To be called in hooks: outside of one there is no exchange, and these functions trap.

use std::net::IpAddr;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crate::host;

/// The request id: 32 hexadecimal digits, the same in logs and in answers.
pub fn id() -> String {
    host::exchange::id()
}

/// The route's name, once the request has one.
pub fn route() -> Option<String> {
    host::exchange::route()
}

/// The service's name, once the request has a route to it.
pub fn service() -> Option<String> {
    host::exchange::service()
}

/// The consumer's username, once a plugin has authenticated the request.
pub fn consumer() -> Option<String> {
    host::exchange::consumer()
}

/// The client's address: the other end of its connection, or whom trusted proxies name.
///
/// # Panics
/// If the gateway's answer is no address, which its contract rules out.
pub fn client_ip() -> IpAddr {
    let address = host::client::address();
    address.parse().unwrap_or_else(|_| panic!("the gateway says that the client's address is {address:?}"))
}

/// The client's port; 0 if only a proxy knows it.
pub fn client_port() -> u16 {
    host::client::port()
}

/// A certificate that a client showed in its TLS handshake; a listener's `client_auth` asks for it. It was verified.
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
pub fn get(key: &str) -> Option<Vec<u8>> {
    host::exchange::get(key)
}

/// Remembers `value` under `key` until the exchange ends, for this use of the plugin alone. An
/// instance serves many exchanges, so this is where a request hook leaves word for the response hook.
pub fn set(key: &str, value: impl AsRef<[u8]>) {
    host::exchange::set(key, value.as_ref());
}

/// What some plugin of this exchange has [`set_shared`] under `key`.
pub fn get_shared(key: &str) -> Option<Vec<u8>> {
    host::exchange::shared_get(key)
}

/// Remembers `value` under `key` until the exchange ends, for every plugin of the exchange. Begin the
/// key with your plugin's name.
pub fn set_shared(key: &str, value: impl AsRef<[u8]>) {
    host::exchange::shared_set(key, value.as_ref());
}

/// How an exchange ended.
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
    pub(crate) fn current() -> Option<Self> {
        let ended = host::exchange::ended()?;
        Some(Self {
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
        })
    }
}
