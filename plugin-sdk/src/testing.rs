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
//!
//! [`cases()`] runs case files, which `tidegate plugin test` runs on the gateway's own host.
//!
//! # How far this is the gateway
//!
//! Bounds and refusals are the gateway's, word for word; where a plugin would trap there, the test
//! panics. These are not held natively:
//!
//! - A use's `limits`: time, memory, and how large bodies and calls may be.
//! - Time: the clock of counters and of `kv` stands at the beginning of a window, and other servers
//!   answer at once.
//! - Whoever waits for a place waits in vain, and at once: the others keep theirs.
//! - What all plugins share room with: of `kv` nothing is evicted, and a sink is never full. Records
//!   that only some sinks would not take (datagrams, smaller buffers) are taken.
//! - Keys in PEM and DER: nobody reads them here. HMAC, digests and hashes of passwords are computed,
//!   those as costly as they may be; other signatures are as [`Exchange::signatures`] says. A hash may
//!   also be `plain:` and the password.
//! - Whose scratch it is: all hooks that run on an [`Exchange`] are of one use.

use std::time::{Duration, SystemTime};

use crate::exchange::Ended;
use crate::hook::{Chunk, ChunkDecision, Decision};
use crate::host::types::ChunkFlow;
use crate::{
    Flow, IntoChunkFlow, IntoFlow, LogHook, RequestBodyHook, RequestHook, ResponseBodyHook, ResponseHook, hook,
};

mod cases;
mod closure;
mod headers;
pub(crate) mod host;
mod limits;
mod outcome;
mod outside;
mod path;
mod people;
mod setup;
mod shown;
mod state;

pub use cases::{Hooks, Plugin, cases};
pub use closure::Hook;
pub use headers::Headers;
pub use outcome::{Outcome, Reply};
pub use outside::{configure, schema, timer};
use state::{Awaited, Call, State};

/// An exchange that ended with this status, at once, and whose upstream said the same.
///
/// ```
/// # use tidegate_sdk::{prelude::*, testing::{self, Exchange, Hook}};
/// let bill = Hook(|ended: &Ended, _: &Response, _: &Request| log::info!("{} bytes", ended.received + ended.sent));
/// let mut exchange = Exchange::get("/");
/// exchange.over(&bill, Ended { received: 20, sent: 300, ..testing::ended(200) });
/// assert_eq!(exchange.log()[0].1, "320 bytes");
/// ```
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

/// One request on its way through plugins, and its response. Counters, keys and values are its own as well: hooks that
/// run on it again find what they have left there.
///
/// ```
/// use tidegate_sdk::prelude::*;
/// use tidegate_sdk::testing::{self, Exchange, Outcome};
///
/// #[derive(Config)]
/// struct Tenant;
///
/// impl RequestHook for Tenant {
///     fn on_request(&self, request: &mut Request) -> Flow {
///         exchange::set("tenant", request.host().split('.').next().unwrap_or_default());
///         Flow::Next
///     }
/// }
///
/// impl LogHook for Tenant {
///     fn on_log(&self, ended: &Ended, _: &Response, _: &Request) {
///         let tenant = exchange::get("tenant").unwrap_or_default();
///         log::info!("{}: {}", String::from_utf8_lossy(&tenant), ended.status);
///     }
/// }
///
/// let mut exchange = Exchange::get("/").header("host", "acme.example.com");
/// assert_eq!(exchange.request(&Tenant), Outcome::Next);
/// exchange.over(&Tenant, testing::ended(200));
/// assert_eq!(exchange.log()[0].1, "acme: 200");
/// ```
#[derive(Debug, Clone)]
pub struct Exchange {
    state: State,
}

impl Exchange {
    /// Runs the request hook, unless the plugin does not need it. A body that is larger than the
    /// plugin takes is answered with 413, as by the gateway.
    ///
    /// ```
    /// # use tidegate_sdk::{prelude::*, testing::{Exchange, Hook, Outcome}};
    /// let no_admin = Hook(|request: &mut Request| {
    ///     if request.path().starts_with("/admin") { Flow::reply(404).empty() } else { Flow::Next }
    /// });
    /// assert_eq!(Exchange::get("/admin/users").request(&no_admin).reply().status, 404);
    /// assert_eq!(Exchange::get("/users").request(&no_admin), Outcome::Next);
    /// ```
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
    ///
    /// ```
    /// # use tidegate_sdk::{prelude::*, testing::{Exchange, Hook, Outcome}};
    /// let upper = Hook(|chunk: Chunk, _: &Request| ChunkFlow::Replace(chunk.bytes.to_ascii_uppercase()));
    /// let mut exchange = Exchange::new("POST", "/");
    /// assert_eq!(exchange.request_pieces(&upper, &["hel", "lo"]), Outcome::Next);
    /// assert_eq!(exchange.upstream_body(), b"HELLO");
    /// ```
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
    ///
    /// ```
    /// # use tidegate_sdk::{prelude::*, testing::{Exchange, Hook, Outcome}};
    /// let late = Hook(|chunk: Chunk, _: &Response, _: &Request| match chunk.bytes.as_slice() {
    ///     b"secret" => Flow::reply(403).empty(),
    ///     _ => Flow::Next,
    /// });
    /// let mut exchange = Exchange::get("/");
    /// assert_eq!(exchange.response_pieces(&late, &["pub", "lic"]), Outcome::Next);
    /// assert_eq!(exchange.client_body(), b"public");
    /// let failure = exchange.response_pieces(&late, &["no ", "secret"]).failure();
    /// assert_eq!(failure, "it replies after the first piece has gone on");
    /// ```
    pub fn response_pieces<Returned: IntoChunkFlow>(
        &mut self,
        plugin: &impl ResponseBodyHook<Returned>,
        pieces: &[&str],
    ) -> Outcome {
        self.state.edit_in_advance().unwrap_or_else(|problem| panic!("the answer cannot be edited: {problem}"));
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
        self.state.edit_in_advance().unwrap_or_else(|problem| panic!("the answer cannot be edited: {problem}"));
        self.state.sent = true;
        let told = host::exchange::outcome(&ended);
        self.state.ended = Some(ended);
        host::lend(&mut self.state, Call::Hook, || hook::run_on_log(plugin, told));
    }

    /// Runs the response hook, unless the plugin does not need it: on the plugin's own answer if a
    /// hook has given one, else on the upstream's.
    ///
    /// ```
    /// # use tidegate_sdk::{prelude::*, testing::{Exchange, Hook, Outcome}};
    /// let refuse = Hook(|_: &mut Request| Flow::reply(401).empty());
    /// let mark = Hook(|response: &mut Response, _: &Request| {
    ///     response.set_header("x-status", response.status().to_string());
    ///     Flow::Next
    /// });
    /// let mut exchange = Exchange::get("/").answer(200, &[]);
    /// assert_eq!(exchange.response(&mark), Outcome::Next);
    /// assert_eq!(exchange.client_headers().first("x-status"), Some("200"));
    ///
    /// let mut exchange = Exchange::get("/").answer(200, &[]);
    /// assert_eq!(exchange.request(&refuse).reply().status, 401);
    /// assert_eq!(exchange.response(&mark), Outcome::Next);
    /// assert_eq!(exchange.client_headers().first("x-status"), Some("401"));
    /// ```
    pub fn response<Returned: IntoFlow>(&mut self, plugin: &impl ResponseHook<Returned>) -> Outcome {
        if !plugin.needed() {
            return Outcome::Next;
        }
        if let Err(problem) = self.state.edit_in_advance() {
            return Outcome::Failed(problem);
        }
        if let Some(most) = plugin.body_limit() {
            if self.state.response_body.bytes.len() as u64 > most {
                let refusal = refusal(502);
                self.state.respond(&refusal);
                return Outcome::Reply(refusal);
            }
            self.state.response_body.whole = true;
        }
        self.run(|| hook::run_on_response(plugin))
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
            match host::lend(&mut self.state, Call::Hook, || run(chunk)) {
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
        let decision = host::lend(&mut self.state, Call::Hook, run);
        let outcome = match (decision, self.state.awaited.take()) {
            (Ok(Flow::Next), None | Some(Awaited::Nothing)) => return Outcome::Next,
            (Ok(Flow::Next), Some(Awaited::Caller(caller))) => {
                self.state.caller = Some(caller);
                return Outcome::Next;
            }
            (Ok(Flow::Next), Some(Awaited::Anonymous(username))) => {
                let as_guest = || host::identity::authenticate_as(&username, host::identity::Way::Anonymous);
                match host::lend(&mut self.state, Call::Hook, as_guest) {
                    Ok(()) => return Outcome::Next,
                    Err(reason) => Err(reason),
                }
            }
            (Ok(Flow::Next), Some(Awaited::Reply(reply))) | (Ok(Flow::Reply(crate::Reply(reply))), _) => {
                self.state.accept(reply)
            }
            (Err(reason), _) => Err(reason),
        };
        outcome.map_or_else(
            |reason| {
                self.state.undo(before);
                Outcome::Failed(reason)
            },
            Outcome::Reply,
        )
    }
}

#[cfg(test)]
mod tests;
