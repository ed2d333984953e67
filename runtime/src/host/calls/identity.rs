//! `identity`: consumers and credentials, looked up in the snapshot.

use std::sync::Arc;

use crate::host::bindings::tidegate::plugin::identity::{Consumer, Credential, Host};
use crate::host::state::State;

impl Host for State {
    fn find(&mut self, kind: String, key: String) -> wasmtime::Result<Option<Credential>> {
        let credential = self.exchange()?.identities.find(&kind, key.as_bytes());
        Ok(credential.map(|credential| Credential {
            id: credential.id.to_string(),
            consumer: Consumer {
                username: credential.consumer.username.to_string(),
                custom_id: credential.consumer.custom_id.clone(),
                groups: credential.consumer.groups.clone(),
            },
        }))
    }

    fn authenticate_by_key(&mut self, kind: String, key: String) -> wasmtime::Result<bool> {
        let exchange = self.exchange_to_change()?;
        let Some(credential) = exchange.identities.find(&kind, key.as_bytes()) else { return Ok(false) };
        exchange.credential = Some(Arc::clone(credential));
        Ok(true)
    }

    fn authenticate(&mut self, credential: String) -> wasmtime::Result<Result<(), String>> {
        let exchange = self.exchange_to_change()?;
        Ok(match exchange.identities.by_id(&credential) {
            Some(known) => {
                exchange.credential = Some(Arc::clone(known));
                Ok(())
            }
            None => Err(format!("there is no credential {credential:?}")),
        })
    }
}
