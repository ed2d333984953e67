//! What becomes of exchanges when a plugin fails, as its use says: `on_failure` and `trip`.

use std::time::Duration;

use crate::harness::{Gateway, Upstream, built, one_route, until};

async fn gateway(upstream: &Upstream, rest: &str) -> Gateway {
    let config = format!(
        "[components.faulty]\npath = \"faulty.wasm\"\n[components.hooks]\npath = \"hooks.wasm\"\n{}",
        one_route(upstream.address, &format!("plugins = [{rest}]"))
    );
    let files = [("faulty.wasm", &*built("guests/faulty.wasm")), ("hooks.wasm", &*built("guests/every-hook.wasm"))];
    Gateway::start_with(&config, &files).await
}

#[tokio::test]
async fn an_open_use_lets_the_exchange_go_on_without_it() {
    let upstream = Upstream::echo("u").await;
    let uses = r#"{ use = "faulty", on_failure = "open", limits = { time = "50ms", memory = "8MiB" } }"#;
    let gateway = gateway(&upstream, uses).await;
    for header in ["x-fault", "x-fault-response"] {
        for (fault, code) in [
            ("trap", "plugin_failed"),
            ("fail", "plugin_failed"),
            ("bad-status", "plugin_failed"),
            ("spin", "plugin_timed_out"),
        ] {
            let answer = gateway.request("GET", "/", &[(header, fault)]).await;
            assert_eq!(answer.status, 200, "{header}: {fault}");
            let line = gateway.logged("code", code).await;
            assert!(line["message"].as_str().unwrap().contains("the exchange goes on without"), "{line}");
            assert_eq!((&line["plugin"], &line["route"]), (&"faulty".into(), &"r".into()));
        }
    }
}

#[tokio::test]
async fn half_an_edit_never_goes_on() {
    let upstream = Upstream::echo("u").await;
    let hooks = r#"config = { fail = true, method = "PUT", path = "/changed", body = "changed" }"#;
    let gateway = gateway(&upstream, &format!("{{ use = \"hooks\", on_failure = \"open\", {hooks} }}")).await;
    let answer = gateway.client().await.send("POST", "/as-it-was", &[], "as it was").await;
    let echo = answer.json();
    assert_eq!((answer.status, &echo["method"], &echo["path"]), (200, &"POST".into(), &"/as-it-was".into()));
    assert_eq!((&echo["body"], answer.upstream_got("x-order")), (&"as it was".into(), None));
}

#[tokio::test]
async fn a_use_that_keeps_failing_is_not_called_for_a_while() {
    let upstream = Upstream::echo("u").await;
    let trip = r#"trip = { failures = 3, within = "10s", cooldown = "300ms" }"#;
    let closed = gateway(&upstream, &format!("{{ use = \"faulty\", {trip} }}")).await;
    for _ in 0..3 {
        let answer = closed.request("GET", "/", &[("x-fault", "fail")]).await;
        assert_eq!((answer.status, answer.header("x-gateway-error")), (500, Some("plugin_failed")));
    }
    let answer = closed.get("/").await;
    assert_eq!((answer.status, answer.header("x-gateway-error")), (503, Some("plugin_tripped")));
    assert!(answer.header("retry-after").is_some());
    closed.logged("message", "tripped").await;
    until("it to be called again", async || (closed.get("/").await.status == 200).then_some(())).await;

    let open = gateway(&upstream, &format!("{{ use = \"faulty\", on_failure = \"open\", {trip} }}")).await;
    for _ in 0..3 {
        assert_eq!(open.request("GET", "/", &[("x-fault", "fail")]).await.status, 200);
    }
    let answer = open.get("/").await;
    assert_eq!((answer.status, answer.upstream_got("x-calls")), (200, None), "it is not even asked");
    tokio::time::sleep(Duration::from_millis(400)).await;
    assert!(open.get("/").await.upstream_got("x-calls").is_some());
}

#[tokio::test]
async fn a_trap_is_logged_with_the_functions_it_happened_in() {
    let upstream = Upstream::echo("u").await;
    let gateway = gateway(&upstream, r#"{ use = "faulty" }"#).await;
    gateway.request("GET", "/", &[("x-fault", "unreachable")]).await;
    let line = gateway.logged("code", "plugin_failed").await;
    let story = line["message"].as_str().unwrap();
    assert!(story.contains("plugin faulty, on-request: trapped: wasm trap") && story.contains("faulty::"), "{story}");
    // A panic's own machinery says nothing about where it was.
    gateway.request("GET", "/", &[("x-fault", "trap")]).await;
    let line =
        gateway.logged("message", "on-request: trapped: wasm trap: wasm `unreachable` instruction executed in ").await;
    let story = line["message"].as_str().unwrap();
    assert!(story.contains("executed in <faulty::") || story.contains("executed in faulty::"), "{story}");
}

#[tokio::test]
async fn what_plugins_cost_is_counted_by_plugin_and_hook() {
    let upstream = Upstream::echo("u").await;
    let admin = Upstream::nobody().await;
    let config = format!(
        "admin = {{ address = \"{admin}\" }}\n{}\n[components.faulty]\npath = \"faulty.wasm\"\n",
        one_route(upstream.address, "plugins = [{ use = \"faulty\", on_failure = \"open\" }]")
    );
    let gateway = Gateway::start_with(&config, &[("faulty.wasm", &built("guests/faulty.wasm"))]).await;
    for fault in ["fail", "trap", "none"] {
        let headers = [("x-fault", fault)];
        gateway.request("GET", "/", if fault == "none" { &[] } else { &headers }).await;
    }
    let metrics =
        crate::harness::Client::connect(admin).await.send("GET", "/metrics", &[("host", "localhost")], "").await;
    let line = |name: &str| {
        let line = metrics.text().lines().find(|line| line.starts_with(name));
        line.unwrap_or_else(|| panic!("no {name}:\n{}", metrics.text())).rsplit_once(' ').unwrap().1.to_owned()
    };
    let labels = "{plugin=\"faulty\",hook=\"on-request\"}";
    assert_eq!(line(&format!("tidegate_plugin_duration_seconds_count{labels}")), "3");
    assert_eq!(line(&format!("tidegate_plugin_failures_total{labels}")), "2");
    let labels = labels.replace("on-request", "on-response");
    assert_eq!(line(&format!("tidegate_plugin_failures_total{labels}")), "0");
    let peak: f64 = line("tidegate_plugin_memory_peak_bytes{plugin=\"faulty\"}").parse().unwrap();
    assert!((65_536.0..16_777_216.0).contains(&peak), "{peak}");
}
