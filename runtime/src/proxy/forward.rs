//! What an upstream gets to see: the request, rewritten for its next hop.

use http::header::{self, HeaderMap, HeaderName, HeaderValue};
use http::uri::{Authority, PathAndQuery};
use http::{Request, Uri, Version};
use hyper::body::Body;

use super::body::RequestBody;
use super::exchange::Found;
use super::intake::{FORWARDED_FOR, FORWARDED_HOST, FORWARDED_PATH, FORWARDED_PORT, FORWARDED_PREFIX, FORWARDED_PROTO};
use super::ongoing::Ongoing;
use super::tunnel::Upgrade;
use super::{answer, path};
use crate::error::{Cause, Failure};
use crate::identity::Credential;
use crate::snapshot::Service;

const REAL_IP: HeaderName = HeaderName::from_static("x-real-ip");
const CONSUMER_USERNAME: HeaderName = HeaderName::from_static("x-consumer-username");
const CONSUMER_CUSTOM_ID: HeaderName = HeaderName::from_static("x-consumer-custom-id");
const CONSUMER_GROUPS: HeaderName = HeaderName::from_static("x-consumer-groups");
const CREDENTIAL_IDENTIFIER: HeaderName = HeaderName::from_static("x-credential-identifier");
pub(super) const VIA: HeaderValue = HeaderValue::from_static("1.1 tidegate");

/// The request for a connection that speaks `version`. Leaves the head's values behind for another attempt, and for
/// response hooks, which may read the request.
pub(super) fn request(
    found: &Found,
    ongoing: &Ongoing,
    upgrade: Option<&Upgrade>,
    version: Version,
) -> Result<Request<RequestBody>, Failure> {
    let unsendable = |error: String| Failure::new(Cause::RequestInvalid, format!("it cannot be forwarded: {error}"));
    let service = &found.route.service;
    let target = target(found, &ongoing.exchange.request.target).map_err(unsendable)?;
    let mut headers = headers(found, ongoing);
    let body = ongoing.journal.upload.as_ref().map_or_else(RequestBody::empty, |upload| upload.body());
    let uri = if version == Version::HTTP_2 {
        absolute(service, &mut headers, target).map_err(unsendable)?
    } else {
        if !body.is_end_stream() && body.size_hint().exact().is_none() {
            // hyper would take a GET of unknown length for one without a body.
            headers.insert(header::TRANSFER_ENCODING, HeaderValue::from_static("chunked"));
        }
        if let Some(upgrade) = upgrade {
            headers.insert(header::CONNECTION, HeaderValue::from_static("upgrade"));
            headers.insert(header::UPGRADE, upgrade.protocol().clone());
        }
        Uri::from(target)
    };
    let mut request = Request::new(body);
    *request.method_mut() = ongoing.exchange.request.method.clone();
    *request.version_mut() = version;
    *request.uri_mut() = uri;
    *request.headers_mut() = headers;
    Ok(request)
}

/// HTTP/2 has the host in the target (RFC 9113, section 8.3.1).
fn absolute(service: &Service, headers: &mut HeaderMap, target: PathAndQuery) -> Result<Uri, String> {
    let host = headers.remove(header::HOST).unwrap_or_else(|| service.host.clone());
    let authority = Authority::try_from(host.as_bytes()).map_err(|error| error.to_string())?;
    let scheme = if service.transport.is_tls() { http::uri::Scheme::HTTPS } else { http::uri::Scheme::HTTP };
    let uri = Uri::builder().scheme(scheme).authority(authority).path_and_query(target).build();
    uri.map_err(|error| error.to_string())
}

/// The service's path, then the request's, without the matched part if the route strips it.
fn target(found: &Found, target: &PathAndQuery) -> Result<PathAndQuery, String> {
    let route = &found.route;
    let stripped = if route.strip_path { found.prefix_length } else { 0 };
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

fn headers(found: &Found, ongoing: &Ongoing) -> HeaderMap {
    let (exchange, client, route) = (&ongoing.exchange, &ongoing.client, &found.route);
    let mut headers = exchange.request.headers.clone();

    let host = headers.remove(header::HOST);
    // What is still there under these names came from a trusted proxy, which is nearer to the client.
    if let Some(host) = &host {
        headers.entry(FORWARDED_HOST).or_insert_with(|| host.clone());
    }
    let host = if route.preserve_host { host } else { None };
    headers.insert(header::HOST, host.unwrap_or_else(|| route.service.host.clone()));

    let peer = text(&client.address.ip().to_string());
    let forwarded_for = match headers.remove(FORWARDED_FOR) {
        None => peer.clone(),
        Some(first) => {
            let all = exchange.request.headers.get_all(FORWARDED_FOR).iter().skip(1).map(HeaderValue::as_bytes);
            list([first.as_bytes()].into_iter().chain(all).chain([peer.as_bytes()]))
        }
    };
    headers.insert(FORWARDED_FOR, forwarded_for);
    let real = if exchange.client == client.address { peer } else { text(&exchange.client.ip().to_string()) };
    headers.insert(REAL_IP, real);
    headers.insert(FORWARDED_PROTO, HeaderValue::from_static(exchange.scheme.name()));
    headers.entry(FORWARDED_PORT).or_insert_with(|| HeaderValue::from(client.local.port()));
    let path = exchange.request.target.path();
    headers.entry(FORWARDED_PATH).or_insert_with(|| text(path));
    if route.strip_path && found.prefix_length > 1 {
        let prefix = text(path.get(..found.prefix_length).unwrap_or_default());
        headers.entry(FORWARDED_PREFIX).or_insert(prefix);
    }
    // Answered by hyper, as soon as somebody wants the body.
    headers.remove(header::EXPECT);
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
