//! `tidegate plugin …`: what plugin authors work with. Each command has a file of its own; those that run a plugin do so on
//! the host that serves requests.

mod bench;
mod build;
mod inspect;
mod journal;
mod new;
mod push;
mod rehearsal;
mod settings;
mod stage;
mod test;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context, anyhow};
use clap::Subcommand;
use tidegate_precompiled::Cache;
use tokio::runtime::Runtime;

use crate::config::checked::Counters::Memory;
use crate::config::file;
use crate::host::component::Component;
use crate::host::engine::Engine;
use crate::host::library::Library;
use crate::host::services::Services;
use crate::limits;
use crate::observe::metrics::Metrics;
use crate::store::counters::Counters;

/// A command and its arguments.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Begin a plugin: a crate with a small plugin in it, its tests and its cases, which builds and runs as it is.
    ///
    /// Within Tidegate's repository it uses the SDK that is there. Anywhere else this executable unpacks its own SDK into
    /// the crate's folder sdk/.
    New {
        /// Its name, and that of its folder: lower case letters, digits and dashes.
        name: String,
        /// A copy of the SDK (the folder plugin-sdk) to use instead.
        #[arg(long, value_name = "FOLDER")]
        sdk: Option<PathBuf>,
    },
    /// Build a plugin's crate to WebAssembly by cargo, load it as the gateway would, and say where it is and what it is.
    ///
    /// Needs a Rust toolchain with the target wasm32-wasip2: rustup target add wasm32-wasip2
    Build {
        /// The crate.
        #[arg(value_name = "FOLDER", default_value = ".")]
        folder: PathBuf,
    },
    /// Run a plugin's case files on the real host. Prints every case, and exits with 1 if one came out otherwise than
    /// its file expects.
    ///
    /// A case is a request, what is around it, and what is to come of it: docs/writing-plugins.md has an example. The
    /// same files run under `cargo test` by `tidegate_sdk::testing::cases`.
    Test {
        /// The plugin.
        #[arg(value_name = "FILE.wasm")]
        plugin: PathBuf,
        /// A case file, or a folder of them; may be given several times. Without it, the folder `cases` beside the
        /// plugin or its crate, or the one here.
        #[arg(long = "case", value_name = "FILE")]
        cases: Vec<PathBuf>,
    },
    /// Measure a plugin on the real host, on one thread: what a call of each hook takes in these cases (the median of many
    /// rounds), what a fresh instance takes, and what an idle one holds. Takes a few seconds.
    Bench {
        /// The plugin.
        #[arg(value_name = "FILE.wasm")]
        plugin: PathBuf,
        /// A case file, whose requests and answers the hooks are called on.
        #[arg(long, value_name = "FILE")]
        case: PathBuf,
    },
    /// Say what a plugin is: its name, version and priority, its hooks, what it imports and has to be granted, its
    /// settings with their types, defaults and descriptions, its size.
    Inspect {
        /// The plugin.
        #[arg(value_name = "FILE.wasm")]
        plugin: PathBuf,
    },
    /// Put a plugin in place on a gateway that runs, by its admin API: for good, in every use of that component, while
    /// requests flow. A plugin that is none, or does not take the config of a use of it, is refused, and the gateway goes
    /// on as it was.
    ///
    /// Needs the role "plugins". `tidegate generations` shows it, and the way back.
    Push(push::Arguments),
}

/// Run a command; what it has to say goes to stdout.
///
/// # Errors
/// What went wrong, or came out otherwise than expected.
pub fn run(command: &Command) -> anyhow::Result<()> {
    match command {
        Command::New { name, sdk } => new::run(name, sdk.as_deref()),
        Command::Build { folder } => build::run(folder),
        Command::Test { plugin, cases } => test::run(plugin, cases),
        Command::Bench { plugin, case } => bench::run(plugin, case),
        Command::Inspect { plugin } => inspect::run(plugin),
        Command::Push(arguments) => push::run(arguments),
    }
}

/// A plugin's file, and what the host has made of it.
struct Loaded {
    /// Of the file.
    bytes: usize,
    component: Arc<Component>,
}

/// Load the plugin at `path` as the gateway would.
fn load(path: &Path, cache: Option<Cache>) -> anyhow::Result<Loaded> {
    let refuse = |problem: String| anyhow!("{} {problem}", path.display());
    let wasm = file::read(path, limits::COMPONENT_BYTES).map_err(refuse)?;
    let services = Services::new(Counters::new(&Memory, 1)?, Arc::new(Metrics::new(1)), 1);
    let mut library = Library::new(Engine::new(1)?, services, 1, None, cache);
    let loaded = library.component(&wasm);
    let component = loaded.map_err(|error| refuse(format!("{error}\n  help: {}", error.help())))?;
    Ok(Loaded { bytes: wasm.len(), component })
}

/// Bytes, in the unit that a person would choose.
fn size(bytes: usize) -> String {
    match bytes {
        0..1_024 => format!("{bytes} bytes"),
        1_024..1_048_576 => format!("{:.1} KiB", bytes as f64 / 1_024.0),
        _ => format!("{:.1} MiB", bytes as f64 / 1_048_576.0),
    }
}

/// Where everything runs that no worker does.
fn control() -> anyhow::Result<Runtime> {
    let built = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build();
    built.context("no thread is to be had")
}
