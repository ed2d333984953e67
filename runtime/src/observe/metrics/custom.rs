//! Metrics that plugins define themselves: counters, gauges and histograms with labels, under the plugin's name. All
//! workers share them, so each costs a lock of its own for a moment; how many there may be is bounded.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use dashmap::DashMap;
use dashmap::mapref::entry::Entry;

use crate::limits;

/// Upper bounds of plugins' histograms, inclusive, as Prometheus' clients have them.
pub(super) const BOUNDS: [f64; 11] = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0];

/// All series of all plugins.
#[derive(Debug, Default)]
pub struct Custom {
    series: DashMap<Series, Value>,
    count: AtomicUsize,
    refused: AtomicU64,
}

/// What a series is known by.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Series {
    /// With the plugin's name in front.
    pub(super) name: String,
    pub(super) labels: Labels,
}

pub(super) type Labels = Vec<(String, String)>;

/// All series of each name.
pub(super) type Families = BTreeMap<Arc<str>, Vec<(Labels, Value)>>;

/// What a plugin wants to be noted.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Note {
    /// Add to a counter; at least 0.
    Count(f64),
    /// Set a gauge.
    Set(f64),
    /// Put into a histogram.
    Observe(f64),
}

#[derive(Debug, Clone, PartialEq)]
pub(super) enum Value {
    Counter(f64),
    Gauge(f64),
    Histogram { buckets: Box<[u64; BOUNDS.len() + 1]>, sum: f64 },
}

impl Custom {
    /// Note something of `plugin`.
    ///
    /// # Errors
    /// Name, labels or value are none that could be shown, the name is of a metric of another kind, or there is no room.
    pub fn note(&self, plugin: &str, name: &str, labels: Labels, note: Note) -> Result<(), String> {
        let series = Series { name: full_name(plugin, name)?, labels: checked(labels)? };
        let (Note::Count(value) | Note::Set(value) | Note::Observe(value)) = note;
        if !value.is_finite() || (value < 0.0 && matches!(note, Note::Count(_))) {
            return Err(format!("{value} is no value for `{name}`"));
        }
        match self.series.entry(series) {
            Entry::Occupied(mut known) => known.get_mut().take(note),
            Entry::Vacant(new) => {
                if self.count.fetch_add(1, Ordering::Relaxed) >= limits::METRIC_PLUGIN_SERIES {
                    self.count.fetch_sub(1, Ordering::Relaxed);
                    self.refused.fetch_add(1, Ordering::Relaxed);
                    return Err(format!("there are {} series of plugins already", limits::METRIC_PLUGIN_SERIES));
                }
                new.insert(Value::of(note));
                Ok(())
            }
        }
    }

    /// What `plugin` has noted, like `denied_total{reason="expired"}`; of a histogram, the sum.
    pub fn of(&self, plugin: &str) -> BTreeMap<String, f64> {
        let own = prefix(plugin);
        let noted = self.series.iter().filter_map(|entry| {
            let Series { name, labels } = entry.key();
            let name = name.strip_prefix(&own)?;
            let labels: Vec<String> = labels.iter().map(|(name, value)| format!("{name}=\"{value}\"")).collect();
            let series = if labels.is_empty() { name.to_owned() } else { format!("{name}{{{}}}", labels.join(",")) };
            let (Value::Counter(value) | Value::Gauge(value) | Value::Histogram { sum: value, .. }) = entry.value();
            Some((series, *value))
        });
        noted.collect()
    }

    /// Notes for which there was no room.
    pub(super) fn refused(&self) -> u64 {
        self.refused.load(Ordering::Relaxed)
    }

    /// Everything, by name. A series whose kind is not that of its name's first one is left out.
    pub(super) fn families(&self) -> Families {
        let mut families = Families::new();
        let mut all: Vec<_> = self.series.iter().map(|entry| (entry.key().clone(), entry.value().clone())).collect();
        all.sort_by(|(one, _), (other, _)| one.cmp(other));
        for (series, value) in all {
            let family = families.entry(series.name.into()).or_default();
            if family.first().is_none_or(|(_, first)| std::mem::discriminant(first) == std::mem::discriminant(&value)) {
                family.push((series.labels, value));
            }
        }
        families
    }
}

impl Value {
    fn of(note: Note) -> Self {
        match note {
            Note::Count(more) => Self::Counter(more),
            Note::Set(value) => Self::Gauge(value),
            Note::Observe(value) => {
                let mut buckets = Box::new([0; BOUNDS.len() + 1]);
                put(&mut buckets, value);
                Self::Histogram { buckets, sum: value }
            }
        }
    }

    fn take(&mut self, note: Note) -> Result<(), String> {
        match (self, note) {
            (Self::Counter(sum), Note::Count(more)) => *sum += more,
            (Self::Gauge(value), Note::Set(new)) => *value = new,
            (Self::Histogram { buckets, sum }, Note::Observe(value)) => {
                put(buckets, value);
                *sum += value;
            }
            _ => return Err("this is the name of a metric of another kind".to_owned()),
        }
        Ok(())
    }
}

fn put(buckets: &mut [u64; BOUNDS.len() + 1], value: f64) {
    let at = BOUNDS.iter().filter(|bound| **bound < value).count();
    if let Some(bucket) = buckets.get_mut(at) {
        *bucket += 1;
    }
}

/// `plugin_name`, in the characters that Prometheus has for names.
fn full_name(plugin: &str, name: &str) -> Result<String, String> {
    let plain = |name: &str| {
        (1..=limits::METRIC_NAME_BYTES).contains(&name.len())
            && name.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_')
    };
    if !plain(name) {
        return Err(format!("{name:?} is no metric's name: lower case, digits and \"_\", up to 64"));
    }
    Ok(prefix(plugin) + name)
}

/// Ours all begin so, and none of a plugin's may be taken for one of them.
fn prefix(plugin: &str) -> String {
    let plugin: String =
        plugin.chars().map(|c| if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { '_' }).collect();
    format!("plugin_{plugin}_")
}

fn checked(mut labels: Labels) -> Result<Labels, String> {
    if labels.len() > limits::METRIC_LABELS {
        return Err(format!("a metric has up to {} labels", limits::METRIC_LABELS));
    }
    labels.sort();
    for (at, (name, value)) in labels.iter().enumerate() {
        let plain = name.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_') && !name.is_empty();
        let again = at.checked_sub(1).and_then(|before| labels.get(before)).is_some_and(|(before, _)| before == name);
        if !plain || again || name == "le" || name.len() > limits::METRIC_NAME_BYTES {
            return Err(format!("{name:?} is no label's name, or there twice: lower case and \"_\", not \"le\""));
        }
        if value.len() > limits::METRIC_VALUE_BYTES {
            return Err(format!("the value of label {name} has more than {} bytes", limits::METRIC_VALUE_BYTES));
        }
    }
    Ok(labels)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labels(pairs: &[(&str, &str)]) -> Labels {
        pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    }

    #[test]
    fn notes_add_up_by_name_and_labels_whatever_their_order() {
        let custom = Custom::default();
        for (pairs, more) in [(&[("a", "1"), ("b", "2")], 1.0), (&[("b", "2"), ("a", "1")], 2.5)] {
            custom.note("limiter", "denied", labels(pairs), Note::Count(more)).unwrap();
        }
        custom.note("limiter", "denied", labels(&[("a", "2")]), Note::Count(1.0)).unwrap();
        for value in [0.005, 0.006, 100.0] {
            custom.note("p", "seconds", Vec::new(), Note::Observe(value)).unwrap();
        }
        let families = custom.families();
        let denied = &families["plugin_limiter_denied"];
        assert_eq!(denied[0], (labels(&[("a", "1"), ("b", "2")]), Value::Counter(3.5)));
        assert_eq!(denied.len(), 2);
        let Value::Histogram { buckets, sum } = &families["plugin_p_seconds"][0].1 else { panic!("a histogram") };
        assert_eq!((buckets[0], buckets[1], buckets[11], *sum), (1, 1, 1, 100.011));

        let own: Vec<_> = custom.of("limiter").into_iter().collect();
        assert_eq!(own, [("denied{a=\"1\",b=\"2\"}".to_owned(), 3.5), ("denied{a=\"2\"}".to_owned(), 1.0)]);
        assert_eq!(custom.of("p")["seconds"], 100.011);
    }

    #[test]
    fn what_cannot_be_shown_is_refused() {
        let custom = Custom::default();
        custom.note("p", "n", Vec::new(), Note::Count(1.0)).unwrap();
        assert!(custom.note("p", "n", Vec::new(), Note::Set(1.0)).unwrap_err().contains("another kind"));
        for name in ["", "With-Dash", "a b", &"n".repeat(65)] {
            custom.note("p", name, Vec::new(), Note::Set(1.0)).unwrap_err();
        }
        for pairs in [&[("le", "1")][..], &[("a", "1"), ("a", "2")], &[("A", "1")], &[("", "")]] {
            custom.note("p", "m", labels(pairs), Note::Set(1.0)).unwrap_err();
        }
        for note in [Note::Count(-1.0), Note::Count(f64::NAN), Note::Set(f64::INFINITY)] {
            custom.note("p", "v", Vec::new(), note).unwrap_err();
        }
        assert!(custom.note("p", "l", labels(&[("a", &"x".repeat(200))]), Note::Set(1.0)).is_err());
    }

    #[test]
    fn there_is_room_for_so_many() {
        let custom = Custom::default();
        for number in 0..limits::METRIC_PLUGIN_SERIES {
            custom.note("p", "n", labels(&[("number", &number.to_string())]), Note::Count(1.0)).unwrap();
        }
        custom.note("p", "n", labels(&[("number", "one more")]), Note::Count(1.0)).unwrap_err();
        custom.note("p", "n", labels(&[("number", "0")]), Note::Count(1.0)).unwrap();
        assert_eq!(custom.refused(), 1);
    }
}
