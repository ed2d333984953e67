//! `isolation = "request"`: a fresh instance for each exchange, configured already, and nothing left of the last one.

use tempfile::TempDir;

use crate::harness::gateway::folder;
use crate::harness::{Gateway, Origin, Upstream, built, one_route};

async fn gateway(upstream: &Upstream, rest: &str) -> Gateway {
    Gateway::start_in(faulty(upstream, rest)).await
}

fn faulty(upstream: &Upstream, rest: &str) -> TempDir {
    let plugin = format!("plugins = [{{ use = \"faulty\", isolation = \"request\", {rest} }}]");
    let config = format!("{}\n[components.faulty]\npath = \"faulty.wasm\"\n", one_route(upstream.address, &plugin));
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
