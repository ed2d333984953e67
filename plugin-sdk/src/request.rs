//! The current request, read and edited.

mod fields;

use crate::edits::Edits;
use crate::{host, query};

/// The current request, as the plugins before this one left it.
///
/// Only what is asked for crosses the boundary, so ask for the headers you need. Names are
/// case-insensitive. Edits are collected and sent together; one that the gateway refuses (a field
/// of the connection or of the framing, or bytes that no header may have) makes the hook fail, and
/// a failed hook's edits are all undone.
///
/// ```
/// use tidegate_sdk::prelude::*;
/// use tidegate_sdk::testing::{Exchange, Outcome};
///
/// #[derive(Config)]
/// struct Language;
///
/// impl RequestHook for Language {
///     fn on_request(&self, request: &mut Request) -> Flow {
///         if let Some(language) = request.query_param("lang") {
///             request.set_header("accept-language", language);
///             request.remove_query_param("lang");
///         }
///         Flow::Next
///     }
/// }
///
/// let mut exchange = Exchange::get("/?lang=de&page=2");
/// assert_eq!(exchange.request(&Language), Outcome::Next);
/// assert_eq!(exchange.upstream_headers().first("accept-language"), Some("de"));
/// assert_eq!(exchange.upstream_query(), Some("page=2"));
/// ```
pub struct Request {
    edits: Edits,
}

impl Request {
    pub(crate) fn current() -> Self {
        Self { edits: Edits::new(host::request::edit) }
    }

    /// For response hooks, which get it to read. That `edit` is not named here keeps it from being
    /// imported by plugins that never look at the request.
    pub(crate) fn past_changing() -> Self {
        Self { edits: Edits::new(|_| Ok(())) }
    }

    /// The method, in upper case as a rule: `GET`.
    ///
    /// ```
    /// # use tidegate_sdk::{prelude::*, testing::{Exchange, Hook}};
    /// let only_get = Hook(|request: &mut Request| match request.method().as_str() {
    ///     "GET" | "HEAD" => Flow::Next,
    ///     other => Flow::reply(405).header("allow", "GET, HEAD").body(format!("{other} is not for here")),
    /// });
    /// assert_eq!(Exchange::new("PUT", "/").request(&only_get).reply().text(), "PUT is not for here");
    /// ```
    pub fn method(&self) -> String {
        host::request::method()
    }

    /// `http` or `https`: how the client reached the gateway.
    ///
    /// ```
    /// # use tidegate_sdk::{prelude::*, testing::{Exchange, Hook, Outcome}};
    /// let only_https = Hook(|request: &mut Request| match request.scheme().as_str() {
    ///     "https" => Flow::Next,
    ///     _ => Flow::reply(403).empty(),
    /// });
    /// assert_eq!(Exchange::get("/").request(&only_https).reply().status, 403);
    /// assert_eq!(Exchange::get("/").scheme("https").request(&only_https), Outcome::Next);
    /// ```
    pub fn scheme(&self) -> String {
        host::request::scheme()
    }

    /// `HTTP/1.0`, `HTTP/1.1` or `HTTP/2`: what the client speaks, whatever the upstream is spoken to in.
    ///
    /// ```
    /// # use tidegate_sdk::{prelude::*, testing::{Exchange, Hook}};
    /// let line = Hook(|request: &mut Request| {
    ///     Flow::reply(200).body(format!("{} {} {}", request.method(), request.path(), request.version()))
    /// });
    /// assert_eq!(Exchange::get("/a").request(&line).reply().text(), "GET /a HTTP/1.1");
    /// assert_eq!(Exchange::get("/a").version("HTTP/2").request(&line).reply().text(), "GET /a HTTP/2");
    /// ```
    pub fn version(&self) -> String {
        host::request::version()
    }

    /// Host and port as the client named them; empty if it named none.
    ///
    /// ```
    /// # use tidegate_sdk::{prelude::*, testing::{Exchange, Hook}};
    /// let away = Hook(|request: &mut Request| {
    ///     let location = format!("https://{}{}", request.host(), request.path());
    ///     Flow::reply(301).header("location", location).empty()
    /// });
    /// let reply = Exchange::get("/a").header("host", "shop.example.com:8443").request(&away).reply();
    /// assert_eq!(reply.headers.first("location"), Some("https://shop.example.com:8443/a"));
    /// ```
    pub fn host(&self) -> String {
        self.edits.settle();
        host::request::host()
    }

    /// The path, percent-encoded, without the query.
    ///
    /// ```
    /// # use tidegate_sdk::{prelude::*, testing::{Exchange, Hook}};
    /// let told = Hook(|request: &mut Request| Flow::reply(200).body(request.path()));
    /// assert_eq!(Exchange::get("/a%20b?page=2").request(&told).reply().text(), "/a%20b");
    /// ```
    pub fn path(&self) -> String {
        host::request::path()
    }

    /// What the named group of the route's path found, if that is a regex: `id` of `~^/orders/(?<id>\d+)$`.
    ///
    /// ```
    /// # use tidegate_sdk::{prelude::*, testing::{Exchange, Hook, Outcome}};
    /// let tell_order = Hook(|request: &mut Request| {
    ///     if let Some(id) = request.capture("id") {
    ///         request.set_header("x-order", id);
    ///     }
    ///     Flow::Next
    /// });
    /// let mut exchange = Exchange::get("/orders/7").capture("id", "7");
    /// assert_eq!(exchange.request(&tell_order), Outcome::Next);
    /// assert_eq!(exchange.upstream_headers().first("x-order"), Some("7"));
    /// ```
    pub fn capture(&self, name: &str) -> Option<String> {
        host::request::capture(name)
    }

    /// Everything behind the first `?`, as the client wrote it.
    ///
    /// ```
    /// # use tidegate_sdk::{prelude::*, testing::{Exchange, Hook}};
    /// let told = Hook(|request: &mut Request| Flow::reply(200).body(request.query().unwrap_or_default()));
    /// assert_eq!(Exchange::get("/a?q=%C3%BC&q").request(&told).reply().text(), "q=%C3%BC&q");
    /// ```
    pub fn query(&self) -> Option<String> {
        host::request::query()
    }

    /// The first query parameter of this name, decoded.
    ///
    /// ```
    /// # use tidegate_sdk::{prelude::*, testing::{Exchange, Hook}};
    /// let told = Hook(|request: &mut Request| match request.query_param("q") {
    ///     Some(value) => Flow::reply(200).body(value),
    ///     None => Flow::reply(400).empty(),
    /// });
    /// assert_eq!(Exchange::get("/?q=two+words&q=3").request(&told).reply().text(), "two words");
    /// assert_eq!(Exchange::get("/?Q=1").request(&told).reply().status, 400);
    /// ```
    pub fn query_param(&self, name: &str) -> Option<String> {
        query::values(&self.query()?, name).next()
    }

    /// Every query parameter of this name, decoded, in order.
    ///
    /// ```
    /// # use tidegate_sdk::{prelude::*, testing::{Exchange, Hook}};
    /// let told = Hook(|request: &mut Request| Flow::reply(200).json(&request.query_param_all("id")));
    /// assert_eq!(Exchange::get("/?id=7&x=1&id=%38&id").request(&told).reply().json(), json!(["7", "8", ""]));
    /// ```
    pub fn query_param_all(&self, name: &str) -> Vec<String> {
        self.query().map_or_else(Vec::new, |query| query::values(&query, name).collect())
    }

    /// Replaces the path, percent-encoded and beginning with `/`. The upstream gets just this path:
    /// the route strips nothing off it any more, and the service puts nothing before it.
    ///
    /// ```
    /// # use tidegate_sdk::{prelude::*, testing::{Exchange, Hook, Outcome}};
    /// let old_to_new = Hook(|request: &mut Request| {
    ///     if let Some(rest) = request.path().strip_prefix("/old/") {
    ///         request.set_path(&format!("/new/{rest}"));
    ///     }
    ///     Flow::Next
    /// });
    /// let mut exchange = Exchange::get("/old/a%20b");
    /// assert_eq!(exchange.request(&old_to_new), Outcome::Next);
    /// assert_eq!(exchange.upstream_path(), "/new/a%20b");
    /// ```
    pub fn set_path(&mut self, path: &str) {
        self.edits.note(host::request::set_path(path));
    }

    /// Replaces the method.
    ///
    /// ```
    /// # use tidegate_sdk::{prelude::*, testing::{Exchange, Hook, Outcome}};
    /// let tunnelled = Hook(|request: &mut Request| -> Result {
    ///     if let Some(method) = request.header("x-http-method-override") {
    ///         request.set_method(method.to_str()?);
    ///         request.remove_header("x-http-method-override");
    ///     }
    ///     Ok(Flow::Next)
    /// });
    /// let mut exchange = Exchange::new("POST", "/").header("x-http-method-override", "PATCH");
    /// assert_eq!(exchange.request(&tunnelled), Outcome::Next);
    /// assert_eq!(exchange.upstream_method(), "PATCH");
    /// ```
    pub fn set_method(&mut self, method: &str) {
        self.edits.note(host::request::set_method(method));
    }

    /// The whole body, as the plugins before this one left it; `None` unless it was asked for by
    /// [`body_limit`](crate::RequestHook::body_limit), by this plugin or one before it.
    ///
    /// ```
    /// use tidegate_sdk::prelude::*;
    /// use tidegate_sdk::testing::{Exchange, Outcome};
    ///
    /// #[derive(Config)]
    /// struct NoScripts;
    ///
    /// impl RequestHook for NoScripts {
    ///     fn on_request(&self, request: &mut Request) -> Flow {
    ///         let body = request.body().unwrap_or_default();
    ///         let found = body.windows(7).any(|bytes| bytes.eq_ignore_ascii_case(b"<script"));
    ///         if found { Flow::reply(400).empty() } else { Flow::Next }
    ///     }
    ///
    ///     fn body_limit(&self) -> Option<u64> {
    ///         Some(1 << 20)
    ///     }
    /// }
    ///
    /// assert_eq!(Exchange::new("POST", "/").body("<p>").request(&NoScripts), Outcome::Next);
    /// assert_eq!(Exchange::new("POST", "/").body("<Script>").request(&NoScripts).reply().status, 400);
    /// ```
    pub fn body(&self) -> Option<Vec<u8>> {
        host::request::body()
    }

    /// Replaces the body, whether or not it was asked for. Its length is seen to by the gateway, its
    /// type is for [`set_header`](Self::set_header) to say.
    ///
    /// ```
    /// # use tidegate_sdk::{prelude::*, testing::{Exchange, Hook, Outcome}};
    /// let empty = Hook(|request: &mut Request| {
    ///     request.set_header("content-type", "application/json");
    ///     request.set_body("{}");
    ///     Flow::Next
    /// });
    /// let mut exchange = Exchange::new("POST", "/").body("a=1");
    /// assert_eq!(exchange.request(&empty), Outcome::Next);
    /// assert_eq!(exchange.upstream_body(), b"{}");
    /// ```
    pub fn set_body(&mut self, body: impl AsRef<[u8]>) {
        self.edits.note(host::request::set_body(body.as_ref()));
    }

    /// How many bytes the body has: 0 if there is none; `None` if only its end will tell.
    ///
    /// ```
    /// # use tidegate_sdk::{prelude::*, testing::{Exchange, Hook}};
    /// let told = Hook(|request: &mut Request| Flow::reply(200).body(format!("{:?}", request.body_length())));
    /// assert_eq!(Exchange::get("/").request(&told).reply().text(), "Some(0)");
    /// assert_eq!(Exchange::new("POST", "/").body("a=1").request(&told).reply().text(), "Some(3)");
    /// assert_eq!(Exchange::new("POST", "/").body("a=1").unannounced().request(&told).reply().text(), "None");
    /// ```
    pub fn body_length(&self) -> Option<u64> {
        host::request::body_length()
    }

    /// Lets no more than this many bytes of the body come. As soon as one more is there, the client gets a
    /// 413, and the upstream no more of it. Of several bounds the lowest counts; what has come already is
    /// not looked at, so that a plugin which knows [`body_length`](Self::body_length) answers itself.
    ///
    /// ```
    /// # use tidegate_sdk::{prelude::*, testing::{Exchange, Hook, Outcome}};
    /// let small = Hook(|request: &mut Request| {
    ///     request.limit_body(1 << 20);
    ///     Flow::Next
    /// });
    /// let mut exchange = Exchange::new("POST", "/").body("a=1").unannounced();
    /// assert_eq!(exchange.request(&small), Outcome::Next);
    /// assert_eq!(exchange.upstream_body_limit(), Some(1 << 20));
    /// ```
    pub fn limit_body(&mut self, bytes: u64) {
        self.edits.note(host::request::limit_body(bytes));
    }

    /// Has a target of this upstream of the configuration answer, instead of one of the service's; the
    /// last plugin that says so decides. All else stays the service's: Host, path, timeouts, retries, and
    /// TLS with the name that certificates must be for. Case does not matter.
    ///
    /// ```
    /// use tidegate_sdk::prelude::*;
    /// use tidegate_sdk::testing::{self, Exchange, Outcome};
    ///
    /// #[derive(Config)]
    /// struct Canary {
    ///     /// Who gets the requests of testers.
    ///     upstream: String,
    /// }
    ///
    /// impl RequestHook<Result> for Canary {
    ///     fn on_request(&self, request: &mut Request) -> Result {
    ///         if request.header("x-tester").is_some() {
    ///             request.set_upstream(&self.upstream)?;
    ///         }
    ///         Ok(Flow::Next)
    ///     }
    /// }
    ///
    /// let plugin: Canary = testing::configure(json!({ "upstream": "green" }))?;
    ///
    /// let mut exchange = Exchange::get("/").upstream("green").header("x-tester", "1");
    /// assert_eq!(exchange.request(&plugin), Outcome::Next);
    /// assert_eq!(exchange.chosen_upstream(), Some("green"));
    ///
    /// let failure = Exchange::get("/").header("x-tester", "1").request(&plugin).failure();
    /// assert_eq!(failure, "there is no upstream \"green\"");
    /// # Ok::<(), String>(())
    /// ```
    ///
    /// # Errors
    /// The configuration has no upstream of this name, or the request has been sent. The hook does not
    /// fail of it unless it returns the error.
    pub fn set_upstream(&mut self, name: &str) -> Result<(), String> {
        host::request::set_upstream(name)
    }

    /// Replaces the query, percent-encoded as it is; `None` removes it.
    ///
    /// ```
    /// # use tidegate_sdk::{prelude::*, testing::{Exchange, Hook, Outcome}};
    /// let first_page = Hook(|request: &mut Request| {
    ///     if request.query_param("page").is_none() {
    ///         let query = request.query().map_or_else(|| "page=1".to_owned(), |query| format!("{query}&page=1"));
    ///         request.set_query(Some(&query));
    ///     }
    ///     Flow::Next
    /// });
    /// let mut exchange = Exchange::get("/?sort=name");
    /// assert_eq!(exchange.request(&first_page), Outcome::Next);
    /// assert_eq!(exchange.upstream_query(), Some("sort=name&page=1"));
    /// ```
    pub fn set_query(&mut self, query: Option<&str>) {
        self.edits.note(host::request::set_query(query));
    }

    /// Removes all query parameters of this name, and leaves the others as the client wrote them.
    ///
    /// ```
    /// # use tidegate_sdk::{prelude::*, testing::{Exchange, Hook, Outcome}};
    /// let no_keys = Hook(|request: &mut Request| {
    ///     request.remove_query_param("apikey");
    ///     Flow::Next
    /// });
    /// let mut exchange = Exchange::get("/?a=%7e&apikey=k&b");
    /// assert_eq!(exchange.request(&no_keys), Outcome::Next);
    /// assert_eq!(exchange.upstream_query(), Some("a=%7e&b"));
    /// ```
    pub fn remove_query_param(&mut self, name: &str) {
        if let Some(query) = self.query()
            && query::values(&query, name).next().is_some()
        {
            self.set_query(query::without(&query, name).as_deref());
        }
    }

    pub(crate) fn finish(self) -> Result<(), String> {
        self.edits.finish()
    }
}
