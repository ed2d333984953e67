//! Answers and failures in memory, and the lookups under way: who asks for a name that somebody already asks for waits
//! for the same lookup.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::watch;
use tokio::time::Instant;

use super::Answer;
use super::fault::{Failed, Fault, Kind};
use crate::limits;

/// What comes of a lookup.
pub(super) type Outcome = Result<Arc<Answer>, Fault>;

/// What is looked up. Names are in lower case: their case means nothing (RFC 4343).
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) enum Key {
    /// Addresses.
    Host(String),
    /// SRV records and their targets' addresses.
    Service(String),
}

impl Key {
    pub(super) fn host(name: &str) -> Self {
        Self::Host(name.to_ascii_lowercase())
    }

    pub(super) fn service(name: &str) -> Self {
        Self::Service(name.to_ascii_lowercase())
    }
}

/// All that is known or about to be. The lock is held for a look at a map, never while waiting.
#[derive(Default)]
pub(super) struct Cache(Mutex<HashMap<Key, Slot>>);

enum Slot {
    Flying(watch::Receiver<Option<Outcome>>),
    Landed { outcome: Outcome, until: Instant },
}

/// How one comes to an outcome.
pub(super) enum Entry {
    /// It is there, or somebody sees to it.
    Join(Flight),
    /// The asker has to see to it, and tell the others.
    Lead(watch::Sender<Option<Outcome>>, Flight),
    /// As many lookups as may be are under way.
    Full,
}

/// A lookup, done or not.
pub(super) enum Flight {
    Flying(watch::Receiver<Option<Outcome>>),
    Landed(Outcome),
}

impl Flight {
    /// Wait for its end, which the lookup's own deadline bounds. Cancelling is safe: the lookup goes on.
    pub(super) async fn outcome(self) -> Outcome {
        match self {
            Self::Landed(outcome) => outcome,
            Self::Flying(mut landing) => match landing.wait_for(Option::is_some).await {
                Ok(outcome) => outcome.clone().unwrap_or_else(|| Err(abandoned())),
                Err(_) => Err(abandoned()),
            },
        }
    }
}

fn abandoned() -> Fault {
    Failed::new(Kind::Failed, "the lookup was given up because the gateway stops").into()
}

impl Cache {
    pub(super) fn enter(&self, key: &Key, now: Instant) -> Entry {
        let mut slots = self.lock();
        match slots.get(key) {
            Some(Slot::Landed { outcome, until }) if *until > now => {
                return Entry::Join(Flight::Landed(outcome.clone()));
            }
            // An error here means that the lookup ended without an outcome: its runtime is gone.
            Some(Slot::Flying(landing)) if landing.has_changed().is_ok() => {
                return Entry::Join(Flight::Flying(landing.clone()));
            }
            _ => {}
        }
        if !slots.contains_key(key) && slots.len() >= limits::DNS_NAMES && !make_room(&mut slots, now) {
            return Entry::Full;
        }
        let (sender, landing) = watch::channel(None);
        slots.insert(key.clone(), Slot::Flying(landing.clone()));
        Entry::Lead(sender, Flight::Flying(landing))
    }

    pub(super) fn land(&self, key: Key, outcome: Outcome, now: Instant) {
        let until = match &outcome {
            Ok(answer) => answer.valid_until,
            Err(_) => now + limits::DNS_NEGATIVE_TTL,
        };
        self.lock().insert(key, Slot::Landed { outcome, until });
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Key, Slot>> {
        // No code that runs under the lock leaves the map half changed.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Take out what has expired, and if nothing has, what expires first. Whether that made room.
fn make_room(slots: &mut HashMap<Key, Slot>, now: Instant) -> bool {
    slots.retain(|_, slot| matches!(slot, Slot::Landed { until, .. } if *until > now) || is_flying(slot));
    if slots.len() < limits::DNS_NAMES {
        return true;
    }
    let landed = slots.iter().filter_map(|(key, slot)| match slot {
        Slot::Landed { until, .. } => Some((*until, key)),
        Slot::Flying(_) => None,
    });
    let Some(first) = landed.min_by_key(|(until, _)| *until).map(|(_, key)| key.clone()) else { return false };
    slots.remove(&first).is_some()
}

fn is_flying(slot: &Slot) -> bool {
    matches!(slot, Slot::Flying(landing) if landing.has_changed().is_ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_is_bounded_and_the_first_to_expire_goes() {
        let cache = Cache::default();
        let answer = |seconds| {
            let valid_until = Instant::now() + std::time::Duration::from_secs(seconds);
            Ok(Arc::new(Answer { addresses: Vec::new(), valid_until }))
        };
        for number in 0..limits::DNS_NAMES {
            let seconds = if number == 7 { 5 } else { 60 };
            cache.land(Key::host(&number.to_string()), answer(seconds), Instant::now());
        }
        assert!(matches!(cache.enter(&Key::host("new"), Instant::now()), Entry::Lead(..)));
        assert_eq!(cache.lock().len(), limits::DNS_NAMES);
        assert!(!cache.lock().contains_key(&Key::host("7")));

        let flights: Vec<Entry> = (0..limits::DNS_NAMES)
            .map(|number| cache.enter(&Key::service(&number.to_string()), Instant::now()))
            .collect();
        let leads = flights.iter().filter(|entry| matches!(entry, Entry::Lead(..))).count();
        assert_eq!(leads, limits::DNS_NAMES, "an abandoned lookup, like that of \"new\", makes room");
        assert!(matches!(cache.enter(&Key::host("x"), Instant::now()), Entry::Full), "lookups under way stay");
        assert!(matches!(cache.enter(&Key::service("0"), Instant::now()), Entry::Join(Flight::Flying(_))));
    }

    #[tokio::test]
    async fn who_waits_for_a_lookup_that_died_is_told_and_the_next_starts_anew() {
        let cache = Cache::default();
        let Entry::Lead(sender, flight) = cache.enter(&Key::host("A"), Instant::now()) else { panic!("not new") };
        drop(sender);
        assert_eq!(flight.outcome().await.unwrap_err().kind, Kind::Failed);
        assert!(matches!(cache.enter(&Key::host("a"), Instant::now()), Entry::Lead(..)));
    }
}
