use std::hash::{DefaultHasher, Hash, Hasher};

use super::{current, passwords};
use crate::bindings::imports::tidegate::plugin::identity as bindings;
pub(crate) use crate::bindings::imports::tidegate::plugin::identity::{
    Consumer, ConsumerBy, PasswordError, Stranger, Way,
};
use crate::identity::{self, Caller};
use crate::testing::state::{self, Awaited, State};

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

pub(crate) fn authenticate_by_password(kind: &str, key: &str, password: &[u8]) -> bool {
    current(|state| {
        let Some(found) = find_in(state, kind, key).cloned() else { return false };
        let Some(stored) = found.fields.get("password") else { return false };
        let is_known = state.known_passwords.contains(&(stored.clone(), password.to_vec()));
        if is_known {
            state.caller = Some(found.caller());
        }
        is_known
    })
}

/// Here it takes no time, and what comes of it is kept until the hook is done.
pub(crate) fn verify_password(
    kind: &str,
    key: &str,
    password: &[u8],
    otherwise: &Stranger,
) -> Result<(), PasswordError> {
    let invalid = PasswordError::Invalid;
    let found = current(|state| {
        assert!(state.response.is_none() && !state.sent, "passwords are verified in request hooks only");
        if state.awaited.is_some() {
            return Err(invalid("it waits for a place or a password already".to_owned()));
        }
        if let Stranger::Refused(reply) = otherwise {
            state.clone().accept(reply.clone()).map_err(invalid)?;
        }
        Ok(find_in(state, kind, key).cloned())
    })?;
    let is_right = match &found {
        None => false,
        Some(found) => {
            let username = &found.consumer.username;
            let stored = found.fields.get("password");
            let stored = stored.ok_or_else(|| invalid(format!("a credential of {username} has no `password`")))?;
            passwords::verify(&String::from_utf8_lossy(stored), password).map_err(|error| match error {
                passwords::Error::Busy => PasswordError::Busy,
                passwords::Error::Invalid(problem) => invalid(format!("the `password` of {username}: {problem}")),
            })?
        }
    };
    current(|state| {
        let right = found.filter(|_| is_right);
        if let Some(stored) = right.as_ref().and_then(|right| right.fields.get("password")) {
            state.known_passwords.push((stored.clone(), password.to_vec()));
        }
        state.awaited = Some(match (right, otherwise) {
            (Some(right), _) => Awaited::Caller(right.caller()),
            (None, Stranger::Refused(reply)) => Awaited::Reply(reply.clone()),
            (None, Stranger::Anonymous(username)) => Awaited::Anonymous(username.clone()),
            (None, Stranger::Nobody) => Awaited::Nothing,
        });
    });
    Ok(())
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
