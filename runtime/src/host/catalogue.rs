//! What bundled plugins say of themselves: version, place, schema. Whether one is in use or not, it is loaded when it is
//! first asked about, on a thread that may wait, by an engine of its own, and let go; what it said is kept.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use serde_json::Value;
use tidegate_precompiled::Cache;
use tokio::sync::Semaphore;

use super::component::Component;
use super::engine::Engine;
use super::library::bundled;
use super::services::Services;
use crate::config::checked::Counters as CounterSettings;
use crate::observe::metrics::Metrics;
use crate::store::counters::Counters;

/// What a plugin says of itself.
#[derive(Debug, Clone)]
pub struct Described {
    /// Its own version.
    pub version: String,
    /// Its place in a chain, unless the use says otherwise.
    pub priority: i32,
    /// JSON Schema of its config.
    pub schema: Arc<Value>,
}

impl Described {
    /// What this one says.
    pub fn of(component: &Component) -> Self {
        let Component { version, priority, schema, .. } = component;
        Self { version: version.clone(), priority: *priority, schema: Arc::clone(&schema.json) }
    }
}

/// The bundled plugins, as far as they have been asked about.
pub struct Catalogue {
    /// Where compiled plugins are found again.
    cache: Option<Cache>,
    known: Mutex<HashMap<&'static str, Described>>,
    /// Loading takes memory and a thread: one after the other.
    turn: Semaphore,
}

impl Catalogue {
    /// Nothing has been asked yet.
    pub fn new(cache: Option<Cache>) -> Self {
        Self { cache, known: Mutex::default(), turn: Semaphore::new(1) }
    }

    /// What the bundled plugin of this name says; `None` if there is none.
    pub async fn plugin(self: &Arc<Self>, name: &str) -> Option<Described> {
        let (name, wasm) = bundled().iter().find(|(bundled, _)| *bundled == name)?;
        if let Some(known) = self.known(name) {
            return Some(known);
        }
        let _permit = self.turn.acquire().await;
        let catalogue = Arc::clone(self);
        if let Err(error) = tokio::task::spawn_blocking(move || catalogue.load(name, wasm)).await {
            tracing::error!(%error, plugin = name, "a bundled plugin could not be looked at");
        }
        self.known(name)
    }

    /// What it has said, if it has been asked.
    pub fn known(&self, name: &str) -> Option<Described> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner).get(name).cloned()
    }

    /// May block.
    fn load(&self, name: &'static str, wasm: &[u8]) {
        // Somebody else may have asked meanwhile.
        if self.known(name).is_some() {
            return;
        }
        match describe(wasm, self.cache.as_ref()) {
            Ok(described) => {
                self.known.lock().unwrap_or_else(PoisonError::into_inner).insert(name, described);
            }
            Err(error) => tracing::error!(%error, plugin = name, "a bundled plugin could not be looked at"),
        }
    }
}

fn describe(wasm: &[u8], cache: Option<&Cache>) -> anyhow::Result<Described> {
    // Nobody is counted here, nor is anything kept.
    let counters = Counters::new(&CounterSettings::Memory, 1)?;
    let services = Services::new(counters, Arc::new(Metrics::new(1)), 1);
    let component = Component::load(&Engine::new(1)?, &services, cache, wasm)?;
    Ok(Described::of(&component))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn bundled_plugins_say_what_they_are() {
        let catalogue = Arc::new(Catalogue::new(None));
        let (name, _) = bundled()[0];
        let first = catalogue.plugin(name).await.unwrap();
        assert!(first.schema.pointer("/properties").is_some());
        // What is known is not asked again.
        let again = catalogue.plugin(name).await.unwrap();
        assert!(Arc::ptr_eq(&first.schema, &again.schema));
        assert!(catalogue.plugin("nobody").await.is_none());
    }
}
