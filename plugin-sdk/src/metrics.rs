//! Metrics of the plugin's own, for whoever scrapes the gateway: `plugin_PLUGIN_NAME`. Names are in lower
//! case with digits and `_`; up to 8 labels, whose values should be few, since each makes a series.
//!
//! ```
//! # use tidegate_sdk::prelude::*;
//! # fn count() -> Result<()> {
//! metrics::counter_add("denied_total", &[("reason", "expired")], 1.0)?;
//! metrics::histogram_record("lookup_seconds", &[], 0.012)?;
//! # Ok(())
//! # }
//! ```

use crate::host;

/// Adds to a counter.
///
/// # Errors
/// Name, labels or value are none that could be shown, or the gateway has no room for another series.
pub fn counter_add(name: &str, labels: &[(&str, &str)], more: f64) -> Result<(), String> {
    host::metrics::counter_add(name, &owned(labels), more)
}

/// Sets a gauge.
///
/// # Errors
/// As for a counter.
pub fn gauge_set(name: &str, labels: &[(&str, &str)], value: f64) -> Result<(), String> {
    host::metrics::gauge_set(name, &owned(labels), value)
}

/// Puts a value into a histogram, whose buckets are from 0.005 to 10, as for seconds.
///
/// # Errors
/// As for a counter.
pub fn histogram_record(name: &str, labels: &[(&str, &str)], value: f64) -> Result<(), String> {
    host::metrics::histogram_record(name, &owned(labels), value)
}

fn owned(labels: &[(&str, &str)]) -> Vec<(String, String)> {
    labels.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}
