//! How an upstream's targets are, and what is set by hand.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use serde_json::{Value, json};

use crate::harness::admin::Admin;
use crate::harness::origin::{echo, reply};
use crate::harness::{Gateway, Origin, Upstream, until};

const NOBODY: &str = "6b1f8c5e-8f0e-4a7a-9a51-0d6f5f3c9f10";

/// A gateway with an upstream of these targets; `health` is what its table says besides.
async fn started(targets: &[String], health: &str) -> (Gateway, Admin) {
    let targets: Vec<String> = targets.iter().map(|target| format!("\"{target}\"")).collect();
    let gateway = Gateway::start(&format!(
        "workers = 1\nlisteners = [{{ address = \"127.0.0.1:0\" }}]\n[admin]\naddress = \"127.0.0.1:0\"\n\
         [[upstreams]]\nname = \"U\"\ntargets = [{}]\n{health}\n\
         [[services]]\nname = \"s\"\nurl = \"http://U\"\n[[services.routes]]\nname = \"r\"\npaths = [\"/\"]\n",
        targets.join(", ")
    ))
    .await;
    let admin = Admin::of(&gateway).await;
    (gateway, admin)
}

/// How the targets are, in their order.
async fn health(admin: &Admin) -> Vec<Value> {
    let shown = admin.get("/upstreams/U/health").await;
    shown["data"].as_array().unwrap().iter().map(|target| target["health"].clone()).collect()
}

async fn set(admin: &Admin, method: &str, path: &str) -> u16 {
    admin.ask(method, &format!("/upstreams/U/targets/{path}"), Value::Null).await.status
}

/// Who answers ten requests.
async fn servers(gateway: &Gateway) -> Vec<String> {
    let mut servers = Vec::new();
    for _ in 0..10 {
        let answer = gateway.get("/").await;
        servers.push(if answer.status == 200 {
            answer.json()["upstream"].as_str().unwrap().to_owned()
        } else {
            String::new()
        });
    }
    servers.sort();
    servers.dedup();
    servers
}

#[tokio::test]
async fn targets_are_shown_as_kong_shows_them() {
    let (one, two) = (Upstream::echo("one").await, Upstream::echo("two").await);
    let targets = [one.address.to_string(), two.address.to_string(), "nowhere.invalid:80".to_owned()];
    let (_gateway, admin) = started(&targets, "").await;
    let shown = admin.get("/upstreams/U/health").await;
    let upstream = admin.get("/upstreams/U").await;
    assert_eq!((&shown["total"], &shown["next"], shown["node_id"].is_string()), (&json!(3), &Value::Null, true));
    let first = &shown["data"][0];
    assert_eq!(
        (&first["target"], &first["weight"], &first["health"]),
        (&json!(targets[0]), &json!(100), &json!("HEALTHCHECKS_OFF"))
    );
    assert_eq!(first["upstream"]["id"], upstream["id"]);
    let address = json!({ "ip": "127.0.0.1", "port": one.address.port(), "weight": 100, "health": "HEALTHCHECKS_OFF" });
    assert_eq!((&first["data"]["addresses"], &first["data"]["host"]), (&json!([address]), &json!("127.0.0.1")));
    assert_eq!(first["data"]["weight"], json!({ "total": 100, "available": 100, "unavailable": 0 }));
    assert_eq!(shown["data"][2]["health"], "DNS_ERROR");
    let balancer = admin.get("/upstreams/U/health?balancer_health=1").await;
    assert_eq!((&balancer["data"]["id"], &balancer["data"]["health"]), (&upstream["id"], &json!("HEALTHCHECKS_OFF")));
    assert_eq!(balancer["node_id"], shown["node_id"]);
}

#[tokio::test]
async fn what_is_set_by_hand_gets_no_requests_until_it_is_set_again() {
    let (one, two) = (Upstream::echo("one").await, Upstream::echo("two").await);
    let (first, second) = (one.address.to_string(), two.address.to_string());
    let (gateway, admin) = started(&[first.clone(), second.clone()], "").await;
    assert_eq!(set(&admin, "PUT", &format!("{first}/unhealthy")).await, 204);
    assert_eq!(servers(&gateway).await, ["two"]);
    assert_eq!(health(&admin).await, ["UNHEALTHY", "HEALTHCHECKS_OFF"]);
    // A change of something else leaves it so.
    assert_eq!(admin.ask("PATCH", "/services/s", json!({ "retries": 1 })).await.status, 200);
    assert_eq!(servers(&gateway).await, ["two"]);
    // By the target's id, and one address alone.
    let targets = admin.get("/upstreams/U/targets").await;
    let id = targets["data"][1]["id"].as_str().unwrap();
    assert_eq!(set(&admin, "POST", &format!("{id}/{second}/unhealthy")).await, 204);
    assert_eq!(admin.get("/upstreams/U/health?balancer_health=1").await["data"]["health"], "UNHEALTHY");
    assert_eq!(gateway.get("/").await.status, 503);
    assert_eq!(set(&admin, "PUT", &format!("{first}/healthy")).await, 204);
    assert_eq!(servers(&gateway).await, ["one"]);
    for path in [format!("{first}/{second}/healthy"), format!("{NOBODY}/healthy"), "10.0.0.1:80/healthy".to_owned()] {
        assert_eq!(set(&admin, "PUT", &path).await, 404, "{path}");
    }
    for (method, path) in
        [("GET", "/upstreams/V/health".to_owned()), ("PUT", format!("/upstreams/V/targets/{first}/healthy"))]
    {
        assert_eq!(admin.ask(method, &path, Value::Null).await.status, 404, "{path}");
    }
}

#[tokio::test]
async fn probes_bring_back_what_is_well() {
    let probes = Arc::new(AtomicUsize::new(0));
    let probed = Arc::clone(&probes);
    let origin = Origin::serve(move |request| {
        let probe = request.uri().path() == "/healthz";
        probed.fetch_add(usize::from(probe), Ordering::SeqCst);
        async move { if probe { reply(200, "well") } else { echo("one", request).await } }
    })
    .await;
    let active = "health = { active = { path = \"/healthz\", interval = \"100ms\", successes = 3 } }";
    let address = origin.address.to_string();
    let (gateway, admin) = started(std::slice::from_ref(&address), active).await;
    assert_eq!(health(&admin).await, ["HEALTHY"]);
    let before = probes.load(Ordering::SeqCst);
    assert_eq!(set(&admin, "PUT", &format!("{address}/unhealthy")).await, 204);
    until("the target is healthy again", async || (health(&admin).await == ["HEALTHY"]).then_some(())).await;
    assert!(probes.load(Ordering::SeqCst) >= before + 3);
    assert_eq!(servers(&gateway).await, ["one"]);
}
