//! What a sink keeps, sends at a time, and tries again.

use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::time::Duration;

use super::super::Reading;
use super::super::listeners::period_into;
use crate::config::checked::{BatchLimits, DiskBuffer, SinkRetry, SinkTo};
use crate::config::faults::Span;
use crate::config::reader::{Fields, Located};
use crate::config::values::{ByteSize, Text};
use crate::limits;

/// Unless the sink says otherwise, or cannot. What is `kept` on a disk need not be given up.
pub(super) fn usual_retry(kept: bool) -> SinkRetry {
    SinkRetry { wait: limits::SINK_RETRY_WAIT, give_up: (!kept).then_some(limits::SINK_GIVE_UP) }
}

/// `buffer`.
pub(super) struct Buffer {
    pub(super) memory: usize,
    folder: Option<Located<PathBuf>>,
    most: usize,
    sync: Duration,
    /// What only a disk has a use for.
    of_disk: Option<(&'static str, Span)>,
}

impl Reading<'_> {
    pub(super) fn buffer(&self, sink: &Fields<'_>) -> Buffer {
        let mut buffer = Buffer {
            memory: limits::SINK_BUFFER_BYTES,
            folder: None,
            most: limits::SINK_DISK_BYTES,
            sync: limits::SINK_DISK_SYNC,
            of_disk: None,
        };
        let Some(value) = sink.value("buffer") else { return buffer };
        let Some(fields) = Fields::of(value, "`buffer`", self.faults) else { return buffer };
        let bounds = limits::SINK_BUFFER_MIN..=limits::SINK_BUFFER_MAX;
        self.sink_size(&fields, "memory", bounds, "from 64KiB to 1GiB", &mut buffer.memory);
        buffer.folder = fields.parse::<Text>("disk").map(|path| {
            if path.value.0.is_empty() {
                self.faults.at(&path.span, "`disk` is empty");
            }
            path.map(|path| self.folder.join(path.0))
        });
        let bounds = limits::SINK_DISK_MIN..=limits::SINK_DISK_MAX;
        self.sink_size(&fields, "disk_max", bounds, "from 1MiB to 1024GiB", &mut buffer.most);
        period_into(&fields, "sync", &mut buffer.sync);
        buffer.of_disk =
            ["disk_max", "sync"].into_iter().find_map(|key| fields.value(key).map(|value| (key, value.span())));
        fields.finish();
        buffer
    }

    /// The disk of a buffer, if it has one; `to` is where its records go.
    pub(super) fn disk_buffer(&self, buffer: &Buffer, to: Option<&SinkTo>) -> Option<Located<DiskBuffer>> {
        let Some(folder) = &buffer.folder else {
            if let Some((key, span)) = &buffer.of_disk {
                self.faults.at_with_help(span, format!("`{key}` goes unheard"), "disk = \"var/NAME\" names a folder");
            }
            return None;
        };
        if to.is_some_and(SinkTo::is_by_udp) {
            let help = "leave it out: nobody says whether a datagram arrives, so none is sent again";
            self.faults.at_with_help(&folder.span, "`disk` goes unheard", help);
        }
        if !self.listed.borrow_mut().add("disk buffer", &folder.value.display().to_string()) {
            self.faults.at(&folder.span, "another sink has its disk buffer in this folder");
        }
        let disk = DiskBuffer { folder: folder.value.clone(), most: buffer.most, sync: buffer.sync };
        Some(Located { value: disk, span: folder.span.clone() })
    }

    /// `memory`: of the buffer, which a batch has to fit into.
    pub(super) fn batch(&self, sink: &Fields<'_>, memory: usize) -> BatchLimits {
        let mut batch = BatchLimits {
            bytes: limits::SINK_BATCH_BYTES.min(memory),
            records: limits::SINK_BATCH_RECORDS,
            wait: limits::SINK_BATCH_WAIT,
        };
        if let Some(fields) = sink.value("batch").and_then(|value| Fields::of(value, "`batch`", self.faults)) {
            let bounds = limits::SINK_BATCH_BYTES_MIN..=limits::SINK_BATCH_BYTES_MAX.min(memory);
            let words = "from 1KiB to 64MiB, and no more than `buffer.memory`";
            self.sink_size(&fields, "max_bytes", bounds, words, &mut batch.bytes);
            let records = fields.integer("max_records", 1..=limits::SINK_BATCH_RECORDS_MAX);
            if let Some(records) = records.and_then(|records| usize::try_from(records).ok()) {
                batch.records = records;
            }
            period_into(&fields, "max_wait", &mut batch.wait);
            fields.finish();
        }
        batch
    }

    pub(super) fn sink_size(
        &self,
        fields: &Fields<'_>,
        key: &'static str,
        bounds: RangeInclusive<usize>,
        words: &str,
        into: &mut usize,
    ) {
        match fields.parse::<ByteSize>(key) {
            None => {}
            Some(size) if bounds.contains(&size.value.0) => *into = size.value.0,
            Some(size) => self.faults.at(&size.span, format!("`{key}` is {words}")),
        }
    }

    pub(super) fn sink_retry(&self, sink: &Fields<'_>, usual: SinkRetry) -> SinkRetry {
        let mut retry = usual;
        let Some(value) = sink.value("retry") else { return retry };
        let Some(fields) = Fields::of(value, "`retry`", self.faults) else { return retry };
        period_into(&fields, "max_wait", &mut retry.wait);
        if fields.value("give_up").is_some() {
            let give_up = retry.give_up.get_or_insert(limits::SINK_GIVE_UP);
            period_into(&fields, "give_up", give_up);
        }
        fields.finish();
        retry
    }
}
