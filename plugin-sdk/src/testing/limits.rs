//! The gateway's bounds, by the names and in the words of `runtime/src/limits.rs` and the files beside it; a test holds
//! them to it.

use std::time::Duration;

/// Bytes of scratch that the plugins of one exchange may keep together.
pub(super) const SCRATCH_BYTES: usize = 64 << 10;
/// Values of it.
pub(super) const SCRATCH_VALUES: usize = 256;
/// Lists of edits that an instance may have ready.
pub(super) const READY_EDITS: usize = 64;
/// Bytes of names and values in all of them; and in those by which one exchange's answer is edited in advance.
pub(super) const EDIT_BYTES: usize = 64 << 10;
/// Host calls that one hook may make.
pub(super) const PLUGIN_HOST_CALLS: u32 = 10_000;
/// The largest body of an answer to a plugin's own request.
pub(super) const FETCH_BODY_BYTES: usize = 4 << 20;
/// Longest line that a plugin may log; the rest is cut.
pub(super) const PLUGIN_LOG_BYTES: usize = 4 << 10;
/// Most header fields that plugins may make of a head.
pub(super) const HEADER_FIELDS: usize = 200;

/// Limits that one hit counts in.
pub(super) const COUNTER_LIMITS: usize = 8;
/// The largest maximum of a limit.
pub(super) const COUNTER_MAX: u64 = 1 << 52;
/// Shortest window.
pub(super) const COUNTER_WINDOW_MIN: Duration = Duration::from_millis(1);
/// Longest window.
pub(super) const COUNTER_WINDOW_MAX: Duration = Duration::from_secs(400 * 24 * 60 * 60);
/// Longest key of a counter, in bytes.
pub(super) const COUNTER_KEY_BYTES: usize = 1 << 10;

/// Longest key that places are held under, in bytes.
pub(super) const PLACE_KEY_BYTES: usize = 1 << 10;
/// Places that one exchange may hold.
pub(super) const EXCHANGE_PLACES: usize = 16;
/// Exchanges that may wait for a place under one key.
pub(super) const PLACE_QUEUE: u32 = 10_000;
/// How long each of them may.
pub(super) const PLACE_WAIT: Duration = Duration::from_secs(600);

/// Longest key of a value that plugins keep, in bytes.
pub(super) const KV_KEY_BYTES: usize = 1 << 10;
/// Longest such value, in bytes.
pub(super) const KV_VALUE_BYTES: usize = 64 << 10;

/// Largest text of a key or certificate that plugins hand over, in bytes.
pub(super) const KEY_BYTES: usize = 64 << 10;
/// Longest password, in bytes.
pub(super) const PASSWORD_BYTES: usize = 4 << 10;

/// Series that plugins define themselves.
pub(super) const METRIC_PLUGIN_SERIES: usize = 10_000;
/// Bytes of the name of such a metric, or of a label.
pub(super) const METRIC_NAME_BYTES: usize = 64;
/// Labels that one has.
pub(super) const METRIC_LABELS: usize = 8;
/// Bytes of a label's value.
pub(super) const METRIC_VALUE_BYTES: usize = 128;

/// Bytes that a sink's buffer may hold, unless the sink says otherwise.
pub(super) const SINK_BUFFER_BYTES: usize = 16 << 20;
/// Bytes that a record counts for in the buffer besides its own and its framing.
pub(super) const SINK_RECORD_OVERHEAD: usize = 64;
