//! Requests to other servers, as far as the use of the plugin is granted them. A call returns when
//! the whole answer is there; meanwhile the gateway serves others, on other instances.
//!
//! ```toml
//! [[plugins]]
//! use = "introspection"
//! grants = { http = ["https://idp.example.com"] }
//! ```

use std::fmt;
use std::time::Duration;

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::host::http_client::{Error as HostError, Outgoing};
use crate::host::types::Header;
use crate::{HeaderName, HeaderValue, host};

/// A request in the making.
///
/// ```
/// use tidegate_sdk::prelude::*;
///
/// #[derive(Config)]
/// struct Introspection {
///     endpoint: String,
/// }
///
/// impl RequestHook<Result> for Introspection {
///     fn on_request(&self, request: &mut Request) -> Result {
///         let Some(token) = request.header("x-token") else { return Ok(Flow::reply(401).empty()) };
///         let answer = http::post(&self.endpoint).header("x-token", token).send()?;
///         Ok(if answer.status == 200 { Flow::Next } else { Flow::reply(403).empty() })
///     }
/// }
///
/// export!(Introspection: RequestHook);
/// # fn main() {}
/// ```
#[derive(Debug)]
#[must_use = "it is sent by `send`"]
pub struct Outbound(Outgoing);

/// GET this absolute URL.
pub fn get(url: &str) -> Outbound {
    request("GET", url)
}

/// POST to this absolute URL.
pub fn post(url: &str) -> Outbound {
    request("POST", url)
}

/// Any other method.
pub fn request(method: &str, url: &str) -> Outbound {
    let (method, url) = (method.to_owned(), url.to_owned());
    Outbound(Outgoing { method, url, headers: Vec::new(), body: Vec::new(), timeout_ms: None })
}

impl Outbound {
    /// Adds a header field. Host, length and what concerns the connection are the gateway's to say.
    pub fn header(mut self, name: impl AsRef<str>, value: impl Into<HeaderValue>) -> Self {
        let (name, value) = (name.as_ref().to_owned(), value.into().into_bytes());
        self.0.headers.push(Header { name, value });
        self
    }

    /// Sets the body; its type is for [`header`](Self::header) to say.
    pub fn body(mut self, body: impl Into<Vec<u8>>) -> Self {
        self.0.body = body.into();
        self
    }

    /// Sets a JSON body and the Content-Type that says so.
    ///
    /// # Panics
    /// If `body` has no form in JSON: a map whose keys are no text, say.
    pub fn json(self, body: &impl Serialize) -> Self {
        let body = serde_json::to_vec(body).unwrap_or_else(|error| panic!("a request's body is no JSON: {error}"));
        self.header("content-type", "application/json").body(body)
    }

    /// How long all of it may take: 5 seconds unless told otherwise, 30 at most.
    pub fn timeout(mut self, limit: Duration) -> Self {
        self.0.timeout_ms = Some(u32::try_from(limit.as_millis()).unwrap_or(u32::MAX));
        self
    }

    /// Sends it and waits for the whole answer, whatever its status. Redirects are not followed.
    ///
    /// # Errors
    /// There is no answer.
    pub fn send(self) -> Result<Answer, Error> {
        let answer = host::http_client::fetch(&self.0)?;
        Ok(Answer { status: answer.status, headers: crate::header::section(answer.headers), body: answer.body })
    }
}

/// What a server has answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// 200 to 599.
    pub status: u16,
    /// The header section.
    pub headers: Vec<(HeaderName, HeaderValue)>,
    /// The whole body, up to 4 MiB.
    pub body: Vec<u8>,
}

impl Answer {
    /// The first header field of this name, in lower case.
    pub fn header(&self, name: &str) -> Option<&HeaderValue> {
        self.headers.iter().find(|(own, _)| own.as_str() == name).map(|(_, value)| value)
    }

    /// The body, parsed.
    ///
    /// # Errors
    /// It is no JSON, or other JSON.
    pub fn json<T: DeserializeOwned>(&self) -> serde_json::Result<T> {
        serde_json::from_slice(&self.body)
    }
}

/// Why there is no answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Error {
    /// The use is not granted this origin.
    NotGranted,
    /// It is no request that could be sent.
    Invalid(String),
    /// Not done in time.
    TimedOut,
    /// Not connected, or broken off: what happened.
    Failed(String),
    /// The answer has more bytes than may come.
    TooLarge,
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotGranted => f.write_str("this origin is not among the use's `grants.http`"),
            Self::Invalid(problem) => write!(f, "the request cannot be sent: {problem}"),
            Self::TimedOut => f.write_str("no answer in time"),
            Self::Failed(story) => f.write_str(story),
            Self::TooLarge => f.write_str("the answer is larger than 4 MiB"),
        }
    }
}

impl std::error::Error for Error {}

impl From<HostError> for Error {
    fn from(error: HostError) -> Self {
        match error {
            HostError::NotGranted => Self::NotGranted,
            HostError::Invalid(problem) => Self::Invalid(problem),
            HostError::TimedOut => Self::TimedOut,
            HostError::Failed(story) => Self::Failed(story),
            HostError::TooLarge => Self::TooLarge,
        }
    }
}
