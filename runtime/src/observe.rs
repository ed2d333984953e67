//! What the gateway tells about itself: a line per exchange, metrics, and the failures of late. Workers feed all of it
//! without waiting for anybody; the control plane writes it out and shows it.

pub mod access_log;
pub mod failures;
pub mod metrics;
pub mod record;

pub use record::{Attempt, Connection};
