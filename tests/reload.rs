//! Changes that are put in place while requests flow.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use crate::harness::{Answer, Client, Gateway, Upstream, built, one_route, until};

fn released(upstream: &Upstream) -> String {
    let components = "[components.release]\npath = \"release.wasm\"\n";
    format!("{components}{}", one_route(upstream.address, "plugins = [{ use = \"release\" }]"))
}

async fn release(gateway: &Gateway) -> Option<String> {
    gateway.get("/").await.header("x-release").map(str::to_owned)
}

#[tokio::test]
async fn a_plugin_is_swapped_under_load_and_no_request_is_lost() {
    let upstream = Upstream::echo("u").await;
    let blue = built("examples/blue.wasm");
    let gateway = Gateway::start_with(&released(&upstream), &[("release.wasm", &blue)]).await;
    let seen = Arc::new([const { AtomicUsize::new(0) }; 2]);
    let done = Arc::new(AtomicBool::new(false));
    let clients: Vec<_> = (0..4)
        .map(|_| {
            let (seen, done, address) = (Arc::clone(&seen), Arc::clone(&done), gateway.addresses[0]);
            tokio::spawn(async move {
                let mut client = Client::connect(address).await;
                while !done.load(Ordering::Relaxed) {
                    let answer = client.send("GET", "/", &[], "").await;
                    assert_eq!(answer.status, 200);
                    let green = match answer.header("x-release") {
                        Some("blue") => 0,
                        Some("green") => 1,
                        other => panic!("{other:?}"),
                    };
                    seen[green].fetch_add(1, Ordering::Relaxed);
                }
            })
        })
        .collect();
    let count = |at: usize| seen[at].load(Ordering::Relaxed);
    until("blue", async || (count(0) > 200).then_some(())).await;
    gateway.replace("release.wasm", &std::fs::read(built("examples/green.wasm")).unwrap());
    until("green", async || (count(1) > 200).then_some(())).await;
    gateway.replace("release.wasm", &std::fs::read(blue).unwrap());
    let before = count(0);
    until("blue again", async || (count(0) > before + 200).then_some(())).await;
    done.store(true, Ordering::Relaxed);
    for client in clients {
        client.await.unwrap();
    }
}

#[tokio::test]
async fn a_broken_plugin_file_is_refused_until_it_is_whole() {
    let upstream = Upstream::echo("u").await;
    let gateway = Gateway::start_with(&released(&upstream), &[("release.wasm", &built("examples/blue.wasm"))]).await;
    let green = std::fs::read(built("examples/green.wasm")).unwrap();
    gateway.replace("release.wasm", &green[..green.len() / 2]);
    let line = gateway.logged("message", "refused, generation 1 keeps serving").await;
    assert!(line["message"].as_str().unwrap().contains("release.wasm is not valid WebAssembly"), "{line:#}");
    assert_eq!(release(&gateway).await.as_deref(), Some("blue"));

    std::fs::remove_file(gateway.path("release.wasm")).unwrap();
    gateway.logged("message", "release.wasm cannot be read").await;
    assert_eq!(release(&gateway).await.as_deref(), Some("blue"));

    gateway.replace("release.wasm", &green);
    until("green", async || (release(&gateway).await.as_deref() == Some("green")).then_some(())).await;
}

#[tokio::test]
async fn a_changed_file_moves_routes_and_a_mended_one_is_taken() {
    let (one, two) = (Upstream::echo("one").await, Upstream::echo("two").await);
    let gateway = Gateway::start(&one_route(one.address, "")).await;
    let mut client = gateway.client().await;
    let upstream = |answer: &Answer| answer.json()["upstream"].as_str().map(str::to_owned);
    assert_eq!(upstream(&client.send("GET", "/", &[], "").await).as_deref(), Some("one"));

    gateway.write_config("[[services]]\nname = 7\n");
    gateway.logged("message", "refused, generation 1 keeps serving").await;
    assert_eq!(upstream(&client.send("GET", "/", &[], "").await).as_deref(), Some("one"));

    gateway.write_config(&one_route(two.address, ""));
    let line = gateway.logged("message", "configuration changed").await;
    assert_eq!(line["generation"], 3, "2 is the one that was refused");
    let answer = client.send("GET", "/", &[], "").await;
    assert_eq!(upstream(&answer).as_deref(), Some("two"), "on the connection that was there before");
}

#[tokio::test]
async fn sighup_looks_at_the_files_at_once() {
    let one = Upstream::echo("one").await;
    let gateway = Gateway::start(&one_route(one.address, "")).await;
    gateway.signal("HUP");
    let line = gateway.logged("message", "configuration changed").await;
    assert_eq!(line["generation"], 2, "even if nothing changed");
}

#[tokio::test]
async fn listeners_come_and_go_and_the_others_stay_open() {
    let upstream = Upstream::echo("u").await;
    let free = Upstream::nobody().await;
    let stays = format!("listeners = [{{ address = \"127.0.0.1:0\" }}]\n{}", one_route(upstream.address, ""));
    let both = stays.replace("}]\n[[services", &format!("}}, {{ address = \"{free}\" }}]\n[[services"));
    assert_ne!(stays, both);
    let gateway = Gateway::start(&stays).await;
    let mut client = gateway.client().await;

    gateway.write_config(&both);
    gateway.logged("address", &free.to_string()).await;
    let mut second = until("the new listener", async || {
        let up = tokio::net::TcpStream::connect(free).await.is_ok();
        if up { Some(Client::connect(free).await) } else { None }
    })
    .await;
    assert_eq!(second.send("GET", "/", &[], "").await.status, 200);

    gateway.write_config(&stays);
    until("the listener to close", async || tokio::net::TcpStream::connect(free).await.is_err().then_some(())).await;
    assert_eq!(client.send("GET", "/", &[], "").await.status, 200, "on the listener that stayed");
    assert_eq!(second.send("GET", "/", &[], "").await.status, 200, "a connection outlives its listener");
    assert_eq!(gateway.listening().len(), 2, "the first address was opened once");
}

#[tokio::test]
async fn a_listener_can_be_widened() {
    let upstream = Upstream::echo("u").await;
    let port = Upstream::nobody().await.port();
    let listen = |host| format!("listeners = [{{ address = \"{host}:{port}\" }}]\n{}", one_route(upstream.address, ""));
    let gateway = Gateway::start(&listen("127.0.0.1")).await;
    gateway.write_config(&listen("0.0.0.0"));
    gateway.logged("address", "0.0.0.0").await;
    until("both", async || (gateway.get("/").await.status == 200).then_some(())).await;
    let mut elsewhere = Client::connect(([127, 0, 0, 2], port).into()).await;
    assert_eq!(elsewhere.send("GET", "/", &[], "").await.status, 200);
}

#[tokio::test]
async fn a_log_that_nobody_reads_holds_up_nobody() {
    let upstream = Upstream::echo("u").await;
    let gateway = Gateway::start(&one_route(upstream.address, "methods = [\"GET\"]")).await;
    gateway.stop_reading_the_log();
    let mut client = gateway.client().await;
    // Some 300 bytes a line: far more than a pipe holds.
    for _ in 0..2_000 {
        assert_eq!(client.send("POST", "/", &[], "").await.status, 404);
    }
    assert_eq!(client.send("GET", "/", &[], "").await.status, 200);
}

#[tokio::test]
async fn an_address_that_is_taken_is_refused_with_its_place() {
    let upstream = Upstream::echo("u").await;
    let gateway = Gateway::start(&one_route(upstream.address, "")).await;
    let taken = upstream.address;
    gateway.write_config(&format!("listeners = [{{ address = \"{taken}\" }}]\n{}", one_route(upstream.address, "")));
    let line = gateway.logged("message", "refused, generation 1 keeps serving").await;
    assert!(line["message"].as_str().unwrap().contains(&format!("cannot listen on {taken}")), "{line:#}");
    assert_eq!(gateway.get("/").await.status, 200);
}
