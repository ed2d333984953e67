//! Writes what stands at a place of the record.

use std::time::UNIX_EPOCH;

use tidegate_sdk::exchange::{Attempt, Ended, Report, Text};

use crate::fields::Source;
use crate::json::Out;
use crate::redaction::Redaction;

/// An exchange, and what of it may be shown.
pub(crate) struct About<'a> {
    pub(crate) ended: &'a Ended,
    pub(crate) report: &'a Report,
    pub(crate) redaction: &'a Redaction,
}

/// Where a value is written to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Form {
    /// It is a value by itself.
    Json,
    /// It is a part of a JSON string.
    Text,
}

impl About<'_> {
    /// Writes `source`, without the quotes of a text; false if the exchange has nothing there, and then nothing is
    /// written.
    pub(crate) fn write(&self, source: &Source, form: Form, out: &mut Out) -> bool {
        let (report, ended) = (self.report, self.ended);
        match source {
            Source::Text(text) => match report.bytes(*text) {
                Some(text) => out.text(text),
                None => return false,
            },
            Source::ClientPort => out.number(report.client_port().into()),
            Source::Uri => self.redaction.target(self.target(), out),
            Source::Url => {
                out.text(report.bytes(Text::Scheme).unwrap_or_default());
                out.few(b"://");
                out.text(report.bytes(Text::Host).unwrap_or_default());
                self.redaction.target(self.target(), out);
            }
            Source::Querystring => self.redaction.querystring(self.target(), out),
            Source::QueryParam(name) => return self.redaction.param(self.target(), name, form == Form::Text, out),
            Source::RequestSize => out.number(ended.received),
            Source::ResponseSize => out.number(ended.sent),
            Source::RequestHeaders => self.headers(report.request_fields(), out),
            Source::ResponseHeaders => self.headers(report.response_fields(), out),
            Source::RequestHeader(name) => return self.header(report.request_fields(), name, out),
            Source::ResponseHeader(name) => return self.header(report.response_fields(), name, out),
            Source::Status => out.number(ended.status.into()),
            Source::RequestLatency => out.milliseconds(ended.total),
            Source::GatewayLatency => {
                out.milliseconds(ended.answered.saturating_sub(ended.upstream.unwrap_or_default()));
            }
            Source::PluginsLatency => out.milliseconds(ended.plugins),
            Source::ProxyLatency => match ended.upstream {
                Some(upstream) => out.milliseconds(upstream),
                None => return false,
            },
            Source::Tries => tries(report.attempts(), out),
            Source::StartedAt => {
                let since = ended.begun.duration_since(UNIX_EPOCH).unwrap_or_default();
                out.number(since.as_secs().saturating_mul(1000).saturating_add(since.subsec_millis().into()));
            }
            Source::UpstreamStatus => match ended.upstream_status {
                Some(status) => out.number(status.into()),
                None => return false,
            },
            Source::UpstreamUri => match report.bytes(Text::UpstreamTarget) {
                Some(target) => self.redaction.target(target, out),
                None => return false,
            },
            Source::Failure => match &ended.failure {
                Some(failure) => out.text(failure.as_bytes()),
                None => return false,
            },
        }
        true
    }

    fn target(&self) -> &[u8] {
        self.report.bytes(Text::Target).unwrap_or_default()
    }

    /// A header section as an object; a field that comes several times has an array.
    fn headers<'h>(&self, headers: impl Iterator<Item = (&'h [u8], &'h [u8])>, out: &mut Out) {
        out.push(b'{');
        let mut headers = headers.peekable();
        while let Some((name, value)) = headers.next() {
            let repeated = headers.peek().is_some_and(|(next, _)| is_same(next, name));
            out.push(b'"');
            out.text(name);
            match repeated {
                true => out.few(b"\":[\""),
                false => out.few(b"\":\""),
            }
            self.redaction.header(name, value, out);
            while let Some((_, value)) = headers.next_if(|(next, _)| repeated && is_same(next, name)) {
                out.few(b"\",\"");
                self.redaction.header(name, value, out);
            }
            match repeated {
                true => out.few(b"\"],"),
                false => out.few(b"\","),
            }
        }
        out.close(b'}');
    }

    /// The first field of this name.
    fn header<'h>(&self, mut headers: impl Iterator<Item = (&'h [u8], &'h [u8])>, wanted: &str, out: &mut Out) -> bool {
        let Some((name, value)) = headers.find(|(name, _)| is_same(name, wanted.as_bytes())) else { return false };
        self.redaction.header(name, value, out);
        true
    }
}

/// Whether both names are the same: as a rule their lengths or first letters tell, which need no call.
fn is_same(one: &[u8], other: &[u8]) -> bool {
    one.len() == other.len() && one.first() == other.first() && one == other
}

fn tries<'r>(attempts: impl Iterator<Item = Attempt<'r>>, out: &mut Out) {
    out.push(b'[');
    for attempt in attempts {
        out.raw(b"{\"target\":\"");
        out.text(attempt.target.as_bytes());
        match attempt.address.rsplit_once(':') {
            Some((ip, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) && !port.is_empty() => {
                out.raw(b"\",\"ip\":\"");
                out.text(ip.trim_start_matches('[').trim_end_matches(']').as_bytes());
                out.raw(b"\",\"port\":");
                out.raw(port.as_bytes());
            }
            // A unix socket.
            _ => {
                out.raw(b"\",\"path\":\"");
                out.text(attempt.address.as_bytes());
                out.push(b'"');
            }
        }
        out.raw(b",\"outcome\":\"");
        out.text(attempt.outcome.as_bytes());
        out.raw(if attempt.reused { b"\",\"keepalive\":true," } else { b"\",\"keepalive\":false," });
        let times = [
            (&b"\"dns\":"[..], attempt.dns),
            (b"\"connect\":", attempt.connect),
            (b"\"tls\":", attempt.tls),
            (b"\"wait\":", attempt.wait),
        ];
        for (key, time) in times {
            if let Some(time) = time {
                out.raw(key);
                out.milliseconds(time);
                out.push(b',');
            }
        }
        out.close(b'}');
        out.push(b',');
    }
    out.close(b']');
}
