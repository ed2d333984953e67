//! The functions that plugins import, one file per interface of `wit/`.

mod client;
mod counters;
mod crypto;
mod decision;
mod exchange;
mod http_client;
mod identity;
mod kv;
mod log;
mod metrics;
mod places;
mod ready_edits;
mod report;
mod request;
mod response;
mod secrets;
mod sink;

use http::header::{HeaderMap, HeaderName, HeaderValue};
use wasmtime::component::{HasSelf, Linker};

use super::bindings::tidegate::plugin as interfaces;
use super::bindings::tidegate::plugin::types::Header;
use super::grants::Grants;
use super::services::Services;
use super::state::State;

/// Offer every interface to `linker`.
pub(super) fn link(linker: &mut Linker<State>, services: &Services, grants: &Grants) -> wasmtime::Result<()> {
    interfaces::types::add_to_linker::<_, HasSelf<State>>(linker, |state| state)?;
    interfaces::request::add_to_linker::<_, HasSelf<State>>(linker, |state| state)?;
    interfaces::response::add_to_linker::<_, HasSelf<State>>(linker, |state| state)?;
    interfaces::client::add_to_linker::<_, HasSelf<State>>(linker, |state| state)?;
    interfaces::exchange::add_to_linker::<_, HasSelf<State>>(linker, |state| state)?;
    ready_edits::link(linker)?;
    interfaces::decision::add_to_linker::<_, HasSelf<State>>(linker, |state| state)?;
    interfaces::identity::add_to_linker::<_, HasSelf<State>>(linker, |state| state)?;
    interfaces::log::add_to_linker::<_, HasSelf<State>>(linker, |state| state)?;
    counters::link(linker, services)?;
    interfaces::places::add_to_linker::<_, HasSelf<State>>(linker, |state| state)?;
    interfaces::kv::add_to_linker::<_, HasSelf<State>>(linker, |state| state)?;
    interfaces::crypto::add_to_linker::<_, HasSelf<State>>(linker, |state| state)?;
    interfaces::passwords::add_to_linker::<_, HasSelf<State>>(linker, |state| state)?;
    interfaces::metrics::add_to_linker::<_, HasSelf<State>>(linker, |state| state)?;
    interfaces::secrets::add_to_linker::<_, HasSelf<State>>(linker, |state| state)?;
    sink::link(linker)?;
    http_client::link(linker, grants)
}

pub(super) use decision::parse as parse_reply;
pub(super) use exchange::outcome;
pub(super) use log::write as log_line;

use response::final_status;

impl interfaces::types::Host for State {}

/// The interfaces of the contract, for messages about one that is not among them.
pub(super) const INTERFACES: [&str; 18] = [
    "types",
    "request",
    "response",
    "client",
    "exchange",
    "ready-edits",
    "decision",
    "identity",
    "log",
    "counters",
    "places",
    "kv",
    "crypto",
    "passwords",
    "metrics",
    "secrets",
    "sink",
    "http-client",
];

/// Those whose functions may wait for something: who is granted no server has none to wait for.
pub(super) fn waiting(services: &Services, grants: &Grants) -> Vec<&'static str> {
    let mut waiting = vec!["passwords"];
    if grants.has_origins() {
        waiting.push("http-client");
    }
    if services.counters.is_shared() {
        waiting.push("counters");
    }
    waiting
}

/// The first field of this name. A name that no header can have is simply not there.
fn first(headers: &HeaderMap, name: &str) -> Option<Vec<u8>> {
    headers.get(name).map(|value| value.as_bytes().to_vec())
}

/// The field of this name, if there is one and no other.
fn sole(headers: &HeaderMap, name: &str) -> Option<Vec<u8>> {
    let mut fields = headers.get_all(name).iter();
    let only = fields.next().filter(|_| fields.next().is_none());
    only.map(|value| value.as_bytes().to_vec())
}

/// Every field of this name.
fn values(headers: &HeaderMap, name: &str) -> Vec<Vec<u8>> {
    headers.get_all(name).iter().map(|value| value.as_bytes().to_vec()).collect()
}

fn all(headers: &HeaderMap) -> Vec<Header> {
    headers.iter().map(|(name, value)| to_header(name, value)).collect()
}

fn to_header(name: &HeaderName, value: &HeaderValue) -> Header {
    Header { name: name.as_str().to_owned(), value: value.as_bytes().to_vec() }
}
