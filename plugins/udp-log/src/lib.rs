//! Sends a record of every exchange as a datagram, as JSON. Its settings are those of Kong's plugin of this name, and one
//! more; the record is Kong's log object.

use tidegate_sdk::prelude::*;

tidegate_records::settings! {
    /// Who gets the records, and what of an exchange goes there.
    #[config(
        validate = Settings::prepare,
        sink(
            instead = "sink",
            kind = "udp",
            address = ["unix:{socket}", "{host}:{port}"],
            batch(max_wait = "200ms")
        )
    )]
    struct Settings {
        /// The host that the datagrams are sent to: a name or an address. An IPv6 address is in brackets.
        host: Option<String>,
        /// The port there.
        #[schemars(range(min = 1))]
        port: Option<u16>,
        /// Path of a unix socket that takes the datagrams in place of a host and port.
        socket: Option<String>,
        /// One of the gateway's `[[sinks]]`, which takes the records in place of a host and port.
        sink: Option<String>,
    }
}

impl LogHook for Settings {
    fn on_log(&self, ended: &Ended, _: &Response, _: &Request) {
        self.records().emit(ended, b"");
    }
}

export!(Settings: LogHook, priority = 8);

#[cfg(test)]
mod tests;
