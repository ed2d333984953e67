//! Tokens that were found good of late, by each instance for itself. They are found by all of their text, so that none is
//! taken for another, and only as long as the keys are the same that they were verified by.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};
use std::mem;
use std::rc::Rc;

use crate::verify::Owner;

/// What a token came to.
#[derive(Debug)]
pub(crate) struct Verified {
    pub(crate) owner: Owner,
    /// A JSON object.
    pub(crate) claims: String,
    /// In seconds since 1970.
    pub(crate) from: f64,
    /// The first second in which it is good no more.
    pub(crate) until: f64,
}

/// Two halves: when the young one is full, it becomes the old one, and what was in that is forgotten unless it was asked
/// for meanwhile.
#[derive(Debug, Default)]
pub(crate) struct Seen {
    version: u64,
    young: Half,
    old: Half,
    /// Of the young half.
    bytes: usize,
}

type Half = HashMap<Box<str>, Rc<Verified>, BuildHasherDefault<End>>;

/// What a half may hold: an instance has 16 MiB unless its use says otherwise.
const HALF_BYTES: usize = 1 << 20;
/// What an entry takes beside its texts, roughly.
const ENTRY_BYTES: usize = 256;

impl Seen {
    /// The token, if it was found good by the keys of this version, and still is.
    pub(crate) fn look(&mut self, token: &str, version: u64, now: u64) -> Option<Rc<Verified>> {
        self.begin(version);
        let verified = self.find(token)?;
        (verified.from <= now as f64 && (now as f64) < verified.until).then_some(verified)
    }

    /// Keep what was found out by the keys of this version.
    pub(crate) fn keep(&mut self, token: &str, version: u64, verified: &Rc<Verified>) {
        self.begin(version);
        self.insert(token.into(), Rc::clone(verified));
    }

    fn begin(&mut self, version: u64) {
        if self.version != version {
            *self = Self { version, ..Self::default() };
        }
    }

    fn find(&mut self, token: &str) -> Option<Rc<Verified>> {
        if let Some(verified) = self.young.get(token) {
            return Some(Rc::clone(verified));
        }
        let (token, verified) = self.old.remove_entry(token)?;
        self.insert(token, Rc::clone(&verified));
        Some(verified)
    }

    fn insert(&mut self, token: Box<str>, verified: Rc<Verified>) {
        let bytes = token.len() + verified.claims.len() + ENTRY_BYTES;
        if self.bytes + bytes > HALF_BYTES {
            self.old = mem::take(&mut self.young);
            self.bytes = 0;
        }
        self.bytes += bytes;
        self.young.insert(token, verified);
    }
}

/// Hashes a token by its end, which is that of its signature: only good ones are kept, and nobody chooses those.
#[derive(Default)]
struct End(u64);

impl Hasher for End {
    fn write(&mut self, token: &[u8]) {
        if let Some(end) = token.last_chunk() {
            self.0 = u64::from_le_bytes(*end);
        }
    }

    /// What tells a text's end, which is the same for all.
    fn write_u8(&mut self, _: u8) {}

    fn finish(&self) -> u64 {
        // Letters have few bits that differ: they are spread over all (Knuth's multiplicative hashing).
        self.0.wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(26)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn verified(from: f64, until: f64) -> Rc<Verified> {
        Rc::new(Verified { owner: Owner::Nobody, claims: "{}".to_owned(), from, until })
    }

    #[test]
    fn a_token_is_known_between_its_times_and_by_the_same_keys() {
        let mut seen = Seen::default();
        seen.keep("a.b.signature", 1, &verified(100.0, 200.0));
        for (token, version, now, known) in [
            ("a.b.signature", 1, 99, false),
            ("a.b.signature", 1, 100, true),
            ("a.b.signature", 1, 199, true),
            ("a.b.signature", 1, 200, false),
            ("a.c.signature", 1, 100, false),
            ("a.b.signature", 2, 100, false),
            ("a.b.signature", 1, 100, false),
        ] {
            assert_eq!(seen.look(token, version, now).is_some(), known, "{token} {version} {now}");
        }
    }

    #[test]
    fn what_is_asked_for_stays_and_memory_is_bounded() {
        let mut seen = Seen::default();
        let big = "x".repeat(8 << 10);
        seen.keep("asked.for", 0, &verified(0.0, f64::INFINITY));
        for number in 0..1_000 {
            seen.keep(&format!("{number}.{big}.{number}"), 0, &verified(0.0, f64::INFINITY));
            assert!(seen.find("asked.for").is_some(), "{number}");
            assert!(seen.bytes <= HALF_BYTES);
        }
        assert!(seen.young.len() + seen.old.len() < 2 * HALF_BYTES / (8 << 10) + 2);
        assert!(seen.find(&format!("0.{big}.0")).is_none());
    }
}
