//! How much a client may ask for: connections, heads, bodies.

use std::time::Duration;

use bytes::Bytes;
use hyper::Version;
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::ONE_WORKER;
use crate::harness::raw::Raw;
use crate::harness::session::piecemeal;
use crate::harness::{Answer, Gateway, Origin, Session, one_route};

async fn gateway(upstream: &Origin, limits: &str, route: &str) -> Gateway {
    let route = one_route(upstream.address, route);
    Gateway::start(&format!("{ONE_WORKER}[limits]\n{limits}\n{route}")).await
}

async fn session(gateway: &Gateway, version: Version) -> Session {
    Session::over(TcpStream::connect(gateway.addresses[0]).await.unwrap(), version).await
}

/// The status line and no more is certain: what cannot be parsed never becomes a request.
async fn refused(gateway: &Gateway, head: &str, status: &str) {
    let mut raw = Raw::connect(gateway.addresses[0]).await;
    raw.send(head).await;
    let answer = raw.head().await;
    assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{answer}");
}

fn too_large(answer: &Answer) {
    assert_eq!((answer.status, answer.header("x-gateway-error")), (413, Some("body_too_large")), "{answer:?}");
}

#[tokio::test]
async fn a_worker_has_so_many_connections_and_the_next_one_waits() {
    let upstream = Origin::echo("u").await;
    let gateway = gateway(&upstream, "connections_per_worker = 2", "").await;
    let mut first = gateway.client().await;
    let mut second = gateway.client().await;
    for client in [&mut first, &mut second] {
        assert_eq!(client.send("GET", "/", &[], "").await.status, 200);
    }
    let mut third = gateway.client().await;
    let waiting = tokio::spawn(async move { third.send("GET", "/third", &[], "").await });
    for _ in 0..20 {
        assert_eq!(first.send("GET", "/", &[], "").await.status, 200);
    }
    assert!(!waiting.is_finished(), "it would be the third of two");
    drop(second);
    assert_eq!(waiting.await.unwrap().json()["path"], "/third");
}

#[tokio::test]
async fn a_head_has_so_many_bytes_and_fields() {
    let upstream = Origin::echo("u").await;
    let gateway = gateway(&upstream, "header_bytes = \"16KiB\"\nheaders = 20", "").await;
    let fields = |count: usize, length: usize| -> String {
        (0..count).map(|number| format!("x-{number}: {}\r\n", "x".repeat(length))).collect()
    };
    let head = |fields: &str| format!("GET / HTTP/1.1\r\nhost: a\r\nconnection: close\r\n{fields}\r\n");
    refused(&gateway, &head(&fields(1, 40 << 10)), "431").await;
    refused(&gateway, &head(&fields(10, 4 << 10)), "431").await;
    refused(&gateway, &head(&fields(21, 1)), "431").await;
    refused(&gateway, &head(&fields(10, 1 << 10)), "200").await;

    let mut session = session(&gateway, Version::HTTP_2).await;
    let large = "x".repeat(40 << 10);
    assert_eq!(session.ask("GET", "/", &[("x-large", &large)], "").await.status, 431);
    assert_eq!(session.get("/").await.status, 200, "on the same connection");
    assert_eq!(upstream.requests(), 2);
}

#[tokio::test]
async fn a_target_has_so_many_bytes() {
    let upstream = Origin::echo("u").await;
    let gateway = gateway(&upstream, "uri_bytes = \"8KiB\"", "").await;
    let head = |length| format!("GET /?{} HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n", "x".repeat(length));
    refused(&gateway, &head(9 << 10), "414").await;
    refused(&gateway, &head(7 << 10), "200").await;

    let mut session = session(&gateway, Version::HTTP_2).await;
    assert_eq!(session.get(&format!("/?{}", "x".repeat(9 << 10))).await.status, 414);
    assert_eq!(upstream.requests(), 1);
}

#[tokio::test]
async fn a_body_that_says_it_is_too_large_goes_nowhere() {
    let upstream = Origin::echo("u").await;
    let gateway = gateway(&upstream, "body_bytes = \"1KiB\"", "").await;
    for version in [Version::HTTP_11, Version::HTTP_2] {
        let mut session = session(&gateway, version).await;
        too_large(&session.ask("POST", "/", &[], &"x".repeat(1025)).await);
        assert_eq!(upstream.connections(), 0, "{version:?}");
    }
    // Nobody has to send it to be told.
    let mut raw = Raw::connect(gateway.addresses[0]).await;
    raw.send("POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 99999999\r\n\r\n").await;
    assert!(raw.answer().await.0.starts_with("http/1.1 413 "));
    assert_eq!(upstream.connections(), 0);

    let mut session = session(&gateway, Version::HTTP_11).await;
    assert_eq!(session.ask("POST", "/", &[], &"x".repeat(1024)).await.status, 200);
}

#[tokio::test]
async fn a_body_that_becomes_too_large_is_cut() {
    let upstream = Origin::echo("u").await;
    let gateway = gateway(&upstream, "body_bytes = \"1KiB\"", "").await;
    for version in [Version::HTTP_11, Version::HTTP_2] {
        let mut session = session(&gateway, version).await;
        let (pieces, body) = piecemeal();
        let request = session.request("POST", "/", &[], body);
        for _ in 0..10 {
            pieces.send(Bytes::from(vec![b'x'; 200])).unwrap();
        }
        // The body has no end yet.
        let answer = session.send(request).await.unwrap();
        assert_eq!(answer.status(), 413, "{version:?}");
        assert_eq!(answer.headers()["x-gateway-error"], "body_too_large");
        drop(pieces);
    }
    let (pieces, body) = piecemeal();
    let mut session = session(&gateway, Version::HTTP_11).await;
    let request = session.request("POST", "/", &[], body);
    for _ in 0..4 {
        pieces.send(Bytes::from(vec![b'x'; 256])).unwrap();
    }
    drop(pieces);
    assert_eq!(session.send(request).await.unwrap().status(), 200, "just as much as there may be");
}

#[tokio::test]
async fn a_route_has_a_limit_of_its_own() {
    let upstream = Origin::echo("u").await;
    let gateway = gateway(&upstream, "body_bytes = \"1KiB\"", "body_bytes = \"4KiB\"").await;
    let mut client = gateway.client().await;
    assert_eq!(client.send("POST", "/", &[], &"x".repeat(4096)).await.status, 200);
    too_large(&gateway.client().await.send("POST", "/", &[], &"x".repeat(4097)).await);
}

#[tokio::test]
async fn a_refusal_leaves_the_other_streams_alone() {
    let upstream = Origin::echo("u").await;
    let gateway = gateway(&upstream, "body_bytes = \"1KiB\"", "").await;
    let mut session = session(&gateway, Version::HTTP_2).await;
    let (pieces, body) = piecemeal();
    let request = session.request("POST", "/slow", &[], body);
    let mut slow = session.share();
    let slow = tokio::spawn(async move { slow.send(request).await });
    pieces.send(Bytes::from_static(b"slow")).unwrap();
    too_large(&session.ask("POST", "/", &[], &"x".repeat(5000)).await);
    drop(pieces);
    let answer = timeout(Duration::from_secs(20), slow).await.unwrap().unwrap().unwrap();
    assert_eq!(answer.status(), 200);
}
