//! Stops calling a plugin use that keeps failing. After a pause it is tried again: the first failure then stops it once
//! more, the first success ends the matter. Shared by all workers, and kept as long as the use stays what it is.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{LazyLock, Mutex, PoisonError};
use std::time::Instant;

use crate::config::checked::Trip;

/// One use's failures.
pub struct Breaker {
    trip: Trip,
    /// [`CLOSED`], or until when it is not called, in nanoseconds on the process's own clock; past that, it is on trial.
    until: AtomicU64,
    /// When it failed of late.
    failures: Mutex<VecDeque<u64>>,
}

/// It is called as ever.
const CLOSED: u64 = 0;

/// What a failure has led to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum After {
    /// Nothing yet.
    Counted,
    /// From now on it is not called.
    Tripped,
}

impl Breaker {
    /// One that has seen no failure.
    pub fn new(trip: Trip) -> Self {
        Self { trip, until: AtomicU64::new(CLOSED), failures: Mutex::default() }
    }

    /// Whether the use is not to be called now. As long as nothing has gone wrong, asking costs a read.
    pub fn is_open(&self) -> bool {
        match self.until.load(Ordering::Relaxed) {
            CLOSED => false,
            until => now() < until,
        }
    }

    /// A call went well.
    pub fn succeeded(&self) {
        let until = self.until.load(Ordering::Relaxed);
        // Not if it was under way when others failed.
        if until != CLOSED && now() >= until {
            let _ = self.until.compare_exchange(until, CLOSED, Ordering::Relaxed, Ordering::Relaxed);
        }
    }

    /// A call failed.
    pub fn failed(&self) -> After {
        let now = now();
        let nanoseconds = |time: std::time::Duration| u64::try_from(time.as_nanos()).unwrap_or(u64::MAX);
        let mut failures = self.failures.lock().unwrap_or_else(PoisonError::into_inner);
        let since = now.saturating_sub(nanoseconds(self.trip.within));
        failures.retain(|failure| *failure >= since);
        failures.push_back(now);
        let until = self.until.load(Ordering::Relaxed);
        let on_trial = until != CLOSED && now >= until;
        if !on_trial && (failures.len() as u64) < u64::from(self.trip.failures) {
            return After::Counted;
        }
        failures.clear();
        self.until.store(now.saturating_add(nanoseconds(self.trip.cooldown)).max(1), Ordering::Relaxed);
        After::Tripped
    }
}

fn now() -> u64 {
    static START: LazyLock<Instant> = LazyLock::new(Instant::now);
    u64::try_from(START.elapsed().as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use std::thread::sleep;
    use std::time::Duration;

    use super::*;

    fn breaker(failures: u32, within: u64, cooldown: u64) -> Breaker {
        let (within, cooldown) = (Duration::from_millis(within), Duration::from_millis(cooldown));
        Breaker::new(Trip { failures, within, cooldown })
    }

    #[test]
    fn so_many_failures_within_the_time_trip_it_until_the_pause_is_over() {
        let breaker = breaker(3, 60_000, 20);
        assert_eq!([breaker.failed(), breaker.failed()], [After::Counted; 2]);
        breaker.succeeded();
        assert!(!breaker.is_open());
        assert_eq!(breaker.failed(), After::Tripped);
        assert!(breaker.is_open());
        // One that was under way meanwhile says nothing about those to come.
        breaker.succeeded();
        assert!(breaker.is_open());
        sleep(Duration::from_millis(25));
        assert!(!breaker.is_open());
        // On trial, one is enough.
        assert_eq!(breaker.failed(), After::Tripped);
        sleep(Duration::from_millis(25));
        breaker.succeeded();
        assert_eq!(breaker.failed(), After::Counted);
    }

    #[test]
    fn failures_that_are_past_do_not_count() {
        let breaker = breaker(2, 10, 60_000);
        for _ in 0..3 {
            assert_eq!(breaker.failed(), After::Counted);
            sleep(Duration::from_millis(15));
        }
        assert!(!breaker.is_open());
    }
}
