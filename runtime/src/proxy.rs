//! The way of a request. Read downward: a worker accepts a connection, reads requests off it, and `exchange` takes each
//! request through its phases.

mod accept;
mod answer;
mod attempt;
mod body;
mod connection;
mod connector;
mod date;
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
mod serve_http1;
mod signal;
mod stamp;
mod stream;
mod timer;
mod tunnel;
mod upstream;
mod wire;
pub mod worker;
