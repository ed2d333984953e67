//! The command line: arguments, logging, exit codes.

use std::io::{ErrorKind, IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Parser, Subcommand};
use tidegate::config::Report;
use tidegate::gateway::{self, Checked, Gateway};
use tidegate::{importing, limits, plugin_tools};
use tracing_appender::non_blocking::{NonBlockingBuilder, WorkerGuard};
use tracing_subscriber::filter::LevelFilter;

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
        /// Also list which plugins the requests of each route meet, in their order; responses meet them in reverse.
        #[arg(long)]
        chains: bool,
    },
    /// Make a configuration of one of Kong's. What could not be carried over is listed, each with its place and the reason.
    Import(importing::Arguments),
    /// Work on a plugin: begin one, build it, test it on the real host, measure it, look at it.
    #[command(subcommand)]
    Plugin(plugin_tools::Command),
}

const EXAMPLES: &str = "Examples:
  tidegate check                      is ./gateway.toml all right?
  tidegate check --chains             which plugins run on which route, and in which order?
  tidegate run                        serve it
  TIDEGATE_LOG=debug tidegate run     … and say more (error, warn, info, debug, trace)
  tidegate import kong.yml            a gateway.toml of what Kong has been told
  tidegate plugin new my-plugin       begin a plugin of your own";

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let result = match &arguments.command {
        Command::Run { config } => start_logging().and_then(|_guard| run(config)),
        Command::Check { config, chains } => start_logging().and_then(|_guard| check(config, *chains)),
        Command::Import(arguments) => importing::run(arguments),
        // What plugins log is looked at there, and the gateway's own log is of no use.
        Command::Plugin(command) => plugin_tools::run(command),
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
    let gateway = Gateway::start(config, control.handle())?;
    control.block_on(gateway.run());
    // Dropping it would wait for a disk that takes nothing, if a sink's file is on one.
    control.shutdown_background();
    Ok(())
}

fn check(config: &Path, chains: bool) -> anyhow::Result<()> {
    let Checked { routes, services, plugin_uses, chains: listed } = gateway::check(config)?;
    let summary =
        format!("{}: ok ({routes} routes, {services} services, {plugin_uses} plugin uses)\n", config.display());
    let told = if chains { format!("{summary}\n{listed}") } else { summary };
    match std::io::stdout().write_all(told.as_bytes()) {
        // Whoever reads it has seen enough.
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(()),
        written => Ok(written?),
    }
}

/// To stderr: readable on a terminal, JSON lines otherwise. `TIDEGATE_LOG` says how much.
///
/// A thread of its own writes the lines: when nobody reads them, lines are dropped, and no request waits. The guard
/// writes what is left when it is dropped.
fn start_logging() -> anyhow::Result<WorkerGuard> {
    let level = match std::env::var("TIDEGATE_LOG") {
        Ok(level) => level.parse().map_err(|_| {
            anyhow::anyhow!("TIDEGATE_LOG is \"{level}\": expected error, warn, info, debug, trace or off")
        })?,
        Err(_) => LevelFilter::INFO,
    };
    let (writer, guard) =
        NonBlockingBuilder::default().buffered_lines_limit(limits::LOG_LINES).lossy(true).finish(std::io::stderr());
    let log = tracing_subscriber::fmt().with_max_level(level).with_writer(writer);
    if std::io::stderr().is_terminal() {
        log.init();
    } else {
        log.json().flatten_event(true).init();
    }
    Ok(guard)
}
