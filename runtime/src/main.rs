//! The command line: arguments, logging, exit codes.

use std::io::IsTerminal;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Parser, Subcommand};
use tidegate::config::Report;
use tidegate::gateway::{self, Gateway};
use tracing_subscriber::EnvFilter;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// An API gateway whose plugins are sandboxed WebAssembly components.
#[derive(Parser)]
#[command(version, after_help = EXAMPLES)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Serve. Changes of the file, or of a plugin it lists, are put in place while requests flow; a change with a
    /// fault in it is refused and the gateway goes on as it was.
    ///
    /// SIGHUP looks at the files at once. SIGTERM and SIGINT finish the requests in flight, then stop; a second one
    /// stops at once.
    Run {
        /// The configuration.
        #[arg(long, short, value_name = "FILE", default_value = "gateway.toml")]
        config: PathBuf,
    },
    /// Check a configuration and all its plugins without serving. Lists every fault with its line, and exits with 1 if
    /// there is any.
    Check {
        /// The configuration.
        #[arg(value_name = "FILE", default_value = "gateway.toml")]
        config: PathBuf,
    },
}

const EXAMPLES: &str = "Examples:
  tidegate check                      is ./gateway.toml all right?
  tidegate run                        serve it
  TIDEGATE_LOG=debug tidegate run     … and say more (error, warn, info, debug, trace)";

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    start_logging();
    let result = match &arguments.command {
        Command::Run { config } => run(config),
        Command::Check { config } => check(config),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            match error.downcast_ref::<Report>() {
                Some(report) => eprintln!("{report}"),
                None => eprintln!("error: {error:#}"),
            }
            ExitCode::FAILURE
        }
    }
}

fn run(config: &Path) -> anyhow::Result<()> {
    // The control plane needs little: the workers have event loops of their own.
    let control = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
    let gateway = Gateway::start(config)?;
    control.block_on(gateway.run())
}

fn check(config: &Path) -> anyhow::Result<()> {
    let found = gateway::check(config)?;
    let gateway::Summary { routes, services, plugin_uses } = found;
    println!("{}: ok ({routes} routes, {services} services, {plugin_uses} plugin uses)", config.display());
    Ok(())
}

/// To stderr: readable on a terminal, JSON lines otherwise. `TIDEGATE_LOG` says how much.
fn start_logging() {
    let filter = EnvFilter::try_from_env("TIDEGATE_LOG").unwrap_or_else(|_| EnvFilter::new("info"));
    let log = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    if std::io::stderr().is_terminal() { log.init() } else { log.json().flatten_event(true).init() }
}
