//! Records for Splunk's HTTP event collector: each is an event in its envelope.

use std::io::Write;
use std::time::SystemTime;

use super::json::{self, Kind};

pub(in crate::observe::sinks) struct Splunk {
    /// From behind the time to before the event.
    before: Vec<u8>,
}

impl Splunk {
    pub(super) fn new(host: &str, own: &[(&'static str, String)]) -> Self {
        let mut before = Vec::new();
        for (key, value) in std::iter::once(("host", host)).chain(own.iter().map(|(key, value)| (*key, &**value))) {
            before.extend_from_slice(format!(",\"{key}\":").as_bytes());
            json::string(&mut before, value.as_bytes());
        }
        before.extend_from_slice(b",\"event\":");
        Self { before }
    }

    pub(super) fn most(&self) -> usize {
        // Two quotes, a brace and a newline.
        self.before.len() + "{\"time\":18446744073709551615.123".len() + 4
    }

    pub(super) fn write(&self, body: &mut Vec<u8>, record: &[u8], time: SystemTime) {
        let since = time.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        // A Vec takes everything, so there is nothing that could fail.
        let _ = write!(body, "{{\"time\":{}.{:03}", since.as_secs(), since.subsec_millis());
        body.extend_from_slice(&self.before);
        match json::kind(record) {
            Kind::Object { .. } | Kind::Value => json::on_one_line(body, record),
            Kind::Text => json::string(body, record),
        }
        body.extend_from_slice(b"}\n");
    }
}
