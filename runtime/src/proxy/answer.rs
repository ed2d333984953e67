//! The gateway's own answers to what failed, and their line in the log.

use http::header::{CONTENT_TYPE, SERVER};
use http::{HeaderMap, HeaderName, HeaderValue};
use serde::Serialize;

use crate::error::{Failure, Row};
use crate::host::chain::Reply;
use crate::host::exchange::{Exchange, ResponseHead};

pub(super) const REQUEST_ID: HeaderName = HeaderName::from_static("x-gateway-request-id");
const ERROR: HeaderName = HeaderName::from_static("x-gateway-error");
const PRODUCT: HeaderValue = HeaderValue::from_static(concat!("tidegate/", env!("CARGO_PKG_VERSION")));

/// As Kong answers, and the code.
#[derive(Serialize)]
struct Body {
    message: &'static str,
    error: &'static str,
    request_id: String,
}

/// Log `failure` with all it knows, and tell the client what the table says.
pub(super) fn failure(exchange: &Exchange, failure: &Failure) -> Reply {
    let Row { code, status, message } = failure.cause.row();
    log(exchange, failure, code, status.as_u16());
    let body = Body { message, error: code, request_id: exchange.id.to_string() };
    // Serialising three strings cannot fail; an empty body would still have its status and its header.
    let body = serde_json::to_vec(&body).unwrap_or_default();
    let headers = HeaderMap::from_iter([
        (CONTENT_TYPE, HeaderValue::from_static("application/json; charset=utf-8")),
        (SERVER, PRODUCT),
        (ERROR, HeaderValue::from_static(code)),
    ]);
    Reply { head: ResponseHead { status, headers }, body: body.into() }
}

fn log(exchange: &Exchange, failure: &Failure, code: &str, status: u16) {
    let request_id = exchange.id.to_string();
    let route = exchange.route.as_ref().map(|route| &*route.name);
    let service = exchange.route.as_ref().map(|route| &*route.service.name);
    let client = exchange.client;
    let method = exchange.request.method.as_str();
    let path = exchange.request.target.path();
    let detail = &failure.detail;
    if status >= 500 {
        tracing::warn!(code, status, route, service, request_id, %client, method, path, "{detail}");
    } else {
        tracing::info!(code, status, route, service, request_id, %client, method, path, "{detail}");
    }
}
