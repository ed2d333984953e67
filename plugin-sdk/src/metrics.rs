//! Metrics of the plugin's own, for whoever scrapes the gateway: `plugin_PLUGIN_NAME`. Names are in lower
//! case with digits and `_`, up to 64 bytes; up to 8 labels, with values of up to 128 bytes, which should
//! be few, since each makes a series. All plugins together have 10,000.
//!
//! ```
//! # use tidegate_sdk::{prelude::*, testing::{Exchange, Hook, Outcome}};
//! let note = Hook(|_: &mut Request| -> Result {
//!     metrics::counter_add("denied_total", &[("reason", "expired")], 1.0)?;
//!     metrics::histogram_record("lookup_seconds", &[], 0.012)?;
//!     Ok(Flow::Next)
//! });
//! let mut exchange = Exchange::get("/");
//! assert_eq!(exchange.request(&note), Outcome::Next);
//! assert_eq!(exchange.metric("denied_total{reason=\"expired\"}"), Some(1.0));
//! ```

use crate::host;

/// Adds to a counter, which begins with 0 and only grows.
///
/// ```
/// # use tidegate_sdk::{prelude::*, testing::{Exchange, Hook}};
/// let deny = Hook(|_: &mut Request| -> Result {
///     metrics::counter_add("denied_total", &[("reason", "expired")], 1.0)?;
///     Ok(Flow::reply(401).empty())
/// });
/// let mut exchange = Exchange::get("/");
/// assert_eq!(exchange.request(&deny).reply().status, 401);
/// assert_eq!(exchange.metric("denied_total{reason=\"expired\"}"), Some(1.0));
/// ```
///
/// # Errors
/// Name, labels or value are none that could be shown, or the gateway has no room for another series.
pub fn counter_add(name: &str, labels: &[(&str, &str)], more: f64) -> Result<(), String> {
    host::metrics::counter_add(name, &owned(labels), more)
}

/// Sets a gauge.
///
/// ```
/// # use tidegate_sdk::{prelude::*, testing::{Exchange, Hook, Outcome}};
/// let note = Hook(|_: &mut Request| -> Result {
///     metrics::gauge_set("keys", &[], 12.0)?;
///     metrics::gauge_set("keys", &[], 11.0)?;
///     Ok(Flow::Next)
/// });
/// let mut exchange = Exchange::get("/");
/// assert_eq!(exchange.request(&note), Outcome::Next);
/// assert_eq!(exchange.metric("keys"), Some(11.0));
/// ```
///
/// # Errors
/// As for a counter.
pub fn gauge_set(name: &str, labels: &[(&str, &str)], value: f64) -> Result<(), String> {
    host::metrics::gauge_set(name, &owned(labels), value)
}

/// Puts a value into a histogram, whose buckets are from 0.005 to 10, as for seconds.
///
/// ```
/// # use tidegate_sdk::{prelude::*, testing::{self, Exchange, Hook}};
/// use std::time::Duration;
///
/// let time = Hook(|ended: &Ended, _: &Response, _: &Request| {
///     if let Err(problem) = metrics::histogram_record("seconds", &[], ended.total.as_secs_f64()) {
///         log::warn!("not noted: {problem}");
///     }
/// });
/// let mut exchange = Exchange::get("/");
/// exchange.over(&time, Ended { total: Duration::from_millis(1_500), ..testing::ended(200) });
/// assert_eq!(exchange.metric("seconds"), Some(1.5));
/// ```
///
/// # Errors
/// As for a counter.
pub fn histogram_record(name: &str, labels: &[(&str, &str)], value: f64) -> Result<(), String> {
    host::metrics::histogram_record(name, &owned(labels), value)
}

fn owned(labels: &[(&str, &str)]) -> Vec<(String, String)> {
    labels.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}
