//! Consistent hashing: a fixed number of slots, each owned by the endpoint that ranks first there (weighted rendezvous
//! hashing), worked out when the endpoints change. An endpoint that leaves gives up its own slots and no others move.

use std::sync::Arc;

use super::endpoint::Endpoint;
use crate::limits;

/// Who owns each slot.
pub(super) struct Slots {
    owners: Box<[u16]>,
    /// What each endpoint ranks by, from its name and address alone: the same in every process.
    seeds: Box<[u64]>,
}

impl Slots {
    /// The slots of `endpoints`, all of which have weight.
    pub(super) fn new(endpoints: &[Arc<Endpoint>]) -> Self {
        let seeds: Box<[u64]> = endpoints.iter().map(|endpoint| seed(endpoint)).collect();
        let owner = |slot: usize| {
            let candidates = seeds.iter().zip(endpoints).map(|(seed, endpoint)| rank(*seed, slot as u64, endpoint));
            let first = candidates.enumerate().min_by(|(_, a), (_, b)| a.total_cmp(b));
            first.map_or(u16::MAX, |(at, _)| u16::try_from(at).unwrap_or(u16::MAX))
        };
        Self { owners: (0..limits::HASH_SLOTS).map(owner).collect(), seeds }
    }

    /// Whose key this is, among those whom `fits` takes. A key whose owner does not fit goes to a slot elsewhere, so
    /// that the owner's keys are spread over all others.
    pub(super) fn owner(
        &self,
        hash: u64,
        endpoints: &[Arc<Endpoint>],
        fits: impl Fn(&Arc<Endpoint>) -> bool,
    ) -> Option<usize> {
        let mut key = mix(hash);
        for _ in 0..limits::HASH_TRIES {
            let at = usize::from(*self.owners.get(key as usize % limits::HASH_SLOTS)?);
            let takes = |endpoint: &Arc<Endpoint>| fits(endpoint) && is_ready_for(endpoint, hash);
            if endpoints.get(at).is_some_and(takes) {
                return Some(at);
            }
            key = mix(key);
        }
        let candidates = self.seeds.iter().zip(endpoints).enumerate().filter(|(_, (_, endpoint))| fits(endpoint));
        let ranked = candidates.map(|(at, (seed, endpoint))| (at, rank(*seed, key, endpoint)));
        ranked.min_by(|(_, a), (_, b)| a.total_cmp(b)).map(|(at, _)| at)
    }
}

/// Whether an endpoint in its slow start takes this key already. As its share rises it gets more keys and gives none
/// back, so each key moves once.
fn is_ready_for(endpoint: &Endpoint, hash: u64) -> bool {
    let share = endpoint.share();
    share >= 1.0 || fraction(mix(hash ^ SALT)) < share
}

/// The endpoint with the lowest rank has the slot: exponential variates whose rates are the weights, so each is the
/// lowest as often as its weight says.
fn rank(seed: u64, slot: u64, endpoint: &Endpoint) -> f64 {
    -fraction(mix(seed ^ mix(slot))).ln() / f64::from(endpoint.portion())
}

/// Within (0, 1).
fn fraction(random: u64) -> f64 {
    ((random >> 11) as f64 + 0.5) / (1_u64 << 53) as f64
}

/// FNV-1a: names and addresses are short, and `mix` does the spreading.
fn seed(endpoint: &Endpoint) -> u64 {
    let text = format!("{}\0{}", endpoint.name, endpoint.address);
    text.bytes().fold(0xcbf2_9ce4_8422_2325, |hash: u64, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
}

/// SplitMix64's finaliser: every bit of the outcome depends on every bit of `hash`, however poor that is.
fn mix(hash: u64) -> u64 {
    let hash = hash.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let hash = (hash ^ (hash >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let hash = (hash ^ (hash >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    hash ^ (hash >> 31)
}

/// Which keys come early in a slow start must not depend on which slot they have.
const SALT: u64 = 0x5106_57a6_7e57_ed00;
