//! `tidegate plugin new` and `build`: what they make builds, passes its tests and runs, without an edit.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use super::{plugin, refused, repository};
use crate::harness::{Client, Gateway, TIDEGATE, Upstream, one_route, target, until};

/// `program ARGUMENTS` in `folder`, with all that cargo needs and nothing from elsewhere: it must go well.
fn cargoes(program: &str, folder: &Path, arguments: &[&str]) -> String {
    // Tests beside this one go by the clock.
    let mut command = Command::new("nice");
    command.arg(program);
    // What is built here is found again by the next run, and as small as it can be.
    command.env("CARGO_TARGET_DIR", target().join("scaffold")).env("CARGO_PROFILE_DEV_DEBUG", "0");
    command.env("CARGO_INCREMENTAL", "0").env("CARGO_NET_OFFLINE", "true");
    let output = command.current_dir(folder).args(arguments).stdin(Stdio::null()).output().unwrap();
    let (stdout, stderr) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{program} {arguments:?}: {stdout}{stderr}");
    stdout.into_owned()
}

/// Build the crate in `folder`, and put a copy of its wasm file there, as `name`.
fn build(folder: &Path, name: &str) {
    let said = cargoes(TIDEGATE, folder, &["plugin", "build"]);
    let plugin = folder.file_name().unwrap().to_str().unwrap();
    assert!(said.contains(&format!("{plugin} 0.1.0, for on-request")), "{said}");
    fs::copy(said.lines().next().unwrap(), folder.join(name)).unwrap();
}

/// The versions that everything here is built with, which are there without a network.
fn with_versions(folder: &Path) {
    fs::copy(repository().join("Cargo.lock"), folder.join("Cargo.lock")).unwrap();
}

#[tokio::test]
async fn a_new_plugin_is_built_tested_run_and_swapped_while_traffic_flows() {
    let outside = tempfile::tempdir().unwrap();
    let said = plugin(outside.path(), &["new", "require-tenant"]);
    assert!(said.contains("made require-tenant, on this gateway's own SDK, unpacked into sdk/"), "{said}");
    let folder = outside.path().join("require-tenant");
    with_versions(&folder);
    // The SDK's crates are a workspace that cargo understands by itself.
    let metadata = cargoes("cargo", &folder.join("sdk"), &["metadata", "--no-deps", "--format-version=1"]);
    assert!(metadata.contains("tidegate-sdk-macros") && !metadata.contains("xtask"), "{metadata}");

    build(&folder, "first.wasm");
    let said = cargoes("cargo", &folder, &["test", "--lib"]);
    assert!(said.contains("its_cases_come_out_as_expected ... ok"), "{said}");
    assert!(plugin(&folder, &["test", "first.wasm"]).contains("3 passed, 0 failed"));

    let upstream = Upstream::echo("u").await;
    let route = one_route(upstream.address, "plugins = [{ use = \"tenants\" }]");
    let config = format!("[components.tenants]\npath = \"tenants.wasm\"\n{route}");
    let gateway = Gateway::start_with(&config, &[("tenants.wasm", &folder.join("first.wasm"))]).await;
    let seen = Arc::new([const { AtomicUsize::new(0) }; 2]);
    let done = Arc::new(AtomicBool::new(false));
    let clients: Vec<_> = (0..2)
        .map(|_| {
            let (seen, done, address) = (Arc::clone(&seen), Arc::clone(&done), gateway.addresses[0]);
            tokio::spawn(async move {
                let mut client = Client::connect(address).await;
                while !done.load(Ordering::Relaxed) {
                    let tenant = client.send("GET", "/", &[("x-tenant", "t1")], "").await;
                    assert_eq!(tenant.status, 200, "{tenant:?}");
                    let nobody = client.send("GET", "/", &[], "").await;
                    let second = match nobody.status {
                        400 => 0,
                        422 => 1,
                        other => panic!("{other}: {nobody:?}"),
                    };
                    seen[second].fetch_add(1, Ordering::Relaxed);
                }
            })
        })
        .collect();
    let count = |at: usize| seen[at].load(Ordering::Relaxed);
    until("the first", async || (count(0) > 100).then_some(())).await;

    // As its author changes it.
    let source = fs::read_to_string(folder.join("src/lib.rs")).unwrap();
    fs::write(folder.join("src/lib.rs"), source.replace("default = 400", "default = 422")).unwrap();
    let (to, name) = (folder.clone(), "second.wasm");
    tokio::task::spawn_blocking(move || build(&to, name)).await.unwrap();
    gateway.replace("tenants.wasm", &fs::read(folder.join(name)).unwrap());
    until("the second", async || (count(1) > 100).then_some(())).await;
    done.store(true, Ordering::Relaxed);
    for client in clients {
        client.await.unwrap();
    }
    refused(&folder, &["test", name], &["1 of 3 cases did not come out as expected"]);
}

#[test]
fn within_the_repository_a_new_plugin_builds_on_the_sdk_that_is_there() {
    let copy = tempfile::tempdir().unwrap();
    for part in
        ["Cargo.toml", "Cargo.lock", "LICENSE", "benches", "docs", "examples", "plugin-sdk", "plugins", "runtime"]
    {
        copy_all(&repository().join(part), &copy.path().join(part));
    }
    for part in ["tests", "wit", "xtask"] {
        copy_all(&repository().join(part), &copy.path().join(part));
    }
    // One that the workspace takes for its own, and one that it does not know.
    let elsewhere = copy.path().join("drafts/mine");
    fs::create_dir_all(&elsewhere).unwrap();
    for (parent, sdk, own_workspace) in
        [(copy.path().join("examples"), "../../plugin-sdk", false), (elsewhere, "../../../plugin-sdk", true)]
    {
        // Another name than in the test above: both build in one place.
        let said = plugin(&parent, &["new", "tenants"]);
        assert!(said.contains("on this repository's SDK"), "{said}");
        let folder = parent.join("tenants");
        let manifest = fs::read_to_string(folder.join("Cargo.toml")).unwrap();
        assert!(manifest.contains(&format!("{{ path = \"{sdk}\" }}")), "{manifest}");
        assert_eq!(manifest.contains("[workspace]"), own_workspace, "{manifest}");
        assert!(!folder.join("sdk").exists());
        if own_workspace {
            with_versions(&folder);
        }
        build(&folder, "built.wasm");
        assert!(plugin(&folder, &["test", "built.wasm"]).contains("3 passed, 0 failed"));
    }
}

fn copy_all(from: &Path, to: &Path) {
    if from.is_file() {
        fs::copy(from, to).unwrap();
        return;
    }
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap();
        if name != "target" {
            copy_all(&path, &to.join(name));
        }
    }
}

#[test]
fn what_cannot_be_made_leaves_nothing_behind() {
    let folder = tempfile::tempdir().unwrap();
    let here = |name: &str| folder.path().join(name);
    for name in ["Require", "../out", "a b", "self"] {
        refused(folder.path(), &["new", name], &[name]);
    }
    fs::create_dir(here("taken")).unwrap();
    refused(folder.path(), &["new", "taken"], &["taken is there already"]);
    refused(folder.path(), &["new", "mine", "--sdk", "taken"], &["taken is no copy of the SDK"]);
    // Somebody else is at it, or was.
    fs::create_dir(here(".mine.partial")).unwrap();
    refused(folder.path(), &["new", "mine"], &["mine cannot be written"]);
    let left: Vec<_> = fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(left.len(), 2, "{left:?}");
}

#[test]
fn a_copy_of_the_sdk_can_be_named() {
    let folder = tempfile::tempdir().unwrap();
    let sdk = repository().join("plugin-sdk");
    plugin(folder.path(), &["new", "mine", "--sdk", sdk.to_str().unwrap()]);
    let manifest = fs::read_to_string(folder.path().join("mine/Cargo.toml")).unwrap();
    assert!(manifest.contains(&format!("{{ path = \"{}\" }}", sdk.display())), "{manifest}");
    assert!(!folder.path().join("mine/sdk").exists());
}

#[test]
fn build_says_what_it_lacks() {
    let folder = tempfile::tempdir().unwrap();
    refused(folder.path(), &["build", "nowhere"], &["nowhere has no Cargo.toml", "tidegate plugin new"]);
    let failing = |variable: &str, value: &str, expected: &[&str]| {
        let mut command = Command::new(TIDEGATE);
        command
            .current_dir(folder.path())
            .args(["plugin", "build"])
            .env(variable, value)
            .env("CARGO_NET_OFFLINE", "true");
        let output = command.stdin(Stdio::null()).output().unwrap();
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{stderr}");
        for text in expected {
            assert!(stderr.contains(text), "{text:?} is not in:\n{stderr}");
        }
    };
    fs::create_dir(folder.path().join("src")).unwrap();
    let write = |name: &str, text: &str| fs::write(folder.path().join(name), text).unwrap();
    let manifest = "[package]\nname = \"p\"\nversion = \"0.1.0\"\nedition = \"2024\"\n[workspace]\n";
    write("Cargo.toml", manifest);
    write("src/lib.rs", "pub fn f() -> u8 { \"\" }");
    failing("CARGO", "/nowhere/cargo", &["cargo is not there: install Rust"]);
    failing("A", "b", &["mismatched types", "the plugin does not build"]);
    write("src/lib.rs", "");
    failing("A", "b", &["cargo made no wasm file", "crate-type = [\"cdylib\", \"rlib\"]"]);
    write("Cargo.toml", &format!("{manifest}[lib]\ncrate-type = [\"cdylib\"]\n"));
    failing("A", "b", &["is a component of another world", "build a plugin on tidegate-sdk"]);
    // A compiler that knows the target but has nothing for it.
    let rustc = folder.path().join("rustc");
    write("rustc", "#!/bin/sh\ncase \"$*\" in *target-libdir*) echo /nowhere ;; *) exit 1 ;; esac\n");
    fs::set_permissions(&rustc, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    failing(
        "RUSTC",
        rustc.to_str().unwrap(),
        &["the target wasm32-wasip2 is not there: rustup target add wasm32-wasip2"],
    );
}
