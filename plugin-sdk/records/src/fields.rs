//! All that a record may have: Kong's log object, as far as the gateway knows it, and some beyond.

/// What stands at a place of the record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Source {
    Id,
    ClientIp,
    ClientPort,
    Protocol,
    TlsVersion,
    Method,
    Uri,
    Url,
    Host,
    Querystring,
    /// One parameter of it.
    QueryParam(String),
    RequestSize,
    RequestHeaders,
    /// One of them, by its name in lower case.
    RequestHeader(String),
    Status,
    ResponseSize,
    ResponseHeaders,
    /// Likewise.
    ResponseHeader(String),
    RequestLatency,
    GatewayLatency,
    ProxyLatency,
    PluginsLatency,
    Tries,
    Route,
    Service,
    Username,
    CustomId,
    Credential,
    StartedAt,
    UpstreamStatus,
    UpstreamUri,
    Failure,
}

/// A part of the record.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Node {
    Leaf(&'static Source),
    /// The same, but only if it is asked for.
    Extra(&'static Source),
    Object(&'static [(&'static str, Self)]),
}

use Node::{Extra, Leaf, Object};

/// The whole record, in the order of its fields.
pub(crate) const RECORD: &[(&str, Node)] = &[
    ("started_at", Leaf(&Source::StartedAt)),
    ("client_ip", Leaf(&Source::ClientIp)),
    ("client_port", Extra(&Source::ClientPort)),
    ("request", Object(REQUEST)),
    ("response", Object(RESPONSE)),
    ("latencies", Object(LATENCIES)),
    ("route", Object(&[("name", Leaf(&Source::Route))])),
    ("service", Object(&[("name", Leaf(&Source::Service))])),
    ("consumer", Object(&[("username", Leaf(&Source::Username)), ("custom_id", Leaf(&Source::CustomId))])),
    ("authenticated_entity", Object(&[("id", Leaf(&Source::Credential))])),
    ("upstream_uri", Leaf(&Source::UpstreamUri)),
    ("upstream_status", Leaf(&Source::UpstreamStatus)),
    ("tries", Leaf(&Source::Tries)),
    ("failure", Leaf(&Source::Failure)),
];

const REQUEST: &[(&str, Node)] = &[
    ("id", Leaf(&Source::Id)),
    ("method", Leaf(&Source::Method)),
    ("uri", Leaf(&Source::Uri)),
    ("url", Leaf(&Source::Url)),
    ("host", Extra(&Source::Host)),
    ("protocol", Extra(&Source::Protocol)),
    ("size", Leaf(&Source::RequestSize)),
    ("querystring", Leaf(&Source::Querystring)),
    ("headers", Leaf(&Source::RequestHeaders)),
    ("tls", Object(&[("version", Leaf(&Source::TlsVersion))])),
];

const RESPONSE: &[(&str, Node)] = &[
    ("status", Leaf(&Source::Status)),
    ("size", Leaf(&Source::ResponseSize)),
    ("headers", Leaf(&Source::ResponseHeaders)),
];

const LATENCIES: &[(&str, Node)] = &[
    ("request", Leaf(&Source::RequestLatency)),
    ("gateway", Leaf(&Source::GatewayLatency)),
    ("proxy", Leaf(&Source::ProxyLatency)),
    ("plugins", Extra(&Source::PluginsLatency)),
];

/// What a path leads to.
pub(crate) enum Found {
    Leaf(Source),
    Object(&'static [(&'static str, Node)]),
}

/// What stands at `path`, like `request.headers.user-agent`.
pub(crate) fn find(path: &str) -> Result<Found, String> {
    if let Some(one) = one_of_many(path) {
        return Ok(Found::Leaf(one));
    }
    let mut level: &'static [(&'static str, Node)] = RECORD;
    let mut found = None;
    for name in path.split('.') {
        let Some((_, node)) = level.iter().find(|(known, _)| *known == name) else {
            let known: Vec<&str> = level.iter().map(|(known, _)| *known).collect();
            let known = if known.is_empty() { "nothing".to_owned() } else { known.join(", ") };
            return Err(format!("a record has no `{path}`: instead of `{name}`, there is {known}"));
        };
        (level, found) = match node {
            Leaf(source) | Extra(source) => (Default::default(), Some(Found::Leaf((*source).clone()))),
            Object(members) => (*members, Some(Found::Object(members))),
        };
    }
    found.ok_or_else(|| "a field cannot be nothing".to_owned())
}

fn one_of_many(path: &str) -> Option<Source> {
    let of = |prefix: &str| path.strip_prefix(prefix).filter(|name| !name.is_empty());
    let header = |prefix| of(prefix).map(str::to_ascii_lowercase);
    header("request.headers.")
        .map(Source::RequestHeader)
        .or_else(|| header("response.headers.").map(Source::ResponseHeader))
        .or_else(|| of("request.querystring.").map(|name| Source::QueryParam(name.to_owned())))
}
