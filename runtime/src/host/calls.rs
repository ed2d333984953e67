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
mod report;
mod request;
mod response;
mod secrets;
mod sink;

use http::header::{Entry, HeaderMap, HeaderName, HeaderValue};
use wasmtime::component::{HasSelf, Linker};

use super::bindings::tidegate::plugin as interfaces;
use super::bindings::tidegate::plugin::types::{Edit, Header};
use super::grants::Grants;
use super::services::Services;
use super::state::State;
use crate::{hop_by_hop, limits};

/// Offer every interface to `linker`.
pub(super) fn link(linker: &mut Linker<State>, services: &Services, grants: &Grants) -> wasmtime::Result<()> {
    interfaces::types::add_to_linker::<_, HasSelf<State>>(linker, |state| state)?;
    interfaces::request::add_to_linker::<_, HasSelf<State>>(linker, |state| state)?;
    interfaces::response::add_to_linker::<_, HasSelf<State>>(linker, |state| state)?;
    interfaces::client::add_to_linker::<_, HasSelf<State>>(linker, |state| state)?;
    interfaces::exchange::add_to_linker::<_, HasSelf<State>>(linker, |state| state)?;
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
pub(super) const INTERFACES: [&str; 17] = [
    "types",
    "request",
    "response",
    "client",
    "exchange",
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

/// A field a plugin may set, parsed.
pub(super) fn field(header: Header) -> Result<(HeaderName, HeaderValue), String> {
    let name = editable(&header.name)?;
    let value = HeaderValue::from_maybe_shared(bytes::Bytes::from(header.value))
        .map_err(|_| format!("the value of {name} has a byte that no header value may have"))?;
    Ok((name, value))
}

fn editable(name: &str) -> Result<HeaderName, String> {
    let parsed = HeaderName::from_bytes(name.as_bytes()).map_err(|_| format!("{name:?} is no header name"))?;
    if hop_by_hop::is_gateways(&parsed) {
        return Err(format!("{parsed} belongs to the gateway, plugins cannot edit it"));
    }
    Ok(parsed)
}

/// Make all edits, or none if one of them is impossible.
fn edit(headers: &mut HeaderMap, edits: Vec<Edit>) -> Result<(), String> {
    let edits = edits.into_iter().map(Change::try_from).collect::<Result<Vec<_>, _>>()?;
    // No edit makes more than one field, so that as a rule there is nothing to undo.
    if headers.len() + edits.len() <= limits::HEADER_FIELDS {
        edits.into_iter().for_each(|edit| edit.make(headers));
        return Ok(());
    }
    let mut edited = headers.clone();
    for edit in edits {
        edit.make(&mut edited);
        if edited.len() > limits::HEADER_FIELDS {
            return Err(format!("a header section holds at most {} fields here", limits::HEADER_FIELDS));
        }
    }
    *headers = edited;
    Ok(())
}

/// An edit that a plugin may make, parsed.
enum Change {
    Set(HeaderName, HeaderValue),
    Append(HeaderName, HeaderValue),
    Remove(HeaderName),
    Replace(HeaderName, HeaderValue),
    Add(HeaderName, HeaderValue),
    Rename(HeaderName, HeaderName),
}

impl TryFrom<Edit> for Change {
    type Error = String;

    fn try_from(edit: Edit) -> Result<Self, String> {
        Ok(match edit {
            Edit::Set(header) => field(header).map(|(name, value)| Self::Set(name, value))?,
            Edit::Append(header) => field(header).map(|(name, value)| Self::Append(name, value))?,
            Edit::Remove(name) => Self::Remove(editable(&name)?),
            Edit::Replace(header) => field(header).map(|(name, value)| Self::Replace(name, value))?,
            Edit::Add(header) => field(header).map(|(name, value)| Self::Add(name, value))?,
            Edit::Rename(renaming) => Self::Rename(editable(&renaming.old)?, editable(&renaming.new)?),
        })
    }
}

impl Change {
    fn make(self, headers: &mut HeaderMap) {
        match self {
            Self::Set(name, value) => drop(headers.insert(name, value)),
            Self::Append(name, value) => drop(headers.append(name, value)),
            Self::Remove(name) => drop(headers.remove(name)),
            Self::Replace(name, value) => {
                if let Entry::Occupied(mut fields) = headers.entry(name) {
                    fields.insert(value);
                }
            }
            Self::Add(name, value) => {
                headers.entry(name).or_insert(value);
            }
            Self::Rename(old, new) => rename(headers, old, new),
        }
    }
}

fn rename(headers: &mut HeaderMap, old: HeaderName, new: HeaderName) {
    let Entry::Occupied(fields) = headers.entry(old) else { return };
    let mut values = fields.remove_entry_mult().1;
    let (first, others) = (values.next(), values.collect::<Vec<_>>());
    let Some(first) = first else { return };
    // As a rule there is one, for which the name needs no copy.
    if others.is_empty() {
        headers.insert(new, first);
        return;
    }
    headers.insert(new.clone(), first);
    for other in others {
        headers.append(new.clone(), other);
    }
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::bindings::tidegate::plugin::types::Renaming;

    #[test]
    fn edits_that_take_no_room_are_made_however_full_a_head_is() {
        let header = |number: usize| Header { name: format!("x-{number}"), value: b"1".to_vec() };
        let mut headers = HeaderMap::new();
        edit(&mut headers, (0..limits::HEADER_FIELDS).map(|number| Edit::Append(header(number))).collect()).unwrap();
        edit(&mut headers, (0..50).map(|number| Edit::Set(header(number))).collect()).unwrap();
        edit(&mut headers, vec![Edit::Append(header(0))]).unwrap_err();
        edit(&mut headers, (0..50).map(|number| Edit::Replace(header(number))).collect()).unwrap();
        edit(&mut headers, (0..50).map(|number| Edit::Add(header(number))).collect()).unwrap();
        edit(&mut headers, vec![rename("x-0", "x-new"), Edit::Add(header(0))]).unwrap_err();
        assert!(headers.contains_key("x-0"), "half an edit was made");
        edit(&mut headers, vec![rename("x-0", "x-new"), rename("x-new", "x-0")]).unwrap();
        edit(&mut headers, vec![Edit::Remove("x-0".to_owned()), Edit::Add(header(0))]).unwrap();
        edit(&mut headers, (0..50).map(|number| Edit::Remove(format!("x-{number}"))).collect()).unwrap();
        assert_eq!(headers.len(), limits::HEADER_FIELDS - 50);
    }

    #[test]
    fn fields_are_renamed_all_together_in_place_of_others() {
        let mut headers = HeaderMap::new();
        for (name, value) in [("x-a", "1"), ("x-b", "0"), ("x-a", "2"), ("x-b", "9")] {
            headers.append(name, HeaderValue::from_static(value));
        }
        edit(&mut headers, vec![rename("X-Not-There", "x-b"), rename("x-a", "X-A"), rename("X-A", "X-B")]).unwrap();
        assert_eq!(values(&headers, "x-b"), [b"1", b"2"]);
        assert_eq!(headers.len(), 2);
        let refusal = "content-length belongs to the gateway, plugins cannot edit it";
        assert_eq!(edit(&mut headers, vec![rename("Content-Length", "x-b")]), Err(refusal.to_owned()));
        assert_eq!(edit(&mut headers, vec![rename("x-b", "Content-Length")]), Err(refusal.to_owned()));
    }

    fn rename(old: &str, new: &str) -> Edit {
        Edit::Rename(Renaming { old: old.to_owned(), new: new.to_owned() })
    }
}
