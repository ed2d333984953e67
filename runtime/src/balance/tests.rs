//! What picking does, upstream by upstream; the clock stands still but for `advance`.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use super::clock::frozen::advance;
use super::*;

mod changes;
mod health;
mod spread;

const MS: Duration = Duration::from_millis(1);
const SECOND: Duration = Duration::from_secs(1);

fn address(port: u16) -> SocketAddr {
    ([10, 0, 0, 1], port).into()
}

fn fixed(port: u16, weight: u16) -> TargetSpec {
    TargetSpec { name: format!("t:{port}").into(), weight, at: At::Fixed(Address::Tcp(address(port))) }
}

fn named(name: &str, weight: u16) -> TargetSpec {
    TargetSpec { name: name.into(), weight, at: At::Named }
}

/// Targets on the ports 1, 2, … with these weights.
fn upstream(settings: Settings, weights: &[u16]) -> Upstream {
    let targets = (1..).zip(weights).map(|(port, weight)| fixed(port, *weight)).collect();
    // Stops the clock as well.
    advance(MS);
    Upstream::new("orders".into(), settings, targets, None)
}

fn by(algorithm: Algorithm) -> Settings {
    Settings { algorithm, ..Settings::default() }
}

/// One failure ejects for ten seconds.
fn strict(algorithm: Algorithm) -> Settings {
    Settings { passive: Some(Passive { failures: 1, ..Passive::default() }), ..by(algorithm) }
}

const ALGORITHMS: [Algorithm; 4] =
    [Algorithm::RoundRobin, Algorithm::LeastConnections, Algorithm::ConsistentHash, Algorithm::Latency];

fn port(endpoint: &Endpoint) -> u16 {
    match &endpoint.address {
        Address::Tcp(address) => address.port(),
        Address::Unix(_) => 0,
    }
}

fn at(upstream: &Upstream, wanted: u16) -> Arc<Endpoint> {
    upstream.endpoints().iter().find(|endpoint| port(endpoint) == wanted).unwrap().clone()
}

/// A pick of this very endpoint.
fn pick_of(upstream: &Upstream, wanted: u16) -> Pick {
    (0..10_000).map(|hash| upstream.pick(Some(hash), &[]).unwrap()).find(|pick| port(pick) == wanted).unwrap()
}

/// Ports of `count` picks, each over before the next.
fn picks(upstream: &Upstream, count: u64) -> Vec<u16> {
    (0..count).map(|hash| port(&upstream.pick(Some(hash), &[]).unwrap())).collect()
}

/// How often each port is picked.
fn counts(upstream: &Upstream, count: u64) -> BTreeMap<u16, usize> {
    let mut counts = BTreeMap::new();
    for port in picks(upstream, count) {
        *counts.entry(port).or_default() += 1;
    }
    counts
}

#[track_caller]
fn assert_near(count: usize, expected: usize) {
    let slack = (expected / 8).max(5);
    assert!(count.abs_diff(expected) <= slack, "{count} is not about {expected}");
}
