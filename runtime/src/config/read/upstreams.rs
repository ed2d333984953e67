//! Upstreams: targets, who gets the next request, health, name resolution.

use std::time::Duration;

use http::uri::PathAndQuery;
use toml::de::DeValue;

use super::Reading;
use super::listeners::period_into;
use crate::config::checked::{Active, Balance, Dns, HashOn, Health, Passive, Probe, Target, TargetAddress, Upstream};
use crate::config::reader::{Fields, Located, Value, parse};
use crate::config::values::{FieldValue, NameServer, Period, PlainHost, ProbePath, Text};
use crate::limits;

/// Kong's default.
const WEIGHT: u16 = 100;

impl Reading<'_> {
    pub(super) fn upstream(&self, value: &Value<'_>) -> Option<Upstream> {
        let fields = Fields::of(value, "an upstream", self.faults)?;
        let name = self.name("upstream", &fields, "name", "the name that services use as the host of their url");
        self.marks("upstream", &fields);
        let targets: Vec<Target> = fields.array("targets").filter_map(|value| self.target(value)).collect();
        if fields.value("targets").is_none() {
            let help = "targets = [\"10.0.0.1:8080\"], or targets = [] for none yet";
            self.faults.at_with_help(fields.span(), "an upstream needs targets", help);
        }
        let balance = self.balance(&fields);
        let health = self.health(&fields);
        let slow_start = fields.parse::<Period>("slow_start").map(|period| period.value.0);
        fields.finish();
        Some(Upstream { name: name?, targets, balance, health, slow_start })
    }

    /// `"host:port"`, `"unix:/path"`, or a table with one of those, or the name of SRV records, and a weight.
    fn target(&self, value: &Value<'_>) -> Option<Target> {
        if let DeValue::String(_) = value.get_ref() {
            let address: Located<TargetAddress> = parse(value, "a target", self.faults)?;
            return Some(Target { address: address.value, weight: WEIGHT });
        }
        let fields = Fields::of(value, "a target", self.faults)?;
        self.marks("target", &fields);
        let service = fields.parse::<PlainHost>("service");
        let address = match &service {
            Some(service) => Some(TargetAddress::Service(service.value.0.clone())),
            None => fields
                .require::<TargetAddress>("address", "where the target listens, like \"10.0.0.1:8080\"")
                .map(|address| address.value),
        };
        if service.is_some() && fields.value("address").is_some() {
            self.faults.at(&value.span(), "a target has an `address` or the `service` of SRV records, not both");
        }
        let weight = fields.integer("weight", 0..=65_535).and_then(|weight| u16::try_from(weight).ok());
        fields.finish();
        Some(Target { address: address?, weight: weight.unwrap_or(WEIGHT) })
    }

    fn balance(&self, upstream: &Fields<'_>) -> Balance {
        let hash_on: Vec<Located<HashOn>> = upstream.parse_all("hash_on");
        let Some(balance) = upstream.parse::<Text>("balance") else {
            self.hash_without_hashing(&hash_on);
            return Balance::RoundRobin;
        };
        let chosen = match balance.value.0.as_str() {
            "round-robin" => Balance::RoundRobin,
            "least-connections" => Balance::LeastConnections,
            "latency" => Balance::Latency,
            "consistent-hash" => {
                if hash_on.is_empty() {
                    let help = "hash_on = [\"header:x-user\", \"address\"]; the first that a request has is hashed";
                    self.faults.at_with_help(&balance.span, "\"consistent-hash\" needs `hash_on`", help);
                }
                return Balance::ConsistentHash(hash_on.into_iter().map(|on| on.value).collect());
            }
            other => {
                let help = "known here: round-robin, least-connections, consistent-hash, latency";
                self.faults.at_with_help(&balance.span, format!("`balance` cannot be \"{other}\""), help);
                return Balance::RoundRobin;
            }
        };
        self.hash_without_hashing(&hash_on);
        chosen
    }

    fn hash_without_hashing(&self, hash_on: &[Located<HashOn>]) {
        if let Some(first) = hash_on.first() {
            let help = "balance = \"consistent-hash\"";
            self.faults.at_with_help(&first.span, "`hash_on` goes unheard with this balance", help);
        }
    }

    fn health(&self, upstream: &Fields<'_>) -> Health {
        let mut health = Health::default();
        let Some(value) = upstream.value("health") else { return health };
        let Some(fields) = Fields::of(value, "`health`", self.faults) else { return health };
        health.active = fields.value("active").and_then(|value| self.active(value));
        health.passive = fields.value("passive").and_then(|value| self.passive(value));
        health.threshold = fields.integer("threshold", 0..=100).and_then(|n| u8::try_from(n).ok()).unwrap_or(0);
        fields.finish();
        health
    }

    fn active(&self, value: &Value<'_>) -> Option<Active> {
        let fields = Fields::of(value, "`active`", self.faults)?;
        let mut interval = Duration::from_secs(5);
        let mut timeout = Duration::from_secs(1);
        period_into(&fields, "interval", &mut interval);
        period_into(&fields, "timeout", &mut timeout);
        let kind = fields.parse::<Text>("type");
        let path = fields.parse::<ProbePath>("path");
        let path = path.map_or(PathAndQuery::from_static("/"), |path| path.value.0);
        let host = fields.parse::<FieldValue>("host").map(|host| host.value.0);
        let statuses = statuses(&fields, &[200, 201, 202, 204, 301, 302]);
        let probe = match kind.as_ref().map_or("http", |kind| kind.value.0.as_str()) {
            "tcp" => Probe::Tcp,
            http @ ("http" | "https") => Probe::Http { https: http == "https", path, host, statuses },
            other => {
                let span = kind.as_ref().map_or_else(|| value.span(), |kind| kind.span.clone());
                self.faults.at(&span, format!("`type` is \"http\", \"https\" or \"tcp\", not \"{other}\""));
                Probe::Tcp
            }
        };
        let successes = times(&fields, "successes", 1);
        let failures = times(&fields, "failures", 2);
        fields.finish();
        Some(Active { probe, interval, timeout, successes, failures })
    }

    fn passive(&self, value: &Value<'_>) -> Option<Passive> {
        let fields = Fields::of(value, "`passive`", self.faults)?;
        let mut within = Duration::from_secs(10);
        let mut recover = Duration::from_secs(10);
        period_into(&fields, "within", &mut within);
        period_into(&fields, "recover", &mut recover);
        let failures = times(&fields, "failures", 5);
        let statuses = statuses(&fields, &[500, 502, 503, 504]);
        fields.finish();
        Some(Passive { failures, within, recover, statuses })
    }

    pub(super) fn dns(&self, file: &Fields<'_>) -> Dns {
        let mut dns = Dns { nameservers: Vec::new(), timeout: limits::DNS_TIMEOUT, stale: limits::DNS_STALE };
        let Some(value) = file.value("dns") else { return dns };
        let Some(fields) = Fields::of(value, "`dns`", self.faults) else { return dns };
        let nameservers = fields.parse_all::<NameServer>("nameservers").into_iter();
        dns.nameservers = nameservers.map(|address| address.value.0).collect();
        period_into(&fields, "timeout", &mut dns.timeout);
        period_into(&fields, "stale", &mut dns.stale);
        fields.finish();
        dns
    }
}

fn times(fields: &Fields<'_>, key: &'static str, default: u32) -> u32 {
    fields.integer(key, 1..=1_000).and_then(|times| u32::try_from(times).ok()).unwrap_or(default)
}

fn statuses(fields: &Fields<'_>, default: &[u16]) -> Vec<u16> {
    match fields.integers("statuses", 100..=599) {
        Some(statuses) => statuses.into_iter().filter_map(|status| u16::try_from(status).ok()).collect(),
        None => default.to_vec(),
    }
}
