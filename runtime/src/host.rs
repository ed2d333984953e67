//! The plugin host: from a .wasm file to a hook called on an exchange. Everything wasmtime is in here.

pub mod activation;
mod bindings;
pub mod breaker;
mod calls;
pub mod catalogue;
pub mod chain;
mod clock;
pub mod component;
mod deadline;
pub mod engine;
pub mod exchange;
pub mod fetch;
pub mod grants;
mod hook;
mod image;
mod instance;
pub mod library;
pub mod load;
pub mod own_sink;
pub mod plugin;
pub mod plugin_use;
pub mod schema;
pub mod scratch;
pub mod services;
mod state;
mod timer;
mod wasi;
