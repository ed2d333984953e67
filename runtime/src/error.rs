//! Why the gateway answers a request itself: every cause, and the one table from cause to what the client is told.

use std::fmt;

use http::StatusCode;

/// Why an exchange failed. The codes are public and stable: clients see them in `X-Gateway-Error`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cause {
    /// No route takes this request.
    RouteNotFound,
    /// The request cannot be understood.
    RequestInvalid,
    /// The client was too slow with its request's body.
    RequestTimeout,
    /// The client went away.
    ClientClosed,
    /// The upstream's name leads to no address.
    UpstreamDnsFailed,
    /// Every target of the upstream has weight 0.
    UpstreamNoTarget,
    /// The target refuses connections.
    UpstreamConnectRefused,
    /// There is no way to the target.
    UpstreamUnreachable,
    /// The target reset the connection while it was being made.
    UpstreamReset,
    /// The target did not accept in time.
    UpstreamConnectTimeout,
    /// The target closed or reset the connection before it answered.
    UpstreamClosedBeforeResponse,
    /// The target did not answer in time.
    UpstreamResponseTimeout,
    /// The target's response head is larger than the limit.
    UpstreamHeadersTooLarge,
    /// The target's answer is no HTTP, or none to this request.
    UpstreamProtocolError,
    /// A plugin failed, or trapped.
    PluginFailed,
    /// A plugin ran out of time.
    PluginTimedOut,
    /// A plugin ran out of memory.
    PluginMemory,
}

/// What the client is told.
#[derive(Debug, Clone, Copy)]
pub struct Row {
    /// `X-Gateway-Error` and `error` in the body.
    pub code: &'static str,
    /// The status line's status.
    pub status: StatusCode,
    /// `message` in the body; Kong's words where it has any.
    pub message: &'static str,
}

impl Cause {
    /// The table.
    pub const fn row(self) -> Row {
        const BAD_GATEWAY: &str = "An invalid response was received from the upstream server";
        const TIMING_OUT: &str = "The upstream server is timing out";
        const UNEXPECTED: &str = "An unexpected error occurred";
        let (code, status, message) = match self {
            Self::RouteNotFound => ("route_not_found", 404, "no Route matched with those values"),
            Self::RequestInvalid => ("request_invalid", 400, "Bad request"),
            Self::RequestTimeout => ("request_timeout", 408, "Request timeout"),
            Self::ClientClosed => ("client_closed", 499, "The client closed the connection"),
            Self::UpstreamDnsFailed => ("upstream_dns_failed", 503, "name resolution failed"),
            Self::UpstreamNoTarget => ("upstream_no_target", 503, "failure to get a peer from the ring-balancer"),
            Self::UpstreamConnectRefused => ("upstream_connect_refused", 502, BAD_GATEWAY),
            Self::UpstreamUnreachable => ("upstream_connect_unreachable", 502, BAD_GATEWAY),
            Self::UpstreamReset => ("upstream_connect_reset", 502, BAD_GATEWAY),
            Self::UpstreamConnectTimeout => ("upstream_connect_timeout", 504, TIMING_OUT),
            Self::UpstreamClosedBeforeResponse => ("upstream_closed_before_response", 502, BAD_GATEWAY),
            Self::UpstreamResponseTimeout => ("upstream_response_timeout", 504, TIMING_OUT),
            Self::UpstreamHeadersTooLarge => ("upstream_headers_too_large", 502, BAD_GATEWAY),
            Self::UpstreamProtocolError => ("upstream_protocol_error", 502, BAD_GATEWAY),
            Self::PluginFailed => ("plugin_failed", 500, UNEXPECTED),
            Self::PluginTimedOut => ("plugin_timed_out", 500, UNEXPECTED),
            Self::PluginMemory => ("plugin_memory", 500, UNEXPECTED),
        };
        Row { code, status: status_code(status), message }
    }
}

const fn status_code(status: u16) -> StatusCode {
    match StatusCode::from_u16(status) {
        Ok(status) => status,
        Err(_) => StatusCode::INTERNAL_SERVER_ERROR,
    }
}

/// A cause with its story, which goes into the log and never to the client.
#[derive(Debug)]
pub struct Failure {
    /// What kind.
    pub cause: Cause,
    /// Who, where, and the underlying error's own words.
    pub detail: String,
}

impl Failure {
    /// A failure and its story.
    pub fn new(cause: Cause, detail: impl Into<String>) -> Self {
        Self { cause, detail: detail.into() }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.cause.row().code, self.detail)
    }
}
