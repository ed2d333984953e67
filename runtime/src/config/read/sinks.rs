//! Sinks: what all kinds have, and what only one of them has. A key of another kind is an unknown key.

use std::path::PathBuf;

use http::{HeaderName, HeaderValue, header};

use super::listeners::period_into;
use super::{NamelessSink, Reading};
use crate::config::checked::{
    BatchLimits, FileSink, Framing, HttpSink, LookedFor, Severity, Sink, SinkRetry, SinkSettings, SinkTo, StreamSink,
    SyslogOver, SyslogSink,
};
use crate::config::faults::suggest;
use crate::config::reader::{Fields, Located, Value, parse};
use crate::config::secret::Secret;
use crate::config::values::{AppName, Authority, ByteSize, FieldValue, Method, PlainHost, SinkUrl, Text};
use crate::hop_by_hop;
use crate::limits;

/// `kind`.
#[derive(Clone, Copy)]
enum Kind {
    File,
    Http,
    Tcp,
    Udp,
    Syslog,
}

const KINDS: [(&str, Kind); 5] =
    [("file", Kind::File), ("http", Kind::Http), ("tcp", Kind::Tcp), ("udp", Kind::Udp), ("syslog", Kind::Syslog)];

/// Numbers of RFC 5424, table 1, by the names that syslog.conf has for them.
const FACILITIES: [(&str, u8); 20] = [
    ("kern", 0),
    ("user", 1),
    ("mail", 2),
    ("daemon", 3),
    ("auth", 4),
    ("syslog", 5),
    ("lpr", 6),
    ("news", 7),
    ("uucp", 8),
    ("cron", 9),
    ("authpriv", 10),
    ("ftp", 11),
    ("local0", 16),
    ("local1", 17),
    ("local2", 18),
    ("local3", 19),
    ("local4", 20),
    ("local5", 21),
    ("local6", 22),
    ("local7", 23),
];

/// Table 2 of the same; or what each record says.
const SEVERITIES: [(&str, Severity); 9] = [
    ("emerg", Severity::Always(0)),
    ("alert", Severity::Always(1)),
    ("crit", Severity::Always(2)),
    ("err", Severity::Always(3)),
    ("warning", Severity::Always(4)),
    ("notice", Severity::Always(5)),
    ("info", Severity::Always(INFO)),
    ("debug", Severity::Always(7)),
    ("of-record", Severity::OfRecord(INFO)),
];

const INFO: u8 = 6;

const FRAMINGS: [(&str, Framing); 2] = [("newline", Framing::Newline), ("none", Framing::None)];

impl Reading<'_> {
    pub(super) fn sinks(&self, file: &Fields<'_>) -> Vec<Sink> {
        let mut sinks = Vec::new();
        for (number, value) in file.array("sinks").enumerate() {
            if number == limits::SINKS {
                self.faults.at(&value.span(), format!("there are at most {} sinks", limits::SINKS));
            }
            sinks.extend(self.sink(value));
        }
        sinks
    }

    fn sink(&self, value: &Value<'_>) -> Option<Sink> {
        let fields = Fields::of(value, "a sink", self.faults)?;
        let name = self.name("sink", &fields, "name", "what plugins call it");
        let settings = self.nameless_sink(fields);
        let (name, (settings, ca)) = (name?, settings?);
        Some(Sink { name, settings, ca })
    }

    /// All of a sink but its name.
    pub(super) fn nameless_sink(&self, fields: Fields<'_>) -> Option<NamelessSink> {
        if fields.value("kind").is_none() {
            let help = "kind = \"http\", or \"file\", \"tcp\", \"udp\", \"syslog\"";
            self.faults.at_with_help(fields.span(), "`kind` is missing", help);
        }
        // Without its kind, nobody can tell which of its keys are unknown.
        let kind = self.one_of(&fields, "kind", &KINDS)?;
        let (buffer, batch) = self.buffer_and_batch(&fields);
        let framing = match kind {
            Kind::File | Kind::Http | Kind::Tcp => self.one_of(&fields, "framing", &FRAMINGS),
            Kind::Udp | Kind::Syslog => None,
        };
        let framing = framing.unwrap_or(Framing::Newline);
        let to = match kind {
            Kind::File => self.file_sink(&fields),
            Kind::Http => self.http_sink(&fields, framing),
            Kind::Tcp => self.stream_sink(&fields).map(SinkTo::Tcp),
            Kind::Udp => self.sink_address(&fields).map(SinkTo::Udp),
            Kind::Syslog => self.syslog_sink(&fields),
        };
        let (retries, tls) = match &to {
            Some(SinkTo::Http(http)) => (true, Some(http.url.tls)),
            Some(SinkTo::Tcp(stream) | SinkTo::Syslog(SyslogSink { over: SyslogOver::Tcp(stream), .. })) => {
                (true, Some(stream.tls))
            }
            Some(SinkTo::File(_) | SinkTo::Udp(_) | SinkTo::Syslog(_)) => (false, None),
            // What else is wrong with it must not make its other keys unknown.
            None => (true, Some(true)),
        };
        let retry = if retries { self.sink_retry(&fields) } else { RETRY };
        let ca = tls.and_then(|tls| self.sink_ca(&fields, tls));
        fields.finish();
        Some((SinkSettings { to: to?, framing, batch, buffer, retry }, ca))
    }

    fn buffer_and_batch(&self, sink: &Fields<'_>) -> (usize, BatchLimits) {
        let mut buffer = limits::SINK_BUFFER_BYTES;
        if let Some(fields) = sink.value("buffer").and_then(|value| Fields::of(value, "`buffer`", self.faults)) {
            let bounds = limits::SINK_BUFFER_MIN..=limits::SINK_BUFFER_MAX;
            self.sink_size(&fields, "memory", bounds, "from 64KiB to 1GiB", &mut buffer);
            fields.finish();
        }
        let mut batch = BatchLimits {
            bytes: limits::SINK_BATCH_BYTES.min(buffer),
            records: limits::SINK_BATCH_RECORDS,
            wait: limits::SINK_BATCH_WAIT,
        };
        if let Some(fields) = sink.value("batch").and_then(|value| Fields::of(value, "`batch`", self.faults)) {
            let bounds = limits::SINK_BATCH_BYTES_MIN..=limits::SINK_BATCH_BYTES_MAX.min(buffer);
            let words = "from 1KiB to 64MiB, and no more than `buffer.memory`";
            self.sink_size(&fields, "max_bytes", bounds, words, &mut batch.bytes);
            let records = fields.integer("max_records", 1..=limits::SINK_BATCH_RECORDS_MAX);
            if let Some(records) = records.and_then(|records| usize::try_from(records).ok()) {
                batch.records = records;
            }
            period_into(&fields, "max_wait", &mut batch.wait);
            fields.finish();
        }
        (buffer, batch)
    }

    fn sink_size(
        &self,
        fields: &Fields<'_>,
        key: &'static str,
        bounds: std::ops::RangeInclusive<usize>,
        words: &str,
        into: &mut usize,
    ) {
        match fields.parse::<ByteSize>(key) {
            None => {}
            Some(size) if bounds.contains(&size.value.0) => *into = size.value.0,
            Some(size) => self.faults.at(&size.span, format!("`{key}` is {words}")),
        }
    }

    fn sink_retry(&self, sink: &Fields<'_>) -> SinkRetry {
        let mut retry = RETRY;
        let Some(value) = sink.value("retry") else { return retry };
        let Some(fields) = Fields::of(value, "`retry`", self.faults) else { return retry };
        period_into(&fields, "max_wait", &mut retry.wait);
        period_into(&fields, "give_up", &mut retry.give_up);
        fields.finish();
        retry
    }

    fn sink_ca(&self, sink: &Fields<'_>, tls: bool) -> Option<Located<PathBuf>> {
        let ca = sink.parse::<Text>("ca").map(|path| self.file(path))?;
        if !tls {
            self.faults.at_with_help(&ca.span, "`ca` goes unheard", "this sink does not speak TLS");
        }
        Some(ca)
    }

    fn file_sink(&self, fields: &Fields<'_>) -> Option<SinkTo> {
        let path = fields.require::<Text>("path", "the file that records are appended to")?;
        if path.value.0.is_empty() {
            self.faults.at(&path.span, "`path` is empty");
        }
        let looked_for = match fields.boolean("reopen") {
            Some(true) => LookedFor::EachTime,
            Some(false) | None => LookedFor::NowAndThen,
        };
        Some(SinkTo::File(FileSink { path: self.folder.join(path.value.0), looked_for }))
    }

    fn http_sink(&self, fields: &Fields<'_>, framing: Framing) -> Option<SinkTo> {
        let url = fields.require::<SinkUrl>("url", "where records go, like \"https://elastic:9200/_bulk\"");
        let method = fields.parse::<Method>("method").map_or(http::Method::POST, |method| method.value.0);
        let content_type = fields.parse::<FieldValue>("content_type").map(|value| value.value.0);
        let headers = self.sink_headers(fields);
        let mut timeout = limits::SINK_TIMEOUT;
        period_into(fields, "timeout", &mut timeout);
        let usual = HeaderValue::from_static(match framing {
            Framing::Newline => "application/x-ndjson",
            Framing::None => "application/octet-stream",
        });
        Some(SinkTo::Http(HttpSink {
            url: url?.value,
            method,
            content_type: content_type.unwrap_or(usual),
            headers,
            timeout,
        }))
    }

    fn sink_headers(&self, sink: &Fields<'_>) -> Vec<(HeaderName, HeaderValue)> {
        let mut headers: Vec<(HeaderName, HeaderValue)> = Vec::new();
        let entries = sink.entries("headers");
        if let Some((key, _)) = entries.get(limits::SINK_HEADERS) {
            self.faults.at(&key.span, format!("there are at most {} of `headers`", limits::SINK_HEADERS));
        }
        for (key, value) in entries {
            // Whichever of them is a secret, none of them is shown.
            self.faults.conceal(value.span());
            let name = match HeaderName::try_from(key.value.as_str()) {
                Err(_) => Err(format!("\"{}\" is no header field's name", key.value)),
                Ok(name) if name == header::CONTENT_TYPE => {
                    Err("for `content-type` there is `content_type`".to_owned())
                }
                Ok(name) if name == header::HOST => Err("`host` is what `url` says".to_owned()),
                Ok(name) if hop_by_hop::is_gateways(&name) => Err(format!("`{name}` is the gateway's own to set")),
                Ok(name) if headers.iter().any(|(other, _)| *other == name) => {
                    Err(format!("`{name}` is listed twice: names ignore case"))
                }
                Ok(name) => Ok(name),
            };
            let name = name.map_err(|error| self.faults.at(&key.span, error)).ok();
            if let (Some(value), Some(name)) = (self.sink_header(&key.value, value), name) {
                headers.push((name, value));
            }
        }
        headers
    }

    fn sink_header(&self, key: &str, value: &Value<'_>) -> Option<HeaderValue> {
        let secret = parse::<Secret>(value, &format!("`{key}`"), self.faults)?;
        self.watched.borrow_mut().extend(secret.value.file(self.folder));
        let value = secret.value.reveal(self.folder).and_then(|text| {
            HeaderValue::try_from(text).map_err(|_| "this cannot be the value of a header field".to_owned())
        });
        let mut value = value.map_err(|error| self.faults.at(&secret.span, error)).ok()?;
        value.set_sensitive(true);
        Some(value)
    }

    fn sink_address(&self, fields: &Fields<'_>) -> Option<Authority> {
        fields.require::<Authority>("address", "who takes the records, like \"logs:5140\"").map(|address| address.value)
    }

    fn stream_sink(&self, fields: &Fields<'_>) -> Option<StreamSink> {
        let address = self.sink_address(fields);
        let tls = fields.boolean("tls").unwrap_or(false);
        let mut timeout = limits::SINK_TIMEOUT;
        period_into(fields, "timeout", &mut timeout);
        let server_name = fields.parse::<PlainHost>("server_name");
        if let Some(name) = server_name.as_ref().filter(|_| !tls) {
            self.faults.at_with_help(&name.span, "`server_name` goes unheard", "this sink does not speak TLS");
        }
        Some(StreamSink { address: address?, tls, server_name: server_name.map(|name| name.value), timeout })
    }

    fn syslog_sink(&self, fields: &Fields<'_>) -> Option<SinkTo> {
        let over_tcp = self.one_of(fields, "transport", &[("udp", false), ("tcp", true)]).unwrap_or(false);
        let over = if over_tcp {
            self.stream_sink(fields).map(SyslogOver::Tcp)
        } else {
            self.sink_address(fields).map(SyslogOver::Udp)
        };
        let facility = self.one_of(fields, "facility", &FACILITIES).unwrap_or(16);
        let severity = self.one_of(fields, "severity", &SEVERITIES).unwrap_or(Severity::Always(INFO));
        let app_name = fields.parse::<AppName>("app_name").map_or("tidegate".to_owned(), |name| name.value.0);
        Some(SinkTo::Syslog(SyslogSink { over: over?, facility, severity, app_name }))
    }

    /// What the word at `key` stands for.
    fn one_of<T: Copy>(&self, fields: &Fields<'_>, key: &'static str, known: &[(&'static str, T)]) -> Option<T> {
        let word = fields.parse::<Text>(key)?;
        let said = word.value.0.as_str();
        if let Some((_, value)) = known.iter().find(|(name, _)| *name == said) {
            return Some(*value);
        }
        let names = || known.iter().map(|(name, _)| *name);
        let help = suggest(said, names()).unwrap_or_else(|| {
            let quoted: Vec<String> = names().map(|name| format!("\"{name}\"")).collect();
            format!("expected one of {}", quoted.join(", "))
        });
        self.faults.at_with_help(&word.span, format!("`{key}` cannot be \"{said}\""), help);
        None
    }
}

/// Unless the sink says otherwise, or cannot.
const RETRY: SinkRetry = SinkRetry { wait: limits::SINK_RETRY_WAIT, give_up: limits::SINK_GIVE_UP };
