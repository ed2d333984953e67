//! The gateway as its admin server sees it.

use std::sync::Arc;

use tokio_util::sync::CancellationToken;

use crate::admin::health::{AddressHealth, Checks, UpstreamHealth};
use crate::admin::{ComponentInfo, Readiness, View};
use crate::balance::{Endpoint, Forced, Standing};
use crate::host::catalogue::Described;
use crate::host::component::Component;
use crate::observe::access_log::AccessLog;
use crate::observe::metrics::{Health, TargetState};
use crate::proxy::worker::Live;

/// What it shows.
pub(super) struct Outlook {
    pub(super) live: Live,
    pub(super) drain: CancellationToken,
    pub(super) access_log: Option<Arc<AccessLog>>,
}

impl View for Outlook {
    fn generation(&self) -> u64 {
        self.live.load().generation
    }

    fn readiness(&self) -> Readiness {
        if self.drain.is_cancelled() { Readiness::Draining } else { Readiness::Ready }
    }

    fn access_log_dropped(&self) -> u64 {
        self.access_log.as_ref().map_or(0, |log| log.dropped())
    }

    fn components(&self) -> Vec<ComponentInfo> {
        let live = self.live.load();
        let info = |(name, component): (&String, &Arc<Component>)| ComponentInfo {
            name: name.clone(),
            plugin: component.name.to_string(),
            version: component.version.clone(),
            priority: component.priority,
            sha256: component.digest.iter().map(|byte| format!("{byte:02x}")).collect(),
        };
        live.components.iter().map(info).collect()
    }

    fn described(&self, component: &str) -> Option<Described> {
        self.live.load().components.get(component).map(|component| Described::of(component))
    }

    fn targets(&self) -> Vec<TargetState> {
        let mut targets = Vec::new();
        for balancer in &self.live.load().balancers {
            targets.extend(balancer.endpoints().iter().map(|endpoint| TargetState {
                upstream: Arc::clone(&balancer.name),
                target: Arc::clone(&endpoint.name),
                address: endpoint.address.to_string(),
                health: health(endpoint),
                in_flight: endpoint.status().in_flight.into(),
            }));
        }
        targets
    }

    fn upstream(&self, name: &str) -> Option<UpstreamHealth> {
        let live = self.live.load();
        let balancer = &live.upstreams.get(&name.to_ascii_lowercase())?.balancer;
        let settings = balancer.settings();
        let checks = if settings.active.is_some() || settings.passive.is_some() { Checks::On } else { Checks::Off };
        let endpoints = balancer.endpoints();
        let addresses = endpoints.iter().map(|endpoint| AddressHealth {
            target: endpoint.name.to_string(),
            address: endpoint.address.to_string(),
            weight: endpoint.weight,
            health: health(endpoint),
        });
        let addresses = addresses.collect();
        Some(UpstreamHealth { checks, health: of(balancer.standing()), addresses })
    }

    fn set_health(&self, upstream: &str, addresses: &[(String, String)], health: Health) {
        let live = self.live.load();
        let Some(upstream) = live.upstreams.get(&upstream.to_ascii_lowercase()) else { return };
        let forced = match health {
            Health::Healthy => Forced::None,
            Health::Unhealthy => Forced::UnhealthyUntilProbed,
        };
        for endpoint in upstream.balancer.endpoints().iter() {
            let is_meant = |(target, address): &&(String, String)| {
                **target == *endpoint.name && *address == endpoint.address.to_string()
            };
            if addresses.iter().any(|meant| is_meant(&meant)) {
                endpoint.force(forced);
            }
        }
    }
}

fn health(endpoint: &Endpoint) -> Health {
    of(endpoint.status().standing)
}

fn of(standing: Standing) -> Health {
    match standing {
        Standing::Healthy => Health::Healthy,
        Standing::Unhealthy => Health::Unhealthy,
    }
}
