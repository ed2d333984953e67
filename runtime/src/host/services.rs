//! What the plugins of all generations share: counters, places, keys and values, metrics, and the threads that verify passwords.

use std::io;
use std::sync::{Arc, OnceLock};
use std::time::Instant;

use super::fetch::Shared;
use crate::crypto::password::{Passwords, Recent};
use crate::observe::metrics::Metrics;
use crate::store::counters::Counters;
use crate::store::kv::Kv;
use crate::store::places::Places;

/// The process's.
pub struct Services {
    /// Hits against limits.
    pub counters: Counters,
    /// Who is under way.
    pub places: Arc<Places>,
    /// Keys and values.
    pub kv: Kv,
    /// Where plugins note what they count and measure.
    pub metrics: Arc<Metrics>,
    /// Requests of plugins whose answers they share.
    pub(super) shared: Shared,
    /// Passwords that were right.
    pub(super) recent: Recent,
    /// Started by the first password.
    passwords: OnceLock<Option<Passwords>>,
    workers: usize,
}

impl Services {
    /// For so many workers, with nothing counted and nothing kept.
    pub fn new(counters: Counters, metrics: Arc<Metrics>, workers: usize) -> Arc<Self> {
        Arc::new(Self {
            counters,
            places: Arc::default(),
            kv: Kv::default(),
            metrics,
            shared: Shared::default(),
            recent: Recent::default(),
            passwords: OnceLock::new(),
            workers,
        })
    }

    /// Free what has expired; the control plane calls this now and then.
    pub fn sweep(&self) {
        self.counters.sweep();
        let now = Instant::now();
        self.kv.sweep(now);
        self.recent.sweep(now);
    }

    /// A thread's number among those that have connections of their own: the workers, then the control plane.
    pub(super) fn place(&self, thread: usize) -> usize {
        thread.min(self.workers)
    }

    pub(super) fn passwords(&self) -> Option<&Passwords> {
        let started = || -> io::Result<Passwords> { Passwords::start() };
        let passwords = self.passwords.get_or_init(|| {
            started().map_err(|error| tracing::error!(%error, "no threads for passwords could be started")).ok()
        });
        passwords.as_ref()
    }
}
