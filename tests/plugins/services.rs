//! What the gateway keeps and does for plugins: counters, keys and values, signatures, passwords.

use serde_json::{Value, json};
use tokio::task::JoinSet;

use crate::harness::program::Program;
use crate::harness::{Gateway, Upstream, built, one_route};

async fn gateway(upstream: &Upstream, max: u64) -> Gateway {
    Gateway::start_with(&config(upstream, max), &[("services.wasm", &built("guests/services.wasm"))]).await
}

fn config(upstream: &Upstream, max: u64) -> String {
    let uses = format!("plugins = [{{ use = \"services\", config = {{ max = {max} }} }}]");
    format!("{}\n[components.services]\npath = \"services.wasm\"\n", one_route(upstream.address, &uses))
}

async fn ask(gateway: &Gateway, headers: &[(&str, &str)]) -> Value {
    let answer = gateway.request("GET", "/", headers).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    answer.json()
}

#[tokio::test]
async fn hits_are_counted_exactly_however_many_come_at_a_time() {
    let upstream = Upstream::echo("u").await;
    let gateway = gateway(&upstream, 100).await;
    let mut asking = JoinSet::new();
    for _ in 0..20 {
        let mut client = gateway.client().await;
        asking.spawn(async move {
            let mut allowed = 0;
            for _ in 0..20 {
                let answer = client.send("GET", "/", &[("x-do", "hit"), ("x-key", "crowd")], "").await;
                allowed += usize::from(answer.json()["allowed"] == true);
            }
            allowed
        });
    }
    assert_eq!(asking.join_all().await.into_iter().sum::<usize>(), 100);

    let hit = [("x-do", "hit"), ("x-key", "k"), ("x-limits", "two")];
    assert_eq!(ask(&gateway, &hit).await, json!({ "allowed": true, "remaining": [99, 0], "waits": false }));
    assert_eq!(ask(&gateway, &hit).await, json!({ "allowed": false, "remaining": [99, 0], "waits": true }));
    let told = ask(&gateway, &[("x-do", "hit"), ("x-limits", "bad")]).await;
    assert_eq!(told, json!({ "error": "a hit needs a limit" }));
}

#[tokio::test]
async fn what_is_kept_with_a_credential_is_for_plugins_of_its_name_and_those_that_are_granted_it() {
    let upstream = Upstream::echo("u").await;
    let consumers = "[[consumers]]\nusername = \"alice\"\ncredentials = [\n\
        { kind = \"services\", username = \"a\", secret = \"own\" },\n\
        { kind = \"jwt\", key = \"a\", secret = \"another's\" },\n]\n";
    let plain = config(&upstream, 1);
    let granted = plain.replace("use = \"services\"", "use = \"services\", grants = { credentials = [\"jwt\"] }");
    assert_ne!(plain, granted);
    for (config, of_others) in [(plain, Value::Null), (granted, json!("another's"))] {
        let files = [("services.wasm", &*built("guests/services.wasm"))];
        let gateway = Gateway::start_with(&format!("{config}{consumers}"), &files).await;
        let secret = async |kind, key| ask(&gateway, &[("x-do", "secret"), ("x-kind", kind), ("x-key", key)]).await;
        assert_eq!(secret("services", "a").await, "own");
        assert_eq!(secret("services", "b").await, Value::Null);
        assert_eq!(secret("jwt", "a").await, of_others);
    }
}

#[tokio::test]
async fn gateways_that_share_a_redis_count_together_and_say_what_happens_without_it() {
    let upstream = Upstream::echo("u").await;
    let redis = Program::redis().await;
    let counters = |on_failure: &str| {
        let url = format!("redis://{}", redis.address);
        format!("counters = {{ kind = \"redis\", url = \"{url}\", timeout = \"2s\", on_failure = \"{on_failure}\" }}\n")
    };
    let config = |on_failure| format!("{}{}", counters(on_failure), config(&upstream, 50));
    let files = [("services.wasm", &*built("guests/services.wasm"))];
    let (one, two) =
        (Gateway::start_with(&config("closed"), &files).await, Gateway::start_with(&config("local"), &files).await);
    let mut asking = JoinSet::new();
    for gateway in [&one, &two] {
        for _ in 0..8 {
            let mut client = gateway.client().await;
            asking.spawn(async move {
                let mut allowed = 0;
                for _ in 0..10 {
                    let answer = client.send("GET", "/", &[("x-do", "hit"), ("x-key", "crowd")], "").await;
                    allowed += usize::from(answer.json()["allowed"] == true);
                }
                allowed
            });
        }
    }
    assert_eq!(asking.join_all().await.into_iter().sum::<usize>(), 50);
    drop(redis);
    let hit = [("x-do", "hit"), ("x-key", "crowd")];
    let refused = ask(&one, &hit).await;
    assert!(refused["error"].is_string(), "{refused}");
    assert_eq!(ask(&two, &hit).await["allowed"], true, "it counts by itself meanwhile");
}

#[tokio::test]
async fn counts_outlive_a_change_of_the_configuration() {
    let upstream = Upstream::echo("u").await;
    let gateway = gateway(&upstream, 2).await;
    let hit = [("x-do", "hit"), ("x-key", "k")];
    ask(&gateway, &hit).await;
    let config = std::fs::read_to_string(gateway.path("gateway.toml")).unwrap();
    gateway.write_config(&config.replace("max = 2", "max = 3"));
    gateway.logged("message", "configuration changed").await;
    assert_eq!(ask(&gateway, &hit).await, json!({ "allowed": true, "remaining": [1], "waits": false }));
}

#[tokio::test]
async fn keys_and_values_are_shared_by_all_workers() {
    let upstream = Upstream::echo("u").await;
    let gateway = gateway(&upstream, 1).await;
    let mut before = Value::Null;
    for turn in 1..=10 {
        let value = turn.to_string();
        let told = ask(&gateway, &[("x-do", "kv"), ("x-key", "k"), ("x-value", &value)]).await;
        let expected =
            json!({ "before": before, "set": true, "number": 2 * turn, "deleted": false, "too_large": true });
        assert_eq!(told, expected);
        before = json!(value);
    }
}

#[tokio::test]
async fn signatures_digests_and_passwords_are_the_gateways_work() {
    let upstream = Upstream::echo("u").await;
    let gateway = gateway(&upstream, 1).await;
    let told = ask(&gateway, &[("x-do", "crypto"), ("x-value", "abc")]).await;
    let digest = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
    let expected = json!({
        "digest": digest, "right": true, "wrong": false, "confused": true, "garbage": false, "equal": true
    });
    assert_eq!(told, expected);

    // bcrypt's own example: "U*U".
    let hash = "$2a$05$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW";
    for (password, told) in [("U*U", json!({ "right": true })), ("U*V", json!({ "right": false }))] {
        assert_eq!(ask(&gateway, &[("x-do", "password"), ("x-hash", hash), ("x-value", password)]).await, told);
    }
    let told = ask(&gateway, &[("x-do", "password"), ("x-hash", "plain:p"), ("x-value", "p")]).await;
    assert!(told["error"].as_str().unwrap().contains("no hash of a password"), "{told}");
}

#[tokio::test]
async fn plugins_count_and_measure_for_themselves() {
    let upstream = Upstream::echo("u").await;
    let admin = Upstream::nobody().await;
    let config = format!("admin = {{ address = \"{admin}\" }}\n{}", config(&upstream, 1));
    let gateway = Gateway::start_with(&config, &[("services.wasm", &built("guests/services.wasm"))]).await;
    for key in ["k", "k", "other"] {
        assert_eq!(ask(&gateway, &[("x-do", "metrics"), ("x-key", key)]).await, json!({ "refused": true }));
    }
    let mut client = crate::harness::Client::connect(admin).await;
    let metrics = client.send("GET", "/metrics", &[("host", "localhost")], "").await;
    for line in [
        "plugin_services_asked_total{by=\"k\"} 3.0",
        "plugin_services_asked_total{by=\"other\"} 1.5",
        "plugin_services_level 7.0",
        "plugin_services_seconds_bucket{le=\"0.025\"} 3",
        "plugin_services_seconds_count 3",
        "tidegate_plugin_series_refused_total 0",
    ] {
        assert!(metrics.text().lines().any(|has| has == line), "{line}:\n{}", metrics.text());
    }
}
