//! `cargo xtask <command>`: what the project needs besides `cargo build`.
//!
//! In: a command and its few arguments. Out: files under the target folder, a
//! running demo, a test run or measurements, and an exit code that tells how it went.

mod bench;
mod client;
mod demo;
mod echo;
mod gateway;
mod plugins;
mod procfs;
mod server;
mod setup;
mod soak;
mod test;
mod workspace;

use std::process::ExitCode;

use anyhow::{Result, bail};

use crate::{demo::Mode, setup::Report, workspace::Workspace};

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match run(&arguments) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: &[String]) -> Result<ExitCode> {
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match arguments.as_slice() {
        [] | ["help" | "-h" | "--help", ..] | [_, "-h" | "--help"] => print!("{HELP}"),
        ["setup"] => setup::run(&Workspace::load()?, Report::Everything)?,
        ["plugins"] => {
            let workspace = Workspace::load()?;
            setup::run(&workspace, Report::Changes)?;
            plugins::run(&workspace)?;
        }
        ["demo"] => return demo::run(&Workspace::load()?, Mode::Serve),
        ["demo", "--check"] => return demo::run(&Workspace::load()?, Mode::Check),
        ["test"] => return test::run(&Workspace::load()?, &[]),
        ["test", "--", rest @ ..] => return test::run(&Workspace::load()?, rest),
        ["test", ..] => {
            bail!("arguments for `cargo test` come after `--`: cargo xtask test -- <arguments>")
        }
        ["soak", rest @ ..] => return soak::run(&Workspace::load()?, rest),
        ["bench", rest @ ..] => return bench::run(&Workspace::load()?, rest),
        [command @ ("setup" | "plugins" | "demo"), argument, ..] => {
            bail!("`{command}` has no argument `{argument}`; `cargo xtask --help` lists what there is")
        }
        [other, ..] => {
            bail!("there is no command `{other}`; `cargo xtask --help` lists what there is")
        }
    }
    Ok(ExitCode::SUCCESS)
}

const HELP: &str = "\
cargo xtask <command>

  setup           Install the wasm targets that plugins are compiled for.
                  Does nothing when they are there; every other command starts with it.
  plugins         Compile every plugin to wasm:
                    plugins/*        to target/plugins/<name>.wasm
                    examples/*       to target/examples/<name>.wasm and <name>-wasip1.wasm
                    tests/guests/*  to target/guests/<name>.wasm
  demo            Run the gateway in front of an echo server, with curl lines to try.
  demo --check    The same, but sends the requests itself, swaps a plugin under load,
                  and fails unless every answer is as it should be.
  test [-- ARGS]  Compile the plugins, then run `cargo test --workspace --locked ARGS`.
                  Installs nginx, curl, Redis and rsyslog, which some tests run, where missing.
  soak [--minutes N]
                  Load the gateway for 10 minutes with a plugin that traps in 1% of its calls;
                  fails unless just those requests fail and memory stays what it was.
  bench           All measurements, each saved to target/bench/<name>.json, of a gateway
                  built with the profile `dist`:
    bench proxy   CPU time, latency and memory beside nginx (which it installs, and wrk,
                  where they are missing), without and with access logs.
    bench memory  Memory while large bodies pass, and per idle connection.
    bench plugins What a call of each plugin costs, how long it takes to start with 20 plugins, and what 1,000 uses
                  of one hold.
    bench swap    How long a changed plugin or configuration takes to be served among 10,000 routes, what
                  200 swaps in a minute cost those who are served meanwhile, and memory after 2,000 reloads.
      --seconds N --rounds N   How long (5 s) and how often (5) each proxy is loaded.
      --gateway FILE           Measure this executable instead of building one.

New here? `cargo xtask demo`.
";
