//! Counters in this process, shared by all workers and exact among them. A hit on a known key allocates nothing and
//! locks one part of many. When all room is taken, the key that expires soonest among some makes room.

use std::sync::atomic::{AtomicU64, Ordering};

use smallvec::SmallVec;

use super::cell::Cell;
use super::limit::Rule;
use super::{Algorithm, Decision, HitError, Limits, check_key, passes};
use crate::limits;
use crate::store::shards::{Id, Shard, Shards, lock};
use crate::store::{Space, Timestamp};

/// All counters of this process.
pub struct Memory {
    keys: Shards<Key>,
    /// Keys in one part, at most.
    room: usize,
    evicted: AtomicU64,
}

/// How many counters there are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Usage {
    /// Keys, expired ones that nobody has freed yet included.
    pub keys: usize,
    /// Keys that had to make room while they still counted: whoever they stood for has begun anew.
    pub evicted: u64,
}

impl Default for Memory {
    fn default() -> Self {
        Self::with_room(limits::COUNTER_KEYS)
    }
}

impl Memory {
    fn with_room(keys: usize) -> Self {
        Self { keys: Shards::new(), room: keys / limits::STORE_SHARDS, evicted: AtomicU64::new(0) }
    }

    /// Count a hit of `cost` on `key` in all of `limits`, or, if one of them refuses, in none. With a cost of 0, only
    /// look.
    ///
    /// # Errors
    /// The key is too long.
    pub fn hit(
        &self,
        space: Space,
        key: &str,
        cost: u64,
        limits: &Limits,
        now: Timestamp,
    ) -> Result<Decision, HitError> {
        check_key(key)?;
        let now = now.microseconds();
        let id = self.keys.id(space, key.as_bytes());
        let mut shard = self.keys.lock(id);
        let known = shard.get(id);
        let counted = |rule| known.as_ref().map_or(Cell::default(), |key| key.cell(rule));
        let mut cells: SmallVec<[Cell; limits::COUNTER_LIMITS]> =
            limits.rules().map(|rule| counted(rule).rolled(rule, now)).collect();
        let allowed = passes(limits, &cells, cost, now);
        if allowed && cost > 0 {
            cells.iter_mut().for_each(|cell| *cell = cell.with(cost));
            match known {
                Some(key) => key.keep(limits, &cells, now),
                None => self.add(&mut shard, id, Key::new(limits, &cells, now), now),
            }
        }
        drop(shard);
        Ok(Decision::told(allowed, limits, &cells, cost, now))
    }

    fn add(&self, shard: &mut Shard<Key>, id: Id, key: Key, now: u64) {
        shard.free(limits::STORE_FREED_PER_INSERT, |key| key.expiry <= now, drop);
        if shard.len() >= self.room && shard.evict(None, |key| key.expiry).is_some_and(|evicted| evicted.expiry > now) {
            self.evicted.fetch_add(1, Ordering::Relaxed);
        }
        shard.insert(id, key);
    }

    /// Free all keys that have expired, a few at a time, so that no hit waits for it. The control plane calls this now
    /// and then; without it, memory would be given back as new keys come only.
    pub fn sweep(&self, now: Timestamp) {
        let now = now.microseconds();
        for shard in self.keys.each() {
            lock(shard).rewind();
            let mut left = lock(shard).len();
            while left > 0 {
                lock(shard).free(limits::STORE_SWEEP_STEP, |key| key.expiry <= now, drop);
                left = left.saturating_sub(limits::STORE_SWEEP_STEP);
            }
            lock(shard).shrink();
        }
    }

    /// How many counters there are.
    pub fn usage(&self) -> Usage {
        let keys = self.keys.each().map(|shard| lock(shard).len()).sum();
        Usage { keys, evicted: self.evicted.load(Ordering::Relaxed) }
    }
}

/// The counters of one key. They are told apart by window and algorithm, so that one goes on when its maximum changes.
struct Key {
    counters: SmallVec<[Counter; 2]>,
    /// When the last of them has nothing to tell any more.
    expiry: u64,
}

struct Counter {
    window: u64,
    algorithm: Algorithm,
    cell: Cell,
    expiry: u64,
}

impl Counter {
    fn is(&self, rule: &Rule) -> bool {
        self.window == rule.window && self.algorithm == rule.algorithm
    }
}

impl Key {
    fn new(limits: &Limits, cells: &[Cell], now: u64) -> Self {
        let mut key = Self { counters: SmallVec::with_capacity(limits.rules().count()), expiry: 0 };
        key.keep(limits, cells, now);
        key
    }

    fn cell(&self, rule: &Rule) -> Cell {
        self.counters.iter().find(|counter| counter.is(rule)).map_or(Cell::default(), |counter| counter.cell)
    }

    fn keep(&mut self, limits: &Limits, cells: &[Cell], now: u64) {
        for (rule, &cell) in limits.rules().zip(cells) {
            let expiry = cell.expiry(rule);
            match self.counters.iter_mut().find(|counter| counter.is(rule)) {
                Some(counter) => (counter.cell, counter.expiry) = (cell, expiry),
                None => {
                    self.make_room(limits, now);
                    let (window, algorithm) = (rule.window, rule.algorithm);
                    self.counters.push(Counter { window, algorithm, cell, expiry });
                }
            }
        }
        self.expiry = self.counters.iter().map(|counter| counter.expiry).max().unwrap_or_default();
    }

    /// Drop the counters that an older configuration has left: those that have expired, and if there are too many
    /// still, all of them.
    fn make_room(&mut self, limits: &Limits, now: u64) {
        let asked = |counter: &Counter| limits.rules().any(|rule| counter.is(rule));
        self.counters.retain(|counter| counter.expiry > now || asked(counter));
        if self.counters.len() >= limits::COUNTER_CELLS {
            self.counters.retain(|counter| asked(counter));
        }
    }
}

#[cfg(test)]
mod tests;
