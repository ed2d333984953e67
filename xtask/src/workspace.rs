//! Where things are in this workspace, and how cargo is called from inside cargo.
//!
//! In: `cargo metadata` and cargo's JSON messages. Out: folders, packages and the
//! files a build made. Every command goes through here, so that
//! `CARGO_TARGET_DIR` is honoured everywhere.

use std::{
    io::{BufRead as _, BufReader},
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use anyhow::{Context as _, Result, bail, ensure};
use serde_json::Value;

/// The workspace as `cargo metadata` tells it.
pub(crate) struct Workspace {
    /// The folder of the workspace's `Cargo.toml`.
    pub(crate) root: PathBuf,
    /// Where cargo puts what it builds.
    pub(crate) target: PathBuf,
    packages: Vec<Package>,
}

/// A member of the workspace.
#[derive(Clone)]
pub(crate) struct Package {
    /// What `cargo build -p` wants.
    pub(crate) name: String,
    /// The folder of its `Cargo.toml`.
    pub(crate) folder: PathBuf,
    is_cdylib: bool,
}

/// A file that a build made or found up to date.
pub(crate) struct Artifact {
    /// The folder of the package it comes from.
    pub(crate) package_folder: PathBuf,
    /// The file itself.
    pub(crate) file: PathBuf,
}

impl Workspace {
    /// Reads the workspace around the current folder.
    pub(crate) fn load() -> Result<Self> {
        let output = cargo()
            .args(["metadata", "--no-deps", "--format-version=1"])
            .stderr(Stdio::inherit())
            .output()
            .context("cannot run cargo")?;
        ensure!(output.status.success(), "`cargo metadata` failed");
        let metadata: Value = serde_json::from_slice(&output.stdout).context("cannot read cargo's metadata")?;
        let packages = metadata["packages"].as_array().context("cargo's metadata has no packages")?;
        Ok(Self {
            root: path(&metadata["workspace_root"])?,
            target: path(&metadata["target_directory"])?,
            packages: packages.iter().map(Package::read).collect::<Result<_>>()?,
        })
    }

    /// The packages directly under `folder` that compile to a plugin, by name.
    pub(crate) fn plugins_in(&self, folder: &str) -> Vec<Package> {
        let folder = self.root.join(folder);
        let is_plugin = |package: &&Package| package.is_cdylib && package.folder.parent() == Some(&folder);
        let mut found: Vec<Package> = self.packages.iter().filter(is_plugin).cloned().collect();
        found.sort_by(|a, b| a.name.cmp(&b.name));
        found
    }

    /// cargo, at the workspace's root.
    pub(crate) fn cargo(&self) -> Command {
        let mut command = cargo();
        command.current_dir(&self.root);
        command
    }

    /// Runs `cargo build` with `arguments` and returns the programs and wasm files
    /// of it. cargo itself says where they are, so no setting can hide them.
    pub(crate) fn build(&self, arguments: &[&str]) -> Result<Vec<Artifact>> {
        let mut child = self
            .cargo()
            .args(["build", "--message-format=json-render-diagnostics"])
            .args(arguments)
            .stdout(Stdio::piped())
            .spawn()
            .context("cannot run cargo")?;
        let messages = BufReader::new(child.stdout.take().context("cargo has no output")?);
        let mut artifacts = Vec::new();
        for line in messages.lines() {
            let line = line.context("cannot read cargo's messages")?;
            if let Ok(message) = serde_json::from_str::<Value>(&line) {
                artifacts.extend(read_artifact(&message));
            }
        }
        let status = child.wait().context("cannot wait for cargo")?;
        if !status.success() {
            bail!("`cargo build {}` failed", arguments.join(" "));
        }
        Ok(artifacts)
    }

    /// Builds the gateway's executable with a profile of Cargo.toml.
    pub(crate) fn build_gateway(&self, profile: &str) -> Result<PathBuf> {
        println!("building the gateway ({profile}; the first time takes minutes)");
        let built = self.build(&["--profile", profile, "-p", "tidegate", "--bin", "tidegate"])?;
        let program = built.into_iter().find(|artifact| artifact.file.ends_with("tidegate"));
        Ok(program.context("cargo built no program `tidegate`")?.file)
    }

    /// A path as a person at the workspace's root would write it.
    pub(crate) fn short<'a>(&self, path: &'a Path) -> &'a Path {
        path.strip_prefix(&self.root).unwrap_or(path)
    }
}

impl Package {
    fn read(package: &Value) -> Result<Self> {
        let manifest = path(&package["manifest_path"])?;
        let is_cdylib = package["targets"]
            .as_array()
            .is_some_and(|targets| targets.iter().any(|target| has(&target["crate_types"], "cdylib")));
        Ok(Self {
            name: package["name"].as_str().context("a package without a name")?.to_owned(),
            folder: manifest.parent().context("a package without a folder")?.to_owned(),
            is_cdylib,
        })
    }
}

/// The cargo that runs this program, without what it told us about ourselves:
/// build scripts that look at `CARGO_PKG_*` must not see this crate's.
pub(crate) fn cargo() -> Command {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    for (name, _) in std::env::vars_os() {
        let text = name.to_string_lossy();
        if text.starts_with("CARGO_PKG_") || text.starts_with("CARGO_MANIFEST_") {
            command.env_remove(&name);
        }
    }
    command
}

fn read_artifact(message: &Value) -> Option<Artifact> {
    if message["reason"] != "compiler-artifact" {
        return None;
    }
    let is_wasm = |file: &&str| file.ends_with(".wasm");
    let mut files = message["filenames"].as_array()?.iter().filter_map(Value::as_str);
    let file = message["executable"].as_str().or_else(|| files.find(is_wasm))?;
    let manifest = Path::new(message["manifest_path"].as_str()?);
    Some(Artifact { package_folder: manifest.parent()?.to_owned(), file: file.into() })
}

fn path(value: &Value) -> Result<PathBuf> {
    value.as_str().map(PathBuf::from).context("cargo's metadata lacks a path")
}

fn has(list: &Value, word: &str) -> bool {
    list.as_array().is_some_and(|list| list.iter().any(|item| item == word))
}
