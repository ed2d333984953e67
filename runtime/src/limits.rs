//! Every bound that is not in gateway.toml, with its unit and the reason for its size.

use std::time::Duration;

/// Largest gateway.toml: far above a million credentials, far below what would exhaust memory.
pub const CONFIG_BYTES: u64 = 256 << 20;
/// Faults that are shown with their lines; the rest is counted. Nobody mends more at a time.
pub const FAULTS_SHOWN: usize = 50;
/// Largest file that a `file:` secret may name.
pub const SECRET_BYTES: u64 = 64 << 10;
/// Largest plugin file.
pub const COMPONENT_BYTES: u64 = 64 << 20;

/// Guest time of one plugin call, unless the use says otherwise.
pub const PLUGIN_TIME: Duration = Duration::from_millis(10);
/// The most a use may allow: a worker serves nobody else meanwhile.
pub const PLUGIN_TIME_MAX: Duration = Duration::from_secs(1);
/// Time for `describe` and `configure`, which run while loading. After a trap, the next request on that worker waits
/// for a fresh instance to be configured.
pub const PLUGIN_LOAD_TIME: Duration = Duration::from_secs(2);
/// How often running guests look at the clock.
pub const EPOCH_TICK: Duration = Duration::from_millis(1);
/// Linear memory of one plugin instance, unless the use says otherwise.
pub const PLUGIN_MEMORY_BYTES: usize = 16 << 20;
/// One page: no component runs on less.
pub const PLUGIN_MEMORY_MIN: usize = 64 << 10;
/// All that a 32-bit guest can address.
pub const PLUGIN_MEMORY_MAX: usize = 4 << 30;
/// Stack of a guest; far below a worker thread's own.
pub const PLUGIN_STACK_BYTES: usize = 512 << 10;
/// Table elements of one instance; a plugin of this project's size has some hundreds.
pub const PLUGIN_TABLE_ELEMENTS: usize = 100_000;
/// Bytes of scratch that the plugins of one exchange may keep together.
pub const SCRATCH_BYTES: usize = 64 << 10;
/// Bytes that one host call, or the end of one, may carry into the gateway: bodies of replies are the largest.
pub const PLUGIN_CALL_BYTES: usize = 2 << 20;
/// Longest line that a plugin may log; the rest is cut.
pub const PLUGIN_LOG_BYTES: usize = 4 << 10;

/// Stack of a worker thread: room for the guest's and for hyper's own depth.
pub const WORKER_STACK_BYTES: usize = 4 << 20;
/// Pending connections that the kernel keeps per listener and worker.
pub const LISTEN_BACKLOG: i32 = 1024;
/// Connections that one worker serves at a time.
pub const CONNECTIONS_PER_WORKER: usize = 16_384;
/// Pause after a failed accept (out of file descriptors, mostly), so that the loop does not spin.
pub const ACCEPT_BACKOFF: Duration = Duration::from_millis(50);
/// A client has this long to send a request's head; it also ends idle keepalive connections (Kong: 60 s).
pub const CLIENT_HEAD_TIMEOUT: Duration = Duration::from_secs(60);
/// A peer that takes no byte for this long is given up, whatever it still acknowledges.
pub const PEER_STALL: Duration = Duration::from_secs(60);
/// The longest pause between two pieces of a request's body.
pub const CLIENT_BODY_IDLE: Duration = Duration::from_secs(60);
/// Read buffer of a client connection, which bounds the request's head; hyper may fill it up to twice over.
pub const CLIENT_HEAD_BYTES: usize = 64 << 10;
/// Read buffer of an upstream connection, which bounds the response's head in the same way.
pub const UPSTREAM_HEAD_BYTES: usize = 64 << 10;
/// Most header fields that plugins may make of a head; hyper takes 100 from a peer.
pub const HEADER_FIELDS: usize = 200;

/// Idle connections kept per target and worker (Kong: 512 in all).
pub const IDLE_CONNECTIONS: usize = 256;
/// How long one stays idle before it is closed (Kong: 60 s).
pub const IDLE_CONNECTION_TIME: Duration = Duration::from_secs(60);
/// How often a worker looks for those.
pub const IDLE_SWEEP: Duration = Duration::from_secs(5);
/// How long a connection whose response is over may take to be ready for the next request.
pub const REUSE_WAIT: Duration = Duration::from_secs(1);
/// Entries of a round-robin sequence; weights are scaled to fit.
pub const BALANCE_SLOTS: usize = 10_000;

/// Lines that wait to be written to the log; what comes on top is dropped.
pub const LOG_LINES: usize = 8_192;
/// How often the configuration's files are looked at.
pub const WATCH_INTERVAL: Duration = Duration::from_millis(200);
/// How many times in a row they may have changed again before what they say is taken all the same.
pub const WATCH_PATIENCE: u32 = 10;
/// How often it is looked whether an old generation is still in use.
pub const RETIRE_INTERVAL: Duration = Duration::from_millis(500);
/// Requests in flight have this long to end when the gateway stops.
pub const DRAIN_TIME: Duration = Duration::from_secs(30);
