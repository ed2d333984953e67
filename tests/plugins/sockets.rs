//! Sockets by grant: plugins that connect with the standard library reach whom they may, and hold nobody up.

use std::net::{Ipv4Addr, SocketAddr};
use std::time::{Duration, Instant};

use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::UdpSocket;
use tokio::task::JoinSet;

use crate::harness::gateway::run;
use crate::harness::nameserver::{NameServer, Record};
use crate::harness::{Answer, Gateway, Origin, Upstream, built, folder, one_route, until};

fn config(upstream: &Upstream, rest: &str) -> String {
    let plugin = format!("plugins = [{{ use = \"visitor\", {rest} }}]");
    // One worker, so that it is known who would be held up.
    format!(
        "workers = 1\nlisteners = [{{ address = \"127.0.0.1:0\" }}]\n{}\n[components.visitor]\npath = \"visitor.wasm\"\n",
        one_route(upstream.address, &plugin)
    )
}

async fn gateway(config: &str) -> Gateway {
    Gateway::start_with(config, &[("visitor.wasm", &built("guests/visitor.wasm"))]).await
}

async fn visit(gateway: &Gateway, how: &str, whom: impl std::fmt::Display) -> Answer {
    gateway.request("GET", "/", &[(how, &whom.to_string())]).await
}

/// Says `+PONG` to each line, as Redis does to PING.
async fn pong() -> Origin {
    Origin::raw(|stream| async move {
        let mut stream = BufReader::new(stream);
        let mut line = String::new();
        while stream.read_line(&mut line).await.is_ok_and(|read| read > 0) {
            drop(stream.write_all(b"+PONG\r\n").await);
            line.clear();
        }
    })
    .await
}

/// Takes what comes, and never says a word.
async fn silent() -> Origin {
    Origin::raw(|mut stream| async move {
        let mut buffer = [0; 64];
        while stream.read(&mut buffer).await.is_ok_and(|read| read > 0) {}
    })
    .await
}

fn refused(answer: &Answer) {
    assert_eq!(answer.status, 599, "{answer:?}");
    assert!(answer.text().starts_with("PermissionDenied"), "{answer:?}");
}

#[tokio::test]
async fn a_plugin_connects_to_whom_it_is_granted_and_to_nobody_else() {
    let upstream = Upstream::echo("u").await;
    let (redis, other) = (pong().await, pong().await);
    let port = redis.address.port();
    for granted in [format!("tcp://127.0.0.1:{port}"), format!("tcp://127.0.0.0/8:{port}")] {
        let gateway = gateway(&config(&upstream, &format!("grants = {{ sockets = [\"{granted}\"] }}"))).await;
        for _ in 0..3 {
            let answer = visit(&gateway, "x-tcp", redis.address).await;
            assert_eq!((answer.status, answer.text()), (200, "+PONG"), "{granted}");
        }
        refused(&visit(&gateway, "x-tcp", other.address).await);
        refused(&visit(&gateway, "x-udp", redis.address).await);
        refused(&visit(&gateway, "x-listen", "127.0.0.1:0").await);
        refused(&visit(&gateway, "x-listen", "0.0.0.0:0").await);
        assert_ne!(visit(&gateway, "x-tcp", format!("localhost:{port}")).await.status, 200, "no name is granted");
        assert_eq!(gateway.get("/").await.status, 200);
    }
    assert_eq!((other.connections(), redis.open()), (0, 0));
    let gateway = gateway(&config(&upstream, "enabled = true")).await;
    refused(&visit(&gateway, "x-tcp", redis.address).await);
}

#[tokio::test]
async fn a_connection_that_is_kept_serves_the_next_request() {
    let upstream = Upstream::echo("u").await;
    let redis = pong().await;
    let gateway = gateway(&config(&upstream, &format!("grants = {{ sockets = [\"tcp://{}\"] }}", redis.address))).await;
    for _ in 0..5 {
        assert_eq!(visit(&gateway, "x-keep", redis.address).await.text(), "+PONG");
    }
    assert_eq!((redis.connections(), redis.open()), (1, 1));
    gateway.write_config(&config(&upstream, "enabled = false"));
    until("it to end with the plugin", async || (redis.open() == 0).then_some(())).await;
}

#[tokio::test]
async fn timers_have_sockets_too() {
    let upstream = Upstream::echo("u").await;
    let redis = pong().await;
    let grants = format!("grants = {{ sockets = [\"tcp://{}\"] }}", redis.address);
    let rest = format!("{grants}, timer = \"100ms\", config = {{ timer = \"{}\" }}", redis.address);
    gateway(&config(&upstream, &rest)).await.logged("message", "the timer was told +PONG").await;
}

#[tokio::test]
async fn names_are_looked_up_if_they_are_granted() {
    let upstream = Upstream::echo("u").await;
    let redis = pong().await;
    let port = redis.address.port();
    let names = NameServer::start().await;
    names.set("redis.test", &[Record::A(Ipv4Addr::LOCALHOST)]);
    names.set("other.test", &[Record::A(Ipv4Addr::LOCALHOST)]);
    let granted = ["redis.test", "none.test"].map(|name| format!("\"tcp://{name}:{port}\""));
    let rest = format!("grants = {{ sockets = [{}] }}", granted.join(", "));
    let gateway = gateway(&format!("{}{}", config(&upstream, &rest), names.toml())).await;
    refused(&visit(&gateway, "x-tcp", redis.address).await);
    assert_ne!(visit(&gateway, "x-tcp", format!("other.test:{port}")).await.status, 200);
    assert_eq!(names.asked(), 0, "who may not be reached is not looked up");

    assert_eq!(visit(&gateway, "x-tcp", format!("Redis.test:{port}")).await.text(), "+PONG");
    assert_eq!(visit(&gateway, "x-tcp", format!("none.test:{port}")).await.status, 599);
    refused(&visit(&gateway, "x-tcp", format!("redis.test:{}", upstream.address.port())).await);
    assert_eq!(visit(&gateway, "x-tcp", redis.address).await.text(), "+PONG", "it is the address of a granted name");
}

#[tokio::test]
async fn names_are_looked_up_by_the_settings_of_the_live_generation() {
    let upstream = Upstream::echo("u").await;
    let redis = pong().await;
    let port = redis.address.port();
    let (old, new) = (NameServer::start().await, NameServer::start().await);
    new.set("redis.test", &[Record::A(Ipv4Addr::LOCALHOST)]);
    let config = config(&upstream, &format!("grants = {{ sockets = [\"tcp://redis.test:{port}\"] }}"));
    let gateway = gateway(&format!("{config}{}", old.toml())).await;
    assert_eq!(visit(&gateway, "x-tcp", format!("redis.test:{port}")).await.status, 599);
    gateway.write_config(&format!("{config}{}", new.toml()));
    until("the next generation", async || (gateway.generation() == 2).then_some(())).await;
    assert_eq!(visit(&gateway, "x-tcp", format!("redis.test:{port}")).await.text(), "+PONG");
}

#[tokio::test]
async fn datagrams_go_to_granted_peers_and_come_from_them() {
    let upstream = Upstream::echo("u").await;
    let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let address = socket.local_addr().unwrap();
    tokio::spawn(async move {
        let mut buffer = [0; 64];
        while let Ok((length, from)) = socket.recv_from(&mut buffer).await {
            // A stranger's answer comes first, and does not count.
            let stranger = UdpSocket::bind("127.0.0.1:0").await.unwrap();
            drop(stranger.send_to(b"forged", from).await);
            drop(socket.send_to(&buffer[..length], from).await);
        }
    });
    let gateway = gateway(&config(&upstream, &format!("grants = {{ sockets = [\"udp://{address}\"] }}"))).await;
    assert_eq!(visit(&gateway, "x-udp", address).await.text(), "PING");
    refused(&visit(&gateway, "x-udp", SocketAddr::from(([127, 0, 0, 1], 9))).await);
    refused(&visit(&gateway, "x-tcp", address).await);
}

#[tokio::test]
async fn a_server_that_never_answers_holds_nobody_up_and_is_given_up_in_time() {
    let upstream = Upstream::echo("u").await;
    let silent = silent().await;
    let rest = format!("limits = {{ wait = \"1s\" }}, grants = {{ sockets = [\"tcp://{}\"] }}", silent.address);
    let gateway = gateway(&config(&upstream, &rest)).await;
    let begun = Instant::now();
    let mut waiting = JoinSet::new();
    for _ in 0..8 {
        let (address, mut client) = (silent.address.to_string(), gateway.client().await);
        waiting.spawn(async move { client.send("GET", "/", &[("x-tcp", &address)], "").await });
    }
    until("all of them to wait", async || (silent.open() == 8).then_some(())).await;
    assert_eq!(gateway.get("/").await.status, 200);
    assert!(begun.elapsed() < Duration::from_secs(1), "it waited for them: {:?}", begun.elapsed());
    for answer in waiting.join_all().await {
        assert_eq!((answer.status, answer.header("x-gateway-error")), (500, Some("plugin_timed_out")), "{answer:?}");
    }
    assert!(begun.elapsed() >= Duration::from_secs(1));
    let line = gateway.logged("code", "plugin_timed_out").await;
    assert!(line["message"].as_str().unwrap().contains("took longer than 1s"), "{line:#}");
    until("their sockets to be closed", async || (silent.open() == 0).then_some(())).await;
    assert_eq!(gateway.get("/").await.status, 200);
}

#[tokio::test]
async fn a_client_that_leaves_takes_the_plugins_socket_along() {
    let upstream = Upstream::echo("u").await;
    let silent = silent().await;
    let gateway =
        gateway(&config(&upstream, &format!("grants = {{ sockets = [\"tcp://{}\"] }}", silent.address))).await;
    let (address, mut client) = (silent.address.to_string(), gateway.client().await);
    let asking = tokio::spawn(async move { client.try_send("GET", "/", &[("x-tcp", &address)], "").await.map(drop) });
    until("it to wait", async || (silent.open() == 1).then_some(())).await;
    asking.abort();
    until("its socket to be closed", async || (silent.open() == 0).then_some(())).await;
    gateway.accessed("error", "client_closed").await;
}

#[tokio::test]
async fn uses_with_different_grants_share_no_instance() {
    let upstream = Upstream::echo("u").await;
    let (one, other) = (pong().await, pong().await);
    let route = |name: &str, granted: SocketAddr| {
        format!(
            "[[services.routes]]\nname = \"{name}\"\npaths = [\"/{name}\"]\n\
             plugins = [{{ use = \"visitor\", grants = {{ sockets = [\"tcp://{granted}\"] }} }}]\n"
        )
    };
    let config = format!(
        "[components.visitor]\npath = \"visitor.wasm\"\n[[services]]\nname = \"s\"\nurl = \"http://{}\"\n{}{}",
        upstream.address,
        route("one", one.address),
        route("other", other.address)
    );
    let gateway = gateway(&config).await;
    for _ in 0..4 {
        for (path, granted, refused) in [("/one", one.address, other.address), ("/other", other.address, one.address)] {
            let ask = async |peer: SocketAddr| gateway.request("GET", path, &[("x-tcp", &peer.to_string())]).await;
            assert_eq!(ask(granted).await.text(), "+PONG", "{path}");
            self::refused(&ask(refused).await);
        }
    }
}

#[tokio::test]
async fn what_is_waited_for_is_not_the_plugins_time_however_busy_its_worker_is() {
    let upstream = Upstream::echo("u").await;
    let gateway = gateway(&config(&upstream, "grants = { sockets = [\"tcp://127.0.0.1:9\"] }")).await;
    let (mut sleeping, mut busy) = (gateway.client().await, gateway.client().await);
    let pauses = ["50"; 10].join(" ");
    let slept = tokio::spawn(async move { sleeping.send("GET", "/", &[("x-sleep", &pauses)], "").await });
    while !slept.is_finished() {
        assert_eq!(busy.send("GET", "/", &[], "").await.status, 200);
    }
    let answer = slept.await.unwrap();
    assert_eq!((answer.status, answer.text()), (200, "slept"), "its time is 10 ms: {answer:?}");
}

/// Waiting for next to nothing, again and again, is no way around `limits.time`.
#[tokio::test]
async fn the_turns_of_a_call_have_a_bound_together() {
    let upstream = Upstream::echo("u").await;
    let gateway = gateway(&config(&upstream, "grants = { sockets = [\"tcp://127.0.0.1:9\"] }")).await;
    let answer = visit(&gateway, "x-toil", 1).await;
    assert_eq!((answer.status, answer.header("x-gateway-error")), (500, Some("plugin_timed_out")), "{answer:?}");
}

#[tokio::test]
async fn what_it_prints_goes_into_the_log_with_the_requests_id() {
    let upstream = Upstream::echo("u").await;
    let gateway = gateway(&config(&upstream, "grants = { sockets = [\"tcp://127.0.0.1:9\"] }")).await;
    let answer = visit(&gateway, "x-sleep", 1).await;
    let line = gateway.logged("message", "slept for 1 ms").await;
    assert_eq!(line["request_id"].as_str(), answer.header("x-gateway-request-id"), "{line:#}");
    assert_eq!((&line["plugin"], &line["level"]), (&"visitor".into(), &"INFO".into()));
}

#[tokio::test]
async fn grants_that_cannot_be_are_faults() {
    let upstream = Upstream::echo("u").await;
    for (rest, told) in [
        ("grants = { sockets = [\"10.0.0.5:6379\"] }", "expected tcp://host:port or udp://host:port"),
        ("grants = { sockets = [\"tcp://10.0.0.5\"] }", "has no port"),
        ("grants = { sockets = [\"tcp://*.internal:443\"] }", "\"*.internal\" is nobody to reach"),
        ("grants = { sockets = true }", "`sockets` must be an array"),
        ("limits = { wait = \"20m\" }", "`wait` is at most 600s"),
        (
            "grants = { sockets = [\"tcp://127.0.0.1:9\"] }, config = { connect = \"127.0.0.1:9\" }",
            "visitor refuses this config: 127.0.0.1:9: PermissionDenied",
        ),
    ] {
        let folder = folder(&config(&upstream, rest), &[("visitor.wasm", &built("guests/visitor.wasm"))]);
        let outcome = run(folder.path(), &["check"]);
        assert_eq!(outcome.status.code(), Some(1), "{rest}: {}", outcome.stdout);
        assert!(outcome.stderr.contains(told), "{rest}: {}", outcome.stderr);
    }
}
