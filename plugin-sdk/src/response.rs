//! The current response, read and edited.

use crate::edits::{Edits, Way};
use crate::host;
use crate::template::Values;
use crate::{HeaderEdits, HeaderName, HeaderValue, Request};

/// The current response, from the upstream or an answer of the gateway's or of a plugin's own, as
/// the plugins that saw it before left it. Edits work as those of a [`Request`](crate::Request).
///
/// ```
/// use tidegate_sdk::prelude::*;
/// use tidegate_sdk::testing::{Exchange, Outcome};
///
/// #[derive(Config)]
/// struct NoStore;
///
/// impl ResponseHook for NoStore {
///     fn on_response(&self, response: &mut Response, _: &Request) -> Flow {
///         if response.status() == 200 && response.header("cache-control").is_none() {
///             response.set_header("cache-control", "no-store");
///         }
///         Flow::Next
///     }
/// }
///
/// let mut exchange = Exchange::get("/").answer(200, &[]);
/// assert_eq!(exchange.response(&NoStore), Outcome::Next);
/// assert_eq!(exchange.client_headers().first("cache-control"), Some("no-store"));
/// ```
pub struct Response {
    edits: Edits,
}

impl Response {
    pub(crate) fn current() -> Self {
        Self { edits: Edits::new(host::response::edit) }
    }

    /// For hooks that get it to read.
    pub(crate) fn past_changing() -> Self {
        Self { edits: Edits::new(|_| Ok(())) }
    }

    /// The status, from 200 to 599.
    ///
    /// ```
    /// # use tidegate_sdk::{prelude::*, testing::{Exchange, Hook}};
    /// let hide_errors = Hook(|response: &mut Response, _: &Request| match response.status() {
    ///     500..=599 => Flow::reply(503).body("try again later"),
    ///     _ => Flow::Next,
    /// });
    /// let mut exchange = Exchange::get("/").answer(502, &[]);
    /// assert_eq!(exchange.response(&hide_errors).reply().text(), "try again later");
    /// ```
    pub fn status(&self) -> u16 {
        host::response::status()
    }

    /// The first header field of this name.
    ///
    /// ```
    /// # use tidegate_sdk::{prelude::*, testing::{Exchange, Hook, Outcome}};
    /// let rename = Hook(|response: &mut Response, _: &Request| {
    ///     if let Some(version) = response.header("X-Version") {
    ///         response.set_header("x-release", version);
    ///         response.remove_header("x-version");
    ///     }
    ///     Flow::Next
    /// });
    /// let mut exchange = Exchange::get("/").answer(200, &[("x-version", "7")]);
    /// assert_eq!(exchange.response(&rename), Outcome::Next);
    /// assert_eq!(exchange.client_headers().first("x-release"), Some("7"));
    /// ```
    pub fn header(&self, name: impl AsRef<str>) -> Option<HeaderValue> {
        self.edits.settle();
        host::response::header(name.as_ref()).map(Into::into)
    }

    /// Every header field of this name, in the order received.
    ///
    /// ```
    /// # use tidegate_sdk::{prelude::*, testing::{Exchange, Hook, Outcome}};
    /// let one_cookie = Hook(|response: &mut Response, _: &Request| {
    ///     if let [_, .., last] = response.header_all("set-cookie").as_slice() {
    ///         response.set_header("set-cookie", last.clone());
    ///     }
    ///     Flow::Next
    /// });
    /// let mut exchange = Exchange::get("/").answer(200, &[("set-cookie", "a=1"), ("set-cookie", "a=2")]);
    /// assert_eq!(exchange.response(&one_cookie), Outcome::Next);
    /// assert_eq!(exchange.client_headers().all("set-cookie"), ["a=2"]);
    /// ```
    pub fn header_all(&self, name: impl AsRef<str>) -> Vec<HeaderValue> {
        self.edits.settle();
        host::response::header_values(name.as_ref()).into_iter().map(Into::into).collect()
    }

    /// The whole header section.
    ///
    /// ```
    /// # use tidegate_sdk::{prelude::*, testing::{Exchange, Hook, Outcome}};
    /// let no_debug = Hook(|response: &mut Response, _: &Request| {
    ///     for (name, _) in response.headers() {
    ///         if name.as_str().starts_with("x-debug-") {
    ///             response.remove_header(name);
    ///         }
    ///     }
    ///     Flow::Next
    /// });
    /// let mut exchange = Exchange::get("/").answer(200, &[("x-debug-sql", "select 1"), ("etag", "1")]);
    /// assert_eq!(exchange.response(&no_debug), Outcome::Next);
    /// assert_eq!(exchange.client_headers().first("x-debug-sql"), None);
    /// assert_eq!(exchange.client_headers().first("etag"), Some("1"));
    /// ```
    pub fn headers(&self) -> Vec<(HeaderName, HeaderValue)> {
        self.edits.settle();
        crate::header::section(host::response::headers())
    }

    /// Replaces all header fields of this name by one, or adds it.
    ///
    /// ```
    /// # use tidegate_sdk::{prelude::*, testing::{Exchange, Hook, Outcome}};
    /// let frame = Hook(|response: &mut Response, _: &Request| {
    ///     response.set_header("x-frame-options", "DENY");
    ///     Flow::Next
    /// });
    /// let mut exchange = Exchange::get("/").answer(200, &[("x-frame-options", "SAMEORIGIN")]);
    /// assert_eq!(exchange.response(&frame), Outcome::Next);
    /// assert_eq!(exchange.client_headers().all("x-frame-options"), ["DENY"]);
    /// ```
    pub fn set_header(&mut self, name: impl AsRef<str>, value: impl Into<HeaderValue>) {
        self.edits.set(name.as_ref(), value.into());
    }

    /// Adds a header field beside those of the same name.
    ///
    /// ```
    /// # use tidegate_sdk::{prelude::*, testing::{Exchange, Hook, Outcome}};
    /// let remember = Hook(|response: &mut Response, _: &Request| {
    ///     response.append_header("set-cookie", "seen=1");
    ///     Flow::Next
    /// });
    /// let mut exchange = Exchange::get("/").answer(200, &[("set-cookie", "session=s")]);
    /// assert_eq!(exchange.response(&remember), Outcome::Next);
    /// assert_eq!(exchange.client_headers().all("set-cookie"), ["session=s", "seen=1"]);
    /// ```
    pub fn append_header(&mut self, name: impl AsRef<str>, value: impl Into<HeaderValue>) {
        self.edits.append(name.as_ref(), value.into());
    }

    /// Removes all header fields of this name.
    ///
    /// ```
    /// # use tidegate_sdk::{prelude::*, testing::{Exchange, Hook, Outcome}};
    /// let quiet = Hook(|response: &mut Response, _: &Request| {
    ///     response.remove_header("Server");
    ///     Flow::Next
    /// });
    /// let mut exchange = Exchange::get("/").answer(200, &[("server", "shop/1.2")]);
    /// assert_eq!(exchange.response(&quiet), Outcome::Next);
    /// assert_eq!(exchange.client_headers().first("server"), None);
    /// ```
    pub fn remove_header(&mut self, name: impl AsRef<str>) {
        self.edits.remove(name.as_ref());
    }

    /// Replaces all header fields of this name by one, but adds none where there is none.
    ///
    /// ```
    /// # use tidegate_sdk::{prelude::*, testing::{Exchange, Hook, Outcome}};
    /// let quieter = Hook(|response: &mut Response, _: &Request| {
    ///     response.replace_header("X-Debug", "some");
    ///     response.replace_header("X-Trace", "some");
    ///     Flow::Next
    /// });
    /// let mut exchange = Exchange::get("/").answer(200, &[("x-debug", "all")]);
    /// assert_eq!(exchange.response(&quieter), Outcome::Next);
    /// assert_eq!(exchange.client_headers().all("x-debug"), ["some"]);
    /// assert_eq!(exchange.client_headers().first("x-trace"), None);
    /// ```
    pub fn replace_header(&mut self, name: impl AsRef<str>, value: impl Into<HeaderValue>) {
        self.edits.replace(name.as_ref(), value.into());
    }

    /// Adds a header field, but only where there is none of this name.
    ///
    /// ```
    /// # use tidegate_sdk::{prelude::*, testing::{Exchange, Hook, Outcome}};
    /// let default = Hook(|response: &mut Response, _: &Request| {
    ///     response.add_header("X-Debug", "none");
    ///     response.add_header("X-Trace", "none");
    ///     Flow::Next
    /// });
    /// let mut exchange = Exchange::get("/").answer(200, &[("x-debug", "all")]);
    /// assert_eq!(exchange.response(&default), Outcome::Next);
    /// assert_eq!(exchange.client_headers().all("x-debug"), ["all"]);
    /// assert_eq!(exchange.client_headers().all("x-trace"), ["none"]);
    /// ```
    pub fn add_header(&mut self, name: impl AsRef<str>, value: impl Into<HeaderValue>) {
        self.edits.add(name.as_ref(), value.into());
    }

    /// Gives all header fields of one name another one, in place of those that have it already; does nothing where
    /// there are none. Their values do not cross the boundary.
    ///
    /// ```
    /// # use tidegate_sdk::{prelude::*, testing::{Exchange, Hook, Outcome}};
    /// let modern = Hook(|response: &mut Response, _: &Request| {
    ///     response.rename_header("X-User", "user");
    ///     response.rename_header("X-Group", "group");
    ///     Flow::Next
    /// });
    /// let mut exchange = Exchange::get("/").answer(200, &[("x-user", "alice")]);
    /// assert_eq!(exchange.response(&modern), Outcome::Next);
    /// assert_eq!(exchange.client_headers().all("user"), ["alice"]);
    /// assert_eq!(exchange.client_headers().first("x-user"), None);
    /// assert_eq!(exchange.client_headers().first("group"), None);
    /// ```
    pub fn rename_header(&mut self, old: impl AsRef<str>, new: impl AsRef<str>) {
        self.edits.rename(old.as_ref(), new.as_ref());
    }

    /// Makes edits that were prepared when the plugin was configured.
    ///
    /// ```
    /// # use tidegate_sdk::{HeaderEdits, prelude::*, testing::{Exchange, Hook, Outcome}};
    /// let mut edits = HeaderEdits::default();
    /// edits.add(&"x-via".parse()?, "edge $(headers.x-zone)".parse()?)?;
    /// let mark = Hook(move |response: &mut Response, request: &Request| {
    ///     response.edit_headers(&edits, request);
    ///     Flow::Next
    /// });
    /// let mut exchange = Exchange::get("/").header("x-zone", "b").answer(200, &[]);
    /// assert_eq!(exchange.response(&mark), Outcome::Next);
    /// assert_eq!(exchange.client_headers().first("x-via"), Some("edge b"));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn edit_headers(&mut self, edits: &HeaderEdits, request: &Request) {
        self.edits.settle();
        let way = Way { list: host::response::edit, ready: host::ready_edits::edit_response };
        self.edits.note(edits.send(way, &Values::of(request), &[]));
    }

    /// Replaces the status; one outside of 200 to 599 makes the hook fail.
    ///
    /// ```
    /// # use tidegate_sdk::{prelude::*, testing::{Exchange, Hook, Outcome}};
    /// let hide_forbidden = Hook(|response: &mut Response, _: &Request| {
    ///     if response.status() == 403 {
    ///         response.set_status(404);
    ///     }
    ///     Flow::Next
    /// });
    /// let mut exchange = Exchange::get("/").answer(403, &[]);
    /// assert_eq!(exchange.response(&hide_forbidden), Outcome::Next);
    /// assert_eq!(exchange.client_status(), 404);
    /// ```
    pub fn set_status(&mut self, status: u16) {
        self.edits.note(host::response::set_status(status));
    }

    /// The whole body, as the plugins that saw it before left it; `None` unless it was asked for by
    /// [`body_limit`](crate::ResponseHook::body_limit) or is an answer of the gateway's own.
    ///
    /// ```
    /// use tidegate_sdk::prelude::*;
    /// use tidegate_sdk::testing::{Exchange, Outcome};
    ///
    /// #[derive(Config)]
    /// struct Wrap;
    ///
    /// impl ResponseHook<Result> for Wrap {
    ///     fn on_response(&self, response: &mut Response, _: &Request) -> Result {
    ///         let items: serde_json::Value = serde_json::from_slice(&response.body().unwrap_or_default())?;
    ///         response.set_body(json!({ "items": items }).to_string());
    ///         Ok(Flow::Next)
    ///     }
    ///
    ///     fn body_limit(&self) -> Option<u64> {
    ///         Some(1 << 20)
    ///     }
    /// }
    ///
    /// let mut exchange = Exchange::get("/").answer_body("[1,2]");
    /// assert_eq!(exchange.response(&Wrap), Outcome::Next);
    /// assert_eq!(exchange.client_body(), br#"{"items":[1,2]}"#);
    /// ```
    pub fn body(&self) -> Option<Vec<u8>> {
        host::response::body()
    }

    /// Replaces the body, whether or not it was asked for. Its length is seen to by the gateway, its
    /// type is for [`set_header`](Self::set_header) to say.
    ///
    /// ```
    /// # use tidegate_sdk::{prelude::*, testing::{Exchange, Hook, Outcome}};
    /// let page = Hook(|response: &mut Response, _: &Request| {
    ///     if response.status() == 404 {
    ///         response.set_header("content-type", "text/html");
    ///         response.set_body("<h1>Not here</h1>");
    ///     }
    ///     Flow::Next
    /// });
    /// let mut exchange = Exchange::get("/").answer(404, &[]).answer_body("404");
    /// assert_eq!(exchange.response(&page), Outcome::Next);
    /// assert_eq!(exchange.client_body(), b"<h1>Not here</h1>");
    /// ```
    pub fn set_body(&mut self, body: impl AsRef<[u8]>) {
        self.edits.note(host::response::set_body(body.as_ref()));
    }

    pub(crate) fn finish(self) -> Result<(), String> {
        self.edits.finish()
    }
}
