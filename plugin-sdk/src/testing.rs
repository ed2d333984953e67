//! Hooks under `cargo test`, natively: an [`Exchange`] stands in for the gateway and follows the
//! rules of its contract.
//!
//! ```
//! use tidegate_sdk::prelude::*;
//! use tidegate_sdk::testing::{self, Outcome};
//!
//! #[derive(Config)]
//! struct Settings {
//!     header: HeaderName,
//! }
//!
//! impl RequestHook for Settings {
//!     fn on_request(&self, request: &mut Request) -> Flow {
//!         if request.header(&self.header).is_none() {
//!             return Flow::reply(401).body("missing required header");
//!         }
//!         request.remove_header(&self.header);
//!         Flow::Next
//!     }
//! }
//!
//! let plugin: Settings = testing::configure(json!({ "header": "X-Token" }))?;
//!
//! let mut exchange = testing::Exchange::get("/v1/orders?page=2").header("x-token", "t");
//! assert_eq!(exchange.request(&plugin), Outcome::Next);
//! assert_eq!(exchange.upstream_headers().first("x-token"), None);
//!
//! let reply = testing::Exchange::get("/").request(&plugin).reply();
//! assert_eq!((reply.status, reply.text()), (401, "missing required header"));
//! # Ok::<(), String>(())
//! ```

use std::fmt;
use std::net::IpAddr;

use crate::exchange::ClientCertificate;
use crate::hook::Decision;
use crate::host::types::Flow;
use crate::identity::Consumer;
use crate::log::Level;
use crate::{Config, IntoFlow, RequestHook, ResponseHook, config, hook};

mod headers;
pub(crate) mod host;
mod state;

pub use headers::Headers;
use state::{Credential, State};

/// The config's way into a plugin: parsed and validated as the gateway's `configure` does. (The
/// gateway has checked it against the schema by then.)
///
/// # Errors
/// Why the plugin refuses it.
#[expect(clippy::needless_pass_by_value, reason = "called with json!, which makes a value")]
pub fn configure<C: Config>(settings: serde_json::Value) -> Result<C, String> {
    config::parse(&settings.to_string())
}

/// The schema that the plugin describes its config by.
///
/// # Panics
/// If it cannot be written as JSON.
pub fn schema<C: Config>() -> serde_json::Value {
    config::schema::<C>().parse().expect("a schema is JSON")
}

/// One request on its way through plugins, and its response.
#[derive(Debug, Clone)]
pub struct Exchange {
    state: State,
}

/// What came of a hook.
#[derive(Debug, Clone, PartialEq, Eq)]
#[must_use]
pub enum Outcome {
    /// The exchange goes on.
    Next,
    /// The plugin answers.
    Reply(Reply),
    /// The hook failed, for this reason. Its edits are undone.
    Failed(String),
}

impl Outcome {
    /// The answer.
    ///
    /// # Panics
    /// If there is none.
    #[track_caller]
    pub fn reply(self) -> Reply {
        match self {
            Self::Reply(reply) => reply,
            other => panic!("the hook did not reply: {other:?}"),
        }
    }

    /// Why the hook failed.
    ///
    /// # Panics
    /// If it did not.
    #[track_caller]
    pub fn failure(self) -> String {
        match self {
            Self::Failed(reason) => reason,
            other => panic!("the hook did not fail: {other:?}"),
        }
    }
}

/// An answer given by a plugin.
#[derive(Clone, PartialEq, Eq)]
pub struct Reply {
    /// From 200 to 599.
    pub status: u16,
    /// Without what the gateway adds.
    pub headers: Headers,
    /// As the plugin gave it.
    pub body: Vec<u8>,
}

impl Reply {
    /// The body as text.
    ///
    /// # Panics
    /// If it is not UTF-8.
    #[track_caller]
    pub fn text(&self) -> &str {
        str::from_utf8(&self.body).expect("the body is UTF-8")
    }

    /// The body, parsed.
    ///
    /// # Panics
    /// If it is no JSON.
    #[track_caller]
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).expect("the body is JSON")
    }
}

impl fmt::Debug for Reply {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {:?} \"{}\"", self.status, self.headers, self.body.escape_ascii())
    }
}

impl Exchange {
    /// A GET request from 192.0.2.1 for `target`, a path with or without a query, on `example.com`.
    pub fn get(target: &str) -> Self {
        Self::new("GET", target)
    }

    /// The same with another method.
    pub fn new(method: &str, target: &str) -> Self {
        Self { state: State::new(method, target) }
    }

    /// Adds a field to the request. Those by which the gateway tells the upstream who the consumer
    /// is are dropped, as the gateway drops a client's.
    ///
    /// # Panics
    /// If no client could send it.
    #[must_use]
    #[track_caller]
    pub fn header(mut self, name: &str, value: impl AsRef<[u8]>) -> Self {
        let name = name.to_ascii_lowercase();
        if name == "host" {
            self.state.request.headers.remove(&name);
        }
        if !state::TOLD_BY_GATEWAY.contains(&name.as_str()) {
            self.state.request.headers.add(&name, value.as_ref()).expect("a field that can be sent");
        }
        self
    }

    /// How the client reached the gateway: `http` unless told otherwise.
    #[must_use]
    pub fn scheme(mut self, scheme: &str) -> Self {
        scheme.clone_into(&mut self.state.request.scheme);
        self
    }

    /// Where the client is.
    #[must_use]
    pub fn client(mut self, address: IpAddr, port: u16) -> Self {
        self.state.client = (address, port).into();
        self
    }

    /// What the client has shown in its TLS handshake: nothing unless told otherwise.
    #[must_use]
    pub fn certificate(mut self, certificate: ClientCertificate) -> Self {
        self.state.certificate = Some(certificate);
        self
    }

    /// What a named group of the route's path found.
    #[must_use]
    pub fn capture(mut self, name: &str, found: &str) -> Self {
        self.state.captures.insert(name.to_owned(), found.to_owned());
        self
    }

    /// The route and the service that the request is for: `route` and `service` unless told otherwise.
    #[must_use]
    pub fn route(mut self, route: &str, service: &str) -> Self {
        self.state.route = Some((route.to_owned(), service.to_owned()));
        self
    }

    /// Adds a credential to the gateway's configuration. Its id is `KIND-NUMBER`, counted from 1.
    #[must_use]
    pub fn credential(mut self, kind: &str, key: &str, consumer: Consumer) -> Self {
        let id = format!("{kind}-{}", self.state.credentials.len() + 1);
        self.state.credentials.push(Credential { kind: kind.to_owned(), key: key.to_owned(), id, consumer });
        self
    }

    /// What the upstream answers: 200 without headers unless told otherwise.
    ///
    /// # Panics
    /// If no upstream could send it.
    #[must_use]
    #[track_caller]
    pub fn answer(mut self, status: u16, headers: &[(&str, &str)]) -> Self {
        self.state.answer =
            state::ResponseHead::new(status, Headers::default()).expect("a status that ends an exchange");
        for (name, value) in headers {
            self.state.answer.headers.add(name, value.as_bytes()).expect("a field that can be sent");
        }
        self
    }

    /// Runs the request hook, unless the plugin does not need it.
    pub fn request<Returned: IntoFlow>(&mut self, plugin: &impl RequestHook<Returned>) -> Outcome {
        if !plugin.needed() {
            return Outcome::Next;
        }
        self.run(|| hook::run_on_request(plugin))
    }

    /// Runs the response hook, unless the plugin does not need it: on the plugin's own answer if a
    /// hook has given one, else on the upstream's.
    pub fn response<Returned: IntoFlow>(&mut self, plugin: &impl ResponseHook<Returned>) -> Outcome {
        if !plugin.needed() {
            return Outcome::Next;
        }
        let answer = &self.state.answer;
        self.state.response.get_or_insert_with(|| answer.clone());
        self.run(|| hook::run_on_response(plugin))
    }

    /// The request's query, as edited so far.
    pub fn upstream_query(&self) -> Option<&str> {
        self.state.request.query.as_deref()
    }

    /// The request's header section, as edited so far, with what the gateway tells the upstream
    /// about the consumer.
    pub fn upstream_headers(&self) -> Headers {
        self.state.upstream_headers()
    }

    /// The response's status, as edited so far.
    pub fn client_status(&self) -> u16 {
        self.state.response.as_ref().unwrap_or(&self.state.answer).status
    }

    /// The response's header section, as edited so far.
    pub fn client_headers(&self) -> Headers {
        self.state.response.as_ref().unwrap_or(&self.state.answer).headers.clone()
    }

    /// The username of whoever the request was authenticated as.
    pub fn consumer(&self) -> Option<&str> {
        self.state.consumer.as_ref().map(|credential| credential.consumer.username.as_str())
    }

    /// The lines the plugin has logged.
    pub fn log(&self) -> &[(Level, String)] {
        &self.state.log
    }

    fn run(&mut self, run: impl FnOnce() -> Decision) -> Outcome {
        let before = self.state.clone();
        let decision = host::lend(&mut self.state, run);
        let outcome = match decision {
            Ok(Flow::Next) => return Outcome::Next,
            Ok(Flow::Reply(reply)) => self.state.accept(reply),
            Err(reason) => Err(reason),
        };
        outcome.map_or_else(
            |reason| {
                let log = std::mem::take(&mut self.state.log);
                self.state = State { log, ..before };
                Outcome::Failed(reason)
            },
            Outcome::Reply,
        )
    }
}

#[cfg(test)]
mod tests;
