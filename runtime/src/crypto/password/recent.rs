//! Passwords that were found right of late, so that whoever comes often is not kept waiting each time. In: what is kept of
//! a password, and the password. Kept: a digest of both under a key of this process's own, so nothing here is a password,
//! and none is known any more once its hash is another one. Bounded, in number and in time.

use std::collections::HashMap;
use std::hash::BuildHasherDefault;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use arc_swap::ArcSwapOption;
use sha2::{Digest, Sha256};

use crate::crypto::Hashed;
use crate::limits;

/// All of this process.
pub struct Recent {
    key: [u8; 32],
    parts: [Mutex<Part>; PARTS],
    /// The hash that was verified last.
    last: ArcSwapOption<String>,
}

/// What a password is known by, along with what it was compared to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Known([u8; 32]);

/// Two halves: when the young one is full it becomes the old one, and what was in that is forgotten.
#[derive(Default)]
struct Part {
    young: Half,
    old: Half,
}

/// Until when each is known.
type Half = HashMap<Known, Instant, BuildHasherDefault<Hashed>>;

/// Workers that look at the same time seldom look into the same part.
const PARTS: usize = 16;
const HALF: usize = limits::PASSWORDS_KNOWN / PARTS / 2;

impl Default for Recent {
    fn default() -> Self {
        let mut key = [0; 32];
        // Without random numbers digests have no secret in them; they still are digests.
        if let Err(error) = getrandom::fill(&mut key) {
            tracing::error!(%error, "there are no random numbers");
        }
        Self { key, parts: Default::default(), last: ArcSwapOption::empty() }
    }
}

impl Recent {
    /// What `password` is known by, if it is compared to what has this digest.
    pub fn name(&self, stored: &[u8; 32], password: &[u8]) -> Known {
        // Both have a fixed length, so that nothing of one can pass for a part of the other.
        Known(Sha256::new().chain_update(self.key).chain_update(stored).chain_update(password).finalize().into())
    }

    /// Whether it has been right within [`limits::PASSWORD_KNOWN_FOR`].
    pub fn knows(&self, known: Known, now: Instant) -> bool {
        let part = self.part(known).lock().unwrap_or_else(PoisonError::into_inner);
        part.young.get(&known).or_else(|| part.old.get(&known)).is_some_and(|until| now < *until)
    }

    /// It has been right just now.
    pub fn was_right(&self, known: Known, now: Instant) {
        let mut part = self.part(known).lock().unwrap_or_else(PoisonError::into_inner);
        if part.young.len() >= HALF {
            part.old = std::mem::take(&mut part.young);
        }
        part.young.insert(known, now + limits::PASSWORD_KNOWN_FOR);
    }

    /// Forget what has been known for long enough; the control plane calls this now and then.
    pub fn sweep(&self, now: Instant) {
        for part in &self.parts {
            let mut part = part.lock().unwrap_or_else(PoisonError::into_inner);
            part.young.retain(|_, until| now < *until);
            part.old.retain(|_, until| now < *until);
        }
    }

    /// `stored` has been verified.
    pub fn verified(&self, stored: &str) {
        if self.last.load().as_ref().is_none_or(|last| **last != stored) {
            self.last.store(Some(Arc::new(stored.to_owned())));
        }
    }

    /// What a password is verified against that comes with an unknown username, so that it takes as long as with a known
    /// one: the hash verified last, for the others are mostly as costly, or else the one that OWASP recommends.
    pub fn decoy(&self) -> Arc<String> {
        self.last.load_full().unwrap_or_else(|| Arc::new(RECOMMENDED.to_owned()))
    }

    fn part(&self, Known(digest): Known) -> &Mutex<Part> {
        let [part, ..] = &self.parts;
        self.parts.get(usize::from(digest[31]) % PARTS).unwrap_or(part)
    }
}

/// Argon2id with 19 MiB and two passes; of what, nobody knows.
const RECOMMENDED: &str =
    "$argon2id$v=19$m=19456,t=2,p=1$bm8gcGFzc3dvcmQgYXQgYWxs$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::crypto::password::{Verdict, verify};

    #[test]
    fn a_password_is_known_with_its_hash_and_for_a_while() {
        let (recent, now) = (Recent::default(), Instant::now());
        let known = recent.name(&[1; 32], b"open sesame");
        assert!(!recent.knows(known, now));
        recent.was_right(known, now);
        assert!(recent.knows(recent.name(&[1; 32], b"open sesame"), now));
        for (stored, password) in [([2; 32], &b"open sesame"[..]), ([1; 32], b"open sesam"), ([1; 32], b"")] {
            assert!(!recent.knows(recent.name(&stored, password), now));
        }
        let later = now + limits::PASSWORD_KNOWN_FOR;
        assert!(!recent.knows(known, later));
        recent.sweep(later);
        assert!(recent.parts.iter().all(|part| part.lock().unwrap().young.is_empty()));
    }

    #[test]
    fn no_two_processes_have_the_same_digests() {
        let name = || Recent::default().name(&[1; 32], b"open sesame");
        assert_ne!(name(), name());
    }

    #[test]
    fn it_holds_so_many_whatever_comes() {
        let (recent, now) = (Recent::default(), Instant::now());
        let known: Vec<Known> =
            (0..3 * limits::PASSWORDS_KNOWN as u64).map(|n| recent.name(&[1; 32], &n.to_ne_bytes())).collect();
        known.iter().for_each(|known| recent.was_right(*known, now));
        let is_known = known.iter().filter(|known| recent.knows(**known, now)).count();
        assert!(is_known <= limits::PASSWORDS_KNOWN && is_known > limits::PASSWORDS_KNOWN / 3, "{is_known}");
        assert!(recent.knows(known[known.len() - 1], now));
    }

    #[test]
    fn an_unknown_username_takes_as_long_as_the_last_known_one() {
        let recent = Recent::default();
        assert_eq!(verify(&recent.decoy(), b""), Ok(Verdict::Mismatch));
        recent.verified("$2a$05$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW");
        assert!(recent.decoy().starts_with("$2a$05$"));
    }
}
