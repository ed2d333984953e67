//! Tidegate, the gateway. A request's way, each line one call:
//!
//! ```text
//! proxy/accept.rs      a permit, then a connection
//! proxy/connection.rs  reads requests off it
//! proxy/exchange.rs    one request, all its phases - start reading here
//!   proxy/intake.rs      the one reading of its head
//!   proxy/route.rs       host, path, method, headers -> route
//!   host/chain.rs        request hooks, in order
//!   proxy/upstream.rs    a target, and another if that fails
//!   proxy/attempt.rs     a connection, the request, the response's head
//!   host/chain.rs        response hooks, in reverse order
//! proxy/body.rs        bodies, streamed both ways
//! proxy/observer.rs    access log and metrics, whatever happened
//! ```
//!
//! Each worker thread does all of that by itself ([`proxy::worker`]); what they share is one immutable
//! [`snapshot::Snapshot`], which [`gateway::Gateway`] builds from [`config`] and replaces as a whole.

#![cfg_attr(
    not(test),
    warn(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic, clippy::unreachable)
)]

pub mod admin;
mod admin_client;
pub mod balance;
pub mod certificates;
pub mod component_files;
pub mod config;
pub mod crypto;
pub mod dns;
mod durable;
pub mod entities;
pub mod error;
mod file_limit;
pub mod gateway;
pub mod generations;
pub mod generations_command;
pub mod handover;
mod hop_by_hop;
pub mod host;
pub mod identity;
pub mod importing;
pub mod limits;
mod listeners;
pub mod logging;
pub mod observe;
pub mod plugin_tools;
pub mod proposal;
pub mod proxy;
pub mod snapshot;
pub mod store;
mod systemd;
pub mod tls;
pub mod transport;
pub mod upstreams;
mod watch;
