//! What plugins log, kept for whoever has let them run. It stands in the place of the gateway's own log.

use std::fmt::Debug;
use std::sync::{Arc, Mutex, PoisonError};

use tracing::field::{Field, Visit};
use tracing::{Event, Metadata, Subscriber};
use tracing_subscriber::layer::{Context, Layer, SubscriberExt};

/// Lines of plugins, from all threads.
#[derive(Clone, Default)]
pub(super) struct Journal(Arc<Mutex<Vec<String>>>);

impl Journal {
    /// From now on everything that plugins log goes here, and everything else nowhere.
    ///
    /// # Errors
    /// The process has a log already.
    pub(super) fn start() -> anyhow::Result<Self> {
        let journal = Self::default();
        tracing::subscriber::set_global_default(tracing_subscriber::registry().with(journal.clone()))?;
        Ok(journal)
    }

    /// What has been logged since this was asked last.
    pub(super) fn take(&self) -> Vec<String> {
        std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl<S: Subscriber> Layer<S> for Journal {
    fn enabled(&self, metadata: &Metadata<'_>, _: Context<'_, S>) -> bool {
        metadata.target() == "plugin"
    }

    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        event.record(&mut Message(self));
    }
}

struct Message<'j>(&'j Journal);

impl Visit for Message<'_> {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        if field.name() == "message" {
            self.0.0.lock().unwrap_or_else(PoisonError::into_inner).push(format!("{value:?}"));
        }
    }
}
