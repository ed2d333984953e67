//! From a request as it comes to one that an endpoint is given, or to the answer that refuses it.

use std::net::IpAddr;
use std::sync::Arc;

use bytes::Bytes;
use http::header::{CONTENT_TYPE, HOST};
use http::{HeaderMap, Method, Response, StatusCode, Version};
use http_body_util::{BodyExt, Full, LengthLimitError, Limited};
use hyper::body::Incoming;
use tokio::time::timeout;

use super::answer::Answer;
use super::body::MediaType;
use super::request::{self, Author, Peer, Query, Request, Role, Who};
use super::router::Found;
use super::{Admin, Handler};
use crate::limits;

impl Admin {
    /// What this request comes to.
    pub(super) async fn answer(self: &Arc<Self>, asked: http::Request<Incoming>, peer: Peer) -> Response<Full<Bytes>> {
        let method = asked.method().clone();
        let answer = match self.check_host(&asked) {
            Ok(()) => self.ask(asked, peer).await.unwrap_or_else(|refusal| refusal),
            Err(refusal) => refusal,
        };
        answer.into_response(&method)
    }

    async fn ask(self: &Arc<Self>, asked: http::Request<Incoming>, peer: Peer) -> Result<Answer, Answer> {
        let bad = |problem: String| Answer::message(StatusCode::BAD_REQUEST, &problem);
        let segments = request::segments(asked.uri().path()).map_err(bad)?;
        let endpoint = match self.endpoints.find(asked.method(), &segments) {
            Found::Endpoint(endpoint) => endpoint,
            Found::Methods(methods) if asked.method() == Method::OPTIONS => {
                return Ok(Answer::nothing().with(http::header::ALLOW, &methods));
            }
            Found::Methods(methods) => return Err(Answer::not_allowed(&methods)),
            Found::Nothing => return Err(Answer::not_found()),
        };
        let query = Query::read(asked.uri().query().unwrap_or_default()).map_err(bad)?;
        let (head, body) = asked.into_parts();
        let content_type = content_type(&head.headers)?;
        let body = whole(body, endpoint.body_bytes).await?;
        let method = if head.method == Method::HEAD { Method::GET } else { head.method };
        let author = Author { who: Who::Loopback, role: Role::Write };
        let request = Request { method, segments, query, headers: head.headers, content_type, body, author, peer };
        let handler: &Handler = &endpoint.handler;
        Ok(handler(Arc::clone(self), request).await)
    }

    /// A page from somewhere else may have its own name lead here (DNS rebinding), and a browser will let it read our
    /// answers; but it has to ask by that name. An address cannot be made to lead elsewhere.
    fn check_host(&self, request: &http::Request<Incoming>) -> Result<(), Answer> {
        let mut hosts = request.headers().get_all(HOST).iter();
        let host = match (hosts.next(), hosts.next()) {
            (Some(host), None) => host.to_str().ok().and_then(|host| host.parse::<http::uri::Authority>().ok()),
            // No browser speaks HTTP/1.0.
            (None, None) if request.version() == Version::HTTP_10 => return Ok(()),
            _ => None,
        };
        let Some(host) = host.filter(|host| !host.as_str().contains('@')) else {
            return Err(Answer::message(StatusCode::BAD_REQUEST, "the request needs one valid Host"));
        };
        // What an absolute target names goes before Host (RFC 9112, section 3.2.2), so both have to be ours.
        let names = [Some(&host), request.uri().authority()];
        match names.into_iter().flatten().find(|name| !self.is_ours(name.host())) {
            None => Ok(()),
            Some(foreign) => {
                let host = foreign.host();
                let message = format!("\"{host}\" is not a name of this admin API: ask it by address, or as localhost");
                Err(Answer::message(StatusCode::FORBIDDEN, &message))
            }
        }
    }

    fn is_ours(&self, host: &str) -> bool {
        let bare = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
        let named =
            self.hosts.iter().map(String::as_str).chain(["localhost"]).any(|own| own.eq_ignore_ascii_case(host));
        named || bare.parse::<IpAddr>().is_ok()
    }
}

/// What the body is, if the head says so, and says so once.
fn content_type(headers: &HeaderMap) -> Result<Option<MediaType>, Answer> {
    let refused =
        |problem: &str| Answer::refusal(StatusCode::UNSUPPORTED_MEDIA_TYPE, "Unsupported media type", problem);
    let mut types = headers.get_all(CONTENT_TYPE).iter();
    let Some(first) = types.next() else { return Ok(None) };
    if types.next().is_some() {
        return Err(refused("more than one Content-Type"));
    }
    let text = first.to_str().map_err(|_| refused("a Content-Type that is not ASCII"))?;
    text.parse().map(Some).map_err(|problem: String| refused(&problem))
}

/// All of the body, in time and within `limit` bytes.
async fn whole(body: Incoming, limit: usize) -> Result<Bytes, Answer> {
    match timeout(limits::ADMIN_BODY_TIMEOUT, Limited::new(body, limit).collect()).await {
        Ok(Ok(body)) => Ok(body.to_bytes()),
        Ok(Err(error)) if error.is::<LengthLimitError>() => {
            let message = format!("the body is larger than {limit} bytes");
            Err(Answer::message(StatusCode::PAYLOAD_TOO_LARGE, &message))
        }
        Ok(Err(error)) => {
            let message = format!("the body cannot be read: {error}");
            Err(Answer::message(StatusCode::BAD_REQUEST, &message))
        }
        Err(_) => Err(Answer::message(StatusCode::REQUEST_TIMEOUT, "the body takes too long")),
    }
}
