//! What plugins keep outside of themselves, and outside of generations: [`counters`] for rate limits, [`places`] for what
//! is under way, [`kv`] for everything else. In: whose keys are meant, a key, the time. The plugin host calls, from every worker thread.

pub mod counters;
pub mod kv;
pub mod places;
mod shards;

use std::time::{Duration, SystemTime};

use sha2::{Digest, Sha256};

use crate::limits;

/// Whose keys are meant: one plugin use in one scope. No two uses ever see each other's. Counters in Redis are shared
/// by gateways that give a use the same number, so it comes from names, never from the order of anything.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Space(pub u64);

impl Space {
    /// What these names, from the widest to the narrowest, come to: the same in every gateway and after every restart.
    pub fn of(names: &[&str]) -> Self {
        // Each with its length, so that no two lists of names run into the same bytes.
        let hash = names.iter().fold(Sha256::new(), |hash, name| {
            hash.chain_update(u64::try_from(name.len()).unwrap_or(u64::MAX).to_be_bytes()).chain_update(name.as_bytes())
        });
        let number = hash.finalize().into_iter().take(8).fold(0, |number, byte| number << 8 | u64::from(byte));
        Self(number)
    }
}

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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spaces_are_named_and_names_do_not_run_together() {
        assert_eq!(Space::of(&["route", "orders", "limiter"]), Space::of(&["route", "orders", "limiter"]));
        let lists: [&[&str]; 5] = [&[], &[""], &["ab", "c"], &["a", "bc"], &["abc"]];
        for (at, one) in lists.iter().enumerate() {
            assert!(lists[at + 1..].iter().all(|other| Space::of(one) != Space::of(other)), "{one:?}");
        }
        // Written down, because gateways of other versions share a Redis with this one.
        assert_eq!(Space::of(&["global", "limiter"]), Space(0x2dee_d9f8_8f34_3682));
    }

    #[test]
    fn times_out_of_bounds_are_the_bounds() {
        assert_eq!(Timestamp::since_epoch(Duration::MAX).microseconds(), limits::COUNTER_TIME_MAX);
        assert_eq!(Timestamp::since_epoch(Duration::ZERO).microseconds(), 0);
        assert!(Timestamp::now() > Timestamp::since_epoch(Duration::from_secs(1_700_000_000)));
    }
}
