//! `tidegate plugin test`: case files on the real host, which must come out there as they do natively.

use std::fs;
use std::path::PathBuf;

use super::{plugin, refused, repository};
use crate::harness::built;

/// Crates with case files, and where their plugins are built.
fn crates() -> Vec<(PathBuf, PathBuf)> {
    let mut found = Vec::new();
    for (sources, output) in [("plugins", "plugins"), ("examples", "examples"), ("tests/guests", "guests")] {
        for entry in fs::read_dir(repository().join(sources)).unwrap() {
            let folder = entry.unwrap().path();
            if folder.join("cases").is_dir() {
                let name = folder.file_name().unwrap().to_str().unwrap();
                found.push((folder.clone(), built(&format!("{output}/{name}.wasm"))));
            }
        }
    }
    found
}

#[test]
fn every_case_comes_out_on_the_real_host_as_it_does_natively() {
    let crates = crates();
    assert!(crates.len() >= 7, "{crates:?}");
    for (folder, wasm) in crates {
        let cases = folder.join("cases");
        let said = plugin(&folder, &["test", wasm.to_str().unwrap(), "--case", cases.to_str().unwrap()]);
        assert!(said.contains(" 0 failed"), "{said}");
        let tests =
            ["src/lib.rs", "src/tests.rs"].map(|file| fs::read_to_string(folder.join(file)).unwrap_or_default());
        let natively = tests.iter().any(|text| text.contains("testing::cases::<"));
        assert!(natively, "{} does not run its cases natively", folder.display());
    }
}

#[test]
fn the_guides_cases_come_out_as_it_says() {
    let guide = fs::read_to_string(repository().join("docs/writing-plugins.md")).unwrap();
    let mut blocks = guide.split("```toml\n").skip(1).map(|rest| rest.split("```").next().unwrap());
    let cases = blocks.find(|block| block.contains("[[case]]")).unwrap();
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("guide.toml"), cases).unwrap();
    // The plugin that the guide shows.
    let wasm = built("examples/require-header.wasm");
    let said = plugin(folder.path(), &["test", wasm.to_str().unwrap(), "--case", "guide.toml"]);
    assert!(said.contains("2 passed, 0 failed"), "{said}");
}

#[test]
fn a_case_that_comes_out_otherwise_is_said_field_by_field() {
    let folder = tempfile::tempdir().unwrap();
    let text = r#"
config = { header = "x-token" }

[[case]]
name = "this one is right"
expect.reply = { status = 401 }

[[case]]
name = "this one is not"
request = { headers = { x-token = "t" } }
answer = { status = 404, headers = { x-a = "1" } }
expect.reply = { status = 401 }
expect.response = { status = 200, headers = { x-a = "2" } }
"#;
    fs::create_dir(folder.path().join("cases")).unwrap();
    fs::write(folder.path().join("cases/wrong.toml"), text).unwrap();
    fs::copy(built("examples/require-header.wasm"), folder.path().join("require.wasm")).unwrap();
    let said = crate::harness::gateway::run(folder.path(), &["plugin", "test", "require.wasm"]);
    assert_eq!(said.status.code(), Some(1), "{}", said.stderr);
    for line in [
        "running 2 cases",
        "  this one is right ... ok",
        "  this one is not ... FAILED",
        "      reply: expected an answer of the plugin's, got a request to the upstream: GET /",
        "      response.status: expected 200, got 404",
        "      response.headers.x-a: expected \"2\", got \"1\"",
        "1 passed, 1 failed",
    ] {
        assert!(said.stdout.contains(line), "{line:?} is not in:\n{}", said.stdout);
    }
    assert!(said.stderr.contains("1 of 2 cases did not come out as expected"), "{}", said.stderr);
}

#[test]
fn a_broken_case_file_is_refused_with_its_line() {
    let folder = tempfile::tempdir().unwrap();
    let wasm = built("examples/require-header.wasm");
    let test = |text: &str, expected: &[&str]| {
        fs::write(folder.path().join("case.toml"), text).unwrap();
        refused(folder.path(), &["test", wasm.to_str().unwrap(), "--case", "case.toml"], expected);
    };
    test("[[case]]\nname = \"n\"\nexpcet = {}\n", &["case.toml: ", "line 3, column 1", "unknown field `expcet`"]);
    test("[[case]]\nname = \"n\"\nexpect = {}\n", &["the case \"n\" expects nothing"]);
    let server = "[[case]]\nname = \"n\"\nservers = { here = {} }\nexpect.log = [\"\"]\n";
    test(server, &["the case \"n\" cannot be run", "\"here\" is no method and URL"]);
    let sink = "[[case]]\nname = \"n\"\nsinks = [\"a b\"]\nexpect.log = [\"\"]\n";
    test(sink, &["the case \"n\" cannot be run", "what is around it cannot be had"]);
    refused(folder.path(), &["test", wasm.to_str().unwrap(), "--case", "none.toml"], &["none.toml cannot be read"]);
    let none = ["there is no folder `cases`", "name a file with --case"];
    refused(folder.path(), &["test", wasm.to_str().unwrap()], &none);
}

#[test]
fn cases_see_nothing_of_one_another() {
    let folder = tempfile::tempdir().unwrap();
    let hit = "[[case]]\nname = \"one\"\nconfig.max = 1\nrequest.headers = { x-do = \"hit\", x-key = \"k\" }\n\
               expect.reply.json = { allowed = true, remaining = [0], waits = false }\n";
    fs::write(folder.path().join("case.toml"), hit.repeat(2)).unwrap();
    let wasm = built("guests/services.wasm");
    let said = plugin(folder.path(), &["test", wasm.to_str().unwrap(), "--case", "case.toml"]);
    assert!(said.contains("2 passed, 0 failed"), "{said}");
}
