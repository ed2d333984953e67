//! `identity`: consumers and credentials, looked up in the snapshot.

use std::sync::Arc;

use crate::host::bindings::tidegate::plugin::identity::{self, ConsumerBy, Credential, Host, Way};
use crate::host::state::State;
use crate::identity::{Authenticated, Consumer};

impl Host for State {
    fn find(&mut self, kind: String, key: String) -> wasmtime::Result<Option<Credential>> {
        let credential = self.exchange()?.identities.find(&kind, key.as_bytes());
        Ok(credential
            .map(|credential| Credential { id: credential.id.to_string(), consumer: told(&credential.consumer) }))
    }

    fn field(&mut self, credential: String, name: String) -> wasmtime::Result<Option<Vec<u8>>> {
        let grants = Arc::clone(&self.grants);
        let credential = self.exchange()?.identities.by_id(&credential);
        let known = credential.filter(|credential| grants.knows(&credential.kind));
        Ok(known.and_then(|credential| credential.field(&name)).map(<[u8]>::to_vec))
    }

    fn caller_number(&mut self) -> wasmtime::Result<Option<u64>> {
        Ok(self.exchange()?.authenticated.as_ref().map(Authenticated::number))
    }

    fn hide_groups(&mut self) -> wasmtime::Result<()> {
        self.exchange_to_change()?.hides_groups = true;
        Ok(())
    }

    fn version(&mut self) -> wasmtime::Result<u64> {
        Ok(self.exchange()?.identities.version)
    }

    fn authenticate_by_key(&mut self, kind: String, key: String) -> wasmtime::Result<bool> {
        let exchange = self.exchange_to_change()?;
        let Some(credential) = exchange.identities.find(&kind, key.as_bytes()) else { return Ok(false) };
        exchange.authenticated = Some(Authenticated::By(Arc::clone(credential)));
        Ok(true)
    }

    fn authenticate(&mut self, credential: String) -> wasmtime::Result<Result<(), String>> {
        let exchange = self.exchange_to_change()?;
        Ok(match exchange.identities.by_id(&credential) {
            Some(known) => {
                exchange.authenticated = Some(Authenticated::By(Arc::clone(known)));
                Ok(())
            }
            None => Err(format!("there is no credential {credential:?}")),
        })
    }

    fn find_consumer(&mut self, by: ConsumerBy, name: String) -> wasmtime::Result<Option<identity::Consumer>> {
        let identities = &self.exchange()?.identities;
        let consumer = match by {
            ConsumerBy::Username => identities.by_username(&name),
            ConsumerBy::CustomId => identities.by_custom_id(&name),
        };
        Ok(consumer.map(|consumer| told(consumer)))
    }

    fn authenticate_as(&mut self, username: String, way: Way) -> wasmtime::Result<Result<(), String>> {
        let exchange = self.exchange_to_change()?;
        let Some(consumer) = exchange.identities.by_username(&username) else {
            return Ok(Err(format!("there is no consumer {username:?}")));
        };
        let consumer = Arc::clone(consumer);
        exchange.authenticated = Some(match way {
            Way::Known => Authenticated::As(consumer),
            Way::Anonymous => Authenticated::Anonymously(consumer),
        });
        Ok(Ok(()))
    }

    fn authenticated(&mut self) -> wasmtime::Result<Option<identity::Caller>> {
        Ok(self.exchange()?.authenticated.as_ref().map(|known| identity::Caller {
            consumer: told(known.consumer()),
            credential: known.credential().map(|credential| credential.id.to_string()),
            way: if known.is_anonymous() { Way::Anonymous } else { Way::Known },
        }))
    }
}

fn told(consumer: &Consumer) -> identity::Consumer {
    identity::Consumer {
        username: consumer.username.to_string(),
        custom_id: consumer.custom_id.clone(),
        groups: consumer.groups.clone(),
    }
}
