//! `identity`: consumers and credentials, looked up in the snapshot.

use std::sync::Arc;
use std::time::Instant;

use super::parse_reply;
use crate::crypto::password::{self, Verification};
use crate::host::awaited::{Awaited, Claimed, Stranger};
use crate::host::bindings::tidegate::plugin::identity::{self, ConsumerBy, Credential, Host, PasswordError, Way};
use crate::host::exchange::Progress;
use crate::host::services::Services;
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

    fn authenticate_by_password(&mut self, kind: String, key: String, password: Vec<u8>) -> wasmtime::Result<bool> {
        let (grants, services) = (Arc::clone(&self.grants), Arc::clone(&self.services));
        let exchange = self.exchange_to_change()?;
        if !grants.knows(&kind) {
            return Ok(false);
        }
        let Some(credential) = exchange.identities.find(&kind, key.as_bytes()) else { return Ok(false) };
        let Some(stored) = &credential.password else { return Ok(false) };
        let is_known = services.recent.knows(services.recent.name(stored, &password), Instant::now());
        if is_known {
            exchange.authenticated = Some(Authenticated::By(Arc::clone(credential)));
        }
        Ok(is_known)
    }

    fn verify_password(
        &mut self,
        kind: String,
        key: String,
        password: Vec<u8>,
        otherwise: identity::Stranger,
    ) -> wasmtime::Result<Result<(), PasswordError>> {
        let invalid = |problem| Ok(Err(PasswordError::Invalid(problem)));
        let (grants, services) = (Arc::clone(&self.grants), Arc::clone(&self.services));
        let exchange = self.exchange()?;
        if exchange.progress != Progress::Request {
            return Err(wasmtime::format_err!("passwords are verified in request hooks only"));
        }
        if exchange.awaited.is_some() {
            return invalid("it waits for a place or a password already".to_owned());
        }
        let otherwise = match otherwise {
            identity::Stranger::Anonymous(username) => Stranger::Anonymous(username),
            identity::Stranger::Nobody => Stranger::Nobody,
            identity::Stranger::Refused(reply) => match parse_reply(reply) {
                Ok(reply) => Stranger::Refused(reply),
                Err(problem) => return invalid(problem),
            },
        };
        let found = exchange.identities.find(&kind, key.as_bytes()).filter(|_| grants.knows(&kind)).cloned();
        let begun = match &found {
            None => begin(&services, &services.recent.decoy(), &password),
            Some(credential) => {
                let username = &credential.consumer.username;
                let Some(stored) = credential.field("password") else {
                    return invalid(format!("a credential of {username} has no `password`"));
                };
                let stored = str::from_utf8(stored).map_err(|_| password::PasswordError::Form);
                match stored.and_then(|stored| begin(&services, stored, &password)) {
                    Err(error) if error != password::PasswordError::Busy => {
                        return invalid(format!("the `password` of {username}: {error}"));
                    }
                    begun => begun,
                }
            }
        };
        let verification = match begun {
            Ok(verification) => verification,
            Err(password::PasswordError::Busy) => return Ok(Err(PasswordError::Busy)),
            Err(error) => return invalid(error.to_string()),
        };
        let credential = found.and_then(|credential| {
            let known = services.recent.name(credential.password.as_ref()?, &password);
            Some((credential, known))
        });
        exchange.awaited = Some(Box::new(Awaited::Password(Claimed { verification, credential, otherwise })));
        Ok(Ok(()))
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
        Ok(self.exchange_to_change()?.authenticate_as(&username, way == Way::Anonymous))
    }

    fn authenticated(&mut self) -> wasmtime::Result<Option<identity::Caller>> {
        Ok(self.exchange()?.authenticated.as_ref().map(|known| identity::Caller {
            consumer: told(known.consumer()),
            credential: known.credential().map(|credential| credential.id.to_string()),
            way: if known.is_anonymous() { Way::Anonymous } else { Way::Known },
        }))
    }
}

fn begin(services: &Services, stored: &str, password: &[u8]) -> Result<Verification, password::PasswordError> {
    services.passwords().ok_or(password::PasswordError::Busy)?.begin(stored, password)
}

fn told(consumer: &Consumer) -> identity::Consumer {
    identity::Consumer {
        username: consumer.username.to_string(),
        custom_id: consumer.custom_id.clone(),
        groups: consumer.groups.clone(),
    }
}
