//! `response`: the response's head and body, read and edited.

use super::current;
use crate::host::types::{Edit, Header};
use crate::testing::state::{Content, ResponseHead, State, final_status};

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
    change(|response| final_status(status).map(|()| response.status = status))
}

pub(crate) fn body() -> Option<Vec<u8>> {
    current(|state| state.response_body.whole.then(|| state.response_body.bytes.clone()))
}

pub(crate) fn set_body(body: &[u8]) -> Result<(), String> {
    current(|state| {
        changeable(state)?;
        state.response_body = Content { bytes: body.to_vec(), whole: true };
        Ok(())
    })
}

fn change(change: impl FnOnce(&mut ResponseHead) -> Result<(), String>) -> Result<(), String> {
    current(|state| {
        changeable(state)?;
        change(in_response_hook(state))
    })
}

fn changeable(state: &State) -> Result<(), String> {
    if state.sent { Err("the response has been sent already".to_owned()) } else { Ok(()) }
}

fn head<T>(read: impl FnOnce(&mut ResponseHead) -> T) -> T {
    current(|state| read(in_response_hook(state)))
}

fn in_response_hook(state: &mut State) -> &mut ResponseHead {
    state.response.as_mut().expect("there is a response in a response hook only")
}
