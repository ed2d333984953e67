//! Where what outlives generations is kept.

use std::time::Duration;

use crate::config::values::RedisUrl;

/// `[counters]`
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Counters {
    /// In this process: each gateway counts for itself.
    Memory,
    /// In Redis: all gateways that share it count together.
    Redis {
        /// Where it is, with its password.
        url: RedisUrl,
        /// The longest that a request waits for it.
        timeout: Duration,
        /// What becomes of hits that it has not decided.
        on_failure: OnOutage,
    },
}

/// What becomes of hits while Redis is not to be had.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OnOutage {
    /// They are counted in this process meanwhile.
    Local,
    /// They pass, uncounted (Kong: `fault_tolerant`).
    Open,
    /// They fail.
    Closed,
}
