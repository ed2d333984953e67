//! What an exchange has come to: what would go on to the upstream and to the client, and what plugins did besides.

use super::{Exchange, Headers};
use crate::log::Level;

impl Exchange {
    /// The request's method, as edited so far.
    ///
    /// ```
    /// # use tidegate_sdk::{prelude::*, testing::{Exchange, Hook, Outcome}};
    /// let as_get = Hook(|request: &mut Request| {
    ///     request.set_method("GET");
    ///     Flow::Next
    /// });
    /// let mut exchange = Exchange::new("HEAD", "/");
    /// assert_eq!(exchange.request(&as_get), Outcome::Next);
    /// assert_eq!(exchange.upstream_method(), "GET");
    /// ```
    pub fn upstream_method(&self) -> &str {
        &self.state.request.method
    }

    /// The request's path, as edited so far.
    ///
    /// ```
    /// # use tidegate_sdk::{prelude::*, testing::{Exchange, Hook, Outcome}};
    /// let home = Hook(|request: &mut Request| {
    ///     request.set_path("/home page");
    ///     Flow::Next
    /// });
    /// let mut exchange = Exchange::get("/?a=1");
    /// assert_eq!(exchange.request(&home), Outcome::Next);
    /// assert_eq!(exchange.upstream_path(), "/home%20page");
    /// ```
    pub fn upstream_path(&self) -> &str {
        &self.state.request.path
    }

    /// The request's body, as edited so far.
    ///
    /// ```
    /// # use tidegate_sdk::{prelude::*, testing::{Exchange, Hook, Outcome}};
    /// let censor = Hook(|request: &mut Request| {
    ///     request.set_body("(removed)");
    ///     Flow::Next
    /// });
    /// let mut exchange = Exchange::new("POST", "/").body("what nobody should see");
    /// assert_eq!(exchange.upstream_body(), b"what nobody should see");
    /// assert_eq!(exchange.request(&censor), Outcome::Next);
    /// assert_eq!(exchange.upstream_body(), b"(removed)");
    /// ```
    pub fn upstream_body(&self) -> &[u8] {
        &self.state.request_body.bytes
    }

    /// Most bytes of the request's body that may come, as far as plugins have said so.
    ///
    /// ```
    /// # use tidegate_sdk::{prelude::*, testing::{Exchange, Hook, Outcome}};
    /// let limit = |bytes: u64| Hook(move |request: &mut Request| {
    ///     request.limit_body(bytes);
    ///     Flow::Next
    /// });
    /// let mut exchange = Exchange::new("POST", "/");
    /// assert_eq!(exchange.upstream_body_limit(), None);
    /// assert_eq!(exchange.request(&limit(100)), Outcome::Next);
    /// assert_eq!(exchange.request(&limit(200)), Outcome::Next);
    /// assert_eq!(exchange.upstream_body_limit(), Some(100));
    /// ```
    pub fn upstream_body_limit(&self) -> Option<u64> {
        self.state.body_limit
    }

    /// The response's body, as edited so far.
    ///
    /// ```
    /// # use tidegate_sdk::{prelude::*, testing::{Exchange, Hook}};
    /// let refuse = Hook(|_: &mut Request| Flow::reply(403).body("no"));
    /// let mut exchange = Exchange::get("/").answer_body("yes");
    /// assert_eq!(exchange.client_body(), b"yes");
    /// assert_eq!(exchange.request(&refuse).reply().status, 403);
    /// assert_eq!(exchange.client_body(), b"no");
    /// ```
    pub fn client_body(&self) -> &[u8] {
        &self.state.response_body.bytes
    }

    /// The request's query, as edited so far.
    ///
    /// ```
    /// # use tidegate_sdk::{prelude::*, testing::{Exchange, Hook, Outcome}};
    /// let plain = Hook(|request: &mut Request| {
    ///     request.set_query(None);
    ///     Flow::Next
    /// });
    /// let mut exchange = Exchange::get("/?utm_source=mail");
    /// assert_eq!(exchange.upstream_query(), Some("utm_source=mail"));
    /// assert_eq!(exchange.request(&plain), Outcome::Next);
    /// assert_eq!(exchange.upstream_query(), None);
    /// ```
    pub fn upstream_query(&self) -> Option<&str> {
        self.state.request.query.as_deref()
    }

    /// The request's header section, as edited so far, with what the gateway tells the upstream
    /// about the consumer.
    ///
    /// ```
    /// # use tidegate_sdk::{identity::Consumer, prelude::*, testing::{Exchange, Hook, Outcome}};
    /// let enter = Hook(|_: &mut Request| -> Result {
    ///     identity::authenticate(&identity::find("badge", "b-17").ok_or("the badge is gone")?)?;
    ///     Ok(Flow::Next)
    /// });
    /// let alice = Consumer { username: "alice".to_owned(), ..Consumer::default() };
    /// let mut exchange = Exchange::get("/").header("accept", "*/*").credential("badge", "b-17", alice);
    /// assert_eq!(exchange.request(&enter), Outcome::Next);
    /// let told = exchange.upstream_headers();
    /// assert_eq!((told.first("accept"), told.first("x-consumer-username")), (Some("*/*"), Some("alice")));
    /// ```
    pub fn upstream_headers(&self) -> Headers {
        self.state.upstream_headers()
    }

    /// The upstream that was chosen instead of the service's, if one was.
    ///
    /// ```
    /// # use tidegate_sdk::{prelude::*, testing::{Exchange, Hook, Outcome}};
    /// let canary = Hook(|request: &mut Request| -> Result {
    ///     request.set_upstream("Green")?;
    ///     Ok(Flow::Next)
    /// });
    /// let mut exchange = Exchange::get("/").upstream("green");
    /// assert_eq!(exchange.chosen_upstream(), None);
    /// assert_eq!(exchange.request(&canary), Outcome::Next);
    /// assert_eq!(exchange.chosen_upstream(), Some("green"));
    /// ```
    pub fn chosen_upstream(&self) -> Option<&str> {
        self.state.chosen_upstream.as_deref()
    }

    /// The response's status, as edited so far.
    ///
    /// ```
    /// # use tidegate_sdk::{prelude::*, testing::{Exchange, Hook, Outcome}};
    /// let teapot = Hook(|response: &mut Response, _: &Request| {
    ///     response.set_status(418);
    ///     Flow::Next
    /// });
    /// let mut exchange = Exchange::get("/").answer(404, &[]);
    /// assert_eq!(exchange.client_status(), 404);
    /// assert_eq!(exchange.response(&teapot), Outcome::Next);
    /// assert_eq!(exchange.client_status(), 418);
    /// ```
    pub fn client_status(&self) -> u16 {
        self.state.answer().status
    }

    /// The response's header section, as edited so far.
    ///
    /// ```
    /// # use tidegate_sdk::{prelude::*, testing::{Exchange, Hook, Outcome}};
    /// let quiet = Hook(|response: &mut Response, _: &Request| {
    ///     response.remove_header("server");
    ///     Flow::Next
    /// });
    /// let mut exchange = Exchange::get("/").answer(200, &[("server", "shop/1.2"), ("etag", "1")]);
    /// assert_eq!(exchange.response(&quiet), Outcome::Next);
    /// assert_eq!(exchange.client_headers().iter().collect::<Vec<_>>(), [("etag", b"1".as_slice())]);
    /// ```
    pub fn client_headers(&self) -> Headers {
        let mut headers = self.state.answer().headers.clone();
        for edits in &self.state.in_advance {
            headers.edit(edits).unwrap_or_else(|problem| panic!("the answer cannot be edited: {problem}"));
        }
        headers
    }

    /// The username of whoever the request was authenticated as.
    ///
    /// ```
    /// # use tidegate_sdk::{identity::Consumer, prelude::*, testing::{Exchange, Hook, Outcome}};
    /// let enter = Hook(|_: &mut Request| -> Result {
    ///     identity::authenticate(&identity::find("badge", "b-17").ok_or("the badge is gone")?)?;
    ///     Ok(Flow::Next)
    /// });
    /// let alice = Consumer { username: "alice".to_owned(), ..Consumer::default() };
    /// let mut exchange = Exchange::get("/").credential("badge", "b-17", alice);
    /// assert_eq!(exchange.consumer(), None);
    /// assert_eq!(exchange.request(&enter), Outcome::Next);
    /// assert_eq!(exchange.consumer(), Some("alice"));
    /// ```
    pub fn consumer(&self) -> Option<&str> {
        self.state.caller.as_ref().map(|caller| caller.consumer.username.as_str())
    }

    /// A metric of the plugin's own, like `denied_total{reason="expired"}`, with its labels by name; of a histogram, the
    /// sum.
    ///
    /// ```
    /// # use tidegate_sdk::{prelude::*, testing::{Exchange, Hook, Outcome}};
    /// let count = Hook(|request: &mut Request| -> Result {
    ///     metrics::counter_add("seen_total", &[("method", &request.method())], 1.0)?;
    ///     Ok(Flow::Next)
    /// });
    /// let mut exchange = Exchange::get("/");
    /// assert_eq!(exchange.request(&count), Outcome::Next);
    /// assert_eq!(exchange.metric("seen_total{method=\"GET\"}"), Some(1.0));
    /// assert_eq!(exchange.metric("seen_total{method=\"PUT\"}"), None);
    /// ```
    pub fn metric(&self, series: &str) -> Option<f64> {
        self.state.metrics.get(series).copied()
    }

    /// What was handed over to a sink.
    ///
    /// ```
    /// # use tidegate_sdk::{prelude::*, testing::{self, Exchange, Hook}};
    /// let audit = Hook(|ended: &Ended, _: &Response, request: &Request| {
    ///     if let Err(error) = sink::emit("audit", format!("{} {}", request.path(), ended.status)) {
    ///         log::warn!("a record is lost: {error}");
    ///     }
    /// });
    /// let mut exchange = Exchange::get("/a").sink("audit");
    /// exchange.over(&audit, testing::ended(200));
    /// assert_eq!(exchange.delivered("audit"), [b"/a 200"]);
    /// ```
    pub fn delivered(&self, sink: &str) -> &[Vec<u8>] {
        self.state.sinks.get(sink).map_or(&[], Vec::as_slice)
    }

    /// What the plugin has asked of other servers: method and URL, and the body.
    ///
    /// ```
    /// # use tidegate_sdk::{prelude::*, testing::{Exchange, Hook, Outcome}};
    /// let tell = Hook(|_: &mut Request| -> Result {
    ///     http::post("http://audit.internal/").body("someone is here").send()?;
    ///     Ok(Flow::Next)
    /// });
    /// let mut exchange = Exchange::get("/").server("POST http://audit.internal/", 202, "");
    /// assert_eq!(exchange.request(&tell), Outcome::Next);
    /// assert_eq!(exchange.asked(), [("POST http://audit.internal/".to_owned(), b"someone is here".to_vec())]);
    /// ```
    pub fn asked(&self) -> &[(String, Vec<u8>)] {
        &self.state.asked
    }

    /// The lines the plugin has logged.
    ///
    /// ```
    /// # use tidegate_sdk::{prelude::*, testing::{Exchange, Hook, Outcome}};
    /// let note = Hook(|request: &mut Request| {
    ///     log::warn!("{} is deprecated", request.path());
    ///     Flow::Next
    /// });
    /// let mut exchange = Exchange::get("/a");
    /// assert_eq!(exchange.request(&note), Outcome::Next);
    /// assert_eq!(exchange.log(), [(log::Level::Warn, "/a is deprecated".to_owned())]);
    /// ```
    pub fn log(&self) -> &[(Level, String)] {
        &self.state.log
    }
}
