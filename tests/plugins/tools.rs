//! `tidegate plugin …`, as authors call it.

mod cases;
mod scaffold;

use std::path::{Path, PathBuf};

use crate::harness::built;
use crate::harness::gateway::{Outcome, run};

/// `tidegate plugin ARGUMENTS` in `folder`: it must go well.
fn plugin(folder: &Path, arguments: &[&str]) -> String {
    let Outcome { status, stdout, stderr } = run(folder, &[&["plugin"], arguments].concat());
    assert!(status.success(), "{arguments:?}: {stdout}{stderr}");
    stdout
}

/// `tidegate plugin ARGUMENTS` in `folder`: it must fail, and say all of `expected`.
fn refused(folder: &Path, arguments: &[&str], expected: &[&str]) {
    let Outcome { status, stdout, stderr } = run(folder, &[&["plugin"], arguments].concat());
    assert_eq!(status.code(), Some(1), "{arguments:?}: {stdout}{stderr}");
    for text in expected {
        assert!(stderr.contains(text), "{arguments:?} does not say {text:?}:\n{stdout}{stderr}");
    }
}

/// The folder that everything is in.
fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

#[test]
fn what_is_no_plugin_is_refused_by_every_command_that_takes_one() {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, bytes: &[u8]| std::fs::write(folder.path().join(name), bytes).unwrap();
    write("script.wasm", b"#!/bin/sh\n");
    write("truncated.wasm", &std::fs::read(built("guests/nothing.wasm")).unwrap()[..1_000]);
    write("component.wasm", &wat::parse_str("(component)").unwrap());
    write("next.wasm", &wat::parse_str(r#"(component (import "tidegate:plugin/kv@0.3.0" (instance)))"#).unwrap());
    write("cases.toml", b"[[case]]\nname = \"n\"\nexpect.reply.status = 401\n");
    for command in COMMANDS {
        for (file, expected) in [
            ("missing.wasm", "missing.wasm cannot be read: No such file"),
            (".", ". is not a file"),
            ("script.wasm", "script.wasm is not a WebAssembly file"),
            ("truncated.wasm", "truncated.wasm is not valid WebAssembly"),
            ("component.wasm", "component.wasm is a component of another world"),
            ("next.wasm", "next.wasm needs tidegate:plugin@0.3.0, this gateway speaks 0.1.0"),
        ] {
            let arguments: Vec<&str> =
                command.iter().map(|argument| if *argument == "FILE" { file } else { argument }).collect();
            refused(folder.path(), &arguments, &[expected]);
        }
    }
}

#[test]
fn inspect_says_what_a_plugin_is() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::copy(built("plugins/key-auth.wasm"), folder.path().join("key-auth.wasm")).unwrap();
    let said = plugin(folder.path(), &["inspect", "key-auth.wasm"]);
    for line in [
        "key-auth 0.1.0, priority 1250",
        "contract   tidegate:plugin@0.1.0",
        "hooks      on-request\nimports    types, request, decision, identity, log\n",
        "  hide_credentials  boolean             false",
        "  key_names         list of string      [\"apikey\"]  Names to look for the key under",
        "  realm             string              -           The realm that WWW-Authenticate names.",
    ] {
        assert!(said.contains(line), "{line:?} is not in:\n{said}");
    }
    assert!(!said.contains("granted"), "{said}");

    std::fs::copy(built("guests/caller.wasm"), folder.path().join("caller.wasm")).unwrap();
    let said = plugin(folder.path(), &["inspect", "caller.wasm"]);
    for line in [
        "hooks      on-request, on-timer\n",
        "http-client  grants = { http = [\"https://…\"] }",
        "secrets      grants = { secrets = [\"…\"] }",
        "sink         grants = { sinks = [\"…\"] }",
    ] {
        assert!(said.contains(line), "{line:?} is not in:\n{said}");
    }
    std::fs::copy(built("guests/visitor.wasm"), folder.path().join("visitor.wasm")).unwrap();
    let said = plugin(folder.path(), &["inspect", "visitor.wasm"]);
    for line in ["may be granted", "sockets  grants = { sockets = [", "files    grants = { files = [{ path = "] {
        assert!(said.contains(line), "{line:?} is not in:\n{said}");
    }
    std::fs::copy(built("examples/blue.wasm"), folder.path().join("blue.wasm")).unwrap();
    assert!(plugin(folder.path(), &["inspect", "blue.wasm"]).ends_with("settings:\n  none\n"));
}

#[test]
fn bench_measures_every_hook_that_the_case_has_called() {
    let folder = tempfile::tempdir().unwrap();
    let case = "[[case]]\nname = \"all hooks\"\n\
                config = { request_pieces = \"shout\", response_pieces = \"shout\", log = true }\n\
                request.method = \"POST\"\nrequest.body = [\"a\", \"b\"]\nanswer.body = \"c\"\nexpect.log = [\"over\"]\n";
    std::fs::write(folder.path().join("case.toml"), case).unwrap();
    let wasm = built("guests/every-hook.wasm");
    let said = plugin(folder.path(), &["bench", wasm.to_str().unwrap(), "--case", "case.toml"]);
    let lines: Vec<&str> = said.lines().collect();
    let hooks = ["on-request ", "on-request-body ", "on-response ", "on-response-body ", "on-log "];
    let begins = [&["all hooks"][..], &hooks, &["a fresh instance", "", "an idle instance"]].concat();
    assert_eq!(lines.len(), begins.len(), "{said}");
    for (line, begin) in lines.iter().zip(&begins) {
        assert!(line.trim_start().starts_with(begin), "{begin:?} does not begin {line:?}");
    }
    assert!(lines[1..6].iter().all(|line| line.ends_with("s per call")), "{said}");

    std::fs::write(folder.path().join("case.toml"), case.replace("log = true", "fail = true")).unwrap();
    let arguments = ["bench", wasm.to_str().unwrap(), "--case", "case.toml"];
    refused(folder.path(), &arguments, &["what fails is not measured", "failed as it was told"]);
}

/// Every command that takes a plugin.
const COMMANDS: [&[&str]; 3] =
    [&["test", "FILE", "--case", "cases.toml"], &["bench", "FILE", "--case", "cases.toml"], &["inspect", "FILE"]];
