//! What tools that keep a gateway as a file says (decK), and client libraries (go-kong), ask of the admin API, in their
//! order and with everything that they send.

use serde_json::{Value, json};

use super::sweep::rows::says;
use crate::harness::Gateway;
use crate::harness::admin::Admin;

/// Every list that is asked for, and what it is below, if each of those is asked for by itself.
const LISTS: [&str; 10] = [
    "/services",
    "/routes",
    "/plugins",
    "/consumers",
    "/key-auths",
    "/basic-auths",
    "/jwts",
    "/hmac-auths",
    "/acls",
    "/upstreams",
];
/// What a gateway need not have: it is asked for all the same.
const NOT_HERE: [&str; 6] = ["/consumer_groups", "/vaults", "/keys", "/key-sets", "/filter-chains", "/licenses"];

async fn started() -> (Gateway, Admin) {
    let gateway = Gateway::start("[admin]\naddress = \"127.0.0.1:0\"\n").await;
    let admin = Admin::of(&gateway).await;
    (gateway, admin)
}

fn uuid(number: usize) -> String {
    format!("00000000-0000-4000-8000-{number:012}")
}

/// Paths and bodies in the order in which they are put, each below its list with its id.
fn wanted() -> Vec<(String, Value)> {
    let of = |number: usize| json!({ "id": uuid(number) });
    let tags = json!(["managed", "team-a"]);
    let statuses =
        json!([200, 201, 202, 203, 204, 205, 206, 207, 208, 226, 300, 301, 302, 303, 304, 305, 306, 307, 308]);
    let protocols = json!(["grpc", "grpcs", "http", "https"]);
    let consumer = format!("/consumers/{}", uuid(20));
    vec![
        (
            "/services".to_owned(),
            json!({
                "id": uuid(1), "name": "orders", "protocol": "http", "host": "orders.test", "port": 80, "path": "/base",
                "retries": 5, "connect_timeout": 60000, "read_timeout": 60000, "write_timeout": 60000, "enabled": true,
                "tags": tags,
            }),
        ),
        (
            "/services".to_owned(),
            json!({
                "id": uuid(2), "name": "pool", "protocol": "https", "host": "pool", "port": 443, "retries": 0,
                "connect_timeout": 2000, "read_timeout": 60000, "write_timeout": 60000, "enabled": true, "tags": tags,
            }),
        ),
        (
            "/routes".to_owned(),
            json!({
                "id": uuid(10), "name": "orders-v1", "paths": ["/v1", "~/v2/(?<id>\\d+)$"], "hosts": ["a.test", "*.b.test"],
                "methods": ["GET", "POST"], "headers": { "x-version": ["1", "2"] }, "protocols": ["http", "https"],
                "https_redirect_status_code": 426, "path_handling": "v0", "preserve_host": false, "regex_priority": 0,
                "request_buffering": true, "response_buffering": true, "strip_path": true, "service": of(1), "tags": tags,
            }),
        ),
        (
            "/routes".to_owned(),
            json!({
                "id": uuid(11), "name": "pool", "paths": ["/pool"], "protocols": ["https"],
                "https_redirect_status_code": 301, "path_handling": "v0", "preserve_host": true, "regex_priority": 7,
                "request_buffering": true, "response_buffering": true, "strip_path": false, "service": of(2), "tags": tags,
            }),
        ),
        ("/consumers".to_owned(), json!({ "id": uuid(20), "username": "alice", "custom_id": "7", "tags": tags })),
        (format!("{consumer}/key-auth"), json!({ "id": uuid(21), "key": "opens", "consumer": of(20), "tags": tags })),
        (
            format!("{consumer}/basic-auth"),
            json!({
                "id": uuid(22), "username": "alice", "password": "opens", "consumer": of(20), "tags": tags,
            }),
        ),
        (
            format!("{consumer}/jwt"),
            json!({
                "id": uuid(23), "key": "iss", "secret": "0123456789abcdef0123456789abcdef", "algorithm": "HS256",
                "consumer": of(20), "tags": tags,
            }),
        ),
        (
            format!("{consumer}/hmac-auth"),
            json!({
                "id": uuid(24), "username": "alice", "secret": "0123456789abcdef", "consumer": of(20), "tags": tags,
            }),
        ),
        (format!("{consumer}/acls"), json!({ "id": uuid(25), "group": "gold", "consumer": of(20), "tags": tags })),
        (
            "/upstreams".to_owned(),
            json!({
                "id": uuid(30), "name": "pool", "algorithm": "round-robin", "hash_on": "none", "hash_fallback": "none",
                "hash_on_cookie_path": "/", "slots": 10000, "use_srv_name": false, "tags": tags,
                "healthchecks": {
                    "threshold": 0,
                    "active": {
                        "type": "http", "http_path": "/", "timeout": 1, "concurrency": 10, "https_verify_certificate": true,
                        "healthy": { "interval": 0, "successes": 0, "http_statuses": [200, 302] },
                        "unhealthy": {
                            "interval": 0, "http_failures": 0, "tcp_failures": 0, "timeouts": 0,
                            "http_statuses": [429, 404, 500, 501, 502, 503, 504, 505],
                        },
                    },
                    "passive": {
                        "type": "http", "healthy": { "successes": 0, "http_statuses": statuses },
                        "unhealthy": {
                            "http_failures": 0, "tcp_failures": 0, "timeouts": 0, "http_statuses": [429, 500, 503],
                        },
                    },
                },
            }),
        ),
        (
            format!("/upstreams/{}/targets", uuid(30)),
            json!({
                "id": uuid(31), "target": "10.0.0.1:8000", "weight": 100, "upstream": of(30), "tags": tags,
            }),
        ),
        (
            format!("/upstreams/{}/targets", uuid(30)),
            json!({
                "id": uuid(32), "target": "10.0.0.2:8000", "weight": 0, "upstream": of(30), "tags": tags,
            }),
        ),
        (
            "/plugins".to_owned(),
            json!({
                "id": uuid(40), "name": "key-auth", "enabled": true, "protocols": protocols, "service": of(1), "tags": tags,
                "config": { "key_names": ["apikey"], "hide_credentials": false },
            }),
        ),
        (
            "/plugins".to_owned(),
            json!({
                "id": uuid(41), "name": "rate-limiting", "enabled": true, "protocols": protocols, "route": of(10),
                "tags": tags, "config": { "minute": 5, "limit_by": "consumer" },
            }),
        ),
        (
            "/plugins".to_owned(),
            json!({
                "id": uuid(42), "name": "correlation-id", "enabled": false, "protocols": protocols, "tags": tags,
                "config": { "header_name": "x-id" },
            }),
        ),
    ]
}

/// A whole list, page by page.
async fn all(admin: &Admin, list: &str, size: usize, tags: &str) -> Vec<Value> {
    let mut found = Vec::new();
    let mut offset = String::new();
    loop {
        let page = admin.get(&format!("{list}?size={size}{tags}{offset}")).await;
        let data = page["data"].as_array().unwrap_or_else(|| panic!("{list}: {page}"));
        assert!(data.len() <= size);
        found.extend(data.iter().cloned());
        match page["offset"].as_str() {
            Some(next) => {
                assert!(page["next"].as_str().unwrap().starts_with(&format!("{list}?offset=")), "{page}");
                offset = format!("&offset={next}");
            }
            None => {
                assert_eq!(page["next"], Value::Null);
                return found;
            }
        }
    }
}

/// Everything there is.
async fn dumped(admin: &Admin, size: usize, tags: &str) -> Vec<Value> {
    let mut found = Vec::new();
    for list in LISTS {
        found.extend(all(admin, list, size, tags).await);
    }
    for upstream in all(admin, "/upstreams", size, "").await {
        found.extend(all(admin, &format!("/upstreams/{}/targets", upstream["id"].as_str().unwrap()), size, tags).await);
    }
    found
}

#[tokio::test]
async fn a_file_is_synced_and_synced_again_without_a_difference() {
    let (_gateway, admin) = started().await;
    let root = admin.get("/").await;
    assert!(root["version"].as_str().unwrap().starts_with("3."), "{root}");
    assert_ne!(root["configuration"]["database"], "off");
    assert_eq!(dumped(&admin, 1000, "").await, Vec::<Value>::new());
    for list in NOT_HERE {
        let answer = admin.ask("GET", &format!("{list}?size=1000"), Value::Null).await;
        assert_eq!((answer.status, answer.json()), (404, json!({ "message": "Not found" })), "{list}");
    }
    let wanted = wanted();
    let mut generations = Vec::new();
    for round in 0..2 {
        for (list, body) in &wanted {
            // What a password is is not kept: who says it again says something new.
            if round == 1 && list.ends_with("/basic-auth") {
                continue;
            }
            let path = format!("{list}/{}", body["id"].as_str().unwrap());
            let put = admin.ask("PUT", &path, body.clone()).await;
            assert_eq!(put.status, 200, "{path}: {}", put.text());
            assert_eq!(put.json(), admin.get(&path).await, "{path} is what was answered");
        }
        generations.push(admin.get("/status").await["generation"].clone());
    }
    assert_eq!(generations[0], generations[1], "the second time there is nothing to change");
    for (size, tags) in [(1000, ""), (1, ""), (2, "&tags=managed%2Cteam-a"), (1000, "&tags=x%2Fmanaged")] {
        let found = dumped(&admin, size, tags).await;
        assert_eq!(found.len(), wanted.len(), "{size}{tags}");
        for (list, body) in &wanted {
            let one = found.iter().find(|one| one["id"] == body["id"]).unwrap_or_else(|| panic!("{list} {body}"));
            for (field, said) in body.as_object().unwrap() {
                let secret = one[field] == "***" && ["key", "password", "secret"].contains(&field.as_str());
                assert!(secret || says(&one[field], said), "{list}: {field} is {}, not {said}", one[field]);
            }
        }
    }
    assert_eq!(dumped(&admin, 1000, "&tags=managed,nobody").await, Vec::<Value>::new());
    for (list, body) in wanted.iter().rev() {
        for _ in 0..2 {
            // What it belonged to is there until its own turn.
            let answer = admin.ask("DELETE", &format!("{list}/{}", body["id"].as_str().unwrap()), Value::Null).await;
            assert_eq!(answer.status, 204, "{list} {body}: {}", answer.text());
        }
    }
    assert_eq!(dumped(&admin, 1000, "").await, Vec::<Value>::new());
}

#[tokio::test]
async fn client_libraries_ask_in_their_ways() {
    let (_gateway, admin) = started().await;
    let made = async |method: &str, path: &str, body: Value| {
        let answer = admin.ask(method, path, body.clone()).await;
        assert!([200, 201].contains(&answer.status), "{method} {path} {body}: {}", answer.text());
        answer.json()
    };
    made("POST", "/services", json!({ "name": "s", "host": "127.0.0.1" })).await;
    // Lua has one way to write what is empty, whether it is a list or not.
    let empty = json!({ "name": "r", "service": { "name": "s" }, "paths": ["/"], "hosts": {}, "snis": [], "headers": {},
        "tags": {}, "methods": null });
    let route = made("POST", "/routes", empty).await;
    assert_eq!(route, admin.get("/routes/r").await);
    let plugin = json!({ "name": "key-auth", "route": { "name": "r" }, "config": { "anonymous": null }, "tags": [] });
    let plugin = made("POST", "/plugins", plugin).await;
    assert_eq!(plugin["route"]["id"], route["id"]);
    // What was read is written back as it is.
    for (list, one) in [("/routes", &route), ("/plugins", &plugin)] {
        let path = format!("{list}/{}", one["id"].as_str().unwrap());
        for method in ["PUT", "PATCH"] {
            let mut again = made(method, &path, one.clone()).await;
            again["updated_at"] = one["updated_at"].clone();
            assert_eq!(again, *one, "{method} {path}");
        }
    }
    // What a plugin takes says what a form means by it, whether that says which plugin it is or not.
    let form = [("content-type", "application/x-www-form-urlencoded")];
    let path = format!("/plugins/{}", plugin["id"].as_str().unwrap());
    let body = "config.key_in_body=true&config.key_names=7";
    let patched = admin.send("PATCH", &path, &form, body).await;
    assert_eq!(patched.status, 200, "{}", patched.text());
    let config = &patched.json()["config"];
    assert_eq!((&config["key_in_body"], &config["key_names"]), (&json!(true), &json!(["7"])));
    let refused = admin.send("PATCH", &path, &form, "config.key_in_body=perhaps").await;
    assert!(refused.json().pointer("/fields/config/key_in_body").is_some(), "{}", refused.text());
    made("POST", "/consumers", json!({ "username": "alice", "custom_id": "7" })).await;
    made("POST", "/consumers", json!({ "username": "bob", "custom_id": "8" })).await;
    let found = admin.get("/consumers?custom_id=8").await;
    assert_eq!((found["data"].as_array().unwrap().len(), &found["data"][0]["username"]), (1, &json!("bob")), "{found}");
    let key = made("POST", "/consumers/alice/key-auth", json!({})).await;
    assert!(key["key"].as_str().is_some_and(|key| key.len() == 32), "{key}");
    let by_id = format!("/key-auths/{}/consumer", key["id"].as_str().unwrap());
    assert_eq!(admin.get(&by_id).await["username"], "alice");
    assert_eq!(admin.get("/routes/r/service").await["name"], "s");
    let head = admin.ask("HEAD", "/services/s", Value::Null).await;
    assert_eq!((head.status, head.body.len()), (200, 0));
    // A service that routes lead to stays.
    let kept = admin.ask("DELETE", "/services/s", Value::Null).await;
    assert_eq!((kept.status, &kept.json()["code"]), (400, &json!(4)), "{}", kept.text());
    // A consumer takes what is theirs along.
    assert_eq!(admin.ask("DELETE", "/consumers/alice", Value::Null).await.status, 204);
    assert_eq!(admin.get("/key-auths").await, json!({ "data": [], "next": null }));
}
