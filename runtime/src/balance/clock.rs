//! Time as the balancer's atomics hold it: milliseconds since the process first asked, never 0.

use std::sync::OnceLock;
use std::time::{Duration, Instant};

/// Milliseconds by now.
pub(super) fn now() -> u64 {
    #[cfg(test)]
    if let Some(frozen) = frozen::NOW.get() {
        return frozen;
    }
    static EPOCH: OnceLock<Instant> = OnceLock::new();
    // Counting from 1 leaves 0 to mean "never".
    1 + millis(EPOCH.get_or_init(Instant::now).elapsed())
}

/// `duration` in that unit.
pub(super) fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

/// A clock that stands still until a test moves it on. It is the thread's own.
#[cfg(test)]
pub(super) mod frozen {
    use std::cell::Cell;
    use std::time::Duration;

    thread_local!(pub(super) static NOW: Cell<Option<u64>> = const { Cell::new(None) });

    /// Stop the clock, if it still runs, and move it on by `duration`.
    pub(in super::super) fn advance(duration: Duration) {
        NOW.set(Some(super::now() + super::millis(duration)));
    }
}
