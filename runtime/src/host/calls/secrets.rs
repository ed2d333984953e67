//! `secrets`: those of the configuration that the use is granted.

use crate::host::bindings::tidegate::plugin::secrets::Host;
use crate::host::state::State;

impl Host for State {
    fn get(&mut self, name: String) -> wasmtime::Result<Option<Vec<u8>>> {
        self.count()?;
        Ok(self.grants.secret(&name).map(<[u8]>::to_vec))
    }
}
