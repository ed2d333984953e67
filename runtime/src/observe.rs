//! What the gateway tells about itself: a line per exchange, metrics, the failures of late, and the records that plugins
//! hand to sinks. Workers feed all of it without waiting for anybody; the control plane writes it out and shows it.

pub mod access_log;
mod appended;
pub mod failures;
pub mod metrics;
pub mod record;
pub mod sinks;

pub use record::{Attempt, Connection};
