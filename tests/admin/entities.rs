//! Kong's entities: made, read, changed and removed while requests flow.

use serde_json::{Value, json};

use crate::harness::admin::Admin;
use crate::harness::program::curl;
use crate::harness::{Gateway, Upstream, one_route};

const ADMIN: &str = "[admin]\naddress = \"127.0.0.1:0\"\n";

async fn started(config: &str) -> (Gateway, Admin) {
    let gateway = Gateway::start(&format!("{config}{ADMIN}")).await;
    let admin = Admin::of(&gateway).await;
    (gateway, admin)
}

async fn made(admin: &Admin, path: &str, body: Value) -> Value {
    let answer = admin.ask("POST", path, body.clone()).await;
    assert_eq!(answer.status, 201, "{path} {body}: {}", answer.text());
    answer.json()
}

#[tokio::test]
async fn what_is_made_serves_before_it_is_answered() {
    let upstream = Upstream::echo("u").await;
    let (gateway, admin) = started("").await;
    assert_eq!(gateway.get("/a").await.status, 404);
    let service =
        made(&admin, "/services", json!({ "name": "s", "url": format!("http://{}", upstream.address) })).await;
    let route = made(&admin, "/services/s/routes", json!({ "name": "r", "paths": ["/a"] })).await;
    assert_eq!(route["service"]["id"], service["id"]);
    assert_eq!(gateway.get("/a").await.json()["upstream"], "u");
    let patched = admin.ask("PATCH", "/routes/r", json!({ "paths": ["/b"] })).await;
    assert_eq!((patched.status, &patched.json()["paths"]), (200, &json!(["/b"])));
    assert_eq!((gateway.get("/a").await.status, gateway.get("/b").await.status), (404, 200));
    let id = route["id"].as_str().unwrap();
    for (path, status) in [(format!("/routes/{id}"), 204), (format!("/routes/{id}"), 204), ("/services/s".into(), 204)]
    {
        assert_eq!(admin.ask("DELETE", &path, Value::Null).await.status, status, "{path}");
    }
    assert_eq!(gateway.get("/b").await.status, 404);
    assert_eq!(admin.ask("GET", "/services/s", Value::Null).await.status, 404);
}

/// The commands of Kong's own documentation, and of whoever has learned it.
#[tokio::test]
async fn the_commands_that_kongs_users_know_run_unchanged() {
    let upstream = Upstream::echo("u").await;
    let (gateway, admin) = started("").await;
    let folder = tempfile::tempdir().unwrap();
    let url = |path: &str| format!("http://localhost:{}{path}", admin.address.port());
    let service = format!("url=http://{}", upstream.address);
    let run = async |arguments: &[&str]| {
        let ran = curl(folder.path(), arguments).await;
        assert_eq!(ran.status, Some(0), "{arguments:?}: {}", ran.stderr);
        ran.stdout
    };
    let (services, routes) = (url("/services"), url("/services/upstream-service/routes"));
    let made = run(&["-i", "-X", "POST", &services, "--data", "name=upstream-service", "--data", &service]).await;
    assert!(made.starts_with("HTTP/1.1 201 Created"), "{made}");
    let made = run(&["-i", "-X", "POST", &routes, "--data", "paths[]=/api"]).await;
    assert!(made.starts_with("HTTP/1.1 201 Created"), "{made}");
    assert_eq!(gateway.get("/api/x").await.json()["upstream"], "u");
    let shown: Value = serde_json::from_str(&run(&["-s", &url("/services/upstream-service")]).await).unwrap();
    let expected = (json!("http"), json!("127.0.0.1"), json!(upstream.address.port()));
    assert_eq!((&shown["protocol"], &shown["host"], &shown["port"]), (&expected.0, &expected.1, &expected.2));
    let routes: Value = serde_json::from_str(&run(&["-s", &url("/routes")]).await).unwrap();
    assert_eq!(routes["data"][0]["paths"], json!(["/api"]));
}

#[tokio::test]
async fn credentials_open_doors_at_once_and_are_never_shown() {
    let upstream = Upstream::echo("u").await;
    let (gateway, admin) = started(&one_route(upstream.address, "")).await;
    made(&admin, "/routes/r/plugins", json!({ "name": "key-auth", "config": { "key_names": ["apikey"] } })).await;
    assert_eq!(gateway.get("/").await.status, 401);
    made(&admin, "/consumers", json!({ "username": "alice" })).await;
    let key = made(&admin, "/consumers/alice/key-auth", json!({ "key": "open-sesame" })).await;
    assert_eq!(key["key"], "***");
    let answer = gateway.request("GET", "/", &[("apikey", "open-sesame")]).await;
    assert_eq!(answer.upstream_got("x-consumer-username").as_deref(), Some("alice"));
    made(&admin, "/consumers/alice/acls", json!({ "group": "gold" })).await;
    made(&admin, "/plugins", json!({ "name": "acl", "config": { "allow": ["silver"] } })).await;
    assert_eq!(gateway.request("GET", "/", &[("apikey", "open-sesame")]).await.status, 403);
    for path in ["/key-auths", "/consumers/alice/key-auth", "/generations/5"] {
        assert!(!admin.get(path).await.to_string().contains("open-sesame"), "{path}");
    }
    for line in gateway.log_lines() {
        assert!(!line.to_string().contains("open-sesame"), "{line}");
    }
}

#[tokio::test]
async fn people_and_programs_write_the_same_file() {
    let upstream = Upstream::echo("u").await;
    let config = format!("# Ours.\n{}", one_route(upstream.address, "# Everything."));
    let (gateway, admin) = started(&config).await;
    assert_eq!(admin.ask("PATCH", "/services/s", json!({ "retries": 1 })).await.status, 200);
    let text = std::fs::read_to_string(gateway.path("gateway.toml")).unwrap();
    assert!(text.contains("# Ours.") && text.contains("# Everything.") && text.contains("retries = 1"), "{text}");
    // What is written beside is served, too, before the next change is made to it.
    let edited = text.replace("paths = [\"/\"]", "paths = [\"/edited\"]");
    gateway.replace("gateway.toml", edited.as_bytes());
    assert_eq!(admin.ask("PATCH", "/services/s", json!({ "retries": 2 })).await.status, 200);
    assert_eq!((gateway.get("/").await.status, gateway.get("/edited").await.status), (404, 200));
    let text = std::fs::read_to_string(gateway.path("gateway.toml")).unwrap();
    assert!(text.contains("/edited") && text.contains("retries = 2"), "{text}");
    // What cannot be served is not built upon.
    gateway.replace("gateway.toml", b"services = 7\n");
    let refused = admin.ask("PATCH", "/services/s", json!({ "retries": 3 })).await;
    assert_eq!(refused.status, 409, "{}", refused.text());
    assert!(refused.json()["faults"].to_string().contains("gateway.toml:1: `services`"), "{}", refused.text());
    assert_eq!(std::fs::read(gateway.path("gateway.toml")).unwrap(), b"services = 7\n");
    assert_eq!(gateway.get("/edited").await.status, 200);
}

#[tokio::test]
async fn what_was_meant_for_another_configuration_is_refused() {
    let upstream = Upstream::echo("u").await;
    let (_gateway, admin) = started(&one_route(upstream.address, "")).await;
    let seen = admin.ask("GET", "/services/s", Value::Null).await;
    let tag = seen.header("etag").unwrap().to_owned();
    let headers = [("content-type", "application/json"), ("if-match", tag.as_str())];
    let first = admin.send("PATCH", "/services/s", &headers, "{\"retries\": 1}").await;
    assert_eq!(first.status, 200, "{}", first.text());
    let second = admin.send("PATCH", "/services/s", &headers, "{\"retries\": 2}").await;
    assert_eq!((second.status, second.header("etag")), (412, first.header("etag")));
    assert_eq!(admin.get("/services/s").await["retries"], 1);
    let look = admin.ask("PATCH", "/services/s?dry_run=1", json!({ "retries": 7 })).await;
    assert_eq!((look.status, &look.json()["retries"]), (200, &json!(7)));
    assert_eq!(admin.get("/services/s").await["retries"], 1);
}

#[tokio::test]
async fn what_plugins_refuse_is_told_by_field() {
    let upstream = Upstream::echo("u").await;
    let (gateway, admin) = started(&one_route(upstream.address, "")).await;
    for (path, body, code, field) in [
        ("/plugins", json!({ "name": "rate-limiting", "config": { "minute": "many" } }), 2, "/config/minute"),
        ("/plugins", json!({ "name": "nobody" }), 2, "/name"),
        ("/services", json!({ "name": "x", "host": "a b" }), 2, "/host"),
        ("/services", json!({ "name": "s", "host": "x" }), 5, "/name"),
        ("/services/s/routes", json!({ "paths": ["~/("] }), 2, "/paths"),
        ("/routes", json!({ "paths": ["/x"], "service": { "name": "nobody" } }), 4, "/service"),
    ] {
        let answer = admin.ask("POST", path, body.clone()).await;
        let refused = answer.json();
        assert_eq!(refused["code"], code, "{body}: {refused}");
        assert!(refused["fields"].pointer(field).is_some(), "{body}: {refused}");
    }
    assert_eq!(admin.get("/generations").await["data"].as_array().unwrap().len(), 1);
    std::fs::set_permissions(gateway.path("gateway.toml"), std::os::unix::fs::PermissionsExt::from_mode(0o444))
        .unwrap();
    let refused = admin.ask("PATCH", "/services/s", json!({ "retries": 1 })).await;
    assert_eq!((refused.status, &refused.json()["code"]), (405, &json!(12)), "{}", refused.text());
}

#[tokio::test]
async fn lists_come_in_pages() {
    let (_gateway, admin) = started("").await;
    for name in ["a", "b", "c"] {
        made(&admin, "/consumers", json!({ "username": name, "tags": ["all", name] })).await;
    }
    let mut names = Vec::new();
    let mut path = "/consumers?size=2&tags=all".to_owned();
    loop {
        let page = admin.get(&path).await;
        names.extend(page["data"].as_array().unwrap().iter().map(|one| one["username"].as_str().unwrap().to_owned()));
        match page["next"].as_str() {
            Some(next) => path = next.to_owned(),
            None => break,
        }
    }
    assert_eq!(names, ["a", "b", "c"]);
    assert_eq!(admin.get("/consumers?tags=b").await["data"].as_array().unwrap().len(), 1);
    assert_eq!(admin.get("/tags/b").await["data"][0]["entity_name"], "consumers");
}
