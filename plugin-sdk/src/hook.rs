//! The moments at which a plugin is asked, a trait for each, and how they are run: the same way for
//! the gateway (through [`export`](crate::export)) and for tests (through [`testing`](crate::testing)).

use crate::bindings::imports::tidegate::plugin::exchange::Outcome;
use crate::exchange::Ended;
use crate::host::types;
use crate::{ChunkFlow, Flow, IntoChunkFlow, IntoFlow, Request, Response, Result};

/// Asked when a request's head has arrived; nothing has been sent to the upstream.
///
/// `Returned` is what [`on_request`](Self::on_request) returns: [`Flow`] unless you say otherwise,
/// or a `Result` of it for a hook that can fail: `impl RequestHook<Result> for …`.
///
/// ```
/// use tidegate_sdk::prelude::*;
/// use tidegate_sdk::testing::{Exchange, Outcome};
///
/// #[derive(Config)]
/// struct Deprecated {
///     /// Where clients should go instead.
///     successor: Option<String>,
/// }
///
/// impl RequestHook for Deprecated {
///     fn on_request(&self, _: &mut Request) -> Flow {
///         match &self.successor {
///             Some(url) => Flow::reply(308).header("location", url.as_str()).empty(),
///             None => Flow::Next,
///         }
///     }
///
///     fn needed(&self) -> bool {
///         self.successor.is_some()
///     }
/// }
///
/// export!(Deprecated: RequestHook);
///
/// # fn main() {
/// let moved = Deprecated { successor: Some("https://example.com/v2".to_owned()) };
/// assert_eq!(Exchange::get("/").request(&moved).reply().status, 308);
/// assert_eq!(Exchange::get("/").request(&Deprecated { successor: None }), Outcome::Next);
/// # }
/// ```
#[diagnostic::on_unimplemented(message = "`{Self}` has no request hook", note = "implement `RequestHook` for it")]
pub trait RequestHook<Returned: IntoFlow = Flow> {
    /// Decides what becomes of this request.
    fn on_request(&self, request: &mut Request) -> Returned;

    /// Whether this config needs the hook; if not, the gateway never calls it.
    fn needed(&self) -> bool {
        true
    }

    /// Whether the hook needs the request's whole body ([`Request::body`]), and of how many bytes at
    /// most: the client of a larger one gets a 413. The use's `limits.body`, 1 MiB unless it says
    /// otherwise, bounds what can be asked for.
    ///
    /// ```
    /// use tidegate_sdk::prelude::*;
    /// use tidegate_sdk::testing::{Exchange, Outcome};
    ///
    /// #[derive(Config)]
    /// struct OnlyJson;
    ///
    /// impl RequestHook for OnlyJson {
    ///     fn on_request(&self, request: &mut Request) -> Flow {
    ///         match serde_json::from_slice::<serde_json::Value>(&request.body().unwrap_or_default()) {
    ///             Ok(_) => Flow::Next,
    ///             Err(error) => Flow::reply(400).body(error.to_string()),
    ///         }
    ///     }
    ///
    ///     fn body_limit(&self) -> Option<u64> {
    ///         Some(64 << 10)
    ///     }
    /// }
    ///
    /// export!(OnlyJson: RequestHook);
    ///
    /// # fn main() {
    /// assert_eq!(Exchange::new("POST", "/").body("[1]").request(&OnlyJson), Outcome::Next);
    /// assert_eq!(Exchange::new("POST", "/").body("[1").request(&OnlyJson).reply().status, 400);
    /// assert_eq!(Exchange::new("POST", "/").body(vec![b' '; 70_000]).request(&OnlyJson).reply().status, 413);
    /// # }
    /// ```
    fn body_limit(&self) -> Option<u64> {
        None
    }
}

/// Asked for every piece of a request's body on its way to the upstream, in whichever pieces it
/// comes. Bodies of any size pass, and never wait to be complete.
///
/// `Returned` is as in [`RequestHook`], for a [`ChunkFlow`].
///
/// ```
/// use tidegate_sdk::prelude::*;
/// use tidegate_sdk::testing::{Exchange, Outcome};
///
/// #[derive(Config)]
/// struct Upper;
///
/// impl RequestBodyHook for Upper {
///     fn on_request_body(&self, chunk: Chunk, _: &Request) -> ChunkFlow {
///         ChunkFlow::Replace(chunk.bytes.to_ascii_uppercase())
///     }
/// }
///
/// export!(Upper: RequestBodyHook);
///
/// # fn main() {
/// let mut exchange = Exchange::new("POST", "/");
/// assert_eq!(exchange.request_pieces(&Upper, &["hel", "lo"]), Outcome::Next);
/// assert_eq!(exchange.upstream_body(), b"HELLO");
/// # }
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` has no hook for pieces of a request's body",
    note = "implement `RequestBodyHook` for it"
)]
pub trait RequestBodyHook<Returned: IntoChunkFlow = ChunkFlow> {
    /// Decides what becomes of this piece. The request, past changing, is there to be read.
    fn on_request_body(&self, chunk: Chunk, request: &Request) -> Returned;

    /// Whether this config needs the hook; if not, the gateway never calls it.
    fn needed(&self) -> bool {
        true
    }
}

/// Asked when a response's head has arrived, from the upstream or as an answer of the gateway's own;
/// nothing has been sent to the client.
///
/// `Returned` is as in [`RequestHook`].
///
/// ```
/// use tidegate_sdk::prelude::*;
/// use tidegate_sdk::testing::{Exchange, Outcome};
///
/// #[derive(Config)]
/// struct Quiet;
///
/// impl ResponseHook for Quiet {
///     fn on_response(&self, response: &mut Response, request: &Request) -> Flow {
///         response.remove_header("server");
///         response.set_header("x-path", request.path());
///         Flow::Next
///     }
/// }
///
/// export!(Quiet: ResponseHook);
///
/// # fn main() {
/// let mut exchange = Exchange::get("/a").answer(200, &[("server", "shop/1.2")]);
/// assert_eq!(exchange.response(&Quiet), Outcome::Next);
/// let headers = exchange.client_headers();
/// assert_eq!((headers.first("server"), headers.first("x-path")), (None, Some("/a")));
/// # }
/// ```
#[diagnostic::on_unimplemented(message = "`{Self}` has no response hook", note = "implement `ResponseHook` for it")]
pub trait ResponseHook<Returned: IntoFlow = Flow> {
    /// Decides what becomes of this response. The request, past changing, is there to be read.
    fn on_response(&self, response: &mut Response, request: &Request) -> Returned;

    /// Whether this config needs the hook; if not, the gateway never calls it.
    fn needed(&self) -> bool {
        true
    }

    /// Whether the hook needs the response's whole body ([`Response::body`]), and of how many bytes
    /// at most: a larger one becomes a 502. As in [`RequestHook::body_limit`]. Upstreams are then
    /// asked for bodies that are neither encoded nor in parts.
    fn body_limit(&self) -> Option<u64> {
        None
    }
}

/// Asked for every piece of a response's body on its way to the client, whose head has gone by then:
/// a failure ends the connection, and a reply is a failure.
///
/// `Returned` is as in [`RequestBodyHook`]. Upstreams are asked for bodies that are neither encoded
/// nor in parts.
#[diagnostic::on_unimplemented(
    message = "`{Self}` has no hook for pieces of a response's body",
    note = "implement `ResponseBodyHook` for it"
)]
/// ```
/// use tidegate_sdk::prelude::*;
/// use tidegate_sdk::testing::{Exchange, Outcome};
///
/// #[derive(Config)]
/// struct Shout;
///
/// impl ResponseBodyHook for Shout {
///     fn on_response_body(&self, chunk: Chunk, response: &Response, _: &Request) -> ChunkFlow {
///         match response.header("content-type") {
///             Some(kind) if kind == "text/plain" => ChunkFlow::Replace(chunk.bytes.to_ascii_uppercase()),
///             _ => ChunkFlow::Pass,
///         }
///     }
/// }
///
/// export!(Shout: ResponseBodyHook);
///
/// # fn main() {
/// let mut exchange = Exchange::get("/").answer(200, &[("content-type", "text/plain")]);
/// assert_eq!(exchange.response_pieces(&Shout, &["hel", "lo"]), Outcome::Next);
/// assert_eq!(exchange.client_body(), b"HELLO");
/// # }
/// ```
pub trait ResponseBodyHook<Returned: IntoChunkFlow = ChunkFlow> {
    /// Decides what becomes of this piece. Response and request, past changing, are there to be read.
    fn on_response_body(&self, chunk: Chunk, response: &Response, request: &Request) -> Returned;

    /// Whether this config needs the hook; if not, the gateway never calls it.
    fn needed(&self) -> bool {
        true
    }
}

/// Told how each exchange ended, after its last byte; nobody waits for it.
///
/// ```
/// use tidegate_sdk::prelude::*;
/// use tidegate_sdk::testing::{Exchange, ended};
///
/// #[derive(Config)]
/// struct Slow {
///     milliseconds: u64,
/// }
///
/// impl LogHook for Slow {
///     fn on_log(&self, ended: &Ended, response: &Response, request: &Request) {
///         if ended.total.as_millis() as u64 >= self.milliseconds {
///             log::warn!("{} {} took {:?}: {}", request.method(), request.path(), ended.total, response.status());
///         }
///     }
/// }
///
/// export!(Slow: LogHook);
///
/// # fn main() {
/// let mut exchange = Exchange::get("/a");
/// exchange.over(&Slow { milliseconds: 500 }, Ended { total: std::time::Duration::from_secs(2), ..ended(200) });
/// assert_eq!(exchange.log()[0].1, "GET /a took 2s: 200");
/// # }
/// ```
#[diagnostic::on_unimplemented(message = "`{Self}` has no log hook", note = "implement `LogHook` for it")]
pub trait LogHook {
    /// Takes note of it. Response and request, past changing, are there to be read; where nobody was
    /// answered, the response has a status only: that of `ended`.
    fn on_log(&self, ended: &Ended, response: &Response, request: &Request);

    /// Whether this config needs the hook; if not, the gateway never calls it.
    fn needed(&self) -> bool {
        true
    }
}

/// Called from time to time, at the interval that the use is given by `timer` in gateway.toml, for
/// one thread of the gateway. There is no exchange then.
///
/// ```
/// use tidegate_sdk::prelude::*;
/// use tidegate_sdk::testing;
///
/// #[derive(Config)]
/// struct Prices {
///     url: String,
/// }
///
/// impl TimerHook for Prices {
///     fn on_timer(&self) -> Result<()> {
///         if self.url.is_empty() {
///             return Err("there is no `url` to fetch prices from".into());
///         }
///         let prices = http::get(&self.url).send()?.body;
///         Ok(kv::set("prices", prices, None)?)
///     }
/// }
///
/// export!(Prices: TimerHook);
///
/// # fn main() {
/// let failure = testing::timer(&Prices { url: String::new() });
/// assert_eq!(failure, Err("there is no `url` to fetch prices from".to_owned()));
/// # }
/// ```
#[diagnostic::on_unimplemented(message = "`{Self}` has no timer hook", note = "implement `TimerHook` for it")]
pub trait TimerHook {
    /// Does what no request asks for.
    ///
    /// # Errors
    /// Whatever went wrong; it is logged.
    fn on_timer(&self) -> Result<()>;
}

/// A piece of a body.
///
/// ```
/// use tidegate_sdk::prelude::*;
/// use tidegate_sdk::testing::{Exchange, Hook, Outcome};
///
/// let close = Hook(|mut chunk: Chunk, _: &Request| {
///     if chunk.end {
///         chunk.bytes.extend(b"\n-- \nsent through the gateway");
///     }
///     ChunkFlow::Replace(chunk.bytes)
/// });
/// let mut exchange = Exchange::new("POST", "/mails");
/// assert_eq!(exchange.request_pieces(&close, &["Hello", " Bob"]), Outcome::Next);
/// assert_eq!(exchange.upstream_body(), b"Hello Bob\n-- \nsent through the gateway");
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Chunk {
    /// What came; the last piece may be empty.
    pub bytes: Vec<u8>,
    /// There is no more.
    pub end: bool,
}

/// What the gateway is told.
pub(crate) type Decision = std::result::Result<Flow, types::Failure>;

/// What the gateway is told about a piece of a body.
pub(crate) type ChunkDecision = std::result::Result<types::ChunkFlow, types::Failure>;

/// Run a request hook on the current exchange.
///
/// # Errors
/// The hook failed, or made an edit that the gateway refused.
pub fn run_on_request<Returned: IntoFlow>(hook: &impl RequestHook<Returned>) -> Decision {
    let mut request = Request::current();
    let flow = hook.on_request(&mut request).into_flow()?;
    request.finish()?;
    Ok(flow)
}

/// Run a hook on a piece of the current request's body.
///
/// # Errors
/// The hook failed.
pub fn run_on_request_body<Returned: IntoChunkFlow>(
    hook: &impl RequestBodyHook<Returned>,
    chunk: Chunk,
) -> ChunkDecision {
    Ok(hook.on_request_body(chunk, &Request::past_changing()).into_chunk_flow()?.into())
}

/// Run a response hook on the current exchange.
///
/// # Errors
/// The hook failed, or made an edit that the gateway refused.
pub fn run_on_response<Returned: IntoFlow>(hook: &impl ResponseHook<Returned>) -> Decision {
    let mut response = Response::current();
    let flow = hook.on_response(&mut response, &Request::past_changing()).into_flow()?;
    response.finish()?;
    Ok(flow)
}

/// Run a hook on a piece of the current response's body.
///
/// # Errors
/// The hook failed.
pub fn run_on_response_body<Returned: IntoChunkFlow>(
    hook: &impl ResponseBodyHook<Returned>,
    chunk: Chunk,
) -> ChunkDecision {
    let (response, request) = (Response::past_changing(), Request::past_changing());
    Ok(hook.on_response_body(chunk, &response, &request).into_chunk_flow()?.into())
}

/// Run a log hook on the current exchange, which has ended so.
pub fn run_on_log(hook: &impl LogHook, ended: Outcome) {
    hook.on_log(&Ended::of(ended), &Response::past_changing(), &Request::past_changing());
}

/// Run a timer hook.
///
/// # Errors
/// The hook failed.
pub fn run_on_timer(hook: &impl TimerHook) -> std::result::Result<(), types::Failure> {
    Ok(hook.on_timer()?)
}
