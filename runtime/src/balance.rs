//! The live state of an upstream: which endpoints it has, which of them are well, and which one the next request goes
//! to. The configuration says the targets, name resolution their addresses, the data path picks and tells how it went,
//! the control plane runs `probe`. Health, counts and latency survive reloads and DNS changes.

mod clock;
mod endpoint;
mod health;
mod latency;
mod lineage;
mod probe;
mod set;
mod settings;
mod slots;
mod turns;
mod upstream;

use std::fmt;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;

pub use endpoint::{Endpoint, Failed, Pick, Status};
pub use health::{Forced, Standing};
pub use probe::probe;
pub use settings::{Active, Algorithm, HealthyWhen, Passive, Probe, Settings, UnhealthyWhen};
pub use upstream::{Resolution, TargetStatus, Upstream};

/// Where an endpoint listens.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Address {
    /// An address and a port.
    Tcp(SocketAddr),
    /// A socket's path.
    Unix(Arc<Path>),
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(address) => address.fmt(f),
            Self::Unix(path) => write!(f, "unix:{}", path.display()),
        }
    }
}

/// One target as configured.
#[derive(Debug, Clone)]
pub struct TargetSpec {
    /// As configured, "orders.internal:8080".
    pub name: Arc<str>,
    /// Share of the requests, relative to the other targets (Kong: 0 to 65535, default 100; 0 takes none).
    pub weight: u16,
    /// Where it is.
    pub at: At,
}

/// Where a target is.
#[derive(Debug, Clone)]
pub enum At {
    /// Here.
    Fixed(Address),
    /// Wherever its name leads: the addresses come by [`Upstream::resolved`].
    Named,
}

/// Why there is nobody to send a request to.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Nothing {
    /// No target has any weight.
    #[error("no target has any weight")]
    NoTarget,
    /// There are endpoints, but none may be used: not enough of the weight is healthy.
    #[error("none of {endpoints} endpoints can be used: not enough of them are healthy")]
    AllUnhealthy {
        /// How many have weight.
        endpoints: usize,
    },
    /// The targets' names lead nowhere.
    #[error("no target's name resolves: {0}")]
    Unresolved(
        /// What the first of them failed with.
        Arc<str>,
    ),
    /// Names are not resolved yet; [`Upstream::settled`] tells when.
    #[error("the targets' names are not resolved yet")]
    Pending,
}

#[cfg(test)]
mod tests;
