//! Records for Loki's push API: a batch is one request, with one stream, whose lines are the records.

use std::io::Write;
use std::time::SystemTime;

use super::json;

pub(in crate::observe::sinks) struct Loki {
    /// Up to the first line.
    before: Vec<u8>,
}

impl Loki {
    /// Around a line: brackets, quotes, a comma and its time in nanoseconds.
    pub(super) const MOST: usize = "[\"18446744073709551615\",\"\"],".len();

    pub(super) fn new(labels: &[(String, String)]) -> Self {
        let labels: serde_json::Map<_, _> =
            labels.iter().map(|(name, value)| (name.clone(), value.as_str().into())).collect();
        let labels = serde_json::Value::Object(labels);
        let before = format!("{{\"streams\":[{{\"stream\":{labels},\"values\":[").into_bytes();
        Self { before }
    }

    pub(super) fn begin(&self, body: &mut Vec<u8>) {
        body.extend_from_slice(&self.before);
    }

    pub(super) fn write(&self, body: &mut Vec<u8>, record: &[u8], time: SystemTime) {
        let since = time.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        if !body.ends_with(b"[") {
            body.push(b',');
        }
        // A Vec takes everything, so there is nothing that could fail.
        let _ = write!(body, "[\"{}\",", since.as_nanos());
        json::string(body, record.strip_suffix(b"\n").unwrap_or(record));
        body.push(b']');
    }

    pub(super) fn end(body: &mut Vec<u8>) {
        body.extend_from_slice(b"]}]}");
    }
}
