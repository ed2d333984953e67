//! Appends a record of every exchange to a file, as JSON, a line each. Its settings are those of Kong's plugin of this
//! name; the record is Kong's log object.

use tidegate_sdk::prelude::*;

tidegate_records::settings! {
    /// Which file, and what of an exchange goes there.
    #[config(
        validate = Settings::prepare,
        sink(instead = "sink", kind = "file", path = "{path}", reopen = "{reopen}", batch(max_wait = "200ms"))
    )]
    struct Settings {
        /// The file that records are appended to; it is made if it is not there. A relative path starts at the folder of
        /// gateway.toml.
        path: Option<String>,
        /// Look before every write whether the file was renamed or removed, and not only once a second and on SIGHUP.
        #[config(default = false)]
        reopen: bool,
        /// One of the gateway's `[[sinks]]`, which takes the records in place of a file.
        sink: Option<String>,
    }
}

impl LogHook for Settings {
    fn on_log(&self, ended: &Ended, _: &Response, _: &Request) {
        self.records().emit(ended, b"");
    }
}

export!(Settings: LogHook, priority = 9);

#[cfg(test)]
mod tests;
