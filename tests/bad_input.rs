//! Whatever is wrong with a configuration is said with its place and what to do: by `check`, by `run`, and by a running
//! gateway, which goes on as it was.

use std::fs;
use std::path::Path;

use crate::harness::gateway::{Outcome, folder, run};
use crate::harness::{Gateway, Upstream, built, one_route};

/// `config` with the upstream's address for `UPSTREAM`, refused in all three places, each time with all of `expected`.
async fn refused(config: &str, files: &[(&str, &Path)], expected: &[&str]) {
    let upstream = Upstream::echo("good").await;
    let config = config.replace("UPSTREAM", &upstream.address.to_string());
    let broken = folder(&config, files);
    for arguments in [&["check"][..], &["run"]] {
        let Outcome { status, stdout, stderr } = run(broken.path(), arguments);
        assert_eq!(status.code(), Some(1), "{arguments:?}: {stdout}{stderr}");
        for text in expected {
            assert!(stderr.contains(text), "{arguments:?} does not say {text:?}:\n{stderr}");
        }
    }

    let gateway = Gateway::start_with(&one_route(upstream.address, ""), files).await;
    gateway.write_config(&config);
    let line = gateway.logged("message", "refused, generation 1 keeps serving").await;
    for text in expected {
        assert!(line["message"].as_str().unwrap().contains(text), "the reload does not say {text:?}:\n{line:#}");
    }
    assert_eq!(gateway.get("/").await.json()["upstream"], "good");
}

/// One service at the good upstream with one route for everything; `rest` goes into the route.
fn service(rest: &str) -> String {
    one_route("UPSTREAM", rest)
}

#[tokio::test]
async fn an_unknown_key() {
    let config = service("methodz = [\"GET\"]");
    refused(&config, &[], &["unknown key `methodz`", "gateway.toml:10:1", "did you mean `methods`?"]).await;
}

#[tokio::test]
async fn a_wrong_type() {
    let config = service("strip_path = \"no\"");
    refused(&config, &[], &["`strip_path` must be true or false, not a string", "gateway.toml:10:14"]).await;
}

#[tokio::test]
async fn what_is_no_toml() {
    refused("[[services]\nname = \"s\"", &[], &["not TOML", "gateway.toml:3:"]).await;
}

#[tokio::test]
async fn an_unknown_plugin() {
    let config = service("plugins = [{ use = \"key-auht\" }]");
    let place = "gateway.toml:10:20";
    refused(&config, &[], &["there is no plugin \"key-auht\"", place, "did you mean `key-auth`?"]).await;
}

#[tokio::test]
async fn a_missing_wasm() {
    let config = format!("[components.mine]\npath = \"mine.wasm\"\n{}", service(""));
    refused(&config, &[], &["mine.wasm cannot be read: No such file", "gateway.toml:4:8", "build the plugin"]).await;
}

#[tokio::test]
async fn a_truncated_wasm() {
    let wasm = fs::read(built("examples/blue.wasm")).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let truncated = folder.path().join("truncated.wasm");
    fs::write(&truncated, &wasm[..wasm.len() / 2]).unwrap();
    let config = format!("[components.mine]\npath = \"mine.wasm\"\n{}", service(""));
    let expected = ["mine.wasm is not valid WebAssembly", "gateway.toml:4:8", "is the file complete?"];
    refused(&config, &[("mine.wasm", &truncated)], &expected).await;
}

#[tokio::test]
async fn a_component_of_another_world() {
    let folder = tempfile::tempdir().unwrap();
    let other = folder.path().join("other.wasm");
    let wat = r#"(component
        (core module $m (func (export "run")))
        (core instance $i (instantiate $m))
        (func $run (canon lift (core func $i "run")))
        (instance $run (export "run" (func $run)))
        (export "wasi:cli/run@0.2.0" (instance $run)))"#;
    fs::write(&other, wat::parse_str(wat).unwrap()).unwrap();
    let config = format!("[components.mine]\npath = \"mine.wasm\"\n{}", service(""));
    let expected = ["mine.wasm is a component of another world", "gateway.toml:4:8", "build a plugin on tidegate-sdk"];
    refused(&config, &[("mine.wasm", &other)], &expected).await;
}

#[tokio::test]
async fn config_that_the_plugins_schema_refuses() {
    let config =
        service("plugins = [\n  { use = \"key-auth\", config = { key_namez = [\"a\"], hide_credentials = 1 } },\n]");
    let expected = [
        "key-auth refuses this config: it knows no `key_namez`",
        "gateway.toml:11:34",
        "did you mean `key_names`?",
        "key-auth refuses this config: `hide_credentials`: 1 is not of type \"boolean\"",
        "gateway.toml:11:72",
    ];
    refused(&config, &[], &expected).await;
}

#[tokio::test]
async fn config_that_only_the_plugin_itself_can_refuse() {
    let config = service("plugins = [{ use = \"faulty\", config = { refuse = true } }]");
    let config = format!("[components.faulty]\npath = \"faulty.wasm\"\n{config}");
    let faulty = built("guests/faulty.wasm");
    let expected = ["faulty refuses this config: refused on purpose", "gateway.toml:12:39"];
    refused(&config, &[("faulty.wasm", &faulty)], &expected).await;
}

#[tokio::test]
async fn all_faults_are_reported_at_once_and_in_order() {
    let config = r#"colour = "blue"
listeners = [{ address = "127.0.0.1" }]

[components.mine]
path = "mine.wasm"

[[upstreams]]
name = "u"
slow_start = "5s"

[[services]]
name = "s"
url = "ftp://UPSTREAM"
timeouts = { connect = "5 minutes" }

[[services]]
name = "s"
url = "http://UPSTREAM"

[[services.routes]]
name = "r"
paths = ["v1"]
hosts = ["a b"]
plugins = [{ use = "nobody" }, { use = "key-auth", config = { key_names = [] } }]

[[consumers]]
username = "alice"
credentials = [{ kind = "key-auth", key = "env:TIDEGATE_TEST_NO_SUCH_VARIABLE" }]
"#;
    let broken = folder(config, &[]);
    let Outcome { status, stderr, .. } = run(broken.path(), &["check"]);
    assert_eq!(status.code(), Some(1));
    let places: Vec<&str> = stderr.lines().filter_map(|line| line.trim().strip_prefix("--> gateway.toml:")).collect();
    let lines: Vec<u32> = places.iter().map(|place| place.split(':').next().unwrap().parse().unwrap()).collect();
    assert_eq!(lines, [1, 2, 5, 7, 13, 14, 17, 22, 23, 24, 24, 28], "{stderr}");
    assert!(stderr.ends_with("gateway.toml: 12 faults\n"), "{stderr}");
    for text in ["unknown key `colour`", "\"ftp\" is not spoken here", "there is another service named \"s\""] {
        assert!(stderr.contains(text), "{text}:\n{stderr}");
    }
}

#[tokio::test]
async fn a_pipe_where_a_plugin_should_be_does_not_hang_anything() {
    let config = format!("[components.mine]\npath = \"pipe\"\n{}", service(""));
    let broken = folder(&config, &[]);
    assert!(std::process::Command::new("mkfifo").arg(broken.path().join("pipe")).status().unwrap().success());
    let Outcome { status, stderr, .. } = run(broken.path(), &["check"]);
    assert_eq!(status.code(), Some(1));
    assert!(stderr.contains("pipe is not a file"), "{stderr}");
}

#[tokio::test]
async fn what_would_go_unheard() {
    for (config, expected) in [
        ("listeners = []", "no listener"),
        (
            "[[upstreams]]\nname = \"U\"\ntargets = [\"a:1\"]\n[[services]]\nname = \"s\"\nurl = \"http://u:80\"",
            "have ports of their own",
        ),
        (
            "[[services]]\nname = \"s\"\nurl = \"http://a\"\nroutes = [{ name = \"r\", paths = [] }]",
            "a route needs something to match",
        ),
        (
            "[[consumers]]\nusername = \"a\"\ncredentials = [{ kind = \"k\", key = \"ENV:A\" }]",
            "`ENV:` is written in lower case",
        ),
        ("[services]\nname = \"s\"", "write [[services]]"),
    ] {
        let Outcome { status, stderr, .. } = run(folder(config, &[]).path(), &["check"]);
        assert_eq!(status.code(), Some(1), "{config}");
        assert!(stderr.contains(expected), "{config}:\n{stderr}");
    }
}

#[tokio::test]
async fn a_log_level_that_is_none() {
    let good = folder(&one_route("127.0.0.1:1", ""), &[]);
    let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_tidegate"));
    let output = command.arg("check").current_dir(good.path()).env("TIDEGATE_LOG", "verbose").output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&output.stderr).contains("TIDEGATE_LOG is \"verbose\": expected error"));
}

#[tokio::test]
async fn a_file_that_is_not_there() {
    let empty = tempfile::tempdir().unwrap();
    for arguments in [&["check", "other.toml"][..], &["run", "--config", "other.toml"]] {
        let Outcome { status, stderr, .. } = run(empty.path(), arguments);
        assert_eq!(status.code(), Some(1));
        assert!(stderr.contains("cannot be read: No such file"), "{stderr}");
        assert!(stderr.contains("other.toml"), "{stderr}");
    }
}

#[tokio::test]
async fn an_address_that_is_taken() {
    let taken = Upstream::silent().await.address;
    let config = format!("[[listeners]]\naddress = \"{taken}\"\n");
    let broken = folder(&config, &[]);
    let Outcome { status, stderr, .. } = run(broken.path(), &["run"]);
    assert_eq!(status.code(), Some(1));
    assert!(stderr.contains("gateway.toml:2:11"), "{stderr}");
    assert!(stderr.contains("another program serves this address"), "{stderr}");

    // A gateway shares its sockets among its workers, and must not share them with another gateway.
    let gateway = Gateway::start("").await;
    let broken = folder(&format!("[[listeners]]\naddress = \"{}\"\n", gateway.addresses[0]), &[]);
    assert_eq!(run(broken.path(), &["run"]).status.code(), Some(1));
}

#[test]
fn a_good_file_is_said_to_be_good() {
    let good = folder(&one_route("127.0.0.1:1", "plugins = [{ use = \"key-auth\" }]"), &[]);
    let Outcome { status, stdout, stderr } = run(good.path(), &["check"]);
    assert!(status.success(), "{stderr}");
    assert_eq!(stdout, "gateway.toml: ok (1 routes, 1 services, 1 plugin uses)\n");
}
