//! `exchange`: names, ids and scratch.

use std::time::{Duration, UNIX_EPOCH};

use super::report;
use crate::host::bindings::tidegate::plugin::exchange::{Account, Host, Outcome, Parts, Timings};
use crate::host::bindings::tidegate::plugin::types::Edit;
use crate::host::edits::{Ready, Values};
use crate::host::exchange::Ended;
use crate::host::scratch::Owner;
use crate::host::state::State;

impl Host for State {
    fn id(&mut self) -> wasmtime::Result<String> {
        Ok(self.exchange()?.id.to_string())
    }

    fn route(&mut self) -> wasmtime::Result<Option<String>> {
        Ok(self.exchange()?.route.as_ref().map(|route| route.name.to_string()))
    }

    fn service(&mut self) -> wasmtime::Result<Option<String>> {
        Ok(self.exchange()?.route.as_ref().map(|route| route.service.name.to_string()))
    }

    fn consumer(&mut self) -> wasmtime::Result<Option<String>> {
        Ok(self.exchange()?.authenticated.as_ref().map(|known| known.consumer().username.to_string()))
    }

    fn get(&mut self, key: String) -> wasmtime::Result<Option<Vec<u8>>> {
        let owner = self.owner();
        Ok(self.exchange()?.scratch.value(owner, &key).map(|value| value.to_vec()))
    }

    fn set(&mut self, key: String, value: Vec<u8>) -> wasmtime::Result<()> {
        let owner = self.owner();
        self.exchange()?.scratch.keep(owner, key, value.into()).map_err(wasmtime::Error::msg)
    }

    fn shared_get(&mut self, key: String) -> wasmtime::Result<Option<Vec<u8>>> {
        Ok(self.exchange()?.scratch.value(Owner::All, &key).map(|value| value.to_vec()))
    }

    fn shared_set(&mut self, key: String, value: Vec<u8>) -> wasmtime::Result<()> {
        self.exchange()?.scratch.keep(Owner::All, key, value.into()).map_err(wasmtime::Error::msg)
    }

    fn edit_answer(&mut self, edits: Vec<Edit>) -> wasmtime::Result<Result<(), String>> {
        self.edit_in_advance(|| Ok((Ready::new(edits, &[])?, Values::new())))
    }

    fn report(&mut self, asked: Parts) -> wasmtime::Result<Option<Account>> {
        let exchange = self.exchange()?;
        Ok(exchange.outcome.as_ref().map(|ended| report::of(exchange, ended, asked)))
    }
}

/// What a log hook is told.
pub(in crate::host) fn outcome(ended: &Ended) -> Outcome {
    Outcome {
        status: ended.status,
        upstream_status: ended.upstream_status,
        failure: ended.failure.map(str::to_owned),
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

pub(super) fn microseconds(time: Duration) -> u64 {
    u64::try_from(time.as_micros()).unwrap_or(u64::MAX)
}
