//! What is known about one exchange when it is over, and its two written forms. `exchange` fills a record in, the
//! access log writes it, `failures` remembers it if it failed.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use crate::balance::Address;
use crate::error::Phase;

pub(crate) mod clock;
mod json;
mod text;
mod write;

pub(crate) use json::json;
pub(crate) use text::{Paint, text};

/// Everything known about one exchange when it is over; borrowed, written out at once.
#[derive(Debug, Clone, Copy)]
pub struct Record<'r> {
    /// When the request's head was complete.
    pub time: SystemTime,
    /// As the client sees it in the response.
    pub request_id: &'r str,
    /// The real client, as trusted proxies tell.
    pub client: IpAddr,
    /// Its port.
    pub client_port: u16,
    /// Who connected, if that is not the client itself.
    pub peer: Option<IpAddr>,
    /// `http` or `https`.
    pub scheme: &'static str,
    /// `HTTP/1.1` and the like.
    pub protocol: &'static str,
    /// The version of TLS, if there was any.
    pub tls: Option<&'r str>,
    /// The request's method.
    pub method: &'r str,
    /// The request's Host, whatever its bytes.
    pub host: &'r [u8],
    /// Path and query as the client sent them.
    pub path: &'r str,
    /// The field of this name, whatever its bytes.
    pub user_agent: Option<&'r [u8]>,
    /// The field of this name, whatever its bytes.
    pub referer: Option<&'r [u8]>,
    /// What the client was answered; 499 if it did not wait.
    pub status: u16,
    /// Bytes of the request's body.
    pub bytes_in: u64,
    /// Bytes of the response's body.
    pub bytes_out: u64,
    /// The route's name.
    pub route: Option<&'r str>,
    /// The service's name.
    pub service: Option<&'r str>,
    /// The upstream that a plugin has chosen, if one has; else it is the service's.
    pub chosen: Option<&'r str>,
    /// The consumer's username.
    pub consumer: Option<&'r str>,
    /// What the upstream answered; a plugin may have made another status of it.
    pub upstream_status: Option<u16>,
    /// Everything that was tried to reach the upstream, in order.
    pub attempts: &'r [Attempt],
    /// From the request's head to the response's last byte.
    pub total: Duration,
    /// From the first attempt to the upstream response's head.
    pub upstream: Option<Duration>,
    /// What plugins took, all hooks together.
    pub plugins: Duration,
    /// Why the exchange failed, if it did.
    pub failure: Option<Failing<'r>>,
}

/// One try at getting an answer from a target.
#[derive(Debug, Clone)]
pub struct Attempt {
    /// The target's name, as configured.
    pub target: Arc<str>,
    /// The address it has.
    pub address: Address,
    /// What carried the request; `None` if it came to no connection.
    pub connection: Option<Connection>,
    /// Time to wait for the name's first resolution, if it had to be waited for.
    pub dns: Option<Duration>,
    /// Time to connect, if it had to.
    pub connect: Option<Duration>,
    /// Time of the TLS handshake, if there was one.
    pub tls: Option<Duration>,
    /// From the request's being sent to the response's head, or to the failure.
    pub wait: Option<Duration>,
    /// [`Attempt::OK`], or the code of what went wrong.
    pub outcome: &'static str,
}

impl Attempt {
    /// The outcome of an attempt that was answered, with whatever status.
    pub const OK: &'static str = "ok";

    /// An attempt at this endpoint, about which nothing is known yet.
    pub fn at(target: &Arc<str>, address: &Address) -> Self {
        Self {
            target: Arc::clone(target),
            address: address.clone(),
            connection: None,
            dns: None,
            connect: None,
            tls: None,
            wait: None,
            outcome: Self::OK,
        }
    }
}

/// Where an upstream connection comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Connection {
    /// Made for this attempt.
    Fresh,
    /// Taken from the pool.
    Reused,
}

impl Connection {
    /// As logs and metrics show it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Fresh => "fresh",
            Self::Reused => "reused",
        }
    }
}

/// Why an exchange failed.
#[derive(Debug, Clone, Copy)]
pub struct Failing<'r> {
    /// The cause's public code.
    pub code: &'static str,
    /// How far the exchange had come.
    pub phase: Phase,
    /// Who, where, and the underlying error's own words.
    pub detail: &'r str,
}

#[cfg(test)]
pub(crate) mod tests;
