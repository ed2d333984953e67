//! A record as one line of JSON, for machines. Keys are stable; what is not there has no key.

use std::time::Duration;

use super::clock::Clock;
use super::write::{self, escape_json};
use super::{Attempt, Record};
use crate::limits;

/// A key as it stands behind another field; whole, so that it is one copy of a length known beforehand.
macro_rules! key {
    ($name:literal) => {
        concat!(",\"", $name, "\":")
    };
}

/// Add `record` to `line`, its newline included.
pub(crate) fn json(line: &mut Vec<u8>, clock: &mut Clock, record: &Record<'_>) {
    line.extend_from_slice(b"{\"time\":\"");
    clock.write(line, record.time);
    line.push(b'"');
    request(line, record);
    answer(line, record);
    attempts(line, record.attempts);
    milliseconds(line, key!("duration_ms"), Some(record.total));
    milliseconds(line, key!("upstream_ms"), record.upstream);
    milliseconds(line, key!("plugins_ms"), Some(record.plugins));
    if let Some(failure) = &record.failure {
        text(line, key!("error"), failure.code);
        text(line, key!("error_phase"), failure.phase.name());
        text(line, key!("error_detail"), failure.detail);
    }
    line.extend_from_slice(b"}\n");
}

fn request(line: &mut Vec<u8>, record: &Record<'_>) {
    text(line, key!("request_id"), record.request_id);
    line.extend_from_slice(key!("client").as_bytes());
    line.push(b'"');
    write::address(line, record.client);
    line.push(b'"');
    number(line, key!("client_port"), record.client_port.into());
    if let Some(peer) = record.peer {
        line.extend_from_slice(key!("peer").as_bytes());
        line.push(b'"');
        write::address(line, peer);
        line.push(b'"');
    }
    text(line, key!("scheme"), record.scheme);
    text(line, key!("protocol"), record.protocol);
    optional(line, key!("tls"), record.tls);
    text(line, key!("method"), record.method);
    bytes(line, key!("host"), Some(record.host));
    text(line, key!("path"), record.path);
    bytes(line, key!("user_agent"), record.user_agent);
    bytes(line, key!("referer"), record.referer);
}

fn answer(line: &mut Vec<u8>, record: &Record<'_>) {
    number(line, key!("status"), record.status.into());
    number(line, key!("bytes_in"), record.bytes_in);
    number(line, key!("bytes_out"), record.bytes_out);
    optional(line, key!("route"), record.route);
    optional(line, key!("service"), record.service);
    optional(line, key!("upstream"), record.chosen);
    optional(line, key!("consumer"), record.consumer);
    if let Some(status) = record.upstream_status {
        number(line, key!("upstream_status"), status.into());
    }
}

fn attempt(line: &mut Vec<u8>, attempt: &Attempt) {
    text(line, key!("target"), &attempt.target);
    line.extend_from_slice(key!("address").as_bytes());
    line.push(b'"');
    write::place(line, &attempt.address, escape_json);
    line.push(b'"');
    optional(line, key!("connection"), attempt.connection.map(super::Connection::as_str));
    milliseconds(line, key!("dns_ms"), attempt.dns);
    milliseconds(line, key!("connect_ms"), attempt.connect);
    milliseconds(line, key!("tls_ms"), attempt.tls);
    milliseconds(line, key!("wait_ms"), attempt.wait);
    text(line, key!("outcome"), attempt.outcome);
}

fn attempts(line: &mut Vec<u8>, attempts: &[Attempt]) {
    let listed = attempts.get(attempts.len().saturating_sub(limits::ATTEMPTS_LISTED)..).unwrap_or_default();
    if listed.is_empty() {
        return;
    }
    line.extend_from_slice(key!("attempts").as_bytes());
    for (position, listed) in listed.iter().enumerate() {
        line.push(if position == 0 { b'[' } else { b',' });
        let start = line.len();
        attempt(line, listed);
        // Every key brings its comma; the first of an object has to be its brace.
        if let Some(comma) = line.get_mut(start) {
            *comma = b'{';
        }
        line.push(b'}');
    }
    line.push(b']');
}

#[inline]
fn number(line: &mut Vec<u8>, key: &'static str, number: u64) {
    line.extend_from_slice(key.as_bytes());
    write::number(line, number);
}

#[inline]
fn milliseconds(line: &mut Vec<u8>, key: &'static str, time: Option<Duration>) {
    if let Some(time) = time {
        line.extend_from_slice(key.as_bytes());
        write::milliseconds(line, time);
    }
}

#[inline]
fn text(line: &mut Vec<u8>, key: &'static str, text: &str) {
    line.extend_from_slice(key.as_bytes());
    line.push(b'"');
    write::text(line, text, escape_json);
    line.push(b'"');
}

#[inline]
fn optional(line: &mut Vec<u8>, key: &'static str, value: Option<&str>) {
    if let Some(value) = value {
        text(line, key, value);
    }
}

#[inline]
fn bytes(line: &mut Vec<u8>, key: &'static str, bytes: Option<&[u8]>) {
    if let Some(bytes) = bytes {
        line.extend_from_slice(key.as_bytes());
        line.push(b'"');
        write::bytes(line, bytes, escape_json);
        line.push(b'"');
    }
}
