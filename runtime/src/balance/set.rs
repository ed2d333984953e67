//! The endpoints of an upstream as they are between two changes of their number or weights, laid out for picking: no
//! locks, no allocation. Whether all is well is known from one atomic; only a change of someone's health makes a pick
//! look at all endpoints again.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use super::endpoint::{Common, Endpoint, Pick};
use super::health::Standing;
use super::slots::Slots;
use super::turns::Turns;
use super::{Algorithm, Nothing, clock};
use crate::limits;

pub(super) struct Set {
    /// Everybody, in the order of the configuration.
    pub(super) all: Arc<[Arc<Endpoint>]>,
    /// Those with weight; positions are among these.
    weighted: Box<[Arc<Endpoint>]>,
    turns: Turns,
    plan: Plan,
    /// A packed `View`.
    view: AtomicU64,
    common: Arc<Common>,
    /// What is wrong besides health: names that are not, or not yet, resolved.
    absent: Option<Nothing>,
}

enum Plan {
    Turns,
    Least,
    Slots(Slots),
    Latency,
}

/// How the endpoints are, as of `lineage.changes()`.
#[derive(Clone, Copy)]
struct View {
    /// The lower 16 bits of that.
    changes: u16,
    supply: Supply,
    /// When the next trial is due; `NEVER`: nobody is ejected.
    trial: u64,
}

/// Whether the healthy endpoints' weight reaches the threshold, and is any.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Supply {
    Enough,
    Short,
}

impl Set {
    /// `absent` is the answer if nobody has weight, or if it is `Pending`.
    pub(super) fn new(all: Vec<Arc<Endpoint>>, absent: Option<Nothing>, common: Arc<Common>) -> Self {
        let weighted: Box<[_]> = all.iter().filter(|endpoint| endpoint.portion() > 0).map(Arc::clone).collect();
        let portions: Vec<u32> = weighted.iter().map(|endpoint| endpoint.portion()).collect();
        let plan = match common.settings.algorithm {
            Algorithm::RoundRobin => Plan::Turns,
            Algorithm::LeastConnections => Plan::Least,
            Algorithm::ConsistentHash => Plan::Slots(Slots::new(&weighted)),
            Algorithm::Latency => Plan::Latency,
        };
        let turns = Turns::new(&portions);
        let set = Self { all: all.into(), weighted, turns, plan, view: AtomicU64::new(0), common, absent };
        set.survey();
        set
    }

    /// See `Upstream::pick`.
    pub(super) fn pick(&self, hash: Option<u64>, tried: &[u32]) -> Result<Pick, Nothing> {
        let view = self.view();
        // A request that has failed once is not put at risk again, unless there is no other way.
        if tried.is_empty()
            && let Some(pick) = self.trial(view, tried)
        {
            return Ok(pick);
        }
        if view.supply == Supply::Enough
            && let Some(endpoint) = self.choose(hash, tried)
        {
            return Ok(Pick::new(Arc::clone(endpoint), None));
        }
        if !tried.is_empty() {
            if let Some(pick) = self.trial(view, tried) {
                return Ok(pick);
            }
            if view.supply == Supply::Enough
                && let Some(endpoint) = self.choose(hash, &[])
            {
                return Ok(Pick::new(Arc::clone(endpoint), None));
            }
        }
        Err(self.nothing())
    }

    /// See `Upstream::standing`.
    pub(super) fn standing(&self) -> Standing {
        match self.view().supply {
            Supply::Enough => Standing::Healthy,
            Supply::Short => Standing::Unhealthy,
        }
    }

    fn nothing(&self) -> Nothing {
        match &self.absent {
            Some(Nothing::Pending) => Nothing::Pending,
            _ if !self.weighted.is_empty() => Nothing::AllUnhealthy { endpoints: self.weighted.len() },
            Some(absent) => absent.clone(),
            None => Nothing::NoTarget,
        }
    }

    fn view(&self) -> View {
        let view = View::unpack(self.view.load(Ordering::Relaxed));
        if view.changes == self.common.lineage.changes() as u16 { view } else { self.survey() }
    }

    /// Look at everybody. Of two threads that do so at once, the one that saw fewer changes may write last; then the
    /// next pick looks again.
    fn survey(&self) -> View {
        let changes = self.common.lineage.changes() as u16;
        let (mut healthy, mut whole, mut trial) = (0, 0, NEVER);
        for endpoint in &self.weighted {
            whole += u64::from(endpoint.portion());
            if endpoint.standing() == Standing::Healthy {
                healthy += u64::from(endpoint.portion());
            }
            trial = trial.min(endpoint.trial_due().unwrap_or(NEVER));
        }
        let enough = healthy > 0 && healthy * 100 >= whole * u64::from(self.common.settings.threshold);
        let view = View { changes, supply: if enough { Supply::Enough } else { Supply::Short }, trial };
        self.view.store(view.pack(), Ordering::Relaxed);
        view
    }

    /// The trial of somebody who is ejected, if one is due. Whatever the algorithm, the next request makes it: with
    /// keys that hash elsewhere, or a latency that looks bad, it might wait forever for its turn.
    fn trial(&self, view: View, tried: &[u32]) -> Option<Pick> {
        if view.trial == NEVER {
            return None;
        }
        let now = clock::now();
        if view.trial > now {
            return None;
        }
        let due = |endpoint: &Arc<Endpoint>| {
            let due = endpoint.trial_due().filter(|due| *due <= now && !tried.contains(&endpoint.id))?;
            endpoint.trial(due)
        };
        let pick = self.weighted.iter().find_map(due);
        self.survey();
        pick
    }

    /// One of the healthy who were not tried.
    fn choose(&self, hash: Option<u64>, tried: &[u32]) -> Option<&Arc<Endpoint>> {
        let fits = |endpoint: &Arc<Endpoint>| endpoint.standing() == Standing::Healthy && !tried.contains(&endpoint.id);
        let at = match (&self.plan, hash) {
            (Plan::Slots(slots), Some(hash)) => slots.owner(hash, &self.weighted, fits),
            (Plan::Turns, _) | (Plan::Slots(_), None) => self.by_turns(&fits),
            (Plan::Least, _) if self.weighted.len() <= limits::LEAST_SCANNED => self.least(&fits),
            (Plan::Least, _) => self.least_of_some(&fits),
            (Plan::Latency, _) => self.fastest(&fits),
        };
        self.weighted.get(at?)
    }

    fn by_turns(&self, fits: &impl Fn(&Arc<Endpoint>) -> bool) -> Option<usize> {
        let takes = |at| self.weighted.get(at).is_some_and(|endpoint| fits(endpoint) && comes_in(endpoint));
        self.turns.next(self.common.lineage.turn(), takes).or_else(|| self.anyone(fits))
    }

    /// Anyone who fits, by weight. For when nearly nobody does: it looks at all.
    fn anyone(&self, fits: &impl Fn(&Arc<Endpoint>) -> bool) -> Option<usize> {
        let (mut chosen, mut seen) = (None, 0);
        for (at, endpoint) in self.weighted.iter().enumerate().filter(|(_, endpoint)| fits(endpoint)) {
            seen += u64::from(endpoint.portion());
            if fastrand::u64(..seen) < u64::from(endpoint.portion()) {
                chosen = Some(at);
            }
        }
        chosen
    }

    /// Who has the least to do; several such by turns.
    fn least(&self, fits: &impl Fn(&Arc<Endpoint>) -> bool) -> Option<usize> {
        let (mut least, mut ties) = (f64::INFINITY, 0_u64);
        for (at, endpoint) in self.weighted.iter().enumerate() {
            if !fits(endpoint) || !comes_in(endpoint) {
                continue;
            }
            let load = load(endpoint);
            if load < least {
                (least, ties) = (load, 0);
            }
            if load <= least {
                ties |= 1 << at;
            }
        }
        match ties.count_ones() {
            0 => self.anyone(fits),
            1 => Some(ties.trailing_zeros() as usize),
            _ => {
                let next = self.turns.next(self.common.lineage.turn(), |at| ties & (1 << at) != 0);
                next.or(Some(ties.trailing_zeros() as usize))
            }
        }
    }

    /// The best of some, drawn by weight so that idle ones get their shares.
    fn least_of_some(&self, fits: &impl Fn(&Arc<Endpoint>) -> bool) -> Option<usize> {
        let mut best: Option<(usize, f64)> = None;
        let mut samples = 0;
        for _ in 0..limits::SAMPLE_DRAWS {
            let Some(at) = self.turns.random() else { break };
            let Some(endpoint) = self.weighted.get(at).filter(|one| fits(one) && comes_in(one)) else { continue };
            let load = load(endpoint);
            if best.is_none_or(|(_, least)| load < least) {
                best = Some((at, load));
            }
            samples += 1;
            if samples == limits::LEAST_SAMPLES {
                break;
            }
        }
        best.map(|(at, _)| at).or_else(|| self.by_turns(fits))
    }

    /// The better of two random ones.
    fn fastest(&self, fits: &impl Fn(&Arc<Endpoint>) -> bool) -> Option<usize> {
        let mut first = None;
        for _ in 0..limits::SAMPLE_DRAWS {
            let at = fastrand::usize(..self.weighted.len().max(1));
            let Some(endpoint) = self.weighted.get(at).filter(|one| fits(one) && comes_in(one)) else { continue };
            match first {
                None => first = Some((at, endpoint)),
                Some((other, _)) if other == at => {}
                Some((other, rival)) => return Some(if is_better(endpoint, rival) { at } else { other }),
            }
        }
        first.map(|(at, _)| at).or_else(|| self.by_turns(fits))
    }
}

/// Whether an endpoint takes part this time: always, or in its slow start as often as its share says.
fn comes_in(endpoint: &Endpoint) -> bool {
    let share = endpoint.share();
    share >= 1.0 || fastrand::f64() < share
}

/// Requests in flight for its weight.
fn load(endpoint: &Endpoint) -> f64 {
    f64::from(endpoint.in_flight()) / (f64::from(endpoint.portion()) * endpoint.share())
}

/// Whether a request will likely be answered sooner here than by `rival`. Somebody of whom nothing is known counts as
/// fast as the other, so that requests in flight decide: that neither starves nor floods it.
fn is_better(one: &Endpoint, rival: &Endpoint) -> bool {
    let now = clock::now();
    let (latency, rivals) = match (one.latency(now), rival.latency(now)) {
        (Some(a), Some(b)) => (a, b),
        _ => (1.0, 1.0),
    };
    let cost = |endpoint: &Endpoint, latency: f32| {
        f64::from(latency) * (f64::from(endpoint.in_flight()) + 1.0) / f64::from(endpoint.portion())
    };
    cost(one, latency) < cost(rival, rivals)
}

/// No time; the most that fits beside the rest of a view.
const NEVER: u64 = (1 << 47) - 1;

impl View {
    fn pack(self) -> u64 {
        let enough = u64::from(self.supply == Supply::Enough);
        u64::from(self.changes) << 48 | enough << 47 | self.trial.min(NEVER)
    }

    fn unpack(word: u64) -> Self {
        let supply = if word & (1 << 47) != 0 { Supply::Enough } else { Supply::Short };
        Self { changes: (word >> 48) as u16, supply, trial: word & NEVER }
    }
}
