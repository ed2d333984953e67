//! The plugin uses of consumers. A request meets them from the moment that a plugin has found out whose it is: what is left
//! of the route's chain then becomes another one. Such chains are made when they are first needed, and each worker keeps
//! some: all routes' with all consumers' would be too many.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use super::{Chain, merge};
use crate::host::plugin_use::Use;
use crate::identity::Consumer;
use crate::limits;
use crate::snapshot::Route;

/// Those of one generation.
pub struct ConsumerUses {
    /// As listed; consumers without any are not there.
    listed: Vec<Listed>,
    /// From consumers' numbers into the list.
    places: HashMap<u64, usize>,
    /// One per worker.
    kept: Box<[Kept]>,
}

/// A consumer with uses.
pub struct Listed {
    /// Whose they are.
    pub consumer: Arc<Consumer>,
    /// At least one.
    pub uses: Vec<OwnUse>,
}

/// A use that a consumer has.
pub struct OwnUse {
    /// The use.
    pub plugin_use: Use,
    /// The one route where it holds, if it does not on all.
    pub route: Option<String>,
    /// The one service.
    pub service: Option<String>,
}

impl OwnUse {
    fn holds_on(&self, route: &Route) -> bool {
        self.route.as_deref().is_none_or(|name| name == &*route.name)
            && self.service.as_deref().is_none_or(|name| name == &*route.service.name)
    }
}

/// The chains that a worker keeps; locked by that worker only, so never waited for. On cache lines of its own.
#[derive(Default)]
#[repr(align(128))]
struct Kept(Mutex<Vec<Option<Made>>>);

/// What came of a chain at one of its uses, for one consumer.
struct Made {
    from: From,
    resumed: Option<Resumed>,
}

/// A chain's number, a consumer's, and the place in the chain.
#[derive(Clone, Copy, PartialEq, Eq)]
struct From {
    chain: u64,
    consumer: u64,
    at: usize,
}

/// A chain to go on with, behind the use at this place.
pub type Resumed = (Arc<Chain>, usize);

impl ConsumerUses {
    /// `None` if nobody has any.
    pub fn new(listed: Vec<Listed>, workers: usize) -> Option<Self> {
        let places = listed.iter().enumerate().map(|(at, listed)| (listed.consumer.number(), at)).collect();
        let kept = (0..workers).map(|_| Kept::default()).collect();
        (!listed.is_empty()).then(|| Self { listed, places, kept })
    }

    /// Consumers with uses, as listed.
    pub fn listed(&self) -> &[Listed] {
        &self.listed
    }

    /// How a request for `route` goes on in whose `current` chain the use at `at` has found out that `consumer` sends
    /// it. `None`: as it was to.
    pub fn resumed(
        &self,
        worker: usize,
        route: &Route,
        current: &Chain,
        at: usize,
        consumer: &Consumer,
    ) -> Option<Resumed> {
        let place = if consumer.has_uses { self.places.get(&consumer.number()) } else { None };
        let is_routes_own = current.number == route.chain.number;
        if place.is_none() && is_routes_own {
            return None;
        }
        let from = From { chain: current.number, consumer: consumer.number(), at };
        self.kept.get(worker)?.resumed(from, || {
            let uses = place.and_then(|place| self.listed.get(*place)).map_or(&[][..], |listed| &listed.uses);
            let own: Vec<&Use> = uses.iter().filter(|own| own.holds_on(route)).map(|own| &own.plugin_use).collect();
            (!own.is_empty() || !is_routes_own).then(|| {
                let (uses, at) = merge::resumed(route.chain.uses(), current.uses(), at, &own);
                (Chain::of(&uses), at)
            })
        })
    }
}

impl Kept {
    /// What is kept for `from`, or else what `make` comes to.
    fn resumed(&self, from: From, make: impl FnOnce() -> Option<Resumed>) -> Option<Resumed> {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.is_empty() {
            kept.resize_with(limits::CONSUMER_CHAINS, || None);
        }
        let slot = kept.get_mut(from.slot())?;
        if let Some(made) = slot.as_ref().filter(|made| made.from == from) {
            return made.resumed.clone();
        }
        let resumed = make();
        // Whatever was there goes, so that there are never more than a worker may keep.
        *slot = Some(Made { from, resumed: resumed.clone() });
        resumed
    }
}

impl From {
    /// Where it is kept, if it is.
    fn slot(self) -> usize {
        // Both numbers are small and count up: apart from each other, they are spread by one multiplication.
        let mixed = self.chain.rotate_left(32) ^ self.consumer ^ (self.at as u64).rotate_left(20);
        let spread = mixed.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 32;
        usize::try_from(spread).unwrap_or_default() % limits::CONSUMER_CHAINS
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn from(chain: u64, consumer: u64, at: usize) -> From {
        From { chain, consumer, at }
    }

    #[test]
    fn a_worker_keeps_so_many_and_whatever_is_kept_is_what_was_made() {
        let kept = Kept::default();
        let made = std::cell::Cell::new(0);
        let ask = |from: From| {
            let make = || {
                made.set(made.get() + 1);
                // So that one can be told from the other.
                Some((
                    Arc::<Chain>::default(),
                    usize::try_from(from.chain * 10_000 + from.consumer * 10).unwrap() + from.at,
                ))
            };
            let (_, at) = kept.resumed(from, make).unwrap();
            assert_eq!(at as u64, from.chain * 10_000 + from.consumer * 10 + from.at as u64);
        };
        let all = || (1..=100).flat_map(|chain| (1..=100).map(move |consumer| from(chain, consumer, 1)));
        all().for_each(ask);
        all().for_each(ask);
        assert!(made.get() > 10_000, "10,000 are more than are kept: {}", made.get());
        assert_eq!(kept.0.lock().unwrap().len(), limits::CONSUMER_CHAINS);

        made.set(0);
        (0..3).for_each(|at| ask(from(1, 1, at)));
        (0..1_000).for_each(|number| ask(from(1, 1, number % 3)));
        assert_eq!(made.get(), 3, "what is asked for again and again is made once");
    }

    #[test]
    fn what_is_used_together_does_not_fall_into_few_slots() {
        for (chains, consumers) in [(1, 1_000), (1_000, 1), (30, 30)] {
            let all = (1..=chains).flat_map(|chain| (1..=consumers).map(move |consumer| from(chain, consumer, 2)));
            let slots: std::collections::HashSet<_> = all.map(From::slot).collect();
            // By chance, 1,000 fall into 887 of 4,096 slots.
            assert!(slots.len() > 750, "{chains} x {consumers}: {}", slots.len());
        }
    }

    #[test]
    fn that_nothing_changes_is_kept_too() {
        let kept = Kept::default();
        assert!(kept.resumed(from(1, 1, 0), || None).is_none());
        assert!(kept.resumed(from(1, 1, 0), || unreachable!("it is kept")).is_none());
    }
}
