//! Embeds the bundled plugins: every folder of `plugins/` stands for one, built into `target/plugins`.

use std::path::{Path, PathBuf};
use std::{env, fs};

fn main() {
    let root = Path::new(&env::var("CARGO_MANIFEST_DIR").expect("cargo sets it")).join("..");
    let sources = root.join("plugins");
    let built = target_folder(&root).join("plugins");
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
    let out = PathBuf::from(env::var("OUT_DIR").expect("cargo sets it")).join("bundled.rs");
    fs::write(out, table).expect("OUT_DIR is writable");
}

/// Cargo tells build scripts nothing about the target folder but its place: OUT_DIR is
/// `<target>/[<triple>/]<profile>/build/<package>-<hash>/out`, and `<target>` holds cargo's CACHEDIR.TAG.
fn target_folder(root: &Path) -> PathBuf {
    let out = PathBuf::from(env::var("OUT_DIR").expect("cargo sets it"));
    let target = out.ancestors().find(|folder| folder.join("CACHEDIR.TAG").is_file());
    target.map_or_else(|| root.join("target"), Path::to_owned)
}
