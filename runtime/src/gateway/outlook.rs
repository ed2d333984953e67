//! The gateway as its admin server sees it.

use std::sync::Arc;

use tokio_util::sync::CancellationToken;

use crate::admin::{ComponentInfo, Readiness, View};
use crate::balance::Standing;
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
            targets.extend(balancer.endpoints().iter().map(|endpoint| {
                let status = endpoint.status();
                TargetState {
                    upstream: Arc::clone(&balancer.name),
                    target: Arc::clone(&endpoint.name),
                    address: endpoint.address.to_string(),
                    health: if status.standing == Standing::Healthy { Health::Healthy } else { Health::Unhealthy },
                    in_flight: status.in_flight.into(),
                }
            }));
        }
        targets
    }
}
