//! What a hook decides: on with the exchange, an answer of its own, or a failure.

use std::fmt;

use serde::Serialize;

use crate::HeaderValue;
use crate::host::types;

/// What a hook decides.
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
    /// # use tidegate_sdk::prelude::*;
    /// # fn decide() -> Flow {
    /// Flow::reply(401).header("www-authenticate", "Key").json(&json!({ "message": "Unauthorized" }))
    /// # }
    /// ```
    pub fn reply(status: u16) -> Reply {
        Reply(types::Reply { status, headers: Vec::new(), body: Vec::new() })
    }
}

/// An answer in the making, begun by [`Flow::reply`].
#[derive(Debug)]
#[must_use = "a hook replies by returning it"]
pub struct Reply(types::Reply);

impl Reply {
    /// Adds a header field. Content-Length and what else frames a message is added by the gateway.
    pub fn header(mut self, name: impl AsRef<str>, value: impl Into<HeaderValue>) -> Self {
        let (name, value) = (name.as_ref().to_owned(), value.into().into_bytes());
        self.0.headers.push(types::Header { name, value });
        self
    }

    /// Completes the answer with this body; its type is for [`header`](Self::header) to say.
    pub fn body(mut self, body: impl Into<Vec<u8>>) -> Flow {
        self.0.body = body.into();
        Flow::Reply(self)
    }

    /// Completes the answer with a JSON body and the Content-Type that says so.
    ///
    /// # Panics
    /// If `body` has no form in JSON: a map whose keys are no text, say.
    pub fn json(self, body: &impl Serialize) -> Flow {
        let body = serde_json::to_vec(body).unwrap_or_else(|error| panic!("a reply's body is no JSON: {error}"));
        self.header("content-type", "application/json").body(body)
    }

    /// Completes the answer without a body.
    pub fn empty(self) -> Flow {
        Flow::Reply(self)
    }
}

/// Why a hook could not decide: the plugin's own fault, in its own words. It is logged; the client
/// gets a 500 without it.
///
/// Anything that can be displayed becomes one, so that `?` works on all errors.
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
/// # fn main() {}
/// ```
pub type Result<T = Flow, E = Failure> = std::result::Result<T, E>;

/// What a hook may return: a [`Flow`], or a `Result` of one with any error that can be displayed.
#[diagnostic::on_unimplemented(
    message = "a hook cannot return `{Self}`",
    note = "hooks return `Flow`, or a `Result` of it: `impl RequestHook<Result> for …`"
)]
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

impl From<Flow> for types::Flow {
    fn from(flow: Flow) -> Self {
        match flow {
            Flow::Next => Self::Next,
            Flow::Reply(Reply(reply)) => Self::Reply(reply),
        }
    }
}

impl From<Failure> for types::Failure {
    fn from(Failure(reason): Failure) -> Self {
        reason
    }
}
