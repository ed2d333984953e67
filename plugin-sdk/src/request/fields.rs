//! The header section of the current request, read and edited.

use super::Request;
use crate::edits::Way;
use crate::host;
use crate::template::Values;
use crate::{HeaderEdits, HeaderName, HeaderValue, OpenValue};

impl Request {
    /// The first header field of this name.
    ///
    /// ```
    /// # use tidegate_sdk::{prelude::*, testing::{Exchange, Hook}};
    /// let told = Hook(|request: &mut Request| match request.header("X-Tenant") {
    ///     Some(tenant) => Flow::reply(200).body(tenant.as_bytes()),
    ///     None => Flow::reply(400).body("which tenant?"),
    /// });
    /// assert_eq!(Exchange::get("/").header("x-tenant", "t1").request(&told).reply().text(), "t1");
    /// assert_eq!(Exchange::get("/").request(&told).reply().status, 400);
    /// ```
    pub fn header(&self, name: impl AsRef<str>) -> Option<HeaderValue> {
        self.edits.settle();
        host::request::header(name.as_ref()).map(Into::into)
    }

    /// Every header field of this name, in the order received.
    ///
    /// ```
    /// # use tidegate_sdk::{prelude::*, testing::{Exchange, Hook}};
    /// let once = Hook(|request: &mut Request| match request.header_all("x-tenant").as_slice() {
    ///     [_] => Flow::Next,
    ///     other => Flow::reply(400).body(format!("{} tenants", other.len())),
    /// });
    /// let mut exchange = Exchange::get("/").header("x-tenant", "t1").header("X-Tenant", "t2");
    /// assert_eq!(exchange.request(&once).reply().text(), "2 tenants");
    /// ```
    pub fn header_all(&self, name: impl AsRef<str>) -> Vec<HeaderValue> {
        self.edits.settle();
        host::request::header_values(name.as_ref()).into_iter().map(Into::into).collect()
    }

    /// The header field of this name, if there is just one: of several that should be one, none can be
    /// believed.
    ///
    /// ```
    /// # use tidegate_sdk::{prelude::*, testing::{Exchange, Hook}};
    /// let told = Hook(|request: &mut Request| match request.sole_header("authorization") {
    ///     Some(value) => Flow::reply(200).body(value.as_bytes()),
    ///     None => Flow::reply(401).empty(),
    /// });
    /// let exchange = || Exchange::get("/").header("authorization", "Basic YTpi");
    /// assert_eq!(exchange().request(&told).reply().text(), "Basic YTpi");
    /// assert_eq!(exchange().header("Authorization", "Basic Yzpk").request(&told).reply().status, 401);
    /// ```
    pub fn sole_header(&self, name: impl AsRef<str>) -> Option<HeaderValue> {
        self.edits.settle();
        host::request::sole_header(name.as_ref()).map(Into::into)
    }

    /// The whole header section. Costly: prefer to ask for what you need.
    ///
    /// ```
    /// # use tidegate_sdk::{prelude::*, testing::{Exchange, Hook, Outcome}};
    /// let strip_internal = Hook(|request: &mut Request| {
    ///     for (name, _) in request.headers() {
    ///         if name.as_str().starts_with("x-internal-") {
    ///             request.remove_header(name);
    ///         }
    ///     }
    ///     Flow::Next
    /// });
    /// let mut exchange = Exchange::get("/").header("X-Internal-Role", "admin").header("accept", "*/*");
    /// assert_eq!(exchange.request(&strip_internal), Outcome::Next);
    /// assert_eq!(exchange.upstream_headers().first("x-internal-role"), None);
    /// assert_eq!(exchange.upstream_headers().first("accept"), Some("*/*"));
    /// ```
    pub fn headers(&self) -> Vec<(HeaderName, HeaderValue)> {
        self.edits.settle();
        crate::header::section(host::request::headers())
    }

    /// Replaces all header fields of this name by one, or adds it.
    ///
    /// ```
    /// # use tidegate_sdk::{prelude::*, testing::{Exchange, Hook, Outcome}};
    /// let mark = Hook(|request: &mut Request| {
    ///     request.set_header("X-Via", "edge");
    ///     Flow::Next
    /// });
    /// let mut exchange = Exchange::get("/").header("x-via", "a").header("x-via", "b");
    /// assert_eq!(exchange.request(&mark), Outcome::Next);
    /// assert_eq!(exchange.upstream_headers().all("x-via"), ["edge"]);
    ///
    /// let frame = Hook(|request: &mut Request| {
    ///     request.set_header("content-length", "0");
    ///     Flow::Next
    /// });
    /// let refusal = "content-length belongs to the gateway, plugins cannot edit it";
    /// assert_eq!(Exchange::get("/").request(&frame).failure(), refusal);
    /// ```
    pub fn set_header(&mut self, name: impl AsRef<str>, value: impl Into<HeaderValue>) {
        self.edits.set(name.as_ref(), value.into());
    }

    /// Adds a header field beside those of the same name.
    ///
    /// ```
    /// # use tidegate_sdk::{prelude::*, testing::{Exchange, Hook, Outcome}};
    /// let mark = Hook(|request: &mut Request| {
    ///     request.append_header("x-via", "edge");
    ///     Flow::Next
    /// });
    /// let mut exchange = Exchange::get("/").header("x-via", "a");
    /// assert_eq!(exchange.request(&mark), Outcome::Next);
    /// assert_eq!(exchange.upstream_headers().all("x-via"), ["a", "edge"]);
    /// ```
    pub fn append_header(&mut self, name: impl AsRef<str>, value: impl Into<HeaderValue>) {
        self.edits.append(name.as_ref(), value.into());
    }

    /// Removes all header fields of this name.
    ///
    /// ```
    /// # use tidegate_sdk::{prelude::*, testing::{Exchange, Hook, Outcome}};
    /// let anonymous = Hook(|request: &mut Request| {
    ///     request.remove_header("Cookie");
    ///     Flow::Next
    /// });
    /// let mut exchange = Exchange::get("/").header("cookie", "session=1");
    /// assert_eq!(exchange.request(&anonymous), Outcome::Next);
    /// assert_eq!(exchange.upstream_headers().first("cookie"), None);
    /// ```
    pub fn remove_header(&mut self, name: impl AsRef<str>) {
        self.edits.remove(name.as_ref());
    }

    /// Replaces all header fields of this name by one, but adds none where there is none.
    ///
    /// ```
    /// # use tidegate_sdk::{prelude::*, testing::{Exchange, Hook, Outcome}};
    /// let quieter = Hook(|request: &mut Request| {
    ///     request.replace_header("X-Debug", "some");
    ///     request.replace_header("X-Trace", "some");
    ///     Flow::Next
    /// });
    /// let mut exchange = Exchange::get("/").header("x-debug", "all");
    /// assert_eq!(exchange.request(&quieter), Outcome::Next);
    /// assert_eq!(exchange.upstream_headers().all("x-debug"), ["some"]);
    /// assert_eq!(exchange.upstream_headers().first("x-trace"), None);
    /// ```
    pub fn replace_header(&mut self, name: impl AsRef<str>, value: impl Into<HeaderValue>) {
        self.edits.replace(name.as_ref(), value.into());
    }

    /// Adds a header field, but only where there is none of this name.
    ///
    /// ```
    /// # use tidegate_sdk::{prelude::*, testing::{Exchange, Hook, Outcome}};
    /// let default = Hook(|request: &mut Request| {
    ///     request.add_header("X-Debug", "none");
    ///     request.add_header("X-Trace", "none");
    ///     Flow::Next
    /// });
    /// let mut exchange = Exchange::get("/").header("x-debug", "all");
    /// assert_eq!(exchange.request(&default), Outcome::Next);
    /// assert_eq!(exchange.upstream_headers().all("x-debug"), ["all"]);
    /// assert_eq!(exchange.upstream_headers().all("x-trace"), ["none"]);
    /// ```
    pub fn add_header(&mut self, name: impl AsRef<str>, value: impl Into<HeaderValue>) {
        self.edits.add(name.as_ref(), value.into());
    }

    /// Gives all header fields of one name another one, in place of those that have it already; does nothing where
    /// there are none. Their values do not cross the boundary.
    ///
    /// ```
    /// # use tidegate_sdk::{prelude::*, testing::{Exchange, Hook, Outcome}};
    /// let modern = Hook(|request: &mut Request| {
    ///     request.rename_header("X-User", "user");
    ///     request.rename_header("X-Group", "group");
    ///     Flow::Next
    /// });
    /// let mut exchange = Exchange::get("/").header("x-user", "alice");
    /// assert_eq!(exchange.request(&modern), Outcome::Next);
    /// assert_eq!(exchange.upstream_headers().all("user"), ["alice"]);
    /// assert_eq!(exchange.upstream_headers().first("x-user"), None);
    /// assert_eq!(exchange.upstream_headers().first("group"), None);
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
    /// let mark = Hook(move |request: &mut Request| {
    ///     request.edit_headers(&edits);
    ///     Flow::Next
    /// });
    /// let mut exchange = Exchange::get("/").header("x-zone", "b");
    /// assert_eq!(exchange.request(&mark), Outcome::Next);
    /// assert_eq!(exchange.upstream_headers().first("x-via"), Some("edge b"));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn edit_headers(&mut self, edits: &HeaderEdits) {
        self.edit_headers_with(edits, &[]);
    }

    /// As [`edit_headers`](Self::edit_headers), with the values that the edits leave [open](HeaderEdits::set_open), in their
    /// order.
    ///
    /// ```
    /// # use tidegate_sdk::{HeaderEdits, prelude::*, testing::{Exchange, Hook, Outcome}};
    /// let mut edits = HeaderEdits::default();
    /// edits.set_open(&"x-client".parse()?)?;
    /// let tell = Hook(move |request: &mut Request| {
    ///     let client = exchange::client_ip().to_string();
    ///     request.edit_headers_with(&edits, &[client.as_str().into()]);
    ///     Flow::Next
    /// });
    /// let mut exchange = Exchange::get("/");
    /// assert_eq!(exchange.request(&tell), Outcome::Next);
    /// assert_eq!(exchange.upstream_headers().first("x-client"), Some("192.0.2.1"));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn edit_headers_with(&mut self, edits: &HeaderEdits, open: &[OpenValue<'_>]) {
        self.edits.settle();
        let way = Way { list: host::request::edit, ready: host::ready_edits::edit_request };
        self.edits.note(edits.send(way, &Values::of(self), open));
    }

    /// Edits the answer before there is one: what a plugin knows now that it will have to say then is said at once, and
    /// needs no response hook. The answer is edited when this plugin's turn comes among the response hooks, before its own if
    /// it has one, whatever answers: the upstream, the gateway itself, or a plugin, this one included. If this hook fails,
    /// nothing is edited.
    ///
    /// `open` are the values that the edits leave [open](HeaderEdits::set_open), in their order. All plugins of an exchange
    /// may so make 200 edits, with 64 KiB of names and values; an edit beyond that makes the hook fail.
    ///
    /// ```
    /// # use tidegate_sdk::{HeaderEdits, prelude::*, testing::{Exchange, Hook, Outcome}};
    /// let mut edits = HeaderEdits::default();
    /// edits.set(&"x-quota".parse()?, "1000".parse()?)?;
    /// edits.set_open(&"x-quota-left".parse()?)?;
    ///
    /// let tell = Hook(move |request: &mut Request| {
    ///     let left: u64 = 999;
    ///     request.edit_answer(&edits, &[left.into()]);
    ///     Flow::Next
    /// });
    /// let mut exchange = Exchange::get("/").answer(200, &[("x-quota-left", "none of the upstream's business")]);
    /// assert_eq!(exchange.request(&tell), Outcome::Next);
    /// assert_eq!(exchange.client_headers().all("x-quota-left"), ["999"]);
    /// assert_eq!(exchange.client_headers().first("x-quota"), Some("1000"));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn edit_answer(&mut self, edits: &HeaderEdits, open: &[OpenValue<'_>]) {
        let way = Way { list: host::exchange::edit_answer, ready: host::ready_edits::edit_answer };
        self.edits.note(edits.send(way, &Values::of(self), open));
    }
}
