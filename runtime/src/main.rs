//! The command line: arguments, exit codes.

use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Parser, Subcommand};
use tidegate::config::Report;
use tidegate::gateway::{self, Checked, Gateway};
use tidegate::handover::Arrival;
use tidegate::{generations_command, importing, logging, plugin_tools};

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
    /// SIGHUP looks at the files at once. SIGUSR2 has the executable that is now at this one's path take over, without a
    /// connection lost. SIGTERM and SIGINT finish the requests in flight, then stop; a second one stops at once.
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
    /// Ask a gateway's admin API what became of each change of its configuration, and have it go back to one of them.
    Generations(generations_command::Arguments),
}

const EXAMPLES: &str = "Examples:
  tidegate check                      is ./gateway.toml all right?
  tidegate check --chains             which plugins run on which route, and in which order?
  tidegate run                        serve it
  TIDEGATE_LOG=debug tidegate run     … and say more (error, warn, info, debug, trace)
  tidegate import kong.yml            a gateway.toml of what Kong has been told
  tidegate plugin new my-plugin       begin a plugin of your own
  tidegate generations                which changes were made, and by whom?";

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let result = match &arguments.command {
        Command::Run { config } => logging::start().and_then(|_guard| run(config)),
        Command::Check { config, chains } => logging::start().and_then(|_guard| check(config, *chains)),
        Command::Import(arguments) => importing::run(arguments),
        // What plugins log is looked at there, and the gateway's own log is of no use.
        Command::Plugin(command) => plugin_tools::run(command),
        Command::Generations(arguments) => generations_command::run(arguments),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let told = match error.downcast_ref::<Report>() {
                Some(report) => format!("{report}\n"),
                None => format!("error: {error:#}\n"),
            };
            // In one piece: the process that this one was to take over from writes its lines there, too.
            drop(std::io::stderr().write_all(told.as_bytes()));
            ExitCode::FAILURE
        }
    }
}

fn run(config: &Path) -> anyhow::Result<()> {
    // Before there is anybody else who could look at the environment, or inherit from it.
    let mut arrival = Arrival::find()?;
    // The control plane needs little: the workers have event loops of their own.
    let control = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
    let gateway = Gateway::start(config, &mut arrival, control.handle());
    let gateway = gateway.inspect_err(|error| arrival.failed(error))?;
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
