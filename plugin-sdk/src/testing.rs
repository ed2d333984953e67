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

use std::time::{Duration, SystemTime};

use crate::exchange::Ended;
use crate::hook::{Chunk, ChunkDecision, Decision};
use crate::host::types::{ChunkFlow, Flow};
use crate::log::Level;
use crate::{
    Config, IntoChunkFlow, IntoFlow, LogHook, RequestBodyHook, RequestHook, ResponseBodyHook, ResponseHook, TimerHook,
    config, hook,
};

mod headers;
pub(crate) mod host;
mod outcome;
mod setup;
mod state;

pub use headers::Headers;
pub use outcome::{Outcome, Reply};
use state::State;

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

/// Runs the timer hook, where there is no exchange.
///
/// # Errors
/// Why it failed.
pub fn timer(plugin: &impl TimerHook) -> Result<(), String> {
    hook::run_on_timer(plugin)
}

/// An exchange that ended with this status, at once, and whose upstream said the same.
pub fn ended(status: u16) -> Ended {
    Ended {
        begun: SystemTime::now(),
        status,
        upstream_status: Some(status),
        failure: None,
        answered: Duration::ZERO,
        upstream: Some(Duration::ZERO),
        plugins: Duration::ZERO,
        total: Duration::ZERO,
        received: 0,
        sent: 0,
    }
}

/// What the gateway answers itself.
fn refusal(status: u16) -> Reply {
    Reply { status, headers: Headers::default(), body: Vec::new() }
}

/// One request on its way through plugins, and its response.
#[derive(Debug, Clone)]
pub struct Exchange {
    state: State,
}

impl Exchange {
    /// Runs the request hook, unless the plugin does not need it. A body that is larger than the
    /// plugin takes is answered with 413, as by the gateway.
    pub fn request<Returned: IntoFlow>(&mut self, plugin: &impl RequestHook<Returned>) -> Outcome {
        if !plugin.needed() {
            return Outcome::Next;
        }
        if let Some(most) = plugin.body_limit() {
            if self.state.request_body.bytes.len() as u64 > most {
                return Outcome::Reply(refusal(413));
            }
            self.state.request_body.whole = true;
        }
        self.run(|| hook::run_on_request(plugin))
    }

    /// Runs the hook for pieces of the request's body on these pieces, the last of which ends it.
    /// What goes on is in [`upstream_body`](Self::upstream_body) then.
    pub fn request_pieces<Returned: IntoChunkFlow>(
        &mut self,
        plugin: &impl RequestBodyHook<Returned>,
        pieces: &[&str],
    ) -> Outcome {
        self.state.sent = true;
        let (outcome, gone) =
            self.run_pieces(plugin.needed(), pieces, |chunk| hook::run_on_request_body(plugin, chunk));
        self.state.sent = false;
        self.state.request_body.bytes = gone;
        outcome
    }

    /// Runs the hook for pieces of the response's body on these pieces, the last of which ends it.
    /// What goes on is in [`client_body`](Self::client_body) then.
    pub fn response_pieces<Returned: IntoChunkFlow>(
        &mut self,
        plugin: &impl ResponseBodyHook<Returned>,
        pieces: &[&str],
    ) -> Outcome {
        let answer = &self.state.answer;
        self.state.response.get_or_insert_with(|| answer.clone());
        self.state.sent = true;
        let (outcome, gone) =
            self.run_pieces(plugin.needed(), pieces, |chunk| hook::run_on_response_body(plugin, chunk));
        self.state.response_body.bytes = gone;
        match outcome {
            Outcome::Reply(_) => Outcome::Failed("it replies when the response's head is gone".to_owned()),
            outcome => outcome,
        }
    }

    /// Tells the log hook how the exchange ended, unless the plugin does not need it.
    /// [`ended`] makes what it is told.
    ///
    /// ```
    /// use std::time::Duration;
    /// use tidegate_sdk::prelude::*;
    /// use tidegate_sdk::testing;
    ///
    /// #[derive(Config)]
    /// struct Slow;
    ///
    /// impl LogHook for Slow {
    ///     fn on_log(&self, ended: &Ended, _: &Response, request: &Request) {
    ///         log::info!("{}: {:?}", request.path(), ended.total);
    ///     }
    /// }
    ///
    /// let mut exchange = testing::Exchange::get("/a");
    /// exchange.over(&Slow, Ended { total: Duration::from_secs(2), ..testing::ended(200) });
    /// assert_eq!(exchange.log()[0].1, "/a: 2s");
    /// ```
    pub fn over(&mut self, plugin: &impl LogHook, ended: Ended) {
        if !plugin.needed() {
            return;
        }
        let answer = &self.state.answer;
        self.state.response.get_or_insert_with(|| answer.clone());
        self.state.sent = true;
        self.state.ended = Some(ended);
        host::lend(&mut self.state, || hook::run_on_log(plugin));
    }

    /// Runs the response hook, unless the plugin does not need it: on the plugin's own answer if a
    /// hook has given one, else on the upstream's.
    pub fn response<Returned: IntoFlow>(&mut self, plugin: &impl ResponseHook<Returned>) -> Outcome {
        if !plugin.needed() {
            return Outcome::Next;
        }
        let answer = &self.state.answer;
        self.state.response.get_or_insert_with(|| answer.clone());
        if let Some(most) = plugin.body_limit() {
            if self.state.response_body.bytes.len() as u64 > most {
                return Outcome::Reply(refusal(502));
            }
            self.state.response_body.whole = true;
        }
        self.run(|| hook::run_on_response(plugin))
    }

    /// The request's method, as edited so far.
    pub fn upstream_method(&self) -> &str {
        &self.state.request.method
    }

    /// The request's path, as edited so far.
    pub fn upstream_path(&self) -> &str {
        &self.state.request.path
    }

    /// The request's body, as edited so far.
    pub fn upstream_body(&self) -> &[u8] {
        &self.state.request_body.bytes
    }

    /// The response's body, as edited so far.
    pub fn client_body(&self) -> &[u8] {
        &self.state.response_body.bytes
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

    /// A metric of the plugin's own, like `denied_total{reason="expired"}`; of a histogram, the sum.
    pub fn metric(&self, series: &str) -> Option<f64> {
        self.state.metrics.get(series).copied()
    }

    /// What was handed over to a sink.
    pub fn delivered(&self, sink: &str) -> &[Vec<u8>] {
        self.state.sinks.get(sink).map_or(&[], Vec::as_slice)
    }

    /// What the plugin has asked of other servers: method and URL, and the body.
    pub fn asked(&self) -> &[(String, Vec<u8>)] {
        &self.state.asked
    }

    /// The lines the plugin has logged.
    pub fn log(&self) -> &[(Level, String)] {
        &self.state.log
    }

    fn run_pieces(
        &mut self,
        needed: bool,
        pieces: &[&str],
        run: impl Fn(Chunk) -> ChunkDecision,
    ) -> (Outcome, Vec<u8>) {
        let mut gone = Vec::new();
        for (at, piece) in pieces.iter().enumerate() {
            let chunk = Chunk { bytes: piece.as_bytes().to_vec(), end: at + 1 == pieces.len() };
            if !needed {
                gone.extend(chunk.bytes);
                continue;
            }
            match host::lend(&mut self.state, || run(chunk)) {
                Ok(ChunkFlow::Pass) => gone.extend_from_slice(piece.as_bytes()),
                Ok(ChunkFlow::Replace(bytes)) => gone.extend(bytes),
                Ok(ChunkFlow::Reply(_)) if !gone.is_empty() => {
                    return (Outcome::Failed("it replies after the first piece has gone on".to_owned()), gone);
                }
                Ok(ChunkFlow::Reply(reply)) => {
                    let outcome = self.state.accept(reply).map_or_else(Outcome::Failed, Outcome::Reply);
                    return (outcome, gone);
                }
                Err(reason) => return (Outcome::Failed(reason), gone),
            }
        }
        (Outcome::Next, gone)
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
