//! What plugins remember under a key for each other's instances, in memory and among all workers. In: whose key, bytes,
//! how long they count. When all room is taken, what was not used for long makes room, so this is never the only copy.

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use bytes::Bytes;

use super::Space;
use super::shards::{Id, Shard, Shards, lock};
use crate::limits;

/// All keys and values of this process.
pub struct Kv {
    entries: Shards<Entry>,
    /// That all entries take, in bytes.
    bytes: Line<AtomicUsize>,
    /// The most that they may take.
    room: usize,
    evicted: AtomicU64,
}

/// Something on a cache line of its own (two, as processors fetch them in pairs), so that who writes it does not slow
/// those who read what is beside it.
#[repr(align(128))]
struct Line<T>(T);

/// Why a value could not be kept.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum KvError {
    /// The key is longer than [`limits::KV_KEY_BYTES`].
    #[error("a key has up to {most} bytes, not {0}", most = limits::KV_KEY_BYTES)]
    KeyTooLong(usize),
    /// The value is longer than [`limits::KV_VALUE_BYTES`].
    #[error("a value has up to {most} bytes, not {0}", most = limits::KV_VALUE_BYTES)]
    ValueTooLong(usize),
    /// What is to be incremented is no whole number of 64 bits in decimal digits.
    #[error("the value is no number")]
    NotANumber,
    /// The sum does not fit 64 bits; nothing has changed.
    #[error("the number would be too large")]
    Overflow,
}

/// How much there is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Usage {
    /// Entries, expired ones that nobody has freed yet included.
    pub entries: usize,
    /// That they take, in bytes.
    pub bytes: usize,
    /// Entries that had to make room before they expired.
    pub evicted: u64,
}

impl Default for Kv {
    fn default() -> Self {
        Self::with_room(limits::KV_BYTES)
    }
}

impl Kv {
    fn with_room(room: usize) -> Self {
        Self { entries: Shards::new(), bytes: Line(AtomicUsize::new(0)), room, evicted: AtomicU64::new(0) }
    }

    /// The value of `key`.
    ///
    /// # Errors
    /// The key is too long.
    pub fn get(&self, space: Space, key: &str, now: Instant) -> Result<Option<Bytes>, KvError> {
        let id = self.entries.id(space, check(key)?);
        Ok(self.entries.lock(id).get(id).filter(|entry| !entry.is_over(now)).map(|entry| {
            entry.used = now;
            entry.value.clone()
        }))
    }

    /// Keep `value` under `key`, for `ttl` if that is given; with a `ttl` of zero it is forgotten at once.
    ///
    /// # Errors
    /// Key or value are too long.
    pub fn set(
        &self,
        space: Space,
        key: &str,
        value: &[u8],
        ttl: Option<Duration>,
        now: Instant,
    ) -> Result<(), KvError> {
        let entry = Entry::new(value, ttl, now)?;
        self.change(space, key, now, |_| Ok((Change::To(entry), ())))
    }

    /// Keep `value` under `key`, as [`Kv::set`] does, if its value is `expected`, or if it has none and `None` is
    /// expected. Says whether it was.
    ///
    /// # Errors
    /// Key or value are too long.
    pub fn compare_and_set(
        &self,
        space: Space,
        key: &str,
        expected: Option<&[u8]>,
        value: &[u8],
        ttl: Option<Duration>,
        now: Instant,
    ) -> Result<bool, KvError> {
        let entry = Entry::new(value, ttl, now)?;
        self.change(space, key, now, |current| {
            let is_expected = current.map(|current| &*current.value) == expected;
            Ok((if is_expected { Change::To(entry) } else { Change::None }, is_expected))
        })
    }

    /// Forget `key`. Says whether it had a value.
    ///
    /// # Errors
    /// The key is too long.
    pub fn delete(&self, space: Space, key: &str, now: Instant) -> Result<bool, KvError> {
        self.change(space, key, now, |current| Ok((Change::ToNone, current.is_some())))
    }

    /// Add `by` to the number under `key`, which is 0 if it has no value, and say what it is then. It is kept in decimal
    /// digits. Only a number that begins here gets `ttl`; another keeps the one it has, as in Redis.
    ///
    /// # Errors
    /// The key is too long, or there is no number that could be added to; then nothing has changed.
    pub fn increment(
        &self,
        space: Space,
        key: &str,
        by: i64,
        ttl: Option<Duration>,
        now: Instant,
    ) -> Result<i64, KvError> {
        self.change(space, key, now, |current| {
            let number = current.map_or(Some(0), |current| str::from_utf8(&current.value).ok()?.parse::<i64>().ok());
            let sum = number.ok_or(KvError::NotANumber)?.checked_add(by).ok_or(KvError::Overflow)?;
            let mut entry = Entry::new(sum.to_string().as_bytes(), ttl, now)?;
            if let Some(current) = current {
                entry.expiry = current.expiry;
            }
            Ok((Change::To(entry), sum))
        })
    }

    /// Free all that has expired, a few entries at a time, so that nobody waits for it. The control plane calls this now
    /// and then.
    pub fn sweep(&self, now: Instant) {
        for shard in self.entries.each() {
            lock(shard).rewind();
            let mut left = lock(shard).len();
            while left > 0 {
                self.free(&mut lock(shard), limits::STORE_SWEEP_STEP, now);
                left = left.saturating_sub(limits::STORE_SWEEP_STEP);
            }
            lock(shard).shrink();
        }
    }

    /// How much there is.
    pub fn usage(&self) -> Usage {
        let entries = self.entries.each().map(|shard| lock(shard).len()).sum();
        Usage { entries, bytes: self.bytes.0.load(Ordering::Relaxed), evicted: self.evicted.load(Ordering::Relaxed) }
    }

    /// Do to `key` what `decide` says in view of its entry; nobody else touches it meanwhile.
    fn change<T>(
        &self,
        space: Space,
        key: &str,
        now: Instant,
        decide: impl FnOnce(Option<&Entry>) -> Result<(Change, T), KvError>,
    ) -> Result<T, KvError> {
        let id = self.entries.id(space, check(key)?);
        let mut shard = self.entries.lock(id);
        let current = shard.get(id).filter(|entry| !entry.is_over(now));
        let (change, outcome) = decide(current.as_deref())?;
        match change {
            Change::None => {}
            Change::ToNone => shard.remove(id).iter().for_each(|entry| self.release(entry)),
            Change::To(entry) => {
                self.free(&mut shard, limits::STORE_FREED_PER_INSERT, now);
                self.bytes.0.fetch_add(entry.size(), Ordering::Relaxed);
                shard.insert(id, entry).iter().for_each(|entry| self.release(entry));
                while self.is_full() && self.evict(&mut shard, Some(id), now) {}
                drop(shard);
                self.make_room_elsewhere(id, now);
            }
        }
        Ok(outcome)
    }

    /// What could not be had in the part with `id`, entry by entry from the others. One after the other is locked, so
    /// nobody waits in a ring.
    fn make_room_elsewhere(&self, id: Id, now: Instant) {
        while self.is_full() {
            let mut progress = false;
            for shard in self.entries.others(id).take_while(|_| self.is_full()) {
                progress |= self.evict(&mut lock(shard), None, now);
            }
            if !progress {
                return;
            }
        }
    }

    fn is_full(&self) -> bool {
        self.bytes.0.load(Ordering::Relaxed) > self.room
    }

    fn evict(&self, shard: &mut Shard<Entry>, spared: Option<Id>, now: Instant) -> bool {
        let evicted = shard.evict(spared, |entry| (!entry.is_over(now), entry.used));
        evicted.iter().for_each(|entry| {
            self.release(entry);
            self.evicted.fetch_add(u64::from(!entry.is_over(now)), Ordering::Relaxed);
        });
        evicted.is_some()
    }

    fn free(&self, shard: &mut Shard<Entry>, count: usize, now: Instant) {
        shard.free(count, |entry| entry.is_over(now), |entry| self.release(&entry));
    }

    /// Count the bytes of an entry that is gone.
    fn release(&self, entry: &Entry) {
        self.bytes.0.fetch_sub(entry.size(), Ordering::Relaxed);
    }
}

/// What becomes of a key.
enum Change {
    None,
    To(Entry),
    ToNone,
}

struct Entry {
    value: Bytes,
    /// `None`: never, or later than anybody can tell.
    expiry: Option<Instant>,
    used: Instant,
}

impl Entry {
    fn new(value: &[u8], ttl: Option<Duration>, now: Instant) -> Result<Self, KvError> {
        if value.len() > limits::KV_VALUE_BYTES {
            return Err(KvError::ValueTooLong(value.len()));
        }
        let expiry = ttl.and_then(|ttl| now.checked_add(ttl));
        Ok(Self { value: Bytes::copy_from_slice(value), expiry, used: now })
    }

    fn is_over(&self, now: Instant) -> bool {
        self.expiry.is_some_and(|expiry| expiry <= now)
    }

    fn size(&self) -> usize {
        limits::KV_ENTRY_BYTES + self.value.len()
    }
}

fn check(key: &str) -> Result<&[u8], KvError> {
    if key.len() > limits::KV_KEY_BYTES { Err(KvError::KeyTooLong(key.len())) } else { Ok(key.as_bytes()) }
}

#[cfg(test)]
mod tests;
