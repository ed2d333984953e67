//! A scrape: the workers' numbers are added up and written in the text format by `prometheus-client`.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeLabelSet, MetricEncoder, NoLabelSet, text};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::exemplar::Exemplar;
use prometheus_client::registry::Registry;

use super::custom::{self, Families, Value};
use super::plugins::{HOOKS, PLUGIN_BOUNDS, PluginMetrics};
use super::shard::{BOUNDS, EXCHANGE_BOUNDS, GATEWAY_BOUNDS, Shard, Sum, Times};
use super::{Dropped, Extra, Health, OTHER, RouteMetrics, SinkMetrics, TargetState, WorkerMetrics};

/// A code, a service, how many.
pub(super) type FailureCount = (&'static str, Arc<str>, u64);

/// Picks one direction's bytes.
type Bytes = fn(&Shard) -> &AtomicU64;

/// What is read.
#[derive(Debug)]
pub(super) struct Scrape {
    pub(super) routes: Vec<Arc<RouteMetrics>>,
    pub(super) plugins: Vec<Arc<PluginMetrics>>,
    pub(super) custom: Families,
    /// Notes of plugins for which there was no room.
    pub(super) refused: u64,
    pub(super) workers: Vec<Arc<WorkerMetrics>>,
    pub(super) failures: Vec<FailureCount>,
    pub(super) sinks: Vec<Arc<SinkMetrics>>,
    pub(super) extra: Extra,
}

/// All of it as text.
pub(super) fn render(scrape: Scrape) -> String {
    let mut registry = Registry::default();
    registry.register_collector(Box::new(scrape));
    let mut page = String::new();
    // A String takes everything, so there is nothing that could fail.
    let _ = text::encode(&mut page, &registry);
    page
}

impl Collector for Scrape {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        self.of_routes(&mut encoder)?;
        self.of_failures(&mut encoder)?;
        self.of_plugins(&mut encoder)?;
        self.of_plugins_own(&mut encoder)?;
        self.of_workers(&mut encoder)?;
        self.of_targets(&mut encoder)?;
        self.of_sinks(&mut encoder)?;
        self.of_gateway(&mut encoder)
    }
}

impl Scrape {
    fn of_routes(&self, encoder: &mut DescriptorEncoder<'_>) -> fmt::Result {
        const REQUESTS: &str = "Exchanges by the status that the client was answered.";
        let mut family = describe(encoder, "tidegate_requests", REQUESTS, MetricType::Counter)?;
        for route in &self.routes {
            for (code, count) in route.codes() {
                let code = if code == 0 { OTHER.to_owned() } else { code.to_string() };
                let labels = [("route", &*route.route), ("service", &*route.service), ("code", &code)];
                counter(&mut family, &labels, count)?;
            }
        }
        let name = "tidegate_request_duration_seconds";
        self.histogram(encoder, name, "Whole exchanges.", &EXCHANGE_BOUNDS, |shard| &shard.total)?;
        let (name, help) = ("tidegate_upstream_duration_seconds", "Until the head of the upstream's response.");
        self.histogram(encoder, name, help, &EXCHANGE_BOUNDS, |shard| &shard.upstream)?;
        let (name, help) = ("tidegate_gateway_duration_seconds", "What the gateway and its plugins added.");
        self.histogram(encoder, name, help, &GATEWAY_BOUNDS, |shard| &shard.gateway)?;

        let help = "Bytes of bodies, in from clients and out to them.";
        let mut family = describe(encoder, "tidegate_bytes", help, MetricType::Counter)?;
        for route in self.routes.iter().filter(|route| route.shards().next().is_some()) {
            let directions: [(_, Bytes); 2] = [("in", |shard| &shard.bytes_in), ("out", |shard| &shard.bytes_out)];
            for (direction, bytes) in directions {
                let sum = route.shards().map(|shard| bytes(shard).load(Ordering::Relaxed)).sum();
                let labels = [("direction", direction), ("route", &*route.route), ("service", &*route.service)];
                counter(&mut family, &labels, sum)?;
            }
        }
        Ok(())
    }

    fn histogram(
        &self,
        encoder: &mut DescriptorEncoder<'_>,
        name: &'static str,
        help: &'static str,
        bounds: &[u64; BOUNDS],
        of: fn(&Shard) -> &Times,
    ) -> fmt::Result {
        let mut family = describe(encoder, name, help, MetricType::Histogram)?;
        let mut buckets = buckets(bounds);
        for route in &self.routes {
            let mut sum = Sum::default();
            route.shards().for_each(|shard| of(shard).add_to(&mut sum));
            let count = fill(&mut buckets, &sum);
            if count == 0 {
                continue;
            }
            let labels = [("route", &*route.route), ("service", &*route.service)];
            family.encode_family(&labels)?.encode_histogram::<NoLabelSet>(sum.seconds, count, &buckets, None)?;
        }
        Ok(())
    }

    fn of_failures(&self, encoder: &mut DescriptorEncoder<'_>) -> fmt::Result {
        let help = "Exchanges that the gateway could not complete, by cause.";
        let mut family = describe(encoder, "tidegate_failures", help, MetricType::Counter)?;
        for (code, service, count) in &self.failures {
            counter(&mut family, &[("code", *code), ("service", &**service)], *count)?;
        }
        Ok(())
    }

    fn of_plugins(&self, encoder: &mut DescriptorEncoder<'_>) -> fmt::Result {
        let sums: Vec<_> = self
            .plugins
            .iter()
            .flat_map(|plugin| HOOKS.iter().enumerate().map(move |(number, hook)| (plugin, *hook, plugin.sum(number))))
            .filter_map(|(plugin, hook, sum)| Some(([("plugin", &*plugin.name), ("hook", hook)], sum?)))
            .collect();
        let (name, help) = ("tidegate_plugin_duration_seconds", "Calls of plugins, waiting included.");
        let mut family = describe(encoder, name, help, MetricType::Histogram)?;
        let mut buckets = buckets(&PLUGIN_BOUNDS);
        for (labels, (sum, _)) in &sums {
            let count = fill(&mut buckets, sum);
            family.encode_family(labels)?.encode_histogram::<NoLabelSet>(sum.seconds, count, &buckets, None)?;
        }
        let help = "Calls of plugins that failed, whether or not their exchange went on.";
        let mut family = describe(encoder, "tidegate_plugin_failures", help, MetricType::Counter)?;
        for (labels, (_, failures)) in &sums {
            counter(&mut family, labels, *failures)?;
        }
        let (name, help) = ("tidegate_plugin_memory_peak_bytes", "The most that one instance has come to.");
        let mut family = describe(encoder, name, help, MetricType::Gauge)?;
        for plugin in self.plugins.iter().filter(|plugin| plugin.peak() > 0) {
            gauge(&mut family, &[("plugin", &*plugin.name)], plugin.peak())?;
        }
        Ok(())
    }

    fn of_plugins_own(&self, encoder: &mut DescriptorEncoder<'_>) -> fmt::Result {
        const HELP: &str = "As the plugin says.";
        let mut bounds: Vec<(f64, u64)> = custom::BOUNDS.iter().map(|bound| (*bound, 0)).collect();
        bounds.push((f64::INFINITY, 0));
        for (name, series) in &self.custom {
            let kind = match series.first() {
                Some((_, Value::Counter(_))) => MetricType::Counter,
                Some((_, Value::Gauge(_))) => MetricType::Gauge,
                _ => MetricType::Histogram,
            };
            // OpenMetrics puts that behind the names of all counters.
            let name = name.strip_suffix("_total").unwrap_or(name);
            let mut family = encoder.encode_descriptor(name, HELP, None, kind)?;
            for (labels, value) in series {
                let labels: Vec<(&str, &str)> = labels.iter().map(|(name, value)| (&**name, &**value)).collect();
                match labels.is_empty() {
                    true => own(&mut family, value, &mut bounds)?,
                    false => own(&mut family.encode_family(&labels)?, value, &mut bounds)?,
                }
            }
        }
        let help = "What plugins wanted to note, and there was no room for its series.";
        let mut family = describe(encoder, "tidegate_plugin_series_refused", help, MetricType::Counter)?;
        family.encode_counter::<NoLabelSet, u64, u64>(&self.refused, None)
    }

    fn of_workers(&self, encoder: &mut DescriptorEncoder<'_>) -> fmt::Result {
        let sum = |of: fn(&WorkerMetrics) -> &AtomicU64| -> u64 {
            self.workers.iter().map(|worker| of(worker).load(Ordering::Relaxed)).sum()
        };
        let help = "Client connections: all that are open, and exchanges that are under way on them.";
        let mut family = describe(encoder, "tidegate_connections", help, MetricType::Gauge)?;
        gauge(&mut family, &[("state", "open")], sum(|worker| &worker.connections_open))?;
        gauge(&mut family, &[("state", "active")], sum(|worker| &worker.exchanges))?;
        // Not plain `tidegate_connections_total`: OpenMetrics would take that for the gauge's own family.
        let (name, help) = ("tidegate_connections_accepted", "Client connections since the start.");
        let mut family = describe(encoder, name, help, MetricType::Counter)?;
        family.encode_counter::<NoLabelSet, u64, u64>(&sum(|worker| &worker.connections), None)?;
        let help = "Connections to upstreams that were put to use.";
        let mut family = describe(encoder, "tidegate_upstream_connections", help, MetricType::Counter)?;
        counter(&mut family, &[("reused", "false")], sum(|worker| &worker.upstream_fresh))?;
        counter(&mut family, &[("reused", "true")], sum(|worker| &worker.upstream_reused))?;
        let help = "Connections to upstreams that wait for a request.";
        let mut family = describe(encoder, "tidegate_pool_idle", help, MetricType::Gauge)?;
        family.encode_gauge(&sum(|worker| &worker.pool_idle))
    }

    fn of_targets(&self, encoder: &mut DescriptorEncoder<'_>) -> fmt::Result {
        let help = "1 for a target that gets requests, 0 for one that does not.";
        self.per_target(encoder, "tidegate_upstream_healthy", help, |target| match target.health {
            Health::Healthy => 1,
            Health::Unhealthy => 0,
        })?;
        let help = "Requests that a target is at work on.";
        self.per_target(encoder, "tidegate_upstream_in_flight", help, |target| target.in_flight)
    }

    fn per_target(
        &self,
        encoder: &mut DescriptorEncoder<'_>,
        name: &'static str,
        help: &'static str,
        of: fn(&TargetState) -> u64,
    ) -> fmt::Result {
        let mut family = describe(encoder, name, help, MetricType::Gauge)?;
        for target in &self.extra.targets {
            let labels = [("upstream", &*target.upstream), ("target", &*target.target), ("address", &*target.address)];
            gauge(&mut family, &labels, of(target))?;
        }
        Ok(())
    }

    fn of_sinks(&self, encoder: &mut DescriptorEncoder<'_>) -> fmt::Result {
        let (name, help) = ("tidegate_sink_records", "Records that a sink has delivered.");
        self.per_sink(encoder, name, help, MetricType::Counter, SinkMetrics::records)?;
        let (name, help) = ("tidegate_sink_bytes", "Bytes of those, as they went out.");
        self.per_sink(encoder, name, help, MetricType::Counter, SinkMetrics::bytes)?;
        let (name, help) = ("tidegate_sink_retries", "Deliveries that were tried again.");
        self.per_sink(encoder, name, help, MetricType::Counter, SinkMetrics::retries)?;
        let help = "Records that a sink has not delivered and will not, by reason.";
        let mut family = describe(encoder, "tidegate_sink_dropped_records", help, MetricType::Counter)?;
        for sink in &self.sinks {
            for reason in Dropped::ALL {
                let labels = [("sink", &*sink.name), ("reason", reason.name())];
                counter(&mut family, &labels, sink.dropped(reason))?;
            }
        }
        let help = "What a sink's buffer holds: records that wait, and those on their way.";
        self.per_sink(encoder, "tidegate_sink_buffer_bytes", help, MetricType::Gauge, SinkMetrics::buffered)?;
        let help = "What a sink's disk buffer holds, and is about to.";
        self.per_sink(encoder, "tidegate_sink_disk_bytes", help, MetricType::Gauge, SinkMetrics::on_disk)
    }

    fn per_sink(
        &self,
        encoder: &mut DescriptorEncoder<'_>,
        name: &'static str,
        help: &'static str,
        kind: MetricType,
        of: fn(&SinkMetrics) -> u64,
    ) -> fmt::Result {
        let mut family = describe(encoder, name, help, kind)?;
        for sink in &self.sinks {
            let labels = [("sink", &*sink.name)];
            match kind {
                MetricType::Counter => counter(&mut family, &labels, of(sink))?,
                _ => gauge(&mut family, &labels, of(sink))?,
            }
        }
        Ok(())
    }

    fn of_gateway(&self, encoder: &mut DescriptorEncoder<'_>) -> fmt::Result {
        let help = "Lines of the access log that were lost.";
        let mut family = describe(encoder, "tidegate_access_log_dropped", help, MetricType::Counter)?;
        family.encode_counter::<NoLabelSet, u64, u64>(&self.extra.access_log_dropped, None)?;
        let help = "The configuration that is live: 1 at the start, one more with each change.";
        describe(encoder, "tidegate_generation", help, MetricType::Gauge)?.encode_gauge(&self.extra.generation)?;
        let mut family = describe(encoder, "tidegate_build", "The gateway's version.", MetricType::Info)?;
        family.encode_info(&[("version", self.extra.version)])
    }
}

impl RouteMetrics {
    fn shards(&self) -> impl Iterator<Item = &Shard> {
        self.shards.iter().filter_map(|shard| shard.get().map(|shard| &**shard))
    }

    /// Each status that was answered, and how often; 0 for all that have no place of their own.
    fn codes(&self) -> BTreeMap<u16, u64> {
        let mut codes = BTreeMap::new();
        for (code, count) in self.shards().flat_map(|shard| shard.codes.each()) {
            *codes.entry(code).or_default() += count;
        }
        codes
    }
}

/// A value of a plugin's own.
fn own(metric: &mut MetricEncoder<'_>, value: &Value, bounds: &mut [(f64, u64)]) -> fmt::Result {
    match value {
        Value::Counter(sum) => metric.encode_counter::<NoLabelSet, f64, f64>(sum, None),
        Value::Gauge(value) => metric.encode_gauge(value),
        Value::Histogram { buckets, sum } => {
            for (bucket, count) in bounds.iter_mut().zip(buckets.iter()) {
                bucket.1 = *count;
            }
            metric.encode_histogram::<NoLabelSet>(*sum, buckets.iter().sum(), bounds, None)
        }
    }
}

/// A histogram's bounds in seconds, with nothing in them.
fn buckets(bounds: &[u64; BOUNDS]) -> Vec<(f64, u64)> {
    let seconds = bounds.iter().map(|nanoseconds| *nanoseconds as f64 / 1e9).chain([f64::INFINITY]);
    seconds.map(|bound| (bound, 0)).collect()
}

/// Put `sum` into them, and say how many that are.
fn fill(buckets: &mut [(f64, u64)], sum: &Sum) -> u64 {
    for (bucket, sum) in buckets.iter_mut().zip(sum.buckets) {
        bucket.1 = sum;
    }
    sum.buckets.iter().sum()
}

fn describe<'e>(
    encoder: &'e mut DescriptorEncoder<'_>,
    name: &'static str,
    help: &'static str,
    kind: MetricType,
) -> Result<MetricEncoder<'e>, fmt::Error> {
    encoder.encode_descriptor(name, help, None, kind)
}

fn counter(family: &mut MetricEncoder<'_>, labels: &impl EncodeLabelSet, count: u64) -> fmt::Result {
    const NONE: Option<&Exemplar<NoLabelSet, u64>> = None;
    family.encode_family(labels)?.encode_counter(&count, NONE)
}

fn gauge(family: &mut MetricEncoder<'_>, labels: &impl EncodeLabelSet, value: u64) -> fmt::Result {
    family.encode_family(labels)?.encode_gauge(&value)
}
