//! HTTP/1.0, HTTP/1.1 and HTTP/2 on the same listener.

use std::sync::Arc;

use hyper::Version;
use tokio::net::TcpStream;
use tokio::sync::Barrier;
use tokio_stream::StreamExt;

use super::over_tls;
use crate::harness::certs::Authority;
use crate::harness::origin::{Body, reply, whole};
use crate::harness::raw::{Raw, exchange};
use crate::harness::tls::Hello;
use crate::harness::{Gateway, Origin, Session, Upstream, one_route, until};

const CHUNKED: &str = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\n6\r\n world\r\n0\r\n\r\n";

#[tokio::test]
async fn http_1_0_is_answered_and_closed() {
    let upstream = Origin::echo("u").await;
    let gateway = Gateway::start(&one_route(upstream.address, "")).await;
    let answer = exchange(gateway.addresses[0], "GET /x HTTP/1.0\r\n\r\n").await;
    assert!(answer.starts_with("HTTP/1."), "{answer}");
    assert!(answer.contains(" 200 OK\r\n") && answer.contains("\"path\":\"/x\""), "{answer}");
    assert!(!answer.to_ascii_lowercase().contains("transfer-encoding"), "{answer}");
}

#[tokio::test]
async fn http_1_0_never_gets_chunks() {
    let upstream = Upstream::raw(CHUNKED).await;
    let gateway = Gateway::start(&one_route(upstream.address, "")).await;
    for keep in ["", "connection: keep-alive\r\n"] {
        let answer = exchange(gateway.addresses[0], format!("GET / HTTP/1.0\r\nhost: a\r\n{keep}\r\n")).await;
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        assert_eq!(body, "hello world");
        assert!(!head.to_ascii_lowercase().contains("transfer-encoding"), "{head}");
    }
}

#[tokio::test]
async fn http_1_0_keeps_its_connection_if_it_asks_to() {
    let upstream = Origin::echo("u").await;
    let gateway = Gateway::start(&one_route(upstream.address, "")).await;
    let mut raw = Raw::connect(gateway.addresses[0]).await;
    for path in ["/one", "/two"] {
        raw.send(format!("GET {path} HTTP/1.0\r\nhost: a\r\nconnection: keep-alive\r\n\r\n")).await;
        let (head, body) = raw.answer().await;
        assert!(head.contains("\r\nconnection: keep-alive\r\n"), "{head}");
        assert!(body.contains(&format!("\"path\":\"{path}\"")), "{body}");
    }
    raw.send("GET /three HTTP/1.0\r\nhost: a\r\n\r\n").await;
    assert!(raw.rest().await.contains("\"path\":\"/three\""), "and is closed by the last");
}

#[tokio::test]
async fn pipelined_requests_are_answered_in_their_order() {
    let upstream = Upstream::echo("u").await;
    let gateway = Gateway::start(&one_route(upstream.address, "")).await;
    let mut raw = Raw::connect(gateway.addresses[0]).await;
    let requests = [
        // The slowest first: its answer must not be overtaken.
        "GET /slow HTTP/1.1\r\nhost: a\r\n\r\n",
        "POST /b HTTP/1.1\r\nhost: a\r\ncontent-length: 4\r\n\r\nbody",
        "POST /c HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n3\r\ntwo\r\n0\r\n\r\n",
        "HEAD /d HTTP/1.1\r\nhost: a\r\n\r\n",
        "GET /e HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n",
    ];
    raw.send(requests.concat()).await;
    for (path, body) in [("/slow", ""), ("/b", "body"), ("/c", "two")] {
        let (head, answer) = raw.answer().await;
        assert!(head.starts_with("http/1.1 200 ok"), "{head}");
        let answer: serde_json::Value = serde_json::from_str(&answer).unwrap();
        assert_eq!((answer["path"].as_str(), answer["body"].as_str()), (Some(path), Some(body)));
    }
    assert!(raw.head().await.starts_with("HTTP/1.1 200 OK"), "of HEAD, which has no body");
    assert!(raw.rest().await.contains("\"path\":\"/e\""));
}

#[tokio::test]
async fn http_2_by_prior_knowledge_serves_many_streams_at_once() {
    const STREAMS: usize = 60;
    let all = Arc::new(Barrier::new(STREAMS));
    let upstream = Origin::serve(move |request| {
        let all = Arc::clone(&all);
        async move {
            // No answer before all requests are there.
            all.wait().await;
            reply(200, request.uri().path().to_owned())
        }
    })
    .await;
    let gateway = Gateway::start(&one_route(upstream.address, "")).await;
    let session = Session::over(TcpStream::connect(gateway.addresses[0]).await.unwrap(), Version::HTTP_2).await;
    let streams: Vec<_> = (0..STREAMS)
        .map(|number| {
            let mut session = session.share();
            tokio::spawn(async move { session.get(&format!("/{number}")).await })
        })
        .collect();
    for (number, stream) in streams.into_iter().enumerate() {
        assert_eq!(stream.await.unwrap().text(), format!("/{number}"));
    }
}

#[tokio::test]
async fn an_http_2_request_reaches_an_http_1_upstream_as_one_of_its_own() {
    let upstream = Origin::echo("u").await;
    let gateway = Gateway::start(&one_route(upstream.address, "preserve_host = true")).await;
    let stream = TcpStream::connect(gateway.addresses[0]).await.unwrap();
    let mut session = Session::over(stream, Version::HTTP_2).await;
    // What HTTP/2 may send in pieces is one field for HTTP/1.1 (RFC 9113, section 8.2.3).
    let headers = [("host", "api.example.com"), ("cookie", "a=1"), ("cookie", "b=2"), ("te", "trailers")];
    let answer = session.ask("POST", "/x?y=1", &headers, "payload").await;
    let echo = answer.json();
    assert_eq!((echo["path"].as_str(), echo["version"].as_str()), (Some("/x?y=1"), Some("HTTP/1.1")));
    assert_eq!(echo["body"], "payload");
    for (name, expected) in [
        ("host", "api.example.com"),
        ("cookie", "a=1; b=2"),
        ("x-forwarded-host", "api.example.com"),
        ("x-forwarded-proto", "http"),
        ("content-length", "7"),
    ] {
        assert_eq!(answer.upstream_got(name).as_deref(), Some(expected), "{name}");
    }
    for field in answer.headers.keys() {
        assert!(!["connection", "keep-alive", "transfer-encoding"].contains(&field.as_str()), "{field} in HTTP/2");
    }
}

#[tokio::test]
async fn a_stream_that_is_reset_lets_its_upstream_go() {
    let upstream = Origin::serve(|request| async move {
        match request.uri().path() {
            "/endless" => {
                let frames = tokio_stream::iter([Ok(hyper::body::Frame::data("begun".into()))]);
                let body = http_body_util::StreamBody::new(frames.chain(tokio_stream::pending()));
                hyper::Response::new(http_body_util::BodyExt::boxed_unsync(body) as Body)
            }
            "/silent" => std::future::pending().await,
            _ => reply(200, "ok"),
        }
    })
    .await;
    let gateway = Gateway::start(&one_route(upstream.address, "")).await;
    let stream = TcpStream::connect(gateway.addresses[0]).await.unwrap();
    let mut session = Session::over(stream, Version::HTTP_2).await;

    let request = session.request("GET", "/endless", &[], whole(""));
    let answer = session.send(request).await.unwrap();
    assert_eq!(upstream.open(), 1);
    drop(answer);
    until("the endless answer's connection to close", async || (upstream.open() == 0).then_some(())).await;

    let mut other = session.share();
    let unanswered = tokio::spawn(async move { other.try_ask("GET", "/silent", &[], "").await });
    until("the request to arrive", async || (upstream.requests() == 2).then_some(())).await;
    unanswered.abort();
    until("the silent one's connection to close", async || (upstream.open() == 0).then_some(())).await;

    assert_eq!(session.get("/").await.text(), "ok", "the client's connection goes on");
}

#[tokio::test]
async fn alpn_decides_over_tls() {
    let upstream = Origin::echo("u").await;
    let authority = Authority::new("ours");
    let gateway = over_tls(&authority, upstream.address, "", "").await;
    for (alpn, expected) in [
        (&["h2", "http/1.1"][..], Some(&b"h2"[..])),
        (&["h2"], Some(b"h2")),
        (&["http/1.1"], Some(b"http/1.1")),
        (&[], None),
    ] {
        let hello = Hello { alpn, ..Hello::default() };
        let stream = hello.connect(gateway.addresses[0], "localhost", &authority).await.unwrap();
        assert_eq!(stream.get_ref().1.alpn_protocol(), expected, "{alpn:?}");
        let version = if expected == Some(b"h2") { Version::HTTP_2 } else { Version::HTTP_11 };
        let answer = Session::over(stream, version).await.get("/").await;
        assert_eq!(answer.upstream_got("x-forwarded-proto").as_deref(), Some("https"), "{alpn:?}");
        let port = gateway.addresses[0].port().to_string();
        assert_eq!(answer.upstream_got("x-forwarded-port"), Some(port), "{alpn:?}");
    }
}

#[tokio::test]
async fn http_2_can_be_switched_off() {
    let upstream = Origin::echo("u").await;
    let authority = Authority::new("ours");
    let gateway = over_tls(&authority, upstream.address, "http2 = false", "").await;
    let hello = Hello { alpn: &["h2", "http/1.1"], ..Hello::default() };
    let stream = hello.connect(gateway.addresses[0], "localhost", &authority).await.unwrap();
    assert_eq!(stream.get_ref().1.alpn_protocol(), Some(&b"http/1.1"[..]));
    assert_eq!(Session::over(stream, Version::HTTP_11).await.get("/").await.status, 200);

    let listener = "listeners = [{ address = \"127.0.0.1:0\", http2 = false }]\n";
    let gateway = Gateway::start(&format!("{listener}{}", one_route(upstream.address, ""))).await;
    let answer = exchange(gateway.addresses[0], "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n").await;
    assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 4") || answer.starts_with("HTTP/1.1 505"), "{answer}");
}
