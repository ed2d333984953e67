//! The side of the upstreams: how they are spoken to, which target gets a request, and what happens when one fails.

mod balance;
mod dead;
mod hashing;
mod health;
mod http2;
mod loops;
mod names;
mod probes;
mod protocols;
mod retries;

use std::fmt::Display;

use crate::harness::{Answer, Client};

/// A configuration with one worker, one upstream with these targets, each in quotes or a table, and everything routed
/// to it; `upstream` and `service` go into the tables of these names.
fn balanced(targets: &[String], upstream: &str, service: &str) -> String {
    format!(
        "workers = 1\nlisteners = [{{ address = \"127.0.0.1:0\" }}]\n\
         [[upstreams]]\nname = \"u\"\ntargets = [{}]\n{upstream}\n\
         [[services]]\nname = \"s\"\nurl = \"http://u\"\n{service}\n\
         [[services.routes]]\nname = \"r\"\npaths = [\"/\"]\n",
        targets.join(", ")
    )
}

fn quoted(address: impl Display) -> String {
    format!("\"{address}\"")
}

/// Who answered; "" if it was not an upstream.
fn server(answer: &Answer) -> String {
    if answer.status == 200 { answer.json()["upstream"].as_str().unwrap().to_owned() } else { String::new() }
}

/// Who answers `count` requests, one after the other.
async fn servers(client: &mut Client, count: usize) -> Vec<String> {
    let mut servers = Vec::new();
    for _ in 0..count {
        servers.push(server(&client.send("GET", "/", &[], "").await));
    }
    servers
}

fn share(servers: &[String], name: &str) -> usize {
    servers.iter().filter(|server| *server == name).count()
}
