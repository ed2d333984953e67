//! `request`: the request's head and body, read and edited.

use http::Method;
use http::uri::PathAndQuery;

use super::current;
use crate::host::types::{Edit, Header};
use crate::testing::path;
use crate::testing::state::{Content, State};

pub(crate) fn method() -> String {
    current(|state| state.request.method.clone())
}

pub(crate) fn scheme() -> String {
    current(|state| state.request.scheme.clone())
}

pub(crate) fn version() -> String {
    current(|state| state.request.version.clone())
}

pub(crate) fn capture(name: &str) -> Option<String> {
    current(|state| state.captures.get(name).cloned())
}

pub(crate) fn host() -> String {
    current(|state| state.request.headers.text("host").unwrap_or_default().to_owned())
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

pub(crate) fn sole_header(name: &str) -> Option<Vec<u8>> {
    match <[Vec<u8>; 1]>::try_from(header_values(name)) {
        Ok([value]) => Some(value),
        Err(_) => None,
    }
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
        state.request.path = path::normalise(path)?;
        Ok(())
    })
}

pub(crate) fn set_query(query: Option<&str>) -> Result<(), String> {
    change(|state| {
        let target = match query {
            Some(query) => format!("{}?{query}", state.request.path),
            None => state.request.path.clone(),
        };
        match PathAndQuery::try_from(target) {
            // A "#" would end the query early.
            Ok(target) if target.query() == query => {
                state.request.query = query.map(str::to_owned);
                Ok(())
            }
            _ => Err("the query has a character that must be percent-encoded".to_owned()),
        }
    })
}

pub(crate) fn set_method(method: &str) -> Result<(), String> {
    change(|state| match Method::from_bytes(method.as_bytes()) {
        Ok(parsed) if parsed != Method::CONNECT => {
            method.clone_into(&mut state.request.method);
            Ok(())
        }
        _ => Err(format!("{method:?} is no method that can be forwarded")),
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

pub(crate) fn body_length() -> Option<u64> {
    current(|state| {
        let known = state.request_body.whole || !state.unannounced;
        known.then_some(state.request_body.bytes.len() as u64)
    })
}

pub(crate) fn limit_body(bytes: u64) -> Result<(), String> {
    change(|state| {
        state.body_limit = Some(state.body_limit.map_or(bytes, |before| before.min(bytes)));
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
