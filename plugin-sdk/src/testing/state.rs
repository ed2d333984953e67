//! What the fake gateway knows of an exchange.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use http::uri::PathAndQuery;

use super::{Headers, Reply, path};
use crate::exchange::{ClientCertificate, Ended};
use crate::host::types;
use crate::identity::{Caller, Consumer};
use crate::log::Level;

#[derive(Debug, Clone)]
pub(super) struct State {
    /// What the plugin is called for.
    pub(super) call: Call,
    /// Calls of the gateway that it may still make.
    pub(super) calls_left: u32,
    /// Method and target, as the client has sent them.
    pub(super) came: (String, String),
    pub(super) request: RequestHead,
    pub(super) request_body: Content,
    /// Its length was not said beforehand.
    pub(super) unannounced: bool,
    /// Most bytes of it that may come.
    pub(super) body_limit: Option<u64>,
    /// There is one once the request is past changing.
    pub(super) response: Option<ResponseHead>,
    pub(super) response_body: Content,
    /// How the plugin wants the answer edited, as it has said before there was one: by each call a list.
    pub(super) in_advance: Vec<Vec<types::Edit>>,
    /// Both heads are past changing.
    pub(super) sent: bool,
    pub(super) ended: Option<Ended>,
    /// What the upstream would answer.
    pub(super) answer: ResponseHead,
    pub(super) client: SocketAddr,
    pub(super) local: SocketAddr,
    pub(super) certificate: Option<ClientCertificate>,
    /// What the route's regex found, by its groups' names.
    pub(super) captures: BTreeMap<String, String>,
    /// And the service.
    pub(super) route: Option<(String, String)>,
    /// What the configuration names.
    pub(super) upstreams: Vec<String>,
    pub(super) chosen_upstream: Option<String>,
    pub(super) credentials: Vec<Credential>,
    /// Consumers, besides those that credentials belong to.
    pub(super) consumers: Vec<Consumer>,
    /// As whom the request has been let in.
    pub(super) caller: Option<Caller>,
    pub(super) hides_groups: bool,
    pub(super) scratch: BTreeMap<String, Vec<u8>>,
    pub(super) shared: BTreeMap<String, Vec<u8>>,
    pub(super) secrets: BTreeMap<String, Vec<u8>>,
    /// What was counted and measured, by name and labels.
    pub(super) metrics: BTreeMap<String, f64>,
    /// Of which kind each of them is.
    pub(super) metric_kinds: BTreeMap<String, MetricKind>,
    /// Granted sinks, and what was handed over to them.
    pub(super) sinks: BTreeMap<String, Vec<Vec<u8>>>,
    /// The one of them that the config names in place of a sink of its own.
    pub(super) named_sink: Option<String>,
    /// Counted so far: by key, window and algorithm.
    pub(super) hits: BTreeMap<(String, u64, String), u64>,
    /// Who counts them.
    pub(super) counters: Counters,
    /// Places that others hold, by key.
    pub(super) held: BTreeMap<String, u32>,
    /// Places that the exchange holds.
    pub(super) places: Vec<String>,
    /// What comes of what the hook has the exchange wait for.
    pub(super) awaited: Option<Awaited>,
    /// Passwords that were right, each with what is kept of it.
    pub(super) known_passwords: Vec<(Vec<u8>, Vec<u8>)>,
    /// Keys and values.
    pub(super) kept: BTreeMap<String, Vec<u8>>,
    /// Who judges signatures that cannot be computed natively.
    pub(super) signatures: Option<Judge>,
    /// What other servers answer, by method and URL: head and body.
    pub(super) servers: Vec<(String, ResponseHead, Vec<u8>)>,
    /// What they were asked: method and URL, body.
    pub(super) asked: Vec<(String, Vec<u8>)>,
    pub(super) log: Vec<(Level, String)>,
}

/// What comes of what an exchange waits for.
#[derive(Debug, Clone)]
pub(super) enum Awaited {
    /// It goes on.
    Nothing,
    /// This is its answer.
    Reply(types::Reply),
    /// It is let in as this one.
    Caller(Caller),
    /// It is that of the consumer of this name.
    Anonymous(String),
}

/// What a plugin is called for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Call {
    /// To take its config.
    Load,
    /// A timer hook, where there is no exchange.
    Timer,
    /// A hook of the exchange.
    Hook,
}

/// Who counts hits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Counters {
    /// Each gateway for itself.
    Own,
    /// Several of them, in a Redis.
    Shared,
    /// The same, but it is not to be had, and nothing is to pass uncounted.
    Away,
}

/// What is noted of a metric.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum MetricKind {
    Counter,
    Gauge,
    Histogram,
}

/// Whether this signature is that of this message.
pub(super) type Judge = fn(&[u8], &[u8]) -> bool;

/// A body, and whether the hook that runs may have it whole.
#[derive(Debug, Clone, Default)]
pub(super) struct Content {
    pub(super) bytes: Vec<u8>,
    pub(super) whole: bool,
}

#[derive(Debug, Clone)]
pub(super) struct RequestHead {
    pub(super) method: String,
    pub(super) scheme: String,
    pub(super) version: String,
    pub(super) path: String,
    pub(super) query: Option<String>,
    pub(super) headers: Headers,
}

#[derive(Debug, Clone)]
pub(super) struct ResponseHead {
    pub(super) status: u16,
    pub(super) headers: Headers,
}

#[derive(Debug, Clone)]
pub(super) struct Credential {
    pub(super) kind: String,
    pub(super) key: String,
    pub(super) id: String,
    pub(super) consumer: Consumer,
    pub(super) fields: BTreeMap<String, Vec<u8>>,
}

impl Credential {
    /// Who comes in by it.
    pub(super) fn caller(&self) -> Caller {
        Caller { consumer: self.consumer.clone(), credential: Some(self.id.clone()), anonymous: false }
    }
}

impl State {
    #[track_caller]
    pub(super) fn new(method: &str, target: &str) -> Self {
        let target: PathAndQuery = target.parse().expect("a target that a client could send");
        let path = path::normalise(target.path()).expect("a path that a client could send");
        let mut headers = Headers::default();
        headers.add("host", b"example.com").expect("a field that can be sent");
        Self {
            call: Call::Hook,
            calls_left: 0,
            came: (method.to_owned(), target.to_string()),
            request: RequestHead {
                method: method.to_owned(),
                scheme: "http".to_owned(),
                version: "HTTP/1.1".to_owned(),
                path,
                query: target.query().map(str::to_owned),
                headers,
            },
            request_body: Content::default(),
            unannounced: false,
            body_limit: None,
            response: None,
            response_body: Content::default(),
            in_advance: Vec::new(),
            sent: false,
            ended: None,
            answer: ResponseHead { status: 200, headers: Headers::default() },
            client: SocketAddr::from(([192, 0, 2, 1], 40_000)),
            local: SocketAddr::from(([127, 0, 0, 1], 80)),
            certificate: None,
            captures: BTreeMap::new(),
            route: Some(("route".to_owned(), "service".to_owned())),
            upstreams: Vec::new(),
            chosen_upstream: None,
            credentials: Vec::new(),
            consumers: Vec::new(),
            caller: None,
            hides_groups: false,
            scratch: BTreeMap::new(),
            shared: BTreeMap::new(),
            secrets: BTreeMap::new(),
            metrics: BTreeMap::new(),
            metric_kinds: BTreeMap::new(),
            sinks: BTreeMap::new(),
            named_sink: None,
            hits: BTreeMap::new(),
            counters: Counters::Own,
            held: BTreeMap::new(),
            places: Vec::new(),
            awaited: None,
            known_passwords: Vec::new(),
            kept: BTreeMap::new(),
            signatures: None,
            servers: Vec::new(),
            asked: Vec::new(),
            log: Vec::new(),
        }
    }

    /// Everybody whom the configuration knows.
    pub(super) fn everybody(&self) -> impl Iterator<Item = &Consumer> {
        self.credentials.iter().map(|credential| &credential.consumer).chain(&self.consumers)
    }

    /// Takes back what the call that failed has changed of the exchange; what it has counted, kept and told stays.
    pub(super) fn undo(&mut self, before: Self) {
        (self.request, self.request_body) = (before.request, before.request_body);
        self.body_limit = before.body_limit;
        (self.response, self.response_body) = (before.response, before.response_body);
        (self.chosen_upstream, self.caller) = (before.chosen_upstream, before.caller);
        self.hides_groups = before.hides_groups;
        self.in_advance = before.in_advance;
    }

    /// The answer, as edited so far.
    pub(super) fn answer(&self) -> &ResponseHead {
        self.response.as_ref().unwrap_or(&self.answer)
    }

    /// Edit the answer as the plugin has asked for in advance.
    pub(super) fn edit_in_advance(&mut self) -> Result<(), String> {
        let lists = std::mem::take(&mut self.in_advance);
        let answer = &self.answer;
        let response = self.response.get_or_insert_with(|| answer.clone());
        lists.iter().try_for_each(|edits| response.headers.edit(edits))
    }

    /// A plugin's answer becomes the response, if it can be sent.
    pub(super) fn accept(&mut self, reply: types::Reply) -> Result<Reply, String> {
        let refused = |problem| format!("its reply cannot be sent: {problem}");
        let headers = Headers::of_message(&reply.headers).map_err(refused)?;
        let head = ResponseHead::new(reply.status, headers).map_err(refused)?;
        let reply = Reply { status: head.status, headers: head.headers, body: reply.body };
        self.respond(&reply);
        Ok(reply)
    }

    /// `reply` is the response, whatever there was before.
    pub(super) fn respond(&mut self, reply: &Reply) {
        self.response = Some(ResponseHead { status: reply.status, headers: reply.headers.clone() });
        self.response_body = Content { bytes: reply.body.clone(), whole: true };
    }

    pub(super) fn upstream_headers(&self) -> Headers {
        let mut headers = self.request.headers.clone();
        if let Some(Caller { consumer, credential, anonymous }) = &self.caller {
            let groups = consumer.groups.join(", ");
            let told = [
                Some(consumer.username.as_str()),
                consumer.custom_id.as_deref(),
                (!groups.is_empty() && !self.hides_groups).then_some(groups.as_str()),
                credential.as_deref(),
                anonymous.then_some("true"),
            ];
            for (name, value) in TOLD_BY_GATEWAY.into_iter().zip(told) {
                headers.remove(name);
                if let Some(value) = value {
                    headers.add(name, value.as_bytes()).expect("names and ids fit in a header");
                }
            }
        }
        headers
    }
}

/// What the upstream is told about the consumer, and by the gateway alone; and, last, what only plugins tell it.
pub(super) const TOLD_BY_GATEWAY: [&str; 6] = [
    "x-consumer-username",
    "x-consumer-custom-id",
    "x-consumer-groups",
    "x-credential-identifier",
    "x-anonymous-consumer",
    "x-authenticated-groups",
];

impl ResponseHead {
    pub(super) fn new(status: u16, headers: Headers) -> Result<Self, String> {
        final_status(status).map(|()| Self { status, headers })
    }
}

/// A status that ends an exchange; 1xx do not.
pub(super) fn final_status(status: u16) -> Result<(), String> {
    if !(200..=599).contains(&status) {
        return Err(format!("{status} is no final status: expected 200 to 599"));
    }
    Ok(())
}
