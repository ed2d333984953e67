//! Sinks: what all kinds have, and what only one of them has. A key of another kind is an unknown key.

use std::path::PathBuf;

use super::listeners::period_into;
use super::{NamelessSink, Reading};
use crate::config::checked::{
    FileSink, Framing, HttpFormat, LookedFor, Rotate, Severity, Sink, SinkSettings, SinkTo, StreamSink, SyslogFormat,
    SyslogOver, SyslogSink,
};
use crate::config::faults::suggest;
use crate::config::reader::{Fields, Located, Value};
use crate::config::values::{AppName, PlainHost, SinkAddress, Text};
use crate::limits;

mod buffer;
mod http;

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

const SYSLOG_FORMATS: [(&str, SyslogFormat); 2] = [("rfc5424", SyslogFormat::Rfc5424), ("local", SyslogFormat::Local)];

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
        let (name, NamelessSink { settings, disk, ca }) = (name?, settings?);
        Some(Sink { name, settings, disk, ca })
    }

    /// All of a sink but its name.
    pub(super) fn nameless_sink(&self, fields: Fields<'_>) -> Option<NamelessSink> {
        if fields.value("kind").is_none() {
            let help = "kind = \"http\", or \"file\", \"tcp\", \"udp\", \"syslog\"";
            self.faults.at_with_help(fields.span(), "`kind` is missing", help);
        }
        // Without its kind, nobody can tell which of its keys are unknown.
        let kind = self.one_of(&fields, "kind", &KINDS)?;
        let buffer = self.buffer(&fields);
        let batch = self.batch(&fields, buffer.memory);
        let format = match kind {
            Kind::Http => self.http_format(&fields),
            Kind::File | Kind::Tcp | Kind::Udp | Kind::Syslog => HttpFormat::Ndjson,
        };
        let framing = match (kind, &format) {
            (Kind::File | Kind::Http | Kind::Tcp, HttpFormat::Ndjson) => self.one_of(&fields, "framing", &FRAMINGS),
            _ => None,
        };
        let framing = framing.unwrap_or(Framing::Newline);
        let to = match kind {
            Kind::File => self.file_sink(&fields),
            Kind::Http => self.http_sink(&fields, framing, format),
            Kind::Tcp => self.stream_sink(&fields).map(SinkTo::Tcp),
            Kind::Udp => self.sink_address(&fields).map(SinkTo::Udp),
            Kind::Syslog => self.syslog_sink(&fields),
        };
        let (retries, tls) = match &to {
            Some(SinkTo::Http(http)) => (true, Some(http.url.tls)),
            Some(SinkTo::Tcp(stream) | SinkTo::Syslog(SyslogSink { over: SyslogOver::Tcp(stream), .. })) => {
                (true, Some(stream.tls))
            }
            Some(SinkTo::File(_)) => (false, None),
            Some(to @ (SinkTo::Udp(_) | SinkTo::Syslog(_))) => (!to.is_by_udp(), None),
            // What else is wrong with it must not make its other keys unknown.
            None => (true, Some(true)),
        };
        let disk = self.disk_buffer(&buffer, to.as_ref());
        let usual = buffer::usual_retry(disk.is_some());
        let retry = if retries { self.sink_retry(&fields, usual) } else { usual };
        let ca = tls.and_then(|tls| self.sink_ca(&fields, tls));
        fields.finish();
        let settings = SinkSettings { to: to?, framing, batch, buffer: buffer.memory, retry };
        Some(NamelessSink { settings, disk, ca })
    }

    fn sink_ca(&self, sink: &Fields<'_>, tls: bool) -> Option<Located<PathBuf>> {
        let ca = sink.parse::<Text>("ca").map(|path| self.file(path))?;
        if !tls {
            self.faults.at_with_help(&ca.span, "`ca` goes unheard", "this sink does not speak TLS");
        }
        Some(ca)
    }

    fn file_sink(&self, fields: &Fields<'_>) -> Option<SinkTo> {
        let rotate = self.rotate(fields);
        let path = fields.require::<Text>("path", "the file that records are appended to")?;
        if path.value.0.is_empty() {
            self.faults.at(&path.span, "`path` is empty");
        }
        let looked_for = match fields.boolean("reopen") {
            Some(true) => LookedFor::EachTime,
            Some(false) | None => LookedFor::NowAndThen,
        };
        Some(SinkTo::File(FileSink { path: self.folder.join(path.value.0), looked_for, rotate }))
    }

    fn rotate(&self, sink: &Fields<'_>) -> Option<Rotate> {
        let fields = Fields::of(sink.value("rotate")?, "`rotate`", self.faults)?;
        if fields.value("bytes").is_none() {
            self.faults.at_with_help(fields.span(), "`bytes` is missing", "bytes = \"100MiB\"");
        }
        let mut bytes = limits::SINK_ROTATE_MIN;
        let bounds = limits::SINK_ROTATE_MIN..=limits::SINK_DISK_MAX;
        self.sink_size(&fields, "bytes", bounds, "from 64KiB to 1024GiB", &mut bytes);
        let keep = fields.integer("keep", 1..=limits::SINK_ROTATE_KEEP_MAX);
        fields.finish();
        let keep = keep.and_then(|keep| u32::try_from(keep).ok()).unwrap_or(limits::SINK_ROTATE_KEEP);
        Some(Rotate { bytes: bytes as u64, keep })
    }

    fn sink_address(&self, fields: &Fields<'_>) -> Option<SinkAddress> {
        let help = "who takes the records, like \"logs:5140\" or \"unix:/run/log.sock\"";
        fields.require::<SinkAddress>("address", help).map(|address| address.value)
    }

    fn stream_sink(&self, fields: &Fields<'_>) -> Option<StreamSink> {
        let address = self.sink_address(fields);
        let tls = fields.boolean("tls").unwrap_or(false);
        if let Some(value) = fields.value("tls").filter(|_| tls && matches!(address, Some(SinkAddress::Unix(_)))) {
            self.faults.at_with_help(&value.span(), "no TLS is spoken to a unix socket", "leave `tls` out");
        }
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
        let format = self.syslog_format(fields, over.as_ref());
        Some(SinkTo::Syslog(SyslogSink { over: over?, format, facility, severity, app_name }))
    }

    /// Who listens at a unix socket for datagrams does so in place of `/dev/log`, or is it.
    fn syslog_format(&self, fields: &Fields<'_>, over: Option<&SyslogOver>) -> SyslogFormat {
        let usual = match over {
            Some(SyslogOver::Udp(SinkAddress::Unix(_))) => SyslogFormat::Local,
            _ => SyslogFormat::Rfc5424,
        };
        let format = self.one_of(fields, "format", &SYSLOG_FORMATS).unwrap_or(usual);
        if let (SyslogFormat::Local, SyslogFormat::Rfc5424, Some(_), Some(value)) =
            (format, usual, over, fields.value("format"))
        {
            let help = "transport = \"udp\" to an address like \"unix:/dev/log\"; everywhere else it is \"rfc5424\"";
            self.faults.at_with_help(&value.span(), "only datagrams to a unix socket are \"local\"", help);
        }
        format
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
