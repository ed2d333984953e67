//! An answer of the admin API, and what every one of them has.

use bytes::Bytes;
use http::header::{
    ALLOW, CACHE_CONTROL, CONTENT_LENGTH, CONTENT_TYPE, HeaderName, RETRY_AFTER, WWW_AUTHENTICATE,
    X_CONTENT_TYPE_OPTIONS,
};
use http::{HeaderValue, Method, Response, StatusCode};
use http_body_util::Full;
use serde_json::{Value, json};

/// Status, body, and what else a head may say.
#[derive(Debug)]
pub struct Answer {
    status: StatusCode,
    content_type: &'static str,
    body: Bytes,
    headers: Vec<(HeaderName, HeaderValue)>,
}

impl Answer {
    /// With a body of this type.
    pub fn new(status: StatusCode, content_type: &'static str, body: impl Into<Bytes>) -> Self {
        Self { status, content_type, body: body.into(), headers: Vec::new() }
    }

    /// With JSON.
    pub fn json(status: StatusCode, body: &Value) -> Self {
        Self::new(status, "application/json; charset=utf-8", format!("{body}\n"))
    }

    /// What Kong's admin API says when there is nothing else to say.
    pub fn message(status: StatusCode, message: &str) -> Self {
        Self::json(status, &json!({ "message": message }))
    }

    /// The same, where Kong has no more than a few words for what there are many causes of.
    pub fn refusal(status: StatusCode, message: &str, detail: &str) -> Self {
        Self::json(status, &json!({ "message": message, "detail": detail }))
    }

    /// 204.
    pub fn nothing() -> Self {
        Self::new(StatusCode::NO_CONTENT, "", Bytes::new())
    }

    /// There is no such path.
    pub fn not_found() -> Self {
        Self::message(StatusCode::NOT_FOUND, "Not found")
    }

    /// There is such a path, but only these methods for it.
    pub fn not_allowed(methods: &str) -> Self {
        let body = json!({ "message": "Method not allowed", "name": "operation unsupported", "code": 12 });
        Self::json(StatusCode::METHOD_NOT_ALLOWED, &body).with(ALLOW, methods)
    }

    /// Only who shows a token, or a certificate, is told anything.
    pub fn unauthorized(message: &str) -> Self {
        Self::message(StatusCode::UNAUTHORIZED, message).with(WWW_AUTHENTICATE, "Bearer realm=\"tidegate admin\"")
    }

    /// Not before this many seconds have passed.
    pub fn not_so_fast(message: &str, seconds: u64) -> Self {
        Self::message(StatusCode::TOO_MANY_REQUESTS, message).with(RETRY_AFTER, &seconds.to_string())
    }

    /// With this header field, if `value` may be one.
    pub fn with(mut self, name: HeaderName, value: &str) -> Self {
        self.headers.extend(HeaderValue::from_str(value).map(|value| (name, value)));
        self
    }

    /// The status.
    pub fn status(&self) -> StatusCode {
        self.status
    }

    /// The body.
    pub fn body(&self) -> &Bytes {
        &self.body
    }

    /// The answer to a request of this method: HEAD gets the length of what GET would get.
    pub(super) fn into_response(self, method: &Method) -> Response<Full<Bytes>> {
        let length = self.body.len();
        let body = if method == Method::HEAD { Bytes::new() } else { self.body };
        let mut response = Response::new(Full::new(body));
        *response.status_mut() = self.status;
        let headers = response.headers_mut();
        if self.status != StatusCode::NO_CONTENT {
            headers.insert(CONTENT_TYPE, HeaderValue::from_static(self.content_type));
            headers.insert(CONTENT_LENGTH, length.into());
        }
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
        headers.extend(self.headers);
        response
    }
}
