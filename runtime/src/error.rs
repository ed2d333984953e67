//! Why the gateway answers a request itself: every cause, and the one table from cause to what the client is told.

use std::fmt;

use http::StatusCode;

/// Why an exchange failed. The codes are public and stable: clients see them in `X-Gateway-Error`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cause {
    /// No route takes this request.
    RouteNotFound,
    /// The route takes https only.
    HttpsRequired,
    /// The request cannot be understood, or could be understood in two ways.
    RequestInvalid,
    /// The request's head is larger than the limit, or has more fields.
    HeaderTooLarge,
    /// The request's target is longer than the limit.
    UriTooLong,
    /// The request's body is larger than the limit.
    BodyTooLarge,
    /// The request has been here before: an upstream sends it back to this gateway.
    ProxyLoop,
    /// The client was too slow with its request.
    RequestTimeout,
    /// The client went away.
    ClientClosed,
    /// The upstream's name leads to no address.
    UpstreamDnsFailed,
    /// Every target of the upstream has weight 0.
    UpstreamNoTarget,
    /// No target of the upstream is healthy.
    UpstreamAllUnhealthy,
    /// The target refuses connections.
    UpstreamConnectRefused,
    /// There is no way to the target.
    UpstreamUnreachable,
    /// The target reset the connection while it was being made.
    UpstreamReset,
    /// The target did not accept, or did not end its TLS handshake, in time.
    UpstreamConnectTimeout,
    /// The target speaks plain text where TLS was expected.
    UpstreamTlsNotSpoken,
    /// The target speaks TLS where plain text was expected.
    UpstreamTlsExpected,
    /// The TLS handshake with the target failed.
    UpstreamTlsFailed,
    /// The target closed or reset the connection before it answered.
    UpstreamClosedBeforeResponse,
    /// A pooled connection was closed by the target as it was used again.
    UpstreamClosedIdle,
    /// The target did not answer in time.
    UpstreamResponseTimeout,
    /// The target paused for too long within its answer.
    UpstreamBodyTimeout,
    /// The target's response head is larger than the limit.
    UpstreamHeadersTooLarge,
    /// The target's answer is no HTTP, or none to this request.
    UpstreamProtocolError,
    /// The target's answer broke off.
    UpstreamBodyTruncated,
    /// A plugin failed, or trapped.
    PluginFailed,
    /// A plugin ran out of time.
    PluginTimedOut,
    /// A plugin ran out of memory.
    PluginMemory,
    /// A plugin kept failing and is not called for a while.
    PluginTripped,
    /// The target's answer is larger than a plugin that wants all of it can take.
    UpstreamBodyTooLarge,
    /// The machine has no sockets left for this request.
    GatewayOverloaded,
    /// The gateway stops, and the request was not done in time.
    GatewayDraining,
}

/// Where in its way an exchange failed, as logs show it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// While the request was read.
    Request,
    /// While its route was looked for.
    Route,
    /// In a plugin.
    Plugin,
    /// While the target's name was resolved.
    Dns,
    /// While a target was chosen.
    Balance,
    /// While the connection to the target was made.
    Connect,
    /// In the TLS handshake with the target.
    Tls,
    /// Between the request and the head of its response.
    Response,
    /// Within the response's body.
    Body,
}

impl Phase {
    /// As it stands in logs.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Request => "request",
            Self::Route => "route",
            Self::Plugin => "plugin",
            Self::Dns => "dns",
            Self::Balance => "balance",
            Self::Connect => "connect",
            Self::Tls => "tls",
            Self::Response => "response",
            Self::Body => "body",
        }
    }
}

/// What the client is told.
#[derive(Debug, Clone, Copy)]
pub struct Row {
    /// `X-Gateway-Error` and `error` in the body.
    pub code: &'static str,
    /// The status line's status.
    pub status: StatusCode,
    /// Where it happens, unless the failure itself knows better.
    pub phase: Phase,
    /// `message` in the body; Kong's words where it has any.
    pub message: &'static str,
}

impl Cause {
    /// The table.
    pub const fn row(self) -> Row {
        const BAD_GATEWAY: &str = "An invalid response was received from the upstream server";
        const UNAVAILABLE: &str = "The upstream server is currently unavailable";
        const TIMING_OUT: &str = "The upstream server is timing out";
        const UNEXPECTED: &str = "An unexpected error occurred";
        use Phase::{Balance, Body, Connect, Dns, Plugin, Request, Response, Route, Tls};
        let (code, status, phase, message) = match self {
            Self::RouteNotFound => ("route_not_found", 404, Route, "no Route matched with those values"),
            Self::HttpsRequired => ("https_required", 426, Route, "Please use HTTPS protocol"),
            Self::RequestInvalid => ("request_invalid", 400, Request, "Bad request"),
            Self::HeaderTooLarge => ("header_too_large", 431, Request, "Request header or cookie too large"),
            Self::UriTooLong => ("uri_too_long", 414, Request, "URI too long"),
            Self::BodyTooLarge => ("body_too_large", 413, Request, "Request body too large"),
            Self::ProxyLoop => ("proxy_loop", 508, Request, "The request came back to the gateway"),
            Self::RequestTimeout => ("request_timeout", 408, Request, "Request timeout"),
            Self::ClientClosed => ("client_closed", 499, Response, "The client closed the connection"),
            Self::UpstreamDnsFailed => ("upstream_dns_failed", 503, Dns, "name resolution failed"),
            Self::UpstreamNoTarget => {
                ("upstream_no_target", 503, Balance, "failure to get a peer from the ring-balancer")
            }
            Self::UpstreamAllUnhealthy => ("upstream_all_unhealthy", 503, Balance, UNAVAILABLE),
            Self::UpstreamConnectRefused => ("upstream_connect_refused", 502, Connect, BAD_GATEWAY),
            Self::UpstreamUnreachable => ("upstream_connect_unreachable", 502, Connect, BAD_GATEWAY),
            Self::UpstreamReset => ("upstream_connect_reset", 502, Connect, BAD_GATEWAY),
            Self::UpstreamConnectTimeout => ("upstream_connect_timeout", 504, Connect, TIMING_OUT),
            Self::UpstreamTlsNotSpoken => ("upstream_tls_not_spoken", 502, Tls, BAD_GATEWAY),
            Self::UpstreamTlsExpected => ("upstream_tls_expected", 502, Response, BAD_GATEWAY),
            Self::UpstreamTlsFailed => ("upstream_tls_failed", 502, Tls, BAD_GATEWAY),
            Self::UpstreamClosedBeforeResponse => ("upstream_closed_before_response", 502, Response, BAD_GATEWAY),
            Self::UpstreamClosedIdle => ("upstream_closed_idle", 502, Response, BAD_GATEWAY),
            Self::UpstreamResponseTimeout => ("upstream_response_timeout", 504, Response, TIMING_OUT),
            Self::UpstreamBodyTimeout => ("upstream_body_timeout", 504, Body, TIMING_OUT),
            Self::UpstreamHeadersTooLarge => ("upstream_headers_too_large", 502, Response, BAD_GATEWAY),
            Self::UpstreamProtocolError => ("upstream_protocol_error", 502, Response, BAD_GATEWAY),
            Self::UpstreamBodyTruncated => ("upstream_body_truncated", 502, Body, BAD_GATEWAY),
            Self::PluginFailed => ("plugin_failed", 500, Plugin, UNEXPECTED),
            Self::PluginTimedOut => ("plugin_timed_out", 500, Plugin, UNEXPECTED),
            Self::PluginMemory => ("plugin_memory", 500, Plugin, UNEXPECTED),
            Self::PluginTripped => ("plugin_tripped", 503, Plugin, "The gateway is temporarily unable to serve this"),
            Self::UpstreamBodyTooLarge => ("upstream_body_too_large", 502, Body, BAD_GATEWAY),
            Self::GatewayOverloaded => ("gateway_overloaded", 503, Connect, "The gateway is overloaded"),
            Self::GatewayDraining => ("gateway_draining", 503, Response, "The gateway is restarting"),
        };
        Row { code, status: status_code(status), phase, message }
    }

    /// Whether the request was such that nobody can say where the next one begins.
    pub const fn ends_connection(self) -> bool {
        matches!(self, Self::RequestInvalid | Self::HeaderTooLarge | Self::UriTooLong | Self::RequestTimeout)
    }

    /// Whether the upstream failed, and another attempt may do better.
    pub const fn is_upstreams(self) -> bool {
        matches!(
            self,
            Self::UpstreamConnectRefused
                | Self::UpstreamUnreachable
                | Self::UpstreamReset
                | Self::UpstreamConnectTimeout
                | Self::UpstreamTlsNotSpoken
                | Self::UpstreamTlsFailed
                | Self::UpstreamClosedBeforeResponse
                | Self::UpstreamClosedIdle
                | Self::UpstreamResponseTimeout
        )
    }

    /// As logs, metrics and clients see it.
    pub const fn code(self) -> &'static str {
        self.row().code
    }
}

const fn status_code(status: u16) -> StatusCode {
    match StatusCode::from_u16(status) {
        Ok(status) => status,
        Err(_) => StatusCode::INTERNAL_SERVER_ERROR,
    }
}

/// A cause with its story, which goes into the log and never to the client.
#[derive(Debug, Clone)]
pub struct Failure {
    /// What kind.
    pub cause: Cause,
    /// Where on its way the exchange was.
    pub phase: Phase,
    /// Who, where, and the underlying error's own words.
    pub detail: String,
}

impl Failure {
    /// A failure and its story.
    pub fn new(cause: Cause, detail: impl Into<String>) -> Self {
        Self { cause, phase: cause.row().phase, detail: detail.into() }
    }

    /// The same, elsewhere.
    pub fn during(self, phase: Phase) -> Self {
        Self { phase, ..self }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.cause.code(), self.detail)
    }
}
