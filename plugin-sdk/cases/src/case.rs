//! What a case file may say. Every key is one that a plugin author would guess; an unknown one is an error.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::num::NonZeroU32;

use serde::Deserialize;
use serde_json::Value;

use crate::values::{Body, Fields, Method, Presence, Status, Target};

/// A whole file: its cases, and what those have in common that do not say otherwise.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct File {
    config: Option<Value>,
    credentials: Option<Vec<Credential>>,
    authenticated: Option<String>,
    shared: Option<BTreeMap<String, String>>,
    secrets: Option<BTreeMap<String, String>>,
    sinks: Option<Vec<String>>,
    servers: Option<BTreeMap<String, Answer>>,
    upstreams: Option<Vec<String>>,
    counters: Option<Counters>,
    #[serde(default)]
    case: Vec<Draft>,
}

/// A case as it stands in the file.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Draft {
    name: String,
    config: Option<Value>,
    credentials: Option<Vec<Credential>>,
    authenticated: Option<String>,
    shared: Option<BTreeMap<String, String>>,
    secrets: Option<BTreeMap<String, String>>,
    sinks: Option<Vec<String>>,
    servers: Option<BTreeMap<String, Answer>>,
    upstreams: Option<Vec<String>>,
    counters: Option<Counters>,
    #[serde(default)]
    request: Request,
    times: Option<NonZeroU32>,
    #[serde(default)]
    answer: Answer,
    expect: Expect,
}

/// One request through a plugin, and what is to come of it.
#[derive(Debug, Clone)]
pub struct Case {
    /// What it shows, in a sentence.
    pub name: String,
    /// The plugin's settings: an object.
    pub config: Value,
    /// Who may come in.
    pub credentials: Vec<Credential>,
    /// Whom a plugin before this one has found the request to come from: one who has a credential.
    pub authenticated: Option<String>,
    /// What plugins before this one have left for others, by key.
    pub shared: BTreeMap<String, String>,
    /// Secrets that the plugin is granted, by name.
    pub secrets: BTreeMap<String, String>,
    /// Sinks that it is granted.
    pub sinks: Vec<String>,
    /// What other servers answer, by method and URL: `GET https://idp.example.com/keys`.
    pub servers: BTreeMap<String, Answer>,
    /// Upstreams besides the service's own, by name: all answer alike.
    pub upstreams: Vec<String>,
    /// Who counts hits.
    pub counters: Counters,
    /// What the client sends.
    pub request: Request,
    /// How often, one after another; what is expected of requests and answers is expected of the last.
    pub times: u32,
    /// What the upstream answers, if it is asked.
    pub answer: Answer,
    /// What is to come of it.
    pub expect: Expect,
}

/// Where hits against limits are counted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Counters {
    /// In the gateway's memory.
    #[default]
    Memory,
    /// In a Redis that is not to be had, and nothing is to pass uncounted.
    Away,
}

/// A key that the gateway's configuration knows.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Credential {
    /// Which plugin asks for it, like `key-auth`.
    pub kind: String,
    /// The key itself.
    pub key: String,
    /// Whose it is.
    pub username: String,
    /// The operator's own id for them.
    pub custom_id: Option<String>,
    /// Groups they belong to.
    #[serde(default)]
    pub groups: Vec<String>,
    /// What is kept with the key: `password`, `secret`, `algorithm`, `public_key`.
    #[serde(default)]
    pub fields: BTreeMap<String, String>,
}

/// What a client sends: `GET /` unless it says otherwise.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Request {
    /// GET, POST …
    pub method: Method,
    /// Path and query.
    #[serde(rename = "path")]
    pub target: Target,
    /// Besides `host`, which is `example.com` if it is not here.
    pub headers: Fields,
    /// One string, or a list of pieces that come one after another.
    pub body: Option<Body>,
    /// Where it comes from.
    pub client: IpAddr,
    /// What it has shown in its TLS handshake.
    pub certificate: Option<Certificate>,
}

/// A client's certificate, which has been verified, as far as plugins can look at it.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Certificate {
    /// Like `CN=alice,O=Example`.
    pub subject: String,
    /// The subject's common name.
    pub common_name: Option<String>,
    /// Who issued it, like the subject.
    pub issuer: String,
    /// Hexadecimal digits.
    pub serial: String,
    /// Names among its alternative names.
    pub dns_names: Vec<String>,
    /// Mail addresses among them.
    pub emails: Vec<String>,
    /// URIs among them.
    pub uris: Vec<String>,
    /// SHA-256 of it: 64 hexadecimal digits.
    pub fingerprint: String,
    /// When it ends, in seconds since 1970: with the century, unless it is said.
    pub not_after: u64,
}

impl Default for Certificate {
    fn default() -> Self {
        Self {
            subject: String::new(),
            common_name: None,
            issuer: String::new(),
            serial: "1".to_owned(),
            dns_names: Vec::new(),
            emails: Vec::new(),
            uris: Vec::new(),
            fingerprint: "0".repeat(64),
            not_after: 4_102_444_800,
        }
    }
}

impl Default for Request {
    fn default() -> Self {
        Self {
            method: Method::default(),
            target: Target::default(),
            headers: Fields::default(),
            body: None,
            client: IpAddr::from([192, 0, 2, 1]),
            certificate: None,
        }
    }
}

/// What an upstream, or another server, answers: 200 and nothing else unless it says otherwise.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Answer {
    /// 200 to 599.
    pub status: Status,
    /// The header section.
    pub headers: Fields,
    /// One string, or a list of pieces that come one after another.
    pub body: Option<Body>,
}

/// What is to come of a case. What is left out is not looked at, but that nothing may fail unasked.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Expect {
    /// The request gets to the upstream, and looks like this there.
    pub upstream: Option<ExpectedRequest>,
    /// The upstream is not asked, and the client gets this.
    pub reply: Option<ExpectedResponse>,
    /// The client gets this, whoever has answered.
    pub response: Option<ExpectedResponse>,
    /// A hook fails, and its reason has this in it.
    pub failure: Option<String>,
    /// The plugin refuses its config, and says this.
    pub refused: Option<String>,
    /// Each of these is in a line that the plugin has logged.
    pub log: Vec<String>,
    /// What the plugin's metrics have come to, like `denied_total{reason="expired"}`.
    pub metrics: BTreeMap<String, f64>,
    /// All records that were handed to these sinks, in order: the text itself, or a table for JSON that has at least these
    /// members.
    pub records: BTreeMap<String, Vec<Value>>,
    /// The sink of its own that the settings make up, as `[[sinks]]` would have it: at least this. Only the gateway makes
    /// it, so natively nobody looks.
    pub own_sink: Option<Value>,
}

/// A request as the upstream gets it.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ExpectedRequest {
    /// Which upstream it is: one of [`Case::upstreams`], or `service` for the service's own.
    pub name: Option<String>,
    /// The method.
    pub method: Option<String>,
    /// Path and query.
    pub path: Option<String>,
    /// Fields: their value, their values, `true` for any, `false` for none.
    pub headers: BTreeMap<String, Presence>,
    /// The whole body.
    pub body: Option<String>,
    /// Whom the gateway says it comes from.
    pub consumer: Option<String>,
}

/// A response as the client gets it.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ExpectedResponse {
    /// The status.
    pub status: Option<u16>,
    /// Fields: their value, their values, `true` for any, `false` for none.
    pub headers: BTreeMap<String, Presence>,
    /// The whole body.
    pub body: Option<String>,
    /// The whole body, as JSON: spaces and the order of keys do not matter.
    pub json: Option<Value>,
}

impl File {
    pub(crate) fn into_cases(self) -> Result<Vec<Case>, String> {
        let Self { config, credentials, authenticated, shared, secrets, sinks, servers, upstreams, counters, case } =
            self;
        if case.is_empty() {
            return Err("it has no [[case]]".to_owned());
        }
        let complete = |draft: Draft| {
            if draft.expect.is_nothing() {
                return Err(format!("the case \"{}\" expects nothing: say what in `expect`", draft.name));
            }
            let config = draft.config.or_else(|| config.clone()).unwrap_or_else(|| Value::Object(Default::default()));
            if !config.is_object() {
                return Err(format!("the config of \"{}\" must be a table", draft.name));
            }
            let case = Case {
                name: draft.name,
                config,
                credentials: draft.credentials.or_else(|| credentials.clone()).unwrap_or_default(),
                authenticated: draft.authenticated.or_else(|| authenticated.clone()),
                shared: draft.shared.or_else(|| shared.clone()).unwrap_or_default(),
                secrets: draft.secrets.or_else(|| secrets.clone()).unwrap_or_default(),
                sinks: draft.sinks.or_else(|| sinks.clone()).unwrap_or_default(),
                servers: draft.servers.or_else(|| servers.clone()).unwrap_or_default(),
                upstreams: draft.upstreams.or_else(|| upstreams.clone()).unwrap_or_default(),
                counters: draft.counters.or(counters).unwrap_or_default(),
                request: draft.request,
                times: draft.times.map_or(1, NonZeroU32::get),
                answer: draft.answer,
                expect: draft.expect,
            };
            match &case.authenticated {
                Some(name) if case.caller().is_none() => {
                    Err(format!("no credential of the case \"{}\" is {name}'s, who is to be authenticated", case.name))
                }
                _ => Ok(case),
            }
        };
        case.into_iter().map(complete).collect()
    }
}

impl Case {
    /// The first credential of who is authenticated.
    pub fn caller(&self) -> Option<&Credential> {
        let name = self.authenticated.as_ref()?;
        self.credentials.iter().find(|credential| credential.username == *name)
    }
}

impl Expect {
    fn is_nothing(&self) -> bool {
        let Self { upstream, reply, response, failure, refused, log, metrics, records, own_sink } = self;
        upstream.is_none()
            && reply.is_none()
            && response.is_none()
            && failure.is_none()
            && refused.is_none()
            && log.is_empty()
            && metrics.is_empty()
            && records.is_empty()
            && own_sink.is_none()
    }
}
