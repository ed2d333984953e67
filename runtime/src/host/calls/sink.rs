//! `sink`: records to the deliveries that the use is granted.

use crate::host::bindings::tidegate::plugin::sink::{Error, Host};
use crate::host::state::State;
use crate::observe::sinks::Full;

impl Host for State {
    fn emit(&mut self, sink: String, data: Vec<u8>) -> wasmtime::Result<Result<(), Error>> {
        self.count()?;
        if !self.is_called() {
            return Err(wasmtime::format_err!("nothing is delivered while a plugin is loaded"));
        }
        let Some(sink) = self.grants.sink(&sink) else { return Ok(Err(Error::NotGranted)) };
        Ok(sink.emit(&data).map_err(|full| match full {
            Full::Buffer => Error::Full,
            Full::Record => Error::TooLarge,
            Full::NoSuchSink => Error::NotGranted,
        }))
    }
}
