//! `tidegate plugin push`, against a gateway that serves.

use std::path::Path;
use std::process::{Command, Stdio};

use crate::harness::admin::Admin;
use crate::harness::certs::Authority;
use crate::harness::gateway::{Outcome, run};
use crate::harness::{Gateway, Upstream, built, one_route};

const TOKENS: &str = "tokens = [{ name = \"ci\", token = \"publisher-0123456\", role = \"plugins\" }, \
    { name = \"eye\", token = \"reader-0123456789\", role = \"read\" }]";

/// Serves blue.wasm as `release`, with these lines in `[admin]`; green.wasm and files with the tokens are beside it.
async fn serving(admin: &str) -> (Gateway, Admin) {
    let upstream = Upstream::echo("u").await;
    let route = one_route(upstream.address, "plugins = [{ use = \"release\" }]");
    let config = format!("[components.release]\npath = \"release.wasm\"\n{route}\n[admin]\n{admin}\n");
    let [blue, green] = ["blue", "green"].map(|name| built(&format!("examples/{name}.wasm")));
    let authority = Authority::new("ca");
    let folder = crate::harness::gateway::folder(&config, &[("release.wasm", &blue), ("green.wasm", &green)]);
    authority.server(&["127.0.0.1"]).write(folder.path(), "server");
    authority.write(folder.path(), "ca");
    std::fs::write(folder.path().join("ci.token"), "publisher-0123456\n").unwrap();
    std::fs::write(folder.path().join("eye.token"), "reader-0123456789\n").unwrap();
    let gateway = Gateway::start_in(folder).await;
    let admin = Admin::of(&gateway).await;
    // The upstream ends with this function, and is not missed: the plugin marks whatever is answered.
    (gateway, admin)
}

async fn release(gateway: &Gateway) -> Option<String> {
    gateway.get("/").await.header("x-release").map(str::to_owned)
}

/// `tidegate plugin push ARGUMENTS`: it must go well.
fn pushed(folder: &Path, arguments: &[&str]) -> String {
    let Outcome { status, stdout, stderr } = run(folder, &[&["plugin", "push"], arguments].concat());
    assert!(status.success(), "{arguments:?}: {stdout}{stderr}");
    stdout
}

/// The same: it must fail, and say all of `expected`.
fn refused(folder: &Path, arguments: &[&str], expected: &[&str]) {
    let Outcome { status, stdout, stderr } = run(folder, &[&["plugin", "push"], arguments].concat());
    assert_eq!(status.code(), Some(1), "{arguments:?}: {stdout}{stderr}");
    for text in expected {
        assert!(stderr.contains(text), "{arguments:?} does not say {text:?}:\n{stdout}{stderr}");
    }
}

#[tokio::test]
async fn a_pushed_plugin_serves_the_next_request() {
    let (gateway, admin) = serving("address = \"127.0.0.1:0\"").await;
    let (folder, to) = (gateway.folder.path(), format!("http://{}", admin.address));
    assert_eq!(release(&gateway).await.as_deref(), Some("blue"));
    let said = pushed(folder, &["green.wasm", "--to", &to, "--as", "release"]);
    assert_eq!(release(&gateway).await.as_deref(), Some("green"));
    for text in
        ["component   release, of ", "plugin      green 0.1.0\n", "before      blue 0.1.0, sha256 ", "generation  2 "]
    {
        assert!(said.contains(text), "{text:?} is not in:\n{said}");
    }
    // The file's own name, and nobody uses that yet.
    let said = pushed(folder, &["green.wasm", "--to", &to]);
    assert!(said.contains("component   green, ") && said.contains("before      none"), "{said}");
    assert_eq!(admin.get("/components/green").await["plugin"], "green");
    assert!(pushed(folder, &["green.wasm", "--to", &to]).contains("before      the same"));
}

#[tokio::test]
async fn what_is_refused_is_told_in_the_gateways_words_and_changes_nothing() {
    let (gateway, admin) = serving("address = \"127.0.0.1:0\"").await;
    let (folder, to) = (gateway.folder.path(), format!("http://{}", admin.address));
    gateway.replace("script.wasm", b"#!/bin/sh\n");
    gateway.replace("no name.wasm", b"#!/bin/sh\n");
    for (file, to, expected) in [
        ("script.wasm", to.as_str(), &["says: ", "is not a WebAssembly file"][..]),
        ("missing.wasm", &to, &["missing.wasm cannot be read: No such file"]),
        ("no name.wasm", &to, &["\"no name\": ", "--as NAME"]),
        ("green.wasm", "localhost:8001", &["expected http://HOST:PORT"]),
        ("green.wasm", "http://127.0.0.1:1", &["http://127.0.0.1:1 cannot be reached: Connection refused"]),
        ("green.wasm", "unix:nowhere.sock", &["unix:nowhere.sock cannot be reached: No such file"]),
    ] {
        refused(folder, &[file, "--to", to], expected);
    }
    assert_eq!(release(&gateway).await.as_deref(), Some("blue"));
    assert_eq!(admin.get("/status").await["generation"], 1);
}

#[tokio::test]
async fn tokens_come_from_files_or_the_environment() {
    let (gateway, admin) = serving(&format!("address = \"127.0.0.1:0\"\n{TOKENS}")).await;
    let (folder, to) = (gateway.folder.path(), format!("http://{}", admin.address));
    let push = ["green.wasm", "--to", &to, "--as", "release"];
    refused(folder, &push, &["No credentials", "help: put a token into TIDEGATE_ADMIN_TOKEN"]);
    refused(folder, &[&push[..], &["--token", "publisher-0123456"]].concat(), &["--token says where the token is"]);
    // Far more than fits into a socket: an answer that came while it is being sent would get lost.
    gateway.replace("large.wasm", &vec![0; 32 << 20]);
    let large = ["large.wasm", "--to", &to, "--as", "release", "--token", "file:eye.token"];
    refused(folder, &large, &["token eye has the role \"read\", and this needs \"plugins\""]);
    assert_eq!(release(&gateway).await.as_deref(), Some("blue"));
    pushed(folder, &[&push[..], &["--token", "file:ci.token"]].concat());
    assert_eq!(release(&gateway).await.as_deref(), Some("green"));
    let mut command = Command::new(env!("CARGO_BIN_EXE_tidegate"));
    command.args(["plugin", "push", "release.wasm", "--to", &to]).current_dir(folder).stdin(Stdio::null());
    let output = command.env("TIDEGATE_ADMIN_TOKEN", "publisher-0123456").output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert_eq!(release(&gateway).await.as_deref(), Some("blue"));
    let line = gateway.logged("who", "token ci").await;
    assert_eq!((&line["path"], &line["method"]), (&"/components/release".into(), &"PUT".into()));
}

#[tokio::test]
async fn over_tls_the_gateway_has_to_be_known() {
    let tls = "tls = { certificates = [{ cert = \"server.pem\", key = \"server.key\" }] }";
    let (gateway, admin) = serving(&format!("address = \"127.0.0.1:0\"\n{TOKENS}\n{tls}")).await;
    let folder = gateway.folder.path();
    let to = format!("https://{}", admin.address);
    let push = ["green.wasm", "--to", &to, "--as", "release", "--token", "file:ci.token"];
    refused(folder, &push, &["cannot be reached", "certificate"]);
    pushed(folder, &[&push[..], &["--ca", "ca.pem"]].concat());
    assert_eq!(release(&gateway).await.as_deref(), Some("green"));
    let plain = format!("http://{}", admin.address);
    refused(folder, &["green.wasm", "--to", &plain, "--as", "release"], &["does not answer as an admin API does"]);
}
