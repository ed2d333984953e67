//! A look at a configuration and all its plugins without serving: what `tidegate check` does.

use std::path::Path;
use std::sync::Arc;

use super::chains::Chains;
use super::parts::cache;
use crate::admin::doors::Doors;
use crate::certificates::Certificates;
use crate::config;
use crate::host::engine::Engine;
use crate::host::library::Library;
use crate::host::services::Services;
use crate::observe::metrics::Metrics;
use crate::observe::sinks::Deliveries;
use crate::snapshot::{self, Stock};
use crate::store::counters::Counters;
use crate::transport::Transports;
use crate::upstreams::Upstreams;

/// What a check found in order.
pub struct Checked {
    /// Routes.
    pub routes: usize,
    /// Services.
    pub services: usize,
    /// Plugin uses in all scopes.
    pub plugin_uses: usize,
    /// Which plugins the requests of each route meet.
    pub chains: Chains,
}

/// Check the configuration at `path` and every plugin in it, without serving.
///
/// # Errors
/// [`config::Report`] if there are any; anything else is this machine's fault.
pub fn check(path: &Path) -> anyhow::Result<Checked> {
    check_text(path, &config::read_text(path)?)
}

/// The same for `text`, which the file at `path` is to have.
///
/// # Errors
/// As with [`check`].
pub fn check_text(path: &Path, text: &str) -> anyhow::Result<Checked> {
    let (config, faults) = config::parse(path, text)?;
    let metrics = Arc::new(Metrics::new(1));
    let services = Services::new(Counters::new(&config.counters, 1)?, Arc::clone(&metrics), 1);
    let mut stock = Stock {
        library: Library::new(Engine::new(1)?, services, 1, None, cache(&config)),
        certificates: Certificates::default(),
        transports: Transports::default(),
        upstreams: Upstreams::new(None, 1),
        sinks: Deliveries::new(None),
        metrics,
        watched: Vec::new(),
    };
    let ids: Vec<_> = (0..).take(config.listeners.len()).collect();
    drop(config.admin.as_ref().and_then(|admin| Doors::new(admin, &faults)));
    let snapshot = snapshot::build(&config, faults, &mut stock, &ids, 1)?;
    let routes = || config.services.iter().flat_map(|service| &service.routes);
    let uses_of = |lists: &mut dyn Iterator<Item = usize>| lists.sum::<usize>();
    Ok(Checked {
        routes: routes().count(),
        services: config.services.len(),
        plugin_uses: config.plugins.len()
            + uses_of(&mut config.services.iter().map(|service| service.plugins.len()))
            + uses_of(&mut routes().map(|route| route.plugins.len()))
            + uses_of(&mut config.consumers.iter().map(|consumer| consumer.plugins.len())),
        chains: Chains::of(&snapshot),
    })
}
