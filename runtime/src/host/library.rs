//! All plugins that are loaded. What a new configuration has in common with the live one is found here and not made
//! again: a plugin whose file, config and limits are the same keeps its instances. What nobody uses is freed.

use std::collections::HashMap;
use std::sync::{Arc, Weak};
use std::time::Duration;

use rustls::ClientConfig;
use tidegate_precompiled::Cache;
use tokio::runtime::Handle;

use super::component::{self, Component};
use super::engine::Engine;
use super::fetch::{Fetcher, StandIn};
use super::grants::Grants;
use super::load::LoadError;
use super::plugin::{Plugin, Setup};
use super::services::Services;
use super::timer;
use crate::config::checked::{Isolation, PluginLimits, PluginUse};
use crate::dns::Resolver;
use crate::observe::metrics::PluginMetrics;
use crate::tls::client::Client;

include!(concat!(env!("OUT_DIR"), "/bundled.rs"));

/// The plugins in this executable: name and component.
pub fn bundled() -> &'static [(&'static str, &'static [u8])] {
    BUNDLED
}

/// What a configured plugin is known by: two uses alike in all of it can share instances.
#[derive(PartialEq, Eq, Hash)]
struct PluginKey {
    component: [u8; 32],
    config: String,
    limits: PluginLimits,
    timer: Option<Duration>,
    grants: [u8; 32],
    isolation: Isolation,
}

/// Loads components and configures plugins, each once.
pub struct Library {
    engine: Engine,
    services: Arc<Services>,
    workers: usize,
    /// Where timers run; `None`: nowhere, plugins are only checked.
    control: Option<Handle>,
    /// Where compiled components are found again.
    cache: Option<Cache>,
    /// How other servers are spoken to; made when the first plugin may ask one.
    tls: Option<Arc<ClientConfig>>,
    /// Who answers in the place of other servers, if they are not to be asked.
    stand_in: Option<StandIn>,
    components: HashMap<[u8; 32], Weak<Component>>,
    plugins: HashMap<PluginKey, Weak<Plugin>>,
}

impl Library {
    /// An empty library for this many workers. Timers run on `control`; without it there are none. Components are
    /// compiled once, if there is a `cache`.
    pub fn new(
        engine: Engine,
        services: Arc<Services>,
        workers: usize,
        control: Option<Handle>,
        cache: Option<Cache>,
    ) -> Self {
        Self {
            engine,
            services,
            workers,
            control,
            cache,
            tls: None,
            stand_in: None,
            components: HashMap::new(),
            plugins: HashMap::new(),
        }
    }

    /// The same, but whatever a plugin asks another server is answered by `stand_in`.
    pub fn with_stand_in(self, stand_in: StandIn) -> Self {
        Self { stand_in: Some(stand_in), ..self }
    }

    /// How many workers call plugins.
    pub fn workers(&self) -> usize {
        self.workers
    }

    /// The component in `wasm`.
    ///
    /// # Errors
    /// Why it is no plugin for this gateway.
    pub fn component(&mut self, wasm: &[u8]) -> Result<Arc<Component>, LoadError> {
        let digest = component::digest(wasm);
        if let Some(component) = self.components.get(&digest).and_then(Weak::upgrade) {
            return Ok(component);
        }
        let component = Arc::new(Component::load(&self.engine, &self.services, self.cache.as_ref(), wasm)?);
        self.components.insert(digest, Arc::downgrade(&component));
        Ok(component)
    }

    /// `component` as `plugin_use` has it, with `grants`; its config already satisfies the component's schema.
    ///
    /// # Errors
    /// Why it cannot be configured so, in the plugin's own words where it has any.
    pub fn plugin(
        &mut self,
        component: &Arc<Component>,
        plugin_use: &PluginUse,
        grants: Arc<Grants>,
        metrics: Arc<PluginMetrics>,
    ) -> Result<Arc<Plugin>, String> {
        let (limits, isolation) = (plugin_use.limits, plugin_use.isolation);
        let timer = plugin_use.timer.as_ref().map(|timer| timer.value);
        let config = plugin_use.config.json.to_string();
        let key = PluginKey { component: component.digest, config, limits, timer, grants: grants.digest(), isolation };
        if let Some(plugin) = self.plugins.get(&key).and_then(Weak::upgrade) {
            return Ok(plugin);
        }
        let setup = Setup { config: key.config.clone(), limits, grants, isolation, timer, metrics: Some(metrics) };
        let plugin = Plugin::configure(Arc::clone(component), setup, self.workers)?;
        let plugin = Arc::new(plugin);
        if let (Some(interval), Some(control)) = (timer, &self.control) {
            timer::start(control, &plugin, interval);
        }
        self.plugins.insert(key, Arc::downgrade(&plugin));
        Ok(plugin)
    }

    /// Who asks other servers for plugins, with names resolved by `resolver`.
    ///
    /// # Errors
    /// There is no CA that could vouch for any.
    pub fn fetcher(&mut self, resolver: Resolver) -> Result<Fetcher, String> {
        let tls = match &self.tls {
            Some(tls) => Arc::clone(tls),
            None => {
                let client = Client { alpn: vec![b"http/1.1".to_vec()], ..Client::default() };
                let tls = client.into_config().map_err(|error| error.to_string())?;
                Arc::clone(self.tls.insert(tls))
            }
        };
        Ok(Fetcher { resolver, tls, stand_in: self.stand_in.clone() })
    }

    /// Forget what was freed since.
    pub fn sweep(&mut self) {
        self.plugins.retain(|_, plugin| plugin.strong_count() > 0);
        self.components.retain(|_, component| component.strong_count() > 0);
    }
}
