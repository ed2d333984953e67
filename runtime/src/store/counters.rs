//! Counters for rate limits: one atomic check-and-increment over all limits of a hit. In: whose key, what the hit costs,
//! its limits. Out: whether it may pass, and how each limit stands. Kept in memory or in Redis, by the same arithmetic
//! (`counters/cell.rs`).

mod cell;
pub mod memory;

use std::time::Duration;

use smallvec::SmallVec;

use self::cell::Cell;
use super::microseconds;
use crate::limits;

/// So many hits per window.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limit {
    /// Hits that may pass per window; with 0, none ever does.
    pub max: u64,
    /// From [`limits::COUNTER_WINDOW_MIN`] to [`limits::COUNTER_WINDOW_MAX`], counted in whole microseconds.
    pub window: Duration,
    /// What the window is.
    pub algorithm: Algorithm,
}

/// How hits are counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Algorithm {
    /// Windows follow one another, the first one began with 1970 (Kong's rate-limiting). Up to twice the maximum may
    /// pass within one window's time, around the turn of a window.
    FixedWindow,
    /// The hits of the current fixed window, and of the one before it the share that a window that ends now would
    /// still cover, as if they had come evenly (Kong's rate-limiting-advanced: `sliding`).
    SlidingWindow,
    /// A bucket of `max` hits that drains evenly, all of it in one window; a hit passes if there is room. This is GCRA
    /// as the continuous-state leaky bucket that ITU-T I.371 gives for it, with a burst of `max`.
    Gcra,
}

/// The limits of a hit: 1 to [`limits::COUNTER_LIMITS`], each in bounds, no two of the same window and algorithm.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits(SmallVec<[Rule; limits::COUNTER_LIMITS]>);

/// A limit in bounds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Rule {
    max: u64,
    /// In microseconds.
    window: u64,
    algorithm: Algorithm,
}

/// Why limits cannot be counted by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum LimitError {
    /// Nothing to count by.
    #[error("a hit needs a limit")]
    None,
    /// More than [`limits::COUNTER_LIMITS`].
    #[error("a hit has up to {most} limits, not {0}", most = limits::COUNTER_LIMITS)]
    TooMany(usize),
    /// Above [`limits::COUNTER_MAX`].
    #[error("a limit is at most {most}, not {0}", most = limits::COUNTER_MAX)]
    Max(u64),
    /// Out of bounds.
    #[error(
        "a window is from {shortest:?} to {days} days, not {0:?}",
        shortest = limits::COUNTER_WINDOW_MIN,
        days = limits::COUNTER_WINDOW_MAX.as_secs() / 86_400
    )]
    Window(Duration),
    /// They would count the same hits twice.
    #[error("there are two limits of the window {0:?} and the same algorithm")]
    Twice(Duration),
}

impl Limits {
    /// Check `listed`.
    ///
    /// # Errors
    /// The first thing that is wrong.
    pub fn new(listed: &[Limit]) -> Result<Self, LimitError> {
        if listed.is_empty() {
            return Err(LimitError::None);
        }
        if listed.len() > limits::COUNTER_LIMITS {
            return Err(LimitError::TooMany(listed.len()));
        }
        let mut rules: SmallVec<[Rule; limits::COUNTER_LIMITS]> = SmallVec::new();
        for &Limit { max, window, algorithm } in listed {
            if max > limits::COUNTER_MAX {
                return Err(LimitError::Max(max));
            }
            if !(limits::COUNTER_WINDOW_MIN..=limits::COUNTER_WINDOW_MAX).contains(&window) {
                return Err(LimitError::Window(window));
            }
            let rule = Rule { max, window: microseconds(window), algorithm };
            if rules.iter().any(|other| other.window == rule.window && other.algorithm == algorithm) {
                return Err(LimitError::Twice(window));
            }
            rules.push(rule);
        }
        Ok(Self(rules))
    }

    fn rules(&self) -> impl Iterator<Item = &Rule> {
        self.0.iter()
    }
}

/// What became of a hit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Decision {
    /// Whether it may pass; only then was it counted, in all its limits. For a hit of cost 0, which never counts,
    /// whether one of cost 1 would.
    pub allowed: bool,
    /// How each limit stands afterwards, in the order that they were given.
    pub standings: SmallVec<[Standing; limits::COUNTER_LIMITS]>,
    /// If it was refused: when it may pass at the earliest, if nothing else is counted meanwhile. `None` if it was
    /// allowed, or costs more than a limit's maximum, so that waiting does not help.
    pub retry_after: Option<Duration>,
}

/// How a limit stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Standing {
    /// Hits that may still pass now.
    pub remaining: u64,
    /// Until the current window ends; for [`Algorithm::Gcra`], until the whole maximum is to be had again.
    pub reset: Duration,
}

/// Why a hit could not be decided.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum HitError {
    /// The key is longer than [`limits::COUNTER_KEY_BYTES`].
    #[error("a counter's key has up to {most} bytes, not {0}", most = limits::COUNTER_KEY_BYTES)]
    KeyTooLong(usize),
}

/// Whether a hit of `cost` may pass where `cells` are what has been counted so far; rolled to `now`.
fn passes(limits: &Limits, cells: &[Cell], cost: u64, now: u64) -> bool {
    // A look asks for what a single hit would get.
    limits.rules().zip(cells).all(|(rule, cell)| cell.fits(rule, cost.max(1), now))
}

impl Decision {
    /// What to tell of `cells`, which are as they were left at `now`.
    fn told(allowed: bool, limits: &Limits, cells: &[Cell], cost: u64, now: u64) -> Self {
        let standings = limits.rules().zip(cells).map(|(rule, cell)| cell.standing(rule, now)).collect();
        let waits = || limits.rules().zip(cells).map(|(rule, cell)| cell.wait(rule, cost.max(1), now));
        let retry_after = if allowed { None } else { waits().try_fold(0, |longest, wait| Some(wait?.max(longest))) };
        Self { allowed, standings, retry_after: retry_after.map(Duration::from_micros) }
    }
}

fn check_key(key: &str) -> Result<(), HitError> {
    if key.len() > limits::COUNTER_KEY_BYTES { Err(HitError::KeyTooLong(key.len())) } else { Ok(()) }
}

#[cfg(test)]
mod tests;
#[cfg(test)]
mod vectors;
