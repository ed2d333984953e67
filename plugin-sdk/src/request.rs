//! The current request, read and edited.

use crate::edits::Edits;
use crate::host;
use crate::{HeaderName, HeaderValue, query};

/// The current request, as the plugins before this one left it.
///
/// Only what is asked for crosses the boundary, so ask for the headers you need. Names are
/// case-insensitive. Edits are collected and sent together; one that the gateway refuses (a field
/// of the connection or of the framing, or bytes that no header may have) makes the hook fail, and
/// a failed hook's edits are all undone.
///
/// ```
/// use tidegate_sdk::prelude::*;
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
    pub fn method(&self) -> String {
        host::request::method()
    }

    /// `http` or `https`: how the client reached the gateway.
    pub fn scheme(&self) -> String {
        host::request::scheme()
    }

    /// Host and port as the client named them; empty if it named none.
    pub fn host(&self) -> String {
        self.edits.settle();
        host::request::host()
    }

    /// The path, percent-encoded, without the query.
    pub fn path(&self) -> String {
        host::request::path()
    }

    /// What the named group of the route's path found, if that is a regex: `id` of `~^/orders/(?<id>\d+)$`.
    pub fn capture(&self, name: &str) -> Option<String> {
        host::request::capture(name)
    }

    /// Everything behind the first `?`, as the client wrote it.
    pub fn query(&self) -> Option<String> {
        host::request::query()
    }

    /// The first query parameter of this name, decoded.
    pub fn query_param(&self, name: &str) -> Option<String> {
        query::values(&self.query()?, name).next()
    }

    /// Every query parameter of this name, decoded, in order.
    pub fn query_param_all(&self, name: &str) -> Vec<String> {
        self.query().map_or_else(Vec::new, |query| query::values(&query, name).collect())
    }

    /// The first header field of this name.
    pub fn header(&self, name: impl AsRef<str>) -> Option<HeaderValue> {
        self.edits.settle();
        host::request::header(name.as_ref()).map(Into::into)
    }

    /// Every header field of this name, in the order received.
    pub fn header_all(&self, name: impl AsRef<str>) -> Vec<HeaderValue> {
        self.edits.settle();
        let fields = host::request::headers_named(&[name.as_ref().to_owned()]);
        fields.into_iter().map(|field| field.value.into()).collect()
    }

    /// The whole header section. Costly: prefer to ask for what you need.
    pub fn headers(&self) -> Vec<(HeaderName, HeaderValue)> {
        self.edits.settle();
        crate::header::section(host::request::headers())
    }

    /// Replaces all header fields of this name by one, or adds it.
    pub fn set_header(&mut self, name: impl AsRef<str>, value: impl Into<HeaderValue>) {
        self.edits.set(name.as_ref(), value.into());
    }

    /// Adds a header field beside those of the same name.
    pub fn append_header(&mut self, name: impl AsRef<str>, value: impl Into<HeaderValue>) {
        self.edits.append(name.as_ref(), value.into());
    }

    /// Removes all header fields of this name.
    pub fn remove_header(&mut self, name: impl AsRef<str>) {
        self.edits.remove(name.as_ref());
    }

    /// Replaces the path, percent-encoded and beginning with `/`. The upstream gets just this path:
    /// the route strips nothing off it any more, and the service puts nothing before it.
    pub fn set_path(&mut self, path: &str) {
        self.edits.note(host::request::set_path(path));
    }

    /// Replaces the method.
    pub fn set_method(&mut self, method: &str) {
        self.edits.note(host::request::set_method(method));
    }

    /// The whole body, as the plugins before this one left it; `None` unless it was asked for by
    /// [`body_limit`](crate::RequestHook::body_limit), by this plugin or one before it.
    pub fn body(&self) -> Option<Vec<u8>> {
        host::request::body()
    }

    /// Replaces the body, whether or not it was asked for. Its length is seen to by the gateway, its
    /// type is for [`set_header`](Self::set_header) to say.
    pub fn set_body(&mut self, body: impl AsRef<[u8]>) {
        self.edits.note(host::request::set_body(body.as_ref()));
    }

    /// Replaces the query, percent-encoded as it is; `None` removes it.
    pub fn set_query(&mut self, query: Option<&str>) {
        self.edits.note(host::request::set_query(query));
    }

    /// Removes all query parameters of this name, and leaves the others as the client wrote them.
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
