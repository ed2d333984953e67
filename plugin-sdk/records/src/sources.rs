//! Writes what stands at a place of the record.

use std::time::UNIX_EPOCH;

use tidegate_sdk::exchange::{Attempt, Ended, Report};

use crate::fields::Source;
use crate::json;
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
    /// Writes `source`; false if the exchange has nothing there, and then nothing is written.
    pub(crate) fn write(&self, source: &Source, form: Form, out: &mut Vec<u8>) -> bool {
        let (report, ended) = (self.report, self.ended);
        match source {
            Source::Id => quoted(form, out, |out| json::text(report.id().as_bytes(), out)),
            Source::ClientIp => quoted(form, out, |out| json::text(report.client_ip().as_bytes(), out)),
            Source::ClientPort => json::number(report.client_port().into(), out),
            Source::Protocol => quoted(form, out, |out| json::text(report.protocol().as_bytes(), out)),
            Source::Method => quoted(form, out, |out| json::text(report.method().as_bytes(), out)),
            Source::Uri => quoted(form, out, |out| self.redaction.target(report.target(), out)),
            Source::Url => quoted(form, out, |out| {
                for part in [report.scheme(), "://", report.host()] {
                    json::text(part.as_bytes(), out);
                }
                self.redaction.target(report.target(), out);
            }),
            Source::Host => quoted(form, out, |out| json::text(report.host().as_bytes(), out)),
            Source::Querystring => self.redaction.querystring(report.target(), out),
            Source::QueryParam(name) => {
                return self.redaction.param(report.target(), name, form == Form::Text, out);
            }
            Source::RequestSize => json::number(ended.received, out),
            Source::ResponseSize => json::number(ended.sent, out),
            Source::RequestHeaders => self.headers(report.request_headers(), out),
            Source::ResponseHeaders => self.headers(report.response_headers(), out),
            Source::RequestHeader(name) => return self.header(report.request_headers(), name, form, out),
            Source::ResponseHeader(name) => return self.header(report.response_headers(), name, form, out),
            Source::Status => json::number(ended.status.into(), out),
            Source::RequestLatency => json::milliseconds(ended.total, out),
            Source::GatewayLatency => {
                json::milliseconds(ended.answered.saturating_sub(ended.upstream.unwrap_or_default()), out);
            }
            Source::PluginsLatency => json::milliseconds(ended.plugins, out),
            Source::ProxyLatency => match ended.upstream {
                Some(upstream) => json::milliseconds(upstream, out),
                None => return false,
            },
            Source::Tries => tries(report.attempts(), out),
            Source::StartedAt => {
                let since = ended.begun.duration_since(UNIX_EPOCH).unwrap_or_default();
                json::number(u64::try_from(since.as_millis()).unwrap_or(u64::MAX), out);
            }
            Source::UpstreamStatus => match ended.upstream_status {
                Some(status) => json::number(status.into(), out),
                None => return false,
            },
            Source::UpstreamUri => match report.upstream_target() {
                Some(target) => quoted(form, out, |out| self.redaction.target(target, out)),
                None => return false,
            },
            Source::TlsVersion => return maybe(report.tls_version(), form, out),
            Source::Route => return maybe(report.route(), form, out),
            Source::Service => return maybe(report.service(), form, out),
            Source::Username => return maybe(report.consumer(), form, out),
            Source::CustomId => return maybe(report.custom_id(), form, out),
            Source::Credential => return maybe(report.credential(), form, out),
            Source::Failure => return maybe(ended.failure.as_deref(), form, out),
        }
        true
    }

    /// A header section as an object; a field that comes several times has an array.
    fn headers<'h>(&self, headers: impl Iterator<Item = (&'h str, &'h [u8])>, out: &mut Vec<u8>) {
        out.push(b'{');
        let mut headers = headers.peekable();
        while let Some((name, value)) = headers.next() {
            out.push(b'"');
            json::text(name.as_bytes(), out);
            out.extend_from_slice(b"\":");
            let repeated = headers.peek().is_some_and(|(next, _)| *next == name);
            if repeated {
                out.push(b'[');
            }
            quoted(Form::Json, out, |out| self.redaction.header(name, value, out));
            while let Some((_, value)) = headers.next_if(|(next, _)| *next == name) {
                out.push(b',');
                quoted(Form::Json, out, |out| self.redaction.header(name, value, out));
            }
            if repeated {
                out.push(b']');
            }
            out.push(b',');
        }
        json::close(b'}', out);
    }

    /// The first field of this name.
    fn header<'h>(
        &self,
        mut headers: impl Iterator<Item = (&'h str, &'h [u8])>,
        wanted: &str,
        form: Form,
        out: &mut Vec<u8>,
    ) -> bool {
        let Some((name, value)) = headers.find(|(name, _)| *name == wanted) else { return false };
        quoted(form, out, |out| self.redaction.header(name, value, out));
        true
    }
}

fn quoted(form: Form, out: &mut Vec<u8>, write: impl FnOnce(&mut Vec<u8>)) {
    match form {
        Form::Text => write(out),
        Form::Json => {
            out.push(b'"');
            write(out);
            out.push(b'"');
        }
    }
}

fn maybe(text: Option<&str>, form: Form, out: &mut Vec<u8>) -> bool {
    if let Some(text) = text {
        quoted(form, out, |out| json::text(text.as_bytes(), out));
    }
    text.is_some()
}

fn tries<'r>(attempts: impl Iterator<Item = Attempt<'r>>, out: &mut Vec<u8>) {
    out.push(b'[');
    for attempt in attempts {
        out.extend_from_slice(b"{\"target\":\"");
        json::text(attempt.target.as_bytes(), out);
        match attempt.address.rsplit_once(':') {
            Some((ip, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) && !port.is_empty() => {
                out.extend_from_slice(b"\",\"ip\":\"");
                json::text(ip.trim_start_matches('[').trim_end_matches(']').as_bytes(), out);
                out.extend_from_slice(b"\",\"port\":");
                out.extend_from_slice(port.as_bytes());
            }
            // A unix socket.
            _ => {
                out.extend_from_slice(b"\",\"path\":\"");
                json::text(attempt.address.as_bytes(), out);
                out.push(b'"');
            }
        }
        out.extend_from_slice(b",\"outcome\":\"");
        json::text(attempt.outcome.as_bytes(), out);
        out.extend_from_slice(if attempt.reused { b"\",\"keepalive\":true," } else { b"\",\"keepalive\":false," });
        let times = [("dns", attempt.dns), ("connect", attempt.connect), ("tls", attempt.tls), ("wait", attempt.wait)];
        for (name, time) in times {
            if let Some(time) = time {
                quoted(Form::Json, out, |out| out.extend_from_slice(name.as_bytes()));
                out.push(b':');
                json::milliseconds(time, out);
                out.push(b',');
            }
        }
        json::close(b'}', out);
        out.push(b',');
    }
    json::close(b']', out);
}
