//! Each failure has its own cause: for the client a status, a code and Kong's words, for the log the whole story. The
//! next good request is served as if nothing had been.

use std::net::SocketAddr;

use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::harness::{Answer, Gateway, Upstream};

/// A gateway with a route `/bad` to `bad`, and `/good` to an upstream that echoes.
async fn gateway(bad: SocketAddr, good: &Upstream) -> Gateway {
    Gateway::start(&format!(
        r#"
[[services]]
name = "bad"
url = "http://{bad}"
timeouts = {{ connect = "500ms", response = "300ms", idle = "300ms" }}
routes = [{{ name = "bad", paths = ["/bad"] }}]

[[services]]
name = "good"
url = "http://{}"
routes = [{{ name = "good", paths = ["/good"] }}]
"#,
        good.address
    ))
    .await
}

/// A request to `bad` fails with this status and code, and with these words in the log.
async fn fails(bad: SocketAddr, status: u16, code: &str, words: &str) {
    let good = Upstream::echo("good").await;
    let gateway = gateway(bad, &good).await;
    expect(&gateway.get("/bad").await, status, code);
    let line = gateway.logged("code", code).await;
    assert!(line["message"].as_str().unwrap().contains(words), "{line:#}");
    assert!(line["message"].as_str().unwrap().contains(&bad.to_string()), "names the target: {line:#}");
    assert_eq!((line["route"].as_str(), line["service"].as_str()), (Some("bad"), Some("bad")));
    assert_eq!(gateway.get("/good").await.status, 200);
}

fn expect(answer: &Answer, status: u16, code: &str) {
    assert_eq!((answer.status, answer.header("x-gateway-error")), (status, Some(code)), "{answer:?}");
    assert_eq!(answer.header("content-type"), Some("application/json; charset=utf-8"));
    let body = answer.json();
    assert_eq!(body["error"], code);
    assert_eq!(body["request_id"].as_str(), answer.header("x-gateway-request-id"));
    assert!(!body["message"].as_str().unwrap().is_empty());
}

#[tokio::test]
async fn nobody_listens() {
    fails(Upstream::nobody().await, 502, "upstream_connect_refused", "refused").await;
}

#[tokio::test]
async fn the_upstream_closes_before_it_answers() {
    let upstream = Upstream::raw("").await;
    fails(upstream.address, 502, "upstream_closed_before_response", "a fresh connection").await;
}

#[tokio::test]
async fn the_upstream_closes_within_the_head() {
    let upstream = Upstream::raw("HTTP/1.1 200 OK\r\nx-half: ").await;
    fails(upstream.address, 502, "upstream_closed_before_response", "a fresh connection").await;
}

#[tokio::test]
async fn the_upstream_speaks_no_http() {
    let upstream = Upstream::raw("220 mail.example.com ESMTP\r\n").await;
    fails(upstream.address, 502, "upstream_protocol_error", "invalid HTTP").await;
}

#[tokio::test]
async fn the_upstreams_head_is_too_large() {
    let upstream = Upstream::raw(format!("HTTP/1.1 200 OK\r\nx-big: {}\r\n\r\n", "x".repeat(300_000))).await;
    fails(upstream.address, 502, "upstream_headers_too_large", "larger than").await;
}

#[tokio::test]
async fn the_upstream_does_not_answer() {
    let upstream = Upstream::silent().await;
    fails(upstream.address, 504, "upstream_response_timeout", "no response head within 300ms").await;
}

#[tokio::test]
async fn the_upstream_upgrades_unasked() {
    let upstream = Upstream::raw("HTTP/1.1 101 Switching Protocols\r\nupgrade: x\r\nconnection: upgrade\r\n\r\n").await;
    fails(upstream.address, 502, "upstream_protocol_error", "101 Switching Protocols is no answer to this request")
        .await;
}

#[tokio::test]
async fn a_slow_upload_is_no_late_answer() {
    let upstream = Upstream::echo("u").await;
    let gateway = gateway(upstream.address, &upstream).await;
    let mut client = gateway.client().await;
    let (pieces, answer) = client.stream("/bad").await;
    pieces.send("slow".into()).unwrap();
    let answer = tokio::spawn(answer);
    // Longer than the upstream has to answer.
    tokio::time::sleep(std::time::Duration::from_millis(700)).await;
    pieces.send(" upload".into()).unwrap();
    drop(pieces);
    assert_eq!(answer.await.unwrap().status(), 200);
}

#[tokio::test]
async fn a_body_that_is_no_http_is_the_clients_fault() {
    let upstream = Upstream::echo("u").await;
    let gateway = gateway(upstream.address, &upstream).await;
    let request = "POST /good HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n";
    let mut stream = tokio::net::TcpStream::connect(gateway.addresses[0]).await.unwrap();
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = [0; 4096];
    let length = stream.read(&mut answer).await.unwrap();
    let answer = String::from_utf8_lossy(&answer[..length]);
    assert!(answer.starts_with("HTTP/1.1 400 "), "{answer}");
    assert!(answer.contains("x-gateway-error: request_invalid"), "{answer}");
}

#[tokio::test]
async fn a_name_that_leads_nowhere() {
    let good = Upstream::echo("good").await;
    let config = "[[services]]\nname = \"s\"\nurl = \"http://no-such-host.invalid\"\n\
                  routes = [{ name = \"r\", paths = [\"/\"] }]\n";
    let gateway = Gateway::start(config).await;
    expect(&gateway.get("/").await, 503, "upstream_dns_failed");
    drop(good);
}

#[tokio::test]
async fn a_body_that_breaks_off_is_never_a_short_answer() {
    let upstream = Upstream::raw("HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nonly this").await;
    let gateway = gateway(upstream.address, &upstream).await;
    let answer = gateway.client().await.try_send("GET", "/bad", &[], "").await;
    assert!(answer.is_err(), "{answer:?}");
}

#[tokio::test]
async fn no_target_with_any_weight() {
    let config = "[[upstreams]]\nname = \"u\"\ntargets = [{ address = \"127.0.0.1:1\", weight = 0 }]\n\
                  [[services]]\nname = \"s\"\nurl = \"http://u\"\nroutes = [{ name = \"r\", paths = [\"/\"] }]\n";
    let gateway = Gateway::start(config).await;
    expect(&gateway.get("/").await, 503, "upstream_no_target");
}

#[tokio::test]
async fn no_route() {
    let gateway = gateway(Upstream::nobody().await, &Upstream::echo("good").await).await;
    let answer = gateway.get("/elsewhere").await;
    expect(&answer, 404, "route_not_found");
    assert_eq!(answer.json()["message"], "no Route matched with those values");
}

#[tokio::test]
async fn requests_that_leave_their_host_open() {
    let gateway = gateway(Upstream::nobody().await, &Upstream::echo("good").await).await;
    for head in [
        "GET /good HTTP/1.1\r\n\r\n",
        "GET /good HTTP/1.1\r\nhost: a\r\nhost: b\r\n\r\n",
        "CONNECT a:80 HTTP/1.1\r\nhost: a:80\r\n\r\n",
        "GET /good HTTP/1.1\r\nhost: a/b c\r\n\r\n",
        "GET /good HTTP/1.1\r\nhost: user@a\r\n\r\n",
        "GET http://user:pw@a/good HTTP/1.1\r\nhost: a\r\n\r\n",
        "GET a:80 HTTP/1.1\r\nhost: a\r\n\r\n",
    ] {
        let mut stream = tokio::net::TcpStream::connect(gateway.addresses[0]).await.unwrap();
        stream.write_all(head.as_bytes()).await.unwrap();
        let mut answer = [0; 4096];
        let length = stream.read(&mut answer).await.unwrap();
        let answer = String::from_utf8_lossy(&answer[..length]);
        assert!(answer.starts_with("HTTP/1.1 400 "), "{head:?}: {answer}");
        assert!(answer.contains("x-gateway-error: request_invalid"), "{head:?}: {answer}");
    }
}
