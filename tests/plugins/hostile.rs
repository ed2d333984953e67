//! Every way a plugin can be wrong, by guests that are wrong on purpose: what it does fails its own request, with a cause
//! of its own, and the worker and the next request are as they were.

use std::time::{Duration, Instant};

use crate::harness::gateway::run;
use crate::harness::{Gateway, Upstream, built, folder, one_route, until};

fn config(address: impl std::fmt::Display, component: &str, rest: &str) -> String {
    let plugin = format!("plugins = [{{ use = \"{component}\", {rest} }}]");
    format!("{}\n[components.{component}]\npath = \"guest.wasm\"\n", one_route(address, &plugin))
}

async fn gateway(upstream: &Upstream, rest: &str) -> Gateway {
    let config = config(upstream.address, "hostile", rest);
    Gateway::start_with(&config, &[("guest.wasm", &built("guests/hostile.wasm"))]).await
}

/// What each attack comes to: the cause's code, and what the log says of it.
const ATTACKS: [(&str, &str, &str); 17] = [
    ("huge-length", "plugin_failed", "trapped"),
    ("negative-length", "plugin_failed", "trapped"),
    ("beyond-memory", "plugin_failed", "trapped"),
    ("no-such-level", "plugin_failed", "trapped"),
    ("not-utf8", "plugin_failed", "trapped"),
    ("odd-return-place", "plugin_failed", "trapped"),
    ("response-in-request", "plugin_failed", "there is no response in a request hook"),
    ("large-reply", "plugin_failed", "trapped"),
    ("many-headers", "plugin_failed", "its reply cannot be sent"),
    ("edits", "plugin_failed", "a header section holds at most"),
    ("flood", "plugin_failed", "called the gateway more than 10000 times"),
    ("scratch", "plugin_failed", "the scratch of one exchange holds at most"),
    ("deep", "plugin_failed", "wasm trap"),
    ("sleep", "plugin_failed", "not permitted"),
    ("read-file", "plugin_failed", "Err("),
    ("connect", "plugin_failed", "Some("),
    ("exit", "plugin_failed", "trapped"),
];

#[tokio::test]
async fn what_breaks_the_contract_fails_its_own_request_and_nothing_else() {
    let upstream = Upstream::echo("u").await;
    for isolation in ["worker", "request"] {
        let gateway = gateway(&upstream, &format!("isolation = \"{isolation}\", limits = {{ time = \"1s\" }}")).await;
        for (attack, code, told) in ATTACKS {
            let mark = gateway.log_lines().len();
            let begun = Instant::now();
            let answer = gateway.request("GET", "/", &[("x-attack", attack)]).await;
            assert_eq!((answer.status, answer.header("x-gateway-error")), (500, Some(code)), "{attack}: {answer:?}");
            assert!(begun.elapsed() < Duration::from_secs(10), "{attack}");
            assert_eq!(answer.json()["message"], "An unexpected error occurred", "{attack}");
            assert_eq!(gateway.get("/").await.status, 200, "after {attack}");
            let line = until("the log's word of it", async || {
                gateway.log_lines()[mark..].iter().find(|line| line["code"] == code).cloned()
            })
            .await;
            let said = line["message"].as_str().unwrap();
            assert!(said.contains(told), "{attack}: {said}");
        }
    }
}

#[tokio::test]
async fn what_a_plugin_prints_is_in_the_log_and_its_environment_is_empty() {
    let upstream = Upstream::echo("u").await;
    let gateway = gateway(&upstream, "enabled = true").await;
    assert_eq!(gateway.request("GET", "/", &[("x-attack", "print")]).await.status, 200);
    let line = gateway.logged("message", "printed on purpose").await;
    assert_eq!((&line["plugin"], &line["level"]), (&"hostile".into(), &"INFO".into()));
    assert_eq!(gateway.logged("message", "complained on purpose").await["level"], "WARN");
    gateway.request("GET", "/", &[("x-attack", "environment")]).await;
    assert!(gateway.logged("code", "plugin_failed").await["message"].as_str().unwrap().ends_with("on-request: 0"));
}

#[tokio::test]
async fn what_goes_wrong_while_a_plugin_is_loaded_refuses_the_configuration() {
    let upstream = Upstream::echo("u").await;
    for (attack, told) in [
        ("loop", "ran longer than its limit allows"),
        ("trap", "trapped"),
        ("exchange", "there is no exchange in `describe` and `configure`"),
        ("grow", "needed more memory than its limit allows"),
    ] {
        let config = config(upstream.address, "hostile", &format!("config = {{ attack = \"{attack}\" }}"));
        let folder = folder(&config, &[("guest.wasm", &built("guests/hostile.wasm"))]);
        let outcome = run(folder.path(), &["check"]);
        assert_eq!(outcome.status.code(), Some(1), "{attack}");
        assert!(
            outcome.stderr.contains("hostile refuses this config") && outcome.stderr.contains(told),
            "{attack}: {}",
            outcome.stderr
        );
    }
    let lying = config(upstream.address, "liar", "enabled = true");
    let folder = folder(&lying, &[("guest.wasm", &built("guests/liar.wasm"))]);
    let outcome = run(folder.path(), &["check"]);
    assert!(outcome.stderr.contains("describes its config by something that is no JSON Schema"), "{}", outcome.stderr);
}

#[tokio::test]
async fn a_read_that_was_begun_while_the_plugin_was_loaded_ends_in_a_hook() {
    let upstream = Upstream::echo("u").await;
    let rest = "config = { attack = \"read-ahead\" }, grants = { files = [{ path = \"data\", at = \"/data\" }] }";
    // The first request that each worker gets finds such a read.
    let top = "workers = 16\nlisteners = [{ address = \"127.0.0.1:0\" }]\n";
    let folder = folder(
        &format!("{top}{}", config(upstream.address, "hostile", rest)),
        &[("guest.wasm", &built("guests/hostile.wasm"))],
    );
    std::fs::create_dir(folder.path().join("data")).unwrap();
    std::fs::write(folder.path().join("data/file"), "text").unwrap();
    let gateway = Gateway::start_in(folder).await;
    let mut read = 0;
    for _ in 0..100 {
        let answer = gateway.request("GET", "/", &[("x-attack", "read-behind")]).await;
        assert_eq!(answer.status, 200, "{answer:?}");
        read += usize::from(answer.text() == "text");
    }
    assert!((1..=16).contains(&read), "{read}");
}

#[tokio::test]
async fn a_granted_folder_is_the_same_one_whatever_is_put_in_its_place() {
    let upstream = Upstream::echo("u").await;
    let granted = "{ path = \"data/inner\", at = \"/inner\" }";
    let config = config(upstream.address, "hostile", &format!("grants = {{ files = [{granted}] }}"));
    let folder = folder(&config, &[("guest.wasm", &built("guests/hostile.wasm"))]);
    for (path, text) in [("data/inner", "inside"), ("outside", "a secret")] {
        std::fs::create_dir_all(folder.path().join(path)).unwrap();
        std::fs::write(folder.path().join(path).join("file"), text).unwrap();
    }
    let gateway = Gateway::start_in(folder).await;
    std::fs::rename(gateway.path("data/inner"), gateway.path("data/moved")).unwrap();
    std::os::unix::fs::symlink("../outside", gateway.path("data/inner")).unwrap();
    for _ in 0..10 {
        // Its instance is gone, and another one opens its folders.
        assert_eq!(gateway.request("GET", "/", &[("x-attack", "exit")]).await.status, 500);
        let answer = gateway.request("GET", "/", &[("x-attack", "read-inner")]).await;
        assert_eq!((answer.status, answer.text()), (200, "inside"));
    }
}

#[tokio::test]
async fn output_is_written_in_small_portions_whatever_is_granted() {
    let upstream = Upstream::echo("u").await;
    for rest in ["enabled = true", "grants = { sockets = [\"tcp://127.0.0.1:9\"] }"] {
        let gateway = gateway(&upstream, rest).await;
        assert_eq!(gateway.request("GET", "/", &[("x-attack", "print-at-once")]).await.status, 500, "{rest}");
        let line = gateway.logged("code", "plugin_failed").await;
        assert!(line["message"].as_str().unwrap().contains("wrote more than `check-write` allows"), "{rest}: {line}");
    }
}

#[tokio::test]
async fn random_bytes_are_drawn_in_small_portions_whatever_is_granted() {
    let upstream = Upstream::echo("u").await;
    for rest in ["enabled = true", "grants = { sockets = [\"tcp://127.0.0.1:9\"] }"] {
        let gateway = gateway(&upstream, rest).await;
        assert_eq!(gateway.request("GET", "/", &[("x-attack", "random")]).await.status, 500);
        let line = gateway.logged("code", "plugin_failed").await;
        assert!(line["message"].as_str().unwrap().contains("trapped"), "{rest}: {line}");
    }
}
