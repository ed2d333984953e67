//! `cargo xtask plugins`: every plugin crate to a wasm file.
//!
//! In: the crates under `plugins/`, `examples/` and `tests/guests/`. Out: their
//! wasm files under the target folder, replaced only when their bytes differ,
//! because a running gateway watches them.

use std::{
    collections::BTreeSet,
    ffi::OsString,
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context as _, Result};

use crate::{
    setup::Target,
    workspace::{Artifact, Package, Workspace},
};

/// Compiles all plugins and puts them where the gateway, the demo and the tests look.
pub(crate) fn run(workspace: &Workspace) -> Result<()> {
    let groups: Vec<Group> = GROUPS.iter().map(|kind| Group::find(workspace, kind)).collect();
    for target in Target::ALL {
        let wanted = groups.iter().filter(|group| group.kind.targets.contains(&target));
        let packages: Vec<&Package> = wanted.flat_map(|group| &group.packages).collect();
        if packages.is_empty() {
            continue;
        }
        let built = build(workspace, target, &packages)?;
        for group in &groups {
            if group.kind.targets.contains(&target) {
                group.publish(workspace, target, &built)?;
            }
        }
    }
    for group in &groups {
        group.remove_stale()?;
        let (from, to) = (group.kind.source, workspace.short(&group.output));
        println!("{from}: {} in {}", count(group.packages.len()), to.display());
    }
    let release = release(workspace);
    if !release.exists() && example(workspace, "blue").exists() {
        replace(&example(workspace, "blue"), &release)?;
    }
    Ok(())
}

/// The wasm file of the crate `examples/<name>`.
pub(crate) fn example(workspace: &Workspace, name: &str) -> PathBuf {
    workspace.target.join("examples").join(format!("{name}.wasm"))
}

/// The file that the demo swaps. gateway.toml names it by a path relative to
/// itself, so it stays there even when `CARGO_TARGET_DIR` points elsewhere.
pub(crate) fn release(workspace: &Workspace) -> PathBuf {
    workspace.root.join("target/demo/release.wasm")
}

/// Puts a copy of `from` at `to` by rename, so that a reader finds the old file or
/// the new one and never a half; leaves `to` alone when it has these bytes already.
pub(crate) fn replace(from: &Path, to: &Path) -> Result<Replaced> {
    let bytes = fs::read(from).with_context(|| format!("cannot read {}", from.display()))?;
    if fs::read(to).is_ok_and(|present| present == bytes) {
        return Ok(Replaced::Same);
    }
    let context = || format!("cannot write {}", to.display());
    let folder = to.parent().with_context(context)?;
    fs::create_dir_all(folder).with_context(context)?;
    let mut partial = OsString::from(to);
    partial.push(format!(".{}.partial", std::process::id()));
    fs::write(&partial, bytes).with_context(context)?;
    fs::rename(&partial, to).with_context(context)?;
    Ok(Replaced::Written)
}

/// What `replace` did.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Replaced {
    /// The bytes were there already; the file is untouched.
    Same,
    /// The file is new or has new bytes.
    Written,
}

/// A folder of plugin crates and where their wasm files go.
struct Kind {
    source: &'static str,
    output: &'static str,
    targets: &'static [Target],
}

const GROUPS: [Kind; 3] = [
    Kind { source: "plugins", output: "plugins", targets: &[Target::Wasip2] },
    // Also as core modules, which prove that the gateway loads both forms.
    Kind { source: "examples", output: "examples", targets: &[Target::Wasip2, Target::Wasip1] },
    Kind { source: "tests/guests", output: "guests", targets: &[Target::Wasip2] },
];

struct Group {
    kind: &'static Kind,
    packages: Vec<Package>,
    output: PathBuf,
}

impl Group {
    fn find(workspace: &Workspace, kind: &'static Kind) -> Self {
        let output = workspace.target.join(kind.output);
        Self { kind, packages: workspace.plugins_in(kind.source), output }
    }

    fn publish(&self, workspace: &Workspace, target: Target, built: &[Artifact]) -> Result<()> {
        for package in &self.packages {
            let artifact = built
                .iter()
                .find(|artifact| artifact.package_folder == package.folder)
                .with_context(|| format!("cargo made no wasm file of {}", package.name))?;
            let file = self.output.join(file_name(package, target));
            if replace(&artifact.file, &file)? == Replaced::Written {
                println!("  {}", workspace.short(&file).display());
            }
        }
        Ok(())
    }

    /// Removes wasm files whose crate is gone: the gateway would still load them.
    fn remove_stale(&self) -> Result<()> {
        let names = self.packages.iter();
        let expected: BTreeSet<OsString> = names
            .flat_map(|package| self.kind.targets.iter().map(|target| file_name(package, *target).into()))
            .collect();
        let Ok(entries) = fs::read_dir(&self.output) else {
            return Ok(());
        };
        for entry in entries {
            let entry = entry.with_context(|| format!("cannot list {}", self.output.display()))?;
            let path = entry.path();
            let is_wasm = path.extension().is_some_and(|extension| extension == "wasm");
            if is_wasm && !expected.contains(&entry.file_name()) {
                fs::remove_file(&path).with_context(|| format!("cannot remove {}", path.display()))?;
                println!("  removed {}: no crate stands behind it", path.display());
            }
        }
        Ok(())
    }
}

/// One cargo run for all packages: they share the SDK and its dependencies.
fn build(workspace: &Workspace, target: Target, packages: &[&Package]) -> Result<Vec<Artifact>> {
    let mut arguments = vec!["--profile", "plugin", "--target", target.triple()];
    for package in packages {
        arguments.extend(["-p", &package.name]);
    }
    workspace.build(&arguments)
}

fn file_name(package: &Package, target: Target) -> String {
    let name = package.folder.file_name().unwrap_or_default().to_string_lossy();
    match target {
        Target::Wasip2 => format!("{name}.wasm"),
        Target::Wasip1 => format!("{name}-wasip1.wasm"),
    }
}

fn count(plugins: usize) -> String {
    match plugins {
        1 => "1 plugin".to_owned(),
        _ => format!("{plugins} plugins"),
    }
}
