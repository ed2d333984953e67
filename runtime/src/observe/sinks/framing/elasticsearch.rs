//! Records for the bulk API: an action, and a document. What is no JSON object becomes one, and each has a time, which
//! data streams ask for.

use std::time::SystemTime;

use super::json::{self, Kind};
use crate::observe::record::clock::Clock;

pub(in crate::observe::sinks) struct Elasticsearch {
    /// With its newline.
    action: Vec<u8>,
    clock: Clock,
}

const TIME: &[u8] = b"{\"@timestamp\":\"";
const MESSAGE: &[u8] = b"\",\"message\":";

impl Elasticsearch {
    /// `index`: unless the URL has it. Documents are made and never replaced, which is all that data streams allow.
    pub(super) fn new(index: Option<&str>) -> Self {
        let index = index.map_or_else(|| "{}".to_owned(), |index| serde_json::json!({ "_index": index }).to_string());
        Self { action: format!("{{\"create\":{index}}}\n").into_bytes(), clock: Clock::default() }
    }

    pub(super) fn most(&self) -> usize {
        // Two quotes and a brace, the newline, and the time itself.
        self.action.len() + TIME.len() + MESSAGE.len() + 4 + "2026-11-23T06:30:09.123Z".len()
    }

    pub(super) fn write(&mut self, body: &mut Vec<u8>, record: &[u8], time: SystemTime) {
        body.extend_from_slice(&self.action);
        match json::kind(record) {
            Kind::Object { has_time: true } => json::on_one_line(body, record),
            Kind::Object { has_time: false } => {
                self.time(body, time);
                let fields = record.trim_ascii().strip_prefix(b"{").unwrap_or_default().trim_ascii_start();
                body.extend_from_slice(if fields == b"}" { b"\"" } else { b"\"," });
                json::on_one_line(body, fields);
            }
            Kind::Value | Kind::Text => {
                self.time(body, time);
                body.extend_from_slice(MESSAGE);
                json::string(body, record);
                body.push(b'}');
            }
        }
        body.push(b'\n');
    }

    fn time(&mut self, body: &mut Vec<u8>, time: SystemTime) {
        body.extend_from_slice(TIME);
        self.clock.write(body, time);
    }
}
