//! What operators and their machines may ask the gateway, and have it change: metrics, status, failures, and Kong's
//! entities. A small server of the control plane's; no request of a client's ever waits for it.

use std::pin::Pin;
use std::sync::Arc;
use std::time::Instant;

use arc_swap::ArcSwap;
use http::{Method, StatusCode};
use serde::Serialize;
use tokio::sync::Semaphore;

use crate::component_files::ComponentFiles;
use crate::host::catalogue::{Catalogue, Described};
use crate::limits;
use crate::observe::failures::Failures;
use crate::observe::metrics::{Extra, Health, Metrics, TargetState};
use crate::proposal::Configuration;

pub mod answer;
mod audit;
pub mod body;
mod change;
mod components;
mod config;
pub mod doors;
mod entities;
pub mod form;
mod generations;
pub mod health;
mod intake;
pub mod listener;
mod log;
pub mod multipart;
pub mod pace;
mod query;
pub mod request;
mod root;
pub mod router;
mod schemas;
mod server;
mod upload;

use answer::Answer;
use doors::Doors;
use health::UpstreamHealth;
use pace::Pace;
use request::{Query, Request, Role};
use router::Router;

/// What the answers are made of.
pub struct Admin {
    /// The process's.
    pub metrics: Arc<Metrics>,
    /// The process's.
    pub failures: Arc<Failures>,
    /// The rest, which changes as the gateway runs.
    pub gateway: Arc<dyn View>,
    /// What is looked at and changed.
    pub configuration: Configuration,
    /// Plugin files that were uploaded.
    pub component_files: ComponentFiles,
    /// What the bundled plugins say of themselves.
    pub catalogue: Arc<Catalogue>,
    /// The gateway's version.
    pub version: &'static str,
    /// Worker threads.
    pub workers: usize,
    /// When the gateway started.
    pub started: Instant,
    /// Who may come in; changes with the configuration.
    pub doors: Arc<ArcSwap<Doors>>,
    /// How often.
    pub pace: Pace,
    /// Room for bodies, in KiB.
    pub bodies: Semaphore,
    /// What can be asked.
    pub endpoints: Router<Handler>,
    /// One scrape at a time: each takes memory and a thread.
    pub scrapes: Semaphore,
}

/// The gateway as seen from here. Nothing in it may block.
pub trait View: Send + Sync + 'static {
    /// The live generation's number.
    fn generation(&self) -> u64;
    /// Whether clients should be sent here.
    fn readiness(&self) -> Readiness;
    /// Lines of the access log that were lost.
    fn access_log_dropped(&self) -> u64;
    /// The plugins beyond the bundled ones.
    fn components(&self) -> Vec<ComponentInfo>;
    /// What the one of them that uses call so says of itself.
    fn described(&self, component: &str) -> Option<Described>;
    /// All targets of the live generation.
    fn targets(&self) -> Vec<TargetState>;
    /// The upstream of this name.
    fn upstream(&self, name: &str) -> Option<UpstreamHealth>;
    /// Have these of that upstream, each a target and its address, be so, until checks find otherwise.
    fn set_health(&self, upstream: &str, addresses: &[(String, String)], health: Health);
}

/// A plugin beyond the bundled ones, as it is loaded.
#[derive(Debug, Clone, Serialize)]
pub struct ComponentInfo {
    /// What uses call it.
    pub name: String,
    /// What it calls itself.
    pub plugin: String,
    /// Its own version.
    pub version: String,
    /// Its place in a chain.
    pub priority: i32,
    /// SHA-256 of its file.
    pub sha256: String,
}

/// Whether clients should be sent here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Readiness {
    /// They should.
    Ready,
    /// They should not: the gateway finishes what it has, then stops.
    Draining,
}

impl Admin {
    /// With doors that stand open to this machine, until `doors` is given others.
    pub fn new(
        (metrics, failures): (Arc<Metrics>, Arc<Failures>),
        gateway: Arc<dyn View>,
        configuration: Configuration,
        (component_files, catalogue): (ComponentFiles, Catalogue),
        workers: usize,
    ) -> Self {
        Self {
            metrics,
            failures,
            gateway,
            configuration,
            component_files,
            catalogue: Arc::new(catalogue),
            version: env!("CARGO_PKG_VERSION"),
            workers,
            started: Instant::now(),
            doors: Arc::default(),
            pace: Pace::default(),
            bodies: Semaphore::new(limits::ADMIN_BODIES_KIB as usize),
            endpoints: endpoints(),
            scrapes: Semaphore::new(1),
        }
    }

    async fn metrics(&self) -> Answer {
        let _permit = self.scrapes.acquire().await;
        let extra = Extra {
            version: self.version,
            generation: self.gateway.generation(),
            access_log_dropped: self.gateway.access_log_dropped(),
            targets: self.gateway.targets(),
        };
        let metrics = Arc::clone(&self.metrics);
        match tokio::task::spawn_blocking(move || metrics.render(extra)).await {
            Ok(page) => Answer::new(StatusCode::OK, Metrics::CONTENT_TYPE, page),
            Err(error) => {
                tracing::error!(%error, "no metrics");
                Answer::message(StatusCode::INTERNAL_SERVER_ERROR, "An unexpected error occurred")
            }
        }
    }

    fn status(&self) -> Answer {
        let totals = self.metrics.totals();
        Answer::json(
            StatusCode::OK,
            &serde_json::json!({
                "version": self.version,
                "generation": self.gateway.generation(),
                "uptime_seconds": self.started.elapsed().as_secs(),
                "workers": self.workers,
                "connections": { "open": totals.connections_open, "total": totals.connections },
                "requests": { "active": totals.exchanges, "total": totals.requests },
            }),
        )
    }

    fn ready(&self) -> Answer {
        match self.gateway.readiness() {
            Readiness::Ready => Answer::json(StatusCode::OK, &serde_json::json!({ "ready": true })),
            Readiness::Draining => Answer::json(
                StatusCode::SERVICE_UNAVAILABLE,
                &serde_json::json!({ "ready": false, "message": "draining" }),
            ),
        }
    }

    /// A list as Kong's admin API shows lists.
    fn failures(&self, query: &Query) -> Answer {
        match query::failures(query) {
            Ok(query) => {
                let failures = self.failures.list(&query);
                let list: Vec<_> = failures.iter().map(|failed| &**failed).collect();
                Answer::json(StatusCode::OK, &serde_json::json!({ "data": list, "next": null }))
            }
            Err(problem) => Answer::message(StatusCode::BAD_REQUEST, &problem),
        }
    }
}

/// What is answered where it is asked for.
fn endpoints() -> Router<Handler> {
    let mut endpoints = Router::default();
    endpoints.add(Method::GET, "/metrics", Role::Read, handler(|admin, _| async move { admin.metrics().await }));
    endpoints.add(Method::GET, "/status", Role::Read, handler(|admin, _| async move { admin.status() }));
    endpoints.add(Method::GET, "/ready", Role::None, handler(|admin, _| async move { admin.ready() }));
    let failures = handler(|admin, request| async move { admin.failures(&request.query) });
    endpoints.add(Method::GET, "/failures", Role::Read, failures);
    for add in
        [root::add, entities::add, schemas::add, generations::add, components::add, config::add, health::add, log::add]
    {
        add(&mut endpoints);
    }
    endpoints
}

/// What is done for a request that has come in.
pub type Handler = Box<dyn Fn(Arc<Admin>, Request) -> Answering + Send + Sync>;

/// An answer on its way.
pub type Answering = Pin<Box<dyn Future<Output = Answer> + Send>>;

/// `ask` as an endpoint of a [`Router`].
fn handler<A>(ask: impl Fn(Arc<Admin>, Request) -> A + Send + Sync + 'static) -> Handler
where
    A: Future<Output = Answer> + Send + 'static,
{
    Box::new(move |admin, request| Box::pin(ask(admin, request)))
}

#[cfg(test)]
mod tests;
