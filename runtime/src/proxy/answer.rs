//! The gateway's own answers to what failed.

use http::header::{ACCEPT, CONTENT_TYPE, LOCATION, RETRY_AFTER, SERVER, UPGRADE};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use serde::Serialize;

use crate::error::{Cause, Failure, Row};
use crate::host::exchange::{Exchange, RequestId, ResponseHead};
use crate::host::plugin_use::Reply;

pub(super) static REQUEST_ID: HeaderName = HeaderName::from_static("x-gateway-request-id");
pub(super) static UPSTREAM_LATENCY: HeaderName = HeaderName::from_static("x-gateway-upstream-latency");
pub(super) static PROXY_LATENCY: HeaderName = HeaderName::from_static("x-gateway-proxy-latency");
pub(super) static RESPONSE_LATENCY: HeaderName = HeaderName::from_static("x-gateway-response-latency");
const ERROR: HeaderName = HeaderName::from_static("x-gateway-error");
pub(super) const PRODUCT: HeaderValue = HeaderValue::from_static(concat!("tidegate/", env!("CARGO_PKG_VERSION")));

/// As Kong answers, and the code.
#[derive(Serialize)]
struct Body<'a> {
    message: &'a str,
    error: &'a str,
    request_id: String,
}

/// How a body is written, by what the client accepts (Kong: JSON, plain text, HTML).
#[derive(Clone, Copy, PartialEq, Eq)]
enum Form {
    Json,
    Plain,
    Html,
    Grpc,
}

/// What the client is told of `failure`: what the table says.
pub(super) fn failure(exchange: &Exchange, failure: &Failure, name_cause: bool) -> Reply {
    let Row { code, status, message, .. } = failure.cause.row();
    let form = Form::of(&exchange.request.headers);
    let (content_type, body) = form.body(message, code, exchange.id);
    let mut headers = HeaderMap::from_iter([(CONTENT_TYPE, HeaderValue::from_static(content_type)), (SERVER, PRODUCT)]);
    if name_cause {
        headers.insert(ERROR, HeaderValue::from_static(code));
    }
    if status == StatusCode::SERVICE_UNAVAILABLE {
        headers.insert(RETRY_AFTER, HeaderValue::from_static("1"));
    }
    if form == Form::Grpc {
        headers.insert("grpc-status", HeaderValue::from_static(grpc_status(failure.cause)));
        headers.insert("grpc-message", HeaderValue::from_static(message));
        return Reply { head: ResponseHead { status: StatusCode::OK, headers }, body: body.into() };
    }
    Reply { head: ResponseHead { status, headers }, body: body.into() }
}

/// What a client is told that has to use https: 426, or where to (Kong: `https_redirect_status_code`).
pub(super) fn https_required(exchange: &Exchange, told: &Failure, status: u16, name_cause: bool) -> Reply {
    let mut reply = failure(exchange, told, name_cause);
    let status = StatusCode::from_u16(status).unwrap_or(StatusCode::UPGRADE_REQUIRED);
    if status == StatusCode::UPGRADE_REQUIRED {
        reply.head.headers.insert(UPGRADE, HeaderValue::from_static("TLS/1.2, HTTP/1.1"));
        reply.head.headers.insert(http::header::CONNECTION, HeaderValue::from_static("Upgrade"));
    } else {
        let host = exchange.request.headers.get(http::header::HOST).and_then(|host| host.to_str().ok());
        let host =
            host.map_or("", |host| host.rsplit_once(':').filter(|(_, p)| !p.contains(']')).map_or(host, |(h, _)| h));
        if let Ok(location) = HeaderValue::try_from(format!("https://{host}{}", exchange.request.target)) {
            reply.head.headers.insert(LOCATION, location);
        }
    }
    reply.head.status = status;
    reply
}

/// The same for a request that has no exchange: bytes for an HTTP/1 connection, which ends with them.
pub(super) fn raw(id: RequestId, failure: &Failure, name_cause: bool) -> Vec<u8> {
    let Row { code, status, message, .. } = failure.cause.row();
    let (content_type, body) = Form::Json.body(message, code, id);
    let error = if name_cause { format!("{ERROR}: {code}\r\n") } else { String::new() };
    let product = PRODUCT;
    let product = product.to_str().unwrap_or_default();
    let head = format!(
        "HTTP/1.1 {status}\r\ncontent-type: {content_type}\r\nserver: {product}\r\n{error}{REQUEST_ID}: {id}\r\n\
         content-length: {}\r\nconnection: close\r\n\r\n",
        body.len()
    );
    [head.into_bytes(), body].concat()
}

impl Form {
    fn of(request: &HeaderMap) -> Self {
        if text(request, &CONTENT_TYPE).starts_with("application/grpc") {
            return Self::Grpc;
        }
        let accept = text(request, &ACCEPT);
        let at = |kind| accept.find(kind).unwrap_or(usize::MAX);
        let forms = [
            (at("application/json").min(at("*/*")).min(at("application/*")), Self::Json),
            (at("text/html"), Self::Html),
            (at("text/plain").min(at("text/*")), Self::Plain),
        ];
        // The first that the client names: good enough for telling people from programs.
        let first = forms.into_iter().filter(|(at, _)| *at != usize::MAX).min_by_key(|(at, _)| *at);
        first.map_or(Self::Json, |(_, form)| form)
    }

    /// Nothing of the client's is in it, so nothing needs escaping.
    fn body(self, message: &str, code: &str, id: RequestId) -> (&'static str, Vec<u8>) {
        match self {
            Self::Json => {
                let body = Body { message, error: code, request_id: id.to_string() };
                // Serialising three strings cannot fail; an empty body would still have its status and its header.
                ("application/json; charset=utf-8", serde_json::to_vec(&body).unwrap_or_default())
            }
            Self::Plain => {
                ("text/plain; charset=utf-8", format!("{message}\nerror: {code}\nrequest_id: {id}\n").into_bytes())
            }
            Self::Html => {
                let page = format!(
                    "<!doctype html>\n<meta charset=\"utf-8\">\n<title>{message}</title>\n<h1>{message}</h1>\n\
                     <p>error: {code}<br>request_id: {id}</p>\n"
                );
                ("text/html; charset=utf-8", page.into_bytes())
            }
            Self::Grpc => ("application/grpc", Vec::new()),
        }
    }
}

fn text<'h>(headers: &'h HeaderMap, name: &HeaderName) -> &'h str {
    headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
}

/// The nearest status of gRPC, after its own table from HTTP (doc/http-grpc-status-mapping.md).
fn grpc_status(cause: Cause) -> &'static str {
    const INTERNAL: &str = "13";
    const UNAVAILABLE: &str = "14";
    match cause {
        Cause::RouteNotFound => "12",
        Cause::RequestInvalid | Cause::HttpsRequired => INTERNAL,
        Cause::BodyTooLarge | Cause::HeaderTooLarge | Cause::UriTooLong => "8",
        Cause::RequestTimeout
        | Cause::UpstreamResponseTimeout
        | Cause::UpstreamConnectTimeout
        | Cause::UpstreamBodyTimeout => "4",
        Cause::PluginFailed | Cause::PluginTimedOut | Cause::PluginMemory => INTERNAL,
        _ => UNAVAILABLE,
    }
}
