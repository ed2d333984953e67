//! `counters`: the gateway's arithmetic at one moment, which is the beginning of a window.

use std::time::Duration;

use super::super::state::Counters;
use super::{gateway, gateway_once_loaded, lent, limits};
pub(crate) use crate::bindings::imports::tidegate::plugin::counters::{
    Algorithm, Among, Decision, DecisionOne, Error, Limit, Standing, Subject,
};
use crate::subject;

pub(crate) fn hit(among: Among, key: &str, cost: u64, limits: &[Limit]) -> Result<Decision, Error> {
    gateway_once_loaded("nothing is counted", |state| {
        check(key, limits).map_err(Error::Invalid)?;
        let of = match (among, state.counters) {
            (Among::Here, _) | (Among::All, Counters::Own) => "here",
            (Among::All, Counters::Shared) => "all",
            (Among::All, Counters::Away) => {
                return Err(Error::Unavailable("Redis cannot be reached: there is none".to_owned()));
            }
        };
        let id = |limit: &Limit| (format!("{of} {key}"), limit.window_ms, format!("{:?}", limit.algorithm));
        let mut counts: Vec<u64> =
            limits.iter().map(|limit| state.hits.get(&id(limit)).copied().unwrap_or(0)).collect();
        // A look asks for what a single hit would get.
        let needed = cost.max(1);
        let allowed = limits.iter().zip(&counts).all(|(limit, count)| count.saturating_add(needed) <= limit.max);
        if allowed {
            for (limit, count) in limits.iter().zip(&mut counts) {
                *count += cost;
                state.hits.insert(id(limit), *count);
            }
        }
        let mut waits = limits.iter().zip(&counts).map(|(limit, count)| wait(limit, *count, needed));
        let longest = waits.try_fold(0, |longest, wait| Some(wait?.max(longest)));
        Ok(Decision {
            allowed,
            standings: limits.iter().zip(&counts).map(|(limit, count)| standing(limit, *count)).collect(),
            retry_after_ms: longest.filter(|_| !allowed),
        })
    })
}

pub(crate) fn hit_one(among: Among, key: &str, cost: u64, limit: Limit) -> Result<DecisionOne, Error> {
    let Decision { allowed, standings, retry_after_ms } = hit(among, key, cost, &[limit])?;
    let standing = standings.into_iter().next().expect("one limit has one standing");
    Ok(DecisionOne { allowed, standing, retry_after_ms })
}

pub(crate) fn hit_subject(among: Among, subject: Subject, cost: u64, limit: Limit) -> Result<DecisionOne, Error> {
    let named = lent(|state| {
        let caller = state.caller.as_ref();
        let (of, name) = match subject {
            Subject::Address => return None,
            Subject::Consumer => ("consumer", Some(&caller?.consumer.username)),
            Subject::Credential => ("credential", caller?.credential.as_ref()),
            Subject::Service => ("service", state.route.as_ref().map(|(_, service)| service)),
            Subject::Route => ("route", state.route.as_ref().map(|(route, _)| route)),
        };
        name.map(|name| subject::key(of, name.as_bytes()))
    });
    let key = named.unwrap_or_else(|| lent(|state| state.client.ip().to_string()));
    hit_one(among, &key, cost, limit)
}

pub(crate) fn shared() -> bool {
    gateway(|state| state.counters != Counters::Own)
}

fn check(key: &str, listed: &[Limit]) -> Result<(), String> {
    if listed.is_empty() {
        return Err("a hit needs a limit".to_owned());
    }
    if listed.len() > limits::COUNTER_LIMITS {
        return Err(format!("a hit has up to {} limits", limits::COUNTER_LIMITS));
    }
    let (shortest, longest) = (limits::COUNTER_WINDOW_MIN, limits::COUNTER_WINDOW_MAX);
    for (at, limit) in listed.iter().enumerate() {
        if limit.max > limits::COUNTER_MAX {
            return Err(format!("a limit is at most {}, not {}", limits::COUNTER_MAX, limit.max));
        }
        let window = Duration::from_millis(limit.window_ms);
        if !(shortest..=longest).contains(&window) {
            let days = longest.as_secs() / 86_400;
            return Err(format!("a window is from {shortest:?} to {days} days, not {window:?}"));
        }
        let same = |other: &Limit| other.window_ms == limit.window_ms && other.algorithm == limit.algorithm;
        if listed[..at].iter().any(same) {
            return Err(format!("there are two limits of the window {window:?} and the same algorithm"));
        }
    }
    if key.len() > limits::COUNTER_KEY_BYTES {
        return Err(format!("a counter's key has up to {} bytes, not {}", limits::COUNTER_KEY_BYTES, key.len()));
    }
    Ok(())
}

fn standing(limit: &Limit, count: u64) -> Standing {
    let reset_ms = match limit.algorithm {
        Algorithm::FixedWindow | Algorithm::SlidingWindow => limit.window_ms,
        Algorithm::Gcra => drain(limit, count),
    };
    Standing { remaining: limit.max.saturating_sub(count), reset_ms }
}

/// Milliseconds until so many more hits fit, if they ever do.
fn wait(limit: &Limit, count: u64, needed: u64) -> Option<u64> {
    let most = limit.max.checked_sub(needed)?;
    if count <= most {
        return Some(0);
    }
    Some(match limit.algorithm {
        Algorithm::FixedWindow => limit.window_ms,
        // In the next window these hits are those of the window before, and fewer of them count with time.
        Algorithm::SlidingWindow => 2 * limit.window_ms - microseconds(limit, most, count) / 1_000,
        Algorithm::Gcra => drain(limit, count - most),
    })
}

/// Milliseconds until a bucket has lost so many hits.
fn drain(limit: &Limit, hits: u64) -> u64 {
    let parts = u128::from(hits) * u128::from(limit.window_ms) * 1_000;
    let microseconds = parts.div_ceil(u128::from(limit.max.max(1)));
    u64::try_from(microseconds.div_ceil(1_000)).map_or(limit.window_ms, |drain| drain.min(limit.window_ms))
}

/// Of a limit's window, the share that `part` is of `whole`.
fn microseconds(limit: &Limit, part: u64, whole: u64) -> u64 {
    let share = u128::from(limit.window_ms) * 1_000 * u128::from(part) / u128::from(whole.max(1));
    u64::try_from(share).unwrap_or(u64::MAX)
}
