//! `bench memory`: what the gateway keeps of bodies on their way, and for idle clients.
//!
//! Client and upstream are in this process; the gateway is a new one for every row,
//! so that no row sees what another left behind.

mod idle;
mod stream;

use std::{net::TcpListener, time::Duration};

use anyhow::{Context as _, Result};
use serde_json::{Value, json};
use tokio::time::timeout;

use self::stream::{Framing, Way};
use super::{
    Bench,
    peers::{self, Log, Peer},
    process::Cores,
    table::Table,
};
use crate::{procfs, server};

/// Measures everything, prints it, and gives all figures.
pub(super) fn run(bench: &Bench) -> Result<Value> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.context("cannot start the runtime")?.block_on(measure(bench))
}

async fn measure(bench: &Bench) -> Result<Value> {
    let listener = TcpListener::bind(("127.0.0.1", 0)).context("no free port")?;
    let upstream = listener.local_addr().context("no free port")?.port();
    let _upstream = server::start(listener, stream::answer)?;

    println!("\nstreaming {} MiB each way, past a reader that begins slowly and pauses", stream::BYTES >> 20);
    let mut table = Table::new(["body", "seconds", "peak growth MiB", "growth MiB"].map(str::to_owned).to_vec());
    let mut streams = Vec::new();
    for (way, framing) in stream::ALL {
        let streamed = stream(bench, upstream, way, framing).await?;
        table.row(streamed.cells(way, framing));
        streams.push(streamed.json(way, framing));
    }
    println!("{table}");

    let gateway = gateway(bench, upstream)?;
    let (port, worker) = (gateway.port, gateway.worker);
    // On a thread of its own: the upstream needs this one.
    let idle = tokio::task::spawn_blocking(move || idle::measure(port, worker)).await.context("it broke off")??;
    println!("{}", idle.describe());
    Ok(json!({ "streams": streams, "idle": idle.json() }))
}

fn gateway(bench: &Bench, upstream: u16) -> Result<Peer> {
    idle::raise_file_limit()?;
    peers::tidegate(bench, "tidegate-memory", upstream, Log::Off, Cores::Any)
}

/// What one body took.
struct Streamed {
    took: Duration,
    /// In KiB, above what was resident before.
    peak_growth: u64,
    growth: i64,
}

async fn stream(bench: &Bench, upstream: u16, way: Way, framing: Framing) -> Result<Streamed> {
    let gateway = gateway(bench, upstream)?;
    let context = || format!("{} ({})", way.name(), framing.name());
    // Connections and first allocations are not the body's.
    timeout(STREAM_DEADLINE, stream::small(gateway.port)).await.context("no answer in time").and_then(|it| it)?;
    // Where the kernel cannot, the peak includes the gateway's start.
    let _ = procfs::forget_peak(gateway.worker);
    let before = procfs::memory(gateway.worker)?;
    let streamed = timeout(STREAM_DEADLINE, stream::run(gateway.port, way, framing)).await;
    let took = streamed.context("not done in time").and_then(|it| it).with_context(context)?;
    let after = procfs::memory(gateway.worker)?;
    Ok(Streamed {
        took,
        peak_growth: after.peak.saturating_sub(before.resident),
        growth: after.resident.cast_signed() - before.resident.cast_signed(),
    })
}

impl Streamed {
    fn cells(&self, way: Way, framing: Framing) -> Vec<String> {
        vec![
            format!("{}, {}", way.name(), framing.name()),
            format!("{:.1}", self.took.as_secs_f64()),
            format!("{:.1}", self.peak_growth as f64 / 1024.0),
            format!("{:.1}", self.growth as f64 / 1024.0),
        ]
    }

    fn json(&self, way: Way, framing: Framing) -> Value {
        json!({
            "way": way.name(),
            "framing": framing.name(),
            "bytes": stream::BYTES,
            "seconds": self.took.as_secs_f64(),
            "peak_growth_kib": self.peak_growth,
            "growth_kib": self.growth,
        })
    }
}

/// A gateway that moves 10 MiB a second is in time.
const STREAM_DEADLINE: Duration = Duration::from_secs(120);
