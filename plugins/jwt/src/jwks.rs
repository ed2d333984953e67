//! Keys that an identity provider publishes (RFC 7517): fetched when they are needed first, when they are old and when a
//! token asks for one that is not there, and kept for all workers. What was fetched last is used while nothing newer can
//! be had.

mod key_set;

use std::fmt::Display;
use std::rc::Rc;
use std::time::Duration;

use tidegate_sdk::crypto::{self, Hash};
use tidegate_sdk::prelude::*;

use self::key_set::Found;
pub(crate) use self::key_set::KeySet;
use crate::refusal::Refusal;
use crate::settings::Settings;
use crate::token::Token;

/// The keys of a URL.
pub(crate) struct Published<'s> {
    url: &'s str,
    settings: &'s Settings,
    note: Option<Note>,
}

/// What all workers know about the last fetches.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
struct Note {
    /// Of the keys: a part of their digest. 0: there are none.
    version: u64,
    /// When they came, in seconds since 1970.
    fetched: u64,
    /// When the last attempt ended, whatever came of it.
    attempted: u64,
}

impl<'s> Published<'s> {
    pub(crate) fn new(url: &'s str, settings: &'s Settings) -> Self {
        Self { url, settings, note: Note::kept(url) }
    }

    /// Tells the keys that are used now from others; 0 if there are none.
    pub(crate) fn version(&self, now: u64) -> u64 {
        self.usable(now).map_or(0, |note| note.version)
    }

    /// See that the token is signed by one of the keys.
    pub(crate) fn verify(&self, token: &Token<'_>, now: u64) -> Result<(), Refusal> {
        if !self.settings.algorithms.contains(&token.algorithm) {
            return Err("Invalid algorithm".into());
        }
        let kid = token.kid.as_deref();
        let keys = match self.keys(now) {
            Some(keys) if matches!(keys.find(kid, token.algorithm), Found::Unknown) && self.may_ask_again(now)? => {
                self.fetch(now).unwrap_or(keys)
            }
            Some(keys) => keys,
            None if self.is_cooling_down(now) => return Err(Refusal::Undecided),
            None => self.fetch(now).ok_or(Refusal::Undecided)?,
        };
        let candidates = match keys.find(kid, token.algorithm) {
            Found::Keys(candidates) => candidates,
            Found::OtherAlgorithm => return Err("Invalid algorithm".into()),
            Found::Unknown => return Err(self.settings.no_credentials("kid")),
        };
        for key in candidates {
            match crypto::verify(token.algorithm.into(), key.key(), token.signed, &token.signature) {
                Ok(true) => return Ok(()),
                Ok(false) => {}
                Err(problem) => log::warn!("a key of {} cannot be used: {problem}", self.url),
            }
        }
        Err("Invalid signature".into())
    }

    /// Fetch them again if they are old.
    pub(crate) fn refresh(&self, now: u64) {
        let age = self.note.map_or(u64::MAX, |note| now.saturating_sub(note.fetched));
        if age < self.settings.jwks_refresh || self.is_cooling_down(now) {
            return;
        }
        // Of all who notice it, one is enough: others would only wait, and hold up requests by that.
        let cooldown = Duration::from_secs(self.settings.jwks_cooldown);
        if kv::compare_and_set(&format!("refreshing {}", self.url), None, "", Some(cooldown)) == Ok(true) {
            self.fetch(now);
        }
    }

    fn usable(&self, now: u64) -> Option<Note> {
        let is_fresh = |note: &Note| now.saturating_sub(note.fetched) < self.settings.jwks_max_age;
        self.note.filter(|note| note.version != 0 && is_fresh(note))
    }

    fn is_cooling_down(&self, now: u64) -> bool {
        self.note.is_some_and(|note| now.saturating_sub(note.attempted) < self.settings.jwks_cooldown)
    }

    /// Whether a token that asks for an unknown key may wait for the keys to be fetched again. Anybody can make such
    /// tokens up, so few wait at a time, and most are told at once.
    fn may_ask_again(&self, now: u64) -> Result<bool, Refusal> {
        if self.is_cooling_down(now) {
            return Ok(false);
        }
        let window = Duration::from_secs(self.settings.jwks_timeout);
        match kv::increment(&format!("waiting {}", self.url), 1, Some(window)) {
            Ok(waiting) if waiting <= MOST_WAITING => Ok(true),
            _ => Err(Refusal::Undecided),
        }
    }

    /// The keys that are there, if they are not too old.
    fn keys(&self, now: u64) -> Option<Rc<KeySet>> {
        let note = self.usable(now)?;
        let unpacked = self.settings.unpacked.borrow().clone().filter(|keys| keys.version == note.version);
        unpacked.or_else(|| {
            let kept = kv::get(&keys_of(self.url)).ok()??;
            let keys = KeySet::unpack(&kept).filter(|keys| keys.version == note.version)?;
            Some(self.hold(keys))
        })
    }

    /// Fetch them, and tell the other workers. Whoever wants that at the same time gets the same answer.
    fn fetch(&self, now: u64) -> Option<Rc<KeySet>> {
        let settings = self.settings;
        let asked = http::get(self.url)
            .header("accept", "application/jwk-set+json, application/json")
            .timeout(Duration::from_secs(settings.jwks_timeout))
            .send_shared(Duration::from_secs(settings.jwks_cooldown));
        let kept = asked.map_err(|error| error.to_string()).and_then(|answer| self.keep(&answer));
        // Somebody else may have been luckier meanwhile.
        let before = Note::kept(self.url).unwrap_or_default();
        // It may have taken seconds, but the cool-down is for the next one.
        let attempted = crate::seconds_since_1970().max(now);
        let (note, keys) = match kept {
            Ok(keys) => (Note { version: keys.version, fetched: attempted, attempted }, Some(keys)),
            Err(problem) => {
                self.complain(&problem, &before);
                (Note { attempted, ..before }, None)
            }
        };
        if let Err(problem) = note.keep(self.url) {
            log::error!("the workers cannot be told of keys of {}: {problem}", self.url);
        }
        keys
    }

    fn keep(&self, answer: &http::Answer) -> Result<Rc<KeySet>, String> {
        if answer.status != 200 {
            return Err(format!("it answered {}", answer.status));
        }
        let digest = crypto::digest(Hash::Sha256, &answer.body);
        // 0 is said of no keys.
        let version = digest.first_chunk().map_or(1, |first| u64::from_ne_bytes(*first).max(1));
        let keys = KeySet::parse(version, &answer.body)?;
        let age = Duration::from_secs(self.settings.jwks_max_age);
        kv::set(&keys_of(self.url), keys.pack(), Some(age))?;
        Ok(self.hold(keys))
    }

    /// This instance need not unpack them again.
    fn hold(&self, keys: KeySet) -> Rc<KeySet> {
        let keys = Rc::new(keys);
        self.settings.unpacked.replace(Some(Rc::clone(&keys)));
        keys
    }

    fn complain(&self, problem: &dyn Display, before: &Note) {
        let rest = match before.version {
            0 => "no token can be verified until they are",
            _ => "those that were fetched last are used",
        };
        log::warn!("the keys of {} cannot be fetched: {problem}; {rest}", self.url);
    }
}

/// How many may wait for keys that nobody knows yet, within the time that fetching takes.
const MOST_WAITING: i64 = 16;

fn keys_of(url: &str) -> String {
    format!("keys {url}")
}

impl Note {
    fn kept(url: &str) -> Option<Self> {
        let kept = kv::get(&format!("note {url}")).ok()??;
        let number = |place: usize| Some(u64::from_le_bytes(*kept.get(8 * place..)?.first_chunk()?));
        Some(Self { version: number(0)?, fetched: number(1)?, attempted: number(2)? })
    }

    fn keep(&self, url: &str) -> Result<(), String> {
        let bytes = [self.version, self.fetched, self.attempted].map(u64::to_le_bytes).concat();
        kv::set(&format!("note {url}"), bytes, None)
    }
}
