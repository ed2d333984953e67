//! Limits with the names that clients know them by.

use std::time::Duration;

use tidegate_sdk::counters;

use crate::settings::{Algorithm, Limit, Settings};

/// A limit, and what it is called.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Window {
    /// Like `Minute`, as it ends headers' names.
    pub(crate) name: String,
    pub(crate) limit: counters::Limit,
}

/// The most that one hit is counted in.
pub(crate) const LIMITS: usize = 8;
const SHORTEST: Duration = Duration::from_millis(1);
const LONGEST: Duration = Duration::from_secs(400 * DAY);
const DAY: u64 = 24 * 60 * 60;

/// All windows of `settings`, Kong's first.
pub(crate) fn all(settings: &Settings) -> Result<Vec<Window>, String> {
    let mut windows = kongs(settings)?;
    for listed in &settings.limits {
        windows.push(parse(listed, settings.algorithm)?);
    }
    if windows.is_empty() {
        return Err("there is no limit: set one of second, minute, hour, day, month and year, or limits".to_owned());
    }
    if windows.len() > LIMITS {
        return Err(format!("up to {LIMITS} limits hold at once, not {}", windows.len()));
    }
    for (at, window) in windows.iter().enumerate() {
        for other in windows.iter().take(at) {
            let (one, two) = (&window.limit, &other.limit);
            if one.window == two.window && one.algorithm == two.algorithm {
                let twice = "are both per the same time, by the same algorithm";
                return Err(format!("the limits \"{}\" and \"{}\" {twice}", other.name, window.name));
            }
            if window.name.eq_ignore_ascii_case(&other.name) {
                return Err(format!("two limits are called \"{}\": give one of them a name", window.name));
            }
        }
    }
    Ok(windows)
}

fn kongs(settings: &Settings) -> Result<Vec<Window>, String> {
    let listed = [
        ("Second", settings.second, 1),
        ("Minute", settings.minute, 60),
        ("Hour", settings.hour, 60 * 60),
        ("Day", settings.day, DAY),
        ("Month", settings.month, 30 * DAY),
        ("Year", settings.year, 365 * DAY),
    ];
    let mut windows: Vec<Window> = Vec::new();
    for (name, max, seconds) in listed {
        let Some(max) = max else { continue };
        if let Some(shorter) = windows.last().filter(|shorter| shorter.limit.max > max) {
            let (longer, shorter, most) = (name.to_lowercase(), shorter.name.to_lowercase(), shorter.limit.max);
            return Err(format!(
                "the limit for {longer} ({max}) cannot be lower than the limit for {shorter} ({most})"
            ));
        }
        let (window, algorithm) = (Duration::from_secs(seconds), settings.algorithm.into());
        windows.push(Window { name: name.to_owned(), limit: counters::Limit { max, window, algorithm } });
    }
    Ok(windows)
}

fn parse(listed: &Limit, algorithm: Algorithm) -> Result<Window, String> {
    let window = listed.window.duration();
    if !(SHORTEST..=LONGEST).contains(&window) {
        return Err(format!("limits: a window is from 1ms to 400d, not {}", listed.window));
    }
    let name = listed.name.clone().unwrap_or_else(|| listed.window.to_string());
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
    if !(1..=64).contains(&name.len()) || !name.bytes().all(is_plain) {
        return Err(format!("limits: the name {name:?} is not made of up to 64 letters, digits, \"-\" and \"_\""));
    }
    let algorithm = listed.algorithm.unwrap_or(algorithm).into();
    Ok(Window { name, limit: counters::Limit { max: listed.max, window, algorithm } })
}

impl From<Algorithm> for counters::Algorithm {
    fn from(algorithm: Algorithm) -> Self {
        match algorithm {
            Algorithm::FixedWindow => Self::FixedWindow,
            Algorithm::SlidingWindow => Self::SlidingWindow,
            Algorithm::TokenBucket => Self::Gcra,
        }
    }
}
