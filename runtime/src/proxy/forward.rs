//! What an upstream gets to see: the request, rewritten for its next hop.

use std::net::SocketAddr;
use std::sync::LazyLock;

use http::header::{self, HeaderMap, HeaderName, HeaderValue};
use http::uri::{Authority, PathAndQuery};
use http::{Request, Uri, Version};
use hyper::body::Body;

use super::body::RequestBody;
use super::connection::Client;
use super::exchange::Found;
use super::intake::{
    FORWARDED_FOR, FORWARDED_HOST, FORWARDED_PATH, FORWARDED_PORT, FORWARDED_PREFIX, FORWARDED_PROTO, REAL_IP,
};
use super::ongoing::Ongoing;
use super::tunnel::Upgrade;
use super::{answer, path};
use crate::error::{Cause, Failure};
use crate::identity::Credential;
use crate::snapshot::Service;

const CONSUMER_USERNAME: HeaderName = HeaderName::from_static("x-consumer-username");
const CONSUMER_CUSTOM_ID: HeaderName = HeaderName::from_static("x-consumer-custom-id");
const CONSUMER_GROUPS: HeaderName = HeaderName::from_static("x-consumer-groups");
const CREDENTIAL_IDENTIFIER: HeaderName = HeaderName::from_static("x-credential-identifier");
/// What answers came through.
pub(super) const VIA: HeaderValue = HeaderValue::from_static("1.1 tidegate");
/// What requests came through: this very process, so that one that comes back is known, and one that came through
/// another gateway of this kind is not taken for it (RFC 9110, section 7.6.3).
pub(super) static VIA_HERE: LazyLock<HeaderValue> =
    LazyLock::new(|| text(&format!("1.1 tidegate-{:08x}", fastrand::u32(..))));

/// The request for a connection that speaks `version`. Leaves the head's values behind for another attempt, and for
/// response hooks, which may read the request.
pub(super) fn request(
    found: &Found,
    ongoing: &mut Ongoing,
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
    // Without its first "/", and with it again, it is the same.
    if stripped <= 1 && base.is_empty() {
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

fn headers(found: &Found, ongoing: &mut Ongoing) -> HeaderMap {
    // The copy stays here. hyper makes the first one with room for more, which a copy would not have.
    let copy = ongoing.exchange.request.headers.clone();
    let mut headers = std::mem::replace(&mut ongoing.exchange.request.headers, copy);
    let (exchange, client, route) = (&ongoing.exchange, &ongoing.client, &found.route);

    let own_host = || route.service.host.clone();
    let host = match exchange.request.headers.get(header::HOST) {
        Some(_) if route.preserve_host => exchange.request.headers.get(header::HOST).cloned(),
        Some(_) => headers.insert(header::HOST, own_host()),
        None => {
            headers.insert(header::HOST, own_host());
            None
        }
    };
    if let Some(host) = host {
        add(&mut headers, client, FORWARDED_HOST, host);
    }
    let forwarded_for = match exchange.request.headers.get(FORWARDED_FOR) {
        None => client.forwarded.address.clone(),
        Some(_) => {
            let before = exchange.request.headers.get_all(FORWARDED_FOR).iter().map(HeaderValue::as_bytes);
            list(before.chain([client.forwarded.address.as_bytes()]))
        }
    };
    headers.insert(FORWARDED_FOR, forwarded_for);
    let same = exchange.client == client.address;
    let real = if same { client.forwarded.address.clone() } else { text(&exchange.client.ip().to_string()) };
    headers.insert(REAL_IP, real);
    headers.insert(FORWARDED_PROTO, HeaderValue::from_static(exchange.scheme.name()));
    add(&mut headers, client, FORWARDED_PORT, client.forwarded.port.clone());
    let path = exchange.request.target.path();
    add(&mut headers, client, FORWARDED_PATH, text(path));
    if route.strip_path && found.prefix_length > 1 {
        let prefix = text(path.get(..found.prefix_length).unwrap_or_default());
        add(&mut headers, client, FORWARDED_PREFIX, prefix);
    }
    headers.append(header::VIA, VIA_HERE.clone());
    headers.insert(answer::REQUEST_ID, ongoing.journal.id.clone());
    if let Some(credential) = &exchange.credential {
        identify(&mut headers, credential);
    }
    headers
}

/// What is there already came from a trusted proxy, which is nearer to the client.
fn add(headers: &mut HeaderMap, client: &Client, name: HeaderName, value: HeaderValue) {
    if client.peer_is_trusted {
        headers.entry(name).or_insert(value);
    } else {
        headers.insert(name, value);
    }
}

/// What upstreams are told about a connection, the same for all of its requests.
pub(super) struct Forwarded {
    address: HeaderValue,
    port: HeaderValue,
}

impl Forwarded {
    pub(super) fn new(client: SocketAddr, local: SocketAddr) -> Self {
        Self { address: text(&client.ip().to_string()), port: HeaderValue::from(local.port()) }
    }
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
