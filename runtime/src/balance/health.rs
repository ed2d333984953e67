//! One endpoint's health: what requests met and what probes found, and what follows from it. Picking reads one atomic,
//! the gate; everything else happens on failures and probes, under a lock that is held for some instructions.

use std::collections::VecDeque;
use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use super::clock;
use super::settings::{Active, Passive};
use crate::limits;

/// Whether requests may go to an endpoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// They may.
    Healthy,
    /// They may not, but for a trial when it is due.
    Unhealthy,
}

/// What somebody decided by hand, over anything that requests and probes find.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Forced {
    /// It counts as healthy until this is taken back.
    Healthy,
    /// It counts as unhealthy until this is taken back.
    Unhealthy,
    /// It counts as unhealthy until probes find otherwise, or this is taken back.
    UnhealthyUntilProbed,
    /// Requests and probes decide.
    #[default]
    None,
}

/// What picking has to know.
#[derive(Clone, Copy)]
pub(super) enum Gate {
    /// Anybody may pass.
    Open,
    /// Ejected: one may pass for trial, from then on (by `clock`).
    Trial(u64),
    /// Probes found it unhealthy.
    ShutByProbes,
    /// Somebody shut it.
    ShutByHand,
}

/// What came of something noted.
#[must_use]
pub(super) enum Outcome {
    /// Nothing.
    Same,
    /// It is as healthy as before, but the gate is not.
    Moved,
    /// It is unhealthy from now on, and why.
    Fell(Arc<str>),
    /// It is healthy again, and why.
    Rose(Arc<str>),
}

/// Whose request failed.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Sent {
    Ordinarily,
    ForTrial,
}

/// What a probe found, in words for the log.
pub(super) enum Verdict {
    Healthy(String),
    Unhealthy(String),
}

#[derive(Default)]
pub(super) struct Health {
    gate: AtomicU64,
    record: Mutex<Record>,
}

struct Record {
    state: State,
    forced: Forced,
    /// Of the latest change; `None`: there was none.
    why: Option<Arc<str>>,
    since: SystemTime,
    /// When requests failed while it was up, within the window.
    failures: VecDeque<u64>,
    /// Ejections in a row, and when the latest of them ended.
    ejections: u32,
    recovered: Option<u64>,
    /// Probes in a row; at most one of the two is above 0.
    good_probes: u32,
    bad_probes: u32,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    Up,
    /// By traffic; the next trial is due then.
    Ejected(u64),
    /// By probes.
    Down,
}

impl Health {
    pub(super) fn gate(&self) -> Gate {
        match self.gate.load(Ordering::Acquire) {
            OPEN => Gate::Open,
            SHUT_BY_PROBES => Gate::ShutByProbes,
            SHUT_BY_HAND => Gate::ShutByHand,
            due => Gate::Trial(due),
        }
    }

    /// Be the one that passes for the trial due at `due`. Should nothing be heard of it, the next is due at `lease`.
    pub(super) fn claim(&self, due: u64, lease: u64) -> bool {
        self.gate.compare_exchange(due, lease, Ordering::AcqRel, Ordering::Relaxed).is_ok()
    }

    /// The trial until `lease` ended without a verdict: whoever comes next may make it.
    pub(super) fn give_back(&self, lease: u64) -> Outcome {
        // After a verdict the gate is another.
        if self.claim(lease, clock::now()) { Outcome::Moved } else { Outcome::Same }
    }

    /// A request failed.
    pub(super) fn failed(&self, passive: &Passive, how: &dyn fmt::Display, sent: Sent) -> Outcome {
        let mut record = self.record();
        if record.forced != Forced::None {
            return Outcome::Same;
        }
        let now = clock::now();
        match (record.state, sent) {
            (State::Up, _) if record.is_too_much(passive, now) => {
                let why: Arc<str> =
                    format!("{} failures within {:?}, the last: {how}", passive.failures, passive.within).into();
                let pause = clock::millis(passive.recover);
                let relapse = record.recovered.is_some_and(|recovered| now.saturating_sub(recovered) < pause);
                record.ejections = if relapse { record.ejections } else { 0 };
                record.eject(passive.recover, now);
                self.turn(&mut record, Some(&why));
                Outcome::Fell(why)
            }
            (State::Ejected(_), Sent::ForTrial) => {
                record.eject(passive.recover, now);
                record.why = Some(format!("failed again when tried: {how}").into());
                self.turn(&mut record, None);
                Outcome::Moved
            }
            _ => Outcome::Same,
        }
    }

    /// A request for trial was answered.
    pub(super) fn passed(&self, status: u16) -> Outcome {
        let mut record = self.record();
        if record.forced != Forced::None || !matches!(record.state, State::Ejected(_)) {
            return Outcome::Same;
        }
        self.rise(&mut record, format!("a request for trial was answered {status}"))
    }

    /// A probe came to a verdict.
    pub(super) fn probed(&self, active: &Active, verdict: Verdict) -> Outcome {
        let mut record = self.record();
        match record.forced {
            Forced::None => {}
            Forced::UnhealthyUntilProbed => return self.probed_after_all(&mut record, active, verdict),
            Forced::Healthy | Forced::Unhealthy => return Outcome::Same,
        }
        match verdict {
            Verdict::Healthy(words) => {
                record.good_probes = record.good_probes.saturating_add(1);
                record.bad_probes = 0;
                let successes = active.healthy.successes;
                let enough = match record.state {
                    State::Up => false,
                    State::Ejected(_) => successes > 0 && record.good_probes >= successes,
                    State::Down => record.good_probes >= successes,
                };
                if enough { self.rise(&mut record, words) } else { Outcome::Same }
            }
            Verdict::Unhealthy(words) => {
                record.bad_probes = record.bad_probes.saturating_add(1);
                record.good_probes = 0;
                let failures = active.unhealthy.failures;
                if record.state == State::Down || failures == 0 || record.bad_probes < failures {
                    return Outcome::Same;
                }
                let before = std::mem::replace(&mut record.state, State::Down);
                let why: Arc<str> = words.into();
                if before == State::Up {
                    self.turn(&mut record, Some(&why));
                    return Outcome::Fell(why);
                }
                record.why = Some(why);
                self.turn(&mut record, None);
                Outcome::Moved
            }
        }
    }

    /// A probe came to a verdict on what somebody has said to be unhealthy.
    fn probed_after_all(&self, record: &mut Record, active: &Active, verdict: Verdict) -> Outcome {
        let Verdict::Healthy(words) = verdict else {
            record.good_probes = 0;
            return Outcome::Same;
        };
        record.good_probes = record.good_probes.saturating_add(1);
        if record.good_probes < active.healthy.successes {
            return Outcome::Same;
        }
        record.forced = Forced::None;
        record.bad_probes = 0;
        self.rise(record, words)
    }

    /// Somebody decided. Taking that back makes a clean slate: healthy, and nothing counted.
    pub(super) fn force(&self, forced: Forced) -> Outcome {
        let mut record = self.record();
        let before = record.standing();
        if forced == Forced::None {
            *record = Record { why: record.why.take(), since: record.since, ..Record::default() };
        }
        record.forced = forced;
        if forced == Forced::UnhealthyUntilProbed {
            // What probes found before is what somebody did not believe.
            record.good_probes = 0;
        }
        let why: Arc<str> = "set by hand".into();
        match (before, record.standing()) {
            (Standing::Healthy, Standing::Unhealthy) => {
                self.turn(&mut record, Some(&why));
                Outcome::Fell(why)
            }
            (Standing::Unhealthy, Standing::Healthy) => {
                self.turn(&mut record, Some(&why));
                Outcome::Rose(why)
            }
            _ => {
                record.why = Some(why);
                self.turn(&mut record, None);
                Outcome::Moved
            }
        }
    }

    /// Standing, hand, reason and since when.
    pub(super) fn report(&self) -> (Standing, Forced, Option<Arc<str>>, SystemTime) {
        let record = self.record();
        (record.standing(), record.forced, record.why.clone(), record.since)
    }

    fn rise(&self, record: &mut Record, why: String) -> Outcome {
        let why: Arc<str> = why.into();
        if matches!(record.state, State::Ejected(_)) {
            record.recovered = Some(clock::now());
        }
        record.state = State::Up;
        record.failures.clear();
        self.turn(record, Some(&why));
        Outcome::Rose(why)
    }

    /// Let the gate follow the record; `why` if it is healthier or unhealthier than before.
    fn turn(&self, record: &mut Record, why: Option<&Arc<str>>) {
        if let Some(why) = why {
            record.why = Some(Arc::clone(why));
            record.since = SystemTime::now();
        }
        let gate = match (record.forced, record.state) {
            (Forced::Healthy, _) | (Forced::None, State::Up) => OPEN,
            (Forced::Unhealthy | Forced::UnhealthyUntilProbed, _) => SHUT_BY_HAND,
            (Forced::None, State::Down) => SHUT_BY_PROBES,
            (Forced::None, State::Ejected(until)) => until,
        };
        self.gate.store(gate, Ordering::Release);
    }

    fn record(&self) -> MutexGuard<'_, Record> {
        self.record.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Record {
    /// Note a failure at `now`; whether it is one too many.
    fn is_too_much(&mut self, passive: &Passive, now: u64) -> bool {
        let most = passive.failures.min(limits::PASSIVE_FAILURES) as usize;
        if most == 0 {
            return false;
        }
        let within = clock::millis(passive.within);
        while self.failures.front().is_some_and(|then| now.saturating_sub(*then) > within) {
            self.failures.pop_front();
        }
        self.failures.push_back(now);
        self.failures.len() >= most
    }

    fn eject(&mut self, recover: Duration, now: u64) {
        self.ejections = self.ejections.saturating_add(1);
        let pause = recover.saturating_mul(self.ejections.min(limits::EJECTION_PAUSES));
        // Neither 0 nor a gate that is shut for good.
        self.state = State::Ejected(now.saturating_add(clock::millis(pause)).clamp(1, SHUT_BY_PROBES - 1));
        self.failures.clear();
        // Only probes from now on say that it is well again.
        self.good_probes = 0;
    }

    fn standing(&self) -> Standing {
        match (self.forced, self.state) {
            (Forced::Healthy, _) | (Forced::None, State::Up) => Standing::Healthy,
            _ => Standing::Unhealthy,
        }
    }
}

impl Default for Record {
    fn default() -> Self {
        Self {
            state: State::Up,
            forced: Forced::None,
            why: None,
            since: SystemTime::now(),
            failures: VecDeque::new(),
            ejections: 0,
            recovered: None,
            good_probes: 0,
            bad_probes: 0,
        }
    }
}

/// Gates; any other number is the time of the next trial.
const OPEN: u64 = 0;
const SHUT_BY_PROBES: u64 = u64::MAX - 1;
const SHUT_BY_HAND: u64 = u64::MAX;
