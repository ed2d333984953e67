//! Tidegate, the gateway. A request's way, each line one call:
//!
//! ```text
//! proxy/accept.rs      a permit, then a connection
//! proxy/connection.rs  hyper reads requests off it
//! proxy/exchange.rs    one request, all its phases - start reading here
//!   proxy/path.rs        the one reading of its path
//!   proxy/route.rs       host, path, method -> route
//!   host/chain.rs        request hooks, in order
//!   proxy/forward.rs     the request, rewritten for the upstream
//!   proxy/upstream.rs    target, connection, response head
//!   host/chain.rs        response hooks, in reverse order
//! proxy/body.rs        bodies, streamed both ways
//! ```
//!
//! Each worker thread does all of that by itself ([`proxy::worker`]); what they share is one immutable
//! [`snapshot::Snapshot`], which [`gateway::Gateway`] builds from [`config`] and replaces as a whole.

#![cfg_attr(
    not(test),
    warn(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic, clippy::unreachable)
)]

mod balance;
pub mod config;
pub mod error;
pub mod gateway;
mod hop_by_hop;
pub mod host;
pub mod identity;
pub mod limits;
mod listeners;
pub mod proxy;
pub mod snapshot;
mod watch;
