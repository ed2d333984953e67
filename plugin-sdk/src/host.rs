//! The gateway's functions: imported ones in a plugin, the fake of [`testing`](crate::testing)
//! natively. Everything else in this crate calls them through here.

pub(crate) use crate::bindings::imports::tidegate::plugin::types;

#[cfg(target_family = "wasm")]
pub(crate) use crate::bindings::imports::tidegate::plugin::{
    client, counters, crypto, exchange, http_client, identity, kv, log, metrics, passwords, places, ready_edits,
    request, response, secrets, sink,
};

#[cfg(not(target_family = "wasm"))]
pub(crate) use crate::testing::host::{
    client, counters, crypto, exchange, http_client, identity, kv, log, metrics, passwords, places, ready_edits,
    request, response, secrets, sink,
};
