//! Trailers pass both ways, whatever each side speaks.

use bytes::Bytes;
use http_body_util::{BodyExt, StreamBody};
use hyper::body::{Frame, Incoming};
use hyper::header::{HeaderMap, HeaderValue};
use hyper::{Request, Response, Version};
use tokio::net::TcpStream;

use crate::harness::origin::{Body, Speaks, reply};
use crate::harness::raw::{Raw, exchange};
use crate::harness::{Gateway, Origin, Session, one_route};

fn with_trailers(pieces: &[&'static str], trailers: &[(&'static str, &'static str)]) -> Body {
    let fields: HeaderMap =
        trailers.iter().map(|(name, value)| (name.parse().unwrap(), HeaderValue::from_static(value))).collect();
    let mut frames: Vec<_> = pieces.iter().map(|piece| Ok(Frame::data(Bytes::from_static(piece.as_bytes())))).collect();
    frames.push(Ok(Frame::trailers(fields)));
    BodyExt::boxed_unsync(StreamBody::new(tokio_stream::iter(frames)))
}

/// Answers with the trailer it got as a header field, and with trailers of its own.
async fn answer(request: Request<Incoming>) -> Response<Body> {
    let collected = request.into_body().collect().await.unwrap();
    let got = collected.trailers().and_then(|trailers| trailers.get("x-sum")).cloned();
    let body = with_trailers(&["two ", "pieces"], &[("x-checksum", "abc"), ("x-count", "2")]);
    let answer = Response::builder().header("trailer", "x-checksum, x-count");
    answer.header("x-got", got.unwrap_or(HeaderValue::from_static("nothing"))).body(body).unwrap()
}

async fn gateway(speaks: Speaks) -> (Gateway, Origin) {
    let http = if matches!(speaks, Speaks::Http2) { "2" } else { "1" };
    let upstream = Origin::speaking(speaks, answer).await;
    let config = one_route(upstream.address, "");
    let config = config.replacen("[[services.routes]]", &format!("http = \"{http}\"\n[[services.routes]]"), 1);
    (Gateway::start(&config).await, upstream)
}

#[tokio::test]
async fn trailers_pass_between_all_versions() {
    for speaks in [Speaks::Http1, Speaks::Http2] {
        let (gateway, _upstream) = gateway(speaks).await;
        for version in [Version::HTTP_11, Version::HTTP_2] {
            let stream = TcpStream::connect(gateway.addresses[0]).await.unwrap();
            let mut session = Session::over(stream, version).await;
            for _ in 0..2 {
                let body = with_trailers(&["some ", "body"], &[("x-sum", "7")]);
                let headers = [("te", "trailers"), ("trailer", "x-sum")];
                let request = session.request("POST", "/", &headers, body);
                let answer = session.send(request).await.unwrap();
                assert_eq!(answer.headers()["x-got"], "7", "{version:?}");
                let collected = answer.into_body().collect().await.unwrap();
                let trailers = collected.trailers().cloned().unwrap_or_default();
                assert_eq!(collected.to_bytes(), "two pieces");
                assert_eq!(trailers.get("x-checksum").unwrap(), "abc", "{version:?}");
                assert_eq!(trailers.get("x-count").unwrap(), "2", "{version:?}");
            }
        }
    }
}

#[tokio::test]
async fn trailers_are_where_http_1_has_them() {
    let (gateway, _upstream) = gateway(Speaks::Http1).await;
    let mut raw = Raw::connect(gateway.addresses[0]).await;
    raw.send(
        "POST / HTTP/1.1\r\nhost: a\r\nte: trailers\r\nconnection: te, close\r\ntrailer: x-sum\r\n\
         transfer-encoding: chunked\r\n\r\n4\r\nbody\r\n0\r\nx-sum: 7\r\n\r\n",
    )
    .await;
    let answer = raw.rest().await.to_ascii_lowercase();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    assert!(head.contains("\r\nx-got: 7") && head.contains("transfer-encoding: chunked"), "{head}");
    let (_, trailers) = body.split_once("\r\n0\r\n").unwrap();
    assert!(trailers.contains("x-checksum: abc\r\n") && trailers.contains("x-count: 2\r\n"), "{body}");
}

#[tokio::test]
async fn a_trailer_never_says_where_a_message_ends() {
    let upstream = Origin::serve(|request| async {
        let collected = request.into_body().collect().await.unwrap();
        let trailers = collected.trailers().cloned().unwrap_or_default();
        reply(200, trailers.keys().map(|name| name.as_str()).collect::<Vec<_>>().join(" "))
    })
    .await;
    let gateway = Gateway::start(&one_route(upstream.address, "")).await;
    let request = "POST / HTTP/1.1\r\nhost: a\r\nconnection: close\r\ntrailer: x-sum\r\ntransfer-encoding: chunked\r\n\r\n\
                   4\r\nbody\r\n0\r\ncontent-length: 100\r\nhost: b\r\ntransfer-encoding: gzip\r\nx-sum: 7\r\n\r\n";
    let answer = exchange(gateway.addresses[0], request).await;
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    assert!(head.starts_with("HTTP/1.1 400 ") || body == "x-sum", "{answer}");
}
