//! What clients are told of limits, in Kong's headers and in those of the IETF's draft
//! (draft-ietf-httpapi-ratelimit-headers-10).

use std::fmt::Write;
use std::time::Duration;

use tidegate_sdk::counters::Decision;
use tidegate_sdk::prelude::*;

use crate::window::{LIMITS, Window};

/// The headers of some windows, as far as they are always the same.
pub(crate) struct Told {
    windows: Vec<Names>,
    kong: bool,
    /// `RateLimit-Policy`, if it is sent.
    policy: Option<String>,
}

struct Names {
    /// As the draft has it, in quotes.
    quoted: String,
    /// `X-RateLimit-Limit-…`, and its value.
    limit: (String, String),
    /// `X-RateLimit-Remaining-…`.
    remaining: String,
    length: Duration,
}

impl Told {
    pub(crate) fn new(windows: &[Window], kong: bool, ietf: bool) -> Self {
        let named = windows.iter().map(|window| Names {
            quoted: format!("\"{}\"", window.name.to_lowercase()),
            limit: (format!("x-ratelimit-limit-{}", window.name.to_lowercase()), window.limit.max.to_string()),
            remaining: format!("x-ratelimit-remaining-{}", window.name.to_lowercase()),
            length: window.limit.window,
        });
        let windows: Vec<Names> = named.collect();
        let policy = ietf.then(|| list(&windows, |names, item| names.policy(item)));
        Self { windows, kong, policy }
    }

    /// What the response hook needs to know of a hit.
    pub(crate) fn note(&self, hit: &Decision, keep: impl FnOnce(&[u8])) {
        let mut note = [[[0; 8]; 2]; LIMITS];
        for ([remaining, reset], standing) in note.iter_mut().zip(&hit.standings) {
            *remaining = standing.remaining.to_le_bytes();
            *reset = seconds(standing.reset).to_le_bytes();
        }
        let noted = note.get(..hit.standings.len()).unwrap_or_default();
        keep(noted.as_flattened().as_flattened());
    }

    /// Tell the client how many requests are left, as it was noted.
    pub(crate) fn set(&self, response: &mut Response, noted: &[u8]) {
        let left = noted.as_chunks().0.as_chunks().0.iter().map(|[remaining, reset]| Left {
            remaining: u64::from_le_bytes(*remaining),
            reset: u64::from_le_bytes(*reset),
        });
        self.tell(&left.collect::<Vec<_>>(), |name, value| response.set_header(name, value));
    }

    /// The headers of a refusal.
    pub(crate) fn of_refusal(&self, hit: &Decision) -> Vec<(String, String)> {
        let left =
            hit.standings.iter().map(|standing| Left { remaining: standing.remaining, reset: seconds(standing.reset) });
        let mut headers = Vec::new();
        self.tell(&left.collect::<Vec<_>>(), |name, value| headers.push((name.to_owned(), value)));
        if let Some(wait) = hit.retry_after {
            headers.push(("retry-after".to_owned(), seconds(wait).to_string()));
        }
        headers
    }

    fn tell(&self, left: &[Left], mut tell: impl FnMut(&str, String)) {
        if self.kong {
            let pairs = || self.windows.iter().zip(left);
            // The one that is nearest to its end; of two that are equally near, the longer one.
            let tightest = pairs().min_by_key(|(names, left)| (left.remaining, std::cmp::Reverse(names.length)));
            if let Some((names, left)) = tightest {
                tell("ratelimit-limit", names.limit.1.clone());
                tell("ratelimit-remaining", left.remaining.to_string());
                tell("ratelimit-reset", left.reset.to_string());
            }
            for (names, left) in pairs() {
                tell(&names.limit.0, names.limit.1.clone());
                tell(&names.remaining, left.remaining.to_string());
            }
        }
        if let Some(policy) = &self.policy {
            let mut left = left.iter();
            let items = list(&self.windows, |names, item| {
                if let Some(Left { remaining, reset }) = left.next() {
                    let _ = write!(item, "{};r={remaining};t={reset}", names.quoted);
                }
            });
            tell("ratelimit-policy", policy.clone());
            tell("ratelimit", items);
        }
    }
}

/// How a window stands, in whole seconds.
struct Left {
    remaining: u64,
    reset: u64,
}

impl Names {
    fn policy(&self, item: &mut String) {
        let _ = write!(item, "{};q={}", self.quoted, self.limit.1);
        // A part of a second cannot be said.
        if self.length.subsec_millis() == 0 {
            let _ = write!(item, ";w={}", self.length.as_secs());
        }
    }
}

/// A list of structured fields (RFC 9651).
fn list(windows: &[Names], mut item: impl FnMut(&Names, &mut String)) -> String {
    let mut items = String::new();
    for names in windows {
        if !items.is_empty() {
            items.push_str(", ");
        }
        item(names, &mut items);
    }
    items
}

/// Rounded up, so that nobody comes too soon, and never none.
fn seconds(time: Duration) -> u64 {
    (time.as_secs() + u64::from(time.subsec_nanos() > 0)).max(1)
}
