//! `exchange`: names, ids and scratch.

use crate::host::bindings::tidegate::plugin::exchange::Host;
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
        Ok(self.exchange()?.credential.as_ref().map(|credential| credential.consumer.username.to_string()))
    }

    fn get(&mut self, key: String) -> wasmtime::Result<Option<Vec<u8>>> {
        let owner = self.use_index;
        Ok(self.exchange()?.scratch.value(owner, &key).map(|value| value.to_vec()))
    }

    fn set(&mut self, key: String, value: Vec<u8>) -> wasmtime::Result<()> {
        let owner = self.use_index;
        self.exchange()?.scratch.keep(owner, key, value.into()).map_err(wasmtime::Error::msg)
    }
}
