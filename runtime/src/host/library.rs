//! All plugins that are loaded. What a new configuration has in common with the live one is found here and not made
//! again: a plugin whose file, config and limits are the same keeps its instances. What nobody uses is freed.

use std::collections::HashMap;
use std::sync::{Arc, Weak};
use std::time::Duration;

use tokio::runtime::Handle;

use super::component::{self, Component};
use super::engine::Engine;
use super::load::LoadError;
use super::plugin::Plugin;
use super::timer;
use crate::config::checked::{PluginConfig, PluginLimits};

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
}

/// Loads components and configures plugins, each once.
pub struct Library {
    engine: Engine,
    workers: usize,
    /// Where timers run; `None`: nowhere, plugins are only checked.
    control: Option<Handle>,
    components: HashMap<[u8; 32], Weak<Component>>,
    plugins: HashMap<PluginKey, Weak<Plugin>>,
}

impl Library {
    /// An empty library for this many workers. Timers run on `control`; without it there are none.
    pub fn new(engine: Engine, workers: usize, control: Option<Handle>) -> Self {
        Self { engine, workers, control, components: HashMap::new(), plugins: HashMap::new() }
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
        let component = Arc::new(Component::load(&self.engine, wasm)?);
        self.components.insert(digest, Arc::downgrade(&component));
        Ok(component)
    }

    /// `component` with this config, which already satisfies its schema.
    ///
    /// # Errors
    /// Why it cannot be configured so, in the plugin's own words where it has any.
    pub fn plugin(
        &mut self,
        component: &Arc<Component>,
        config: &PluginConfig,
        limits: PluginLimits,
        timer: Option<Duration>,
    ) -> Result<Arc<Plugin>, String> {
        let key = PluginKey { component: component.digest, config: config.json.to_string(), limits, timer };
        if let Some(plugin) = self.plugins.get(&key).and_then(Weak::upgrade) {
            return Ok(plugin);
        }
        let plugin = Plugin::configure(Arc::clone(component), key.config.clone(), limits, self.workers)?;
        let plugin = Arc::new(plugin);
        if let (Some(interval), Some(control)) = (timer, &self.control) {
            timer::start(control, &plugin, interval);
        }
        self.plugins.insert(key, Arc::downgrade(&plugin));
        Ok(plugin)
    }

    /// Forget what was freed since.
    pub fn sweep(&mut self) {
        self.plugins.retain(|_, plugin| plugin.strong_count() > 0);
        self.components.retain(|_, component| component.strong_count() > 0);
    }
}
