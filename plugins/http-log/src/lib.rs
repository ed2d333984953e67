//! Sends records of exchanges to a collector that speaks HTTP, as JSON. Its settings are those of Kong's plugin of this
//! name; the record is Kong's log object.

use std::collections::BTreeMap;

use tidegate_sdk::prelude::*;

tidegate_records::settings! {
    /// Who gets the records, how, and what of an exchange goes there.
    #[config(
        validate = Settings::prepare,
        sink(
            instead = "sink",
            kind = "http",
            url = "{http_endpoint}",
            method = "{method}",
            content_type = "{content_type}",
            format = "{format}",
            headers = "{headers}",
            ca = "{ca}",
            timeout = "{timeout}ms",
            batch(max_records = "{queue.max_batch_size}", max_wait = "{queue.max_coalescing_delay*1000}ms"),
            buffer(memory = "{queue.max_bytes}B"),
            retry(max_wait = "{queue.max_retry_delay*1000}ms", give_up = "{queue.max_retry_time*1000}ms")
        )
    )]
    struct Settings {
        /// The URL that records are sent to: `http://` or `https://`.
        http_endpoint: Option<String>,
        /// The method of the requests.
        #[config(default = Method::Post)]
        method: Method,
        /// Their Content-Type.
        #[config(default = "application/json".to_owned())]
        content_type: String,
        /// How records stand in a request, and how its answer is read: as lines of JSON, or by the API of this collector.
        #[config(default = Format::Ndjson)]
        format: Format,
        /// What other headers they have; a value is itself, `env:NAME` or `file:PATH`, and none is shown in a log.
        headers: Option<BTreeMap<String, String>>,
        /// PEM file of the authorities that may have issued the collector's certificate, if they are not the system's.
        ca: Option<String>,
        /// Milliseconds for a request as a whole.
        #[config(default = 10_000)]
        #[schemars(range(min = 1))]
        timeout: u32,
        /// How records wait, and go out together.
        #[config(default = Queue::usual())]
        queue: Queue,
        /// One of the gateway's `[[sinks]]`, which takes the records in place of a URL.
        sink: Option<String>,
    }
}

/// How requests are made.
#[derive(Config, Clone, Copy, serde::Serialize)]
#[serde(rename_all = "UPPERCASE")]
enum Method {
    Post,
    Put,
    Patch,
}

/// What collectors understand.
#[derive(Config, Clone, Copy, serde::Serialize)]
#[serde(rename_all = "kebab-case")]
enum Format {
    Ndjson,
    Elasticsearch,
    SplunkHec,
    Loki,
}

/// How records wait, and go out together.
#[derive(Config)]
#[allow(dead_code, reason = "the gateway reads it, as a sink's")]
struct Queue {
    /// Records of one request at most; several are a line each.
    #[config(default = 1)]
    #[schemars(range(min = 1))]
    max_batch_size: u32,
    /// Seconds that a record waits for others at most.
    #[config(default = 1.0)]
    max_coalescing_delay: f64,
    /// Bytes of memory for records that wait, from 65536; further ones are lost.
    max_bytes: Option<u64>,
    /// Seconds between two attempts at most.
    max_retry_delay: Option<f64>,
    /// Seconds after which records that could not be sent are given up.
    max_retry_time: Option<f64>,
}

impl Queue {
    const fn usual() -> Self {
        Self {
            max_batch_size: 1,
            max_coalescing_delay: 1.0,
            max_bytes: None,
            max_retry_delay: None,
            max_retry_time: None,
        }
    }
}

impl LogHook for Settings {
    fn on_log(&self, ended: &Ended, _: &Response, _: &Request) {
        self.records().emit(ended, b"");
    }
}

export!(Settings: LogHook, priority = 12);

#[cfg(test)]
mod tests;
