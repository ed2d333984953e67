//! `isolation = "request"`: a fresh instance for each exchange, configured already, and nothing left of the last one.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tempfile::TempDir;
use tokio::io::AsyncReadExt;
use tokio::task::JoinSet;
use tokio::time::timeout;

use crate::harness::gateway::folder;
use crate::harness::{Gateway, Origin, Upstream, built, one_route};

async fn gateway(upstream: &Upstream, rest: &str) -> Gateway {
    Gateway::start_in(faulty(upstream, rest)).await
}

fn faulty(upstream: &Upstream, rest: &str) -> TempDir {
    faulty_before(upstream.address, rest)
}

fn faulty_before(address: SocketAddr, rest: &str) -> TempDir {
    let plugin = format!("plugins = [{{ use = \"faulty\", isolation = \"request\", {rest} }}]");
    let config = format!("{}\n[components.faulty]\npath = \"faulty.wasm\"\n", one_route(address, &plugin));
    folder(&config, &[("faulty.wasm", &built("guests/faulty.wasm"))])
}

/// A pool of instances takes hundreds of gigabytes of it, of which next to nothing is used.
#[tokio::test]
async fn a_gateway_of_little_address_space_does_without_a_pool() {
    let upstream = Upstream::echo("u").await;
    let gateway = Gateway::start_within("--as=2000000000", faulty(&upstream, "limits = { memory = \"8MiB\" }")).await;
    assert_eq!(gateway.get("/").await.upstream_got("x-calls").as_deref(), Some("1"));
    let answer = gateway.request("GET", "/", &[("x-fault", "grow")]).await;
    assert_eq!((answer.status, answer.header("x-gateway-error")), (500, Some("plugin_memory")));
    assert_eq!(gateway.get("/").await.upstream_got("x-calls").as_deref(), Some("1"));
}

#[tokio::test]
async fn of_little_address_space_an_instance_takes_little_and_whoever_finds_none_left_is_told_so() {
    let silent = Origin::raw(|mut stream| async move {
        let mut buffer = [0; 64];
        while stream.read(&mut buffer).await.is_ok_and(|read| read > 0) {}
    })
    .await;
    let folder = faulty_before(silent.address, "limits = { memory = \"8MiB\" }");
    let gateway = Arc::new(Gateway::start_within("--as=2000000000", folder).await);
    let mut exchanges = JoinSet::new();
    for _ in 0..200 {
        let gateway = Arc::clone(&gateway);
        // Each has its instance until it is answered.
        exchanges.spawn(async move { timeout(Duration::from_secs(2), gateway.get("/")).await });
    }
    let mut waiting = 0;
    while let Some(ended) = exchanges.join_next().await {
        match ended.unwrap() {
            Err(_) => waiting += 1,
            Ok(answer) => {
                assert_eq!((answer.status, answer.header("x-gateway-error")), (503, Some("gateway_overloaded")));
            }
        }
    }
    assert!(waiting >= 8, "only {waiting} found room");
}

#[tokio::test]
async fn each_exchange_has_an_instance_of_its_own_from_the_first_hook_to_the_last() {
    let upstream = Upstream::echo("u").await;
    let gateway = gateway(&upstream, "config = { mark = \"seen\" }").await;
    let mut client = gateway.client().await;
    for _ in 0..20 {
        let answer = client.send("GET", "/", &[("x-fault", "sticky")], "").await;
        assert_eq!(answer.upstream_got("x-calls").as_deref(), Some("1"), "nothing was called before");
        assert_eq!(answer.upstream_got("x-mark").as_deref(), Some("seen"), "it has its config");
        assert_eq!(answer.header("x-calls"), Some("1"), "the response hook is the same instance's");
    }
}

#[tokio::test]
async fn a_trap_takes_its_own_instance_only() {
    let upstream = Upstream::echo("u").await;
    let gateway = gateway(&upstream, "limits = { time = \"50ms\", memory = \"8MiB\" }").await;
    for (fault, code) in [
        ("trap", "plugin_failed"),
        ("overflow", "plugin_failed"),
        ("spin", "plugin_timed_out"),
        ("grow", "plugin_memory"),
    ] {
        for header in ["x-fault", "x-fault-response"] {
            let answer = gateway.request("GET", "/", &[(header, fault)]).await;
            assert_eq!((answer.status, answer.header("x-gateway-error")), (500, Some(code)), "{header}: {fault}");
            assert_eq!(gateway.get("/").await.upstream_got("x-calls").as_deref(), Some("1"));
        }
    }
}

#[tokio::test]
async fn instances_that_wait_are_isolated_too() {
    let upstream = Upstream::echo("u").await;
    let idp = Origin::echo("idp").await;
    let plugin = format!(
        "plugins = [{{ use = \"caller\", isolation = \"request\", config = {{ secret = \"s\" }}, \
         grants = {{ http = [\"http://{}\"], secrets = [\"s\"], sinks = [\"f\"] }} }}]",
        idp.address
    );
    let config = format!(
        "secrets = {{ s = \"the secret\" }}\n{}\n[components.caller]\npath = \"caller.wasm\"\n\
         [[sinks]]\nname = \"f\"\nkind = \"file\"\npath = \"f.log\"\n",
        one_route(upstream.address, &plugin)
    );
    let gateway = Gateway::start_with(&config, &[("caller.wasm", &built("guests/caller.wasm"))]).await;
    let url = format!("http://{}/", idp.address);
    for _ in 0..3 {
        let answer = gateway.request("GET", "/", &[("x-fetch", &url)]).await;
        assert_eq!((answer.status, answer.header("x-calls")), (200, Some("1")));
        assert_eq!(gateway.get("/").await.upstream_got("x-secret").as_deref(), Some("the secret"));
    }
}

#[tokio::test]
async fn pieces_and_the_end_are_shown_to_instances_of_their_own() {
    let upstream = Upstream::echo("u").await;
    let plugin = "plugins = [{ use = \"a\", isolation = \"request\", \
                  config = { name = \"a\", request_pieces = \"shout\", response_pieces = \"pass\", log = true } }]";
    let config = format!("{}\n[components.a]\npath = \"a.wasm\"\n", one_route(upstream.address, plugin));
    let gateway = Gateway::start_with(&config, &[("a.wasm", &built("guests/every-hook.wasm"))]).await;
    let answer = gateway.client().await.send("POST", "/", &[], "loud").await;
    assert_eq!((answer.status, &answer.json()["body"]), (200, &"LOUD!".into()));
    gateway.logged("message", "over: a POST / 200 200").await;
}
