//! An exchange that has begun and is not over. Whatever ends it - its last byte, a failure, a client that goes away - it
//! is over when this is dropped, and that is when it is counted and logged: always, and off the client's latency.

use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use http::header::{REFERER, USER_AGENT};
use http::uri::PathAndQuery;
use http::{HeaderValue, Method, Version, request};
use tokio::time::Instant;

use super::body::{FromClient, Upload};
use super::connection::Client;
use super::hooks;
use super::tunnel::Upgrade;
use crate::error::{Cause, Failure, Phase};
use crate::host::chain::Chain;
use crate::host::exchange::{Ended, Exchange, RequestId};
use crate::observe::Attempt;
use crate::observe::metrics::OpenExchange;

/// One exchange, from its request's head to its response's last byte.
pub(super) struct Ongoing {
    /// What plugins see of it.
    pub(super) exchange: Box<Exchange>,
    pub(super) journal: Journal,
    /// The request's body, until it is sent on.
    pub(super) body: Option<FromClient>,
    /// What the client wants to switch to.
    pub(super) upgrade: Option<Upgrade>,
    pub(super) client: Rc<Client>,
    /// Whose log hooks are to be told when it is over.
    pub(super) log: Option<Arc<Chain>>,
    _counted: OpenExchange,
}

/// What is remembered of an exchange for the log and the metrics.
pub(super) struct Journal {
    /// The request's id, as answers and upstreams get it.
    pub(super) id: HeaderValue,
    pub(super) begun: Instant,
    pub(super) method: Method,
    /// As the client sent it.
    pub(super) target: PathAndQuery,
    pub(super) host: Option<HeaderValue>,
    pub(super) user_agent: Option<HeaderValue>,
    pub(super) referer: Option<HeaderValue>,
    pub(super) version: Version,
    pub(super) upload: Option<Rc<Upload>>,
    /// Bytes that the client has sent through a tunnel.
    pub(super) tunnelled: u64,
    /// What the upstream is asked for, if a plugin wants to know when it is over.
    pub(super) upstream_target: Option<PathAndQuery>,
    /// What the next attempt's name took to be resolved.
    pub(super) dns: Option<Duration>,
    pub(super) attempts: Vec<Attempt>,
    pub(super) upstream_status: Option<u16>,
    /// From the request's being sent on to the head of the response.
    pub(super) upstream: Option<Duration>,
    /// Until the answer's head was handed over.
    pub(super) answered: Duration,
    pub(super) status: u16,
    pub(super) sent: u64,
    pub(super) failure: Option<Failure>,
    pub(super) stage: Stage,
}

/// Whether an exchange will have a line in the access log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Logged {
    Yes,
    No,
}

/// How far an exchange has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stage {
    /// Its answer is being found.
    Asked,
    /// Its answer is on its way.
    Answered,
    /// All of the answer was handed over.
    Complete,
}

impl Journal {
    /// Begin with the request as the client sent it.
    /// What only the access log wants is left out unless there is one.
    pub(super) fn new(
        id: RequestId,
        begun: Instant,
        head: &request::Parts,
        target: PathAndQuery,
        logged: Logged,
    ) -> Self {
        let field = |name| if logged == Logged::Yes { head.headers.get(name).cloned() } else { None };
        Self {
            id: id.to_header(),
            begun,
            method: head.method.clone(),
            target,
            host: None,
            user_agent: field(USER_AGENT),
            referer: field(REFERER),
            version: head.version,
            upload: None,
            tunnelled: 0,
            upstream_target: None,
            dns: None,
            attempts: Vec::new(),
            upstream_status: None,
            upstream: None,
            answered: Duration::ZERO,
            status: 0,
            sent: 0,
            failure: None,
            stage: Stage::Asked,
        }
    }
}

impl Journal {
    /// Bytes that the client has sent behind its request's head.
    pub(super) fn received(&self) -> u64 {
        self.upload.as_ref().map_or(self.tunnelled, |upload| upload.received())
    }

    /// The response's body broke off.
    pub(super) fn broken_off(&self, cause: Cause, error: &dyn std::fmt::Display) -> Failure {
        let target = self.attempts.last().map(|last| format!("{}: ", last.address)).unwrap_or_default();
        Failure::new(cause, format!("{target}the response's body broke off: {error}")).during(Phase::Body)
    }
}

impl Ongoing {
    pub(super) fn new(exchange: Box<Exchange>, journal: Journal, body: FromClient, client: &Rc<Client>) -> Box<Self> {
        client.in_flight.begin();
        let _counted = client.worker.observer.exchange();
        let (body, client) = (Some(body), Rc::clone(client));
        Box::new(Self { exchange, journal, body, upgrade: None, client, log: None, _counted })
    }

    /// Should plugins of `chain` keep a log, they are told when the exchange is over.
    pub(super) fn keep_for_log(&mut self, chain: &Arc<Chain>) {
        self.log = chain.needs().log.then(|| Arc::clone(chain));
    }

    /// The first failure is the one that counts.
    pub(super) fn fail(&mut self, failure: Failure) {
        self.journal.failure.get_or_insert(failure);
    }

    /// The answer's head is handed over.
    pub(super) fn answered(&mut self) {
        self.journal.stage = Stage::Answered;
    }

    /// So much of the answer's body is handed over.
    pub(super) fn sent(&mut self, bytes: usize) {
        self.journal.sent += bytes as u64;
    }

    /// All of the answer is handed over.
    pub(super) fn complete(&mut self) {
        self.journal.stage = Stage::Complete;
        if let Some(upload) = &self.journal.upload {
            upload.close();
        }
    }
}

impl Drop for Ongoing {
    fn drop(&mut self) {
        let now = self.client.worker.look_at_the_clock();
        self.client.in_flight.end();
        // Not when the last log hook is done: whoever waits for a place has waited for this.
        self.exchange.places.clear();
        let journal = &mut self.journal;
        if journal.stage == Stage::Asked {
            journal.answered = now.saturating_duration_since(journal.begun);
        }
        if journal.stage != Stage::Complete && journal.failure.is_none() {
            let phase = if journal.stage == Stage::Answered { Phase::Body } else { Phase::Response };
            let failure = Failure::new(Cause::ClientClosed, "the client went away").during(phase);
            journal.failure = Some(failure);
        }
        if journal.failure.as_ref().is_some_and(|failure| failure.cause == Cause::ClientClosed) {
            journal.status = Cause::ClientClosed.row().status.as_u16();
        }
        self.client.worker.observer.over(self, now);
        if let Some(chain) = self.log.take() {
            self.tell(chain, now);
        }
    }
}

impl Ongoing {
    /// Have the log hooks run once whoever is at work here is done, so that nobody waits for them.
    fn tell(&mut self, chain: Arc<Chain>, now: Instant) {
        let journal = &mut self.journal;
        let total = now.saturating_duration_since(journal.begun);
        let ended = Ended {
            begun: SystemTime::now().checked_sub(total).unwrap_or(SystemTime::UNIX_EPOCH),
            status: journal.status,
            upstream_status: journal.upstream_status,
            failure: journal.failure.as_ref().map(|failure| failure.cause.code()),
            answered: journal.answered,
            upstream: journal.upstream,
            plugins: self.exchange.plugin_time,
            total,
            received: journal.received(),
            sent: journal.sent,
            method: journal.method.clone(),
            target: journal.target.clone(),
            upstream_target: journal.upstream_target.take(),
            attempts: std::mem::take(&mut journal.attempts),
        };
        let mut exchange = Box::new(Exchange::vacant());
        std::mem::swap(&mut exchange, &mut self.exchange);
        exchange.outcome = Some(Box::new(ended));
        let worker = &self.client.worker;
        // The drain waits for it.
        worker.connections.spawn_local(hooks::on_log(chain, worker.id, exchange));
    }
}
