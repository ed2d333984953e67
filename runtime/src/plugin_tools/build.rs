//! `tidegate plugin build`: cargo makes the plugin, the real host loads it.

use std::io::{BufRead, BufReader, ErrorKind};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, bail};
use serde_json::Value;

use super::{Loaded, load, size};

const TARGET: &str = "wasm32-wasip2";

/// Build the crate in `folder`, and say what came of it.
pub(super) fn run(folder: &Path) -> anyhow::Result<()> {
    let manifest = folder.join("Cargo.toml");
    if !manifest.is_file() {
        bail!("{} has no Cargo.toml: name a plugin's folder, or make one by `tidegate plugin new`", folder.display());
    }
    let wasm = cargo(folder, &manifest.canonicalize()?)?;
    let Loaded { bytes, component } = load(&wasm, None)?;
    println!("{}", wasm.display());
    println!("{} {}, for {}", component.name, component.version, component.hooks().collect::<Vec<_>>().join(", "));
    for need in &component.needs {
        println!("imports {}, which a use that needs it has to be granted: {}", need.interface, need.key);
    }
    println!("{}, compiled {}", size(bytes), size(component.compiled_bytes()));
    Ok(())
}

/// The wasm file that cargo makes of the crate with this `manifest`. cargo itself says where it is.
fn cargo(folder: &Path, manifest: &Path) -> anyhow::Result<PathBuf> {
    let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo.args(["build", "--release", "--target", TARGET, "--message-format=json-render-diagnostics"]);
    cargo.current_dir(folder).stdin(Stdio::null()).stdout(Stdio::piped());
    let mut child = match cargo.spawn() {
        Err(error) if error.kind() == ErrorKind::NotFound => {
            bail!("cargo is not there: install Rust (https://rustup.rs), or add its programs to PATH")
        }
        child => child.context("cargo cannot be run")?,
    };
    let mut made = None;
    for line in BufReader::new(child.stdout.take().context("cargo has no output")?).lines() {
        let message: Value = serde_json::from_str(&line?).unwrap_or_default();
        made = artifact(&message, manifest).or(made);
    }
    if !child.wait()?.success() {
        if is_missing(folder) {
            bail!("the target {TARGET} is not there: rustup target add {TARGET}");
        }
        bail!("the plugin does not build");
    }
    made.context("cargo made no wasm file: the crate is no plugin without [lib] crate-type = [\"cdylib\", \"rlib\"]")
}

/// The wasm file of the crate itself, if that is what `message` is about.
fn artifact(message: &Value, manifest: &Path) -> Option<PathBuf> {
    let told = |key| message.get(key).and_then(Value::as_str);
    if told("reason") != Some("compiler-artifact") || told("manifest_path").map(Path::new) != Some(manifest) {
        return None;
    }
    let files = message.get("filenames")?.as_array()?.iter().filter_map(Value::as_str);
    files.map(PathBuf::from).find(|file| file.extension().is_some_and(|extension| extension == "wasm"))
}

/// Whether there is no standard library for the target. Who cannot be asked has another problem.
fn is_missing(folder: &Path) -> bool {
    let mut rustc = Command::new(std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into()));
    let asked = rustc.args(["--print", "target-libdir", "--target", TARGET]).current_dir(folder).output();
    asked.is_ok_and(|told| !Path::new(String::from_utf8_lossy(&told.stdout).trim()).is_dir())
}
