//! `cargo xtask bench`: what the gateway costs, beside nginx on the same machine.
//!
//! In: a scenario and how long to look. Out: a table for people, and the same figures
//! in `target/bench/<scenario>.json`. Everything that is started ends with us.

mod calls;
mod host;
mod memory;
mod peers;
mod process;
mod proxy;
mod spread;
mod swap;
mod table;

use std::{
    fs::{self, File, TryLockError},
    io::ErrorKind,
    path::{Path, PathBuf},
    process::ExitCode,
    time::Duration,
};

use anyhow::{Context as _, Result, bail};
use serde_json::{Value, json};

use crate::{
    plugins,
    setup::{
        self, Report,
        programs::{self, Program},
    },
    workspace::Workspace,
};

/// Runs what `arguments` ask for.
pub(crate) fn run(workspace: &Workspace, arguments: &[&str]) -> Result<ExitCode> {
    let options = Options::parse(arguments)?;
    let folder = workspace.target.join("bench");
    fs::create_dir_all(&folder).with_context(|| format!("cannot make {}", folder.display()))?;
    // Two at once would measure each other.
    let _alone = alone(&folder)?;
    programs::require(options.scenarios.programs())?;
    let gateway = match options.gateway {
        Some(file) => file.canonicalize().with_context(|| format!("no gateway at {}", file.display()))?,
        None => build(workspace)?,
    };
    let bench = Bench { gateway, folder: folder.clone(), rounds: options.rounds, round: options.round };
    let machine = machine();
    println!("{}", describe(&machine));

    let asked = |scenario| [Scenarios::All, scenario].contains(&options.scenarios);
    if asked(Scenarios::Proxy) {
        let figures = json!({ "machine": machine, "proxy": proxy::run(&bench)? });
        save(workspace, &folder.join("proxy.json"), &figures)?;
    }
    if asked(Scenarios::Memory) {
        let figures = json!({ "machine": machine, "memory": memory::run(&bench)? });
        save(workspace, &folder.join("memory.json"), &figures)?;
    }
    if asked(Scenarios::Plugins) {
        let plugin = workspace.target.join("plugins/key-auth.wasm");
        let calls = calls::run(&bench, &workspace.root.join("benches/plugins"), &workspace.target.join("plugins"))?;
        let figures = json!({ "machine": machine, "calls": calls, "plugins": host::run(&bench, &plugin)? });
        save(workspace, &folder.join("plugins.json"), &figures)?;
    }
    if asked(Scenarios::Swap) {
        let plugin = workspace.target.join("examples/blue.wasm");
        let figures = json!({ "machine": machine, "swap": swap::run(&bench, &plugin)? });
        save(workspace, &folder.join("swap.json"), &figures)?;
    }
    // Only whoever sees a run fail wants to read what the programs wrote.
    bench.tidy()?;
    Ok(ExitCode::SUCCESS)
}

/// What every scenario needs to know.
struct Bench {
    /// The gateway's executable.
    gateway: PathBuf,
    /// Where results and the programs' own folders go.
    folder: PathBuf,
    rounds: u32,
    /// How long one round loads one proxy.
    round: Duration,
}

impl Bench {
    /// A new, empty folder for a program.
    fn room(&self, name: &str) -> Result<PathBuf> {
        let room = self.rooms().join(name);
        remove(&room)?;
        fs::create_dir_all(&room).with_context(|| format!("cannot make {}", room.display()))?;
        Ok(room)
    }

    fn tidy(&self) -> Result<()> {
        remove(&self.rooms())
    }

    fn rooms(&self) -> PathBuf {
        self.folder.join("run")
    }
}

fn remove(folder: &Path) -> Result<()> {
    match fs::remove_dir_all(folder) {
        Err(error) if error.kind() != ErrorKind::NotFound => {
            Err(error).with_context(|| format!("cannot remove {}", folder.display()))
        }
        _ => Ok(()),
    }
}

#[derive(Debug, PartialEq, Eq)]
struct Options {
    scenarios: Scenarios,
    rounds: u32,
    round: Duration,
    gateway: Option<PathBuf>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Scenarios {
    All,
    Proxy,
    Memory,
    Plugins,
    Swap,
}

impl Scenarios {
    fn programs(self) -> &'static [Program] {
        match self {
            Self::All | Self::Proxy => &[Program::Nginx, Program::Wrk, Program::Taskset, Program::Setpriv],
            Self::Memory | Self::Plugins | Self::Swap => &[Program::Setpriv],
        }
    }
}

impl Options {
    fn parse(arguments: &[&str]) -> Result<Self> {
        let mut options = Self { scenarios: Scenarios::All, rounds: 5, round: Duration::from_secs(5), gateway: None };
        let mut rest = match arguments {
            ["proxy", rest @ ..] => {
                options.scenarios = Scenarios::Proxy;
                rest
            }
            ["memory", rest @ ..] => {
                options.scenarios = Scenarios::Memory;
                rest
            }
            ["plugins", rest @ ..] => {
                options.scenarios = Scenarios::Plugins;
                rest
            }
            ["swap", rest @ ..] => {
                options.scenarios = Scenarios::Swap;
                rest
            }
            rest => rest,
        };
        while let [name, value, after @ ..] = rest {
            match *name {
                "--seconds" => options.round = Duration::from_secs(number(name, value, 600)?.into()),
                "--rounds" => options.rounds = number(name, value, 100)?,
                "--gateway" => options.gateway = Some(value.into()),
                _ => break,
            }
            rest = after;
        }
        match rest {
            [] => Ok(options),
            [name @ ("--seconds" | "--rounds" | "--gateway")] => bail!("`{name}` needs a value"),
            [other, ..] => bail!("`bench` has no argument `{other}`; `cargo xtask --help` lists what there is"),
        }
    }
}

fn number(name: &str, value: &str, most: u32) -> Result<u32> {
    let number = value.parse().ok().filter(|number| (1..=most).contains(number));
    number.with_context(|| format!("`{name}` is a number from 1 to {most}, not `{value}`"))
}

/// As it is shipped, with everything that its build embeds.
fn build(workspace: &Workspace) -> Result<PathBuf> {
    setup::run(workspace, Report::Changes)?;
    plugins::run(workspace)?;
    workspace.build_gateway("dist")
}

/// The lock on `folder`, which ends with the returned file.
fn alone(folder: &Path) -> Result<File> {
    let lock = File::create(folder.join("lock")).context("cannot make the lock file")?;
    match lock.try_lock() {
        Ok(()) => Ok(lock),
        Err(TryLockError::WouldBlock) => bail!("another `cargo xtask bench` is running in {}", folder.display()),
        Err(TryLockError::Error(error)) => Err(error).context("cannot lock the lock file"),
    }
}

/// What figures depend on, besides the programs.
fn machine() -> Value {
    let read = |file: &str| fs::read_to_string(file).unwrap_or_default();
    let cpuinfo = read("/proc/cpuinfo");
    let model = cpuinfo.lines().find_map(|line| line.strip_prefix("model name")?.split_once(": "));
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    let load: Option<f64> = read("/proc/loadavg").split(' ').next().and_then(|load| load.parse().ok());
    json!({
        "cpu": model.map_or("unknown", |(_, model)| model),
        "cores": cores,
        "kernel": read("/proc/sys/kernel/osrelease").trim(),
        "load_average": load,
    })
}

fn describe(machine: &Value) -> String {
    let text = |name: &str| machine[name].as_str().unwrap_or_default().to_owned();
    let mut line = format!("{}, {} cores, Linux {}", text("cpu"), machine["cores"], text("kernel"));
    if let Some(load) = machine["load_average"].as_f64().filter(|load| *load > BUSY) {
        line += &format!("\nthe machine is busy (load average {load}): trust the ratios more than the times");
    }
    line
}

/// A load average above this disturbs what is measured.
const BUSY: f64 = 0.5;

fn save(workspace: &Workspace, file: &Path, figures: &Value) -> Result<()> {
    fs::write(file, format!("{figures:#}\n")).with_context(|| format!("cannot write {}", file.display()))?;
    println!("\nsaved as {}", workspace.short(file).display());
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{Options, Scenarios};

    #[test]
    fn arguments() {
        let parsed = Options::parse(&["proxy", "--rounds", "2", "--seconds", "1", "--gateway", "t"]);
        let expected = Options {
            scenarios: Scenarios::Proxy,
            rounds: 2,
            round: Duration::from_secs(1),
            gateway: Some("t".into()),
        };
        assert_eq!(parsed.unwrap(), expected);
        assert_eq!(Options::parse(&[]).unwrap().scenarios, Scenarios::All);
        for wrong in [&["proxies"][..], &["--rounds"], &["--rounds", "0"], &["memory", "proxy"], &["--what", "1"]] {
            assert!(Options::parse(wrong).is_err(), "{wrong:?}");
        }
    }
}
