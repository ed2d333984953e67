//! Failures that take more than one request, or that nobody is told of.

use std::time::Duration;

use serde_json::Value;

use super::{SOON, told};
use crate::harness::access::{attempt, key};
use crate::harness::certs::{Authority, Role, Validity};
use crate::harness::gateway::folder;
use crate::harness::upstream::{OK, Step, Tls};
use crate::harness::wire::{End, Wire};
use crate::harness::{Answer, Client, Gateway, Upstream, one_route, until};

/// Answers once and closes as the next request arrives: what looks idle is gone.
fn closes_as_the_next_arrives(end: &[Step]) -> Vec<Step> {
    [&[Step::Head, Step::Write(OK), Step::Byte], end].concat()
}

async fn line_of(gateway: &Gateway, answer: &Answer) -> Value {
    gateway.accessed(key::REQUEST_ID, answer.header("x-gateway-request-id").unwrap()).await
}

fn attempts(line: &Value) -> &[Value] {
    line[key::ATTEMPTS].as_array().map_or(&[], Vec::as_slice)
}

#[tokio::test]
async fn a_connection_that_died_idle_costs_a_retry_and_no_request() {
    for end in [&[][..], &[Step::Reset]] {
        let upstream = Upstream::scripted(closes_as_the_next_arrives(end)).await;
        let gateway = Gateway::start(&one_route(upstream.address, "")).await;
        let mut client = gateway.client().await;
        assert_eq!(client.send("GET", "/", &[], "").await.status, 200);
        let answer = client.send("GET", "/", &[], "").await;
        assert_eq!((answer.status, answer.text()), (200, "ok"), "{end:?}");
        let line = line_of(&gateway, &answer).await;
        let [first, second] = attempts(&line) else { panic!("two attempts: {line:#}") };
        assert_eq!((&first[attempt::CONNECTION], &second[attempt::CONNECTION]), (&"reused".into(), &"fresh".into()));
        assert_eq!(first[attempt::OUTCOME], "upstream_closed_idle", "{line:#}");
        assert!(line[key::ERROR].is_null(), "what was mended is no error: {line:#}");
        assert_eq!(upstream.connections(), 2);
    }
}

/// The upstream may have done what it was asked to, so nobody asks again (RFC 9110, section 9.2.2).
#[tokio::test]
async fn a_post_on_a_connection_that_died_idle_is_not_sent_twice() {
    let upstream = Upstream::scripted(closes_as_the_next_arrives(&[])).await;
    let gateway = Gateway::start(&one_route(upstream.address, "")).await;
    let mut client = gateway.client().await;
    assert_eq!(client.send("GET", "/", &[], "").await.status, 200);
    let answer = client.send("POST", "/", &[], "once").await;
    told(&answer, 502, "upstream_closed_idle|upstream_closed_before_response").unwrap();
    let line = line_of(&gateway, &answer).await;
    let [only] = attempts(&line) else { panic!("one attempt: {line:#}") };
    assert_eq!(only[attempt::CONNECTION], "reused");
    assert_eq!(upstream.connections(), 1);
    assert_eq!(client.send("POST", "/", &[], "once").await.status, 200);
}

#[tokio::test]
async fn an_upstream_that_closes_after_each_answer_without_saying_so_costs_no_request() {
    let upstream = Upstream::scripted([Step::Head, Step::Write(OK)]).await;
    let gateway = Gateway::start(&one_route(upstream.address, "")).await;
    let mut client = gateway.client().await;
    for turn in 0..50 {
        let answer = client.send("GET", "/", &[], "").await;
        assert_eq!((answer.status, answer.text()), (200, "ok"), "turn {turn}");
    }
}

#[tokio::test]
async fn early_hints_are_no_answer() {
    let hints = Step::write("HTTP/1.1 103 Early Hints\r\nlink: </a.css>; rel=preload\r\n\r\n");
    let script = [Step::Head, hints.clone(), hints, Step::Write(OK)];
    let upstream = Upstream::scripted(script).await;
    let gateway = Gateway::start(&one_route(upstream.address, "")).await;
    let answer = gateway.get("/").await;
    assert_eq!((answer.status, answer.text()), (200, "ok"));
}

#[tokio::test]
async fn a_client_that_goes_away_is_in_the_log_with_its_stage() {
    let upstream = Upstream::scripted([Step::Head, Step::Stall]).await;
    let mut streaming = vec![Step::Head, Step::write("HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nonly this")];
    streaming.push(Step::Stall);
    let streaming = Upstream::scripted(streaming).await;
    let gateway = Gateway::start(&format!(
        "{}\n[[services]]\nname = \"t\"\nurl = \"http://{}\"\nroutes = [{{ name = \"t\", paths = [\"/in-body\"] }}]\n",
        one_route(upstream.address, ""),
        streaming.address
    ))
    .await;

    let mut wire = Wire::connect(gateway.addresses[0]).await;
    wire.send(b"GET /in-wait HTTP/1.1\r\nHost: a\r\n\r\n").await;
    crate::harness::until("the upstream to be asked", async || (upstream.connections() > 0).then_some(())).await;
    drop(wire);
    client_closed(&gateway, "/in-wait").await;

    let mut wire = Wire::connect(gateway.addresses[0]).await;
    wire.send(b"GET /in-body HTTP/1.1\r\nHost: a\r\n\r\n").await;
    assert!(wire.read().await, "the head");
    drop(wire);
    client_closed(&gateway, "/in-body").await;

    let mut wire = Wire::connect(gateway.addresses[0]).await;
    wire.send(b"POST /in-upload HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nhalf").await;
    crate::harness::until("the upstream to be asked", async || (upstream.connections() > 1).then_some(())).await;
    drop(wire);
    client_closed(&gateway, "/in-upload").await;
}

async fn client_closed(gateway: &Gateway, path: &str) {
    let line = gateway.accessed(key::PATH, path).await;
    assert_eq!(line[key::ERROR], "client_closed", "{line:#}");
    // A response whose head was sent keeps its status.
    let status = if path == "/in-body" { [200, 499] } else { [499, 499] };
    assert!(status.iter().any(|status| line[key::STATUS] == *status), "{line:#}");
    assert!(line[key::PHASE].is_string(), "{line:#}");
}

/// What every row about certificates fails without.
#[tokio::test]
async fn an_upstream_over_tls_is_trusted_if_all_is_well() {
    let authority = Authority::new("known");
    let leaf = authority.server(&["upstream.test"]);
    for clients in [None, Some(&authority)] {
        let upstream = Upstream::tls(Tls { leaf: &leaf, clients, alpn: &["http/1.1"] }).await;
        let folder = folder(
            &format!(
                r#"
[[services]]
name = "s"
url = "https://{}"
routes = [{{ name = "r", paths = ["/"] }}]
[services.tls]
ca = "ca.pem"
server_name = "upstream.test"
certificate = {{ cert = "client.pem", key = "client.key" }}
"#,
                upstream.address
            ),
            &[],
        );
        authority.write(folder.path(), "ca");
        authority.leaf(&["gateway.test"], Validity::Now, Role::Client).write(folder.path(), "client");
        let gateway = Gateway::start_in(folder).await;
        let mut client = gateway.client().await;
        for _ in 0..3 {
            let answer = client.send("GET", "/", &[], "").await;
            assert_eq!((answer.status, answer.text()), (200, "ok"));
        }
        assert_eq!(upstream.connections(), 1);
    }
}

#[tokio::test]
async fn https_required_says_where_to_go() {
    let upstream = Upstream::echo("u").await;
    let route = "protocols = [\"https\"]\nhttps_redirect_status_code = 301";
    let gateway = Gateway::start(&one_route(upstream.address, route)).await;
    let answer = gateway.request("GET", "/a%20b?c=d", &[("host", "api.example.com:8000")]).await;
    told(&answer, 301, "https_required").unwrap();
    let location = answer.header("location").unwrap();
    assert!(location.starts_with("https://api.example.com") && location.ends_with("/a%20b?c=d"), "{location}");

    let gateway = Gateway::start(&one_route(upstream.address, "protocols = [\"https\"]")).await;
    let answer = gateway.get("/").await;
    told(&answer, 426, "https_required").unwrap();
    // RFC 9110, section 15.5.22.
    assert!(answer.header("upgrade").is_some_and(|upgrade| upgrade.contains("TLS")), "{answer:?}");
}

#[tokio::test]
async fn a_gateway_that_drains_finishes_what_it_has() {
    let upstream = Upstream::echo("u").await;
    let mut gateway = Gateway::start(&one_route(upstream.address, "")).await;
    let (mut busy, mut idle): (Client, Wire) = (gateway.client().await, Wire::connect(gateway.addresses[0]).await);
    let (pieces, answer) = busy.stream("/stream").await;
    pieces.send("before".into()).unwrap();
    let mut body = answer.await.into_body();
    idle.send(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n").await;
    assert_eq!(idle.answer(SOON).await.unwrap().status, 200);

    gateway.signal("TERM");
    gateway.logged("message", "draining").await;
    idle.send(b"GET /late HTTP/1.1\r\nHost: a\r\n\r\n").await;
    // Closed under it, or served all the same and told that this was the last one.
    if let Some(answer) = idle.answer(SOON).await {
        assert_eq!((answer.status, answer.header("connection")), (200, Some("close")), "{answer:?}");
    }
    assert_eq!(idle.end(Duration::from_secs(1)).await, End::Closed);

    pieces.send(" after".into()).unwrap();
    drop(pieces);
    let mut whole = Vec::new();
    while let Some(frame) = http_body_util::BodyExt::frame(&mut body).await {
        whole.extend_from_slice(&frame.unwrap().into_data().unwrap());
    }
    assert_eq!(whole, b"before after");
    assert!(gateway.ended().await.success());
}

#[tokio::test]
async fn what_is_not_done_when_the_drain_ends_is_told_so() {
    let upstream = Upstream::silent().await;
    let config = format!("[limits]\ndrain_timeout = \"300ms\"\n{}", one_route(upstream.address, ""));
    let mut gateway = Gateway::start(&config).await;
    let mut waiting = gateway.client().await;
    let (answer, ()) = tokio::join!(waiting.send("GET", "/", &[], ""), async {
        until("the request to arrive", async || (upstream.connections() == 1).then_some(())).await;
        gateway.signal("TERM");
    });
    told(&answer, 503, "gateway_draining").unwrap();
    assert!(answer.header("retry-after").is_some(), "{answer:?}");
    let line = line_of(&gateway, &answer).await;
    assert_eq!(line[key::ERROR], "gateway_draining", "{line:#}");
    assert!(gateway.ended().await.success());
}

/// Whoever is connected already is told to come back; whoever is not yet waits until there is room.
#[tokio::test]
async fn a_gateway_without_files_for_an_upstream_is_overloaded() {
    let upstream = Upstream::echo("u").await;
    let config = one_route(upstream.address, "").replace("[\"/\"]", "[\"/served\"]");
    let gateway = Gateway::start_within("--nofile=100:100", folder(&config, &[])).await;
    gateway.logged("message", "files may be open").await;
    let mut asking = gateway.client().await;
    assert_eq!(asking.send("GET", "/elsewhere", &[], "").await.status, 404);
    let mut others = Vec::new();
    while !gateway.has_logged("message", "could not be accepted") {
        assert!(others.len() < 1_000, "there are files left");
        others.push(Wire::connect(gateway.addresses[0]).await);
    }
    let answer = asking.send("GET", "/served", &[], "").await;
    told(&answer, 503, "gateway_overloaded").unwrap();
    assert!(answer.header("retry-after").is_some(), "{answer:?}");
    let line = line_of(&gateway, &answer).await;
    let [only] = attempts(&line) else { panic!("one attempt: {line:#}") };
    assert_eq!((&line[key::ERROR], &line[key::PHASE]), (&"gateway_overloaded".into(), &"connect".into()), "{line:#}");
    assert_eq!(only[attempt::OUTCOME], "gateway_overloaded", "{line:#}");

    drop(others);
    assert_eq!(gateway.get("/served").await.status, 200);
    assert_eq!(asking.send("GET", "/served", &[], "").await.status, 200);
}
