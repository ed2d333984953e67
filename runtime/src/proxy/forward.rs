//! What an upstream gets to see: the request, rewritten for its next hop.

use http::header::{self, HeaderMap, HeaderName, HeaderValue};
use http::uri::PathAndQuery;
use http::{Request, Uri, Version};
use hyper::body::Body;

use super::answer;
use super::body::RequestBody;
use super::path;
use crate::error::{Cause, Failure};
use crate::host::exchange::Exchange;
use crate::identity::Credential;
use crate::snapshot::Route;

const FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");
const FORWARDED_HOST: HeaderName = HeaderName::from_static("x-forwarded-host");
const FORWARDED_PATH: HeaderName = HeaderName::from_static("x-forwarded-path");
const FORWARDED_PREFIX: HeaderName = HeaderName::from_static("x-forwarded-prefix");
const FORWARDED_PORT: HeaderName = HeaderName::from_static("x-forwarded-port");
const REAL_IP: HeaderName = HeaderName::from_static("x-real-ip");
const CONSUMER_USERNAME: HeaderName = HeaderName::from_static("x-consumer-username");
const CONSUMER_CUSTOM_ID: HeaderName = HeaderName::from_static("x-consumer-custom-id");
const CONSUMER_GROUPS: HeaderName = HeaderName::from_static("x-consumer-groups");
const CREDENTIAL_IDENTIFIER: HeaderName = HeaderName::from_static("x-credential-identifier");
/// All that an upstream may believe about who sent a request, under Kong's names.
const IDENTITY: [HeaderName; 6] = [
    CONSUMER_USERNAME,
    CONSUMER_CUSTOM_ID,
    CONSUMER_GROUPS,
    CREDENTIAL_IDENTIFIER,
    HeaderName::from_static("x-consumer-id"),
    HeaderName::from_static("x-anonymous-consumer"),
];
const VIA: HeaderValue = HeaderValue::from_static("1.1 tidegate");

/// Take away what only the gateway may say, before a plugin or an upstream could believe it.
pub(super) fn strip_what_only_we_say(headers: &mut HeaderMap) {
    for name in IDENTITY {
        headers.remove(name);
    }
    headers.remove(answer::REQUEST_ID);
}

/// The request for the upstream of `route`. Takes the body and leaves the head's values behind for response hooks,
/// which may read the request.
pub(super) fn request(
    route: &Route,
    prefix_length: usize,
    exchange: &Exchange,
    body: RequestBody,
) -> Result<Request<RequestBody>, Failure> {
    let target = target(route, prefix_length, &exchange.request.target)
        .map_err(|error| Failure::new(Cause::RequestInvalid, format!("its path cannot be forwarded: {error}")))?;
    let mut headers = headers(route, prefix_length, exchange);
    if !body.is_end_stream() && body.size_hint().exact().is_none() {
        // hyper would take a GET of unknown length for one without a body.
        headers.insert(header::TRANSFER_ENCODING, HeaderValue::from_static("chunked"));
    }
    let mut request = Request::new(body);
    *request.method_mut() = exchange.request.method.clone();
    *request.version_mut() = Version::HTTP_11;
    *request.uri_mut() = Uri::from(target);
    *request.headers_mut() = headers;
    Ok(request)
}

/// The service's path, then the request's, without the matched prefix if the route strips it.
fn target(route: &Route, prefix_length: usize, target: &PathAndQuery) -> Result<PathAndQuery, String> {
    let stripped = if route.strip_path { prefix_length } else { 0 };
    let base = &route.service.path;
    if stripped == 0 && base.is_empty() {
        return Ok(target.clone());
    }
    let rest = target.path().get(stripped..).unwrap_or_default();
    if rest.is_empty() && !base.is_empty() {
        return path::join(base, target.query());
    }
    // The cut may have made a dot segment of "/b../x", so what is left is read once more.
    let rest = format!("/{rest}");
    let rest = path::normalise(&rest)?;
    path::join(&format!("{base}{rest}"), target.query())
}

fn headers(route: &Route, prefix_length: usize, exchange: &Exchange) -> HeaderMap {
    let mut headers = exchange.request.headers.clone();

    for name in [FORWARDED_HOST, FORWARDED_PREFIX] {
        headers.remove(name);
    }
    let host = headers.remove(header::HOST);
    if let Some(host) = &host {
        headers.insert(FORWARDED_HOST, host.clone());
    }
    let host = if route.preserve_host { host } else { None };
    headers.insert(header::HOST, host.unwrap_or_else(|| route.service.host.clone()));

    let client = text(&exchange.client.ip().to_string());
    let before = headers.get_all(FORWARDED_FOR).iter().map(HeaderValue::as_bytes);
    headers.insert(FORWARDED_FOR, list(before.chain([client.as_bytes()])));
    headers.insert(REAL_IP, client);
    headers.insert(FORWARDED_PROTO, HeaderValue::from_static("http"));
    headers.insert(FORWARDED_PORT, HeaderValue::from(exchange.listener.port()));
    let path = exchange.request.target.path();
    headers.insert(FORWARDED_PATH, text(path));
    if route.strip_path && prefix_length > 1 {
        headers.insert(FORWARDED_PREFIX, text(path.get(..prefix_length).unwrap_or_default()));
    }
    headers.append(header::VIA, VIA);
    headers.insert(answer::REQUEST_ID, exchange.id.to_header());
    if let Some(credential) = &exchange.credential {
        identify(&mut headers, credential);
    }
    headers
}

/// Tell the upstream who was authenticated.
fn identify(headers: &mut HeaderMap, credential: &Credential) {
    let consumer = &credential.consumer;
    headers.insert(CONSUMER_USERNAME, text(&consumer.username));
    headers.insert(CREDENTIAL_IDENTIFIER, text(&credential.id));
    if let Some(custom_id) = &consumer.custom_id {
        headers.insert(CONSUMER_CUSTOM_ID, text(custom_id));
    }
    if !consumer.groups.is_empty() {
        headers.insert(CONSUMER_GROUPS, list(consumer.groups.iter().map(String::as_bytes)));
    }
}

fn list<'v>(values: impl IntoIterator<Item = &'v [u8]>) -> HeaderValue {
    let joined = values.into_iter().collect::<Vec<_>>().join(&b", "[..]);
    HeaderValue::from_maybe_shared(bytes::Bytes::from(joined)).unwrap_or(HeaderValue::from_static(""))
}

/// Checked names and parsed paths have no byte that a header value may not have.
fn text(text: &str) -> HeaderValue {
    HeaderValue::from_str(text).unwrap_or(HeaderValue::from_static(""))
}
