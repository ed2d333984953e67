//! Write plugins for the [Tidegate](https://github.com/tidegate/tidegate) API gateway: WebAssembly
//! components that look at requests and responses on their way through.
//!
//! A plugin is a type that holds its settings, and a trait for each moment at which it wants to be
//! asked. This one is complete:
//!
//! ```
//! use tidegate_sdk::prelude::*;
//!
//! #[derive(Config)]
//! struct Settings {
//!     /// Header that must be present.
//!     header: HeaderName,
//! }
//!
//! impl RequestHook for Settings {
//!     fn on_request(&self, request: &mut Request) -> Flow {
//!         if request.header(&self.header).is_some() {
//!             Flow::Next
//!         } else {
//!             Flow::reply(401).body("missing required header")
//!         }
//!     }
//! }
//!
//! export!(Settings: RequestHook);
//! # fn main() {}
//! ```
//!
//! Its `Cargo.toml` has this crate as the one dependency, and
//!
//! ```toml
//! [lib]
//! crate-type = ["cdylib", "rlib"] # the plugin, and the library that its tests link
//! ```
//!
//! Build it with `cargo build --release --target wasm32-wasip2` (once: `rustup target add
//! wasm32-wasip2`), and name the `.wasm` file in `gateway.toml`. `wasm32-wasip1` works as well.
//!
//! # Where to look
//!
//! - [`Config`]: settings, parsed once, with a schema from which the gateway explains mistakes.
//! - [`RequestHook`], [`ResponseHook`]: the hooks that most plugins are; [`Flow`]: what they decide.
//! - [`RequestBodyHook`], [`ResponseBodyHook`]: bodies piece by piece; [`LogHook`]: how it ended;
//!   [`TimerHook`]: what no request asks for.
//! - [`Request`], [`Response`]: read and edited by hooks; edits are sent in batches.
//! - [`HeaderEdits`], [`template`], [`query`]: what a config has prepared for them, texts that an exchange fills, and
//!   parameters.
//! - [`exchange`], [`identity`], [`counters`], [`places`], [`kv`], [`crypto`], [`metrics`], [`mod@log`]: what else the
//!   gateway offers every plugin; [`http`], [`secrets`] and [`sink`]: what it offers those that are granted it.
//! - [`subject`]: whom a request is counted for, for plugins that limit requests.
//! - [`export!`]: makes it all a plugin.
//! - [`testing`]: hooks under `cargo test`, on no gateway at all.
//!
//! # When a plugin fails
//!
//! A hook fails by returning an error, by an edit that the gateway refuses, or by a panic, whose
//! message is in the gateway's log. The client never sees the reason: it gets a 500, and nothing of
//! the request goes any further.

// What the macros expand to names the crate as plugins do.
#[cfg(test)]
extern crate self as tidegate_sdk;

#[doc(hidden)]
pub mod bindings;
mod config;
pub mod counters;
pub mod crypto;
mod edits;
pub mod exchange;
mod export;
mod flow;
mod header;
mod header_edits;
mod hook;
mod host;
pub mod http;
pub mod identity;
pub mod kv;
pub mod log;
pub mod metrics;
mod period;
pub mod places;
pub mod prelude;
pub mod query;
mod request;
mod response;
pub mod secrets;
pub mod sink;
pub mod subject;
pub mod template;
#[cfg(not(target_family = "wasm"))]
pub mod testing;

pub use config::Config;
pub use flow::{ChunkFlow, Failure, Flow, IntoChunkFlow, IntoFlow, Reply, Result};
pub use header::{HeaderName, HeaderValue, InvalidHeaderName};
pub use header_edits::{HeaderEdits, OpenValue};
pub use hook::{Chunk, LogHook, RequestBodyHook, RequestHook, ResponseBodyHook, ResponseHook, TimerHook};
pub use period::Period;
pub use request::Request;
pub use response::Response;

#[doc(no_inline)]
pub use schemars;
#[doc(no_inline)]
pub use serde;
pub use serde_json::json;

/// What the SDK's macros expand to. No part of the interface.
#[doc(hidden)]
pub mod __private {
    pub use crate::bindings;
    pub use crate::bindings::imports::tidegate::plugin::exchange::Outcome;
    pub use crate::export::hooks::{
        OnLog, OnRequest, OnRequestBody, OnResponse, OnResponseBody, OnTimer, Wants, returned, wants_log,
        wants_request, wants_request_body, wants_response, wants_response_body, wants_timer,
    };
    pub use crate::export::{Description, Exported, Settings, is_plugin};
    pub use crate::hook::{
        Chunk, run_on_log, run_on_request, run_on_request_body, run_on_response, run_on_response_body, run_on_timer,
    };
}

/// The guide for authors, whose examples are compiled like those above.
#[cfg(doctest)]
#[doc = include_str!("../../docs/writing-plugins.md")]
pub struct Guide;

/// The page for those who come from Kong, whose plugins are tested by the tests they have.
#[cfg(doctest)]
#[doc = include_str!("../../docs/coming-from-kong.md")]
pub struct ComingFromKong;
