//! Embeds the bundled plugins: every folder of `plugins/` stands for one, built into `target/plugins`. And the SDK's
//! sources, which `tidegate plugin new` unpacks.

use std::path::{Path, PathBuf};
use std::{env, fs};

fn main() {
    let root = Path::new(&env::var("CARGO_MANIFEST_DIR").expect("cargo sets it")).join("..");
    embed_plugins(&root);
    embed_sdk(&root);
}

fn embed_plugins(root: &Path) {
    let sources = root.join("plugins");
    let built = target_folder(root).join("plugins");
    println!("cargo::rerun-if-changed={}", sources.display());

    let mut names: Vec<String> = fs::read_dir(&sources)
        .expect("plugins/ is readable")
        .filter_map(|entry| entry.ok())
        .filter(|entry| entry.path().join("Cargo.toml").is_file())
        .filter_map(|entry| entry.file_name().into_string().ok())
        .collect();
    names.sort();

    let mut table = String::from("static BUNDLED: &[(&str, &[u8])] = &[\n");
    for name in names {
        let wasm = built.join(&name).with_extension("wasm");
        println!("cargo::rerun-if-changed={}", wasm.display());
        match wasm.canonicalize() {
            Ok(wasm) => table.push_str(&format!("    ({name:?}, include_bytes!({wasm:?})),\n")),
            Err(_) => println!("cargo::error={} is not built: run `cargo xtask plugins`", wasm.display()),
        }
    }
    table.push_str("];\n");
    write("bundled.rs", &table);
}

/// All that the SDK is built from: its crates, the contract, and the manifest of the workspace that they belong to.
fn embed_sdk(root: &Path) {
    let mut files = vec![root.join("Cargo.toml"), root.join("LICENSE")];
    for folder in ["plugin-sdk", "wit"] {
        println!("cargo::rerun-if-changed={}", root.join(folder).display());
        collect(&root.join(folder), &mut files);
    }
    files.sort();
    let mut table = String::from("static CARRIED: &[(&str, &str)] = &[\n");
    for file in files {
        println!("cargo::rerun-if-changed={}", file.display());
        let path = file.strip_prefix(root).expect("it was found there").to_str().expect("our names are UTF-8");
        let source = file.canonicalize().expect("it is there");
        table.push_str(&format!("    ({path:?}, include_str!({source:?})),\n"));
    }
    table.push_str("];\n");
    write("sdk.rs", &table);
}

/// Every file below `folder` that somebody has written.
fn collect(folder: &Path, files: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).expect("it is readable") {
        let path = entry.expect("it is readable").path();
        if path.is_dir() {
            collect(&path, files);
        } else if path.extension().is_some_and(|extension| ["rs", "toml", "wit"].iter().any(|own| extension == *own)) {
            files.push(path);
        }
    }
}

fn write(name: &str, text: &str) {
    let out = PathBuf::from(env::var("OUT_DIR").expect("cargo sets it")).join(name);
    fs::write(out, text).expect("OUT_DIR is writable");
}

/// Cargo tells build scripts nothing about the target folder but its place: OUT_DIR is
/// `<target>/[<triple>/]<profile>/build/<package>-<hash>/out`, and `<target>` holds cargo's CACHEDIR.TAG.
fn target_folder(root: &Path) -> PathBuf {
    let out = PathBuf::from(env::var("OUT_DIR").expect("cargo sets it"));
    let target = out.ancestors().find(|folder| folder.join("CACHEDIR.TAG").is_file());
    target.map_or_else(|| root.join("target"), Path::to_owned)
}
