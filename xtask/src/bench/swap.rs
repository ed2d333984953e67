//! `bench swap`: how long a change takes to be served, what it costs those who are served meanwhile, and what many of
//! them leave behind.
//!
//! The gateway has 10,000 routes, one of them with a plugin that says which version it is. Every version that is uploaded
//! has bytes that were never seen before, and has to be seen in the answers.

mod load;

use std::{
    fs,
    net::TcpListener,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, ensure};
use hyper::body::Bytes;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};
use tokio::time::sleep;

use self::load::{Latencies, Load};
use super::{
    Bench,
    process::{Cores, Process, command, free_port},
    spread::Spread,
};
use crate::{client::Connection, echo, procfs, server};

/// Measures everything, prints it, and gives all figures. `plugin` answers with its name, "blue".
pub(super) fn run(bench: &Bench, plugin: &Path) -> Result<Value> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.context("cannot start the runtime")?.block_on(measure(bench, plugin))
}

async fn measure(bench: &Bench, plugin: &Path) -> Result<Value> {
    let listener = TcpListener::bind(("127.0.0.1", 0)).context("no free port")?;
    let upstream = listener.local_addr().context("no free port")?.port();
    let _upstream = server::start(listener, echo::echo)?;
    let gateway = Gateway::start(bench, plugin, upstream).await?;
    let mut versions = Versions::of(plugin)?;

    println!("\n{ROUTES} routes");
    let fresh = gateway.uploads(&mut versions, bench.rounds).await?;
    println!("one plugin changed, of bytes never seen   {} ms", fresh.shown(0));
    let cached = gateway.activations(bench.rounds).await?;
    println!("one plugin changed, compiled before       {} ms", cached.shown(0));
    let whole = gateway.rewrites(bench.rounds).await?;
    println!("all routes changed                        {} ms", whole.shown(0));

    let calm = gateway.loaded(None).await?;
    let swapped = gateway.loaded(Some(&mut versions)).await?;
    let ratio = swapped.p99.as_secs_f64() / calm.p99.as_secs_f64();
    println!("\n{SWAPS} swaps in {} s under load", LOADED.as_secs());
    println!("without   {}", calm.describe());
    println!("with      {}", swapped.describe());
    println!("p99 x {ratio:.2}, {} versions seen in answers", swapped.versions);
    ensure!(
        calm.failed == 0 && swapped.failed == 0,
        "requests failed: {} without, {} with",
        calm.failed,
        swapped.failed
    );
    ensure!(swapped.versions >= SWAPS, "only {} of {SWAPS} versions were seen", swapped.versions);

    let (early, late) = gateway.memory().await?;
    let growth = late as f64 / early as f64;
    println!("\nresident after {EARLY} reloads {early} KiB, after {LATE} {late} KiB: x {growth:.3}");
    Ok(json!({
        "routes": ROUTES,
        "fresh_ms": fresh.json(),
        "cached_ms": cached.json(),
        "all_routes_ms": whole.json(),
        "loaded": { "calm": calm.json(), "swaps": swapped.json(), "p99_ratio": ratio },
        "memory_kib": { "early": early, "late": late, "ratio": growth },
    }))
}

/// A gateway with an admin API.
struct Gateway {
    process: Process,
    folder: PathBuf,
    port: u16,
    admin: u16,
    upstream: u16,
}

impl Gateway {
    async fn start(bench: &Bench, plugin: &Path, upstream: u16) -> Result<Self> {
        let folder = bench.room("tidegate-swap")?;
        let (port, admin) = (free_port()?, free_port()?);
        fs::copy(plugin, folder.join("version.wasm")).context("no plugin to swap")?;
        fs::write(folder.join("gateway.toml"), configuration(port, admin, upstream, 0)).context("cannot write")?;
        let mut command = command(&bench.gateway, Cores::Any);
        command.arg("run").current_dir(&folder);
        let process = Process::start("tidegate", command, &folder)?;
        let gateway = Self { process, folder, port, admin, upstream };
        let begun = Instant::now();
        while Connection::open(port).await.is_err() {
            ensure!(begun.elapsed() < DEADLINE, "the gateway does not come to serve");
            sleep(Duration::from_millis(50)).await;
        }
        Ok(gateway)
    }

    /// The version that answers now.
    async fn version(&self) -> Result<String> {
        let answer = Connection::open(self.port).await?.get("/versioned", &[]).await?;
        answer.header("x-release").map(str::to_owned).context("the plugin says no version")
    }

    /// Have the plugin be this version, and wait until it answers.
    async fn upload(&self, version: &str, wasm: Bytes) -> Result<Duration> {
        let begun = Instant::now();
        let mut admin = Connection::open(self.admin).await?;
        let answer = admin.send("PUT", "/components/version", "application/wasm", wasm).await?;
        ensure!(answer.status.is_success(), "refused: {}", String::from_utf8_lossy(&answer.body));
        let (took, seen) = (begun.elapsed(), self.version().await?);
        ensure!(seen == version, "{seen} answers in place of {version}");
        Ok(took)
    }

    async fn uploads(&self, versions: &mut Versions, rounds: u32) -> Result<Spread> {
        let mut took = Vec::new();
        for _ in 0..rounds {
            let (version, wasm) = versions.next();
            took.push(milliseconds(self.upload(&version, wasm).await?));
        }
        Spread::of(took).context("no rounds")
    }

    /// Go back and forth between the last two versions, which are compiled.
    async fn activations(&self, rounds: u32) -> Result<Spread> {
        let mut took = Vec::new();
        for _ in 0..rounds {
            let mut admin = Connection::open(self.admin).await?;
            let told: Value = serde_json::from_slice(&admin.get("/components/version", &[]).await?.body)?;
            let now = told["sha256"].as_str().unwrap_or_default();
            let versions = told["versions"].as_array().context("no versions")?;
            let other =
                versions.iter().filter_map(|version| version["sha256"].as_str()).find(|version| *version != now);
            let path = format!("/components/version/versions/{}/activate", other.context("only one version")?);
            let before = self.version().await?;
            let begun = Instant::now();
            let answer = admin.send("POST", &path, "application/json", Bytes::new()).await?;
            took.push(milliseconds(begun.elapsed()));
            ensure!(answer.status.is_success(), "refused: {}", String::from_utf8_lossy(&answer.body));
            ensure!(self.version().await? != before, "the version is the same");
        }
        Spread::of(took).context("no rounds")
    }

    /// Write another file, say so, and wait for the generation.
    async fn rewrites(&self, rounds: u32) -> Result<Spread> {
        let mut took = Vec::new();
        for round in 1..=rounds {
            let before = self.generation().await?;
            let text = configuration(self.port, self.admin, self.upstream, round);
            let next = self.folder.join("gateway.toml.new");
            fs::write(&next, text).context("cannot write")?;
            fs::rename(next, self.folder.join("gateway.toml")).context("cannot write")?;
            let begun = Instant::now();
            self.hang_up()?;
            while self.generation().await? == before {
                ensure!(begun.elapsed() < DEADLINE, "no new generation in time");
                sleep(Duration::from_millis(2)).await;
            }
            took.push(milliseconds(begun.elapsed()));
        }
        Spread::of(took).context("no rounds")
    }

    fn hang_up(&self) -> Result<()> {
        let process = i32::try_from(self.process.id()).ok().and_then(Pid::from_raw).context("no such process")?;
        kill_process(process, Signal::HUP).context("cannot send SIGHUP")
    }

    async fn generation(&self) -> Result<u64> {
        let answer = Connection::open(self.admin).await?.get("/status", &[]).await?;
        let told: Value = serde_json::from_slice(&answer.body).context("no status")?;
        told["generation"].as_u64().context("no generation")
    }

    /// Load it, and swap the plugin meanwhile, if there are versions to swap in.
    async fn loaded(&self, versions: Option<&mut Versions>) -> Result<Latencies> {
        let load = Load::start(self.port, "/versioned", LOADED);
        if let Some(versions) = versions {
            let begun = Instant::now();
            for swap in 0..SWAPS {
                let (version, wasm) = versions.next();
                self.upload(&version, wasm).await?;
                let next = LOADED.mul_f64((swap + 1) as f64 / (SWAPS + 1) as f64);
                sleep(next.saturating_sub(begun.elapsed())).await;
            }
        }
        load.end().await
    }

    /// What is resident after a few reloads, and after many.
    async fn memory(&self) -> Result<(u64, u64)> {
        let mut early = 0;
        for reload in 1..=LATE {
            let mut admin = Connection::open(self.admin).await?;
            let body = format!("{{\"retries\": {}}}", reload % 2);
            let answer = admin.send("PATCH", "/services/s0", "application/json", body.into()).await?;
            ensure!(answer.status.is_success(), "refused: {}", String::from_utf8_lossy(&answer.body));
            if reload == EARLY {
                early = self.settled().await?;
            }
        }
        Ok((early, self.settled().await?))
    }

    /// What is resident once old generations have been let go.
    async fn settled(&self) -> Result<u64> {
        sleep(Duration::from_secs(3)).await;
        Ok(procfs::memory(self.process.id())?.resident)
    }
}

/// Versions of a plugin, each of bytes that nothing has seen before.
struct Versions {
    wasm: Vec<u8>,
    next: u32,
}

impl Versions {
    fn of(plugin: &Path) -> Result<Self> {
        let wasm = fs::read(plugin).context("no plugin to swap")?;
        ensure!(wasm.windows(NAME.len()).any(|bytes| bytes == NAME), "the plugin does not say that it is blue");
        // As no run before has had them, either.
        let next = std::process::id() % 9000;
        Ok(Self { wasm, next })
    }

    fn next(&mut self) -> (String, Bytes) {
        self.next += 1;
        let version = format!("{:04}", self.next % 10_000);
        let mut wasm = self.wasm.clone();
        let found: Vec<usize> =
            wasm.windows(NAME.len()).enumerate().filter(|(_, bytes)| *bytes == NAME).map(|(at, _)| at).collect();
        for at in found {
            wasm[at..at + NAME.len()].copy_from_slice(version.as_bytes());
        }
        (version, wasm.into())
    }
}

/// One listener, the admin API, and the routes; all of them are others with another `round`.
fn configuration(port: u16, admin: u16, upstream: u16, round: u32) -> String {
    let mut text = format!(
        "listeners = [{{ address = \"127.0.0.1:{port}\" }}]\nadmin = \"127.0.0.1:{admin}\"\n\
         access_log = {{ enabled = false }}\nplugin_cache = false\n\n[components.version]\npath = \"version.wasm\"\n"
    );
    for service in 0..SERVICES {
        text += &format!("\n[[services]]\nname = \"s{service}\"\nurl = \"http://127.0.0.1:{upstream}\"\n");
        for route in 0..ROUTES / SERVICES {
            text += &format!(
                "[[services.routes]]\nname = \"r{service}-{route}\"\npaths = [\"/v{round}/s{service}/r{route}\"]\n"
            );
        }
    }
    text + "[[services.routes]]\nname = \"versioned\"\npaths = [\"/versioned\"]\nplugins = [{ use = \"version\" }]\n"
}

fn milliseconds(time: Duration) -> f64 {
    time.as_secs_f64() * 1000.0
}

const ROUTES: usize = 10_000;
const SERVICES: usize = 100;
const SWAPS: usize = 200;
const LOADED: Duration = Duration::from_secs(60);
const EARLY: u32 = 20;
const LATE: u32 = 2_000;
/// What the plugin calls itself.
const NAME: &[u8] = b"blue";
/// Far beyond what anything here takes.
const DEADLINE: Duration = Duration::from_secs(60);
