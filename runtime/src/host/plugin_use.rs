//! One plugin in a chain, as a use of it was configured: how its hooks are called on an exchange, what their answers
//! mean, and what becomes of the exchange when they fail.

use std::cell::Cell;
use std::sync::Arc;

use bytes::Bytes;
use http::HeaderMap;
use tokio::time::Instant;
use wasmtime::component::{ComponentNamedList, Lift, Lower};

use super::awaited::Awaited;
use super::bindings::tidegate::plugin::types::{ChunkFlow, Verdict};
use super::breaker::{After, Breaker};
use super::calls::{outcome, parse_reply};
use super::chain::Scope;
use super::exchange::{Exchange, Given, ResponseHead};
use super::hook::{self, Decided, Hook};
use super::instance::{CallError, Caller};
use super::plugin::Plugin;
use crate::config::checked::OnFailure;
use crate::error::{Cause, Failure};
use crate::observe::metrics::PluginMetrics;
use crate::store::Space;

/// One plugin in a chain.
#[derive(Clone)]
pub struct Use {
    /// The name it is used by.
    pub name: Arc<str>,
    /// Where it stands.
    pub scope: Scope,
    /// Higher runs earlier.
    pub priority: i32,
    /// What is called.
    pub plugin: Arc<Plugin>,
    /// Whose its counters are: those of this plugin in this scope, whatever changes around them.
    pub space: Space,
    /// What becomes of an exchange when it fails.
    pub on_failure: OnFailure,
    /// What its calls cost.
    pub metrics: Arc<PluginMetrics>,
    /// Stops calling it when it keeps failing, if that was asked for.
    pub breaker: Option<Arc<Breaker>>,
}

/// An answer in place of the upstream's.
pub struct Reply {
    /// Status and header section.
    pub head: ResponseHead,
    /// The whole body.
    pub body: Bytes,
}

/// What becomes of a piece of a body.
pub enum Piece {
    /// It goes on as it is.
    Pass,
    /// This goes on in its place.
    Replace(Bytes),
    /// A plugin answers.
    Reply(Box<Reply>),
}

/// Where a hook is called, and when.
#[derive(Debug, Clone, Copy)]
pub struct Place<'c> {
    /// The worker's number.
    pub worker: usize,
    /// When somebody last looked at the clock: just now. Whoever is called looks when it is done, so that the next one
    /// need not.
    pub clock: &'c Cell<Instant>,
}

impl Use {
    /// Call the request hook. `None`: the exchange goes on.
    ///
    /// # Errors
    /// The plugin failed, and its failures are the exchange's.
    pub async fn on_request(
        &self,
        place: Place<'_>,
        exchange: &mut Box<Exchange>,
    ) -> Result<Option<Box<Reply>>, Failure> {
        let decided = self.decide(&hook::REQUEST, place, exchange).await;
        match exchange.awaited.take() {
            // Boxed, so that the many exchanges that never wait keep no room for it.
            Some(awaited) if matches!(decided, Ok(None)) => Box::pin(self.wait(*awaited, place, exchange)).await,
            _ => decided,
        }
    }

    /// Have the exchange wait for what the hook has said. What fails then is the plugin's failure as any other.
    async fn wait(
        &self,
        awaited: Awaited,
        place: Place<'_>,
        exchange: &mut Box<Exchange>,
    ) -> Result<Option<Box<Reply>>, Failure> {
        let begun = place.clock.get();
        let limit = self.plugin.setup.limits.wait;
        let ended = awaited.end(limit, &self.plugin.component.services, exchange).await;
        let Err(error) = ended else {
            let now = Instant::now();
            place.clock.set(now);
            exchange.plugin_time += now.saturating_duration_since(begun);
            return ended.map_err(|error| self.failure(hook::REQUEST.name, &error));
        };
        let failure = self.settle(&hook::REQUEST, Err::<(), _>(error), exchange, (place, begun));
        failure.or_else(|failure| self.went_wrong(failure, exchange)).map(|()| None)
    }

    /// Call the response hook. `None`: the response goes on.
    ///
    /// # Errors
    /// As for a request.
    pub async fn on_response(
        &self,
        place: Place<'_>,
        exchange: &mut Box<Exchange>,
    ) -> Result<Option<Box<Reply>>, Failure> {
        self.decide(&hook::RESPONSE, place, exchange).await
    }

    /// Edit the response as its request hook has asked for in advance. It calls nobody, so that neither the breaker nor
    /// the metrics have to do with it.
    ///
    /// # Errors
    /// As for a request.
    pub fn edit_response(&self, exchange: &mut Exchange) -> Result<(), Failure> {
        let Exchange { in_advance, response: Some(response), .. } = exchange else { return Ok(()) };
        match in_advance.make(self.space, &mut response.headers) {
            Ok(()) => Ok(()),
            Err(problem) => self.went_wrong(self.failure("edit-answer", &CallError::Failed(problem)), exchange),
        }
    }

    /// Show it a piece of the request's body.
    ///
    /// # Errors
    /// As for a request.
    pub async fn on_request_body(
        &self,
        place: Place<'_>,
        exchange: &mut Box<Exchange>,
        piece: (Bytes, bool),
    ) -> Result<Piece, Failure> {
        self.decide_piece(&hook::REQUEST_BODY, place, exchange, piece).await
    }

    /// Show it a piece of the response's body.
    ///
    /// # Errors
    /// As for a request.
    pub async fn on_response_body(
        &self,
        place: Place<'_>,
        exchange: &mut Box<Exchange>,
        piece: (Bytes, bool),
    ) -> Result<Piece, Failure> {
        self.decide_piece(&hook::RESPONSE_BODY, place, exchange, piece).await
    }

    /// Tell it how the exchange ended. What fails here fails nobody else.
    pub async fn on_log(&self, place: Place<'_>, exchange: &mut Box<Exchange>) {
        if self.is_stopped() {
            return;
        }
        let Some(ended) = &exchange.outcome else { return };
        if exchange.response.is_none() {
            // There is something to be asked for even where nobody was answered.
            let status = http::StatusCode::from_u16(ended.status).unwrap_or_default();
            exchange.response = Some(ResponseHead { status, headers: HeaderMap::new() });
        }
        let begun = place.clock.get();
        let ended = outcome(ended);
        let told = self.call(&hook::LOG, (ended,), place, exchange).await;
        if let Err(failure) = self.settle(&hook::LOG, told, exchange, (place, begun)) {
            self.report(&failure, exchange);
        }
    }

    async fn decide(
        &self,
        hook: &Hook<(), (Verdict,)>,
        place: Place<'_>,
        exchange: &mut Box<Exchange>,
    ) -> Result<Option<Box<Reply>>, Failure> {
        if self.is_stopped() {
            return self.stopped().map(|()| None);
        }
        let begun = place.clock.get();
        // Not by way of `call`: this is what every request pays for.
        let called = if self.plugin.waits() {
            self.call(hook, (), place, exchange).await
        } else {
            self.plugin.call(hook, (), self.caller(place), Some(exchange))
        };
        let given = exchange.given.take();
        let nothing = |what| Err(CallError::Failed(format!("it gave no {what} before it returned")));
        let decided = called.and_then(|(verdict,)| match (verdict, given) {
            (Verdict::Next, _) => Ok(None),
            (Verdict::Reply, Some(Given::Reply(reply))) => Ok(Some(reply)),
            (Verdict::Reply, Some(Given::NoReply(why))) | (Verdict::Failed, Some(Given::Failure(why))) => {
                Err(CallError::Failed(why))
            }
            (Verdict::Reply, _) => nothing("reply"),
            (Verdict::Failed, _) => nothing("reason for its failure"),
        });
        match self.settle(hook, decided, exchange, (place, begun)) {
            Ok(reply) => Ok(reply),
            Err(failure) => self.went_wrong(failure, exchange).map(|()| None),
        }
    }

    async fn decide_piece(
        &self,
        hook: &Hook<(Bytes, bool), Decided<ChunkFlow>>,
        place: Place<'_>,
        exchange: &mut Box<Exchange>,
        piece: (Bytes, bool),
    ) -> Result<Piece, Failure> {
        if self.is_stopped() {
            return self.stopped().map(|()| Piece::Pass);
        }
        let begun = place.clock.get();
        let called = self.call(hook, piece, place, exchange).await;
        let decided = called.and_then(|(flow,)| match flow.map_err(CallError::Failed)? {
            ChunkFlow::Pass => Ok(Piece::Pass),
            ChunkFlow::Replace(bytes) => Ok(Piece::Replace(bytes.into())),
            ChunkFlow::Reply(reply) => parse_reply(reply).map(Piece::Reply).map_err(CallError::Failed),
        });
        match self.settle(hook, decided, exchange, (place, begun)) {
            Ok(piece) => Ok(piece),
            Err(failure) => self.went_wrong(failure, exchange).map(|()| Piece::Pass),
        }
    }

    async fn call<P, R>(
        &self,
        hook: &Hook<P, R>,
        arguments: P,
        place: Place<'_>,
        exchange: &mut Box<Exchange>,
    ) -> Result<R, CallError>
    where
        P: ComponentNamedList + Lower + Send + Sync + 'static,
        R: ComponentNamedList + Lift + Send + Sync + 'static,
    {
        let caller = self.caller(place);
        if self.plugin.waits() {
            // Boxed, so that the many exchanges whose plugins never wait keep no room for it.
            return Box::pin(self.plugin.call_waiting(hook, arguments, caller, Some(exchange))).await;
        }
        self.plugin.call(hook, arguments, caller, Some(exchange))
    }

    fn caller(&self, place: Place<'_>) -> Caller {
        let undoes = self.on_failure == OnFailure::Open;
        Caller { thread: place.worker, space: self.space, undoes }
    }

    /// Make of a call's end what it means for the use and for the exchange.
    fn settle<P, R, T>(
        &self,
        hook: &Hook<P, R>,
        ended: Result<T, CallError>,
        exchange: &mut Exchange,
        (place, begun): (Place<'_>, Instant),
    ) -> Result<T, Failure> {
        let now = Instant::now();
        place.clock.set(now);
        let time = now.saturating_duration_since(begun);
        exchange.plugin_time += time;
        self.metrics.called(place.worker, hook.number, time, ended.is_err());
        match ended {
            Ok(decided) => {
                exchange.before = None;
                if let Some(breaker) = &self.breaker {
                    breaker.succeeded();
                }
                Ok(decided)
            }
            Err(error) => {
                exchange.undo();
                exchange.in_advance.forget(self.space);
                let failure = self.failure(hook.name, &error);
                if self.breaker.as_ref().is_some_and(|breaker| breaker.failed() == After::Tripped) {
                    tracing::error!(plugin = &*self.name, "tripped: it is not called for a while. {}", failure.detail);
                }
                Err(failure)
            }
        }
    }

    fn is_stopped(&self) -> bool {
        self.breaker.as_ref().is_some_and(|breaker| breaker.is_open())
    }

    fn stopped(&self) -> Result<(), Failure> {
        match self.on_failure {
            OnFailure::Open => Ok(()),
            OnFailure::Closed => {
                let story = format!("plugin {}: it kept failing, and is not called for a while", self.name);
                Err(Failure::new(Cause::PluginTripped, story))
            }
        }
    }

    /// Whether the exchange goes on without this plugin's word.
    fn went_wrong(&self, failure: Failure, exchange: &Exchange) -> Result<(), Failure> {
        match self.on_failure {
            OnFailure::Closed => Err(failure),
            OnFailure::Open => {
                self.report(&failure, exchange);
                Ok(())
            }
        }
    }

    /// Say of a failure that nobody else will speak of.
    fn report(&self, failure: &Failure, exchange: &Exchange) {
        let (plugin, code, request_id) = (&*self.name, failure.cause.code(), exchange.id.to_string());
        let route = exchange.route.as_ref().map(|route| &*route.name);
        tracing::warn!(plugin, code, request_id, route, "{}; the exchange goes on without", failure.detail);
    }

    fn failure(&self, hook: &str, error: &CallError) -> Failure {
        let cause = match error {
            CallError::Failed(_) | CallError::Trapped(_) => Cause::PluginFailed,
            CallError::TimedOut | CallError::Overdue(_) => Cause::PluginTimedOut,
            CallError::OutOfMemory => Cause::PluginMemory,
            CallError::Busy(_) | CallError::NoRoom(_) => Cause::GatewayOverloaded,
        };
        Failure::new(cause, format!("plugin {}, {hook}: {error}", self.name))
    }
}
