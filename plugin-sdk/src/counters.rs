//! Hits counted against limits: exactly, by all workers together, or by all gateways that share a
//! Redis. Each use of a plugin in each scope has keys of its own, which outlive changes of the
//! configuration.

use std::fmt;
use std::time::Duration;

use crate::host;
use crate::host::counters as contract;

/// So many hits per window.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limit {
    /// Hits that may pass per window.
    pub max: u64,
    /// From a millisecond to 400 days.
    pub window: Duration,
    /// What the window is.
    pub algorithm: Algorithm,
}

/// How hits are counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Algorithm {
    /// Windows follow one another, the first one began with 1970.
    FixedWindow,
    /// The current fixed window, and of the one before it the share that a window ending now would cover.
    SlidingWindow,
    /// A bucket that drains evenly: `max` at once, and all of it again after one window.
    Gcra,
}

/// What became of a hit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Decision {
    /// Whether it may pass; only then was it counted.
    pub allowed: bool,
    /// How each limit stands afterwards, in the order given.
    pub standings: Vec<Standing>,
    /// If it was refused: when it may pass at the earliest; `None` if waiting does not help.
    pub retry_after: Option<Duration>,
}

/// How a limit stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Standing {
    /// Hits that may still pass now.
    pub remaining: u64,
    /// Until the window ends, or the whole bucket is to be had again.
    pub reset: Duration,
}

/// Why a hit could not be decided.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Error {
    /// It is no hit that could be counted.
    Invalid(String),
    /// Redis is not to be had, and the gateway's `counters.on_failure` is `"closed"`.
    Unavailable(String),
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Invalid(problem) | Self::Unavailable(problem) => f.write_str(problem),
        }
    }
}

impl std::error::Error for Error {}

/// Counts a hit of this cost on `key` in all of up to 8 limits, or, if one of them refuses, in none.
/// With a cost of 0, it only looks.
///
/// ```
/// use std::time::Duration;
/// use tidegate_sdk::counters::{self, Algorithm, Limit};
/// use tidegate_sdk::prelude::*;
///
/// #[derive(Config)]
/// struct PerMinute {
///     max: u64,
/// }
///
/// impl RequestHook<Result> for PerMinute {
///     fn on_request(&self, _: &mut Request) -> Result {
///         let limit = Limit { max: self.max, window: Duration::from_secs(60), algorithm: Algorithm::Gcra };
///         let hit = counters::hit(&exchange::client_ip().to_string(), 1, &[limit])?;
///         Ok(if hit.allowed { Flow::Next } else { Flow::reply(429).empty() })
///     }
/// }
///
/// export!(PerMinute: RequestHook);
///
/// # fn main() {
/// let plugin: PerMinute = tidegate_sdk::testing::configure(json!({ "max": 1 })).unwrap();
/// let mut exchange = tidegate_sdk::testing::Exchange::get("/");
/// assert_eq!(exchange.request(&plugin), tidegate_sdk::testing::Outcome::Next);
/// assert_eq!(exchange.request(&plugin).reply().status, 429);
/// # }
/// ```
///
/// # Errors
/// It could not be decided.
pub fn hit(key: &str, cost: u64, limits: &[Limit]) -> Result<Decision, Error> {
    let limits: Vec<_> = limits
        .iter()
        .map(|limit| contract::Limit {
            max: limit.max,
            window_ms: u64::try_from(limit.window.as_millis()).unwrap_or(u64::MAX),
            algorithm: match limit.algorithm {
                Algorithm::FixedWindow => contract::Algorithm::FixedWindow,
                Algorithm::SlidingWindow => contract::Algorithm::SlidingWindow,
                Algorithm::Gcra => contract::Algorithm::Gcra,
            },
        })
        .collect();
    match host::counters::hit(key, cost, &limits) {
        Ok(decided) => Ok(Decision {
            allowed: decided.allowed,
            standings: decided.standings.iter().map(standing).collect(),
            retry_after: decided.retry_after_ms.map(Duration::from_millis),
        }),
        Err(contract::Error::Invalid(problem)) => Err(Error::Invalid(problem)),
        Err(contract::Error::Unavailable(problem)) => Err(Error::Unavailable(problem)),
    }
}

fn standing(standing: &contract::Standing) -> Standing {
    Standing { remaining: standing.remaining, reset: Duration::from_millis(standing.reset_ms) }
}
