//! How one process of the gateway takes over from another without losing a client: the one that serves starts the other
//! (successor.rs), which is passed every listening socket and says when it is ready (predecessor.rs). They talk over a
//! socket that is the new one's standard input (channel.rs). Until the new one serves, the old one goes on or takes back.

mod channel;
mod predecessor;
mod program;
mod successor;

pub use predecessor::Arrival;
pub(crate) use program::Program;
pub(crate) use successor::{Event, Successor};

/// Names, to the new process, the one that it takes over from.
const VARIABLE: &str = "TIDEGATE_PREDECESSOR";
