//! `client`: who sent the request.

use crate::host::bindings::tidegate::plugin::client::Host;
use crate::host::state::State;

impl Host for State {
    fn address(&mut self) -> wasmtime::Result<String> {
        Ok(self.exchange()?.client.ip().to_string())
    }

    fn port(&mut self) -> wasmtime::Result<u16> {
        Ok(self.exchange()?.client.port())
    }
}
