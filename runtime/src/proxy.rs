//! The way of a request. Read downward: a worker accepts a connection, hyper serves it, and `exchange` takes each
//! request through its phases.

mod accept;
mod answer;
mod body;
mod connection;
mod connector;
mod exchange;
mod forward;
pub(crate) mod path;
mod pool;
pub mod route;
mod upstream;
pub mod worker;
