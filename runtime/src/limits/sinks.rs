//! The bounds of sinks.

use std::time::Duration;

/// Sinks of one configuration; each has a task, a buffer and a connection.
pub const SINKS: usize = 100;
/// Sinks that settings of plugin uses make up, all together: each has a task, and a buffer of its own.
pub const OWN_SINKS: usize = 100;
/// Bytes that a sink's buffer may hold, unless the sink says otherwise: waiting, and on their way.
pub const SINK_BUFFER_BYTES: usize = 16 << 20;
/// Smallest and largest buffer, in bytes.
pub const SINK_BUFFER_MIN: usize = 64 << 10;
/// See [`SINK_BUFFER_MIN`].
pub const SINK_BUFFER_MAX: usize = 1 << 30;
/// Bytes that a record counts for in the buffer besides its own and its framing: its place in the queue, what the
/// allocator adds.
pub const SINK_RECORD_OVERHEAD: usize = 64;
/// Records that wait in one sink's queue, however small they are.
pub const SINK_RECORDS: usize = 1 << 20;
/// Bytes that a sink's disk buffer may hold, unless the sink says otherwise.
pub const SINK_DISK_BYTES: usize = 1 << 30;
/// Smallest and largest disk buffer, in bytes.
pub const SINK_DISK_MIN: usize = 1 << 20;
/// See [`SINK_DISK_MIN`].
pub const SINK_DISK_MAX: usize = 1 << 40;
/// How long what is in a disk buffer's files may be in the system's cache alone, unless the sink says otherwise.
pub const SINK_DISK_SYNC: Duration = Duration::from_secs(1);
/// A disk buffer has its records in this many files at least when it is full: one is deleted when all of its records
/// are delivered.
pub const SINK_DISK_FILES: usize = 16;
/// The largest of these files, in bytes, unless a single record is larger.
pub const SINK_DISK_FILE_BYTES: usize = 16 << 20;
/// Bytes that a disk buffer reads at a time.
pub const SINK_DISK_READ: usize = 256 << 10;
/// Records that are written to a disk buffer at a time.
pub const SINK_DISK_WRITE: usize = 8 << 10;
/// Bytes of a batch, unless the sink says otherwise; a larger record is a batch by itself.
pub const SINK_BATCH_BYTES: usize = 1 << 20;
/// Smallest and largest that a sink may ask for, in bytes: a batch is sent as one piece.
pub const SINK_BATCH_BYTES_MIN: usize = 1 << 10;
/// See [`SINK_BATCH_BYTES_MIN`].
pub const SINK_BATCH_BYTES_MAX: usize = 64 << 20;
/// Records of a batch, unless the sink says otherwise.
pub const SINK_BATCH_RECORDS: usize = 10_000;
/// The most that a sink may ask for.
pub const SINK_BATCH_RECORDS_MAX: i64 = 100_000;
/// How long a batch's first record waits for others, unless the sink says otherwise.
pub const SINK_BATCH_WAIT: Duration = Duration::from_secs(1);
/// How often a batch that is not full looks for records: workers wake a sink with the first record only.
pub const SINK_TICK: Duration = Duration::from_millis(10);
/// One request of a sink, or the wait for its peer to connect or to take more, unless the sink says otherwise.
pub const SINK_TIMEOUT: Duration = Duration::from_secs(10);
/// Pause before a delivery that failed is tried again; it doubles with each failure,
pub const SINK_RETRY_FIRST: Duration = Duration::from_millis(200);
/// up to this, unless the sink says otherwise,
pub const SINK_RETRY_WAIT: Duration = Duration::from_secs(30);
/// for so long, unless the sink says otherwise.
pub const SINK_GIVE_UP: Duration = Duration::from_secs(10 * 60);
/// The longest `Retry-After` that a sink waits for.
pub const SINK_RETRY_AFTER: Duration = Duration::from_secs(10 * 60);
/// What a peer that acknowledges nothing (TCP) was sent is sent again if the connection ends within this time.
pub const SINK_DOUBT: Duration = Duration::from_secs(1);
/// The smallest size, in bytes, at which a sink may be asked to begin another file.
pub const SINK_ROTATE_MIN: usize = 64 << 10;
/// Files that it keeps besides, unless it says otherwise.
pub const SINK_ROTATE_KEEP: u32 = 5;
/// The most that it may ask for: all of them are renamed each time.
pub const SINK_ROTATE_KEEP_MAX: i64 = 1_000;
/// Header fields that an HTTP sink may add.
pub const SINK_HEADERS: usize = 64;
/// Bytes of an answer that are read so that its connection can be used again.
pub const SINK_ANSWER_BYTES: usize = 64 << 10;
/// Bytes that an answer may have for each record, where it says what became of each.
pub const SINK_ANSWER_RECORD_BYTES: usize = 2 << 10;
/// Bytes of an answer that a log line shows.
pub const SINK_ANSWER_SHOWN: usize = 200;
/// Largest record that goes into a datagram, in bytes: what UDP carries, less the head of a syslog message.
pub const SINK_DATAGRAM_BYTES: usize = 65_000;
/// How long a unix socket is sent datagrams before it is looked up at its path again: another may have been put there.
pub const SINK_SOCKET_TIME: Duration = Duration::from_secs(1);
/// Addresses of a sink's name that are tried in turn.
pub const SINK_ADDRESSES: usize = 4;
/// A sink says no more often than this that it fails, and that records are lost.
pub const SINK_LOG_INTERVAL: Duration = Duration::from_secs(10);
/// A sink that is configured no more has this long to deliver what it still has.
pub const SINK_REMOVED_TIME: Duration = Duration::from_secs(30);
/// The longest pause between the attempts of a sink that is closed, whatever it or its peer asked for.
pub const SINK_LAST_PAUSE: Duration = Duration::from_millis(500);
/// When the gateway stops, all sinks have this long.
pub const SINK_END: Duration = Duration::from_secs(5);
/// Sinks that have metrics of their own, those that are no more included; the rest share one.
pub const METRIC_SINKS: usize = 1_000;
