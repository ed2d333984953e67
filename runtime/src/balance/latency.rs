//! How fast an endpoint answers of late: an average that forgets with time, but jumps to every peak at once (Finagle's
//! peak EWMA), in one atomic word.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use super::clock;
use crate::limits;

/// The upper half is when it was last noted, in milliseconds that wrap; the lower half is an `f32` of microseconds.
/// All zero: nothing is known yet. Both in one word, so that threads cannot mix them up.
#[derive(Default)]
pub(super) struct Latency(AtomicU64);

impl Latency {
    /// A response's head came after `wait`.
    pub(super) fn observe(&self, wait: Duration) {
        let sample = micros(wait);
        self.update(|average, age| {
            if sample >= average {
                return sample;
            }
            let kept = kept(age);
            average * kept + sample * (1.0 - kept)
        });
    }

    /// No head came.
    pub(super) fn failed(&self) {
        let least = micros(limits::LATENCY_OF_FAILURE);
        self.update(|average, age| (average * kept(age) * 2.0).max(least));
    }

    /// In microseconds, fading since it was last noted; `None` if nothing is known, or nothing recent.
    pub(super) fn at(&self, now: u64) -> Option<f32> {
        let word = self.0.load(Ordering::Relaxed);
        let (average, age) = unpack(word, now);
        (word != 0 && u64::from(age) < clock::millis(limits::LATENCY_STALE)).then(|| average * kept(age))
    }

    fn update(&self, next: impl Fn(f32, u32) -> f32) {
        let now = clock::now();
        let most = micros(limits::LATENCY_MAX);
        // The closure always answers, so this cannot fail.
        let _ = self.0.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |word| {
            let (average, age) = unpack(word, now);
            Some(pack(next(average, age).clamp(1.0, most), now))
        });
    }
}

/// What is left of an average after `age` milliseconds.
fn kept(age: u32) -> f32 {
    (-(age as f32) / limits::LATENCY_DECAY.as_millis() as f32).exp()
}

fn micros(wait: Duration) -> f32 {
    wait.as_secs_f32() * 1e6
}

fn pack(average: f32, now: u64) -> u64 {
    (now << 32) | u64::from(average.to_bits())
}

/// The average, and its age in milliseconds.
fn unpack(word: u64, now: u64) -> (f32, u32) {
    let (now, noted) = (now as u32, (word >> 32) as u32);
    // Another thread may have noted something after this one looked at the clock: that is no age of 49 days.
    let age = now.wrapping_sub(noted);
    (f32::from_bits(word as u32), if age > u32::MAX / 2 { 0 } else { age })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::balance::clock::frozen::advance;

    const MS: Duration = Duration::from_millis(1);

    fn known(latency: &Latency) -> Option<f32> {
        latency.at(clock::now()).map(f32::round)
    }

    #[test]
    fn peaks_count_at_once_and_better_times_by_and_by() {
        advance(MS);
        let latency = Latency::default();
        assert_eq!(known(&latency), None);
        latency.observe(10 * MS);
        assert_eq!(known(&latency), Some(10_000.0));
        latency.observe(500 * MS);
        assert_eq!(known(&latency), Some(500_000.0));
        let mut last = 500_000.0;
        for _ in 0..20_000 {
            advance(MS);
            latency.observe(10 * MS);
            let next = latency.at(clock::now()).unwrap();
            assert!(next <= last, "{next} after {last}");
            last = next;
        }
        // Two decay times: 10 ms + 490 ms / e^2.
        assert!((70_000.0..85_000.0).contains(&last), "{last}");
    }

    #[test]
    fn what_is_old_fades_and_is_forgotten() {
        advance(MS);
        let latency = Latency::default();
        latency.observe(100 * MS);
        advance(limits::LATENCY_DECAY);
        assert_eq!(known(&latency), Some(36_788.0));
        advance(limits::LATENCY_STALE);
        assert_eq!(known(&latency), None);
    }

    #[test]
    fn failures_never_look_fast() {
        advance(MS);
        let latency = Latency::default();
        latency.observe(MS);
        for expected in [1e6, 2e6, 4e6] {
            latency.failed();
            assert_eq!(known(&latency), Some(expected));
        }
        (0..10).for_each(|_| latency.failed());
        assert_eq!(known(&latency), Some(60e6));
    }
}
