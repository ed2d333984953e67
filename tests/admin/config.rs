//! `POST /config`: a file of Kong's takes the place of all entities at once.

use serde_json::{Value, json};

use crate::harness::admin::Admin;
use crate::harness::{Gateway, Upstream};

const REST: &str = "[admin]\naddress = \"127.0.0.1:0\" # for us\n";

async fn started() -> (Gateway, Admin) {
    let gateway = Gateway::start(REST).await;
    let admin = Admin::of(&gateway).await;
    (gateway, admin)
}

fn file(upstream: &Upstream, path: &str) -> String {
    format!(
        "_format_version: '3.0'\nservices:\n- name: s\n  url: http://{}\n  routes:\n  - name: r\n    paths: [{path}]\nconsumers:\n- username: alice\n  keyauth_credentials: [{{ key: open-sesame }}]\n",
        upstream.address
    )
}

#[tokio::test]
async fn a_file_takes_the_place_of_all_entities_and_of_nothing_else() {
    let upstream = Upstream::echo("u").await;
    let (gateway, admin) = started().await;
    let yaml = [("content-type", "text/yaml")];
    let loaded = admin.send("POST", "/config", &yaml, &file(&upstream, "/a")).await;
    assert_eq!(loaded.status, 201, "{}", loaded.text());
    let entities = loaded.json();
    let (_, credential) = entities["keyauth_credentials"].as_object().unwrap().iter().next().unwrap();
    assert_eq!((&credential["key"], entities["routes"].as_object().unwrap().len()), (&json!("***"), 1));
    assert_eq!((gateway.get("/a").await.status, gateway.get("/b").await.status), (200, 404));
    // The same once more changes nothing, and can be asked about.
    let generation = admin.get("/status").await["generation"].clone();
    let same = admin.send("POST", "/config?check_hash=1", &yaml, &file(&upstream, "/a")).await;
    assert_eq!((same.status, &admin.get("/status").await["generation"]), (304, &generation));
    let body = json!({ "config": file(&upstream, "/b") });
    let other = admin.ask("POST", "/config?check_hash=1", body).await;
    assert_eq!(other.status, 201, "{}", other.text());
    assert_eq!((gateway.get("/a").await.status, gateway.get("/b").await.status), (404, 200));
    let form = [("content-type", "application/x-www-form-urlencoded")];
    let empty = admin.send("POST", "/config", &form, "config=_format_version:%20'3.0'").await;
    assert_eq!((empty.status, gateway.get("/b").await.status), (201, 404), "{}", empty.text());
    assert_eq!(admin.get("/services").await["data"], json!([]));
}

#[tokio::test]
async fn what_is_wrong_is_told_at_once_and_nothing_changes() {
    let (gateway, admin) = started().await;
    let file = json!({
        "_format_version": "3.0",
        "services": [
            { "name": "a", "host": "a", "port": "x" },
            { "name": "b", "host": "b", "routes": [{ "name": "r", "paths": ["no"] }] },
        ],
    });
    let nested = admin.ask("POST", "/config", file.clone()).await;
    let expected = json!({ "services": [
        { "port": "expected an integer" },
        { "routes": [{ "paths": ["should start with: / (fixed path) or ~/ (regex path)"] }] },
    ] });
    assert_eq!((nested.status, &nested.json()["code"], &nested.json()["fields"]), (400, &json!(14), &expected));
    let flat = admin.ask("POST", "/config?flatten_errors=1", file).await.json();
    let types: Vec<&Value> = flat["flattened_errors"].as_array().unwrap().iter().map(|e| &e["entity_type"]).collect();
    assert_eq!(types, ["service", "route"]);
    // What only the gateway itself can find.
    let file = json!({ "_format_version": "3.0", "plugins": [{ "name": "nobody" }] });
    let flat = admin.ask("POST", "/config?flatten_errors=1", file).await.json();
    let error = &flat["flattened_errors"][0];
    assert_eq!((&error["entity_type"], &error["entity_name"]), (&json!("plugin"), &json!("nobody")), "{flat}");
    assert_eq!(error["errors"][0]["field"], "name", "{flat}");
    let broken = admin.send("POST", "/config", &[("content-type", "text/yaml")], "services: [").await;
    assert_eq!((broken.status, &broken.json()["code"]), (400, &json!(14)));
    assert_eq!(admin.get("/status").await["generation"], 1);
    assert_eq!(gateway.get("/").await.status, 404);
}
