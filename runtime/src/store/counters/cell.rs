//! The arithmetic of counters: what one limit has counted, and what that means at a moment. All of it in integers, none
//! of which can overflow within the bounds of `limits.rs`. What changes a cell stands a second time in
//! `redis/hit.lua`; the tests hold both to the same outcomes.

use std::time::Duration;

use super::limit::Rule;
use super::{Algorithm, Standing};

/// What one limit has counted of one key; all zeros: nothing.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Cell {
    /// When the current window began; of a bucket, the moment that it is described at. In microseconds since 1970.
    pub(super) at: u64,
    /// Hits of the current window; of a bucket, whole hits that are in it.
    pub(super) count: u64,
    /// Hits of the window before, if windows slide; of a bucket, what is in it beyond whole hits, in parts of which a
    /// window's microseconds make one.
    pub(super) rest: u64,
}

impl Cell {
    /// The same cell at `now`. A clock that goes back by up to a window is waited for; one that goes back further was
    /// wrong before, so everything begins anew.
    pub(super) fn rolled(self, rule: &Rule, now: u64) -> Self {
        if self.at > now && self.at - now <= rule.window {
            return self;
        }
        let start = now - now % rule.window;
        match rule.algorithm {
            Algorithm::FixedWindow | Algorithm::SlidingWindow if self.at == start => self,
            Algorithm::SlidingWindow if self.at + rule.window == start => {
                Self { at: start, count: 0, rest: self.count }
            }
            Algorithm::FixedWindow | Algorithm::SlidingWindow => Self { at: start, count: 0, rest: 0 },
            Algorithm::Gcra => self.drained(rule, now),
        }
    }

    fn drained(self, rule: &Rule, now: u64) -> Self {
        // A maximum that was lowered makes the bucket smaller at once.
        let (count, rest) = if self.count >= rule.max { (rule.max, 0) } else { (self.count, self.rest) };
        let elapsed = now.checked_sub(self.at).unwrap_or(rule.window);
        let (whole, parts) = multiply_divide(rule.max, elapsed, rule.window);
        if elapsed >= rule.window || (count, rest) <= (whole, parts) {
            return Self { at: now, count: 0, rest: 0 };
        }
        if rest >= parts {
            Self { at: now, count: count - whole, rest: rest - parts }
        } else {
            Self { at: now, count: count - whole - 1, rest: rest + rule.window - parts }
        }
    }

    /// Hits that count now, a part of one as a whole one.
    fn used(&self, rule: &Rule, now: u64) -> u64 {
        match rule.algorithm {
            Algorithm::FixedWindow => self.count,
            Algorithm::SlidingWindow => {
                let overlap = (self.at + rule.window).saturating_sub(now).min(rule.window);
                let (whole, parts) = multiply_divide(self.rest, overlap, rule.window);
                self.count + whole + u64::from(parts > 0)
            }
            Algorithm::Gcra => self.count + u64::from(self.rest > 0),
        }
    }

    /// Whether `cost` more hits are within the limit.
    pub(super) fn fits(&self, rule: &Rule, cost: u64, now: u64) -> bool {
        rule.max.checked_sub(cost).is_some_and(|most| self.used(rule, now) <= most)
    }

    /// With `cost` more hits, which fit.
    pub(super) fn with(self, cost: u64) -> Self {
        Self { count: self.count.saturating_add(cost), ..self }
    }

    pub(super) fn standing(&self, rule: &Rule, now: u64) -> Standing {
        let reset = match rule.algorithm {
            Algorithm::FixedWindow | Algorithm::SlidingWindow => (self.at + rule.window).saturating_sub(now),
            Algorithm::Gcra => self.until_drained(rule, 0, now),
        };
        let remaining = rule.max.saturating_sub(self.used(rule, now));
        Standing { remaining, reset: Duration::from_micros(reset) }
    }

    /// Microseconds until `cost` more hits fit, if they ever do.
    pub(super) fn wait(&self, rule: &Rule, cost: u64, now: u64) -> Option<u64> {
        let most = rule.max.checked_sub(cost)?;
        if self.used(rule, now) <= most {
            return Some(0);
        }
        let at = match rule.algorithm {
            Algorithm::FixedWindow => self.at + rule.window,
            Algorithm::SlidingWindow => match most.checked_sub(self.count) {
                Some(most) => self.at + rule.window - overlap_within(most, self.rest, rule.window),
                // Not in this window; in the next one its hits are those of the window before.
                None => self.at + 2 * rule.window - overlap_within(most, self.count, rule.window),
            },
            Algorithm::Gcra => return Some(self.until_drained(rule, most, now)),
        };
        Some(at.saturating_sub(now))
    }

    /// Microseconds until a bucket holds no more than `hits`.
    fn until_drained(&self, rule: &Rule, hits: u64, now: u64) -> u64 {
        let parts = |hits: u64| u128::from(hits) * u128::from(rule.window);
        let surplus = (parts(self.count) + u128::from(self.rest)).saturating_sub(parts(hits));
        let drain = surplus.div_ceil(u128::from(rule.max.max(1)));
        self.at.saturating_sub(now) + u64::try_from(drain).unwrap_or(rule.window).min(rule.window)
    }

    /// When the cell tells as much as an empty one, in microseconds since 1970.
    pub(super) fn expiry(&self, rule: &Rule) -> u64 {
        match rule.algorithm {
            Algorithm::FixedWindow | Algorithm::Gcra => self.at + rule.window,
            Algorithm::SlidingWindow => self.at + 2 * rule.window,
        }
    }
}

/// The longest overlap with a window of `hits` in which no more than `most` of them count.
fn overlap_within(most: u64, hits: u64, window: u64) -> u64 {
    if most >= hits {
        return window;
    }
    multiply_divide(window, most, hits).0
}

/// `a * b / c` and what remains; the quotient fits as `b <= c`, or else is the most that does.
fn multiply_divide(a: u64, b: u64, c: u64) -> (u64, u64) {
    let c = c.max(1);
    // Nearly always; 128 bits are divided in software.
    if let Some(product) = a.checked_mul(b) {
        return (product / c, product % c);
    }
    let (product, divisor) = (u128::from(a) * u128::from(b), u128::from(c));
    let fit = |number: u128| u64::try_from(number).unwrap_or(u64::MAX);
    (fit(product / divisor), fit(product % divisor))
}

#[cfg(test)]
mod tests;
