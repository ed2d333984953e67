//! Bounds on how one process takes over from another.

use std::time::Duration;

/// A process that takes over has this long to serve, until the one before it goes on by itself.
pub const HANDOVER_TIME: Duration = Duration::from_mins(1);
/// In one that was taken over from, connections without a request have this long for one more.
pub const HANDOVER_IDLE: Duration = Duration::from_secs(10);
/// It waits this long for the deliveries of its disk buffers that are on their way.
pub const HANDOVER_SINKS: Duration = Duration::from_secs(5);
/// The one that takes over waits this long for an answer of the other's, which waits for its sinks meanwhile.
pub const HANDOVER_ANSWER: Duration = Duration::from_secs(30);
/// How often it is looked whether one that has closed its end has ended.
pub const HANDOVER_LOOK: Duration = Duration::from_millis(10);
/// Bytes of one message between the two.
pub const HANDOVER_MESSAGE: usize = 16 << 10;
/// Sockets that go with one message: Linux takes 253.
pub const HANDOVER_SOCKETS: usize = 200;
