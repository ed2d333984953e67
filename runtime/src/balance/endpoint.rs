//! One address of one target, and a request's hold on it.

use std::fmt;
use std::ops::Deref;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, SystemTime};

use super::clock;
use super::health::{Forced, Gate, Outcome, Sent, Standing, Verdict};
use super::lineage::{Lineage, Live};
use super::{Active, Address, Settings};

/// One address of one target, as one generation has it; what is known of it is shared with all others.
pub struct Endpoint {
    /// Unique in the process and never reused; the same for the same target and address in every generation.
    pub id: u32,
    /// The target as configured, "orders.internal:8080".
    pub name: Arc<str>,
    /// Where it listens.
    pub address: Address,
    /// Its part of the target's weight, rounded; 0 only if the target's is.
    pub weight: u16,
    /// The same in parts of `WEIGHT_PARTS`, which is what balancing goes by.
    portion: u32,
    live: Arc<Live>,
    common: Arc<Common>,
}

/// What all endpoints of one generation of an upstream share.
pub(super) struct Common {
    pub(super) upstream: Arc<str>,
    pub(super) settings: Settings,
    pub(super) lineage: Arc<Lineage>,
}

/// What one weight is divided into: up to ten addresses share a target's weight without rounding.
pub(super) const WEIGHT_PARTS: u32 = 2520;

/// An endpoint at some moment, for the admin API and metrics.
#[derive(Debug, Clone)]
pub struct Status {
    /// Whether requests may go to it.
    pub standing: Standing,
    /// What was decided by hand, if anything.
    pub forced: Forced,
    /// Why it stands so; `None`: it has never stood otherwise.
    pub why: Option<Arc<str>>,
    /// Since when.
    pub since: SystemTime,
    /// Requests it is serving for this process.
    pub in_flight: u32,
    /// Peak EWMA of its time to a response's head; `None`: nothing recent is known.
    pub latency: Option<Duration>,
    /// How far it is in its slow start, from 0.1; 1 is all the way.
    pub share: f64,
}

/// How a request failed before there was a response's head.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Failed {
    /// No connection came about.
    Connect,
    /// It took too long.
    Timeout,
    /// The connection was closed or reset.
    Reset,
    /// The answer is none.
    Protocol,
}

impl fmt::Display for Failed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Connect => "connection failed",
            Self::Timeout => "timed out",
            Self::Reset => "connection closed or reset",
            Self::Protocol => "invalid answer",
        })
    }
}

impl Endpoint {
    pub(super) fn new(name: Arc<str>, address: Address, portion: u32, live: Arc<Live>, common: Arc<Common>) -> Self {
        let rounded = portion.saturating_add(WEIGHT_PARTS / 2) / WEIGHT_PARTS;
        let weight = u16::try_from(rounded).unwrap_or(u16::MAX).max(u16::from(portion > 0));
        Self { id: live.id, name, address, weight, portion, live, common }
    }

    /// How it is.
    pub fn status(&self) -> Status {
        let (standing, forced, why, since) = self.live.health.report();
        let (standing, why) = match self.standing() {
            Standing::Healthy if standing == Standing::Unhealthy => (Standing::Healthy, None),
            now => (now, why),
        };
        let latency = self.live.latency.at(clock::now()).map(|micros| Duration::from_micros(micros.round() as u64));
        Status { standing, forced, why, since, in_flight: self.in_flight(), latency, share: self.share() }
    }

    /// Decide over its health by hand, until `Forced::None` hands it back to requests and probes; they then start
    /// anew, with a healthy endpoint.
    pub fn force(&self, forced: Forced) {
        self.note(self.live.health.force(forced));
    }

    /// Whether requests may go to it. What checks that are no longer configured once found does not count.
    pub(super) fn standing(&self) -> Standing {
        let settings = &self.common.settings;
        match self.live.health.gate() {
            Gate::Open => Standing::Healthy,
            Gate::Trial(_) if settings.passive.is_none() => Standing::Healthy,
            Gate::ShutByProbes if settings.active.is_none() => Standing::Healthy,
            Gate::Trial(_) | Gate::ShutByProbes | Gate::ShutByHand => Standing::Unhealthy,
        }
    }

    /// When the next request for trial may go to it, if it is ejected.
    pub(super) fn trial_due(&self) -> Option<u64> {
        match self.live.health.gate() {
            Gate::Trial(due) if self.common.settings.passive.is_some() => Some(due),
            _ => None,
        }
    }

    /// The trial that is due at `due`, for the first who asks.
    pub(super) fn trial(self: &Arc<Self>, due: u64) -> Option<Pick> {
        let recover = self.common.settings.passive.as_ref()?.recover;
        let lease = clock::now().saturating_add(clock::millis(recover).max(1));
        self.live.health.claim(due, lease).then(|| Pick::new(Arc::clone(self), Some(lease)))
    }

    pub(super) fn probed(&self, active: &Active, verdict: Verdict) {
        self.note(self.live.health.probed(active, verdict));
    }

    pub(super) fn portion(&self) -> u32 {
        self.portion
    }

    pub(super) fn in_flight(&self) -> u32 {
        self.live.in_flight.load(Ordering::Relaxed)
    }

    /// Microseconds, if anything recent is known.
    pub(super) fn latency(&self, now: u64) -> Option<f32> {
        self.live.latency.at(now)
    }

    /// Begin the slow start.
    pub(super) fn rise(&self) {
        self.live.rising_since.store(clock::now(), Ordering::Relaxed);
    }

    /// How much of its weight counts: from a tenth up to 1 during the slow start.
    pub(super) fn share(&self) -> f64 {
        let since = self.live.rising_since.load(Ordering::Relaxed);
        if since == 0 {
            return 1.0;
        }
        let Some(period) = self.common.settings.slow_start else { return 1.0 };
        let (elapsed, period) = (clock::now().saturating_sub(since), clock::millis(period));
        if elapsed >= period {
            // Over: the next pick need not look at the clock. Should it fail, another slow start has just begun.
            let _ = self.live.rising_since.compare_exchange(since, 0, Ordering::Relaxed, Ordering::Relaxed);
            return 1.0;
        }
        0.1 + 0.9 * elapsed as f64 / period as f64
    }

    fn note(&self, outcome: Outcome) {
        let Common { upstream, lineage, .. } = &*self.common;
        let Self { name, address, .. } = self;
        match outcome {
            Outcome::Same => {}
            Outcome::Moved => lineage.changed(),
            Outcome::Fell(why) => {
                lineage.changed();
                tracing::warn!(%upstream, endpoint = %name, %address, %why, "endpoint is unhealthy");
            }
            Outcome::Rose(why) => {
                self.rise();
                lineage.changed();
                tracing::info!(%upstream, endpoint = %name, %address, %why, "endpoint is healthy again");
            }
        }
    }
}

impl fmt::Debug for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { id, name, address, weight, .. } = self;
        write!(f, "Endpoint {id} {name} {address} weight {weight}")
    }
}

/// A request's hold on an endpoint: it counts as in flight until this is dropped.
#[derive(Debug)]
pub struct Pick {
    endpoint: Arc<Endpoint>,
    /// The request is the trial of an ejected endpoint, which is its own until then.
    trial: Option<u64>,
}

impl Pick {
    pub(super) fn new(endpoint: Arc<Endpoint>, trial: Option<u64>) -> Self {
        endpoint.live.in_flight.fetch_add(1, Ordering::Relaxed);
        Self { endpoint, trial }
    }

    /// The response's head came, `wait` after the request was sent.
    pub fn answered(&self, status: u16, wait: Duration) {
        let Endpoint { live, common, .. } = &**self.endpoint();
        live.latency.observe(wait);
        let Some(passive) = &common.settings.passive else { return };
        if passive.statuses.contains(&status) {
            let how = format_args!("status {status}");
            self.endpoint.note(live.health.failed(passive, &how, self.sent()));
        } else if self.trial.is_some() {
            self.endpoint.note(live.health.passed(status));
        }
    }

    /// No response's head came.
    pub fn failed(&self, how: Failed) {
        let Endpoint { live, common, .. } = &**self.endpoint();
        live.latency.failed();
        if let Some(passive) = &common.settings.passive {
            self.endpoint.note(live.health.failed(passive, &how, self.sent()));
        }
    }

    /// Where the request goes.
    pub fn endpoint(&self) -> &Arc<Endpoint> {
        &self.endpoint
    }

    fn sent(&self) -> Sent {
        if self.trial.is_some() { Sent::ForTrial } else { Sent::Ordinarily }
    }
}

impl Deref for Pick {
    type Target = Arc<Endpoint>;

    fn deref(&self) -> &Arc<Endpoint> {
        &self.endpoint
    }
}

impl Drop for Pick {
    fn drop(&mut self) {
        self.endpoint.live.in_flight.fetch_sub(1, Ordering::Relaxed);
        if let Some(lease) = self.trial {
            self.endpoint.note(self.endpoint.live.health.give_back(lease));
        }
    }
}
