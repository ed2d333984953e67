//! Every change is a generation, and each can be gone back to.

use serde_json::{Value, json};

use crate::harness::admin::Admin;
use crate::harness::{Client, Gateway, Upstream, built, one_route, until};

const ADMIN: &str = "[admin]\naddress = \"127.0.0.1:0\"\n";

async fn started(config: &str, files: &[(&str, &std::path::Path)]) -> (Gateway, Admin) {
    let gateway = Gateway::start_with(&format!("{config}{ADMIN}"), files).await;
    let admin = Admin::of(&gateway).await;
    (gateway, admin)
}

async fn release(gateway: &Gateway) -> Option<String> {
    gateway.get("/").await.header("x-release").map(str::to_owned)
}

/// Uploads this file.
async fn upload(admin: &Admin, name: &str, wasm: &[u8]) -> (u16, Value) {
    let mut stream = tokio::net::TcpStream::connect(admin.address).await.unwrap();
    let head = format!(
        "PUT /components/{name} HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/wasm\r\ncontent-length: {}\r\nconnection: close\r\n\r\n",
        wasm.len()
    );
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    stream.write_all(head.as_bytes()).await.unwrap();
    // Whoever is refused early need not be listened to until the end.
    drop(stream.write_all(wasm).await);
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    (head[9..12].parse().unwrap(), serde_json::from_str(body).unwrap_or(Value::Null))
}

#[tokio::test]
async fn every_change_is_listed_with_its_source_and_what_differs() {
    let upstream = Upstream::echo("u").await;
    let config = one_route(upstream.address, "");
    let (gateway, admin) = started(&config, &[]).await;
    admin.ask("PATCH", "/services/s", json!({ "retries": 1 })).await;
    gateway.replace("gateway.toml", b"services = 7\n");
    gateway.logged("message", "refused, generation 2 keeps serving").await;
    let list = admin.get("/generations").await;
    let told: Vec<_> = list["data"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| {
            (one["generation"].as_u64().unwrap(), one["source"].as_str().unwrap(), one["outcome"].as_str().unwrap())
        })
        .collect();
    assert_eq!(told, [(3, "file", "refused"), (2, "admin", "served"), (1, "start", "served")]);
    let second = admin.get("/generations/2").await;
    assert_eq!((&second["author"], &second["live"]), (&json!("loopback"), &json!(true)));
    let paths: Vec<_> = second["changes"].as_array().unwrap().iter().map(|one| one["path"].as_str().unwrap()).collect();
    assert!(paths.contains(&"services.s.retries"), "{second}");
    let faults = admin.get("/generations/3").await["faults"].to_string();
    assert!(faults.contains("gateway.toml:1: `services`"), "{faults}");
}

#[tokio::test]
async fn an_earlier_generation_is_activated_again_and_survives_a_restart() {
    let upstream = Upstream::echo("u").await;
    let (gateway, admin) = started(&one_route(upstream.address, ""), &[]).await;
    admin.ask("PATCH", "/routes/r", json!({ "paths": ["/new"] })).await;
    assert_eq!(gateway.get("/").await.status, 404);
    let activated = admin.ask("POST", "/generations/1/activate", Value::Null).await;
    assert_eq!((activated.status, activated.header("x-gateway-generation")), (200, Some("3")), "{}", activated.text());
    assert_eq!(gateway.get("/").await.status, 200);
    assert_eq!(admin.ask("POST", "/generations/9/activate", Value::Null).await.status, 404);
    let gateway = Gateway::start_in(gateway.kill()).await;
    let admin = Admin::of(&gateway).await;
    assert_eq!(gateway.get("/").await.status, 200);
    let list = admin.get("/generations").await;
    assert_eq!((&list["data"][0]["generation"], list["data"].as_array().unwrap().len()), (&json!(3), 3));
    assert_eq!(admin.get("/status").await["generation"], 3);
}

#[tokio::test]
async fn a_plugin_is_uploaded_and_gone_back_to_under_load() {
    let upstream = Upstream::echo("u").await;
    let config = format!(
        "[components.release]\npath = \"release.wasm\"\n{}",
        one_route(upstream.address, "plugins = [{ use = \"release\" }]")
    );
    let [blue, green] = ["blue", "green"].map(|name| built(&format!("examples/{name}.wasm")));
    let (gateway, admin) = started(&config, &[("release.wasm", &blue)]).await;
    let done = std::sync::Arc::new(std::sync::atomic::AtomicBool::new(false));
    let load = {
        let (done, address) = (std::sync::Arc::clone(&done), gateway.addresses[0]);
        tokio::spawn(async move {
            let mut client = Client::connect(address).await;
            while !done.load(std::sync::atomic::Ordering::Relaxed) {
                assert_eq!(client.send("GET", "/", &[], "").await.status, 200);
            }
        })
    };
    assert_eq!(release(&gateway).await.as_deref(), Some("blue"));
    let (status, told) = upload(&admin, "release", &std::fs::read(&green).unwrap()).await;
    assert_eq!(status, 200, "{told}");
    assert_eq!(release(&gateway).await.as_deref(), Some("green"));
    // Something else at the path changes nothing any more.
    gateway.replace("release.wasm", b"no plugin");
    assert_eq!(admin.ask("PATCH", "/services/s", json!({ "retries": 1 })).await.status, 200);
    assert_eq!(release(&gateway).await.as_deref(), Some("green"));
    let (status, refused) = upload(&admin, "release", b"no plugin either").await;
    assert_eq!(status, 400, "{refused}");
    assert_eq!(release(&gateway).await.as_deref(), Some("green"));
    let versions = admin.get("/components/release").await["versions"].clone();
    assert_eq!(versions.as_array().unwrap().len(), 2, "{versions}");
    let first = versions[1]["sha256"].as_str().unwrap().to_owned();
    let back = admin.ask("POST", &format!("/components/release/versions/{first}/activate"), Value::Null).await;
    assert_eq!(back.status, 200, "{}", back.text());
    assert_eq!(release(&gateway).await.as_deref(), Some("blue"));
    // And a whole generation brings its files along.
    assert_eq!(admin.ask("POST", "/generations/2/activate", Value::Null).await.status, 200);
    assert_eq!(release(&gateway).await.as_deref(), Some("green"));
    let used = admin.ask("DELETE", "/components/release", Value::Null).await;
    assert_eq!((used.status, &used.json()["code"]), (400, &json!(4)));
    done.store(true, std::sync::atomic::Ordering::Relaxed);
    load.await.unwrap();
}

#[tokio::test]
async fn a_new_component_is_uploaded_then_used() {
    let upstream = Upstream::echo("u").await;
    let (gateway, admin) = started(&one_route(upstream.address, ""), &[]).await;
    let (status, _) = upload(&admin, "colour", &std::fs::read(built("examples/blue.wasm")).unwrap()).await;
    assert_eq!(status, 200);
    let used = admin.ask("POST", "/routes/r/plugins", json!({ "name": "colour" })).await;
    assert_eq!(used.status, 201, "{}", used.text());
    until("the plugin", async || (release(&gateway).await.as_deref() == Some("blue")).then_some(())).await;
    let gateway = Gateway::start_in(gateway.kill()).await;
    assert_eq!(release(&gateway).await.as_deref(), Some("blue"), "after a restart, too");
}
