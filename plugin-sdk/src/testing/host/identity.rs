use std::hash::{DefaultHasher, Hash, Hasher};

use super::current;
use crate::bindings::imports::tidegate::plugin::identity as bindings;
pub(crate) use crate::bindings::imports::tidegate::plugin::identity::{Consumer, ConsumerBy, Way};
use crate::identity::{self, Caller};
use crate::testing::state::{self, State};

pub(crate) fn find(kind: &str, key: &str) -> Option<bindings::Credential> {
    current(|state| {
        let found = find_in(state, kind, key)?;
        Some(bindings::Credential { id: found.id.clone(), consumer: told(&found.consumer) })
    })
}

/// Whatever its kind: which plugin is tested, nobody knows here.
pub(crate) fn field(credential: &str, name: &str) -> Option<Vec<u8>> {
    current(|state| by_id(state, credential)?.fields.get(name).cloned())
}

pub(crate) fn authenticate_by_key(kind: &str, key: &str) -> bool {
    current(|state| match find_in(state, kind, key).cloned() {
        Some(found) => {
            state.caller = Some(found.caller());
            true
        }
        None => false,
    })
}

pub(crate) fn authenticate(credential: &str) -> Result<(), String> {
    current(|state| {
        let found = by_id(state, credential).ok_or_else(|| format!("there is no credential {credential:?}"))?;
        state.caller = Some(found.caller());
        Ok(())
    })
}

pub(crate) fn find_consumer(by: ConsumerBy, name: &str) -> Option<Consumer> {
    current(|state| {
        let is_meant = |consumer: &&identity::Consumer| match by {
            ConsumerBy::Username => consumer.username == name,
            ConsumerBy::CustomId => consumer.custom_id.as_deref() == Some(name),
        };
        state.everybody().find(is_meant).map(told)
    })
}

pub(crate) fn authenticate_as(username: &str, way: Way) -> Result<(), String> {
    current(|state| {
        let consumer = state.everybody().find(|consumer| consumer.username == username).cloned();
        let consumer = consumer.ok_or_else(|| format!("there is no consumer {username:?}"))?;
        state.caller = Some(Caller { consumer, credential: None, anonymous: way == Way::Anonymous });
        Ok(())
    })
}

pub(crate) fn authenticated() -> Option<bindings::Caller> {
    current(|state| {
        let caller = state.caller.as_ref()?;
        let way = if caller.anonymous { Way::Anonymous } else { Way::Known };
        Some(bindings::Caller { consumer: told(&caller.consumer), credential: caller.credential.clone(), way })
    })
}

pub(crate) fn caller_number() -> Option<u64> {
    current(|state| {
        let caller = state.caller.as_ref()?;
        let mut hasher = DefaultHasher::new();
        format!("{caller:?}").hash(&mut hasher);
        Some(hasher.finish())
    })
}

pub(crate) fn hide_groups() {
    current(|state| state.hides_groups = true);
}

/// Another one whenever the test has said something else of consumers and credentials.
pub(crate) fn version() -> u64 {
    current(|state| {
        let mut hasher = DefaultHasher::new();
        format!("{:?} {:?}", state.credentials, state.everybody().collect::<Vec<_>>()).hash(&mut hasher);
        hasher.finish()
    })
}

fn find_in<'s>(state: &'s State, kind: &str, key: &str) -> Option<&'s state::Credential> {
    state.credentials.iter().find(|credential| credential.kind == kind && credential.key == key)
}

fn by_id<'s>(state: &'s State, id: &str) -> Option<&'s state::Credential> {
    state.credentials.iter().find(|credential| credential.id == id)
}

fn told(consumer: &identity::Consumer) -> Consumer {
    let identity::Consumer { username, custom_id, groups } = consumer.clone();
    Consumer { username, custom_id, groups }
}
