//! `places`: what an exchange holds while it is under way.

use std::time::Duration;

use super::parse_reply;
use crate::host::awaited::{Awaited, Queued};
use crate::host::bindings::tidegate::plugin::places::Host;
use crate::host::bindings::tidegate::plugin::types::Reply;
use crate::host::exchange::{Exchange, Progress};
use crate::host::state::State;
use crate::limits;
use crate::store::places::{Entry, Place};

impl Host for State {
    fn take(&mut self, key: String, max: u32) -> wasmtime::Result<Result<bool, String>> {
        // Whatever comes after this gives the place back by dropping it.
        let entered = self.services.places.enter(self.space(), &key, max, 0);
        let exchange = self.before_sending()?;
        Ok(entered.map_err(|error| error.to_string()).and_then(|entry| match entry {
            Entry::Held(place) => exchange.hold(place).map(|()| true),
            Entry::Queued(_) | Entry::Full => Ok(false),
        }))
    }

    fn wait(
        &mut self,
        key: String,
        max: u32,
        queue: u32,
        wait_ms: u64,
        otherwise: Option<Reply>,
    ) -> wasmtime::Result<Result<bool, String>> {
        let wait = Duration::from_millis(wait_ms);
        let entered = self.services.places.enter(self.space(), &key, max, queue);
        let exchange = self.before_sending()?;
        if wait > limits::PLACE_WAIT {
            return Ok(Err(format!("a place is waited for up to {:?}, not {wait:?}", limits::PLACE_WAIT)));
        }
        if exchange.awaited.is_some() {
            return Ok(Err("it waits for a place or a password already".to_owned()));
        }
        let otherwise = match otherwise.map(parse_reply).transpose() {
            Ok(otherwise) => otherwise,
            Err(problem) => return Ok(Err(problem)),
        };
        Ok(entered.map_err(|error| error.to_string()).and_then(|entry| match entry {
            Entry::Held(place) => exchange.hold(place).map(|()| true),
            Entry::Queued(_) if exchange.places.len() >= limits::EXCHANGE_PLACES => Err(too_many()),
            Entry::Queued(turn) => {
                exchange.awaited = Some(Box::new(Awaited::Place(Queued { turn, wait, otherwise })));
                Ok(true)
            }
            Entry::Full => Ok(false),
        }))
    }
}

impl State {
    fn before_sending(&mut self) -> wasmtime::Result<&mut Exchange> {
        let exchange = self.exchange()?;
        match exchange.progress {
            Progress::Request => Ok(exchange),
            _ => Err(wasmtime::format_err!("places are taken in request hooks only")),
        }
    }
}

impl Exchange {
    fn hold(&mut self, place: Place) -> Result<(), String> {
        if self.places.len() >= limits::EXCHANGE_PLACES {
            return Err(too_many());
        }
        self.places.push(place);
        Ok(())
    }
}

fn too_many() -> String {
    format!("an exchange holds up to {} places", limits::EXCHANGE_PLACES)
}
