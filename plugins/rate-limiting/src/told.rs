//! What clients are told of limits, in Kong's headers and in those of the IETF's draft
//! (draft-ietf-httpapi-ratelimit-headers-10).

use std::cmp::Reverse;
use std::fmt::Write;
use std::time::Duration;

use tidegate_sdk::counters::{Decision, Standing};
use tidegate_sdk::prelude::*;
use tidegate_sdk::template::Template;
use tidegate_sdk::{HeaderEdits, OpenValue};

use crate::window::{LIMITS, Window};

/// The headers of some windows.
pub(crate) struct Told {
    windows: Vec<Names>,
    kong: bool,
    /// `RateLimit-Policy`, if it is sent.
    policy: Option<String>,
    /// All of them, with the values that differ from request to request left open.
    edits: HeaderEdits,
}

struct Names {
    /// As the draft has it, in quotes.
    quoted: String,
    /// `X-RateLimit-Limit-…`, and its value.
    limit: (HeaderName, String),
    /// `X-RateLimit-Remaining-…`.
    remaining: HeaderName,
    length: Duration,
}

/// The value of a header.
enum Value<'t> {
    /// The same for every request.
    Fixed(&'t str),
    Open(OpenValue<'t>),
}

const LIMIT: HeaderName = HeaderName::from_static("ratelimit-limit");
const REMAINING: HeaderName = HeaderName::from_static("ratelimit-remaining");
const RESET: HeaderName = HeaderName::from_static("ratelimit-reset");
const POLICY: HeaderName = HeaderName::from_static("ratelimit-policy");
const STANDINGS: HeaderName = HeaderName::from_static("ratelimit");
/// The most values that are left open: the three of the tightest window, one of each, and all of them in one.
const OPEN: usize = 3 + LIMITS + 1;

impl Told {
    /// # Errors
    /// There is a window whose name is no part of a header's.
    pub(crate) fn new(windows: &[Window], kong: bool, ietf: bool) -> Result<Self, String> {
        let windows = windows.iter().map(Names::of).collect::<Result<Vec<_>, _>>()?;
        let policy = ietf.then(|| list(&windows, |names, item| names.policy(item)));
        let mut told = Self { windows, kong, policy, edits: HeaderEdits::default() };
        let mut edits = HeaderEdits::default();
        let any: Vec<Standing> =
            told.windows.iter().map(|_| Standing { remaining: 0, reset: Duration::ZERO }).collect();
        let made = told.each(&any, "", |name, value| match value {
            Value::Fixed(text) => edits.set(name, Template::plain(text)),
            Value::Open(_) => edits.set_open(name),
        });
        made?;
        told.edits = edits;
        Ok(told)
    }

    /// Have the answer to `request` tell the client how many requests are left.
    pub(crate) fn tell(&self, request: &mut Request, hit: &Decision) {
        let standings = self.standings(&hit.standings);
        let mut open = [OpenValue::from(0); OPEN];
        let mut places = open.iter_mut();
        let _ = self.each(&hit.standings, &standings, |_, value| {
            if let Value::Open(value) = value
                && let Some(place) = places.next()
            {
                *place = value;
            }
            Ok(())
        });
        let left = places.len();
        request.edit_answer(&self.edits, open.get(..OPEN - left).unwrap_or_default());
    }

    /// The headers of a refusal.
    pub(crate) fn of_refusal(&self, hit: &Decision) -> Vec<(String, String)> {
        let standings = self.standings(&hit.standings);
        let mut headers = Vec::new();
        let _ = self.each(&hit.standings, &standings, |name, value| {
            let value = match value {
                Value::Fixed(text) => text.to_owned(),
                Value::Open(value) => value.to_string(),
            };
            headers.push((name.as_str().to_owned(), value));
            Ok(())
        });
        if let Some(wait) = hit.retry_after {
            headers.push(("retry-after".to_owned(), seconds(wait).to_string()));
        }
        headers
    }

    /// Each header, in order; `standings` is what [`Self::standings`] says of them.
    fn each<'t>(
        &'t self,
        left: &'t [Standing],
        standings: &'t str,
        mut tell: impl FnMut(&HeaderName, Value<'t>) -> Result<(), String>,
    ) -> Result<(), String> {
        if self.kong {
            let pairs = || self.windows.iter().zip(left);
            // The one that is nearest to its end; of two that are equally near, the longer one.
            let tightest = pairs().min_by_key(|(names, left)| (left.remaining, Reverse(names.length)));
            if let Some((names, left)) = tightest {
                let limit = names.limit.1.as_str();
                tell(&LIMIT, if self.windows.len() == 1 { Value::Fixed(limit) } else { Value::Open(limit.into()) })?;
                tell(&REMAINING, Value::Open(left.remaining.into()))?;
                tell(&RESET, Value::Open(seconds(left.reset).into()))?;
            }
            for (names, left) in pairs() {
                tell(&names.limit.0, Value::Fixed(&names.limit.1))?;
                tell(&names.remaining, Value::Open(left.remaining.into()))?;
            }
        }
        if let Some(policy) = &self.policy {
            tell(&POLICY, Value::Fixed(policy))?;
            tell(&STANDINGS, Value::Open(standings.into()))?;
        }
        Ok(())
    }

    /// The windows' standings in one, if that is sent.
    fn standings(&self, left: &[Standing]) -> String {
        if self.policy.is_none() {
            return String::new();
        }
        let mut left = left.iter();
        list(&self.windows, |names, item| {
            if let Some(Standing { remaining, reset }) = left.next() {
                let _ = write!(item, "{};r={remaining};t={}", names.quoted, seconds(*reset));
            }
        })
    }
}

impl Names {
    fn of(window: &Window) -> Result<Self, String> {
        let name = window.name.to_lowercase();
        let header = |of: &str| {
            let header = format!("x-ratelimit-{of}-{name}").parse::<HeaderName>();
            header.map_err(|problem| problem.to_string())
        };
        Ok(Self {
            quoted: format!("\"{name}\""),
            limit: (header("limit")?, window.limit.max.to_string()),
            remaining: header("remaining")?,
            length: window.limit.window,
        })
    }

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
