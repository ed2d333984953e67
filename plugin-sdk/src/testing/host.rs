//! The gateway's functions, natively: the same names and types as the imported ones, about the
//! exchange that the test has lent to this thread.

use std::cell::RefCell;

use super::state::State;

mod services;

pub(crate) use services::{counters, crypto, http_client, kv, metrics, passwords, secrets, sink};

thread_local! {
    static CURRENT: RefCell<Option<State>> = const { RefCell::new(None) };
}

/// Run a hook on `state`, which comes back however the hook ends.
pub(super) fn lend<T>(state: &mut State, run: impl FnOnce() -> T) -> T {
    struct Lent<'s>(&'s mut State);

    impl Drop for Lent<'_> {
        fn drop(&mut self) {
            if let Some(state) = CURRENT.take() {
                *self.0 = state;
            }
        }
    }

    CURRENT.set(Some(state.clone()));
    let _lent = Lent(state);
    run()
}

/// The current exchange. Outside of a hook the gateway's functions trap.
#[track_caller]
fn current<T>(read: impl FnOnce(&mut State) -> T) -> T {
    CURRENT.with_borrow_mut(|current| match current {
        Some(state) => read(state),
        None => panic!("there is no exchange outside of a hook: run it by testing::Exchange"),
    })
}

pub(crate) mod request {
    use super::current;
    use crate::host::types::{Edit, Header};
    use crate::testing::state::{Content, State};

    pub(crate) fn method() -> String {
        current(|state| state.request.method.clone())
    }

    pub(crate) fn scheme() -> String {
        current(|state| state.request.scheme.clone())
    }

    pub(crate) fn capture(name: &str) -> Option<String> {
        current(|state| state.captures.get(name).cloned())
    }

    pub(crate) fn host() -> String {
        header("host").and_then(|host| String::from_utf8(host).ok()).unwrap_or_default()
    }

    pub(crate) fn path() -> String {
        current(|state| state.request.path.clone())
    }

    pub(crate) fn query() -> Option<String> {
        current(|state| state.request.query.clone())
    }

    pub(crate) fn header(name: &str) -> Option<Vec<u8>> {
        current(|state| state.request.headers.named(name).next().map(<[u8]>::to_vec))
    }

    pub(crate) fn header_values(name: &str) -> Vec<Vec<u8>> {
        current(|state| state.request.headers.named(name).map(<[u8]>::to_vec).collect())
    }

    pub(crate) fn headers() -> Vec<Header> {
        current(|state| state.request.headers.to_wire())
    }

    pub(crate) fn edit(edits: &[Edit]) -> Result<(), String> {
        change(|state| state.request.headers.edit(edits))
    }

    pub(crate) fn set_path(path: &str) -> Result<(), String> {
        change(|state| {
            if !path.starts_with('/') || path.contains(['?', '#']) {
                return Err("a path begins with \"/\", and has no \"?\" and no \"#\"".to_owned());
            }
            state.request.path = path.bytes().fold(String::new(), |encoded, byte| match byte {
                graphic if graphic.is_ascii_graphic() => encoded + &char::from(graphic).to_string(),
                other => format!("{encoded}%{other:02X}"),
            });
            Ok(())
        })
    }

    pub(crate) fn set_query(query: Option<&str>) -> Result<(), String> {
        change(|state| match query {
            Some(query) if !query.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'#') => {
                Err("the query has a character that must be percent-encoded".to_owned())
            }
            query => {
                state.request.query = query.map(str::to_owned);
                Ok(())
            }
        })
    }

    pub(crate) fn set_method(method: &str) -> Result<(), String> {
        change(|state| {
            let token = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
            if method.is_empty() || method == "CONNECT" || !method.bytes().all(token) {
                return Err(format!("{method:?} is no method that can be forwarded"));
            }
            method.clone_into(&mut state.request.method);
            Ok(())
        })
    }

    pub(crate) fn body() -> Option<Vec<u8>> {
        current(|state| state.request_body.whole.then(|| state.request_body.bytes.clone()))
    }

    pub(crate) fn set_body(body: &[u8]) -> Result<(), String> {
        change(|state| {
            state.request_body = Content { bytes: body.to_vec(), whole: true };
            Ok(())
        })
    }

    pub(crate) fn set_upstream(name: &str) -> Result<(), String> {
        change(|state| {
            let known = state.upstreams.iter().find(|known| known.eq_ignore_ascii_case(name));
            state.chosen_upstream = Some(known.ok_or_else(|| format!("there is no upstream {name:?}"))?.clone());
            Ok(())
        })
    }

    fn change(change: impl FnOnce(&mut State) -> Result<(), String>) -> Result<(), String> {
        current(|state| match state.response {
            Some(_) => Err("the request has been sent already".to_owned()),
            None if state.sent => Err("the request has been sent already".to_owned()),
            None => change(state),
        })
    }
}

pub(crate) mod response {
    use super::current;
    use crate::host::types::{Edit, Header};
    use crate::testing::state::{Content, ResponseHead};

    pub(crate) fn status() -> u16 {
        head(|response| response.status)
    }

    pub(crate) fn header(name: &str) -> Option<Vec<u8>> {
        head(|response| response.headers.named(name).next().map(<[u8]>::to_vec))
    }

    pub(crate) fn header_values(name: &str) -> Vec<Vec<u8>> {
        head(|response| response.headers.named(name).map(<[u8]>::to_vec).collect())
    }

    pub(crate) fn headers() -> Vec<Header> {
        head(|response| response.headers.to_wire())
    }

    pub(crate) fn edit(edits: &[Edit]) -> Result<(), String> {
        change(|response| response.headers.edit(edits))
    }

    pub(crate) fn set_status(status: u16) -> Result<(), String> {
        change(|response| {
            ResponseHead::new(status, std::mem::take(&mut response.headers)).map(|changed| *response = changed)
        })
    }

    pub(crate) fn body() -> Option<Vec<u8>> {
        current(|state| state.response_body.whole.then(|| state.response_body.bytes.clone()))
    }

    pub(crate) fn set_body(body: &[u8]) -> Result<(), String> {
        change(|_| Ok(()))?;
        current(|state| state.response_body = Content { bytes: body.to_vec(), whole: true });
        Ok(())
    }

    fn change(change: impl FnOnce(&mut ResponseHead) -> Result<(), String>) -> Result<(), String> {
        if current(|state| state.sent) {
            return Err("the response has been sent already".to_owned());
        }
        head(change)
    }

    fn head<T>(read: impl FnOnce(&mut ResponseHead) -> T) -> T {
        current(|state| read(state.response.as_mut().expect("there is a response in a response hook only")))
    }
}

pub(crate) mod client {
    use super::current;
    use crate::exchange::ClientCertificate;

    pub(crate) fn address() -> String {
        current(|state| state.client.ip().to_string())
    }

    pub(crate) fn port() -> u16 {
        current(|state| state.client.port())
    }

    pub(crate) fn shown_certificate() -> Option<ClientCertificate> {
        current(|state| state.certificate.clone())
    }
}

pub(crate) mod exchange {
    use std::time::{Duration, UNIX_EPOCH};

    use super::current;
    use crate::bindings::imports::tidegate::plugin::exchange::{Outcome, Timings};

    pub(crate) fn id() -> String {
        current(|_| "00112233445566778899aabbccddeeff".to_owned())
    }

    pub(crate) fn route() -> Option<String> {
        current(|state| state.route.as_ref().map(|(route, _)| route.clone()))
    }

    pub(crate) fn service() -> Option<String> {
        current(|state| state.route.as_ref().map(|(_, service)| service.clone()))
    }

    pub(crate) fn consumer() -> Option<String> {
        current(|state| state.consumer.as_ref().map(|credential| credential.consumer.username.clone()))
    }

    pub(crate) fn get(key: &str) -> Option<Vec<u8>> {
        current(|state| state.scratch.get(key).cloned())
    }

    pub(crate) fn set(key: &str, value: &[u8]) {
        current(|state| state.scratch.insert(key.to_owned(), value.to_vec()));
    }

    pub(crate) fn shared_get(key: &str) -> Option<Vec<u8>> {
        current(|state| state.shared.get(key).cloned())
    }

    pub(crate) fn shared_set(key: &str, value: &[u8]) {
        current(|state| state.shared.insert(key.to_owned(), value.to_vec()));
    }

    /// As the gateway tells it.
    pub(crate) fn ended() -> Option<Outcome> {
        let microseconds = |time: Duration| time.as_micros() as u64;
        let ended = current(|state| state.ended.clone())?;
        Some(Outcome {
            status: ended.status,
            upstream_status: ended.upstream_status,
            failure: ended.failure,
            timings: Timings {
                answered: microseconds(ended.answered),
                upstream: ended.upstream.map(microseconds),
                plugins: microseconds(ended.plugins),
                total: microseconds(ended.total),
            },
            received: ended.received,
            sent: ended.sent,
            begun: microseconds(ended.begun.duration_since(UNIX_EPOCH).unwrap_or_default()),
        })
    }
}

pub(crate) mod identity {
    use super::current;
    use crate::bindings::imports::tidegate::plugin::identity::{Consumer, Credential};

    pub(crate) fn find(kind: &str, key: &str) -> Option<Credential> {
        current(|state| {
            let found = state.credentials.iter().find(|credential| credential.kind == kind && credential.key == key)?;
            let consumer = found.consumer.clone();
            Some(Credential {
                id: found.id.clone(),
                consumer: Consumer {
                    username: consumer.username,
                    custom_id: consumer.custom_id,
                    groups: consumer.groups,
                },
            })
        })
    }

    pub(crate) fn authenticate_by_key(kind: &str, key: &str) -> bool {
        find(kind, key).is_some_and(|found| authenticate(&found.id).is_ok())
    }

    pub(crate) fn authenticate(credential: &str) -> Result<(), String> {
        current(|state| {
            let found = state.credentials.iter().find(|known| known.id == credential);
            let found = found.ok_or_else(|| format!("there is no credential {credential:?}"))?;
            state.consumer = Some(found.clone());
            Ok(())
        })
    }
}

pub(crate) mod log {
    use super::CURRENT;
    pub(crate) use crate::bindings::imports::tidegate::plugin::log::Level;
    use crate::log::Level as PublicLevel;

    /// Every level, so that every line's formatting is tested.
    pub(crate) fn level_enabled(_: Level) -> bool {
        true
    }

    pub(crate) fn write(level: Level, message: &str) {
        let level = match level {
            Level::Error => PublicLevel::Error,
            Level::Warn => PublicLevel::Warn,
            Level::Info => PublicLevel::Info,
            Level::Debug => PublicLevel::Debug,
            Level::Trace => PublicLevel::Trace,
        };
        CURRENT.with_borrow_mut(|current| match current {
            Some(state) => state.log.push((level, message.to_owned())),
            None => eprintln!("{level:?}: {message}"),
        });
    }
}
