//! Counters for rate limits: one atomic check-and-increment over all limits of a hit. In: whose key, what the hit costs,
//! its limits. Out: whether it may pass, and how each limit stands. Kept in memory or in Redis, by the same arithmetic
//! (`counters/cell.rs`).

mod cell;
mod limit;
pub mod memory;
pub mod redis;

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use smallvec::SmallVec;

pub use self::limit::{Algorithm, Limit, LimitError, Limits};
pub use self::redis::Outage;

use self::cell::Cell;
use self::limit::Rule;
use self::memory::{Memory, Usage};
use self::redis::Redis;
use super::{Space, Timestamp};
use crate::config::checked;
use crate::config::checked::OnOutage;
use crate::limits;

/// The counters of this gateway, where `[counters]` says. They outlive generations.
pub struct Counters {
    memory: Memory,
    redis: Option<(Redis, OnOutage)>,
    /// Evictions that the log knows of.
    told: AtomicU64,
}

impl Counters {
    /// Nothing counted yet, for this many workers. Redis is connected to by each worker's first hit.
    ///
    /// # Errors
    /// The connection cannot be set up at all, as TLS without any authority to trust.
    pub fn new(settings: &checked::Counters, workers: usize) -> Result<Self, Outage> {
        let redis = match settings {
            checked::Counters::Memory => None,
            checked::Counters::Redis { url, timeout, on_failure } => {
                Some((Redis::new(url, *timeout, workers)?, *on_failure))
            }
        };
        Ok(Self { memory: Memory::default(), redis, told: AtomicU64::new(0) })
    }

    /// Those of this gateway, without waiting for anything.
    pub fn memory(&self) -> &Memory {
        &self.memory
    }

    /// Whether Redis decides, and is waited for.
    pub fn is_shared(&self) -> bool {
        self.redis.is_some()
    }

    /// Count a hit of `cost` on `key` in all of `limits`, or, if one of them refuses, in none, at the time of whoever
    /// keeps the counters. With a cost of 0, only look. It takes as long as `counters.timeout` at most. Each worker has
    /// a connection of its own, which belongs to the runtime of that worker's first hit.
    ///
    /// Dropping the future leaves open whether the hit is counted.
    ///
    /// # Errors
    /// The key is too long, or Redis is not to be had and `counters.on_failure` is "closed".
    pub async fn hit(
        &self,
        worker: usize,
        space: Space,
        key: &str,
        cost: u64,
        limits: &Limits,
    ) -> Result<Decision, HitError> {
        let here = || self.memory.hit(space, key, cost, limits, Timestamp::now());
        let Some((redis, on_failure)) = &self.redis else { return here() };
        match redis.hit(worker, space, key, cost, limits, None).await {
            Err(HitError::Unavailable(outage)) => match on_failure {
                OnOutage::Local => here(),
                OnOutage::Open => Ok(Decision::unheard(limits)),
                OnOutage::Closed => Err(HitError::Unavailable(outage)),
            },
            decided => decided,
        }
    }

    /// Free what has expired in memory, as [`Memory::sweep`] does, and let the log know if there was too little room.
    pub fn sweep(&self) {
        self.memory.sweep(Timestamp::now());
        let Usage { keys, evicted } = self.usage();
        let new = evicted.saturating_sub(self.told.swap(evicted, Ordering::Relaxed));
        if new > 0 {
            tracing::warn!(evicted = new, keys, "counters: all room is taken, so some clients' counts began anew");
        }
    }

    /// What is counted in memory.
    pub fn usage(&self) -> Usage {
        self.memory.usage()
    }

    /// Hits that Redis should have decided and has not.
    pub fn outages(&self) -> u64 {
        self.redis.as_ref().map_or(0, |(redis, _)| redis.outages())
    }
}

/// What became of a hit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Decision {
    /// Whether it may pass; only then was it counted, in all its limits. For a hit of cost 0, which never counts,
    /// whether one of cost 1 would.
    pub allowed: bool,
    /// How each limit stands afterwards, in the order that they were given.
    pub standings: SmallVec<[Standing; limits::COUNTER_LIMITS]>,
    /// If it was refused: when it may pass at the earliest, if nothing else is counted meanwhile. `None` if it was
    /// allowed, or costs more than a limit's maximum, so that waiting does not help.
    pub retry_after: Option<Duration>,
}

/// How a limit stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Standing {
    /// Hits that may still pass now.
    pub remaining: u64,
    /// Until the current window ends; for [`Algorithm::Gcra`], until the whole maximum is to be had again.
    pub reset: Duration,
}

/// Why a hit could not be decided.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum HitError {
    /// The key is longer than [`limits::COUNTER_KEY_BYTES`].
    #[error("a counter's key has up to {most} bytes, not {0}", most = limits::COUNTER_KEY_BYTES)]
    KeyTooLong(usize),
    /// Redis has not decided.
    #[error("counters are not to be had: {0}")]
    Unavailable(Outage),
}

/// Whether a hit of `cost` may pass where `cells` are what has been counted so far; rolled to `now`.
fn passes(limits: &Limits, cells: &[Cell], cost: u64, now: u64) -> bool {
    // A look asks for what a single hit would get.
    limits.rules().zip(cells).all(|(rule, cell)| cell.fits(rule, cost.max(1), now))
}

impl Decision {
    /// What to tell of `cells`, which are as they were left at `now`.
    fn told(allowed: bool, limits: &Limits, cells: &[Cell], cost: u64, now: u64) -> Self {
        let standings = limits.rules().zip(cells).map(|(rule, cell)| cell.standing(rule, now)).collect();
        let waits = || limits.rules().zip(cells).map(|(rule, cell)| cell.wait(rule, cost.max(1), now));
        let retry_after = if allowed { None } else { waits().try_fold(0, |longest, wait| Some(wait?.max(longest))) };
        Self { allowed, standings, retry_after: retry_after.map(Duration::from_micros) }
    }

    /// Allowed without anybody having counted.
    fn unheard(limits: &Limits) -> Self {
        let full = |rule: &Rule| Standing { remaining: rule.max, reset: Duration::ZERO };
        Self { allowed: true, standings: limits.rules().map(full).collect(), retry_after: None }
    }
}

fn check_key(key: &str) -> Result<(), HitError> {
    if key.len() > limits::COUNTER_KEY_BYTES { Err(HitError::KeyTooLong(key.len())) } else { Ok(()) }
}

#[cfg(test)]
mod vectors;
