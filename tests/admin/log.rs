//! How much the log says, changed while the gateway runs.

use serde_json::{Value, json};

use crate::harness::admin::Admin;
use crate::harness::gateway::folder;
use crate::harness::{Gateway, Upstream, one_route, until};

async fn config(rest: &str) -> String {
    let upstream = Upstream::nobody().await;
    let route = one_route(upstream, "").replace("paths = [\"/\"]", "paths = [\"/here\"]");
    format!("{route}[admin]\naddress = \"127.0.0.1:0\"\n{rest}\n")
}

async fn started() -> (Gateway, Admin) {
    let gateway = Gateway::start(&config("").await).await;
    let admin = Admin::of(&gateway).await;
    (gateway, admin)
}

async fn set(admin: &Admin, query: &str, levels: Value) -> Value {
    let answer = admin.ask("PUT", &format!("/log{query}"), levels).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    answer.json()
}

/// Ask for a path that leads nowhere; the log has a line about it with `info` from tidegate::proxy.
async fn miss(gateway: &Gateway, path: &str) {
    assert_eq!(gateway.get(path).await.status, 404);
    // The answer is there before that line is.
    gateway.accessed("path", path).await;
}

/// Which of these paths the log has lines about. It is written in order, so what is behind `last` is behind all.
async fn told(gateway: &Gateway, last: &str) -> Vec<String> {
    gateway.logged("path", last).await;
    let proxy = |line: &Value| line["target"].as_str().is_some_and(|target| target.starts_with("tidegate::proxy"));
    let lines = gateway.log_lines().into_iter().filter(proxy);
    lines.filter_map(|line| line["path"].as_str().map(str::to_owned)).collect()
}

#[tokio::test]
async fn single_modules_say_more_or_less() {
    let (gateway, admin) = started().await;
    let usual = admin.get("/log").await;
    assert_eq!(usual, json!({ "level": "info", "modules": {}, "timeout": null, "then": null }));
    miss(&gateway, "/1").await;
    set(&admin, "", json!({ "level": "warn" })).await;
    miss(&gateway, "/2").await;
    let levels = json!({ "level": "warn", "modules": { "tidegate::proxy": "info" } });
    assert_eq!(set(&admin, "", levels).await["modules"], json!({ "tidegate::proxy": "info" }));
    miss(&gateway, "/3").await;
    set(&admin, "", json!({ "level": "info", "modules": { "tidegate::proxy": "off" } })).await;
    miss(&gateway, "/4").await;
    set(&admin, "", json!({ "level": "info" })).await;
    miss(&gateway, "/5").await;
    assert_eq!(told(&gateway, "/5").await, ["/1", "/3", "/5"]);
}

#[tokio::test]
async fn who_changes_it_is_told_whatever_it_says_then() {
    let (gateway, admin) = started().await;
    set(&admin, "", json!({ "level": "off" })).await;
    let silenced = gateway.logged("to", "off").await;
    assert_eq!((&silenced["who"], &silenced["before"]), (&json!("loopback"), &json!("info")));
    set(&admin, "", json!({ "level": "trace", "modules": { "tidegate": "info" } })).await;
    let loud = gateway.logged("to", "trace,tidegate=info").await;
    assert_eq!((&loud["who"], &loud["before"]), (&json!("loopback"), &json!("off")));
    gateway.logged("message", "admin request").await;
}

#[tokio::test]
async fn a_level_for_a_while_gives_way_to_the_one_before() {
    let (gateway, admin) = started().await;
    set(&admin, "", json!({ "level": "warn" })).await;
    let now = set(&admin, "?timeout=600", json!({ "level": "debug" })).await;
    assert_eq!((&now["level"], &now["then"]), (&json!("debug"), &json!({ "level": "warn", "modules": {} })));
    assert!((599..=600).contains(&now["timeout"].as_u64().unwrap()), "{now}");
    // A second one is in place of the first, and what comes after is the same.
    set(&admin, "?timeout=1", json!({ "level": "info" })).await;
    until("the level from before", async || (admin.get("/log").await["level"] == "warn").then_some(())).await;
    assert_eq!(admin.get("/log").await, json!({ "level": "warn", "modules": {}, "timeout": null, "then": null }));
    miss(&gateway, "/1").await;
    set(&admin, "?timeout=1", json!({ "level": "debug" })).await;
    // For good is for good, whatever was to end.
    set(&admin, "?timeout=0", json!({ "level": "info" })).await;
    tokio::time::sleep(std::time::Duration::from_millis(1_200)).await;
    assert_eq!(admin.get("/log").await["level"], "info");
    miss(&gateway, "/2").await;
    assert_eq!(told(&gateway, "/2").await, ["/2"]);
}

#[tokio::test]
async fn kongs_way_is_understood() {
    let (_gateway, admin) = started().await;
    let ask = async |method: &str, path: &str| {
        let answer = admin.ask(method, path, Value::Null).await;
        (answer.status, answer.json()["message"].as_str().unwrap().to_owned())
    };
    let level = "/debug/node/log-level";
    assert_eq!(ask("GET", level).await, (200, "log level: info".to_owned()));
    assert_eq!(ask("PUT", &format!("{level}/notice")).await, (200, "log level is already notice".to_owned()));
    assert_eq!(ask("PUT", &format!("{level}/debug")).await, (200, "log level changed".to_owned()));
    assert_eq!(ask("GET", level).await, (200, "log level: debug".to_owned()));
    let now = admin.get("/log").await;
    assert!((59..=60).contains(&now["timeout"].as_u64().unwrap()), "{now}");
    assert_eq!(ask("PUT", &format!("{level}/crit?timeout=0")).await.0, 200);
    assert_eq!(admin.get("/log").await["timeout"], Value::Null);
    assert_eq!(ask("PUT", &format!("{level}/loud")).await, (400, "unknown log level: loud".to_owned()));
    assert_eq!(ask("PUT", &format!("{level}/debug?timeout=-1")).await.0, 400);
}

#[tokio::test]
async fn what_is_no_level_is_refused() {
    let tokens = "tokens = [{ name = \"eye\", token = \"reader-0123456789\", role = \"read\" }]";
    let gateway = Gateway::start(&config(tokens).await).await;
    let admin = Admin::of(&gateway).await;
    let json_of_eye = [("authorization", "Bearer reader-0123456789"), ("content-type", "application/json")];
    let refused = admin.send("PUT", "/log", &json_of_eye, "{\"level\":\"off\"}").await;
    assert_eq!(refused.status, 403, "{}", refused.text());

    let (_gateway, admin) = started().await;
    for (query, body, expected) in [
        ("", json!({}), "level: required field missing"),
        ("", json!({ "level": "verbose" }), "level: expected error, warn, info, debug, trace or off"),
        ("", json!({ "level": 7 }), "level: expected error"),
        ("", json!({ "level": "info", "levels": {} }), "levels: unknown field"),
        ("", json!({ "level": "info", "modules": ["a"] }), "modules: expected levels by modules"),
        ("", json!({ "level": "info", "modules": { "tidegate::host": "loud" } }), "modules: tidegate::host: expected"),
        ("", json!({ "level": "info", "modules": { "a b": "info" } }), "\\\"a b\\\" is no module"),
        ("?timeout=soon", json!({ "level": "info" }), "timeout must be a number of seconds"),
        ("?timeout=604801", json!({ "level": "info" }), "timeout must be a number of seconds"),
    ] {
        let answer = admin.ask("PUT", &format!("/log{query}"), body.clone()).await;
        assert_eq!(answer.status, 400, "{body}: {}", answer.text());
        assert!(answer.text().contains(expected), "{body}: {}", answer.text());
    }
    assert_eq!(admin.get("/log").await["level"], "info");
}

#[tokio::test]
async fn the_environment_may_name_modules_too() {
    let gateway =
        Gateway::start_logging("warn,tidegate::gateway=info,tidegate::admin=info", folder(&config("").await, &[]))
            .await;
    let admin = Admin::of(&gateway).await;
    let levels = json!({ "tidegate::admin": "info", "tidegate::gateway": "info" });
    assert_eq!(admin.get("/log").await["modules"], levels);
}
