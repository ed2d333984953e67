//! One request, all its phases in order: route, request hooks, upstream, response hooks, answer. Called by
//! `connection` for each request; whatever happens, there is an answer, and a line in the log.

use std::borrow::Cow;
use std::rc::Rc;
use std::sync::Arc;

use http::header::{CONNECTION, CONTENT_LENGTH, HOST, HeaderMap};
use http::{HeaderValue, Method, Response, StatusCode, Version, request};

use super::body::{FromClient, ResponseBody, Source};
use super::connection::Client;
use super::hooks::{self, Outcome, Passage};
use super::ongoing::{Journal, Ongoing};
use super::route::Ask;
use super::stamp::Stamp;
use super::tunnel::{self, Tunnel, Upgrade};
use super::{answer, forward, intake, upstream};
use crate::config::checked::Schemes;
use crate::error::{Cause, Failure};
use crate::hop_by_hop;
use crate::host::chain::Chain;
use crate::host::exchange::{Exchange, RequestId, Scheme};
use crate::host::plugin_use::Reply;
use crate::snapshot::{Route, Snapshot};

/// A route, and how much of the path it matched.
pub(super) struct Found {
    pub(super) route: Arc<Route>,
    pub(super) prefix_length: usize,
}

/// An answer: there always is one.
pub(super) struct Served {
    pub(super) status: StatusCode,
    pub(super) headers: HeaderMap,
    /// Fields of the gateway's own: over HTTP/1 they are written without having been put anywhere.
    pub(super) stamp: Stamp,
    pub(super) body: ResponseBody,
}

impl From<Served> for Response<ResponseBody> {
    fn from(served: Served) -> Self {
        let mut response = Self::new(served.body);
        *response.status_mut() = served.status;
        *response.headers_mut() = served.headers;
        served.stamp.put_into(response.headers_mut());
        response
    }
}

/// Take a request through the gateway. What comes before anybody is waited for is done at once, so that the future has
/// no room for it.
pub(super) fn serve(
    client: &Rc<Client>,
    head: &mut request::Parts,
    body: FromClient,
    upgrade: Option<Upgrade>,
) -> impl Future<Output = Served> + use<> {
    let snapshot = client.worker.snapshot();
    let (mut ongoing, invalid) = begin(client, head, body, &snapshot);
    ongoing.upgrade = upgrade;
    through(snapshot, ongoing, invalid)
}

/// All phases of an exchange that has begun.
async fn through(snapshot: Arc<Snapshot>, mut ongoing: Box<Ongoing>, invalid: Option<Failure>) -> Served {
    let found = match find_route(&snapshot, &mut ongoing) {
        Ok(found) => found,
        Err(not_found) => {
            let global = Arc::clone(&snapshot.global);
            drop(snapshot);
            ongoing.keep_for_log(&global);
            let source = reply_failure(&mut ongoing, invalid.unwrap_or(not_found));
            let entered = global.uses().len();
            return finish(&global, entered, ongoing, source, None).await;
        }
    };
    ongoing.exchange.generation = Some(snapshot);
    ongoing.keep_for_log(&found.route.chain);

    // Within braces, so that nothing of it takes room while the upstream is waited for.
    let (chain, entered) = {
        let Passage { chain, entered, outcome } = match invalid.map_or_else(|| admit(&found.route, &ongoing), Err) {
            Ok(()) => hooks::on_request(&found.route, &mut ongoing).await,
            Err(failure) => Passage { chain: None, entered: 0, outcome: Outcome::Failed(failure) },
        };
        // A long answer holds its route only, and lets the rest of its generation go.
        ongoing.exchange.generation = None;
        let early = match outcome {
            Outcome::Forward => None,
            Outcome::Reply(early) => Some(reply(&mut ongoing, *early)),
            Outcome::Failed(failure) => Some(reply_failure(&mut ongoing, failure)),
        };
        if let Some(source) = early {
            return finish(chain.as_ref().unwrap_or(&found.route.chain), entered, ongoing, source, None).await;
        }
        (chain, entered)
    };
    let chain = chain.as_ref().unwrap_or(&found.route.chain);
    hooks::before_sending(&found.route, chain, &mut ongoing);
    let (source, tunnel) = forward(&found, &mut ongoing).await;
    finish(chain, entered, ongoing, source, tunnel).await
}

/// The exchange as the client began it, and what makes it impossible to serve, if anything does.
fn begin(
    client: &Rc<Client>,
    head: &mut request::Parts,
    body: FromClient,
    snapshot: &Snapshot,
) -> (Box<Ongoing>, Option<Failure>) {
    let id = RequestId::random();
    let begun = client.worker.look_at_the_clock();
    let target = intake::target(head);
    let mut journal = Journal::new(id, begun, head, target.clone(), client.worker.observer.logged());
    let taken = intake::take(head, target, client);
    journal.host = taken.head.headers.get(HOST).cloned();
    let (tls, identities) = (client.tls.clone(), Arc::clone(&snapshot.identities));
    let mut exchange = Exchange::new(id, taken.client, taken.scheme, tls, taken.head, identities);
    (exchange.local, exchange.announced) = (client.local, body.length());
    (Ongoing::new(Box::new(exchange), journal, body, client), taken.invalid)
}

fn find_route(snapshot: &Snapshot, ongoing: &mut Ongoing) -> Result<Found, Failure> {
    let (client, exchange) = (&ongoing.client, &mut *ongoing.exchange);
    let request = &exchange.request;
    let ask = Ask {
        host: request.host(),
        port: client.local.port(),
        path: request.target.path(),
        method: &request.method,
        headers: &request.headers,
        sni: client.tls.as_ref().and_then(|tls| tls.server_name()),
        tls: client.tls.is_some(),
        source: exchange.client,
    };
    match snapshot.router.find(&ask) {
        Some(found) => {
            exchange.route = Some(Arc::clone(found.route));
            exchange.captures = found.captures;
            Ok(Found { route: Arc::clone(found.route), prefix_length: found.prefix_length })
        }
        None => {
            let near = snapshot.router.near_miss(&ask, |route| &route.name);
            Err(Failure::new(Cause::RouteNotFound, near.unwrap_or_else(|| "no route comes near it".to_owned())))
        }
    }
}

/// Whether `route` takes this request at all.
fn admit(route: &Route, ongoing: &Ongoing) -> Result<(), Failure> {
    if let Schemes::HttpsOnly(_) = route.schemes
        && ongoing.exchange.scheme == Scheme::Http
    {
        return Err(Failure::new(Cause::HttpsRequired, format!("{} takes https only", route.name)));
    }
    let most = route.body_bytes.or(ongoing.client.edge.limits.body_bytes);
    let length = ongoing.body.as_ref().and_then(FromClient::length);
    match (most, length) {
        (Some(most), Some(length)) if length > most => {
            Err(Failure::new(Cause::BodyTooLarge, format!("its {length} bytes are more than `body_bytes` ({most})")))
        }
        _ => Ok(()),
    }
}

/// The upstream's answer, or ours for it. An answer that switches protocols comes with the tunnel that follows it.
async fn forward(found: &Found, ongoing: &mut Ongoing) -> (Source, Option<Tunnel>) {
    let service = &found.route.service;
    if ongoing.log.is_some() {
        ongoing.journal.upstream_target = forward::target(found, &ongoing.exchange.request).ok().map(Cow::into_owned);
    }
    // It has been looked at when the exchange began, or when the last hook was done.
    let begun = ongoing.client.worker.now.get();
    let sent = upstream::send(found, ongoing).await;
    let worker = &ongoing.client.worker;
    // An attempt that was answered has just looked at the clock.
    let now = if sent.is_ok() { worker.now.get() } else { worker.look_at_the_clock() };
    ongoing.journal.upstream = Some(now.saturating_duration_since(begun));
    let (mut head, body) = match sent {
        Ok(answer) => answer,
        Err(failure) => {
            let early = ongoing.journal.upload.as_ref().and_then(|upload| upload.reply());
            return match early {
                Some(early) => (reply(ongoing, *early), None),
                None => (reply_failure(ongoing, failure), None),
            };
        }
    };
    ongoing.journal.upstream_status = Some(head.status.as_u16());
    if head.status == StatusCode::SWITCHING_PROTOCOLS {
        return match tunnel::switch(ongoing.upgrade.take(), head, body, service.timeouts.tunnel) {
            Ok((head, tunnel)) => {
                ongoing.exchange.response = Some(head);
                (Source::Empty, Some(tunnel))
            }
            Err(failure) => (reply_failure(ongoing, failure), None),
        };
    }
    hop_by_hop::strip_response(&mut head.headers);
    ongoing.exchange.response = Some(head);
    (Source::Upstream(body), None)
}

/// Make `reply` the answer.
fn reply(ongoing: &mut Ongoing, reply: Reply) -> Source {
    ongoing.exchange.response = Some(reply.head);
    reply.body.into()
}

/// Make what the table says of `failure` the answer.
fn reply_failure(ongoing: &mut Ongoing, failure: Failure) -> Source {
    let name_cause = ongoing.client.edge.error_header;
    let told = match ongoing.exchange.route.as_ref().map(|route| route.schemes) {
        Some(Schemes::HttpsOnly(status)) if failure.cause == Cause::HttpsRequired => {
            answer::https_required(&ongoing.exchange, &failure, status, name_cause)
        }
        _ => answer::failure(&ongoing.exchange, &failure, name_cause),
    };
    ongoing.fail(failure);
    reply(ongoing, told)
}

/// Run the response hooks of the `entered` uses, and answer.
async fn finish(
    chain: &Arc<Chain>,
    entered: usize,
    mut ongoing: Box<Ongoing>,
    mut source: Source,
    tunnel: Option<Tunnel>,
) -> Served {
    // What nobody has asked for by now is not wanted: whoever serves the connection decides what becomes of it.
    (ongoing.body, ongoing.upgrade) = (None, None);
    if entered > 0 {
        hooks::on_response(chain, entered, &mut ongoing, &mut source).await;
    }
    ongoing.exchange.drop_instances();
    let now = ongoing.client.worker.now.get();
    let head = if ongoing.log.is_some() { ongoing.exchange.response.clone() } else { ongoing.exchange.response.take() };
    let (status, mut headers) = match head {
        Some(head) => (head.status, head.headers),
        // Every path here has set one; an empty 500 is still an answer.
        None => (StatusCode::INTERNAL_SERVER_ERROR, http::HeaderMap::new()),
    };
    ongoing.journal.status = status.as_u16();
    ongoing.journal.answered = now.saturating_duration_since(ongoing.journal.begun);
    let stamp = Stamp::of(&ongoing);
    let misread = ongoing.journal.failure.as_ref().is_some_and(|failure| failure.cause.ends_connection());
    if misread && ongoing.journal.version != Version::HTTP_2 {
        // Where the next request begins is anybody's guess.
        headers.insert(CONNECTION, HeaderValue::from_static("close"));
    }
    leave_out_body(&mut source, status, &mut headers, &ongoing);
    let body = match tunnel {
        // A plugin may have answered in its place.
        Some(tunnel) if status == StatusCode::SWITCHING_PROTOCOLS => {
            let worker = Rc::clone(&ongoing.client.worker);
            ongoing.answered();
            // Ends with either side, after its idle limit, or with the drain, which waits for it.
            worker.connections.spawn_local(tunnel.run(ongoing));
            ResponseBody::empty()
        }
        _ => ResponseBody::new(source, ongoing),
    };
    Served { status, headers, stamp, body }
}

/// An answer of ours to HEAD, or of a status that has no body, is its head alone (RFC 9110, sections 9.3.2 and 6.4.1).
fn leave_out_body(source: &mut Source, status: StatusCode, headers: &mut HeaderMap, ongoing: &Ongoing) {
    let Source::Whole(bytes) = source else { return };
    if [StatusCode::NO_CONTENT, StatusCode::NOT_MODIFIED].contains(&status) {
        *source = Source::Empty;
    } else if ongoing.journal.method == Method::HEAD {
        headers.insert(CONTENT_LENGTH, HeaderValue::from(bytes.len()));
        *source = Source::Empty;
    }
}
