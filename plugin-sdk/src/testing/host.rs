//! The gateway's functions, natively: the same names and types as the imported ones, about the
//! exchange that the test has lent to this thread.

use std::cell::RefCell;

use super::limits;
use super::state::{Call, State};

pub(crate) mod counters;
pub(crate) mod crypto;
pub(crate) mod http_client;
pub(crate) mod identity;
pub(crate) mod kv;
pub(crate) mod metrics;
pub(crate) mod places;
pub(crate) mod ready_edits;
pub(crate) mod request;
pub(crate) mod response;

pub(crate) use crypto::passwords;

thread_local! {
    static CURRENT: RefCell<Option<State>> = const { RefCell::new(None) };
}

/// Run a hook on `state`, which comes back however the hook ends.
pub(super) fn lend<T>(state: &mut State, call: Call, run: impl FnOnce() -> T) -> T {
    struct Lent<'s> {
        state: &'s mut State,
        /// What was lent already, if a hook runs within another one.
        outer: Option<State>,
    }

    impl Drop for Lent<'_> {
        fn drop(&mut self) {
            if let Some(state) = CURRENT.replace(self.outer.take()) {
                *self.state = state;
            }
        }
    }

    state.call = call;
    state.calls_left = limits::PLUGIN_HOST_CALLS;
    let outer = CURRENT.replace(Some(state.clone()));
    let _lent = Lent { state, outer };
    run()
}

/// The current exchange. Where there is none, the gateway's functions trap, which natively is a panic.
#[track_caller]
fn current<T>(read: impl FnOnce(&mut State) -> T) -> T {
    gateway(|state| match state.call {
        Call::Hook => read(state),
        Call::Timer => panic!("there is no exchange in a timer hook"),
        Call::Load => panic!("there is no exchange in `describe` and `configure`"),
    })
}

/// What the gateway has for a plugin that it calls, with or without an exchange.
#[track_caller]
fn gateway<T>(read: impl FnOnce(&mut State) -> T) -> T {
    count();
    lent(read)
}

/// The same, for what waits for somebody: not to be had while the plugin is loaded.
#[track_caller]
fn gateway_once_loaded<T>(refusal: &str, read: impl FnOnce(&mut State) -> T) -> T {
    gateway(|state| match state.call {
        Call::Load => panic!("{refusal} while a plugin is loaded"),
        Call::Timer | Call::Hook => read(state),
    })
}

#[track_caller]
fn lent<T>(read: impl FnOnce(&mut State) -> T) -> T {
    CURRENT.with_borrow_mut(|current| match current {
        Some(state) => read(state),
        None => panic!("there is no exchange outside of a hook: run it by testing::Exchange"),
    })
}

/// One more call of the gateway. What it computes without knowing anything can be called anywhere.
#[track_caller]
fn count() {
    CURRENT.with_borrow_mut(|current| {
        let Some(state) = current else { return };
        match state.calls_left.checked_sub(1) {
            Some(left) => state.calls_left = left,
            None => panic!("called the gateway more than {} times", limits::PLUGIN_HOST_CALLS),
        }
    });
}

pub(crate) mod client {
    use std::net::IpAddr;

    use super::current;
    pub(crate) use crate::bindings::imports::tidegate::plugin::client::IpAddress;
    use crate::exchange::ClientCertificate;

    pub(crate) fn address() -> String {
        current(|state| state.client.ip().to_string())
    }

    pub(crate) fn ip() -> IpAddress {
        match current(|state| state.client.ip()) {
            IpAddr::V4(address) => IpAddress::V4(address.to_bits()),
            IpAddr::V6(address) => IpAddress::V6(((address.to_bits() >> 64) as u64, address.to_bits() as u64)),
        }
    }

    pub(crate) fn port() -> u16 {
        current(|state| state.client.port())
    }

    pub(crate) fn local_address() -> String {
        current(|state| state.local.ip().to_string())
    }

    pub(crate) fn local_port() -> u16 {
        current(|state| state.local.port())
    }

    pub(crate) fn shown_certificate() -> Option<ClientCertificate> {
        current(|state| state.certificate.clone())
    }
}

pub(crate) mod exchange {
    use std::time::{Duration, UNIX_EPOCH};

    use super::{State, current, limits};
    use crate::bindings::imports::tidegate::plugin::exchange::{Account, Outcome, Parts, Timings};
    use crate::exchange::Ended;
    use crate::host::types::Edit;
    use crate::testing::state::RequestHead;
    use crate::testing::{Headers, headers};

    const ID: &str = "00112233445566778899aabbccddeeff";

    pub(crate) fn id() -> String {
        current(|_| ID.to_owned())
    }

    pub(crate) fn route() -> Option<String> {
        current(|state| state.route.as_ref().map(|(route, _)| route.clone()))
    }

    pub(crate) fn service() -> Option<String> {
        current(|state| state.route.as_ref().map(|(_, service)| service.clone()))
    }

    pub(crate) fn consumer() -> Option<String> {
        current(|state| state.caller.as_ref().map(|caller| caller.consumer.username.clone()))
    }

    pub(crate) fn get(key: &str) -> Option<Vec<u8>> {
        current(|state| state.scratch.get(key).cloned())
    }

    pub(crate) fn set(key: &str, value: &[u8]) {
        current(|state| {
            check_room(state, state.scratch.get(key), key, value);
            state.scratch.insert(key.to_owned(), value.to_vec())
        });
    }

    pub(crate) fn shared_get(key: &str) -> Option<Vec<u8>> {
        current(|state| state.shared.get(key).cloned())
    }

    pub(crate) fn shared_set(key: &str, value: &[u8]) {
        current(|state| {
            check_room(state, state.shared.get(key), key, value);
            state.shared.insert(key.to_owned(), value.to_vec())
        });
    }

    /// All scratch of an exchange has one bound, and what goes beyond it traps.
    fn check_room(state: &State, old: Option<&Vec<u8>>, key: &str, value: &[u8]) {
        let all = || state.scratch.iter().chain(&state.shared);
        let held: usize = all().map(|(key, value)| key.len() + value.len()).sum();
        let freed = old.map_or(0, |old| key.len() + old.len());
        let (bytes, values) = (limits::SCRATCH_BYTES, limits::SCRATCH_VALUES);
        assert!(
            held - freed + key.len() + value.len() <= bytes && (old.is_some() || all().count() < values),
            "the scratch of one exchange holds at most {bytes} bytes and {values} values"
        );
    }

    pub(crate) fn edit_answer(edits: &[Edit]) -> Result<(), String> {
        current(|state| {
            headers::check(edits)?;
            if state.response.is_some() || state.sent {
                return Err("only a request hook edits the answer in advance".to_owned());
            }
            let (most, bytes) = (limits::HEADER_FIELDS, limits::EDIT_BYTES);
            let all = || state.in_advance.iter().flatten().chain(edits);
            if all().count() > most || all().map(headers::bytes).sum::<usize>() > bytes {
                return Err(format!(
                    "an answer is edited in advance by at most {most} edits, of {bytes} bytes together"
                ));
            }
            state.in_advance.push(edits.to_vec());
            Ok(())
        })
    }

    /// What the gateway would pack: see the contract.
    pub(crate) fn report(asked: Parts) -> Option<Account> {
        current(|state| state.ended.is_some().then(|| account(state, asked)))
    }

    fn account(state: &State, asked: Parts) -> Account {
        let (route, service) = state.route.clone().unzip();
        let caller = state.caller.as_ref();
        let (method, target) = state.came.clone();
        let RequestHead { path, query, .. } = &state.request;
        let sent_on = query.as_ref().map_or_else(|| path.clone(), |query| format!("{path}?{query}"));
        let host = state.request.headers.first("host").unwrap_or_default().to_owned();
        let named = [
            Some(ID.to_owned()),
            Some(state.client.ip().to_string()),
            Some(state.request.scheme.clone()),
            Some(state.request.version.clone()),
            None,
            Some(method),
            Some(target),
            Some(host),
            state.ended.as_ref().and_then(|ended| ended.upstream_status).map(|_| sent_on),
            route,
            service,
            caller.map(|caller| caller.consumer.username.clone()),
            caller.and_then(|caller| caller.consumer.custom_id.clone()),
            caller.and_then(|caller| caller.credential.clone()),
        ];
        let mut texts: Vec<Option<Vec<u8>>> = named.into_iter().map(|text| text.map(String::into_bytes)).collect();
        let section = |headers: &Headers| -> Vec<_> {
            headers.iter().flat_map(|(name, value)| [Some(name.as_bytes().to_vec()), Some(value.to_vec())]).collect()
        };
        if asked.request_headers {
            texts.extend(section(&state.request.headers));
        }
        texts.push(None);
        if let Some(response) = state.response.as_ref().filter(|_| asked.response_headers) {
            texts.extend(section(&response.headers));
        }
        let packed = texts.into_iter().flat_map(|text| match text {
            Some(text) => [(text.len() as u32).to_le_bytes().to_vec(), text].concat(),
            None => u32::MAX.to_le_bytes().to_vec(),
        });
        // No target is tried natively.
        let numbers = [state.client.port().into(), 0_u32].map(u32::to_le_bytes);
        numbers.into_iter().flatten().chain(packed).collect()
    }

    /// As the gateway tells it.
    pub(crate) fn outcome(ended: &Ended) -> Outcome {
        let microseconds = |time: Duration| time.as_micros() as u64;
        Outcome {
            status: ended.status,
            upstream_status: ended.upstream_status,
            failure: ended.failure.clone(),
            timings: Timings {
                answered: microseconds(ended.answered),
                upstream: ended.upstream.map(microseconds),
                plugins: microseconds(ended.plugins),
                total: microseconds(ended.total),
            },
            received: ended.received,
            sent: ended.sent,
            begun: microseconds(ended.begun.duration_since(UNIX_EPOCH).unwrap_or_default()),
        }
    }
}

pub(crate) mod log {
    use super::{CURRENT, count, limits};
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
        count();
        let message = &message[..message.floor_char_boundary(limits::PLUGIN_LOG_BYTES)];
        CURRENT.with_borrow_mut(|current| match current {
            Some(state) => state.log.push((level, message.to_owned())),
            None => eprintln!("{level:?}: {message}"),
        });
    }
}

pub(crate) mod secrets {
    use super::gateway;

    pub(crate) fn get(name: &str) -> Option<Vec<u8>> {
        gateway(|state| state.secrets.get(name).cloned())
    }
}

pub(crate) mod sink {
    use super::{gateway_once_loaded, limits};
    pub(crate) use crate::bindings::imports::tidegate::plugin::sink::Error;
    use crate::sink::OWN;

    /// The largest record that a sink takes whose buffer is the usual one and whose records end with a newline.
    const RECORD_BYTES: usize = limits::SINK_BUFFER_BYTES - limits::SINK_RECORD_OVERHEAD - 1;

    pub(crate) fn emit(sink: &str, record: &[u8]) -> Result<(), Error> {
        gateway_once_loaded("nothing is delivered", |state| {
            let named = state.named_sink.as_deref().filter(|_| sink == OWN);
            let records = state.sinks.get_mut(named.unwrap_or(sink)).ok_or(Error::NotGranted)?;
            if record.len() > RECORD_BYTES {
                return Err(Error::TooLarge);
            }
            records.push(record.to_vec());
            Ok(())
        })
    }
}
