//! What a hook decides: on with the exchange, an answer of its own, or a failure.

use std::fmt;

use serde::Serialize;

use crate::HeaderValue;
use crate::host::types;

/// What a hook decides.
///
/// ```
/// use tidegate_sdk::prelude::*;
/// use tidegate_sdk::testing::{Exchange, Hook, Outcome};
///
/// let closed = Hook(|request: &mut Request| {
///     if request.path() == "/health" { Flow::Next } else { Flow::reply(503).body("closed today") }
/// });
/// assert_eq!(Exchange::get("/health").request(&closed), Outcome::Next);
/// assert_eq!(Exchange::get("/").request(&closed).reply().text(), "closed today");
/// ```
#[derive(Debug)]
#[must_use = "a hook decides by returning it"]
pub enum Flow {
    /// On to the next plugin, in the end to the upstream or the client.
    Next,
    /// Answer this, in place of the upstream. In a response hook: in place of its response.
    Reply(Reply),
}

impl Flow {
    /// Begins an answer with this status, from 200 to 599; another one makes the hook fail.
    /// [`body`](Reply::body), [`json`](Reply::json) or [`empty`](Reply::empty) completes it.
    ///
    /// ```
    /// # use tidegate_sdk::{prelude::*, testing::{Exchange, Hook}};
    /// let refuse = Hook(|_: &mut Request| {
    ///     Flow::reply(401).header("www-authenticate", "Key").json(&json!({ "message": "Unauthorized" }))
    /// });
    /// let reply = Exchange::get("/").request(&refuse).reply();
    /// assert_eq!((reply.status, reply.headers.first("www-authenticate")), (401, Some("Key")));
    ///
    /// let odd = Hook(|_: &mut Request| Flow::reply(99).empty());
    /// assert!(Exchange::get("/").request(&odd).failure().contains("expected 200 to 599"));
    /// ```
    pub fn reply(status: u16) -> Reply {
        Reply(types::Reply { status, headers: Vec::new(), body: Vec::new() })
    }
}

/// An answer in the making, begun by [`Flow::reply`].
///
/// ```
/// # use tidegate_sdk::{prelude::*, testing::{Exchange, Hook}};
/// /// What all refusals of a plugin have in common.
/// fn refusal(status: u16) -> Reply {
///     Flow::reply(status).header("cache-control", "no-store")
/// }
///
/// let gone = Hook(|_: &mut Request| refusal(410).body("it was here"));
/// let reply = Exchange::get("/").request(&gone).reply();
/// assert_eq!((reply.text(), reply.headers.first("cache-control")), ("it was here", Some("no-store")));
/// ```
#[derive(Debug)]
#[must_use = "a hook replies by returning it"]
pub struct Reply(pub(crate) types::Reply);

impl Reply {
    /// Adds a header field. Content-Length and what else frames a message is added by the gateway.
    ///
    /// ```
    /// # use tidegate_sdk::{prelude::*, testing::{Exchange, Hook}};
    /// let later = Hook(|_: &mut Request| Flow::reply(429).header("retry-after", "30").empty());
    /// assert_eq!(Exchange::get("/").request(&later).reply().headers.first("retry-after"), Some("30"));
    /// ```
    pub fn header(mut self, name: impl AsRef<str>, value: impl Into<HeaderValue>) -> Self {
        let (name, value) = (name.as_ref().to_owned(), value.into().into_bytes());
        self.0.headers.push(types::Header { name, value });
        self
    }

    /// Completes the answer with this body; its type is for [`header`](Self::header) to say.
    ///
    /// ```
    /// # use tidegate_sdk::{prelude::*, testing::{Exchange, Hook}};
    /// let robots = Hook(|_: &mut Request| {
    ///     Flow::reply(200).header("content-type", "text/plain").body("User-agent: *\nDisallow: /\n")
    /// });
    /// assert_eq!(Exchange::get("/robots.txt").request(&robots).reply().body, b"User-agent: *\nDisallow: /\n");
    /// ```
    pub fn body(mut self, body: impl Into<Vec<u8>>) -> Flow {
        self.0.body = body.into();
        Flow::Reply(self)
    }

    /// Completes the answer with a JSON body and the Content-Type that says so.
    ///
    /// ```
    /// # use tidegate_sdk::{prelude::*, testing::{Exchange, Hook}};
    /// let health = Hook(|_: &mut Request| Flow::reply(200).json(&json!({ "status": "up" })));
    /// let reply = Exchange::get("/health").request(&health).reply();
    /// assert_eq!(reply.json(), json!({ "status": "up" }));
    /// assert_eq!(reply.headers.first("content-type"), Some("application/json"));
    /// ```
    ///
    /// # Panics
    /// If `body` has no form in JSON: a map whose keys are no text, say.
    pub fn json(self, body: &impl Serialize) -> Flow {
        let body = serde_json::to_vec(body).unwrap_or_else(|error| panic!("a reply's body is no JSON: {error}"));
        self.header("content-type", "application/json").body(body)
    }

    /// Completes the answer without a body.
    ///
    /// ```
    /// # use tidegate_sdk::{prelude::*, testing::{Exchange, Hook}};
    /// let no_icon = Hook(|_: &mut Request| Flow::reply(204).empty());
    /// let reply = Exchange::get("/favicon.ico").request(&no_icon).reply();
    /// assert_eq!((reply.status, reply.text()), (204, ""));
    /// ```
    pub fn empty(self) -> Flow {
        Flow::Reply(self)
    }
}

/// Why a hook could not decide: the plugin's own fault, in its own words. It is logged; the client
/// gets a 500 without it.
///
/// Anything that can be displayed becomes one, so that `?` works on all errors.
///
/// ```
/// use tidegate_sdk::prelude::*;
/// use tidegate_sdk::testing::{Exchange, Hook};
///
/// /// A header as a number; there has to be one.
/// fn number(request: &Request, name: &str) -> Result<u64> {
///     let value = request.header(name).ok_or_else(|| format!("there is no {name}"))?;
///     Ok(value.to_str()?.parse()?)
/// }
///
/// let weigh = Hook(|request: &mut Request| -> Result {
///     Ok(Flow::reply(200).body(number(request, "x-weight")?.to_string()))
/// });
/// assert_eq!(Exchange::get("/").request(&weigh).failure(), "there is no x-weight");
/// let heavy = Exchange::get("/").header("x-weight", "much").request(&weigh);
/// assert_eq!(heavy.failure(), "invalid digit found in string");
/// ```
pub struct Failure(String);

impl<E: fmt::Display> From<E> for Failure {
    fn from(error: E) -> Self {
        Self(error.to_string())
    }
}

impl fmt::Debug for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// What hooks that can fail return; with both parameters given, the ordinary `Result`.
///
/// ```
/// use tidegate_sdk::prelude::*;
/// use tidegate_sdk::testing::Exchange;
///
/// #[derive(Config)]
/// struct Limit {
///     most: u64,
/// }
///
/// impl RequestHook<Result> for Limit {
///     fn on_request(&self, request: &mut Request) -> Result {
///         let Some(length) = request.header("content-length") else { return Ok(Flow::Next) };
///         let length: u64 = length.to_str()?.parse()?;
///         Ok(if length > self.most { Flow::reply(413).empty() } else { Flow::Next })
///     }
/// }
///
/// export!(Limit: RequestHook);
///
/// # fn main() {
/// let with = |length| Exchange::new("POST", "/").header("content-length", length);
/// assert_eq!(with("1000").request(&Limit { most: 999 }).reply().status, 413);
/// assert_eq!(with("all").request(&Limit { most: 999 }).failure(), "invalid digit found in string");
/// # }
/// ```
pub type Result<T = Flow, E = Failure> = std::result::Result<T, E>;

/// What a hook may return: a [`Flow`], or a `Result` of one with any error that can be displayed.
#[diagnostic::on_unimplemented(
    message = "a hook cannot return `{Self}`",
    note = "hooks return `Flow`, or a `Result` of it: `impl RequestHook<Result> for …`"
)]
/// ```
/// use tidegate_sdk::prelude::*;
/// use tidegate_sdk::testing::{Exchange, Hook, Outcome};
///
/// let sure = Hook(|_: &mut Request| Flow::Next);
/// assert_eq!(Exchange::get("/").request(&sure), Outcome::Next);
///
/// let unsure = Hook(|request: &mut Request| -> Result<Flow, std::num::ParseIntError> {
///     let _page: u32 = request.query_param("page").unwrap_or_default().parse()?;
///     Ok(Flow::Next)
/// });
/// assert_eq!(Exchange::get("/?page=2").request(&unsure), Outcome::Next);
/// assert_eq!(Exchange::get("/?page=two").request(&unsure).failure(), "invalid digit found in string");
/// ```
pub trait IntoFlow {
    /// The decision, or why there is none.
    ///
    /// # Errors
    /// The hook failed.
    fn into_flow(self) -> Result;
}

impl IntoFlow for Flow {
    fn into_flow(self) -> Result {
        Ok(self)
    }
}

impl<E: Into<Failure>> IntoFlow for std::result::Result<Flow, E> {
    fn into_flow(self) -> Result {
        self.map_err(Into::into)
    }
}

/// What a hook decides about a piece of a body.
///
/// A [`Flow`] is one, too: `Next` passes the piece on.
///
/// ```
/// use tidegate_sdk::prelude::*;
/// use tidegate_sdk::testing::{Exchange, Hook, Outcome};
///
/// let no_tabs = Hook(|chunk: Chunk, _: &Request| {
///     if chunk.bytes.contains(&b'\t') {
///         ChunkFlow::Replace(chunk.bytes.into_iter().map(|byte| if byte == b'\t' { b' ' } else { byte }).collect())
///     } else {
///         ChunkFlow::Pass
///     }
/// });
/// let mut exchange = Exchange::new("POST", "/");
/// assert_eq!(exchange.request_pieces(&no_tabs, &["a\tb", "c"]), Outcome::Next);
/// assert_eq!(exchange.upstream_body(), b"a bc");
/// ```
#[derive(Debug)]
#[must_use = "a hook decides by returning it"]
pub enum ChunkFlow {
    /// On as it is.
    Pass,
    /// This goes on in its place; nothing of it, if this is empty.
    Replace(Vec<u8>),
    /// Answer this, in place of the upstream. Possible for a request only, and only before the first
    /// piece of its body has gone on.
    Reply(Reply),
}

impl From<Flow> for ChunkFlow {
    fn from(flow: Flow) -> Self {
        match flow {
            Flow::Next => Self::Pass,
            Flow::Reply(reply) => Self::Reply(reply),
        }
    }
}

/// What a hook for pieces of a body may return: a [`ChunkFlow`], a [`Flow`], or a `Result` of one
/// with any error that can be displayed.
#[diagnostic::on_unimplemented(
    message = "a hook for pieces of a body cannot return `{Self}`",
    note = "they return `ChunkFlow`, or a `Result` of it: `impl RequestBodyHook<Result<ChunkFlow>> for …`"
)]
/// ```
/// use tidegate_sdk::prelude::*;
/// use tidegate_sdk::testing::{Exchange, Hook};
///
/// let text_only = Hook(|chunk: Chunk, _: &Request| -> Result<ChunkFlow> {
///     std::str::from_utf8(&chunk.bytes)?;
///     Ok(ChunkFlow::Pass)
/// });
/// let mut exchange = Exchange::new("POST", "/");
/// assert_eq!(exchange.request_pieces(&text_only, &["plain ", "text"]), tidegate_sdk::testing::Outcome::Next);
/// assert_eq!(exchange.upstream_body(), b"plain text");
/// ```
pub trait IntoChunkFlow {
    /// The decision, or why there is none.
    ///
    /// # Errors
    /// The hook failed.
    fn into_chunk_flow(self) -> Result<ChunkFlow>;
}

impl<F: Into<ChunkFlow>> IntoChunkFlow for F {
    fn into_chunk_flow(self) -> Result<ChunkFlow> {
        Ok(self.into())
    }
}

impl<F: Into<ChunkFlow>, E: Into<Failure>> IntoChunkFlow for std::result::Result<F, E> {
    fn into_chunk_flow(self) -> Result<ChunkFlow> {
        self.map(Into::into).map_err(Into::into)
    }
}

impl From<ChunkFlow> for types::ChunkFlow {
    fn from(flow: ChunkFlow) -> Self {
        match flow {
            ChunkFlow::Pass => Self::Pass,
            ChunkFlow::Replace(bytes) => Self::Replace(bytes),
            ChunkFlow::Reply(Reply(reply)) => Self::Reply(reply),
        }
    }
}

impl From<Failure> for types::Failure {
    fn from(Failure(reason): Failure) -> Self {
        reason
    }
}
