//! What plugins cost: for each use's name and each hook, how often it was called, how often it failed, how long it took,
//! and how much memory its instances came to. Each worker writes numbers of its own.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use super::shard::{BOUNDS, Sum, Times, add};

/// The hooks, by the numbers that they are counted under.
pub const HOOKS: [&str; 6] = ["on-request", "on-request-body", "on-response", "on-response-body", "on-log", "on-timer"];

/// 1 µs to 50 ms: a call that takes longer has hit its limit, as a rule.
pub(super) const PLUGIN_BOUNDS: [u64; BOUNDS] = [
    1_000, 2_500, 5_000, 10_000, 25_000, 50_000, 100_000, 250_000, 500_000, 1_000_000, 2_500_000, 5_000_000,
    10_000_000, 50_000_000,
];

/// The calls of one plugin.
#[derive(Debug)]
pub struct PluginMetrics {
    pub(super) name: Arc<str>,
    /// One per worker and one for the control plane, made with the first call there.
    shards: Box<[OnceLock<Box<[Calls; HOOKS.len()]>>]>,
    peak: AtomicU64,
}

/// Calls of one hook.
#[derive(Debug, Default)]
struct Calls {
    times: Times,
    failures: AtomicU64,
}

impl PluginMetrics {
    pub(super) fn new(name: Arc<str>, workers: usize) -> Self {
        Self { name, shards: (0..=workers).map(|_| OnceLock::new()).collect(), peak: AtomicU64::new(0) }
    }

    /// Count a call of hook number `hook`. Only the thread with this number may say so for itself; whoever is no worker
    /// is the control plane.
    pub fn called(&self, thread: usize, hook: usize, time: Duration, failed: bool) {
        let shard = self.shards.get(thread).or(self.shards.last());
        let calls = shard.map(|shard| shard.get_or_init(Box::default)).and_then(|shard| shard.get(hook));
        if let Some(calls) = calls {
            calls.times.observe(&PLUGIN_BOUNDS, time);
            add(&calls.failures, u64::from(failed));
        }
    }

    /// An instance has come to this many bytes.
    pub fn grown(&self, bytes: u64) {
        // Seldom, so that it may be anybody's.
        self.peak.fetch_max(bytes, Ordering::Relaxed);
    }

    pub(super) fn peak(&self) -> u64 {
        self.peak.load(Ordering::Relaxed)
    }

    /// The hook's times and failures of all threads; `None` if it was never called.
    pub(super) fn sum(&self, hook: usize) -> Option<(Sum, u64)> {
        let (mut sum, mut failures) = (Sum::default(), 0);
        for calls in self.shards.iter().filter_map(OnceLock::get).filter_map(|shard| shard.get(hook)) {
            calls.times.add_to(&mut sum);
            failures += calls.failures.load(Ordering::Relaxed);
        }
        (sum.buckets.iter().sum::<u64>() > 0).then_some((sum, failures))
    }
}
