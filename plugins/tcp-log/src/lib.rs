//! Sends a record of every exchange over a TCP connection, TLS, or a unix socket, as JSON, a line each. Its settings are
//! those of Kong's plugin of this name, and one more; the record is Kong's log object.

use tidegate_sdk::prelude::*;

tidegate_records::settings! {
    /// Who gets the records, and what of an exchange goes there.
    #[config(
        validate = Settings::prepare,
        sink(
            instead = "sink",
            kind = "tcp",
            address = ["unix:{socket}", "{host}:{port}"],
            tls = "{tls}",
            server_name = "{tls_sni}",
            ca = "{ca}",
            timeout = "{timeout}ms",
            batch(max_wait = "200ms")
        )
    )]
    struct Settings {
        /// The host that takes the records: a name or an address. An IPv6 address is in brackets.
        host: Option<String>,
        /// The port there.
        #[schemars(range(min = 1))]
        port: Option<u16>,
        /// Path of a unix socket that takes the records in place of a host and port.
        socket: Option<String>,
        /// Speak TLS.
        #[config(default = false)]
        tls: bool,
        /// The name that the peer's certificate must be for, and that is asked for (SNI), if it is not the host's.
        tls_sni: Option<String>,
        /// PEM file of the authorities that may have issued the peer's certificate, if they are not the system's.
        ca: Option<String>,
        /// Milliseconds for connecting, and for the peer to take more.
        #[config(default = 10_000)]
        #[schemars(range(min = 1))]
        timeout: u32,
        /// One of the gateway's `[[sinks]]`, which takes the records in place of a host and port.
        sink: Option<String>,
    }
}

impl LogHook for Settings {
    fn on_log(&self, ended: &Ended, _: &Response, _: &Request) {
        self.records().emit(ended, b"");
    }
}

export!(Settings: LogHook, priority = 7);

#[cfg(test)]
mod tests;
