//! Hits counted against limits: exactly, by all workers together, or by all gateways that share a
//! Redis. Each use of a plugin in each scope has keys of its own, which outlive changes of the
//! configuration.

use std::fmt;
use std::time::Duration;

use crate::host;
use crate::host::counters as contract;
use crate::host::counters::Among;

/// So many hits per window.
///
/// ```
/// # use tidegate_sdk::{prelude::*, testing::{Exchange, Hook}};
/// use std::time::Duration;
/// use tidegate_sdk::counters::{self, Algorithm, Limit};
///
/// let burst = Limit { max: 2, window: Duration::from_secs(1), algorithm: Algorithm::Gcra };
/// let daily = Limit { max: 1_000, window: Duration::from_secs(86_400), algorithm: Algorithm::FixedWindow };
/// let limited = Hook(move |_: &mut Request| -> Result {
///     let hit = counters::hit("all", 1, &[burst, daily])?;
///     Ok(Flow::reply(if hit.allowed { 200 } else { 429 }).empty())
/// });
/// let mut exchange = Exchange::get("/");
/// assert_eq!([(); 3].map(|()| exchange.request(&limited).reply().status), [200, 200, 429]);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limit {
    /// Hits that may pass per window; up to 2^52.
    pub max: u64,
    /// From a millisecond to 400 days.
    pub window: Duration,
    /// What the window is.
    pub algorithm: Algorithm,
}

/// How hits are counted.
///
/// ```
/// use tidegate_sdk::counters::Algorithm;
/// use tidegate_sdk::prelude::*;
/// use tidegate_sdk::testing;
///
/// #[derive(Config)]
/// struct Settings {
///     max: u64,
///     smooth: bool,
/// }
///
/// impl Settings {
///     /// Smooth: one hit each `window / max`, after a burst. Else whole windows, as Kong counts.
///     fn algorithm(&self) -> Algorithm {
///         if self.smooth { Algorithm::Gcra } else { Algorithm::FixedWindow }
///     }
/// }
///
/// let settings: Settings = testing::configure(json!({ "max": 60, "smooth": true }))?;
/// assert_eq!((settings.max, settings.algorithm()), (60, Algorithm::Gcra));
/// # Ok::<(), String>(())
/// ```
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
///
/// ```
/// # use tidegate_sdk::{prelude::*, testing::{Exchange, Hook}};
/// use std::time::Duration;
/// use tidegate_sdk::counters::{self, Algorithm, Limit};
///
/// let limited = Hook(|_: &mut Request| -> Result {
///     let limit = Limit { max: 1, window: Duration::from_secs(60), algorithm: Algorithm::FixedWindow };
///     let hit = counters::hit("all", 1, &[limit])?;
///     let wait = hit.retry_after.map_or(0, |wait| wait.as_secs());
///     Ok(if hit.allowed { Flow::Next } else { Flow::reply(429).header("retry-after", wait.to_string()).empty() })
/// });
/// let mut exchange = Exchange::get("/");
/// assert_eq!(exchange.request(&limited), tidegate_sdk::testing::Outcome::Next);
/// assert_eq!(exchange.request(&limited).reply().headers.first("retry-after"), Some("60"));
/// ```
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
///
/// ```
/// # use tidegate_sdk::{prelude::*, testing::{Exchange, Hook}};
/// use std::time::Duration;
/// use tidegate_sdk::counters::{self, Algorithm, Limit};
///
/// let told = Hook(|_: &mut Request| -> Result {
///     let limit = Limit { max: 10, window: Duration::from_secs(60), algorithm: Algorithm::FixedWindow };
///     let hit = counters::hit("all", 3, &[limit])?;
///     let standing = hit.standings.first().ok_or("one limit was given")?;
///     Ok(Flow::reply(200).body(format!("{} left, {} s", standing.remaining, standing.reset.as_secs())))
/// });
/// assert_eq!(Exchange::get("/").request(&told).reply().text(), "7 left, 60 s");
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Standing {
    /// Hits that may still pass now.
    pub remaining: u64,
    /// Until the window ends, or the whole bucket is to be had again.
    pub reset: Duration,
}

/// Why a hit could not be decided.
///
/// ```
/// # use tidegate_sdk::{prelude::*, testing::{Exchange, Hook}};
/// use tidegate_sdk::counters;
///
/// let lenient = Hook(|_: &mut Request| match counters::hit("all", 1, &[]) {
///     // Rather uncounted than not at all.
///     Err(counters::Error::Unavailable(_)) => Flow::Next,
///     Err(counters::Error::Invalid(problem)) => Flow::reply(500).body(problem),
///     Ok(_) => Flow::Next,
/// });
/// assert_eq!(Exchange::get("/").request(&lenient).reply().text(), "a hit needs a limit");
/// ```
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

/// Counts a hit of this cost on `key`, of up to 1 KiB, in all of up to 8 limits, or, if one of them
/// refuses, in none. No two limits have the same window and algorithm. With a cost of 0, it only looks.
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
    hit_among(Among::All, key, cost, limits)
}

/// As [`hit`], by this gateway alone, even if all gateways that share a Redis count together: at once,
/// and whether or not that is there.
///
/// ```
/// use std::time::Duration;
/// use tidegate_sdk::counters::{self, Algorithm, Limit};
/// use tidegate_sdk::prelude::*;
/// use tidegate_sdk::testing::{Exchange, Hook, Outcome};
///
/// let protect = Hook(|_: &mut Request| -> Result {
///     let limit = Limit { max: 100, window: Duration::from_secs(1), algorithm: Algorithm::Gcra };
///     let hit = counters::hit_here("all", 1, &[limit])?;
///     Ok(if hit.allowed { Flow::Next } else { Flow::reply(503).empty() })
/// });
/// assert_eq!(Exchange::get("/").counters_away().request(&protect), Outcome::Next);
/// ```
///
/// # Errors
/// It is no hit that could be counted.
pub fn hit_here(key: &str, cost: u64, limits: &[Limit]) -> Result<Decision, Error> {
    hit_among(Among::Here, key, cost, limits)
}

fn hit_among(among: Among, key: &str, cost: u64, limits: &[Limit]) -> Result<Decision, Error> {
    if let [limit] = limits {
        // Without any list, which would take memory on either side.
        return Ok(host::counters::hit_one(among, key, cost, contracted(limit))?.into());
    }
    let limits: Vec<_> = limits.iter().map(contracted).collect();
    let decided = host::counters::hit(among, key, cost, &limits)?;
    Ok(Decision {
        allowed: decided.allowed,
        standings: decided.standings.iter().map(standing).collect(),
        retry_after: decided.retry_after_ms.map(Duration::from_millis),
    })
}

/// Counts a hit of this cost for whom the request stands for.
pub(crate) fn hit_subject(
    among: Among,
    subject: contract::Subject,
    cost: u64,
    limit: &Limit,
) -> Result<Decision, Error> {
    Ok(host::counters::hit_subject(among, subject, cost, contracted(limit))?.into())
}

impl From<contract::DecisionOne> for Decision {
    fn from(decided: contract::DecisionOne) -> Self {
        Self {
            allowed: decided.allowed,
            standings: vec![standing(&decided.standing)],
            retry_after: decided.retry_after_ms.map(Duration::from_millis),
        }
    }
}

fn contracted(limit: &Limit) -> contract::Limit {
    contract::Limit {
        max: limit.max,
        window_ms: limit.window.as_secs().saturating_mul(1_000).saturating_add(limit.window.subsec_millis().into()),
        algorithm: match limit.algorithm {
            Algorithm::FixedWindow => contract::Algorithm::FixedWindow,
            Algorithm::SlidingWindow => contract::Algorithm::SlidingWindow,
            Algorithm::Gcra => contract::Algorithm::Gcra,
        },
    }
}

impl From<contract::Error> for Error {
    fn from(error: contract::Error) -> Self {
        match error {
            contract::Error::Invalid(problem) => Self::Invalid(problem),
            contract::Error::Unavailable(problem) => Self::Unavailable(problem),
        }
    }
}

/// Whether all gateways that share a Redis count together: the gateway's `counters.kind`. If not, each counts for itself.
/// Settings can be checked by it.
///
/// ```
/// use tidegate_sdk::prelude::*;
/// use tidegate_sdk::{counters, testing};
///
/// #[derive(Config)]
/// #[config(validate = Quota::check)]
/// struct Quota {
///     per_month: u64,
/// }
///
/// impl Quota {
///     fn check(&self) -> Result<(), &'static str> {
///         if counters::shared() { Ok(()) } else { Err("a month's requests are not counted in memory: see [counters]") }
///     }
/// }
///
/// let mut exchange = testing::Exchange::get("/");
/// assert!(exchange.configure::<Quota>(json!({ "per_month": 10_000 })).is_err());
/// let mut exchange = exchange.shared_counters();
/// assert!(exchange.configure::<Quota>(json!({ "per_month": 10_000 })).is_ok());
/// ```
pub fn shared() -> bool {
    host::counters::shared()
}

fn standing(standing: &contract::Standing) -> Standing {
    Standing { remaining: standing.remaining, reset: Duration::from_millis(standing.reset_ms) }
}
