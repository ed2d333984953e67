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
        let (name, _) = bundled().iter().find(|(bundled, _)| *bundled == name)?;
        self.plugins(&[name]).await.pop().map(|(_, described)| described)
    }

    /// What each of these bundled plugins says, by name.
    pub async fn plugins(self: &Arc<Self>, names: &[&'static str]) -> Vec<(&'static str, Described)> {
        if self.known(names).len() < names.len() {
            let _permit = self.turn.acquire().await;
            let catalogue = Arc::clone(self);
            let names = names.to_vec();
            if let Err(error) = tokio::task::spawn_blocking(move || catalogue.load(&names)).await {
                tracing::error!(%error, "no bundled plugin could be looked at");
            }
        }
        self.known(names)
    }

    fn known(&self, names: &[&'static str]) -> Vec<(&'static str, Described)> {
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        names.iter().filter_map(|name| Some((*name, known.get(name)?.clone()))).collect()
    }

    /// Load those that are not known. May block.
    fn load(&self, names: &[&'static str]) {
        let known = self.known(names);
        let wanted = bundled().iter().filter(|(name, _)| names.contains(name));
        let mut wanted = wanted.filter(|(name, _)| known.iter().all(|(known, _)| known != name)).peekable();
        if wanted.peek().is_none() {
            return;
        }
        // Nobody is counted here, nor is anything kept.
        let made = Counters::new(&CounterSettings::Memory, 1)
            .map_err(anyhow::Error::from)
            .and_then(|counters| Ok((Engine::new(1)?, Services::new(counters, Arc::new(Metrics::new(1)), 1))));
        let (engine, services) = match made {
            Ok(made) => made,
            Err(error) => return tracing::error!(%error, "no bundled plugin could be looked at"),
        };
        for (name, wasm) in wanted {
            match Component::load(&engine, &services, self.cache.as_ref(), wasm) {
                Ok(component) => {
                    let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
                    known.insert(name, Described::of(&component));
                }
                Err(error) => tracing::error!(%error, plugin = name, "a bundled plugin cannot be loaded"),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn bundled_plugins_say_what_they_are() {
        let catalogue = Arc::new(Catalogue::new(None));
        let cors = catalogue.plugin("cors").await.unwrap();
        assert_eq!(cors.priority, 2000);
        assert!(cors.schema.pointer("/properties/origins").is_some());
        // What is known is not asked again.
        let again = catalogue.plugin("cors").await.unwrap();
        assert!(Arc::ptr_eq(&cors.schema, &again.schema));
        assert!(catalogue.plugin("nobody").await.is_none());
    }
}
