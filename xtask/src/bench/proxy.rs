//! `bench proxy`: what a request costs in Tidegate and in nginx.
//!
//! Load, proxies and upstream share one core, so that none of them waits for another
//! core to wake up. The proxies take turns within each round, and a ratio compares two
//! turns of one round: a machine's mood then touches both.

mod figures;
mod perf;
mod wrk;

use std::{
    fs::{File, OpenOptions},
    io::Read as _,
    path::Path,
    process::Command,
    thread::sleep,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, ensure};
use serde_json::{Value, json};

use self::{
    figures::{Contender, Round},
    wrk::Load,
};
use super::{
    Bench,
    peers::{self, Log, Peer},
    process::Cores,
};
use crate::{procfs, setup::programs::Program};

/// Measures all sets, prints their tables, and gives all figures.
pub(super) fn run(bench: &Bench) -> Result<Value> {
    let core = procfs::first_core()?;
    let counters = perf::detect();
    println!("{}", counters.describe());
    println!(
        "all on core {core}, {} connections; each proxy {} x {} s, in turn",
        wrk::CONNECTIONS,
        bench.rounds,
        bench.round.as_secs(),
    );
    let upstream = peers::upstream(bench, Cores::One(core))?;
    upstream.check()?;
    let mut sets = Vec::new();
    for set in &SETS {
        let contenders = measure(bench, set, &upstream, core, counters)?;
        println!("\n{}\n{}", set.name, figures::table(&contenders));
        print!("{}", figures::ratios(&contenders));
        sets.push(json!({ "name": set.name, "proxies": figures::json(&contenders) }));
    }
    Ok(json!({
        "nginx": nginx_version(),
        "core": core,
        "connections": wrk::CONNECTIONS,
        "round_seconds": bench.round.as_secs(),
        "sets": sets,
    }))
}

/// Proxies that are measured together.
struct Set {
    name: &'static str,
    /// The first is compared with each of the others.
    entries: &'static [(&'static str, Kind, Log)],
}

#[derive(Clone, Copy)]
enum Kind {
    Tidegate,
    Nginx,
    /// With all the fields that Tidegate adds.
    NginxAlike,
}

const SETS: [Set; 2] = [
    Set {
        name: "without access log",
        entries: &[
            ("tidegate", Kind::Tidegate, Log::Off),
            ("nginx", Kind::Nginx, Log::Off),
            ("nginx-same-fields", Kind::NginxAlike, Log::Off),
        ],
    },
    Set {
        name: "with access log, to a file",
        entries: &[
            ("tidegate", Kind::Tidegate, Log::File),
            ("nginx", Kind::Nginx, Log::File),
            ("nginx-buffered", Kind::Nginx, Log::Buffered),
            ("nginx-same-fields-buffered", Kind::NginxAlike, Log::Buffered),
        ],
    },
];

fn measure(bench: &Bench, set: &Set, upstream: &Peer, core: u32, counters: perf::Counters) -> Result<Vec<Contender>> {
    println!();
    let mut contenders = Vec::new();
    for (name, kind, log) in set.entries {
        let start = match kind {
            Kind::Tidegate => peers::tidegate,
            Kind::Nginx => peers::nginx,
            Kind::NginxAlike => peers::nginx_alike,
        };
        let peer = start(bench, name, upstream.port, *log, Cores::One(core))?;
        peer.check()?;
        wrk::run(&Load {
            peer: &peer,
            room: &bench.room("load")?,
            core,
            time: WARM_UP,
            counters: perf::Counters::None,
        })
        .with_context(|| format!("warming up {name}"))?;
        contenders.push(Contender { name, peer, rounds: Vec::new() });
    }
    for number in 1..=bench.rounds {
        let mut shown = Vec::new();
        for contender in &mut contenders {
            let load = Load { peer: &contender.peer, room: &bench.room("load")?, core, time: bench.round, counters };
            let round = round(&load).with_context(|| format!("loading {}", contender.name))?;
            shown.push(format!("{} {:.1}", contender.name, round.cpu_microseconds()));
            contender.rounds.push(round);
        }
        println!("{}, round {number} of {}: {} µs/request", set.name, bench.rounds, shown.join(", "));
    }
    Ok(contenders)
}

fn round(load: &Load<'_>) -> Result<Round> {
    let peer = load.peer;
    if let Some(log) = &peer.log {
        settle(log)?;
        // What is done with is not kept: a round's lines are a hundred megabytes.
        let file = OpenOptions::new().write(true).open(log);
        file.and_then(|file| file.set_len(0)).with_context(|| format!("cannot empty {}", log.display()))?;
    }
    let before = procfs::cpu_time(peer.worker)?;
    let (report, counts) = wrk::run(load)?;
    let log_lines = match &peer.log {
        Some(log) => {
            settle(log)?;
            Some(lines(log)?)
        }
        None => None,
    };
    // After the log is written: what a proxy puts off is still its own.
    let cpu = procfs::cpu_time(peer.worker)?.saturating_sub(before);
    ensure!(!cpu.is_zero(), "the worker took no time at all, so it is not the one that served");
    Ok(Round { report, cpu, counts, log_lines, resident: procfs::memory(peer.worker)?.resident })
}

/// Waits until nothing more is written to `log`.
fn settle(log: &Path) -> Result<()> {
    let size = || log.metadata().map(|file| file.len()).with_context(|| format!("cannot read {}", log.display()));
    let start = Instant::now();
    let mut before = size()?;
    while start.elapsed() < SETTLE_DEADLINE {
        sleep(SETTLED);
        let now = size()?;
        if now == before {
            return Ok(());
        }
        before = now;
    }
    Ok(())
}

fn lines(log: &Path) -> Result<u64> {
    let context = || format!("cannot read {}", log.display());
    let mut file = File::open(log).with_context(context)?;
    let mut piece = vec![0; 1 << 20];
    let mut lines = 0;
    loop {
        let read = file.read(&mut piece).with_context(context)?;
        if read == 0 {
            return Ok(lines);
        }
        lines += piece[..read].iter().filter(|byte| **byte == b'\n').count() as u64;
    }
}

fn nginx_version() -> String {
    let Some(program) = Program::Nginx.find() else { return String::new() };
    let said = Command::new(program).arg("-v").output().map(|output| output.stderr).unwrap_or_default();
    let said = String::from_utf8_lossy(&said);
    said.trim().trim_start_matches("nginx version: ").to_owned()
}

const WARM_UP: Duration = Duration::from_secs(1);
/// Beyond the 100 ms for which either side holds lines back.
const SETTLED: Duration = Duration::from_millis(300);
const SETTLE_DEADLINE: Duration = Duration::from_secs(10);
