//! A hash table of texts that is built once: hosts, values of headers, server names and networks are all found in such.
//! From a text to a number. What a lookup looks at first is 4 bytes per slot, so that it stays in the cache with ten
//! thousand texts; the text itself is compared while the caller goes on already.

use std::collections::hash_map::RandomState;
use std::hash::BuildHasher;

use super::radix::index;

#[derive(Debug)]
pub(super) struct Table {
    /// A power of two of them, less than three quarters of it taken. `FREE`, or an entry's index plus one and, in the
    /// bits above, so much of the hash as there is room for.
    slots: Box<[u32]>,
    /// The bits that are the index's.
    index: u32,
    /// And one more behind the last, for where its text ends.
    entries: Box<[Entry]>,
    texts: Box<[u8]>,
    /// Nobody who chooses hosts for a configuration can know it, and so make them collide. Who only asks for hosts
    /// adds nothing to the table: a lookup looks at the slots in a row that the configuration has filled, no more.
    seed: u64,
}

/// Texts of different kinds are told apart by their scope.
pub(super) type Filed = (u32, Box<[u8]>);

#[derive(Debug)]
struct Entry {
    /// Where its scope and its text begin in `texts`.
    start: u32,
    value: u32,
}

const FREE: u32 = 0;

impl Table {
    /// `filed`: each once, with its number.
    pub(super) fn new<'f>(filed: impl IntoIterator<Item = (&'f Filed, u32)>) -> Self {
        let filed: Vec<(&Filed, u32)> = filed.into_iter().collect();
        let slots = if filed.is_empty() { 0 } else { (filed.len() * 4 / 3 + 1).next_power_of_two() };
        let mut table = Self {
            slots: vec![FREE; slots].into(),
            index: index(slots).wrapping_sub(1),
            entries: Box::default(),
            texts: Box::default(),
            seed: RandomState::new().hash_one(()),
        };
        let (mut entries, mut texts) = (Vec::with_capacity(filed.len() + 1), Vec::new());
        for (((scope, text), value), nth) in filed.into_iter().zip(1..) {
            let hash = table.hash(*scope, text);
            let free = table.row(hash).find(|at| table.slots.get(*at) == Some(&FREE));
            if let Some(slot) = free.and_then(|at| table.slots.get_mut(at)) {
                *slot = table.index & nth | !table.index & upper(hash);
            }
            entries.push(Entry { start: index(texts.len()), value });
            texts.extend(scope.to_le_bytes());
            texts.extend_from_slice(text);
        }
        entries.push(Entry { start: index(texts.len()), value: 0 });
        table.entries = entries.into();
        table.texts = texts.into();
        table
    }

    /// The number of a text.
    pub(super) fn find(&self, scope: u32, text: &[u8]) -> Option<u32> {
        if self.slots.is_empty() {
            return None;
        }
        let hash = self.hash(scope, text);
        for at in self.row(hash) {
            let slot = self.slots.get(at).filter(|slot| **slot != FREE)?;
            if (slot ^ upper(hash)) & !self.index == 0
                && let Some([entry, behind, ..]) = self.entries.get((slot & self.index) as usize - 1..)
                && self.is(entry, behind, scope, text)
            {
                return Some(entry.value);
            }
        }
        None
    }

    fn is(&self, entry: &Entry, behind: &Entry, scope: u32, text: &[u8]) -> bool {
        let known = self.texts.get(entry.start as usize..behind.start as usize);
        let known = known.and_then(|known| known.split_first_chunk());
        known.is_some_and(|(known_scope, known)| *known_scope == scope.to_le_bytes() && known == text)
    }

    /// The slots to look at, one after the other.
    fn row(&self, hash: u64) -> impl Iterator<Item = usize> + use<> {
        let mask = self.slots.len().wrapping_sub(1);
        (0..self.slots.len()).map(move |nth| (hash as usize).wrapping_add(nth) & mask)
    }

    /// Eight bytes at a time, each multiplied into all bits of the next (wyhash, foldhash).
    fn hash(&self, scope: u32, text: &[u8]) -> u64 {
        let (words, tail) = text.as_chunks::<8>();
        let tail = tail.iter().rev().fold(0, |word, byte| word << 8 | u64::from(*byte));
        // The length tells a text from the same one with zeros behind it.
        let start = self.seed ^ (u64::from(scope) << 32 | text.len() as u64);
        let words = words.iter().map(|word| u64::from_le_bytes(*word)).chain([tail]);
        words.fold(start, |state, word| folded(state ^ word, MULTIPLIER))
    }
}

/// Half of its bits are set, and it is odd (the golden ratio's fraction).
const MULTIPLIER: u64 = 0x9e37_79b9_7f4a_7c15;

fn folded(a: u64, b: u64) -> u64 {
    let product = u128::from(a) * u128::from(b);
    (product as u64) ^ (product >> 64) as u64
}

fn upper(hash: u64) -> u32 {
    (hash >> 32) as u32
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(number: usize) -> Box<[u8]> {
        // All lengths of the last word, zeros in it, and none at all.
        let text = format!("{number:o}\0\0.example.com");
        let end = number.to_le_bytes();
        text.as_bytes()[..number % text.len()].iter().chain(&end[..number % 7]).copied().collect()
    }

    #[test]
    fn what_was_filed_is_found_and_nothing_else() {
        for count in [0, 1, 2, 3, 10, 11, 12, 1000] {
            let mut filed: Vec<Filed> = (0..count).map(|number| (number as u32 % 3, text(number))).collect();
            filed.sort();
            filed.dedup();
            let table = Table::new(filed.iter().zip(0..));
            for number in 0..count + 1000 {
                for scope in 0..4 {
                    let asked = (scope, text(number));
                    let expected = filed.iter().position(|known| *known == asked).map(|at| at as u32);
                    assert_eq!(table.find(asked.0, &asked.1), expected, "{asked:?}");
                }
            }
        }
    }

    #[test]
    fn texts_alike_are_spread() {
        let filed: Vec<Filed> = (0..10_000).map(|nth| (0, format!("t{nth}.a.com").into_bytes().into())).collect();
        let table = Table::new(filed.iter().zip(0..));
        let steps = filed.iter().zip(1..).map(|((scope, text), number)| {
            let mut row = table.row(table.hash(*scope, text));
            row.position(|at| table.slots[at] & table.index == number).unwrap()
        });
        let steps: Vec<usize> = steps.collect();
        assert!(steps.iter().sum::<usize>() < 20_000 && *steps.iter().max().unwrap() < 100, "{:?}", steps.iter().max());
    }
}
