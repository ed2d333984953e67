//! The real executable, from outside: started on a configuration of each test's own, talked to over loopback, stopped
//! by its process id. Run by `cargo xtask test`, which builds the plugins these tests use.

#![allow(unreachable_pub, reason = "nothing outside of a test binary could reach anything")]

mod access_log;
mod admin;
mod answers;
mod bad_input;
mod bodies;
mod bundled;
mod causes;
mod clients;
mod counting;
mod failures;
mod framing;
mod harness;
mod importing;
mod listening;
mod peers;
mod plugins;
mod proxying;
mod reload;
mod restart;
mod routing;
mod sinks;
mod upstreams;
