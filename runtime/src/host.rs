//! The plugin host: from a .wasm file to a hook called on an exchange. Everything wasmtime is in here.

mod bindings;
mod calls;
pub mod chain;
mod clock;
pub mod component;
mod deadline;
pub mod engine;
pub mod exchange;
mod instance;
pub mod library;
pub mod load;
pub mod plugin;
mod schema;
mod state;
mod wasi;
