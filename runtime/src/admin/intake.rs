//! From a request as it comes to one that an endpoint is given, or to the answer that refuses it.

use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;
use http::header::{ALLOW, CONTENT_TYPE, HOST, HeaderName, ORIGIN};
use http::uri::Authority;
use http::{HeaderMap, Method, Response, StatusCode, Version};
use http_body_util::Full;
use hyper::body::Incoming;

use super::answer::Answer;
use super::audit::{self, Record};
use super::body::MediaType;
use super::doors::Stranger;
use super::pace::Later;
use super::request::{self, Author, Peer, Query, Request, Role, Who};
use super::router::Found;
use super::{Admin, Handler, upload};
use crate::tls::session::Session;

const SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

impl Admin {
    /// What this request comes to.
    pub(super) async fn answer(
        self: &Arc<Self>,
        asked: http::Request<Incoming>,
        session: Option<&Session>,
        peer: Peer,
    ) -> Response<Full<Bytes>> {
        let method = asked.method().clone();
        let mut record = Record::new(self, &method, asked.uri().path(), peer);
        let answer = self.ask(asked, session, peer, &mut record).await.unwrap_or_else(|refusal| refusal);
        record.status = Some(answer.status());
        answer.into_response(&method)
    }

    async fn ask(
        self: &Arc<Self>,
        asked: http::Request<Incoming>,
        session: Option<&Session>,
        peer: Peer,
        record: &mut Record<'_>,
    ) -> Result<Answer, Answer> {
        let too_often = |later: Later| Answer::not_so_fast("API rate limit exceeded", later.0);
        self.pace.request(peer, Instant::now()).map_err(too_often)?;
        let host = self.check_host(&asked)?;
        if audit::has_effects(asked.method()) {
            check_page(asked.headers(), host.as_ref())?;
        }
        let (mut head, body) = asked.into_parts();
        let segments = request::segments(head.uri.path()).map_err(|problem| bad(&problem));
        let found = segments.as_ref().map_or(Found::Nothing, |segments| self.endpoints.find(&head.method, segments));
        let needs = if let Found::Endpoint(endpoint) = &found { endpoint.needs } else { Role::Read };
        let author = match self.author(&mut head.headers, session, peer) {
            // Whoever they are, this is for them.
            Err(_) if needs == Role::None => Author { who: Who::Anybody, role: Role::None },
            author => author?,
        };
        let author = record.author.insert(author).clone();
        // Nobody learns what is here and what is not without having come in.
        let segments = segments?;
        let endpoint = match found {
            Found::Endpoint(endpoint) => endpoint,
            Found::Methods(methods) if head.method == Method::OPTIONS => {
                return Ok(Answer::nothing().with(ALLOW, &methods));
            }
            Found::Methods(methods) => return Err(Answer::not_allowed(&methods)),
            Found::Nothing => return Err(Answer::not_found()),
        };
        record.path = endpoint.shown(head.uri.path());
        if author.role < needs {
            let (who, role) = (&author.who, author.role);
            let message = format!("{who} has the role \"{role}\", and this needs \"{needs}\"");
            return Err(Answer::message(StatusCode::FORBIDDEN, &message));
        }
        let query = Query::read(head.uri.query().unwrap_or_default()).map_err(|problem| bad(&problem))?;
        let content_type = content_type(&head.headers)?;
        let (body, _room) = upload::whole(body, endpoint.body_bytes, &self.bodies).await?;
        let method = if head.method == Method::HEAD { Method::GET } else { head.method };
        let request = Request { method, segments, query, headers: head.headers, content_type, body, author, peer };
        let handler: &Handler = &endpoint.handler;
        Ok(handler(Arc::clone(self), request).await)
    }

    fn author(&self, headers: &mut HeaderMap, session: Option<&Session>, peer: Peer) -> Result<Author, Answer> {
        let now = Instant::now();
        let stranger = match self.doors.load().author(headers, session.and_then(Session::identity), peer) {
            Ok(author @ Author { who: Who::Token(_), .. }) => {
                return self.pace.may_guess(peer, now).map(|()| author).map_err(too_many_guesses);
            }
            Ok(author) => return Ok(author),
            Err(stranger) => stranger,
        };
        match stranger {
            Stranger::Nameless => Err(Answer::unauthorized(
                "No credentials: send \"Authorization: Bearer TOKEN\", or \"Kong-Admin-Token: TOKEN\"",
            )),
            Stranger::Unreadable => Err(Answer::unauthorized(
                "Credentials that cannot be read: send one \"Authorization: Bearer TOKEN\" or \"Kong-Admin-Token: TOKEN\"",
            )),
            Stranger::Token => {
                self.pace.may_guess(peer, now).map_err(too_many_guesses)?;
                self.pace.wrong_guess(peer, now);
                tracing::warn!(%peer, "somebody has asked the admin API with a token that nobody has");
                Err(Answer::unauthorized("Invalid credentials: nobody has this token"))
            }
            Stranger::Certificate(subject, fingerprint) => {
                let message = format!(
                    "The certificate {subject} has no role: list it in `admin.clients`, by this subject, or as fingerprint \
                     = \"{fingerprint}\""
                );
                Err(Answer::message(StatusCode::FORBIDDEN, &message))
            }
        }
    }

    /// A page from somewhere else may have its own name lead here (DNS rebinding), and a browser will let it read our
    /// answers; but it has to ask by that name. An address cannot be made to lead elsewhere.
    fn check_host(&self, request: &http::Request<Incoming>) -> Result<Option<Authority>, Answer> {
        let mut hosts = request.headers().get_all(HOST).iter();
        let host = match (hosts.next(), hosts.next()) {
            (Some(host), None) => host.to_str().ok().and_then(|host| host.parse::<Authority>().ok()),
            // No browser speaks HTTP/1.0.
            (None, None) if request.version() == Version::HTTP_10 => return Ok(None),
            _ => None,
        };
        let Some(host) = host.filter(|host| !host.as_str().contains('@')) else {
            return Err(bad("the request needs one valid Host"));
        };
        // What an absolute target names goes before Host (RFC 9112, section 3.2.2), so both have to be ours.
        let names = [Some(&host), request.uri().authority()];
        let doors = self.doors.load();
        if let Some(foreign) = names.into_iter().flatten().find(|name| !doors.has_name(name.host())) {
            let name = foreign.host();
            let message = format!(
                "\"{name}\" is not a name of this admin API: ask it by address, or as localhost, or list the name in \
                 `admin.hosts`"
            );
            return Err(Answer::message(StatusCode::FORBIDDEN, &message));
        }
        Ok(Some(host))
    }
}

fn bad(problem: &str) -> Answer {
    Answer::message(StatusCode::BAD_REQUEST, problem)
}

fn too_many_guesses(later: Later) -> Answer {
    Answer::not_so_fast("Too many wrong tokens have come from this address", later.0)
}

/// A page from somewhere else can have a browser send forms here, which need no permission of ours. It cannot have it
/// leave out where they come from.
fn check_page(headers: &HeaderMap, host: Option<&Authority>) -> Result<(), Answer> {
    let refused = || Answer::message(StatusCode::FORBIDDEN, "A page from elsewhere may not change anything here");
    let mut sites = headers.get_all(SEC_FETCH_SITE).iter();
    if !sites.all(|site| site == "same-origin" || site == "none") {
        return Err(refused());
    }
    for origin in headers.get_all(ORIGIN) {
        let origin = origin.to_str().ok().and_then(|origin| origin.split_once("://"));
        let ours = origin.is_some_and(|(scheme, from)| {
            ["http", "https"].contains(&scheme) && host.is_some_and(|host| host.as_str().eq_ignore_ascii_case(from))
        });
        if !ours {
            return Err(refused());
        }
    }
    Ok(())
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
