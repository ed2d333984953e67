//! `cargo xtask soak`: minutes of load on a plugin that traps at random.
//!
//! In: how many minutes. Out: a verdict as exit code: each trap fails the request it
//! happened in and no other, and memory and its mappings are at the end what they were.

use std::{
    fs,
    net::TcpListener,
    process::ExitCode,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, bail, ensure};
use tokio::{task::JoinSet, time::sleep};

use crate::{
    client::Connection,
    echo,
    gateway::{Gateway, Output},
    plugins, procfs, server,
    setup::{self, Report},
    workspace::Workspace,
};

/// Builds everything, then loads the gateway for so many minutes.
pub(crate) fn run(workspace: &Workspace, arguments: &[&str]) -> Result<ExitCode> {
    let minutes: u64 = match arguments {
        [] => MINUTES,
        ["--minutes", number] => number.parse().context("`--minutes` is followed by a whole number")?,
        _ => bail!("`soak` takes `--minutes N` and nothing else"),
    };
    ensure!((1..=24 * 60).contains(&minutes), "`--minutes` is from 1 to a day's 1440");
    setup::run(workspace, Report::Changes)?;
    plugins::run(workspace)?;
    let program = workspace.build_gateway("release")?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let length = Duration::from_secs(60 * minutes);
    runtime.context("cannot start the runtime")?.block_on(soak(workspace, &program, length))
}

async fn soak(workspace: &Workspace, program: &std::path::Path, length: Duration) -> Result<ExitCode> {
    let upstream = TcpListener::bind("127.0.0.1:0").context("no port is free")?;
    let target = upstream.local_addr()?;
    // Free a moment ago; whoever takes it meanwhile is told by the gateway's start.
    let port = TcpListener::bind("127.0.0.1:0").context("no port is free")?.local_addr()?.port();
    let _upstream = server::start(upstream, echo::echo)?;

    let room = workspace.target.join("soak");
    fs::create_dir_all(&room).context("cannot make a folder for the soak")?;
    let guest = workspace.target.join("guests/faulty.wasm");
    let config = format!(
        "listeners = [{{ address = \"127.0.0.1:{port}\" }}]\naccess_log = {{ enabled = false }}\n\
         components = {{ faulty = {{ path = {guest:?} }} }}\n\
         plugins = [{{ use = \"faulty\", config = {{ traps_per_thousand = {TRAPS_PER_THOUSAND} }} }}]\n\
         services = [{{ name = \"s\", url = \"http://{target}\", routes = [{{ name = \"r\", paths = [\"/\"] }}] }}]\n"
    );
    fs::write(room.join("gateway.toml"), config).context("cannot write the soak's gateway.toml")?;
    let log = room.join("gateway.log");
    let mut gateway = Gateway::start(program, &room, Output::File(log.clone()))?;
    gateway.accepts(port, START_DEADLINE).await?;

    let (tally, samples) = load(&gateway, port, length).await?;
    gateway.stop().await?;
    let log = fs::read_to_string(&log).context("cannot read the gateway's log")?;
    let logged = log.lines().filter(|line| line.contains("\"code\":\"plugin_failed\"")).count() as u64;
    Ok(judge(&tally, logged, &samples))
}

/// What the answers said.
#[derive(Default)]
struct Tally {
    served: u64,
    /// 500 and `plugin_failed`.
    failed: u64,
    other: u64,
    /// The first few of the others.
    reasons: Vec<String>,
}

/// The process at a moment.
struct Sample {
    at: Duration,
    /// In KiB.
    resident: u64,
    mappings: usize,
}

async fn load(gateway: &Gateway, port: u16, length: Duration) -> Result<(Tally, Vec<Sample>)> {
    let begun = Instant::now();
    let tally = Arc::new(Mutex::new(Tally::default()));
    let mut workers = JoinSet::new();
    for _ in 0..CONNECTIONS {
        workers.spawn(work(port, begun + length, Arc::clone(&tally)));
    }
    let mut samples = Vec::new();
    while begun.elapsed() < length {
        sleep(SAMPLE).await;
        let resident = procfs::memory(gateway.id())?.resident;
        let mappings = procfs::mappings(gateway.id())?;
        samples.push(Sample { at: begun.elapsed(), resident, mappings });
    }
    while let Some(ended) = workers.join_next().await {
        ended.context("the load broke off")?;
    }
    let tally = std::mem::take(&mut *tally.lock().unwrap_or_else(PoisonError::into_inner));
    Ok((tally, samples))
}

/// One connection's requests, one after the other.
async fn work(port: u16, end: Instant, tally: Arc<Mutex<Tally>>) {
    let mut open = None;
    while Instant::now() < end {
        let answer = match open.take() {
            Some(connection) => Ok(connection),
            None => Connection::open(port).await,
        };
        let answer = match answer {
            Ok(mut connection) => {
                let answer = connection.get("/", &[]).await;
                open = Some(connection).filter(|_| answer.as_ref().is_ok_and(|answer| !answer.closes()));
                answer
            }
            Err(error) => Err(error),
        };
        let mut tally = tally.lock().unwrap_or_else(PoisonError::into_inner);
        match answer {
            Ok(answer) if answer.status == 200 => tally.served += 1,
            Ok(answer) if answer.header("x-gateway-error") == Some("plugin_failed") => tally.failed += 1,
            other => {
                tally.other += 1;
                let reason = other.map_or_else(|error| format!("{error:#}"), |answer| answer.status.to_string());
                if tally.reasons.len() < REASONS {
                    tally.reasons.push(reason);
                }
            }
        }
    }
}

fn judge(tally: &Tally, logged: u64, samples: &[Sample]) -> ExitCode {
    let length = samples.last().map_or(Duration::ZERO, |sample| sample.at);
    let window = (length / 6).min(Duration::from_secs(60));
    let mean = |from: Duration, to: Duration, of: fn(&Sample) -> f64| {
        let within: Vec<f64> = samples.iter().filter(|sample| (from..to).contains(&sample.at)).map(of).collect();
        within.iter().sum::<f64>() / within.len().max(1) as f64
    };
    let growth = |of: fn(&Sample) -> f64| {
        let (first, last) = (mean(WARM_UP, WARM_UP + window, of), mean(length - window, length, of));
        (first, last, last / first)
    };
    let total = tally.served + tally.failed + tally.other;
    let resident = growth(|sample| sample.resident as f64 / 1024.0);
    let mappings = growth(|sample| sample.mappings as f64);
    println!("{total} requests in {} s: {} served, {} failed by a trap", length.as_secs(), tally.served, tally.failed);
    let share = tally.failed as f64 / total.max(1) as f64;
    let checks = [
        (format!("failed in another way: {} {:?}", tally.other, tally.reasons), tally.other == 0),
        (format!("traps logged: {logged}, answers failed: {}", tally.failed), logged == tally.failed && logged > 0),
        (format!("share of traps: {:.2} %", 100.0 * share), (0.005..0.02).contains(&share)),
        (format!("resident: {:.1} -> {:.1} MiB, x {:.3}", resident.0, resident.1, resident.2), resident.2 <= FLAT),
        (format!("mappings: {:.0} -> {:.0}, x {:.3}", mappings.0, mappings.1, mappings.2), mappings.2 <= FLAT),
    ];
    for (told, ok) in &checks {
        println!("  {}: {told}", if *ok { "ok" } else { "FAILED" });
    }
    if checks.iter().all(|(_, ok)| *ok) { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

const MINUTES: u64 = 10;
const TRAPS_PER_THOUSAND: u64 = 10;
const CONNECTIONS: usize = 16;
const SAMPLE: Duration = Duration::from_millis(500);
const START_DEADLINE: Duration = Duration::from_secs(60);
/// The first moments are the allocator's and the pool's, which fill up once.
const WARM_UP: Duration = Duration::from_secs(20);
/// What the end may be of the beginning.
const FLAT: f64 = 1.05;
const REASONS: usize = 5;
