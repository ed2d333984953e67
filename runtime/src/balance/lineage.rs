//! What the generations of one upstream share, so that a reload or a new DNS answer loses nothing.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU32, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};

use super::Address;
use super::health::Health;
use super::latency::Latency;

/// One upstream through all its generations.
#[derive(Default)]
pub(super) struct Lineage {
    turn: Turn,
    changes: AtomicU64,
    /// Everybody who is still part of a generation, or serves a request.
    known: Mutex<Known>,
}

/// By target and address.
type Known = HashMap<(Arc<str>, Address), Weak<Live>>;

/// Every pick writes it, so it has its cache line to itself.
#[derive(Default)]
#[repr(align(128))]
struct Turn(AtomicUsize);

/// What is known of one address of one target.
pub(super) struct Live {
    pub(super) id: u32,
    pub(super) in_flight: AtomicU32,
    pub(super) health: Health,
    pub(super) latency: Latency,
    /// When its slow start began, by `clock`; 0: it is not in one.
    pub(super) rising_since: AtomicU64,
}

/// Whether somebody was there before.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Newcomer {
    Yes,
    No,
}

impl Lineage {
    /// Counts turns.
    pub(super) fn turn(&self) -> &AtomicUsize {
        &self.turn.0
    }

    /// How often anybody's health has changed, or a trial has been due earlier than was known.
    pub(super) fn changes(&self) -> u64 {
        self.changes.load(Ordering::Acquire)
    }

    /// Something changed; to be called after it did, so that who sees the new count sees the change.
    pub(super) fn changed(&self) {
        self.changes.fetch_add(1, Ordering::Release);
    }

    /// The live state at `address` of `target`.
    pub(super) fn live(&self, target: &Arc<str>, address: &Address) -> (Arc<Live>, Newcomer) {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let key = (Arc::clone(target), address.clone());
        if let Some(live) = known.get(&key).and_then(Weak::upgrade) {
            return (live, Newcomer::No);
        }
        let live = Arc::new(Live::new());
        known.insert(key, Arc::downgrade(&live));
        (live, Newcomer::Yes)
    }

    /// Forget who is gone, which bounds what is known by what is in use.
    pub(super) fn sweep(&self) {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        known.retain(|_, live| live.strong_count() > 0);
    }
}

impl Live {
    fn new() -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(1);
        Self {
            // Four thousand million endpoints are more than a process lives to see.
            id: NEXT.fetch_add(1, Ordering::Relaxed),
            in_flight: AtomicU32::new(0),
            health: Health::default(),
            latency: Latency::default(),
            rising_since: AtomicU64::new(0),
        }
    }
}
