//! A map that all workers share: many small maps, each behind its own lock, so that two workers hardly ever want the
//! same one. Counters and kv keep their entries here; what they hold at most, and what makes room, is theirs to say.

use std::hash::{BuildHasher, BuildHasherDefault, Hasher, RandomState};
use std::sync::{Mutex, MutexGuard, PoisonError};

use indexmap::IndexMap;
use indexmap::map::Entry;

use super::Space;
use crate::limits;

/// What a key is known by: 128 bits of it under secret keys, so that nobody can choose two keys that are one here, and
/// an entry has the same size however long its key is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Id(u128);

/// Values of type `V` by space and key.
pub(super) struct Shards<V> {
    shards: Box<[Mutex<Shard<V>>]>,
    /// One more, so that there is one for every id.
    last: Mutex<Shard<V>>,
    /// Each makes 64 bits of an id.
    secrets: [RandomState; 2],
}

impl<V> Shards<V> {
    pub(super) fn new() -> Self {
        let shards = (1..limits::STORE_SHARDS).map(|_| Mutex::default()).collect();
        Self { shards, last: Mutex::default(), secrets: [RandomState::new(), RandomState::new()] }
    }

    pub(super) fn id(&self, space: Space, key: &[u8]) -> Id {
        let [low, high] = self.secrets.each_ref().map(|secret| secret.hash_one((space, key)));
        Id(u128::from(high) << 64 | u128::from(low))
    }

    /// The shard that has this id, for as long as the guard lives.
    pub(super) fn lock(&self, id: Id) -> MutexGuard<'_, Shard<V>> {
        lock(self.shards.get(place(id)).unwrap_or(&self.last))
    }

    /// All shards but the one that has this id, from a random one on.
    pub(super) fn others(&self, id: Id) -> impl Iterator<Item = &Mutex<Shard<V>>> {
        let first = fastrand::usize(1..limits::STORE_SHARDS);
        let places = (0..limits::STORE_SHARDS - 1).map(move |step| (first + step) % (limits::STORE_SHARDS - 1));
        places.map(move |step| {
            let other = (place(id) + 1 + step) % limits::STORE_SHARDS;
            self.shards.get(other).unwrap_or(&self.last)
        })
    }

    /// All shards, one after the other.
    pub(super) fn each(&self) -> impl Iterator<Item = &Mutex<Shard<V>>> {
        self.shards.iter().chain([&self.last])
    }
}

/// Which shard has this id. Inside, it is found by the low half, so the shard is chosen by the high one.
fn place(id: Id) -> usize {
    usize::try_from(id.0 >> 96).unwrap_or_default() % limits::STORE_SHARDS
}

/// The lock, whoever panicked with it: every change of a shard is complete in itself.
pub(super) fn lock<V>(shard: &Mutex<Shard<V>>) -> MutexGuard<'_, Shard<V>> {
    shard.lock().unwrap_or_else(PoisonError::into_inner)
}

/// One of the small maps. Its entries stand in a row, so that some can be drawn at random, and looked through bit by
/// bit.
pub(super) struct Shard<V> {
    entries: IndexMap<Id, V, BuildHasherDefault<Half>>,
    /// Where the search for entries that have expired goes on.
    cursor: usize,
}

impl<V> Default for Shard<V> {
    fn default() -> Self {
        Self { entries: IndexMap::default(), cursor: 0 }
    }
}

impl<V> Shard<V> {
    pub(super) fn len(&self) -> usize {
        self.entries.len()
    }

    pub(super) fn get(&mut self, id: Id) -> Option<&mut V> {
        self.entries.get_mut(&id)
    }

    /// Put `value` in the place of what was there, which is given back.
    pub(super) fn insert(&mut self, id: Id, value: V) -> Option<V> {
        match self.entries.entry(id) {
            Entry::Occupied(mut entry) => Some(entry.insert(value)),
            Entry::Vacant(entry) => {
                entry.insert(value);
                None
            }
        }
    }

    pub(super) fn remove(&mut self, id: Id) -> Option<V> {
        self.entries.swap_remove(&id)
    }

    /// Take out those that are `over` among the next `count` entries; `freed` gets them.
    pub(super) fn free(&mut self, count: usize, over: impl Fn(&V) -> bool, mut freed: impl FnMut(V)) {
        for _ in 0..count.min(self.entries.len()) {
            if self.cursor >= self.entries.len() {
                self.cursor = 0;
            }
            match self.entries.get_index(self.cursor) {
                // The last one takes its place, and is looked at next.
                Some((_, value)) if over(value) => {
                    if let Some((_, value)) = self.entries.swap_remove_index(self.cursor) {
                        freed(value);
                    }
                }
                _ => self.cursor += 1,
            }
        }
    }

    /// Look at the first entry next.
    pub(super) fn rewind(&mut self) {
        self.cursor = 0;
    }

    /// Take out the one that ranks lowest among some that are drawn at random; never `spared`.
    pub(super) fn evict<R: Ord>(&mut self, spared: Option<Id>, rank: impl Fn(&V) -> R) -> Option<V> {
        let count = self.entries.len();
        let ranked = |index| match self.entries.get_index(index) {
            Some((id, value)) if Some(*id) != spared => Some((rank(value), index)),
            _ => None,
        };
        let drawn = (0..limits::STORE_EVICTION_SAMPLES.min(count)).map(|_| fastrand::usize(..count));
        let (_, index) = drawn.filter_map(ranked).min()?;
        self.entries.swap_remove_index(index).map(|(_, value)| value)
    }

    /// Give memory back if most of it lies idle.
    pub(super) fn shrink(&mut self) {
        let used = self.entries.len().max(limits::STORE_SHARD_ROOM);
        if self.entries.capacity() / 4 > used {
            self.entries.shrink_to(used * 2);
        }
    }
}

/// Ids are random already: half of one will do.
#[derive(Default)]
pub(super) struct Half(u64);

impl Hasher for Half {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = self.0.rotate_left(8) ^ u64::from(*byte);
        }
    }

    fn write_u128(&mut self, id: u128) {
        let [low, _] = [id, id >> 64].map(|half| u64::try_from(half & u128::from(u64::MAX)).unwrap_or_default());
        self.0 = low;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spaces_and_keys_are_told_apart_whatever_their_bytes() {
        let shards: Shards<()> = Shards::new();
        let id = |space, key: &str| shards.id(Space(space), key.as_bytes());
        assert_eq!(id(1, "a"), id(1, "a"));
        assert_ne!(id(1, "a"), id(2, "a"));
        assert_ne!(id(1, "a"), id(1, "a\0"));
        assert_ne!(id(1, ""), id(0, ""));
    }

    #[test]
    fn what_is_over_is_freed_bit_by_bit_and_nothing_else() {
        let shards: Shards<u32> = Shards::new();
        let mut shard = Shard::default();
        for number in 0..1000 {
            shard.insert(shards.id(Space(0), &number.to_string().into_bytes()), number);
        }
        let mut freed = Vec::new();
        for _ in 0..200 {
            shard.free(10, |number| number % 3 == 0, |number| freed.push(number));
        }
        assert_eq!(shard.len(), 666);
        assert!(freed.len() == 334 && freed.iter().all(|number| number % 3 == 0));
    }

    #[test]
    fn eviction_takes_the_lowest_of_a_sample() {
        let shards: Shards<u32> = Shards::new();
        let mut shard = Shard::default();
        for number in 0..1000 {
            shard.insert(shards.id(Space(0), &number.to_string().into_bytes()), number);
        }
        let evicted: Vec<u32> = (0..100).filter_map(|_| shard.evict(None, |number| *number)).collect();
        let mean = evicted.iter().sum::<u32>() / 100;
        assert!(mean < 250, "the lowest of eight random ones among a thousand is about 111, this was {mean}");
        while shard.evict(None, |number| *number).is_some() {}
        assert_eq!(shard.len(), 0);
    }

    #[test]
    fn the_other_shards_are_all_but_one_and_each_once() {
        let shards: Shards<()> = Shards::new();
        let id = shards.id(Space(0), b"k");
        let _own = shards.lock(id);
        let others: Vec<_> = shards.others(id).map(std::ptr::from_ref).collect();
        assert!(shards.others(id).all(|shard| shard.try_lock().is_ok()));
        let distinct: std::collections::HashSet<_> = others.iter().collect();
        assert_eq!((others.len(), distinct.len()), (limits::STORE_SHARDS - 1, limits::STORE_SHARDS - 1));
    }

    #[test]
    fn a_shard_gives_memory_back() {
        let shards: Shards<u32> = Shards::new();
        let mut shard = Shard::default();
        for number in 0..10_000 {
            shard.insert(shards.id(Space(0), &number.to_string().into_bytes()), number);
        }
        shard.free(20_000, |_| true, drop);
        shard.shrink();
        assert!(shard.entries.capacity() <= 4 * limits::STORE_SHARD_ROOM, "{}", shard.entries.capacity());
    }
}
