//! An upstream of one generation: its targets, where they are, and the endpoints that follow from both.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use arc_swap::ArcSwap;
use tokio::sync::watch;

use super::endpoint::{Common, Endpoint, Pick, WEIGHT_PARTS};
use super::health::Standing;
use super::lineage::{Lineage, Newcomer};
use super::set::Set;
use super::{Address, At, Nothing, Settings, TargetSpec};
use crate::limits;

/// The live state of an upstream.
pub struct Upstream {
    /// As the configuration calls it.
    pub name: Arc<str>,
    common: Arc<Common>,
    /// What is not known yet or may change; the control plane's alone.
    targets: Mutex<Vec<Target>>,
    set: ArcSwap<Set>,
    /// Targets that are pending.
    pending: watch::Sender<usize>,
}

struct Target {
    spec: TargetSpec,
    place: Place,
}

/// Where a target is, as far as is known.
#[derive(Clone)]
enum Place {
    Fixed(Address),
    Pending(Start),
    /// Addresses with their relative weights.
    Resolved(BTreeMap<SocketAddr, u32>),
    Unresolved(Arc<str>),
}

/// Whether the first addresses of a target are there from the start, or join others that serve already.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Start {
    WithOthers,
    AfterOthers,
}

/// A target at some moment, for the admin API.
#[derive(Debug, Clone)]
pub struct TargetStatus {
    /// As configured.
    pub name: Arc<str>,
    /// As configured.
    pub weight: u16,
    /// Whether its addresses are known.
    pub resolution: Resolution,
}

/// Whether a target's addresses are known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Resolution {
    /// They are, or need not be found.
    Known,
    /// Not yet.
    Pending,
    /// Its name leads nowhere, and why.
    Failed(Arc<str>),
}

impl Upstream {
    /// An upstream over `targets`. What `previous`, its last generation, knows goes on in this one: addresses of named
    /// targets, and for the same target and address, id, health, counts and latency. `previous` stays as it is, so
    /// that a generation that is never used does no harm.
    pub fn new(name: Arc<str>, settings: Settings, targets: Vec<TargetSpec>, previous: Option<&Self>) -> Self {
        let lineage = previous.map_or_else(Arc::<Lineage>::default, |previous| Arc::clone(&previous.common.lineage));
        let common = Arc::new(Common { upstream: Arc::clone(&name), settings, lineage });
        let targets: Vec<Target> = {
            let before = previous.map(Self::lock);
            let place = |spec: &TargetSpec| match &spec.at {
                At::Fixed(address) => Place::Fixed(address.clone()),
                At::Named => Place::before(&spec.name, before.as_ref().map(|before| before.as_slice())),
            };
            targets.into_iter().map(|spec| Target { place: place(&spec), spec }).collect()
        };
        let start = if previous.is_some() { Start::AfterOthers } else { Start::WithOthers };
        let set = ArcSwap::from_pointee(build(&targets, &common, start));
        let pending = watch::Sender::new(pending(&targets));
        Self { name, common, targets: Mutex::new(targets), set, pending }
    }

    /// Somebody for the next request, never one of `tried` (endpoints' ids) while another is to be had; if all healthy
    /// ones were tried, one of them again. `hash` is for consistent hashing.
    ///
    /// # Errors
    /// There is nobody.
    pub fn pick(&self, hash: Option<u64>, tried: &[u32]) -> Result<Pick, Nothing> {
        self.set.load().pick(hash, tried)
    }

    /// `target`, by its position, is at `addresses` now, and nowhere else; each with its weight relative to the others,
    /// 0 counting as 1. No addresses are as good as no answer.
    pub fn resolved(&self, target: usize, addresses: &[(SocketAddr, u16)]) {
        if addresses.is_empty() {
            return self.unresolved(target, "its name has no address".into());
        }
        let mut merged = BTreeMap::new();
        for (address, weight) in addresses {
            if merged.len() < limits::ENDPOINTS {
                *merged.entry(*address).or_insert(0) += u32::from(*weight).max(1);
            }
        }
        self.place(target, Place::Resolved(merged));
    }

    /// `target`'s name does not lead anywhere (any more); its addresses, if it had any, get no more requests.
    pub fn unresolved(&self, target: usize, why: Arc<str>) {
        self.place(target, Place::Unresolved(why));
    }

    /// Wait until every named target has been resolved, or has failed to, once. The caller sets the deadline.
    pub async fn settled(&self) {
        // The sender lives as long as `self`, so there is no other outcome than none pending.
        let _ = self.pending.subscribe().wait_for(|pending| *pending == 0).await;
    }

    /// Everybody, also those without weight and the unhealthy.
    pub fn endpoints(&self) -> Arc<[Arc<Endpoint>]> {
        Arc::clone(&self.set.load().all)
    }

    /// Whether there is as much healthy weight as there has to be for requests to go anywhere.
    pub fn standing(&self) -> Standing {
        self.set.load().standing()
    }

    /// The targets in their order.
    pub fn targets(&self) -> Vec<TargetStatus> {
        let status = |target: &Target| TargetStatus {
            name: Arc::clone(&target.spec.name),
            weight: target.spec.weight,
            resolution: match &target.place {
                Place::Fixed(_) | Place::Resolved(_) => Resolution::Known,
                Place::Pending(_) => Resolution::Pending,
                Place::Unresolved(why) => Resolution::Failed(Arc::clone(why)),
            },
        };
        self.lock().iter().map(status).collect()
    }

    /// What the configuration says.
    pub fn settings(&self) -> &Settings {
        &self.common.settings
    }

    fn place(&self, target: usize, place: Place) {
        let mut targets = self.lock();
        let Some(target) = targets.get_mut(target).filter(|target| !matches!(target.place, Place::Fixed(_))) else {
            return;
        };
        let start = match (&target.place, &place) {
            (Place::Resolved(before), Place::Resolved(after)) if before == after => return,
            (Place::Pending(start), _) => *start,
            _ => Start::AfterOthers,
        };
        target.place = place;
        // Built under the lock, so that of two changes at once the later one holds.
        self.set.store(Arc::new(build(&targets, &self.common, start)));
        self.pending.send_replace(pending(&targets));
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Target>> {
        self.targets.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Place {
    /// Where the named target was in the last generation.
    fn before(name: &str, targets: Option<&[Target]>) -> Self {
        let Some(targets) = targets else { return Self::Pending(Start::WithOthers) };
        let same = targets.iter().find(|target| &*target.spec.name == name && matches!(target.spec.at, At::Named));
        same.map_or(Self::Pending(Start::AfterOthers), |target| target.place.clone())
    }
}

fn pending(targets: &[Target]) -> usize {
    targets.iter().filter(|target| matches!(target.place, Place::Pending(_))).count()
}

/// The endpoints of `targets`. Newcomers among others start slowly, unless all of them come with the `start`.
fn build(targets: &[Target], common: &Arc<Common>, start: Start) -> Set {
    common.lineage.sweep();
    let mut all = Vec::new();
    let mut newcomers = Vec::new();
    for target in targets {
        for (address, portion) in target.addresses() {
            let (live, newcomer) = common.lineage.live(&target.spec.name, &address);
            let name = Arc::clone(&target.spec.name);
            let endpoint = Arc::new(Endpoint::new(name, address, portion, live, Arc::clone(common)));
            if newcomer == Newcomer::Yes {
                newcomers.push(Arc::clone(&endpoint));
            }
            all.push(endpoint);
        }
    }
    if all.len() > limits::ENDPOINTS {
        let (upstream, endpoints) = (&common.upstream, all.len());
        tracing::warn!(%upstream, endpoints, most = limits::ENDPOINTS, "too many endpoints: the last are left out");
        all.truncate(limits::ENDPOINTS);
    }
    if start == Start::AfterOthers && newcomers.len() < all.len() {
        newcomers.iter().for_each(|endpoint| endpoint.rise());
    }
    Set::new(all, absent(targets), Arc::clone(common))
}

/// What keeps targets with weight from having endpoints.
fn absent(targets: &[Target]) -> Option<Nothing> {
    let weighted = || targets.iter().filter(|target| target.spec.weight > 0);
    if weighted().any(|target| matches!(target.place, Place::Pending(_))) {
        return Some(Nothing::Pending);
    }
    weighted().find_map(|target| match &target.place {
        Place::Unresolved(why) => Some(Nothing::Unresolved(Arc::clone(why))),
        _ => None,
    })
}

impl Target {
    /// Its addresses, each with its portion of the target's weight.
    fn addresses(&self) -> Vec<(Address, u32)> {
        let whole = u64::from(self.spec.weight) * u64::from(WEIGHT_PARTS);
        let portion = |part: u64, of: u64| {
            let share = (whole * part + of / 2).checked_div(of).unwrap_or(0);
            // Rounding must not take all of a weight away.
            u32::try_from(share).unwrap_or(u32::MAX).max(u32::from(whole > 0))
        };
        match &self.place {
            Place::Fixed(address) => vec![(address.clone(), portion(1, 1))],
            Place::Resolved(addresses) => {
                let sum: u64 = addresses.values().map(|weight| u64::from(*weight)).sum();
                let one =
                    |(address, weight): (&SocketAddr, &u32)| (Address::Tcp(*address), portion(u64::from(*weight), sum));
                addresses.iter().map(one).collect()
            }
            Place::Pending(_) | Place::Unresolved(_) => Vec::new(),
        }
    }
}
