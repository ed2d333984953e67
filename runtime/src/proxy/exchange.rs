//! One request, all its phases in order: route, request hooks, upstream, response hooks, answer. Called by
//! `connection` for each request; whatever happens, there is an answer.

use std::net::SocketAddr;
use std::sync::Arc;

use http::header::HOST;
use http::uri::{Authority, PathAndQuery};
use http::{Method, Request, Response, Version, request};
use hyper::body::Incoming;

use super::body::{RequestBody, ResponseBody};
use super::worker::Worker;
use super::{answer, forward, path, upstream};
use crate::error::{Cause, Failure};
use crate::hop_by_hop;
use crate::host::chain::{Chain, Outcome, Passage, Reply};
use crate::host::exchange::{Exchange, RequestHead, RequestId, ResponseHead, Scratch};
use crate::limits;
use crate::snapshot::{Route, Snapshot};

/// The two ends of the connection that a request came on.
#[derive(Clone, Copy)]
pub(super) struct Ends {
    pub(super) client: SocketAddr,
    pub(super) listener: SocketAddr,
}

/// Take `request` through the gateway.
pub(super) async fn serve(worker: &Worker, ends: Ends, request: Request<Incoming>) -> Response<ResponseBody> {
    let snapshot = worker.snapshot();
    let (head, body) = request.into_parts();
    let (mut exchange, invalid) = begin(head, ends, &snapshot);

    let Some((route, prefix_length)) = find_route(&snapshot, &exchange) else {
        let failure = invalid.unwrap_or_else(|| Failure::new(Cause::RouteNotFound, "no route matches"));
        let body = reply(&mut exchange, |exchange| answer::failure(exchange, &failure));
        return finish(worker, &snapshot.global, snapshot.global.uses().len(), exchange, body);
    };
    exchange.route = Some(Arc::clone(&route));

    let Passage { entered, outcome } = match invalid {
        Some(failure) => Passage { entered: 0, outcome: Outcome::Failed(failure) },
        None => route.chain.on_request(worker.id, &mut exchange),
    };
    // A long answer holds its route only, and lets the rest of its generation go.
    drop(snapshot);
    let body = match outcome {
        Outcome::Forward => forward(worker, &route, prefix_length, &mut exchange, body).await,
        Outcome::Reply(early) => reply(&mut exchange, |_| early),
        Outcome::Failed(failure) => reply(&mut exchange, |exchange| answer::failure(exchange, &failure)),
    };
    finish(worker, &route.chain, entered, exchange, body)
}

/// The exchange as the client began it, and what makes it impossible to serve, if anything does.
fn begin(mut head: request::Parts, ends: Ends, snapshot: &Snapshot) -> (Box<Exchange>, Option<Failure>) {
    let settled = settle_host(&mut head);
    let target = head.uri.path_and_query().cloned().unwrap_or(PathAndQuery::from_static("/"));
    let (target, normalised) = match path::normalised(&target) {
        Ok(normal) => (normal, Ok(())),
        Err(problem) => (target, Err(problem)),
    };
    let invalid = settled.and(normalised).err().map(|problem| Failure::new(Cause::RequestInvalid, problem));
    // Before plugins see it: what they set cannot be taken away by what the client says of its connection.
    hop_by_hop::strip(&mut head.headers);
    forward::strip_what_only_we_say(&mut head.headers);
    let exchange = Exchange {
        id: RequestId::random(),
        client: ends.client,
        listener: ends.listener,
        request: RequestHead { method: head.method, target, headers: head.headers },
        response: None,
        route: None,
        credential: None,
        identities: Arc::clone(&snapshot.identities),
        scratch: Scratch::default(),
    };
    (Box::new(exchange), invalid)
}

/// See to it that `host` is there once and names a host: an absolute target overrides it, and a request that leaves it
/// open is refused (RFC 9112, sections 3.2 and 3.2.2).
fn settle_host(head: &mut request::Parts) -> Result<(), String> {
    if head.method == Method::CONNECT {
        return Err("CONNECT is for forward proxies".to_owned());
    }
    let mut hosts = head.headers.get_all(HOST).iter();
    let host = match (head.uri.scheme(), head.uri.authority(), hosts.next(), hosts.next()) {
        (_, _, Some(_), Some(_)) => return Err("more than one Host field".to_owned()),
        (Some(_), Some(authority), ..) => authority.clone(),
        (None, Some(authority), ..) => return Err(format!("\"{authority}\" is no target")),
        (_, None, Some(host), None) if host.is_empty() => return Ok(()),
        (_, None, Some(host), None) => {
            Authority::try_from(host.as_bytes()).map_err(|_| format!("{host:?} is no Host"))?
        }
        _ if head.version == Version::HTTP_10 => return Ok(()),
        _ => return Err("no Host field".to_owned()),
    };
    if host.as_str().contains('@') {
        return Err("a user name is no part of a Host".to_owned());
    }
    if head.uri.authority().is_some() {
        let host = host.as_str().parse().map_err(|_| format!("\"{host}\" is no Host"))?;
        head.headers.insert(HOST, host);
    }
    Ok(())
}

fn find_route(snapshot: &Snapshot, exchange: &Exchange) -> Option<(Arc<Route>, usize)> {
    let request = &exchange.request;
    let host = request.headers.get(HOST).and_then(|host| host.to_str().ok()).unwrap_or_default();
    let found = snapshot.router.find(host, request.target.path(), &request.method)?;
    Some((Arc::clone(found.route), found.prefix_length))
}

/// The upstream's answer, or ours for it.
async fn forward(
    worker: &Worker,
    route: &Route,
    prefix_length: usize,
    exchange: &mut Box<Exchange>,
    body: Incoming,
) -> ResponseBody {
    let body = RequestBody::new(body, limits::CLIENT_BODY_IDLE);
    let sent = match forward::request(route, prefix_length, exchange, body) {
        Ok(request) => upstream::send(&route.service, &worker.pool, request).await,
        Err(failure) => Err(failure),
    };
    match sent {
        Ok(response) => {
            let (mut head, body) = response.into_parts();
            hop_by_hop::strip(&mut head.headers);
            exchange.response = Some(ResponseHead { status: head.status, headers: head.headers });
            body
        }
        Err(failure) => reply(exchange, |exchange| answer::failure(exchange, &failure)),
    }
}

/// Make `reply` the answer.
fn reply(exchange: &mut Exchange, reply: impl FnOnce(&Exchange) -> Reply) -> ResponseBody {
    let Reply { head, body } = reply(exchange);
    exchange.response = Some(head);
    body.into()
}

/// Run the response hooks of the `entered` uses, and answer.
fn finish(
    worker: &Worker,
    chain: &Chain,
    entered: usize,
    mut exchange: Box<Exchange>,
    mut body: ResponseBody,
) -> Response<ResponseBody> {
    chain.on_response(worker.id, entered, &mut exchange, &mut body, |exchange, failure| {
        answer::failure(exchange, &failure)
    });
    let id = exchange.id;
    let (status, mut headers) = match exchange.response {
        Some(head) => (head.status, head.headers),
        // Every path here has set one; an empty 500 is still an answer.
        None => (http::StatusCode::INTERNAL_SERVER_ERROR, http::HeaderMap::new()),
    };
    headers.insert(answer::REQUEST_ID, id.to_header());
    let mut response = Response::new(body);
    *response.status_mut() = status;
    *response.headers_mut() = headers;
    response
}
