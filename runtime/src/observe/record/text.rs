//! A record as one line for people: what was asked and answered first, where it went, and what went wrong last.

use super::clock::Clock;
use super::write::{self, escape_text};
use super::{Attempt, Record};

/// Whether statuses are coloured.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Paint {
    /// They are: a terminal shows them.
    Coloured,
    /// They are not.
    Plain,
}

/// Add `record` to `line`, its newline included.
pub(crate) fn text(line: &mut Vec<u8>, clock: &mut Clock, record: &Record<'_>, paint: Paint) {
    clock.write(line, record.time);
    line.push(b' ');
    status(line, record.status, paint);
    line.push(b' ');
    write::text(line, record.method, escape_text);
    line.push(b' ');
    line.extend_from_slice(record.scheme.as_bytes());
    line.extend_from_slice(b"://");
    write::bytes(line, record.host, escape_text);
    write::text(line, record.path, escape_text);
    line.push(b' ');
    write::milliseconds(line, record.total);
    line.extend_from_slice(b"ms ");
    write::number(line, record.bytes_out);
    line.extend_from_slice(b"B from ");
    write::address(line, record.client);
    labelled(line, " as ", record.consumer);
    labelled(line, " to ", record.service);
    labelled(line, " by way of ", record.chosen);
    if let Some(last) = record.attempts.last() {
        upstream(line, last, record.attempts.len());
    }
    labelled(line, " id ", Some(record.request_id));
    if let Some(failure) = &record.failure {
        line.extend_from_slice(b" - ");
        line.extend_from_slice(failure.code.as_bytes());
        labelled(line, " during ", Some(failure.phase.name()));
        labelled(line, ": ", Some(failure.detail));
    }
    line.push(b'\n');
}

fn status(line: &mut Vec<u8>, status: u16, paint: Paint) {
    let colour: &[u8] = match status {
        0..=299 => b"\x1b[32m",
        300..=399 => b"\x1b[36m",
        400..=499 => b"\x1b[33m",
        _ => b"\x1b[31m",
    };
    match paint {
        Paint::Plain => write::number(line, status.into()),
        Paint::Coloured => {
            line.extend_from_slice(colour);
            write::number(line, status.into());
            line.extend_from_slice(b"\x1b[0m");
        }
    }
}

fn upstream(line: &mut Vec<u8>, last: &Attempt, attempts: usize) {
    labelled(line, " at ", Some(&last.target));
    line.extend_from_slice(b" (");
    write::place(line, &last.address, escape_text);
    line.push(b')');
    if attempts > 1 {
        line.extend_from_slice(b" after ");
        write::number(line, attempts as u64);
        line.extend_from_slice(b" attempts");
    }
}

fn labelled(line: &mut Vec<u8>, label: &'static str, value: Option<&str>) {
    if let Some(value) = value {
        line.extend_from_slice(label.as_bytes());
        write::text(line, value, escape_text);
    }
}
