//! How long a client may take: for a request's head, for its body, and for the next request.

use std::time::{Duration, Instant};

use hyper::Version;
use tokio::net::TcpStream;

use crate::harness::raw::Raw;
use crate::harness::session::piecemeal;
use crate::harness::{Gateway, Origin, Session, one_route};

async fn gateway(upstream: &Origin, limits: &str) -> Gateway {
    Gateway::start(&format!("{}\n[limits]\n{limits}\n", one_route(upstream.address, ""))).await
}

/// Far more than the limits here, far less than their defaults.
const FAR: Duration = Duration::from_secs(15);

#[tokio::test]
async fn a_head_that_does_not_end() {
    let upstream = Origin::echo("u").await;
    let gateway = gateway(&upstream, "header_timeout = \"400ms\"").await;
    let mut raw = Raw::connect(gateway.addresses[0]).await;
    let begun = Instant::now();
    raw.send("GET / HTTP/1.1\r\nhost: a\r\nx-half: ").await;
    let answer = raw.rest().await;
    assert!(answer.starts_with("HTTP/1.1 408 "), "{answer}");
    assert!(begun.elapsed() < FAR);
}

#[tokio::test]
async fn a_head_that_trickles_is_no_better() {
    let upstream = Origin::echo("u").await;
    let gateway = gateway(&upstream, "header_timeout = \"400ms\"").await;
    let mut raw = Raw::connect(gateway.addresses[0]).await;
    raw.send("GET / HTTP/1.1\r\nhost: a\r\n").await;
    let (mut reader, mut writer) = raw.stream.split();
    let trickle = async {
        loop {
            tokio::time::sleep(Duration::from_millis(50)).await;
            if tokio::io::AsyncWriteExt::write_all(&mut writer, b"x: y\r\n").await.is_err() {
                std::future::pending::<()>().await;
            }
        }
    };
    let mut answer = Vec::new();
    let ended = async { drop(tokio::io::AsyncReadExt::read_to_end(&mut reader, &mut answer).await) };
    tokio::select! {
        () = trickle => unreachable!("it goes on for ever"),
        ended = tokio::time::timeout(FAR, ended) => ended.expect("an end, whatever trickles in"),
    }
    assert_eq!(upstream.requests(), 0);
}

#[tokio::test]
async fn an_idle_connection_is_closed_without_a_word() {
    let upstream = Origin::echo("u").await;
    let gateway = gateway(&upstream, "keepalive_timeout = \"400ms\"").await;
    let mut raw = Raw::connect(gateway.addresses[0]).await;
    for _ in 0..2 {
        raw.send("GET / HTTP/1.1\r\nhost: a\r\n\r\n").await;
        assert!(raw.answer().await.0.starts_with("http/1.1 200 ok"));
    }
    let idle = Instant::now();
    assert_eq!(raw.rest().await, "");
    assert!(idle.elapsed() < FAR);
}

#[tokio::test]
async fn a_connection_that_never_says_anything_is_idle_too() {
    let upstream = Origin::echo("u").await;
    let gateway = gateway(&upstream, "keepalive_timeout = \"400ms\"").await;
    assert_eq!(Raw::connect(gateway.addresses[0]).await.rest().await, "");
}

#[tokio::test]
async fn an_idle_http_2_connection_is_closed_too() {
    let upstream = Origin::echo("u").await;
    let gateway = gateway(&upstream, "keepalive_timeout = \"400ms\"").await;
    let stream = TcpStream::connect(gateway.addresses[0]).await.unwrap();
    let (mut sender, connection) = h2::client::handshake(stream).await.unwrap();
    let connection = tokio::spawn(connection);
    let request = hyper::Request::get("http://test/").body(()).unwrap();
    let (answer, _) = sender.send_request(request, true).unwrap();
    let mut body = answer.await.unwrap().into_body();
    while let Some(piece) = body.data().await {
        body.flow_control().release_capacity(piece.unwrap().len()).unwrap();
    }
    drop(tokio::time::timeout(FAR, connection).await.expect("the connection to end").unwrap());
}

#[tokio::test]
async fn a_slow_answer_is_no_idle_connection() {
    let upstream = Origin::serve(|_| async {
        tokio::time::sleep(Duration::from_millis(900)).await;
        crate::harness::origin::reply(200, "ok")
    })
    .await;
    let limits = "keepalive_timeout = \"300ms\"\nheader_timeout = \"300ms\"\nbody_idle_timeout = \"300ms\"";
    let gateway = gateway(&upstream, limits).await;
    for version in [Version::HTTP_11, Version::HTTP_2] {
        let stream = TcpStream::connect(gateway.addresses[0]).await.unwrap();
        assert_eq!(Session::over(stream, version).await.get("/").await.text(), "ok", "{version:?}");
    }
}

#[tokio::test]
async fn a_body_that_pauses_or_trickles_for_too_long() {
    let upstream = Origin::echo("u").await;
    for (limit, pause) in
        [("body_idle_timeout = \"400ms\"", FAR), ("body_timeout = \"700ms\"", Duration::from_millis(60))]
    {
        let gateway = gateway(&upstream, limit).await;
        for version in [Version::HTTP_11, Version::HTTP_2] {
            let stream = TcpStream::connect(gateway.addresses[0]).await.unwrap();
            let mut session = Session::over(stream, version).await;
            let (pieces, body) = piecemeal();
            let request = session.request("POST", "/", &[], body);
            let trickle = tokio::spawn(async move {
                while pieces.send("x".into()).is_ok() {
                    tokio::time::sleep(pause).await;
                }
            });
            let begun = Instant::now();
            let answer = session.send(request).await.unwrap();
            trickle.abort();
            assert_eq!(answer.status(), 408, "{limit} {version:?}");
            assert_eq!(answer.headers()["x-gateway-error"], "request_timeout");
            assert!(begun.elapsed() < FAR);
        }
    }
}
