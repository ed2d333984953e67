//! What plugins keep outside of themselves, and outside of generations: [`counters`] for rate limits, [`kv`] for
//! everything else. In: whose keys are meant, a key, the time. The plugin host calls, from every worker thread.

pub mod counters;
pub mod kv;
mod shards;

use std::time::{Duration, SystemTime};

use crate::limits;

/// Whose keys are meant: one plugin use in one scope. No two uses ever see each other's. Counters in Redis are shared
/// by gateways that give a use the same number, so it comes from names, never from the order of anything.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Space(pub u64);

/// A moment in microseconds since 1970, as precise as counters are. It stays below 2^52 (the year 2112), so that Redis,
/// whose scripts know doubles only, can add any window to it exactly.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Timestamp(u64);

impl Timestamp {
    /// By the clock of this machine.
    pub fn now() -> Self {
        Self::since_epoch(SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default())
    }

    /// This long after 1970 began; what is beyond bounds counts as the bound.
    pub fn since_epoch(passed: Duration) -> Self {
        Self(microseconds(passed).min(limits::COUNTER_TIME_MAX))
    }

    /// Microseconds since 1970.
    pub fn microseconds(self) -> u64 {
        self.0
    }
}

/// Whole microseconds; what does not fit counts as the most that does.
fn microseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}
