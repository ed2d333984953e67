//! SIGTERM: what is in flight is finished, nothing new is begun, and all of it ends in time.

use std::time::{Duration, Instant};

use bytes::Bytes;
use hyper::{Request, Version};
use tokio::net::TcpStream;

use crate::harness::raw::Raw;
use crate::harness::session::piecemeal;
use crate::harness::{Gateway, Origin, PATIENCE, Session, Upstream, one_route, until};

#[tokio::test]
async fn an_http_1_connection_is_closed_after_what_it_has_in_flight() {
    let upstream = Origin::echo("u").await;
    let mut gateway = Gateway::start(&one_route(upstream.address, "")).await;
    let mut idle = Raw::connect(gateway.addresses[0]).await;
    idle.send("GET / HTTP/1.1\r\nhost: a\r\n\r\n").await;
    assert!(idle.answer().await.0.starts_with("http/1.1 200 ok"));
    let mut busy = Raw::connect(gateway.addresses[0]).await;
    busy.send("POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 8\r\n\r\nhalf").await;
    until("the request to be on its way", async || (upstream.requests() == 2).then_some(())).await;

    gateway.signal("TERM");
    assert_eq!(idle.rest().await, "", "an idle connection is closed, and nothing said");
    busy.send("half").await;
    let (head, body) = busy.answer().await;
    assert!(head.starts_with("http/1.1 200 ok") && body.contains("halfhalf"), "{head}{body}");
    assert!(head.contains("\r\nconnection: close\r\n"), "{head}");
    assert_eq!(busy.rest().await, "");
    assert!(gateway.ended().await.success());
}

#[tokio::test]
async fn an_http_2_connection_gets_goaway_and_finishes_its_streams() {
    let upstream = Upstream::echo("u").await;
    let mut gateway = Gateway::start(&one_route(upstream.address, "")).await;
    let stream = TcpStream::connect(gateway.addresses[0]).await.unwrap();
    let (mut sender, connection) = h2::client::handshake(stream).await.unwrap();
    let connection = tokio::spawn(connection);
    let request = |path: &str| Request::post(format!("http://test{path}")).body(()).unwrap();
    let (answer, mut body) = sender.send_request(request("/stream"), false).unwrap();
    body.send_data(Bytes::from_static(b"before "), false).unwrap();
    let mut answered = tokio::time::timeout(PATIENCE, answer).await.unwrap().unwrap().into_body();
    assert_eq!(answered.data().await.unwrap().unwrap(), "before ");

    gateway.signal("TERM");
    let mut other = sender.clone();
    until("GOAWAY", async || std::future::poll_fn(|context| other.poll_ready(context)).await.err()).await;
    assert!(sender.send_request(request("/"), true).is_err(), "no new stream is begun");
    body.send_data(Bytes::from_static(b"after"), true).unwrap();
    let mut rest = Vec::new();
    while let Some(piece) = tokio::time::timeout(PATIENCE, answered.data()).await.expect("the rest in time") {
        rest.extend_from_slice(&piece.unwrap());
    }
    assert_eq!(rest, b"after");
    drop((sender, other, answered, body));
    let ended = tokio::time::timeout(PATIENCE, connection).await.expect("the connection to end").unwrap();
    assert!(ended.is_ok(), "in order: {ended:?}");
    assert!(gateway.ended().await.success());
}

#[tokio::test]
async fn what_takes_longer_than_the_drain_is_cut() {
    const DRAIN: Duration = Duration::from_millis(700);
    let upstream = Upstream::echo("u").await;
    let config = format!("{}\n[limits]\ndrain_timeout = \"700ms\"\n", one_route(upstream.address, ""));
    for version in [Version::HTTP_11, Version::HTTP_2] {
        let mut gateway = Gateway::start(&config).await;
        let mut session = Session::over(TcpStream::connect(gateway.addresses[0]).await.unwrap(), version).await;
        let (pieces, body) = piecemeal();
        let request = session.request("POST", "/stream", &[], body);
        pieces.send(Bytes::from_static(b"begun")).unwrap();
        let mut answer = session.send(request).await.unwrap().into_body();
        assert!(http_body_util::BodyExt::frame(&mut answer).await.unwrap().is_ok());

        let told = Instant::now();
        gateway.signal("TERM");
        let end = tokio::time::timeout(PATIENCE, http_body_util::BodyExt::frame(&mut answer)).await.unwrap();
        assert!(end.is_some_and(|frame| frame.is_err()), "{version:?}: a body that was cut is not taken for whole");
        gateway.ended().await;
        assert!(told.elapsed() >= DRAIN, "{version:?}: cut after {:?}", told.elapsed());
        drop(pieces);
    }
}

#[tokio::test]
async fn a_second_signal_does_not_wait() {
    let upstream = Upstream::silent().await;
    let mut gateway = Gateway::start(&one_route(upstream.address, "")).await;
    let mut raw = Raw::connect(gateway.addresses[0]).await;
    raw.send("GET / HTTP/1.1\r\nhost: a\r\n\r\n").await;
    until("the request to be on its way", async || (upstream.connections() == 1).then_some(())).await;
    let told = Instant::now();
    gateway.signal("TERM");
    gateway.logged("message", "draining").await;
    gateway.signal("TERM");
    gateway.ended().await;
    assert!(told.elapsed() < Duration::from_secs(20), "it would have drained for 30 s");
}
