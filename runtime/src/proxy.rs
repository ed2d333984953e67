//! The way of a request. Read downward: a worker accepts a connection, hyper serves it, and `exchange` takes each
//! request through its phases.

mod accept;
mod answer;
mod attempt;
mod body;
mod client_io;
mod connection;
mod connector;
mod exchange;
mod forward;
mod hooks;
mod http1;
mod intake;
pub mod observer;
mod ongoing;
pub(crate) mod path;
mod patience;
mod pool;
mod preface;
pub mod proxy_protocol;
mod refusal;
pub mod route;
mod signal;
mod stream;
mod tunnel;
mod upstream;
mod wire;
pub mod worker;
