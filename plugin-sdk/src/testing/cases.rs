//! Case files, natively: each case is led through all the hooks that the plugin exports, in the
//! gateway's order.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

use serde_json::Value;
use tidegate_cases::{Answer, Body, Case, Certificate, Counters, Credential, Seen, SeenRequest, SeenResponse};

use super::state::ResponseHead;
use super::{Exchange, Headers, Outcome, ended, refusal, schema};
use crate::exchange::{ClientCertificate, Ended};
use crate::identity::Consumer;
use crate::{Config, sink};

/// Runs the cases of the file, or of all `*.toml` of the folder, at `path`, which is relative to the
/// crate. `tidegate plugin test` runs the same ones on the real host. The plugin is the type that
/// [`export!`](crate::export!) names.
///
/// ```no_run
/// # use tidegate_sdk::prelude::*;
/// # #[derive(Config)]
/// # struct Settings;
/// # impl LogHook for Settings {
/// #     fn on_log(&self, _: &Ended, _: &Response, _: &Request) {}
/// # }
/// # export!(Settings: LogHook);
/// # fn main() {
/// tidegate_sdk::testing::cases::<Settings>("cases");
/// # }
/// ```
///
/// # Panics
/// If a case came out otherwise than its file expects, or there are no cases to run: the message
/// says which, and how.
#[track_caller]
pub fn cases<P: Plugin>(path: impl AsRef<Path>) {
    let files = tidegate_cases::load(path.as_ref()).unwrap_or_else(|error| panic!("{error}"));
    let mut failed = String::new();
    for (path, cases) in &files {
        for case in cases {
            let mismatches = case.judge(&run::<P>(case));
            if !mismatches.is_empty() {
                failed.push_str(&format!("\n{}: {}", path.display(), case.name));
            }
            for mismatch in mismatches {
                failed.push_str(&format!("\n    {mismatch}"));
            }
        }
    }
    assert!(failed.is_empty(), "it did not come out as expected:{failed}");
}

/// A plugin with all the hooks that it exports: what [`export!`](crate::export!) makes of a type.
///
/// ```
/// use tidegate_sdk::testing::{self, Plugin};
///
/// /// The cases of several plugins, each in a folder of its own.
/// fn tested<P: Plugin>(name: &str) {
///     testing::cases::<P>(format!("cases/{name}"));
/// }
/// ```
pub trait Plugin: Config {
    #[doc(hidden)]
    fn hooks() -> Hooks<Self>;
}

/// What runs each hook that a plugin exports.
#[doc(hidden)]
pub struct Hooks<P> {
    pub request: Option<OnHead<P>>,
    pub request_body: Option<OnPieces<P>>,
    pub response: Option<OnHead<P>>,
    pub response_body: Option<OnPieces<P>>,
    pub log: Option<fn(&mut Exchange, &P, Ended)>,
}

type OnHead<P> = fn(&mut Exchange, &P) -> Outcome;
type OnPieces<P> = fn(&mut Exchange, &P, &[&str]) -> Outcome;

impl<P> Default for Hooks<P> {
    fn default() -> Self {
        Self { request: None, request_body: None, response: None, response_body: None, log: None }
    }
}

fn run<P: Plugin>(case: &Case) -> Seen {
    let mut exchange = exchange::<P>(case);
    if let Some(named) = exchange.state.named_sink.as_ref().filter(|named| !case.sinks.contains(named)) {
        return Seen { refused: Some(format!("there is no sink \"{named}\"")), ..Seen::default() };
    }
    let plugin = match check::<P>(&case.config).and_then(|()| exchange.configure::<P>(case.config.clone())) {
        Ok(plugin) => plugin,
        Err(reason) => return Seen { refused: Some(reason), ..Seen::default() },
    };
    let mut passage = Passage { case, hooks: P::hooks(), plugin, exchange, seen: Seen::default() };
    for _ in 1..case.times {
        passage.run();
        passage.again();
    }
    passage.run();
    let state = passage.exchange.state;
    Seen {
        log: state.log.into_iter().map(|(_, line)| line).collect(),
        metrics: state.metrics,
        records: state.sinks,
        ..passage.seen
    }
}

/// The gateway asks the schema before it asks the plugin.
fn check<P: Plugin>(config: &Value) -> Result<(), String> {
    let schema = jsonschema::validator_for(&schema::<P>()).expect("what schemars makes is a schema");
    let problems: Vec<String> = schema.iter_errors(config).map(|problem| problem.to_string()).collect();
    if problems.is_empty() { Ok(()) } else { Err(problems.join("; ")) }
}

fn exchange<P: Plugin>(case: &Case) -> Exchange {
    let request = &case.request;
    let mut exchange = Exchange::new(request.method.as_str(), request.target.as_str()).client(request.client, 40_000);
    for (name, value) in request.headers.iter() {
        exchange = exchange.header(name, value);
    }
    if let Some(shown) = &request.certificate {
        exchange = exchange.certificate(certificate(shown));
    }
    for known in &case.credentials {
        exchange = exchange.credential(&known.kind, &known.key, consumer(known));
        for (name, value) in &known.fields {
            exchange = exchange.credential_field(name, value);
        }
    }
    if let Some(caller) = case.caller() {
        exchange = exchange.authenticated(consumer(caller));
    }
    for (key, value) in &case.shared {
        exchange.state.shared.insert(key.clone(), value.as_bytes().to_vec());
    }
    for (name, value) in &case.secrets {
        exchange = exchange.secret(name, value);
    }
    for name in &case.sinks {
        exchange = exchange.sink(name);
    }
    if let Some(own) = schema::<P>().get("x-sink") {
        let named = own["instead"].as_str().and_then(|setting| case.config[setting].as_str());
        exchange.state.named_sink = named.map(str::to_owned);
        exchange = if named.is_some() { exchange } else { exchange.sink(sink::OWN) };
    }
    for name in &case.upstreams {
        exchange = exchange.upstream(name);
    }
    if case.counters == Counters::Away {
        exchange = exchange.counters_away();
    }
    exchange.state.answer = head(&case.answer);
    let servers = case.servers.iter();
    exchange.state.servers =
        servers.map(|(asked, answer)| (asked.clone(), head(answer), whole(answer.body.as_ref()))).collect();
    // What comes in pieces comes without having been announced.
    exchange.state.unannounced = request.body.as_ref().is_some_and(|body| body.pieces().len() > 1);
    exchange.body(whole(request.body.as_ref())).answer_body(whole(case.answer.body.as_ref()))
}

fn consumer(known: &Credential) -> Consumer {
    let Credential { username, custom_id, groups, .. } = known.clone();
    Consumer { username, custom_id, groups }
}

fn certificate(shown: &Certificate) -> ClientCertificate {
    let shown = shown.clone();
    ClientCertificate {
        subject: shown.subject,
        common_name: shown.common_name,
        issuer: shown.issuer,
        serial: shown.serial,
        dns_names: shown.dns_names,
        emails: shown.emails,
        uris: shown.uris,
        fingerprint: shown.fingerprint,
        not_after: shown.not_after,
    }
}

fn head(answer: &Answer) -> ResponseHead {
    let mut headers = Headers::default();
    for (name, value) in answer.headers.iter() {
        headers.add(name, value.as_bytes()).expect("the case's reader has looked at them");
    }
    ResponseHead { status: answer.status.code(), headers }
}

fn whole(body: Option<&Body>) -> Vec<u8> {
    body.map(|body| body.pieces().concat().into_bytes()).unwrap_or_default()
}

/// A case on its way.
struct Passage<'c, P> {
    case: &'c Case,
    hooks: Hooks<P>,
    plugin: P,
    exchange: Exchange,
    seen: Seen,
}

/// Who answers.
#[derive(PartialEq, Eq)]
enum Answered {
    /// The upstream, which is to be asked.
    Upstream,
    /// The plugin, or the gateway in its place; the plugin's response hook sees it.
    Here,
    /// The gateway, before the plugin was there: its response hook does not see it.
    Before,
}

impl<P: Plugin> Passage<'_, P> {
    /// Another request like this one, which finds what the gateway has kept of those before.
    fn again(&mut self) {
        let before = std::mem::replace(&mut self.exchange, exchange::<P>(self.case)).state;
        let state = &mut self.exchange.state;
        (state.hits, state.kept) = (before.hits, before.kept);
        (state.metrics, state.metric_kinds) = (before.metrics, before.metric_kinds);
        (state.log, state.sinks) = (before.log, before.sinks);
        (self.seen.upstream, self.seen.response) = (None, None);
    }

    fn run(&mut self) {
        let answered = self.request();
        if answered == Answered::Upstream {
            self.seen.upstream = Some(SeenRequest {
                name: self.exchange.chosen_upstream().unwrap_or("service").to_owned(),
                method: self.exchange.upstream_method().to_owned(),
                target: match self.exchange.upstream_query() {
                    Some(query) => format!("{}?{query}", self.exchange.upstream_path()),
                    None => self.exchange.upstream_path().to_owned(),
                },
                headers: owned(&self.exchange.upstream_headers()),
                body: self.exchange.upstream_body().to_vec(),
            });
        }
        if answered != Answered::Before {
            self.response();
        }
        let response = SeenResponse {
            status: self.exchange.client_status(),
            headers: owned(&self.exchange.client_headers()),
            body: if self.has_no_body() { Vec::new() } else { self.exchange.client_body().to_vec() },
        };
        self.over(&response);
        self.seen.response = Some(response);
    }

    fn request(&mut self) -> Answered {
        if let Some(hook) = self.hooks.request {
            match self.attempt(hook) {
                Outcome::Next => {}
                // A body that is larger than the plugin takes: it was not asked.
                Outcome::Reply(refusal) if self.exchange.state.response.is_none() => {
                    self.exchange.state.respond(&refusal);
                    return Answered::Before;
                }
                Outcome::Reply(_) => return Answered::Here,
                Outcome::Failed(reason) => {
                    self.fail(reason);
                    return Answered::Before;
                }
            }
        }
        if self.exceeds() {
            self.exchange.state.respond(&refusal(413));
            return Answered::Here;
        }
        let sent = String::from_utf8_lossy(self.exchange.upstream_body()).into_owned();
        match self.hooks.request_body {
            Some(hook) if !sent.is_empty() => {
                let pieces = pieces(&sent, self.case.request.body.as_ref());
                match self.attempt(|exchange, plugin| hook(exchange, plugin, &pieces)) {
                    Outcome::Next => Answered::Upstream,
                    Outcome::Reply(_) => Answered::Here,
                    Outcome::Failed(reason) => {
                        self.fail(reason);
                        Answered::Here
                    }
                }
            }
            _ => Answered::Upstream,
        }
    }

    /// Whether more of the body comes than plugins let through; what was there whole has come before.
    fn exceeds(&self) -> bool {
        let state = &self.exchange.state;
        !state.request_body.whole && state.body_limit.is_some_and(|most| state.request_body.bytes.len() as u64 > most)
    }

    fn response(&mut self) {
        let edited = self.exchange.state.edit_in_advance();
        let asked = self.hooks.response.filter(|_| edited.is_ok()).map(|hook| self.attempt(hook));
        if let (Err(reason), _) | (_, Some(Outcome::Failed(reason))) = (edited, asked) {
            self.fail(reason);
        }
        if let Some(hook) = self.hooks.response_body
            && !self.has_no_body()
        {
            let body = String::from_utf8_lossy(self.exchange.client_body()).into_owned();
            let pieces = pieces(&body, self.case.answer.body.as_ref());
            // The head is gone: whatever fails now breaks the body off.
            if let Outcome::Failed(reason) = self.attempt(|exchange, plugin| hook(exchange, plugin, &pieces)) {
                self.seen.failure.get_or_insert(reason);
            }
        }
    }

    fn over(&mut self, response: &SeenResponse) {
        let Some(hook) = self.hooks.log else { return };
        let ended = Ended {
            upstream_status: self.seen.upstream.is_some().then(|| self.case.answer.status.code()),
            failure: self.seen.failure.is_some().then(|| "plugin_failed".to_owned()),
            received: whole(self.case.request.body.as_ref()).len() as u64,
            sent: response.body.len() as u64,
            ..ended(response.status)
        };
        hook(&mut self.exchange, &self.plugin, ended);
    }

    /// A panic is what a trap is on the gateway.
    fn attempt(&mut self, run: impl FnOnce(&mut Exchange, &P) -> Outcome) -> Outcome {
        let (exchange, plugin) = (&mut self.exchange, &self.plugin);
        catch_unwind(AssertUnwindSafe(|| run(exchange, plugin)))
            .unwrap_or_else(|_| Outcome::Failed("trapped: it panicked".to_owned()))
    }

    fn fail(&mut self, reason: String) {
        self.seen.failure.get_or_insert(reason);
        self.exchange.state.respond(&refusal(500));
    }

    fn has_no_body(&self) -> bool {
        self.exchange.state.request.method == "HEAD" || [204, 304].contains(&self.exchange.client_status())
    }
}

/// `body` as it came, or at once if it is not what came.
fn pieces<'p>(body: &'p str, came: Option<&'p Body>) -> Vec<&'p str> {
    match came {
        Some(came) if came.pieces().concat() == body => came.pieces().iter().map(String::as_str).collect(),
        _ => vec![body],
    }
}

fn owned(headers: &Headers) -> Vec<(String, Vec<u8>)> {
    headers.iter().map(|(name, value)| (name.to_owned(), value.to_vec())).collect()
}
