//! `metrics`: each series as a number, by its name and labels; of a histogram, the sum is what a test can ask for.

use super::{gateway, limits};
use crate::testing::state::MetricKind;

type Labels = [(String, String)];

pub(crate) fn counter_add(name: &str, labels: &Labels, more: f64) -> Result<(), String> {
    note(name, labels, MetricKind::Counter, more)
}

pub(crate) fn gauge_set(name: &str, labels: &Labels, value: f64) -> Result<(), String> {
    note(name, labels, MetricKind::Gauge, value)
}

pub(crate) fn histogram_record(name: &str, labels: &Labels, value: f64) -> Result<(), String> {
    note(name, labels, MetricKind::Histogram, value)
}

fn note(name: &str, labels: &Labels, kind: MetricKind, value: f64) -> Result<(), String> {
    gateway(|state| {
        check_name(name)?;
        let series = series(name, labels)?;
        if !value.is_finite() || (value < 0.0 && kind == MetricKind::Counter) {
            return Err(format!("{value} is no value for `{name}`"));
        }
        match state.metric_kinds.get(&series) {
            Some(known) if *known != kind => return Err("this is the name of a metric of another kind".to_owned()),
            None if state.metrics.len() >= limits::METRIC_PLUGIN_SERIES => {
                return Err(format!("there are {} series of plugins already", limits::METRIC_PLUGIN_SERIES));
            }
            _ => {}
        }
        state.metric_kinds.insert(series.clone(), kind);
        let noted = state.metrics.entry(series).or_default();
        *noted = if kind == MetricKind::Gauge { value } else { *noted + value };
        Ok(())
    })
}

fn check_name(name: &str) -> Result<(), String> {
    let plain = name.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_');
    if !plain || !(1..=limits::METRIC_NAME_BYTES).contains(&name.len()) {
        return Err(format!("{name:?} is no metric's name: lower case, digits and \"_\", up to 64"));
    }
    Ok(())
}

/// As the test asks for it: labels by name, whatever order they were given in.
fn series(name: &str, labels: &Labels) -> Result<String, String> {
    if labels.len() > limits::METRIC_LABELS {
        return Err(format!("a metric has up to {} labels", limits::METRIC_LABELS));
    }
    let mut labels = labels.to_vec();
    labels.sort();
    let mut before = None;
    for (name, value) in &labels {
        let plain = name.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_') && !name.is_empty();
        if !plain || before == Some(name) || name == "le" || name.len() > limits::METRIC_NAME_BYTES {
            return Err(format!("{name:?} is no label's name, or there twice: lower case and \"_\", not \"le\""));
        }
        if value.len() > limits::METRIC_VALUE_BYTES {
            return Err(format!("the value of label {name} has more than {} bytes", limits::METRIC_VALUE_BYTES));
        }
        before = Some(name);
    }
    let shown: Vec<String> = labels.iter().map(|(name, value)| format!("{name}=\"{value}\"")).collect();
    Ok(if shown.is_empty() { name.to_owned() } else { format!("{name}{{{}}}", shown.join(",")) })
}
