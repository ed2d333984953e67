//! The numbers that one worker keeps of one route. One thread writes them, so that adding is a load and a store; a
//! scrape may see them in the middle of an exchange, which the next scrape makes up for.

use std::sync::atomic::{AtomicU16, AtomicU64, Ordering};
use std::time::Duration;

/// Upper bounds, inclusive, in nanoseconds: 0.5 ms to 10 s, as Prometheus' clients have them.
pub(super) const EXCHANGE_BOUNDS: [u64; BOUNDS] = [
    500_000,
    1_000_000,
    2_500_000,
    5_000_000,
    10_000_000,
    25_000_000,
    50_000_000,
    100_000_000,
    250_000_000,
    500_000_000,
    1_000_000_000,
    2_500_000_000,
    5_000_000_000,
    10_000_000_000,
];

/// 10 µs to 250 ms: the gateway's own share would all be in the first of the others.
pub(super) const GATEWAY_BOUNDS: [u64; BOUNDS] = [
    10_000,
    25_000,
    50_000,
    100_000,
    250_000,
    500_000,
    1_000_000,
    2_500_000,
    5_000_000,
    10_000_000,
    25_000_000,
    50_000_000,
    100_000_000,
    250_000_000,
];

/// Bounds of each histogram; what is above the last has a bucket, too.
pub(super) const BOUNDS: usize = 14;
/// Statuses of a route that are counted apart.
const CODES: usize = 12;

#[derive(Debug, Default)]
pub(super) struct Shard {
    pub(super) codes: Codes,
    pub(super) total: Times,
    pub(super) upstream: Times,
    pub(super) gateway: Times,
    pub(super) bytes_in: AtomicU64,
    pub(super) bytes_out: AtomicU64,
}

/// How often each status was answered; the first ones seen have places of their own.
#[derive(Debug, Default)]
pub(super) struct Codes {
    /// 0: not taken, nor is any after it.
    codes: [AtomicU16; CODES],
    counts: [AtomicU64; CODES],
    other: AtomicU64,
}

impl Codes {
    pub(super) fn count(&self, code: u16) {
        for (place, count) in self.codes.iter().zip(&self.counts) {
            let taken = place.load(Ordering::Relaxed);
            if taken == 0 {
                place.store(code, Ordering::Relaxed);
            }
            if taken == code || taken == 0 {
                return add(count, 1);
            }
        }
        add(&self.other, 1);
    }

    /// Each status and its count, 0 for all that have no place of their own.
    pub(super) fn each(&self) -> impl Iterator<Item = (u16, u64)> {
        let own = self.codes.iter().zip(&self.counts).map(|(code, count)| (code.load(Ordering::Relaxed), count));
        let all = own.take_while(|(code, _)| *code != 0).chain([(0, &self.other)]);
        all.map(|(code, count)| (code, count.load(Ordering::Relaxed))).filter(|(_, count)| *count > 0)
    }
}

/// A histogram.
#[derive(Debug, Default)]
pub(super) struct Times {
    buckets: [AtomicU64; BOUNDS + 1],
    nanoseconds: AtomicU64,
}

impl Times {
    pub(super) fn observe(&self, bounds: &[u64; BOUNDS], time: Duration) {
        let nanoseconds = u64::try_from(time.as_nanos()).unwrap_or(u64::MAX);
        let bucket = bounds.iter().map(|bound| usize::from(*bound < nanoseconds)).sum::<usize>();
        if let Some(bucket) = self.buckets.get(bucket) {
            add(bucket, 1);
        }
        add(&self.nanoseconds, nanoseconds);
    }

    /// Add these to a sum.
    pub(super) fn add_to(&self, sum: &mut Sum) {
        for (bucket, sum) in self.buckets.iter().zip(&mut sum.buckets) {
            *sum += bucket.load(Ordering::Relaxed);
        }
        sum.seconds += Duration::from_nanos(self.nanoseconds.load(Ordering::Relaxed)).as_secs_f64();
    }
}

/// A histogram of all workers.
#[derive(Debug, Default, Clone, Copy, PartialEq)]
pub(super) struct Sum {
    pub(super) buckets: [u64; BOUNDS + 1],
    pub(super) seconds: f64,
}

/// Only for the one thread that writes this number.
pub(super) fn add(number: &AtomicU64, more: u64) {
    number.store(number.load(Ordering::Relaxed).wrapping_add(more), Ordering::Relaxed);
}

/// Only for the one thread that writes this number.
pub(super) fn subtract(number: &AtomicU64, less: u64) {
    number.store(number.load(Ordering::Relaxed).saturating_sub(less), Ordering::Relaxed);
}
