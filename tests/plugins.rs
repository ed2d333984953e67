//! Plugins on the real host: what they may do, and what becomes of those that misbehave.

mod cache;
mod chains;
mod consumers;
mod files;
mod grants;
mod hooks;
mod hostile;
mod isolation;
mod policies;
mod services;
mod sockets;
mod tools;
mod upstreams;

use std::time::{Duration, Instant};

use crate::harness::{Answer, Gateway, Upstream, built, one_route};

/// One route for everything with these plugin uses; `faulty` and `require` are listed.
async fn gateway(upstream: &Upstream, global: &str, route: &str) -> Gateway {
    let config = format!(
        r#"
plugins = [{global}]

[components.faulty]
path = "faulty.wasm"
[components.require-p2]
path = "require-p2.wasm"
[components.require-p1]
path = "require-p1.wasm"

[[services]]
name = "s"
url = "http://{}"
routes = [{{ name = "r", paths = ["/"], plugins = [{route}] }}]

[[consumers]]
username = "alice"
custom_id = "a-1"
groups = ["gold", "beta"]
credentials = [
  {{ kind = "key-auth", key = "alices-key" }},
  {{ kind = "key-auth", key = "sha256:dfc42b5169264b0614a973f3460a90a255e72d3bf083ced693776b21a3821690" }}, # "another-key"
]
"#,
        upstream.address
    );
    let files = [
        ("faulty.wasm", &*built("guests/faulty.wasm")),
        ("require-p2.wasm", &*built("examples/require-header.wasm")),
        ("require-p1.wasm", &*built("examples/require-header-wasip1.wasm")),
    ];
    Gateway::start_with(&config, &files).await
}

#[tokio::test]
async fn the_same_crate_runs_as_component_and_as_core_module() {
    // A component says layer 1 in its head, a core module says layer 0.
    let magic = |path| std::fs::read(built(path)).unwrap()[..8].to_owned();
    assert_eq!(magic("examples/require-header.wasm"), b"\0asm\x0d\0\x01\0");
    assert_eq!(magic("examples/require-header-wasip1.wasm"), b"\0asm\x01\0\0\0");

    let upstream = Upstream::echo("u").await;
    let uses = r#"{ use = "require-p2", config = { header = "X-Two" } },
                  { use = "require-p1", config = { header = "x-one" } }"#;
    let gateway = gateway(&upstream, "", uses).await;
    for (headers, status) in
        [(&[][..], 401), (&[("x-one", "1")], 401), (&[("x-two", "2")], 401), (&[("x-one", "1"), ("x-two", "2")], 200)]
    {
        let answer = gateway.request("GET", "/", headers).await;
        assert_eq!(answer.status, status, "{headers:?}");
        if status == 401 {
            assert_eq!(answer.text(), "missing required header");
        }
    }
}

#[tokio::test]
async fn key_auth_tells_the_upstream_who_it_is() {
    let upstream = Upstream::echo("u").await;
    let gateway = gateway(&upstream, "", r#"{ use = "key-auth", config = { hide_credentials = true } }"#).await;

    let answer = gateway.request("GET", "/?apikey=alices-key&x=1", &[("x-consumer-username", "root")]).await;
    assert_eq!(answer.status, 200);
    assert_eq!(answer.json()["path"], "/?x=1", "the key is hidden");
    for (name, expected) in
        [("x-consumer-username", "alice"), ("x-consumer-custom-id", "a-1"), ("x-consumer-groups", "gold, beta")]
    {
        assert_eq!(answer.upstream_got(name).as_deref(), Some(expected), "{name}");
    }
    assert_eq!(answer.upstream_got("x-credential-identifier").unwrap().len(), 32);

    assert_eq!(gateway.request("GET", "/", &[("apikey", "another-key")]).await.status, 200, "known by digest alone");
    let connections = upstream.connections();
    let refusals: [(&[(&str, &str)], &str); 3] = [
        (&[], "No API key found in request"),
        (&[("apikey", "guessed")], "Unauthorized"),
        (&[("apikey", "alices-key"), ("apikey", "alices-key")], "Duplicate API key found"),
    ];
    for (headers, message) in refusals {
        let answer = gateway.request("GET", "/", headers).await;
        assert_eq!((answer.status, answer.header("www-authenticate")), (401, Some("Key")));
        assert_eq!(answer.json()["message"], message);
    }
    assert_eq!(upstream.connections(), connections, "who is refused never gets that far");
}

#[tokio::test]
async fn a_correlation_id_reaches_upstream_and_client() {
    let upstream = Upstream::echo("u").await;
    let plugin = r#"{ use = "correlation-id", config = { header_name = "X-Id", echo_downstream = true } }"#;
    let gateway = gateway(&upstream, plugin, r#"{ use = "key-auth" }"#).await;
    let key = ("apikey", "alices-key");

    let answer = gateway.request("GET", "/", &[key]).await;
    assert_eq!(answer.upstream_got("x-id").as_deref(), answer.header("x-id"));
    assert!(answer.header("x-id").unwrap().contains('#'), "uuid#counter: {answer:?}");

    let answer = gateway.request("GET", "/", &[key, ("x-id", "mine")]).await;
    assert_eq!((answer.upstream_got("x-id").as_deref(), answer.header("x-id")), (Some("mine"), Some("mine")));

    let refused = gateway.request("GET", "/", &[("x-id", "mine")]).await;
    assert_eq!((refused.status, refused.header("x-id")), (401, Some("mine")), "response hooks run on our answers too");
}

#[tokio::test]
async fn a_narrower_use_replaces_a_wider_one_and_priority_decides_the_order() {
    let upstream = Upstream::echo("u").await;
    let global = r#"{ use = "require-p2", config = { header = "x-global" } }"#;
    let route = r#"{ use = "require-p2", config = { header = "x-route" }, priority = 2000 }, { use = "key-auth" }"#;
    let gateway = gateway(&upstream, global, route).await;
    let key = ("apikey", "alices-key");
    assert_eq!(gateway.request("GET", "/", &[key, ("x-route", "1")]).await.status, 200);
    assert_eq!(gateway.request("GET", "/", &[key, ("x-global", "1")]).await.text(), "missing required header");
    // At 2000 it runs before key-auth's 1250, and so is the one to answer.
    assert_eq!(gateway.get("/").await.text(), "missing required header");
}

/// A request that makes the faulty plugin misbehave in this way gets this code; the next one is served.
async fn fails(gateway: &Gateway, header: &str, fault: &str, code: &str) -> Answer {
    let answer = gateway.request("GET", "/", &[(header, fault)]).await;
    assert_eq!((answer.status, answer.header("x-gateway-error")), (500, Some(code)), "{header}: {fault}: {answer:?}");
    assert_eq!(answer.json()["message"], "An unexpected error occurred", "the client learns nothing of the plugin");
    let line = gateway.logged("code", code).await;
    assert!(line["message"].as_str().unwrap().contains("plugin faulty, on-re"), "{line:#}");
    assert_eq!(gateway.get("/").await.status, 200, "after {fault}");
    answer
}

#[tokio::test]
async fn a_plugin_that_fails_hurts_its_own_request_only() {
    let upstream = Upstream::echo("u").await;
    // It is not the time that is to be up first, however busy the machine is.
    let gateway = gateway(&upstream, "", r#"{ use = "faulty", limits = { time = "1s" } }"#).await;
    for fault in ["trap", "unreachable", "overflow", "fail", "bad-status", "bad-header", "hop-by-hop"] {
        fails(&gateway, "x-fault", fault, "plugin_failed").await;
    }
    for fault in ["trap", "unreachable", "overflow", "fail", "bad-status", "bad-header"] {
        fails(&gateway, "x-fault-response", fault, "plugin_failed").await;
    }
    let panic = gateway.logged("plugin", "faulty").await;
    assert!(panic["message"].as_str().unwrap().contains("panicked at"), "{panic:#}");
}

#[tokio::test]
async fn a_client_cannot_have_removed_what_a_plugin_sets() {
    let upstream = Upstream::echo("u").await;
    let gateway = gateway(&upstream, "", r#"{ use = "faulty", config = { mark = "seen" } }"#).await;
    let answer = gateway.request("GET", "/", &[("connection", "x-mark, x-calls, x-forwarded-for")]).await;
    assert_eq!(answer.upstream_got("x-mark").as_deref(), Some("seen"));
    assert!(answer.upstream_got("x-forwarded-for").is_some());
}

#[tokio::test]
async fn a_plugin_that_runs_on_is_stopped_in_time() {
    let upstream = Upstream::echo("u").await;
    let gateway = gateway(&upstream, "", r#"{ use = "faulty", limits = { time = "50ms" } }"#).await;
    for header in ["x-fault", "x-fault-response"] {
        let start = Instant::now();
        fails(&gateway, header, "spin", "plugin_timed_out").await;
        let taken = start.elapsed();
        assert!((Duration::from_millis(50)..Duration::from_secs(5)).contains(&taken), "{taken:?}");
    }
}

#[tokio::test]
async fn a_plugin_that_eats_memory_is_stopped_at_its_limit() {
    let upstream = Upstream::echo("u").await;
    let limits = r#"{ use = "faulty", limits = { time = "1s", memory = "8MiB" } }"#;
    let gateway = gateway(&upstream, "", limits).await;
    fails(&gateway, "x-fault", "grow", "plugin_memory").await;
    fails(&gateway, "x-fault-response", "grow", "plugin_memory").await;
}

#[tokio::test]
async fn an_instance_is_reused_until_it_traps() {
    let upstream = Upstream::echo("u").await;
    let gateway = gateway(&upstream, "", r#"{ use = "faulty" }"#).await;
    // One connection stays with one worker.
    let mut client = gateway.client().await;
    let calls = async |client: &mut crate::harness::Client| {
        client.send("GET", "/", &[], "").await.upstream_got("x-calls").unwrap().parse::<u32>().unwrap()
    };
    let first = calls(&mut client).await;
    assert_eq!(calls(&mut client).await, first + 1);
    assert_eq!(client.send("GET", "/", &[("x-fault", "fail")], "").await.status, 500);
    assert_eq!(calls(&mut client).await, first + 3, "a failure of the plugin's own is no trap");
    assert_eq!(client.send("GET", "/", &[("x-fault", "trap")], "").await.status, 500);
    assert_eq!(calls(&mut client).await, 1, "a fresh instance");
}

#[tokio::test]
async fn a_plugin_answers_itself_or_marks_both_ways() {
    let upstream = Upstream::echo("u").await;
    let gateway = gateway(&upstream, "", r#"{ use = "faulty", config = { mark = "seen" } }"#).await;
    let answer = gateway.get("/").await;
    assert_eq!((answer.upstream_got("x-mark").as_deref(), answer.header("x-mark")), (Some("seen"), Some("seen")));
    assert_eq!(gateway.request("GET", "/", &[("x-fault", "reply")]).await.status, 418);
    assert_eq!(gateway.request("GET", "/", &[("x-fault-response", "reply")]).await.status, 418);
}

#[tokio::test]
async fn plugins_see_what_the_routes_regex_found() {
    let upstream = Upstream::echo("u").await;
    let config = format!(
        "[components.witness]\npath = \"witness.wasm\"\n{}",
        one_route(upstream.address, "plugins = [{ use = \"witness\" }]")
            .replace("[\"/\"]", "['~^/orders/(?<id>[^/]+)']")
    );
    let gateway = Gateway::start_with(&config, &[("witness.wasm", &built("guests/witness.wasm"))]).await;
    let answer = gateway.get("/orders/a%2Fb/items").await;
    assert_eq!(answer.upstream_got("x-saw-id").as_deref(), Some("a%2Fb"));
    assert_eq!(answer.upstream_got("x-saw-path").as_deref(), Some("/orders/a%2Fb/items"));
    assert_eq!(answer.upstream_got("x-saw-scheme").as_deref(), Some("http"));
}
