//! What an upstream gets to see: the request, rewritten for its next hop. The client's own fields are not copied: what
//! is said instead of them, or besides, is kept beside them until the head is written.

use std::borrow::Cow;
use std::net::SocketAddr;
use std::sync::LazyLock;

use http::header::{self, HeaderMap, HeaderName, HeaderValue};
use http::uri::{Authority, PathAndQuery, Scheme};
use http::{Method, Request, Uri, Version};
use smallvec::SmallVec;

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
use crate::host::exchange::RequestHead;
use crate::identity::Authenticated;
use crate::snapshot::Service;

static HOST: HeaderName = header::HOST;
static VIA_FIELD: HeaderName = header::VIA;
static CONSUMER_USERNAME: HeaderName = HeaderName::from_static("x-consumer-username");
static CONSUMER_CUSTOM_ID: HeaderName = HeaderName::from_static("x-consumer-custom-id");
static CONSUMER_GROUPS: HeaderName = HeaderName::from_static("x-consumer-groups");
static ANONYMOUS_CONSUMER: HeaderName = HeaderName::from_static("x-anonymous-consumer");
static CREDENTIAL_IDENTIFIER: HeaderName = HeaderName::from_static("x-credential-identifier");
/// What answers came through.
pub(super) const VIA: HeaderValue = HeaderValue::from_static("1.1 tidegate");
/// What requests came through: this very process, so that one that comes back is known, and one that came through
/// another gateway of this kind is not taken for it (RFC 9110, section 7.6.3).
pub(super) static VIA_HERE: LazyLock<HeaderValue> =
    LazyLock::new(|| text(&format!("1.1 tidegate-{:08x}", fastrand::u32(..))));

/// A request as it goes on to an upstream. Borrows what it can; what it is made of stays where it is, for another
/// attempt, and for response hooks, which may read the request.
pub(super) struct Onward<'a> {
    pub(super) method: &'a Method,
    pub(super) target: Cow<'a, PathAndQuery>,
    /// The protocol to switch to.
    pub(super) upgrade: Option<&'a HeaderValue>,
    /// What the client sent, as edited by plugins.
    sent: &'a HeaderMap,
    fields: Fields<'a>,
    service: &'a Service,
}

/// A field of the gateway's own.
struct Field<'a> {
    name: &'static HeaderName,
    value: Cow<'a, [u8]>,
    place: Place,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    /// Instead of what the client says under this name.
    Instead,
    /// Behind it.
    Behind,
}

/// Most requests have eleven at most.
type Fields<'a> = SmallVec<[Field<'a>; 12]>;

impl<'a> Onward<'a> {
    /// The request of `ongoing`, for its route's service.
    pub(super) fn new(found: &'a Found, ongoing: &'a Ongoing) -> Result<Self, Failure> {
        let request = &ongoing.exchange.request;
        Ok(Self {
            method: &request.method,
            target: target(found, request).map_err(|problem| unsendable(&problem))?,
            upgrade: ongoing.upgrade.as_ref().map(Upgrade::protocol),
            sent: &request.headers,
            fields: fields(found, ongoing),
            service: &found.route.service,
        })
    }

    /// Show every field to `visit`, in the order to be sent in.
    pub(super) fn each_field(&self, mut visit: impl FnMut(&HeaderName, &[u8])) {
        for (name, value) in self.sent {
            if !self.is_said_instead(name) {
                visit(name, value.as_bytes());
            }
        }
        self.fields.iter().for_each(|field| visit(field.name, &field.value));
    }

    /// The same with `body`, for HTTP/2, which has the host in the target (RFC 9113, section 8.3.1) and knows no
    /// upgrades.
    pub(super) fn http2(&self, body: RequestBody) -> Result<Request<RequestBody>, Failure> {
        let mut headers = self.sent.clone();
        for field in &self.fields {
            let value = HeaderValue::from_bytes(&field.value).unwrap_or(HeaderValue::from_static(""));
            match field.place {
                Place::Instead => _ = headers.insert(field.name, value),
                Place::Behind => _ = headers.append(field.name, value),
            }
        }
        let host = headers.remove(header::HOST).unwrap_or_else(|| self.service.host.clone());
        let authority = Authority::try_from(host.as_bytes()).map_err(|error| unsendable(&error))?;
        let scheme = if self.service.transport.is_tls() { Scheme::HTTPS } else { Scheme::HTTP };
        let target = self.target.clone().into_owned();
        let uri = Uri::builder().scheme(scheme).authority(authority).path_and_query(target).build();
        let mut request = Request::new(body);
        *request.uri_mut() = uri.map_err(|error| unsendable(&error))?;
        *request.method_mut() = self.method.clone();
        *request.version_mut() = Version::HTTP_2;
        *request.headers_mut() = headers;
        Ok(request)
    }

    fn is_said_instead(&self, name: &HeaderName) -> bool {
        // Looking at how it begins is cheaper than comparing it with all of them.
        matches!(name.as_str().as_bytes(), [b'x', b'-', ..] | b"host")
            && self.fields.iter().any(|field| field.place == Place::Instead && field.name == name)
    }
}

fn unsendable(problem: &dyn std::fmt::Display) -> Failure {
    Failure::new(Cause::RequestInvalid, format!("it cannot be forwarded: {problem}"))
}

/// The service's path, then the request's, without the matched part if the route strips it; or what a plugin wants.
pub(super) fn target<'a>(found: &Found, request: &'a RequestHead) -> Result<Cow<'a, PathAndQuery>, String> {
    let (route, target) = (&found.route, &request.target);
    if request.is_final {
        return Ok(Cow::Borrowed(target));
    }
    let stripped = if route.strip_path { found.prefix_length } else { 0 };
    let base = &route.service.path;
    // Without its first "/", and with it again, it is the same.
    if stripped <= 1 && base.is_empty() {
        return Ok(Cow::Borrowed(target));
    }
    let rest = target.path().get(stripped..).unwrap_or_default();
    if rest.is_empty() && !base.is_empty() {
        return path::join(base, target.query()).map(Cow::Owned);
    }
    // The cut may have made a dot segment of "/b../x", so what is left is read once more.
    let rest = format!("/{rest}");
    let rest = path::normalise(&rest)?;
    path::join(&format!("{base}{rest}"), target.query()).map(Cow::Owned)
}

/// What the gateway says itself (Kong's names).
fn fields<'a>(found: &'a Found, ongoing: &'a Ongoing) -> Fields<'a> {
    let (exchange, client, route) = (&*ongoing.exchange, &*ongoing.client, &*found.route);
    let request = &exchange.request;
    let mut fields = Fields::new();
    let mut instead = |name, value: Cow<'a, [u8]>| fields.push(Field { name, value, place: Place::Instead });

    let host = request.headers.get(&HOST);
    if host.is_none() || !route.preserve_host {
        instead(&HOST, route.service.host.as_bytes().into());
    }
    // What a trusted proxy has said already is nearer to the client.
    let unsaid = |name: &HeaderName| !client.peer_is_trusted || !request.headers.contains_key(name);
    if let Some(host) = host.filter(|_| unsaid(&FORWARDED_HOST)) {
        instead(&FORWARDED_HOST, host.as_bytes().into());
    }
    instead(&FORWARDED_FOR, forwarded_for(request, client));
    let same = exchange.client == client.address;
    let ip = || exchange.client.ip().to_string().into_bytes();
    instead(&REAL_IP, if same { client.forwarded.address.as_bytes().into() } else { ip().into() });
    instead(&FORWARDED_PROTO, exchange.scheme.name().as_bytes().into());
    if unsaid(&FORWARDED_PORT) {
        instead(&FORWARDED_PORT, client.forwarded.port.as_bytes().into());
    }
    let path = request.target.path();
    if unsaid(&FORWARDED_PATH) {
        instead(&FORWARDED_PATH, path.as_bytes().into());
    }
    if route.strip_path && found.prefix_length > 1 && !request.is_final && unsaid(&FORWARDED_PREFIX) {
        let prefix = path.get(..found.prefix_length).unwrap_or_default();
        instead(&FORWARDED_PREFIX, prefix.as_bytes().into());
    }
    instead(&answer::REQUEST_ID, ongoing.journal.id.as_bytes().into());
    if let Some(authenticated) = &exchange.authenticated {
        identify(authenticated, exchange.hides_groups, instead);
    }
    fields.push(Field { name: &VIA_FIELD, value: VIA_HERE.as_bytes().into(), place: Place::Behind });
    fields
}

fn forwarded_for<'a>(request: &'a RequestHead, client: &'a Client) -> Cow<'a, [u8]> {
    let own = client.forwarded.address.as_bytes();
    if !request.headers.contains_key(&FORWARDED_FOR) {
        return own.into();
    }
    let before = request.headers.get_all(&FORWARDED_FOR).iter().map(HeaderValue::as_bytes);
    list(before.chain([own])).into()
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
fn identify<'a>(
    authenticated: &'a Authenticated,
    hides_groups: bool,
    mut instead: impl FnMut(&'static HeaderName, Cow<'a, [u8]>),
) {
    let consumer = authenticated.consumer();
    instead(&CONSUMER_USERNAME, consumer.username.as_bytes().into());
    if let Some(credential) = authenticated.credential() {
        instead(&CREDENTIAL_IDENTIFIER, credential.id.as_bytes().into());
    }
    if authenticated.is_anonymous() {
        instead(&ANONYMOUS_CONSUMER, b"true".into());
    }
    if let Some(custom_id) = &consumer.custom_id {
        instead(&CONSUMER_CUSTOM_ID, custom_id.as_bytes().into());
    }
    if !consumer.groups.is_empty() && !hides_groups {
        instead(&CONSUMER_GROUPS, list(consumer.groups.iter().map(String::as_bytes)).into());
    }
}

fn list<'v>(values: impl IntoIterator<Item = &'v [u8]>) -> Vec<u8> {
    values.into_iter().collect::<Vec<_>>().join(&b", "[..])
}

/// Checked names and parsed paths have no byte that a header value may not have.
fn text(text: &str) -> HeaderValue {
    HeaderValue::from_str(text).unwrap_or(HeaderValue::from_static(""))
}
