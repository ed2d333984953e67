//! `tidegate plugin new`: a crate that builds, passes its tests and runs as it is.

mod sdk;

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};

use sdk::Sdk;

/// Make the crate `name` in the current folder, on the SDK at `given` or on the one that is to be had here.
pub(super) fn run(name: &str, given: Option<&Path>) -> anyhow::Result<()> {
    check(name)?;
    let here = std::env::current_dir().context("the current folder is gone")?;
    let folder = here.join(name);
    if folder.symlink_metadata().is_ok() {
        bail!("{name} is there already: choose another name, or another folder");
    }
    let sdk = Sdk::choose(given, &here)?;
    // All of it or nothing: it gets its name when it is complete.
    let unwritable = || format!("{name} cannot be written");
    let partial = Partial::new(here.join(format!(".{name}.partial"))).with_context(unwritable)?;
    write(&partial.0, name, &sdk).with_context(unwritable)?;
    fs::rename(&partial.0, &folder).with_context(unwritable)?;
    println!("made {name}, on {}\n", sdk.description());
    println!("  cd {name}");
    println!("  cargo test                     its tests and its cases, natively");
    println!("  tidegate plugin build          to WebAssembly");
    println!("  tidegate plugin test FILE      its cases on the real host");
    Ok(())
}

/// What cargo, the file system and gateway.toml all take for a name.
fn check(name: &str) -> anyhow::Result<()> {
    let words = name.split('-');
    let is_word = |word: &str| !word.is_empty() && word.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit());
    if !name.starts_with(|first: char| first.is_ascii_lowercase()) || !words.clone().all(is_word) || name.len() > 64 {
        bail!("\"{name}\" is no name for a plugin: lower case letters, digits and single dashes, a letter first");
    }
    if TAKEN.contains(&name) {
        bail!("\"{name}\" means something else to Rust: choose another name");
    }
    Ok(())
}

/// Keywords, and crates that every crate has already.
const TAKEN: [&str; 48] = [
    "abstract", "alloc", "as", "async", "await", "become", "box", "break", "const", "continue", "core", "crate", "do",
    "dyn", "else", "enum", "extern", "false", "final", "fn", "for", "gen", "if", "impl", "in", "let", "loop", "macro",
    "match", "mod", "move", "mut", "override", "priv", "pub", "ref", "return", "self", "static", "std", "struct",
    "super", "test", "trait", "true", "try", "type", "use",
];

fn write(folder: &Path, name: &str, sdk: &Sdk) -> io::Result<()> {
    fs::create_dir(folder.join("src"))?;
    fs::create_dir(folder.join("cases"))?;
    sdk.unpack(folder)?;
    let mut manifest = include_str!("../../template/manifest.toml").to_owned();
    if let Some((note, exclude)) = sdk.own_workspace() {
        let tail = include_str!("../../template/own-workspace.toml");
        manifest += tail.replace("{workspace-note}", note).replace("{exclude}\n", exclude).as_str();
    }
    let manifest = manifest.replace("{sdk-note}", &sdk.note()).replace("{sdk}", &sdk.path().display().to_string());
    let wasm = format!("{}/{}.wasm", sdk.output(), name.replace('-', "_"));
    let readme = include_str!("../../template/README.md").replace("{wasm}", &wasm);
    for (path, text) in [
        ("Cargo.toml", manifest.as_str()),
        ("src/lib.rs", include_str!("../../template/lib.rs")),
        ("cases/tenants.toml", include_str!("../../template/cases.toml")),
        ("README.md", &readme),
        (".gitignore", include_str!("../../template/gitignore")),
    ] {
        fs::write(folder.join(path), text.replace("{name}", name))?;
    }
    Ok(())
}

/// What has been written of a crate so far; gone on drop, unless it has been given its name.
struct Partial(PathBuf);

impl Partial {
    /// In `folder`, which must not be there: somebody else might be at it.
    fn new(folder: PathBuf) -> io::Result<Self> {
        fs::create_dir(&folder)?;
        Ok(Self(folder))
    }
}

impl Drop for Partial {
    fn drop(&mut self) {
        // Nothing is there if all went well.
        drop(fs::remove_dir_all(&self.0));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_complete_goes_away() {
        let folder = tempfile::tempdir().unwrap();
        let place = folder.path().join("partial");
        let partial = Partial::new(place.clone()).unwrap();
        fs::write(place.join("a"), "").unwrap();
        Partial::new(place.clone()).err().unwrap();
        assert!(place.join("a").exists());
        drop(partial);
        assert!(!place.exists());
    }

    #[test]
    fn a_name_is_what_cargo_and_gateway_toml_take() {
        for name in ["require-tenant", "a", "a1-2b"] {
            check(name).unwrap();
        }
        let long = "a".repeat(65);
        for name in ["", "A", "1a", "a_b", "a--b", "-a", "a-", "../a", "a/b", "a b", "ä", "test", "use", &long] {
            check(name).unwrap_err();
        }
    }
}
