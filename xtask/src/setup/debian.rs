//! Where rustup cannot download: std for wasm, built here from Debian's rust-src.
//!
//! In: a toolchain and the targets it lacks. Out: their folders in its sysroot, each
//! put there by one rename. The C library is Debian's wasi-libc; the linkers are
//! already part of every toolchain.

use std::{
    fs,
    os::unix::fs::symlink,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::Instant,
};

use anyhow::{Context as _, Result, bail, ensure};

use super::{Target, Toolchain, apt};
use crate::workspace::cargo;

/// Builds and installs std for `targets`.
pub(super) fn install(toolchain: &Toolchain, targets: &[Target]) -> Result<()> {
    let release = toolchain.release()?;
    let scratch = Scratch::new(&toolchain.scratch)?;
    let start = Instant::now();
    let found = apt::find(&release, &scratch.0)?;
    let root = found.unpack(&scratch.0)?;
    let took = start.elapsed().as_secs();
    println!("rust-src {release} and wasi-libc: downloaded from {} ({took} s)", found.suite);

    let _library = LinkedLibrary::new(toolchain, &root.join(format!("usr/src/rustc-{release}/library")))?;
    for target in targets {
        let start = Instant::now();
        let objects = build(toolchain, *target, &scratch.0)?;
        place(toolchain, *target, &objects, &libc(&root, *target)?)?;
        let took = start.elapsed().as_secs();
        println!("{target}: installed from Debian's rust-src {release} ({took} s)");
    }
    Ok(())
}

/// Builds std and returns the folder with its rlibs.
fn build(toolchain: &Toolchain, target: Target, scratch: &Path) -> Result<PathBuf> {
    let package = scratch.join("package");
    fs::create_dir_all(package.join("src")).context("cannot make a folder for the build")?;
    fs::write(package.join("Cargo.toml"), MANIFEST).context("cannot write the build's manifest")?;
    fs::write(package.join("src/lib.rs"), "").context("cannot write the build's source")?;
    let target_folder = scratch.join("target");
    let output = clean_cargo()
        .args(["build", "--release", "--quiet", "-Zbuild-std=std,panic_abort", "--target", target.triple()])
        .arg("--manifest-path")
        .arg(package.join("Cargo.toml"))
        .arg("--target-dir")
        .arg(&target_folder)
        .current_dir(&toolchain.workspace_root)
        // Building std asks for an unstable flag, which the same stable compiler has.
        .env("RUSTC_BOOTSTRAP", "1")
        // With bitcode, plugins can be optimised together with std (`lto`).
        .env("RUSTFLAGS", "-Cembed-bitcode=yes")
        .stdin(Stdio::null())
        .output()
        .context("cannot run cargo")?;
    if !output.status.success() {
        let stderr = String::from_utf8_lossy(&output.stderr);
        let complaint = stderr.lines().find_map(|line| line.strip_prefix("error: "));
        bail!("std does not build: {}", complaint.unwrap_or_else(|| stderr.trim()));
    }
    Ok(target_folder.join(target.triple()).join("release/deps"))
}

/// cargo without what the outer cargo or the user set for other builds. Network
/// settings stay: std's few dependencies come from the registry.
fn clean_cargo() -> Command {
    let mut command = cargo();
    for (name, _) in std::env::vars_os() {
        let text = name.to_string_lossy();
        let is_cargos = text.starts_with("CARGO_") && !KEPT.iter().any(|kept| text.starts_with(kept));
        if is_cargos || CLEARED.contains(&text.as_ref()) {
            command.env_remove(&name);
        }
    }
    command
}

const KEPT: [&str; 5] = ["CARGO_HOME", "CARGO_HTTP_", "CARGO_NET_", "CARGO_REGISTRIES_", "CARGO_SOURCE_"];
const CLEARED: [&str; 4] = ["RUSTC", "RUSTC_WRAPPER", "RUSTC_WORKSPACE_WRAPPER", "RUSTFLAGS"];

/// An own `[workspace]`, so that cargo looks for none above the folder.
const MANIFEST: &str = "\
[package]
name = \"nothing-but-std\"
version = \"0.0.0\"
edition = \"2024\"

[workspace]
";

/// Where the package keeps the C library for `target`; its name of wasip1 has changed.
fn libc(root: &Path, target: Target) -> Result<PathBuf> {
    let names: &[&str] = match target {
        Target::Wasip2 => &["wasm32-wasip2"],
        Target::Wasip1 => &["wasm32-wasip1", "wasm32-wasi"],
    };
    let folders = names.iter().map(|name| root.join("usr/lib").join(name));
    let found = folders.into_iter().find(|folder| folder.join("libc.a").exists());
    found.with_context(|| format!("wasi-libc has no C library for {target}"))
}

/// Gathers the target's files beside their place and renames them into it, so that
/// an interrupted run leaves nothing that looks installed.
fn place(toolchain: &Toolchain, target: Target, objects: &Path, libc: &Path) -> Result<()> {
    let staging = toolchain.rustlib().join(format!(".{target}.xtask"));
    remove(&staging)?;
    let self_contained = staging.join("lib/self-contained");
    fs::create_dir_all(&self_contained).with_context(|| format!("cannot write {}", staging.display()))?;
    for entry in fs::read_dir(objects).context("cannot list what was built")? {
        let name = entry.context("cannot list what was built")?.file_name();
        let text = name.to_string_lossy();
        if text.ends_with(".rlib") && !text.starts_with("libnothing_but_std") {
            copy(&objects.join(&name), &staging.join("lib").join(&name))?;
        }
    }
    for name in ["libc.a", "crt1-command.o", "crt1-reactor.o"] {
        copy(&libc.join(name), &self_contained.join(name))?;
    }
    fs::write(staging.join("README"), NOTE).with_context(|| format!("cannot write {}", staging.display()))?;

    let folder = toolchain.folder(target);
    // Present but incomplete, or we would not be here.
    remove(&folder)?;
    fs::rename(&staging, &folder).with_context(|| format!("cannot write {}", folder.display()))?;
    ensure!(toolchain.has(target), "{target}: std was built without all of its files");
    Ok(())
}

const NOTE: &str = "\
Built by Tidegate's `cargo xtask setup` from Debian's rust-src and wasi-libc, because rustup
could not download this target. rustup will not overwrite it: remove this folder before
`rustup target add`.
";

fn copy(from: &Path, to: &Path) -> Result<()> {
    fs::copy(from, to).with_context(|| format!("cannot copy {} to {}", from.display(), to.display()))?;
    Ok(())
}

fn remove(folder: &Path) -> Result<()> {
    match fs::remove_dir_all(folder) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(error).with_context(|| format!("cannot remove {}", folder.display()))
        }
        _ => Ok(()),
    }
}

/// std's sources, where cargo looks for them: a link in the sysroot, gone on drop.
struct LinkedLibrary {
    /// `None` if the toolchain has sources of its own.
    link: Option<PathBuf>,
}

impl LinkedLibrary {
    fn new(toolchain: &Toolchain, library: &Path) -> Result<Self> {
        let link = toolchain.rustlib().join("src/rust/library");
        // An interrupted run leaves its link behind.
        let is_ours = fs::read_link(&link).is_ok_and(|to| to.ends_with(tail(library)));
        if !is_ours && link.join("std/Cargo.toml").exists() {
            return Ok(Self { link: None });
        }
        ensure!(library.join("std/Cargo.toml").exists(), "rust-src has no {}", library.display());
        let context = || format!("cannot link {}", link.display());
        fs::create_dir_all(link.parent().with_context(context)?).with_context(context)?;
        if link.is_symlink() {
            fs::remove_file(&link).with_context(context)?;
        }
        symlink(library, &link).with_context(context)?;
        Ok(Self { link: Some(link) })
    }
}

/// What every checkout's unpacked library has in common: `setup/root/usr/src/…/library`.
fn tail(library: &Path) -> PathBuf {
    let names: Vec<_> = library.iter().rev().take(6).collect();
    names.into_iter().rev().collect()
}

impl Drop for LinkedLibrary {
    fn drop(&mut self) {
        let Some(link) = &self.link else { return };
        // What stays behind is harmless: the next run replaces it. Only empty folders go.
        let _ = fs::remove_file(link);
        for folder in link.ancestors().skip(1).take(2) {
            let _ = fs::remove_dir(folder);
        }
    }
}

/// A folder for the work, gone on drop. An interrupted run leaves it behind, so it
/// has one place under the target folder, where the next run or `cargo clean` finds it.
struct Scratch(PathBuf);

impl Scratch {
    fn new(folder: &Path) -> Result<Self> {
        remove(folder)?;
        fs::create_dir_all(folder).with_context(|| format!("cannot make {}", folder.display()))?;
        Ok(Self(folder.to_owned()))
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        // The next run removes what this cannot.
        let _ = fs::remove_dir_all(&self.0);
    }
}
