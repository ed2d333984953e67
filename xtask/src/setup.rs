//! `cargo xtask setup`: the wasm targets, by whatever way this machine has.
//!
//! In: the toolchain that `rustc` means in the workspace. Out: its sysroot holds a
//! std for every `Target`. First rustup; where it cannot download, Debian's
//! sources of the same std. Called by every command, so "all there" is quick.

mod apt;
mod debian;
pub(crate) mod programs;
mod rustup;

use std::{
    fmt,
    fs::{self, File},
    path::{Path, PathBuf},
    process::Command,
    time::Instant,
};

use anyhow::{Context as _, Result, bail, ensure};

use crate::workspace::Workspace;

/// Installs the targets that are missing.
pub(crate) fn run(workspace: &Workspace, report: Report) -> Result<()> {
    let toolchain = Toolchain::find(workspace)?;
    if toolchain.missing().is_empty() {
        if report == Report::Everything {
            for target in Target::ALL {
                println!("{target}: there, in {}", toolchain.folder(target).display());
            }
        }
        return Ok(());
    }
    toolchain.check_writable()?;
    // Two runs at once would build the same std twice and race for its place.
    let rustlib = File::open(toolchain.rustlib()).context("cannot open the toolchain's folder")?;
    rustlib.lock().context("cannot lock the toolchain's folder")?;
    install(&toolchain)
}

/// How much `run` says.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Report {
    /// What is there as well as what is done.
    Everything,
    /// Only what is done.
    Changes,
}

fn install(toolchain: &Toolchain) -> Result<()> {
    let mut tried = Vec::new();
    for (way, install) in WAYS {
        let missing = toolchain.missing();
        if missing.is_empty() {
            return Ok(());
        }
        let start = Instant::now();
        match tried.last() {
            None => println!("{}: missing, trying {way}", list(&missing)),
            Some(reason) => println!("  {reason}\n  trying {way}"),
        }
        match install(toolchain, &missing) {
            Ok(()) if toolchain.missing().is_empty() => return Ok(()),
            Ok(()) => tried.push(format!("{way}: said it was done, but {} is not there", list(&toolchain.missing()))),
            Err(error) => tried.push(format!("{way}: {error:#} (after {} s)", start.elapsed().as_secs())),
        }
    }
    bail!(by_hand(toolchain, &tried))
}

type Install = fn(&Toolchain, &[Target]) -> Result<()>;

/// In the order they are tried.
const WAYS: [(&str, Install); 2] = [("rustup", rustup::install), ("Debian's packages", debian::install)];

fn by_hand(toolchain: &Toolchain, tried: &[String]) -> String {
    let missing = list(&toolchain.missing());
    format!(
        "{missing} could not be installed for {}\n  tried {}\n\
         by hand, one of:\n  \
         - where rustup can download: rustup target add {}\n  \
         - from a machine with the same rustc: copy its <sysroot>/lib/rustlib/<target> folders to {}",
        toolchain.sysroot.display(),
        tried.join("\n  tried "),
        missing.replace(',', ""),
        toolchain.rustlib().display(),
    )
}

/// A target that plugins are compiled for.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Target {
    /// Components, what the gateway runs.
    Wasip2,
    /// Core modules, which the gateway turns into components.
    Wasip1,
}

impl Target {
    pub(crate) const ALL: [Self; 2] = [Self::Wasip2, Self::Wasip1];

    /// The name rustc has for it.
    pub(crate) fn triple(self) -> &'static str {
        match self {
            Self::Wasip2 => "wasm32-wasip2",
            Self::Wasip1 => "wasm32-wasip1",
        }
    }
}

impl fmt::Display for Target {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.triple())
    }
}

/// The toolchain whose targets are meant.
struct Toolchain {
    sysroot: PathBuf,
    workspace_root: PathBuf,
    /// Where an installation may work.
    scratch: PathBuf,
}

impl Toolchain {
    fn find(workspace: &Workspace) -> Result<Self> {
        let sysroot = rustc(&workspace.root, &["--print", "sysroot"])?;
        Ok(Self {
            sysroot: sysroot.trim().into(),
            workspace_root: workspace.root.clone(),
            scratch: workspace.target.join("setup"),
        })
    }

    /// The compiler's version without channel details, such as `1.95.0`.
    fn release(&self) -> Result<String> {
        let version = rustc(&self.workspace_root, &["-vV"])?;
        let release = version.lines().find_map(|line| line.strip_prefix("release: "));
        Ok(release.context("`rustc -vV` tells no release")?.to_owned())
    }

    fn missing(&self) -> Vec<Target> {
        Target::ALL.into_iter().filter(|target| !self.has(*target)).collect()
    }

    /// Looks at the files alone: asking cargo or rustup would slow every command.
    fn has(&self, target: Target) -> bool {
        let lib = self.folder(target).join("lib");
        let is_std = |name: &str| name.starts_with("libstd-") && name.ends_with(".rlib");
        let has_std = fs::read_dir(&lib)
            .is_ok_and(|entries| entries.flatten().any(|entry| is_std(&entry.file_name().to_string_lossy())));
        has_std && lib.join("self-contained/libc.a").exists()
    }

    fn rustlib(&self) -> PathBuf {
        self.sysroot.join("lib/rustlib")
    }

    fn folder(&self, target: Target) -> PathBuf {
        self.rustlib().join(target.triple())
    }

    /// Fails early and clearly where nothing can be installed anyway.
    fn check_writable(&self) -> Result<()> {
        let probe = self.rustlib().join(format!(".xtask-probe-{}", std::process::id()));
        fs::create_dir(&probe).and_then(|()| fs::remove_dir(&probe)).with_context(|| {
            format!(
                "{} missing, and the toolchain's folder cannot be written, so nothing can be installed there; \
                 run `cargo xtask setup` once as the toolchain's owner, or set RUSTUP_HOME to a toolchain of your own: {}",
                list(&self.missing()),
                self.rustlib().display(),
            )
        })
    }
}

fn rustc(folder: &Path, arguments: &[&str]) -> Result<String> {
    let mut command = Command::new("rustc");
    let output = command.args(arguments).current_dir(folder).output().context("cannot run rustc")?;
    let complaint = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "`rustc {}` failed: {}", arguments.join(" "), complaint.trim());
    String::from_utf8(output.stdout).context("rustc's answer is not text")
}

fn list(targets: &[Target]) -> String {
    let names: Vec<&str> = targets.iter().map(|target| target.triple()).collect();
    names.join(", ")
}
