//! What a use of a plugin is granted beyond what every plugin has: origins that it may ask, secrets that it may
//! know, sinks that it may write to.

use std::collections::BTreeMap;
use std::sync::Arc;

use sha2::{Digest, Sha256};

use super::fetch::Fetcher;
use crate::config::checked::SecretValue;
use crate::config::values::Origin;
use crate::observe::sinks::Sink;

/// One use's grants.
#[derive(Default)]
pub struct Grants {
    origins: Vec<Origin>,
    secrets: BTreeMap<String, SecretValue>,
    sinks: BTreeMap<String, Arc<Sink>>,
    /// Who asks the origins; `None`: plugins are only checked.
    fetcher: Option<Fetcher>,
}

impl Grants {
    /// These origins, which `fetcher` asks, and these secrets and sinks by name.
    pub fn new(
        origins: Vec<Origin>,
        secrets: BTreeMap<String, SecretValue>,
        sinks: BTreeMap<String, Arc<Sink>>,
        fetcher: Option<Fetcher>,
    ) -> Arc<Self> {
        Arc::new(Self { origins, secrets, sinks, fetcher })
    }

    /// Whether any origin is granted.
    pub fn has_origins(&self) -> bool {
        !self.origins.is_empty()
    }

    /// Whether any secret is granted.
    pub fn has_secrets(&self) -> bool {
        !self.secrets.is_empty()
    }

    /// Whether any sink is granted.
    pub fn has_sinks(&self) -> bool {
        !self.sinks.is_empty()
    }

    /// What makes one use's grants differ from another's.
    pub(super) fn digest(&self) -> [u8; 32] {
        let mut digest = Sha256::new();
        for origin in &self.origins {
            digest.update(origin.to_string().as_bytes());
            digest.update([0]);
        }
        digest.update([1]);
        for (name, secret) in &self.secrets {
            digest.update(name.as_bytes());
            digest.update([0]);
            digest.update(Sha256::digest(secret.reveal()));
        }
        digest.update([2]);
        for (name, sink) in &self.sinks {
            digest.update(name.as_bytes());
            // A sink whose settings have changed is another one, and the plugin has to let go of the old one.
            digest.update((Arc::as_ptr(sink) as usize).to_ne_bytes());
        }
        digest.finalize().into()
    }

    pub(super) fn sink(&self, name: &str) -> Option<&Sink> {
        self.sinks.get(name).map(|sink| &**sink)
    }

    pub(super) fn secret(&self, name: &str) -> Option<&[u8]> {
        self.secrets.get(name).map(SecretValue::reveal)
    }

    /// Who asks `origin`, if that is granted.
    pub(super) fn fetcher(&self, origin: &Origin) -> Option<&Fetcher> {
        self.fetcher.as_ref().filter(|_| self.origins.contains(origin))
    }
}
