//! The side of the clients: which versions of HTTP and TLS they may speak, who they are believed to be, how they are
//! held to limits, and how they are sent away.

mod certificates;
mod drain;
mod exchanges;
mod heads;
mod limits;
mod proxied;
mod silent;
mod strangers;
mod timeouts;
mod tls;
mod versions;

use std::net::SocketAddr;

use crate::harness::certs::Authority;
use crate::harness::gateway::folder;
use crate::harness::{Gateway, one_route};

/// One worker, so that all connections share what a worker has.
const ONE_WORKER: &str = "workers = 1\nlisteners = [{ address = \"127.0.0.1:0\" }]\n";

/// A gateway that is `localhost` by the word of `authority`, with everything routed to `upstream`; `listener` and `tls`
/// go into the tables of these names.
async fn over_tls(authority: &Authority, upstream: SocketAddr, listener: &str, tls: &str) -> Gateway {
    let config = format!(
        "[[listeners]]\naddress = \"127.0.0.1:0\"\n{listener}\n\
         [listeners.tls]\ncertificates = [{{ cert = \"server.pem\", key = \"server.key\" }}]\n{tls}\n{}",
        one_route(upstream, "")
    );
    let folder = folder(&config, &[]);
    authority.server(&["localhost"]).write(folder.path(), "server");
    Gateway::start_in(folder).await
}
