//! What goes around a record, so that the other side can tell records apart.

use std::io::Write;
use std::time::SystemTime;

use crate::config::checked::{self, HttpFormat, Severity, SinkSettings, SinkTo, SyslogFormat, SyslogOver, SyslogSink};
use crate::observe::record::clock::Clock;

mod elasticsearch;
mod json;
mod loki;
mod splunk;

use elasticsearch::Elasticsearch;
use loki::Loki;
use splunk::Splunk;

/// What is written for a record.
pub(super) enum Framing {
    /// The record, and a newline unless it ends with one.
    Newline,
    /// The record.
    None,
    /// A syslog message.
    Syslog(Box<Syslog>),
    /// An action, and a document.
    Elasticsearch(Box<Elasticsearch>),
    /// An event with its envelope.
    Splunk(Splunk),
    /// An entry of the one stream.
    Loki(Loki),
}

/// What all messages of a sink have in common.
pub(super) struct Syslog {
    facility: u8,
    severity: Severity,
    format: SyslogFormat,
    /// HOSTNAME, APP-NAME, PROCID, no MSGID and no STRUCTURED-DATA; or a tag.
    after: Vec<u8>,
    length: Length,
    clock: Clock,
    message: Vec<u8>,
}

/// Whether a message says how long it is.
enum Length {
    /// It does not: a datagram has its end.
    Known,
    /// Before it (RFC 6587, section 3.4.1).
    Counted,
}

impl Framing {
    /// What `settings` ask for.
    pub(super) fn of(settings: &SinkSettings) -> Self {
        match (&settings.to, settings.framing) {
            (SinkTo::Syslog(syslog), _) => Self::Syslog(Box::new(Syslog::new(syslog))),
            (SinkTo::Http(http), _) if http.format != HttpFormat::Ndjson => Self::of_format(&http.format),
            (SinkTo::Udp(_), _) | (_, checked::Framing::None) => Self::None,
            (_, checked::Framing::Newline) => Self::Newline,
        }
    }

    fn of_format(format: &HttpFormat) -> Self {
        match format {
            HttpFormat::Ndjson => Self::Newline,
            HttpFormat::Elasticsearch { index } => Self::Elasticsearch(Box::new(Elasticsearch::new(index.as_deref()))),
            HttpFormat::Splunk(own) => Self::Splunk(Splunk::new(&host_name(), own)),
            HttpFormat::Loki(labels) => Self::Loki(Loki::new(labels)),
        }
    }

    /// What stands before the first record of a batch,
    pub(super) fn begin(&self, body: &mut Vec<u8>) {
        if let Self::Loki(loki) = self {
            loki.begin(body);
        }
    }

    /// and behind the last.
    pub(super) fn end(&self, body: &mut Vec<u8>) {
        if let Self::Loki(_) = self {
            Loki::end(body);
        }
    }

    /// The most bytes that it adds to a record, unless that has to be escaped.
    pub(super) fn most(&self) -> usize {
        match self {
            Self::Newline => 1,
            Self::None => 0,
            // PRI and VERSION, the time, its space, and a length of at most 20 digits.
            Self::Syslog(syslog) => syslog.after.len() + "<191>1 2026-11-23T06:30:09.123Z ".len() + 21,
            Self::Elasticsearch(bulk) => bulk.most(),
            Self::Splunk(splunk) => splunk.most(),
            Self::Loki(_) => Loki::MOST,
        }
    }

    /// Append `record`, which was handed in at `time`.
    pub(super) fn write(&mut self, body: &mut Vec<u8>, record: &[u8], time: SystemTime) {
        match self {
            Self::None => body.extend_from_slice(record),
            Self::Newline => {
                body.extend_from_slice(record);
                if !record.ends_with(b"\n") {
                    body.push(b'\n');
                }
            }
            Self::Syslog(syslog) => syslog.write(body, record, time),
            Self::Elasticsearch(bulk) => bulk.write(body, record, time),
            Self::Splunk(splunk) => splunk.write(body, record, time),
            Self::Loki(loki) => loki.write(body, record, time),
        }
    }
}

impl Syslog {
    fn new(sink: &SyslogSink) -> Self {
        let length = match sink.over {
            SyslogOver::Udp(_) => Length::Known,
            SyslogOver::Tcp(_) => Length::Counted,
        };
        let (name, process) = (&sink.app_name, std::process::id());
        let after = match sink.format {
            SyslogFormat::Rfc5424 => format!(" {} {name} {process} - - ", host_name()),
            SyslogFormat::Local => format!("{name}[{process}]: "),
        };
        let (facility, severity, format) = (sink.facility, sink.severity, sink.format);
        let after = after.into_bytes();
        Self { facility, severity, format, after, length, clock: Clock::default(), message: Vec::new() }
    }

    fn write(&mut self, body: &mut Vec<u8>, record: &[u8], time: SystemTime) {
        let (severity, text) = match self.severity {
            Severity::Always(severity) => (severity, record),
            Severity::OfRecord(usual) => said(record).unwrap_or((usual, record)),
        };
        self.message.clear();
        // A Vec takes everything, so there is nothing that could fail.
        let _ = write!(self.message, "<{}>", 8 * self.facility + severity);
        if self.format == SyslogFormat::Rfc5424 {
            self.message.extend_from_slice(b"1 ");
            self.clock.write(&mut self.message, time);
        }
        self.message.extend_from_slice(&self.after);
        if let Length::Counted = self.length {
            let _ = write!(body, "{} ", self.message.len() + text.len());
        }
        body.extend_from_slice(&self.message);
        body.extend_from_slice(text);
    }
}

/// The severity that a record begins with, as lines for systemd's journal do (sd-daemon(3)), and the rest of it.
fn said(record: &[u8]) -> Option<(u8, &[u8])> {
    match record {
        [b'<', digit @ b'0'..=b'7', b'>', text @ ..] => Some((digit - b'0', text)),
        _ => None,
    }
}

/// As this machine calls itself; "-" is for one that does not (RFC 5424, section 6.2.4).
fn host_name() -> String {
    let name = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    let name = name.trim();
    let fits = (1..=255).contains(&name.len()) && name.bytes().all(|byte| byte.is_ascii_graphic());
    if fits { name.to_owned() } else { "-".to_owned() }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::config::checked::StreamSink;

    fn written(mut framing: Framing, records: &[&[u8]]) -> String {
        let mut body = Vec::new();
        for bytes in records {
            let before = body.len();
            framing.write(&mut body, bytes, SystemTime::UNIX_EPOCH + Duration::from_millis(1_735_689_599_007));
            assert!(body.len() - before <= bytes.len() + framing.most());
        }
        String::from_utf8(body).unwrap()
    }

    #[test]
    fn records_are_joined_or_left_alone() {
        assert_eq!(written(Framing::Newline, &[b"a", b"", b"b\n", b"c\nd"]), "a\n\nb\nc\nd\n");
        assert_eq!(written(Framing::None, &[b"a", b"", b"b\n"]), "ab\n");
    }

    fn of_format(format: &HttpFormat, records: &[&[u8]]) -> String {
        let mut framing = Framing::of_format(format);
        let mut body = Vec::new();
        framing.begin(&mut body);
        for record in records {
            let before = body.len();
            framing.write(&mut body, record, SystemTime::UNIX_EPOCH + Duration::from_millis(1_735_689_599_007));
            let quotes = record.iter().filter(|byte| matches!(byte, b'"' | b'\n')).count();
            assert!(
                body.len() - before <= record.len() + quotes + framing.most(),
                "{}",
                String::from_utf8_lossy(&body)
            );
        }
        framing.end(&mut body);
        String::from_utf8(body).unwrap()
    }

    #[test]
    fn documents_have_an_action_a_time_and_one_line() {
        let records: [&[u8]; 5] =
            [b"{\"a\":1}", b"{\n \"@timestamp\": 7,\r\n \"b\": \"\\n\"}\n", b"{ }", b"GET \"/\"", b"[1]"];
        let create = "{\"create\":{\"_index\":\"logs-x\"}}\n";
        let time = "{\"@timestamp\":\"2024-12-31T23:59:59.007Z\"";
        let expected = [
            &format!("{time},\"a\":1}}"),
            "{  \"@timestamp\": 7,   \"b\": \"\\n\"}",
            &format!("{time}}}"),
            &format!("{time},\"message\":\"GET \\\"/\\\"\"}}"),
            &format!("{time},\"message\":\"[1]\"}}"),
        ]
        .map(|line| format!("{create}{line}\n"));
        let index = Some("logs-x".to_owned());
        assert_eq!(of_format(&HttpFormat::Elasticsearch { index }, &records), expected.concat());
        let of_url = of_format(&HttpFormat::Elasticsearch { index: None }, &[b"{}"]);
        assert!(of_url.starts_with("{\"create\":{}}\n"), "{of_url}");
    }

    #[test]
    fn events_have_their_envelope() {
        let own = vec![("index", "main".to_owned()), ("sourcetype", "a\"b".to_owned())];
        let written = of_format(&HttpFormat::Splunk(own), &[b"{\"a\":\n1}", b"7", b"GET /\xff"]);
        let head = format!(
            "{{\"time\":1735689599.007,\"host\":\"{}\",\"index\":\"main\",\"sourcetype\":\"a\\\"b\",\"event\":",
            host_name()
        );
        assert_eq!(written, format!("{head}{{\"a\": 1}}}}\n{head}7}}\n{head}\"GET /\u{fffd}\"}}\n"));
    }

    #[test]
    fn a_batch_is_one_push() {
        let labels = vec![("job".to_owned(), "edge".to_owned()), ("env".to_owned(), "a\"b".to_owned())];
        let written = of_format(&HttpFormat::Loki(labels), &[b"{\"a\":1}\n", b"", b"x"]);
        let time = "1735689599007000000";
        let labels = "{\"env\":\"a\\\"b\",\"job\":\"edge\"}";
        let lines = format!("[\"{time}\",\"{{\\\"a\\\":1}}\"],[\"{time}\",\"\"],[\"{time}\",\"x\"]");
        assert_eq!(written, format!("{{\"streams\":[{{\"stream\":{labels},\"values\":[{lines}]}}]}}"));
    }

    #[test]
    fn syslog_messages_have_their_head_and_over_tcp_their_length() {
        let address = "logs:514".parse::<crate::config::values::SinkAddress>().unwrap();
        let stream =
            StreamSink { address: address.clone(), tls: false, server_name: None, timeout: Duration::from_secs(1) };
        let sink = |over| {
            let (format, severity) = (SyslogFormat::Rfc5424, Severity::Always(6));
            SyslogSink { over, format, facility: 16, severity, app_name: "edge".to_owned() }
        };
        let message = |text: &str| {
            format!("<134>1 2024-12-31T23:59:59.007Z {} edge {} - - {text}", host_name(), std::process::id())
        };
        let plain = Framing::Syslog(Box::new(Syslog::new(&sink(SyslogOver::Udp(address)))));
        assert_eq!(written(plain, &[b"hello\n"]), message("hello\n"));
        let counted = Framing::Syslog(Box::new(Syslog::new(&sink(SyslogOver::Tcp(stream)))));
        let expected: String = ["a", "b\nc"].map(|text| format!("{} {}", message(text).len(), message(text))).concat();
        assert_eq!(written(counted, &[b"a", b"b\nc"]), expected);
    }

    #[test]
    fn syslog_messages_for_this_machine_are_as_its_own_programs_write_them() {
        let over = SyslogOver::Udp("unix:/dev/log".parse().unwrap());
        let (format, severity) = (SyslogFormat::Local, Severity::OfRecord(6));
        let sink = SyslogSink { over, format, facility: 3, severity, app_name: "edge".to_owned() };
        let framing = Framing::Syslog(Box::new(Syslog::new(&sink)));
        let id = std::process::id();
        assert_eq!(written(framing, &[b"<4>late", b""]), format!("<28>edge[{id}]: late<30>edge[{id}]: "));
    }

    #[test]
    fn a_record_may_say_how_severe_it_is() {
        let over = SyslogOver::Udp("logs:514".parse().unwrap());
        let (format, severity) = (SyslogFormat::Rfc5424, Severity::OfRecord(6));
        let sink = SyslogSink { over, format, facility: 23, severity, app_name: "edge".to_owned() };
        let written = |record: &[u8]| {
            let message = written(Framing::Syslog(Box::new(Syslog::new(&sink))), &[record]);
            let (before, text) = message.split_once(" - - ").unwrap();
            (before.split_once('>').unwrap().0.to_owned(), text.to_owned())
        };
        for (record, priority, text) in
            [("<3>late", "<187", "late"), ("<7>", "<191", ""), ("late", "<190", "late"), ("<8>late", "<190", "<8>late")]
        {
            assert_eq!(written(record.as_bytes()), (priority.to_owned(), text.to_owned()));
        }
    }
}
