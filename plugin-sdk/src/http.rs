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

use crate::host::http_client::{Error as HostError, Incoming, Outgoing};
use crate::host::types::Header;
use crate::{HeaderName, HeaderValue, host};

/// A request in the making.
///
/// ```
/// use tidegate_sdk::prelude::*;
/// use tidegate_sdk::testing::{Exchange, Outcome};
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
///
/// # fn main() {
/// let plugin = Introspection { endpoint: "https://idp.example.com/introspect".to_owned() };
/// let exchange = Exchange::get("/").header("x-token", "t");
/// let answering = |status| exchange.clone().server("POST https://idp.example.com/introspect", status, "");
/// assert_eq!(answering(200).request(&plugin), Outcome::Next);
/// assert_eq!(answering(401).request(&plugin).reply().status, 403);
/// # }
/// ```
#[derive(Debug)]
#[must_use = "it is sent by `send`"]
pub struct Outbound(Outgoing);

/// GET this absolute URL.
///
/// ```
/// # use tidegate_sdk::{prelude::*, testing::{Exchange, Hook}};
/// let told = Hook(|_: &mut Request| -> Result {
///     let answer = http::get("https://idp.example.com/keys").send()?;
///     Ok(Flow::reply(answer.status).body(answer.body))
/// });
/// let mut exchange = Exchange::get("/").server("GET https://idp.example.com/keys", 200, "[]");
/// assert_eq!(exchange.request(&told).reply().text(), "[]");
/// ```
pub fn get(url: &str) -> Outbound {
    request("GET", url)
}

/// POST to this absolute URL.
///
/// ```
/// # use tidegate_sdk::{prelude::*, testing::{Exchange, Hook, Outcome}};
/// let tell = Hook(|request: &mut Request| -> Result {
///     http::post("http://audit.internal/events").body(request.path()).send()?;
///     Ok(Flow::Next)
/// });
/// let mut exchange = Exchange::get("/a").server("POST http://audit.internal/events", 202, "");
/// assert_eq!(exchange.request(&tell), Outcome::Next);
/// assert_eq!(exchange.asked(), [("POST http://audit.internal/events".to_owned(), b"/a".to_vec())]);
/// ```
pub fn post(url: &str) -> Outbound {
    request("POST", url)
}

/// Any other method.
///
/// ```
/// # use tidegate_sdk::{prelude::*, testing::{Exchange, Hook, Outcome}};
/// let forget = Hook(|request: &mut Request| -> Result {
///     http::request("DELETE", &format!("http://sessions.internal{}", request.path())).send()?;
///     Ok(Flow::Next)
/// });
/// let mut exchange = Exchange::get("/s1").server("DELETE http://sessions.internal/s1", 204, "");
/// assert_eq!(exchange.request(&forget), Outcome::Next);
/// assert_eq!(exchange.asked()[0].0, "DELETE http://sessions.internal/s1");
/// ```
pub fn request(method: &str, url: &str) -> Outbound {
    let (method, url) = (method.to_owned(), url.to_owned());
    Outbound(Outgoing { method, url, headers: Vec::new(), body: Vec::new(), timeout_ms: None })
}

impl Outbound {
    /// Adds a header field. Host, length and what concerns the connection are the gateway's to say.
    ///
    /// ```
    /// # use tidegate_sdk::{prelude::*, testing::{Exchange, Hook, Outcome}};
    /// let ask = Hook(|request: &mut Request| -> Result {
    ///     let token = request.header("authorization").ok_or("there is no token")?;
    ///     let answer = http::get("https://idp.example.com/me").header("authorization", token).send()?;
    ///     Ok(if answer.status == 200 { Flow::Next } else { Flow::reply(401).empty() })
    /// });
    /// let with_token = Exchange::get("/").header("authorization", "Bearer t");
    /// assert_eq!(with_token.server("GET https://idp.example.com/me", 200, "{}").request(&ask), Outcome::Next);
    /// ```
    pub fn header(mut self, name: impl AsRef<str>, value: impl Into<HeaderValue>) -> Self {
        let (name, value) = (name.as_ref().to_owned(), value.into().into_bytes());
        self.0.headers.push(Header { name, value });
        self
    }

    /// Sets the body; its type is for [`header`](Self::header) to say.
    ///
    /// ```
    /// # use tidegate_sdk::{prelude::*, testing::{Exchange, Hook, Outcome}};
    /// let ask = Hook(|_: &mut Request| -> Result {
    ///     let form = "application/x-www-form-urlencoded";
    ///     http::post("https://idp.example.com/introspect").header("content-type", form).body("token=t").send()?;
    ///     Ok(Flow::Next)
    /// });
    /// let mut exchange = Exchange::get("/").server("POST https://idp.example.com/introspect", 200, "{}");
    /// assert_eq!(exchange.request(&ask), Outcome::Next);
    /// assert_eq!(exchange.asked()[0].1, b"token=t");
    /// ```
    pub fn body(mut self, body: impl Into<Vec<u8>>) -> Self {
        self.0.body = body.into();
        self
    }

    /// Sets a JSON body and the Content-Type that says so.
    ///
    /// ```
    /// # use tidegate_sdk::{prelude::*, testing::{Exchange, Hook, Outcome}};
    /// let ask = Hook(|request: &mut Request| -> Result {
    ///     http::post("http://opa.internal/allow").json(&json!({ "input": { "path": request.path() } })).send()?;
    ///     Ok(Flow::Next)
    /// });
    /// let mut exchange = Exchange::get("/a").server("POST http://opa.internal/allow", 200, "{}");
    /// assert_eq!(exchange.request(&ask), Outcome::Next);
    /// assert_eq!(exchange.asked()[0].1, br#"{"input":{"path":"/a"}}"#);
    /// ```
    ///
    /// # Panics
    /// If `body` has no form in JSON: a map whose keys are no text, say.
    pub fn json(self, body: &impl Serialize) -> Self {
        let body = serde_json::to_vec(body).unwrap_or_else(|error| panic!("a request's body is no JSON: {error}"));
        self.header("content-type", "application/json").body(body)
    }

    /// How long all of it may take: 5 seconds unless told otherwise, 30 at most.
    ///
    /// ```
    /// # use tidegate_sdk::{prelude::*, testing::{Exchange, Hook, Outcome}};
    /// use std::time::Duration;
    ///
    /// let ask = Hook(|_: &mut Request| -> Result {
    ///     http::get("http://flags.internal/").timeout(Duration::from_millis(200)).send()?;
    ///     Ok(Flow::Next)
    /// });
    /// assert_eq!(Exchange::get("/").server("GET http://flags.internal/", 200, "").request(&ask), Outcome::Next);
    /// ```
    pub fn timeout(mut self, limit: Duration) -> Self {
        self.0.timeout_ms = Some(u32::try_from(limit.as_millis()).unwrap_or(u32::MAX));
        self
    }

    /// Sends it and waits for the whole answer, whatever its status. Redirects are not followed.
    ///
    /// ```
    /// # use tidegate_sdk::{prelude::*, testing::{Exchange, Hook}};
    /// let ask = Hook(|_: &mut Request| -> Result {
    ///     let answer = http::get("https://idp.example.com/me").send()?;
    ///     Ok(Flow::reply(if answer.status < 400 { 200 } else { 401 }).empty())
    /// });
    /// let refusing = Exchange::get("/").server("GET https://idp.example.com/me", 403, "");
    /// assert_eq!({ refusing }.request(&ask).reply().status, 401);
    /// let failure = Exchange::get("/").request(&ask).failure();
    /// assert_eq!(failure, "this origin is not among the use's `grants.http`");
    /// ```
    ///
    /// # Errors
    /// There is no answer.
    pub fn send(self) -> Result<Answer, Error> {
        Ok(host::http_client::fetch(&self.0)?.into())
    }

    /// The same, for what many want at once: keys that all requests need, say. It is sent once: what came of the same
    /// request of this plugin's, begun `within` this time by any thread of the gateway, is the answer here too, and is
    /// waited for if it is still on its way. It goes on when the client goes away.
    ///
    /// ```
    /// # use tidegate_sdk::{prelude::*, testing::{Exchange, Hook}};
    /// use std::time::Duration;
    ///
    /// let told = Hook(|_: &mut Request| -> Result {
    ///     let answer = http::get("https://idp.example.com/keys").send_shared(Duration::from_secs(30))?;
    ///     Ok(Flow::reply(answer.status).body(answer.body))
    /// });
    /// let mut exchange = Exchange::get("/").server("GET https://idp.example.com/keys", 200, "[]");
    /// assert_eq!(exchange.request(&told).reply().text(), "[]");
    /// ```
    ///
    /// # Errors
    /// There is no answer.
    pub fn send_shared(self, within: Duration) -> Result<Answer, Error> {
        let within = u32::try_from(within.as_millis()).unwrap_or(u32::MAX);
        Ok(host::http_client::fetch_shared(&self.0, within)?.into())
    }
}

/// What a server has answered.
///
/// ```
/// # use tidegate_sdk::{prelude::*, testing::{Exchange, Hook}};
/// /// An answer, as a line for the log.
/// fn told(answer: &http::Answer) -> String {
///     format!("{}, {} fields, {} bytes", answer.status, answer.headers.len(), answer.body.len())
/// }
///
/// let ask = Hook(|_: &mut Request| -> Result {
///     Ok(Flow::reply(200).body(told(&http::get("http://flags.internal/").send()?)))
/// });
/// let mut exchange = Exchange::get("/").server("GET http://flags.internal/", 200, "on");
/// assert_eq!(exchange.request(&ask).reply().text(), "200, 0 fields, 2 bytes");
/// ```
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
    ///
    /// ```
    /// use tidegate_sdk::http::Answer;
    ///
    /// let etag = ("etag".parse()?, "\"7\"".into());
    /// let answer = Answer { status: 200, headers: vec![etag], body: Vec::new() };
    /// assert_eq!(answer.header("etag").and_then(|value| value.to_str().ok()), Some("\"7\""));
    /// # Ok::<(), tidegate_sdk::InvalidHeaderName>(())
    /// ```
    pub fn header(&self, name: &str) -> Option<&HeaderValue> {
        self.headers.iter().find(|(own, _)| own.as_str() == name).map(|(_, value)| value)
    }

    /// The body, parsed.
    ///
    /// ```
    /// # use tidegate_sdk::{prelude::*, testing::{Exchange, Hook}};
    /// let ask = Hook(|_: &mut Request| -> Result {
    ///     let rights: Vec<String> = http::get("http://rights.internal/alice").send()?.json()?;
    ///     Ok(Flow::reply(200).body(rights.join(" and ")))
    /// });
    /// let mut exchange = Exchange::get("/").server("GET http://rights.internal/alice", 200, r#"["read","write"]"#);
    /// assert_eq!(exchange.request(&ask).reply().text(), "read and write");
    /// ```
    ///
    /// # Errors
    /// It is no JSON, or other JSON.
    pub fn json<T: DeserializeOwned>(&self) -> serde_json::Result<T> {
        serde_json::from_slice(&self.body)
    }
}

impl From<Incoming> for Answer {
    fn from(answer: Incoming) -> Self {
        Self { status: answer.status, headers: crate::header::section(answer.headers), body: answer.body }
    }
}

/// Why there is no answer.
///
/// ```
/// # use tidegate_sdk::{prelude::*, testing::{Exchange, Hook}};
/// let ask = Hook(|_: &mut Request| -> Result<Flow, http::Error> {
///     match http::get("http://rights.internal/").send() {
///         Err(http::Error::TimedOut | http::Error::Failed(_)) => Ok(Flow::reply(503).empty()),
///         other => other.map(|_| Flow::Next),
///     }
/// });
/// let failure = Exchange::get("/").request(&ask).failure();
/// assert_eq!(failure, "this origin is not among the use's `grants.http`");
/// ```
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
