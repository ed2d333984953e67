//! A body is refused while it still comes, whatever the upstream does meanwhile.

use bytes::Bytes;
use hyper::Version;
use tokio::net::TcpStream;
use tokio::sync::mpsc;

use crate::harness::raw::Raw;
use crate::harness::session::piecemeal;
use crate::harness::{Gateway, Origin, Session, one_route};

const LIMITED: &str =
    "plugins = [{ use = \"request-size-limiting\", config = { allowed_payload_size = 8, size_unit = \"kilobytes\" } }]";

/// Send 4 KiB, and 4 KiB more, and one byte: the client gets a 413, having said of none of it that it is the last.
async fn is_refused_in_time(gateway: &Gateway, version: Version) {
    let stream = TcpStream::connect(gateway.addresses[0]).await.unwrap();
    let mut session = Session::over(stream, version).await;
    let (pieces, body) = piecemeal();
    for piece in [4096, 4096, 1] {
        pieces.send(Bytes::from(vec![b'x'; piece])).unwrap();
    }
    let answer = session.send(session.request("POST", "/", &[], body)).await.unwrap();
    assert_eq!(answer.status(), 413, "{version:?}");
    assert_eq!(answer.headers()["x-gateway-error"], "body_too_large", "{version:?}");
    drop(pieces);
}

#[tokio::test]
async fn too_much_is_refused_while_it_comes_and_the_upstream_gets_no_end_of_it() {
    let (came, mut got) = mpsc::unbounded_channel();
    let reading = Origin::raw(move |stream| {
        let came = came.clone();
        async move { came.send(Raw::over(stream).rest().await).unwrap() }
    })
    .await;
    let gateway = Gateway::start(&one_route(reading.address, LIMITED)).await;
    for version in [Version::HTTP_11, Version::HTTP_2] {
        is_refused_in_time(&gateway, version).await;
        let got = got.recv().await.unwrap();
        assert!(got.contains("transfer-encoding: chunked") && !got.ends_with("0\r\n\r\n"), "it looks whole: {got}");
    }
}

#[tokio::test]
async fn too_much_is_refused_though_the_upstream_reads_nothing() {
    let deaf = Origin::raw(|stream| async move {
        std::future::pending::<()>().await;
        drop(stream);
    })
    .await;
    let gateway = Gateway::start(&one_route(deaf.address, LIMITED)).await;
    for version in [Version::HTTP_11, Version::HTTP_2] {
        is_refused_in_time(&gateway, version).await;
    }
}

#[tokio::test]
async fn what_is_within_the_limit_arrives_with_its_length_or_in_chunks() {
    let upstream = Origin::echo("u").await;
    let gateway = Gateway::start(&one_route(upstream.address, LIMITED)).await;
    let answer = gateway.client().await.send("POST", "/", &[], &"x".repeat(8192)).await;
    assert_eq!((answer.status, answer.upstream_got("content-length").as_deref()), (200, Some("8192")));

    let stream = TcpStream::connect(gateway.addresses[0]).await.unwrap();
    let mut session = Session::over(stream, Version::HTTP_11).await;
    let (pieces, body) = piecemeal();
    pieces.send(Bytes::from(vec![b'x'; 8192])).unwrap();
    drop(pieces);
    let answer = session.send(session.request("POST", "/", &[], body)).await.unwrap();
    assert_eq!(answer.status(), 200);
}

#[tokio::test]
async fn a_length_that_is_too_large_is_refused_before_anybody_is_asked() {
    let upstream = Origin::echo("u").await;
    let gateway = Gateway::start(&one_route(upstream.address, LIMITED)).await;
    let mut raw = Raw::connect(gateway.addresses[0]).await;
    raw.send("POST / HTTP/1.1\r\nhost: a\r\nexpect: 100-continue\r\ncontent-length: 8193\r\n\r\n").await;
    let (head, body) = raw.answer().await;
    assert!(head.starts_with("http/1.1 413 "), "{head}");
    assert_eq!(body, "{\"message\":\"Request size limit exceeded\"}");
    assert_eq!(upstream.connections(), 0);
}
