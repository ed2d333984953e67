//! `places`: those that others hold stay taken, so that whoever waits for one waits in vain.

use std::time::Duration;

use super::super::state::Call;
use super::{gateway, limits};
use crate::host::types::Reply;
use crate::testing::state::{Awaited, State};

pub(crate) fn take(key: &str, max: u32) -> Result<bool, String> {
    before_sending(|state| enter(state, key, max, 0))
}

pub(crate) fn wait(key: &str, max: u32, queue: u32, wait_ms: u64, otherwise: Option<&Reply>) -> Result<bool, String> {
    before_sending(|state| {
        let wait = Duration::from_millis(wait_ms);
        if wait > limits::PLACE_WAIT {
            return Err(format!("a place is waited for up to {:?}, not {wait:?}", limits::PLACE_WAIT));
        }
        if state.awaited.is_some() {
            return Err("it waits for a place or a password already".to_owned());
        }
        if let Some(reply) = otherwise {
            state.clone().accept(reply.clone())?;
        }
        if enter(state, key, max, queue)? {
            return Ok(true);
        }
        let waits = queue > 0;
        state.awaited = waits.then(|| otherwise.cloned().map_or(Awaited::Nothing, Awaited::Reply));
        Ok(waits)
    })
}

#[track_caller]
fn before_sending<T>(read: impl FnOnce(&mut State) -> T) -> T {
    gateway(|state| match state.call {
        Call::Hook if state.response.is_none() && !state.sent => read(state),
        Call::Hook => panic!("places are taken in request hooks only"),
        Call::Timer => panic!("there is no exchange in a timer hook"),
        Call::Load => panic!("there is no exchange in `describe` and `configure`"),
    })
}

fn enter(state: &mut State, key: &str, max: u32, queue: u32) -> Result<bool, String> {
    if key.len() > limits::PLACE_KEY_BYTES {
        return Err(format!("a place's key has up to {} bytes, not {}", limits::PLACE_KEY_BYTES, key.len()));
    }
    if queue > limits::PLACE_QUEUE {
        return Err(format!("up to {} exchanges wait for a place, not {queue}", limits::PLACE_QUEUE));
    }
    if state.places.len() >= limits::EXCHANGE_PLACES {
        return Err(format!("an exchange holds up to {} places", limits::EXCHANGE_PLACES));
    }
    let own = state.places.iter().filter(|place| *place == key).count();
    let held = state.held.get(key).copied().unwrap_or(0) as usize + own;
    let free = held < max as usize;
    if free {
        state.places.push(key.to_owned());
    }
    Ok(free)
}
