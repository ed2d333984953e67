//! What plugins see and change of one request and its answer. The proxy makes it, lends it to each hook by moving it
//! into the plugin's store and back (a pointer's worth of copying), and forwards what is left.

mod head;

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use http::header::HeaderMap;
use http::uri::PathAndQuery;
use http::{Method, Version};

pub use head::{RequestHead, RequestId, ResponseHead, Scheme, protocol};

use super::awaited::Awaited;
use super::edits::InAdvance;
use super::instance::Instance;
use super::plugin_use::Reply;
use super::scratch::Scratch;
use crate::identity::{Authenticated, Identities};
use crate::observe::Attempt;
use crate::proxy::route::Captures;
use crate::snapshot::{Route, Snapshot};
use crate::store::Space;
use crate::store::places::Place;
use crate::tls::session::Session;
use crate::upstreams::Upstream;

/// One request on its way, and its answer once there is one.
pub struct Exchange {
    /// The same in logs, in answers and at the upstream.
    pub id: RequestId,
    /// Who sent the request, as far as trusted proxies tell.
    pub client: SocketAddr,
    /// What the client connected to.
    pub local: SocketAddr,
    /// How it was sent, likewise.
    pub scheme: Scheme,
    /// The connection's TLS, if there is any.
    pub tls: Option<Arc<Session>>,
    /// What the named groups of the route's regex found in the path.
    pub captures: Captures,
    /// The request, as edited so far.
    pub request: RequestHead,
    /// Its body, as far as plugins have to do with it.
    pub request_body: Content,
    /// How many bytes of a body the client has announced: 0 for none, `None` if its end will tell.
    pub announced: Option<u64>,
    /// Most bytes of it that may come, if a plugin has said so.
    pub body_limit: Option<u64>,
    /// The answer, as edited so far; `None` until response hooks run.
    pub response: Option<ResponseHead>,
    /// Its body, likewise.
    pub response_body: Content,
    /// How plugins want the answer edited, as they have said before there was one.
    pub(super) in_advance: InAdvance,
    /// Where both are on their way, which says what may still be changed.
    pub progress: Progress,
    /// The generation it belongs to, until request hooks have run: a long answer lets go of what it does not need.
    pub generation: Option<Arc<Snapshot>>,
    /// Where the request goes, once that is known.
    pub route: Option<Arc<Route>>,
    /// Who answers instead of the service's upstream, if a plugin has said so.
    pub upstream: Option<Arc<Upstream>>,
    /// Who sent it, once a plugin has found out.
    pub authenticated: Option<Authenticated>,
    /// Whether the upstream is not told the consumer's groups.
    pub hides_groups: bool,
    /// Who may come in at all.
    pub identities: Arc<Identities>,
    /// What plugins keep from hook to hook.
    pub scratch: Scratch,
    /// What plugins took so far, waiting included.
    pub plugin_time: Duration,
    /// Places that plugins have it hold until it is over.
    pub places: Vec<Place>,
    /// What the hook that runs, or has just run, has it wait for.
    pub(super) awaited: Option<Box<Awaited>>,
    /// How it ended, once it has.
    pub outcome: Option<Box<Ended>>,
    /// Instances that this exchange has to itself, by the use they are of. Far fewer than would be worth a map.
    isolated: Vec<(Space, Instance)>,
    /// What goes with the verdict of the call under way, if it has said so.
    pub(super) given: Option<Given>,
    /// As it was before the call under way, if that has changed something and may have to be undone.
    pub(super) before: Option<Box<Before>>,
}

impl Exchange {
    /// One that has just come.
    pub fn new(
        id: RequestId,
        client: SocketAddr,
        scheme: Scheme,
        tls: Option<Arc<Session>>,
        request: RequestHead,
        identities: Arc<Identities>,
    ) -> Self {
        Self {
            id,
            client,
            local: NOBODY,
            scheme,
            tls: tls.or_else(|| identities.presumed_session.clone()),
            captures: Captures::default(),
            request,
            request_body: Content::default(),
            announced: Some(0),
            body_limit: None,
            response: None,
            response_body: Content::default(),
            in_advance: InAdvance::default(),
            progress: Progress::Request,
            generation: None,
            route: None,
            upstream: None,
            authenticated: identities.presumed.clone(),
            hides_groups: false,
            scratch: Scratch::of(&identities.presumed_words),
            identities,
            plugin_time: Duration::ZERO,
            places: Vec::new(),
            awaited: None,
            outcome: None,
            isolated: Vec::new(),
            given: None,
            before: None,
        }
    }

    /// None at all: stands where one has been taken away.
    pub fn vacant() -> Self {
        let request = RequestHead {
            method: Method::GET,
            target: PathAndQuery::from_static("/"),
            version: Version::HTTP_11,
            headers: HeaderMap::new(),
            is_final: false,
        };
        Self::new(RequestId::NONE, NOBODY, Scheme::Http, None, request, Arc::default())
    }

    /// The same exchange for hooks that run beside it, on pieces of a body: its heads are past changing, its scratch is
    /// shared.
    pub fn beside(&mut self) -> Box<Self> {
        let (tls, identities) = (self.tls.clone(), Arc::clone(&self.identities));
        Box::new(Self {
            local: self.local,
            captures: self.captures.clone(),
            announced: self.announced,
            response: self.response.clone(),
            progress: Progress::Body,
            route: self.route.clone(),
            authenticated: self.authenticated.clone(),
            scratch: self.scratch.share(),
            ..Self::new(self.id, self.client, self.scheme, tls, self.request.clone(), identities)
        })
    }

    /// Let it in as the consumer of this name, with nothing shown: as one who is known, or as all whom nobody knows.
    ///
    /// # Errors
    /// There is none.
    pub(super) fn authenticate_as(&mut self, username: &str, anonymously: bool) -> Result<(), String> {
        let consumer = self.identities.by_username(username).cloned();
        let consumer = consumer.ok_or_else(|| format!("there is no consumer {username:?}"))?;
        self.authenticated =
            Some(if anonymously { Authenticated::Anonymously(consumer) } else { Authenticated::As(consumer) });
        Ok(())
    }

    /// How many bytes the request's body has, if that is known.
    pub fn body_length(&self) -> Option<u64> {
        self.request_body.bytes().map_or(self.announced, |bytes| Some(bytes.len() as u64))
    }

    /// Whether plugins have said before there was an answer how it is to be edited.
    pub fn is_edited_in_advance(&self) -> bool {
        !self.in_advance.is_empty()
    }

    /// The instance of this use that the exchange has to itself, if it has been called before.
    pub(super) fn take_instance(&mut self, space: Space) -> Option<Instance> {
        let at = self.isolated.iter().position(|(owner, _)| *owner == space)?;
        Some(self.isolated.swap_remove(at).1)
    }

    pub(super) fn keep_instance(&mut self, space: Space, instance: Instance) {
        self.isolated.push((space, instance));
    }

    /// Let go of the instances that the exchange has had to itself: its response's head is complete.
    pub fn drop_instances(&mut self) {
        self.isolated.clear();
    }

    /// Keep what a call may change as it is now, unless that was done already.
    pub(super) fn remember(&mut self) {
        if self.before.is_none() {
            self.before = Some(Box::new(Before {
                request: self.request.clone(),
                request_body: self.request_body.clone(),
                body_limit: self.body_limit,
                response: self.response.clone(),
                response_body: self.response_body.clone(),
                upstream: self.upstream.clone(),
                authenticated: self.authenticated.clone(),
                hides_groups: self.hides_groups,
            }));
        }
    }

    /// Undo what was changed since [`Self::remember`].
    pub(super) fn undo(&mut self) {
        if let Some(before) = self.before.take() {
            let Before {
                request,
                request_body,
                body_limit,
                response,
                response_body,
                upstream,
                authenticated,
                hides_groups,
            } = *before;
            (self.request, self.request_body, self.body_limit) = (request, request_body, body_limit);
            (self.response, self.response_body) = (response, response_body);
            (self.upstream, self.authenticated) = (upstream, authenticated);
            self.hides_groups = hides_groups;
        }
    }
}

/// What a plugin hands over before its verdict.
pub(super) enum Given {
    Reply(Box<Reply>),
    /// A reply that cannot be sent, and why.
    NoReply(String),
    /// Why it has failed.
    Failure(String),
}

const NOBODY: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::UNSPECIFIED), 0);

/// What a call may change, as it was.
pub(super) struct Before {
    request: RequestHead,
    request_body: Content,
    body_limit: Option<u64>,
    response: Option<ResponseHead>,
    response_body: Content,
    upstream: Option<Arc<Upstream>>,
    authenticated: Option<Authenticated>,
    hides_groups: bool,
}

/// How far an exchange has come, as plugins are concerned.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Progress {
    /// Request hooks run: the request may be changed, and there is no response.
    Request,
    /// Response hooks run: the request has been sent, the response may be changed.
    Response,
    /// Pieces of a body go on their way: both heads are past changing.
    Body,
    /// It is over.
    Over,
}

/// A body, as far as plugins have to do with it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Content {
    /// It is not here: it is on its way, or there is none.
    #[default]
    Elsewhere,
    /// All of it, as it came.
    Whole(Bytes),
    /// What a plugin has put in its place.
    Replaced(Bytes),
}

impl Content {
    /// The bytes, if they are here.
    pub fn bytes(&self) -> Option<&Bytes> {
        match self {
            Self::Elsewhere => None,
            Self::Whole(bytes) | Self::Replaced(bytes) => Some(bytes),
        }
    }
}

/// How an exchange ended, as the access log has it.
#[derive(Debug, Clone)]
pub struct Ended {
    /// When its request came.
    pub begun: SystemTime,
    /// 499 if the client went away.
    pub status: u16,
    /// What the upstream said, if it said anything.
    pub upstream_status: Option<u16>,
    /// The cause's code, if it failed.
    pub failure: Option<&'static str>,
    /// From the request's head to the answer's.
    pub answered: Duration,
    /// Of this, the upstream's part.
    pub upstream: Option<Duration>,
    /// Of this, what plugins took.
    pub plugins: Duration,
    /// Until the answer's last byte.
    pub total: Duration,
    /// Bytes of the request's body.
    pub received: u64,
    /// Bytes of the response's body.
    pub sent: u64,
    /// As the client sent it.
    pub method: Method,
    /// Path and query, as the client sent them.
    pub target: PathAndQuery,
    /// Path and query as the upstream got them, if one was asked.
    pub upstream_target: Option<PathAndQuery>,
    /// Everything that was tried to reach the upstream, in order.
    pub attempts: Vec<Attempt>,
}
