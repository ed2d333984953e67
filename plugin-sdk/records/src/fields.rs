//! All that a record may have: Kong's log object, as far as the gateway knows it, and some beyond.

use tidegate_sdk::exchange::Text;

/// What stands at a place of the record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Source {
    /// A text of the report.
    Text(Text),
    ClientPort,
    Uri,
    Url,
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
    StartedAt,
    UpstreamStatus,
    UpstreamUri,
    Failure,
}

impl Source {
    /// Whether it always stands between quotes.
    pub(crate) fn is_text(&self) -> bool {
        match self {
            Self::Text(_) | Self::Uri | Self::Url | Self::UpstreamUri | Self::Failure => true,
            Self::RequestHeader(_) | Self::ResponseHeader(_) => true,
            Self::ClientPort | Self::Querystring | Self::QueryParam(_) | Self::RequestSize | Self::ResponseSize => {
                false
            }
            Self::RequestHeaders | Self::ResponseHeaders | Self::Tries | Self::StartedAt => false,
            Self::Status | Self::UpstreamStatus => false,
            Self::RequestLatency | Self::GatewayLatency | Self::ProxyLatency | Self::PluginsLatency => false,
        }
    }
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
    ("client_ip", Leaf(&Source::Text(Text::ClientIp))),
    ("client_port", Extra(&Source::ClientPort)),
    ("request", Object(REQUEST)),
    ("response", Object(RESPONSE)),
    ("latencies", Object(LATENCIES)),
    ("route", Object(&[("name", Leaf(&Source::Text(Text::Route)))])),
    ("service", Object(&[("name", Leaf(&Source::Text(Text::Service)))])),
    (
        "consumer",
        Object(&[
            ("username", Leaf(&Source::Text(Text::Consumer))),
            ("custom_id", Leaf(&Source::Text(Text::CustomId))),
        ]),
    ),
    ("authenticated_entity", Object(&[("id", Leaf(&Source::Text(Text::Credential)))])),
    ("upstream_uri", Leaf(&Source::UpstreamUri)),
    ("upstream_status", Leaf(&Source::UpstreamStatus)),
    ("tries", Leaf(&Source::Tries)),
    ("failure", Leaf(&Source::Failure)),
];

const REQUEST: &[(&str, Node)] = &[
    ("id", Leaf(&Source::Text(Text::Id))),
    ("method", Leaf(&Source::Text(Text::Method))),
    ("uri", Leaf(&Source::Uri)),
    ("url", Leaf(&Source::Url)),
    ("host", Extra(&Source::Text(Text::Host))),
    ("protocol", Extra(&Source::Text(Text::Protocol))),
    ("size", Leaf(&Source::RequestSize)),
    ("querystring", Leaf(&Source::Querystring)),
    ("headers", Leaf(&Source::RequestHeaders)),
    ("tls", Object(&[("version", Leaf(&Source::Text(Text::TlsVersion)))])),
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
