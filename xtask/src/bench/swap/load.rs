//! Clients that ask one request after the other, on threads of their own, and remember how long each took.

use std::{
    collections::HashSet,
    thread::JoinHandle,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result};
use serde_json::{Value, json};
use tokio::task::{JoinSet, spawn_blocking};

use crate::client::Connection;

/// A load under way.
pub(super) struct Load(JoinHandle<Result<Vec<Seen>>>);

/// What one client has seen.
#[derive(Default)]
struct Seen {
    took: Vec<Duration>,
    failed: usize,
    versions: HashSet<String>,
}

/// What all of them have seen.
pub(super) struct Latencies {
    pub(super) requests: usize,
    pub(super) failed: usize,
    pub(super) versions: usize,
    p50: Duration,
    pub(super) p99: Duration,
    slowest: Duration,
}

impl Load {
    /// Ask for `path` until this long from now.
    pub(super) fn start(port: u16, path: &'static str, length: Duration) -> Self {
        Self(std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
            runtime.block_on(async move {
                let end = Instant::now() + length;
                let mut clients = JoinSet::new();
                for _ in 0..CLIENTS {
                    clients.spawn(client(port, path, end));
                }
                Ok(clients.join_all().await)
            })
        }))
    }

    /// Wait for its end.
    pub(super) async fn end(self) -> Result<Latencies> {
        let joined = spawn_blocking(move || self.0.join()).await.context("the load broke off")?;
        let seen = joined.map_err(|_| anyhow::anyhow!("the load broke off"))??;
        let failed = seen.iter().map(|seen| seen.failed).sum();
        let versions: HashSet<&String> = seen.iter().flat_map(|seen| &seen.versions).collect();
        let mut took: Vec<Duration> = seen.iter().flat_map(|seen| &seen.took).copied().collect();
        took.sort_unstable();
        let at = |share: f64| took.get((took.len() as f64 * share) as usize).copied().unwrap_or_default();
        let slowest = took.last().copied().unwrap_or_default();
        let (requests, versions) = (took.len(), versions.len());
        Ok(Latencies { requests, failed, versions, p50: at(0.5), p99: at(0.99), slowest })
    }
}

async fn client(port: u16, path: &str, end: Instant) -> Seen {
    let mut seen = Seen::default();
    let mut open = None;
    while Instant::now() < end {
        let begun = Instant::now();
        let connection = match open.take() {
            Some(connection) => Ok(connection),
            None => Connection::open(port).await,
        };
        let Ok(mut connection) = connection else {
            seen.failed += 1;
            continue;
        };
        match connection.get(path, &[]).await {
            Ok(answer) if answer.status.is_success() => {
                seen.took.push(begun.elapsed());
                if let Some(version) = answer.header("x-release").filter(|version| !seen.versions.contains(*version)) {
                    seen.versions.insert(version.to_owned());
                }
                open = Some(connection);
            }
            _ => seen.failed += 1,
        }
    }
    seen
}

impl Latencies {
    pub(super) fn describe(&self) -> String {
        let Self { requests, failed, p50, p99, slowest, .. } = self;
        let [p50, p99, slowest] = [p50, p99, slowest].map(|time| time.as_micros());
        format!("{requests} requests, {failed} failed; p50 {p50} µs, p99 {p99} µs, slowest {slowest} µs")
    }

    pub(super) fn json(&self) -> Value {
        let Self { requests, failed, versions, p50, p99, slowest } = self;
        let [p50, p99, slowest] = [p50, p99, slowest].map(|time| time.as_micros() as u64);
        json!({
            "requests": requests, "failed": failed, "versions": versions,
            "p50_us": p50, "p99_us": p99, "slowest_us": slowest,
        })
    }
}

/// Enough to keep two workers busy.
const CLIENTS: usize = 8;
