//! Answers that do not wait for the body: 100 Continue, and refusals.

use std::time::Duration;

use bytes::Bytes;
use hyper::Version;
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::harness::raw::Raw;
use crate::harness::session::piecemeal;
use crate::harness::upstream::Refusing;
use crate::harness::{Gateway, Origin, Session, one_route, until};

const ASKING: &str = "POST / HTTP/1.1\r\nhost: a\r\nexpect: 100-continue\r\ncontent-length: 7\r\n\r\n";

#[tokio::test]
async fn a_client_that_asks_first_is_told_to_go_on() {
    let upstream = Origin::echo("u").await;
    let gateway = Gateway::start(&one_route(upstream.address, "")).await;
    let mut raw = Raw::connect(gateway.addresses[0]).await;
    for _ in 0..2 {
        raw.send(ASKING).await;
        assert!(raw.head().await.starts_with("HTTP/1.1 100 "));
        raw.send("payload").await;
        let (head, body) = raw.answer().await;
        assert!(head.starts_with("http/1.1 200 ok") && body.contains("\"body\":\"payload\""), "{head}{body}");
    }
}

#[tokio::test]
async fn who_asks_and_does_not_wait_is_served_all_the_same() {
    let upstream = Origin::echo("u").await;
    let gateway = Gateway::start(&one_route(upstream.address, "")).await;
    let mut raw = Raw::connect(gateway.addresses[0]).await;
    raw.send(format!("{ASKING}payload")).await;
    let mut head = raw.head().await;
    if head.starts_with("HTTP/1.1 100 ") {
        head = raw.head().await;
    }
    assert!(head.starts_with("HTTP/1.1 200 OK"), "{head}");
}

/// The first thing that is said to a client that asks with this head is this status.
async fn says(gateway: &Gateway, head: &str, status: &str) {
    let mut raw = Raw::connect(gateway.addresses[0]).await;
    raw.send(head).await;
    let answer = raw.head().await;
    assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{answer}");
}

#[tokio::test]
async fn a_refusal_comes_instead_of_100() {
    let upstream = Origin::echo("u").await;
    let limited = Gateway::start(&one_route(upstream.address, "body_bytes = \"1KiB\"")).await;
    says(&limited, &ASKING.replace("content-length: 7", "content-length: 5000"), "413").await;
    let guarded = Gateway::start(&one_route(upstream.address, "plugins = [{ use = \"key-auth\" }]")).await;
    says(&guarded, ASKING, "401").await;
    let elsewhere = Gateway::start(&one_route(upstream.address, "methods = [\"GET\"]")).await;
    says(&elsewhere, ASKING, "404").await;
    assert_eq!(upstream.connections(), 0);
    let nobody = Refusing::new();
    let refusing = Gateway::start(&one_route(nobody.address, "")).await;
    says(&refusing, ASKING, "502").await;
    let unknown = ASKING.replace("100-continue", "the-moon");
    let mut raw = Raw::connect(limited.addresses[0]).await;
    raw.send(format!("{unknown}payload")).await;
    let head = raw.head().await;
    assert!(head.starts_with("HTTP/1.1 417 ") || head.starts_with("HTTP/1.1 200 "), "{head}");
}

/// Answers every head with `answer`, and takes whatever comes after it.
async fn answers_at_once(answer: &'static str) -> Origin {
    Origin::raw(move |stream| async move {
        let mut raw = Raw::over(stream);
        raw.head().await;
        raw.send(answer).await;
        raw.rest().await;
    })
    .await
}

#[tokio::test]
async fn an_upstream_that_refuses_a_body_is_heard_while_it_is_sent() {
    let answer = "HTTP/1.1 413 Content Too Large\r\ncontent-length: 8\r\nconnection: close\r\n\r\ntoo much";
    let upstream = answers_at_once(answer).await;
    let gateway = Gateway::start(&one_route(upstream.address, "")).await;
    for version in [Version::HTTP_11, Version::HTTP_2] {
        let stream = TcpStream::connect(gateway.addresses[0]).await.unwrap();
        let mut session = Session::over(stream, version).await;
        let (pieces, body) = piecemeal();
        let request = session.request("POST", "/", &[], body);
        pieces.send(Bytes::from(vec![b'x'; 100 << 10])).unwrap();
        let answer = session.send(request).await.unwrap();
        assert_eq!(answer.status(), 413, "{version:?}");
        let body = http_body_util::BodyExt::collect(answer.into_body()).await.unwrap().to_bytes();
        assert_eq!(body, "too much", "{version:?}");
        // The rest of the body was never sent.
        drop(pieces);
    }
    until("both connections to close", async || (upstream.open() == 0).then_some(())).await;
}

#[tokio::test]
async fn a_client_that_only_sends_gets_its_refusal_in_the_end() {
    let answer = "HTTP/1.1 401 Unauthorized\r\ncontent-length: 2\r\nconnection: close\r\n\r\nno";
    let upstream = answers_at_once(answer).await;
    let gateway = Gateway::start(&one_route(upstream.address, "")).await;
    // It reads when all is sent: whoever closes too early makes its kernel forget the answer.
    let mut raw = Raw::connect(gateway.addresses[0]).await;
    raw.send("POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 300000\r\n\r\n").await;
    for _ in 0..30 {
        raw.send([b'x'; 10_000]).await;
    }
    let (head, body) = timeout(Duration::from_secs(20), raw.answer()).await.unwrap();
    assert!(head.starts_with("http/1.1 401 ") && body == "no", "{head}{body}");
}
