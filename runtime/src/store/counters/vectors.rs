//! Sequences of hits with what must come of them, for every backend.

use std::time::Duration;

use super::{Algorithm, Decision, Limit, Limits};
use crate::store::Timestamp;

/// A hit, and what it must come to: allowed, and how many remain of each limit.
pub(super) struct Step {
    /// Microseconds since 1970.
    pub(super) now: u64,
    pub(super) cost: u64,
    pub(super) allowed: bool,
    pub(super) remaining: &'static [u64],
    /// In microseconds, if it was refused and waiting helps.
    pub(super) retry_after: Option<u64>,
}

/// Hits on one key.
pub(super) struct Sequence {
    pub(super) name: &'static str,
    pub(super) limits: Vec<Limit>,
    pub(super) steps: Vec<Step>,
}

impl Step {
    pub(super) fn check(&self, sequence: &str, decision: &Decision) {
        let remaining: Vec<u64> = decision.standings.iter().map(|standing| standing.remaining).collect();
        let retry_after = decision.retry_after.map(|wait| u64::try_from(wait.as_micros()).unwrap());
        assert_eq!(
            (decision.allowed, &remaining[..], retry_after),
            (self.allowed, self.remaining, self.retry_after),
            "{sequence}, at {}",
            self.now
        );
    }

    pub(super) fn time(&self) -> Timestamp {
        Timestamp::since_epoch(Duration::from_micros(self.now))
    }
}

pub(super) fn limit(max: u64, window: u64, algorithm: Algorithm) -> Limit {
    Limit { max, window: Duration::from_micros(window), algorithm }
}

fn passes(now: u64, cost: u64, remaining: &'static [u64]) -> Step {
    Step { now, cost, allowed: true, remaining, retry_after: None }
}

fn refused(now: u64, cost: u64, remaining: &'static [u64], retry_after: u64) -> Step {
    Step { now, cost, allowed: false, remaining, retry_after: Some(retry_after) }
}

fn hopeless(now: u64, cost: u64, remaining: &'static [u64]) -> Step {
    Step { now, cost, allowed: false, remaining, retry_after: None }
}

/// In 2026; a multiple of all windows of the sequences.
const T: u64 = 1_780_000_000_000_000;
const SECOND: u64 = 1_000_000;

/// What the algorithms mean, step by step.
pub(super) fn sequences() -> Vec<Sequence> {
    use Algorithm::{FixedWindow, Gcra, SlidingWindow};
    let one = |name, max, algorithm, steps| Sequence { name, limits: vec![limit(max, SECOND, algorithm)], steps };
    vec![
        one(
            "fixed windows are aligned",
            3,
            FixedWindow,
            vec![
                passes(T + 999_998, 2, &[1]),
                refused(T + 999_999, 2, &[1], 1),
                passes(T + 999_999, 1, &[0]),
                passes(T + SECOND, 3, &[0]),
                refused(T + SECOND, 1, &[0], SECOND),
            ],
        ),
        one(
            "a look counts nothing",
            1,
            FixedWindow,
            vec![passes(T, 0, &[1]), passes(T, 0, &[1]), passes(T, 1, &[0]), refused(T, 0, &[0], SECOND)],
        ),
        one("more than the maximum never passes", 3, FixedWindow, vec![hopeless(T, 4, &[3]), passes(T, 3, &[0])]),
        one("u64::MAX at once", 3, Gcra, vec![hopeless(T, u64::MAX, &[3]), passes(T, 3, &[0])]),
        one("a maximum of none", 0, Gcra, vec![hopeless(T, 1, &[0]), hopeless(T, 0, &[0])]),
        one(
            "a clock that goes back a little",
            2,
            FixedWindow,
            vec![passes(T, 1, &[1]), passes(T - 1, 1, &[0]), refused(T - 1, 1, &[0], SECOND + 1)],
        ),
        one("a clock that goes back a lot", 1, FixedWindow, vec![passes(T, 1, &[0]), passes(T - 3 * SECOND, 1, &[0])]),
        one(
            "sliding windows fade",
            10,
            SlidingWindow,
            vec![
                passes(T, 10, &[0]),
                // Of ten, ceil(10 * 0.9) count in a tenth of a second after the window's end.
                refused(T + SECOND, 1, &[0], 100_000),
                passes(T + SECOND + 100_000, 1, &[0]),
                passes(T + SECOND + 500_000, 4, &[0]),
                // Until (5 + 3) + ceil(10 * overlap) is ten.
                refused(T + SECOND + 500_000, 3, &[0], 300_000),
                passes(T + 3 * SECOND, 10, &[0]),
            ],
        ),
        one(
            "sliding windows that are full wait for the next one",
            10,
            SlidingWindow,
            vec![
                passes(T + 400_000, 10, &[0]),
                refused(T + 500_000, 5, &[0], SECOND),
                passes(T + SECOND + 500_000, 5, &[0]),
            ],
        ),
        one(
            "a bucket drains evenly",
            4,
            Gcra,
            vec![
                passes(T, 4, &[0]),
                refused(T, 1, &[0], 250_000),
                refused(T + 249_999, 1, &[0], 1),
                passes(T + 250_000, 1, &[0]),
                refused(T + 250_000, 2, &[0], 500_000),
                passes(T + 750_000, 2, &[0]),
                passes(T + 1_750_000, 4, &[0]),
            ],
        ),
        one(
            "a bucket whose interval is no whole number of microseconds",
            3,
            Gcra,
            vec![
                passes(T, 3, &[0]),
                refused(T + 333_333, 1, &[0], 1),
                passes(T + 333_334, 1, &[0]),
                refused(T + 666_666, 1, &[0], 1),
                passes(T + 666_667, 1, &[0]),
                passes(T + SECOND, 1, &[0]),
                refused(T + SECOND, 1, &[0], 333_334),
            ],
        ),
        Sequence {
            name: "all limits or none",
            limits: vec![limit(2, SECOND, FixedWindow), limit(3, 10 * SECOND, SlidingWindow)],
            steps: vec![
                passes(T, 2, &[0, 1]),
                refused(T, 1, &[0, 1], SECOND),
                passes(T + SECOND, 1, &[1, 0]),
                // The second window is full for all of its own ten seconds and for two thirds of the next ten.
                refused(T + SECOND, 1, &[1, 0], 9 * SECOND + 3_333_334),
            ],
        },
        Sequence {
            name: "the largest numbers",
            limits: [FixedWindow, SlidingWindow, Gcra]
                .map(|algorithm| limit(1 << 52, 400 * 86_400 * SECOND, algorithm))
                .to_vec(),
            steps: vec![
                passes(T, (1 << 52) - 1, &[1, 1, 1]),
                passes(T, 1, &[0, 0, 0]),
                hopeless(T, (1 << 52) + 1, &[0, 0, 0]),
            ],
        },
    ]
}

/// Random sequences without an expectation but that all backends agree: limits, then times and costs.
pub(super) fn random(count: u64) -> impl Iterator<Item = (Limits, Vec<(Timestamp, u64)>)> {
    (0..count).map(|seed| {
        let mut random = fastrand::Rng::with_seed(seed);
        let maxima = [1, 2, 7, 100, 1_000_003, 1 << 40, 1 << 52];
        // Redis lets keys vanish by its own clock, so none is so short that this can happen meanwhile.
        let windows = [30, 31, 333, 3_600, 86_400, 400 * 86_400].map(|seconds| seconds * SECOND + seconds % 2);
        let algorithms = [Algorithm::FixedWindow, Algorithm::SlidingWindow, Algorithm::Gcra];
        let longest = random.choice(windows).unwrap();
        let max = random.choice(maxima).unwrap();
        let mut listed = Vec::new();
        for algorithm in algorithms {
            listed.push(limit(max, longest, algorithm));
            if random.bool() {
                listed.push(limit(random.choice(maxima).unwrap(), random.choice(windows).unwrap(), algorithm));
            }
        }
        listed.dedup_by_key(|limit| (limit.window, limit.algorithm));
        let mut now = T + random.u64(..longest);
        let hits = (0..40).map(|_| {
            now = if random.u8(..10) == 0 { now - random.u64(..2 * longest) } else { now + random.u64(..longest) / 3 };
            let cost = if random.bool() { random.u64(..=max) / 3 } else { random.u64(..3) };
            (Timestamp::since_epoch(Duration::from_micros(now)), cost)
        });
        (Limits::new(&listed).unwrap(), hits.collect())
    })
}
