//! What hits are counted by: limits as a plugin gives them, and checked.

use std::time::Duration;

use smallvec::SmallVec;

use crate::limits;
use crate::store::microseconds;

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
pub(super) struct Rule {
    pub(super) max: u64,
    /// In microseconds.
    pub(super) window: u64,
    pub(super) algorithm: Algorithm,
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

    pub(super) fn rules(&self) -> impl Iterator<Item = &Rule> {
        self.0.iter()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn limit(max: u64, window: Duration) -> Limit {
        Limit { max, window, algorithm: Algorithm::FixedWindow }
    }

    #[test]
    fn limits_are_held_to_their_bounds() {
        let second = Duration::from_secs(1);
        let longest = limits::COUNTER_WINDOW_MAX;
        assert_eq!(Limits::new(&[]), Err(LimitError::None));
        assert_eq!(Limits::new(&[limit(1, second); 9]), Err(LimitError::TooMany(9)));
        assert_eq!(Limits::new(&[limit(1, second); 2]), Err(LimitError::Twice(second)));
        for max in [limits::COUNTER_MAX + 1, u64::MAX] {
            assert_eq!(Limits::new(&[limit(max, second)]), Err(LimitError::Max(max)));
        }
        for window in [
            Duration::ZERO,
            Duration::from_micros(999),
            longest + Duration::from_nanos(1),
            Duration::from_secs(u64::MAX),
        ] {
            assert_eq!(Limits::new(&[limit(1, window)]), Err(LimitError::Window(window)));
        }
        assert!(Limits::new(&[limit(0, longest), limit(limits::COUNTER_MAX, limits::COUNTER_WINDOW_MIN)]).is_ok());
        let sliding = Limit { algorithm: Algorithm::SlidingWindow, ..limit(1, second) };
        assert!(Limits::new(&[limit(1, second), sliding]).is_ok(), "algorithms count apart");
    }

    #[test]
    fn errors_say_what_the_bounds_are() {
        assert_eq!(
            LimitError::Window(Duration::ZERO).to_string(),
            "a window is from 1ms to 400 days, not 0ns",
            "for whoever writes a plugin"
        );
        assert_eq!(
            LimitError::Max(u64::MAX).to_string(),
            "a limit is at most 4503599627370496, not 18446744073709551615"
        );
    }
}
