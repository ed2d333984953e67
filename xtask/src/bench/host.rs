//! `bench plugins`: what it takes to start with many plugins, and what each of them, and each use, holds in memory.

use std::{
    fmt::Write as _,
    fs,
    io::{Read as _, Write as _},
    net::TcpStream,
    path::Path,
    thread::sleep,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, ensure};
use serde_json::{Value, json};

use super::{
    Bench,
    process::{Cores, Process, command, free_port},
    spread::Spread,
    table::Table,
};
use crate::procfs;

/// Measures everything, prints it, and gives all figures. `plugin` is a built plugin whose `config` takes `key_names`.
pub(super) fn run(bench: &Bench, plugin: &Path) -> Result<Value> {
    let wasm = fs::read(plugin).with_context(|| format!("cannot read {}", plugin.display()))?;
    let starts = starts(bench, &wasm)?;
    let memory = memory(bench, &wasm)?;
    Ok(json!({ "starts": starts, "memory": memory }))
}

/// From the start of the process to its first answer.
fn starts(bench: &Bench, wasm: &[u8]) -> Result<Value> {
    let room = bench.room("plugins-start")?;
    write_plugins(&room, wasm, PLUGINS)?;
    let mut rounds = [Vec::new(), Vec::new(), Vec::new()];
    for _ in 0..bench.rounds {
        let [none, cold, warm] = &mut rounds;
        none.push(start(bench, &room, &Told { components: 0, routes: 1, uses: 0 })?);
        super::remove(&room.join("cache"))?;
        let all = Told { components: PLUGINS, routes: 1, uses: PLUGINS };
        cold.push(start(bench, &room, &all)?);
        warm.push(start(bench, &room, &all)?);
    }
    println!("\nstarting with {PLUGINS} plugins of {} KiB, one worker", wasm.len() / 1024);
    let mut table = Table::new(["start", "ms", "of which for plugins"].map(str::to_owned).to_vec());
    let [none, cold, warm] = rounds.map(Spread::of);
    let none = none.context("no rounds")?;
    let mut figures = json!({ "none_ms": none.json() });
    table.row(vec!["without plugins".to_owned(), none.shown(0), String::new()]);
    for (name, spread) in [("compiling all", cold), ("compiled before", warm)] {
        let spread = spread.context("no rounds")?;
        table.row(vec![name.to_owned(), spread.shown(0), format!("{:.0}", spread.median - none.median)]);
        figures[name] = spread.json();
    }
    println!("{table}");
    Ok(figures)
}

/// In milliseconds.
fn start(bench: &Bench, room: &Path, told: &Told) -> Result<f64> {
    let begun = Instant::now();
    let (_process, took) = serve(bench, room, told, begun)?;
    Ok(took.as_secs_f64() * 1_000.0)
}

/// What one configured instance holds, and what another use of the same component adds.
fn memory(bench: &Bench, wasm: &[u8]) -> Result<Value> {
    let room = bench.room("plugins-memory")?;
    write_plugins(&room, wasm, 1)?;
    let resident = |uses| {
        let (process, _) = serve(bench, &room, &Told { components: 1, routes: USES, uses }, Instant::now())?;
        // Whatever the start has left to be freed is freed.
        sleep(SETTLED);
        Ok::<_, anyhow::Error>((procfs::memory(process.id())?.resident, procfs::code(process.id())?))
    };
    // Compiled by the first, which is not what is measured.
    resident(1)?;
    let (none, one, many) = (resident(0)?, resident(1)?, resident(USES)?);
    ensure!(many.0 > one.0, "{USES} instances take no memory at all");
    let per_use = (many.0 - one.0) as f64 / (USES - 1) as f64;
    println!("{USES} routes, one worker, instances idle");
    let mut table =
        Table::new(["uses, each with its own config", "RSS MiB", "KiB of code"].map(str::to_owned).to_vec());
    for (uses, (resident, code)) in [(0, none), (1, one), (USES, many)] {
        table.row(vec![uses.to_string(), format!("{:.1}", resident as f64 / 1024.0), code.to_string()]);
    }
    println!("{table}each further one, with an instance of its own: {per_use:.0} KiB");
    Ok(json!({
        "uses": USES,
        "resident_kib": { "none": none.0, "one": one.0, "all": many.0 },
        "code_kib": { "none": none.1, "one": one.1, "all": many.1 },
        "kib_per_use": per_use,
    }))
}

/// What the gateway is told to serve.
struct Told {
    components: usize,
    routes: usize,
    /// Of the routes, or, with a single one, of plugins on it.
    uses: usize,
}

impl Told {
    fn config(&self, port: u16) -> String {
        let mut config = format!(
            "workers = 1\nplugin_cache = \"cache\"\nlisteners = [{{ address = \"127.0.0.1:{port}\" }}]\n\
             access_log = {{ enabled = false }}\n"
        );
        for number in 0..self.components {
            _ = writeln!(config, "[components.p{number}]\npath = \"{number}.wasm\"");
        }
        config += "[[services]]\nname = \"s\"\nurl = \"http://127.0.0.1:9\"\n";
        for route in 0..self.routes {
            _ = writeln!(config, "[[services.routes]]\nname = \"r{route}\"\npaths = [\"/{route}\"]\nplugins = [");
            let uses = if self.routes == 1 { 0..self.uses } else { route..self.uses.min(route + 1) };
            for number in uses {
                let component = number % self.components;
                _ = writeln!(config, "  {{ use = \"p{component}\", config = {{ key_names = [\"key-{number}\"] }} }},");
            }
            config += "]\n";
        }
        config
    }
}

/// Copies of a plugin, each a component of its own: an unknown section tells them apart.
fn write_plugins(room: &Path, wasm: &[u8], count: usize) -> Result<()> {
    for number in 0..count {
        let number_byte = u8::try_from(number).context("too many plugins")?;
        let mut copy = wasm.to_vec();
        // A custom section of three bytes: a name of one, and the number.
        copy.extend([0, 3, 1, b'n', number_byte]);
        let file = room.join(format!("{number}.wasm"));
        fs::write(&file, copy).with_context(|| format!("cannot write {}", file.display()))?;
    }
    Ok(())
}

/// A gateway that answers, and how long that took since `begun`.
fn serve(bench: &Bench, room: &Path, told: &Told, begun: Instant) -> Result<(Process, Duration)> {
    let port = free_port()?;
    let file = room.join("gateway.toml");
    fs::write(&file, told.config(port)).with_context(|| format!("cannot write {}", file.display()))?;
    let mut command = command(&bench.gateway, Cores::Any);
    command.args(["run", "--config", "gateway.toml"]).current_dir(room).env_remove("TIDEGATE_LOG");
    let mut process = Process::start("tidegate", command, room)?;
    // More closely than `listens` looks, which is here for a gateway that ends.
    while TcpStream::connect(("127.0.0.1", port)).is_err() && begun.elapsed() < CLOSE_LOOK {
        sleep(Duration::from_millis(1));
    }
    process.listens(port)?;
    answers(port).with_context(|| format!("the gateway does not answer{}", process.last_lines()))?;
    Ok((process, begun.elapsed()))
}

/// Connections are accepted before the plugins are there, and answered after.
fn answers(port: u16) -> Result<()> {
    let mut stream = TcpStream::connect(("127.0.0.1", port))?;
    stream.set_read_timeout(Some(ANSWER_DEADLINE))?;
    stream.write_all(b"GET /nowhere HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")?;
    let mut status = [0; b"HTTP/1.1 404".len()];
    stream.read_exact(&mut status)?;
    ensure!(status == *b"HTTP/1.1 404", "it answers {:?}", String::from_utf8_lossy(&status));
    Ok(())
}

const PLUGINS: usize = 20;
const USES: usize = 1_000;
const CLOSE_LOOK: Duration = Duration::from_secs(20);
const ANSWER_DEADLINE: Duration = Duration::from_secs(60);
const SETTLED: Duration = Duration::from_secs(1);
