//! Where a message ends: answers without a body, and those that say their length all the same.

use hyper::Version;
use tokio::net::TcpStream;

use crate::harness::origin::{Speaks, reply};
use crate::harness::raw::Raw;
use crate::harness::{Gateway, Origin, Session, one_route};

/// Answers each request of a connection by its path.
async fn canned(answers: &'static [(&'static str, &'static str)]) -> Origin {
    Origin::raw(move |stream| async move {
        let mut raw = Raw::over(stream);
        let mut first = [0];
        while tokio::net::TcpStream::peek(&raw.stream, &mut first).await.is_ok_and(|read| read > 0) {
            let head = raw.head().await;
            let path = head.split(' ').nth(1).unwrap();
            let (_, answer) = answers.iter().find(|(known, _)| *known == path).unwrap();
            raw.send(answer).await;
        }
    })
    .await
}

const ANSWERS: &[(&str, &str)] = &[
    ("/long", "HTTP/1.1 200 OK\r\ncontent-length: 1000\r\n\r\n"),
    ("/chunked", "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n"),
    ("/204", "HTTP/1.1 204 No Content\r\n\r\n"),
    ("/205", "HTTP/1.1 205 Reset Content\r\ncontent-length: 0\r\n\r\n"),
    ("/304", "HTTP/1.1 304 Not Modified\r\ncontent-length: 1000\r\netag: \"e\"\r\n\r\n"),
    ("/empty", "HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n"),
    ("/some", "HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nsome"),
    ("/hints", "HTTP/1.1 103 Early Hints\r\nlink: </a.css>\r\n\r\nHTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok"),
];

const ONE_WORKER: &str = "workers = 1\nlisteners = [{ address = \"127.0.0.1:0\" }]\n";

#[tokio::test]
async fn answers_without_a_body_end_with_their_head() {
    let upstream = canned(ANSWERS).await;
    let gateway = Gateway::start(&format!("{ONE_WORKER}{}", one_route(upstream.address, ""))).await;
    let mut raw = Raw::connect(gateway.addresses[0]).await;
    for (method, path, status, length) in [
        ("HEAD", "/long", "200", Some("1000")),
        ("HEAD", "/chunked", "200", None),
        ("HEAD", "/empty", "200", Some("0")),
        ("HEAD", "/304", "304", Some("1000")),
        ("GET", "/204", "204", None),
        ("HEAD", "/204", "204", None),
        ("GET", "/205", "205", Some("0")),
        ("GET", "/304", "304", Some("1000")),
    ] {
        raw.send(format!("{method} {path} HTTP/1.1\r\nhost: a\r\n\r\n")).await;
        let head = raw.head().await.to_ascii_lowercase();
        assert!(head.starts_with(&format!("http/1.1 {status} ")), "{method} {path}: {head}");
        let said = head.lines().find_map(|line| line.strip_prefix("content-length: "));
        if path == "/304" {
            // It may be left out, and must not be another (RFC 9110, section 8.6).
            assert!(said.is_none() || said == length, "{method} {path}: {head}");
        } else {
            assert_eq!(said, length, "{method} {path}: {head}");
        }
        assert!(status != "204" || !head.contains("transfer-encoding"), "{head}");
        // Had there been a body, this would be read as a part of it.
        raw.send("GET /some HTTP/1.1\r\nhost: a\r\n\r\n").await;
        let (head, body) = raw.answer().await;
        assert!(head.starts_with("http/1.1 200 ok") && body == "some", "after {method} {path}: {head}{body}");
    }
    assert_eq!(upstream.connections(), 1, "each of them left its connection in order");
}

#[tokio::test]
async fn answers_without_a_body_end_their_stream() {
    let upstream = canned(ANSWERS).await;
    let gateway = Gateway::start(&one_route(upstream.address, "")).await;
    let mut session = Session::over(TcpStream::connect(gateway.addresses[0]).await.unwrap(), Version::HTTP_2).await;
    for (method, path, status) in [
        ("HEAD", "/long", 200),
        ("HEAD", "/chunked", 200),
        ("GET", "/204", 204),
        ("GET", "/304", 304),
        ("GET", "/some", 200),
    ] {
        let answer = session.ask(method, path, &[], "").await;
        assert_eq!(
            (answer.status, answer.text()),
            (status, if path == "/some" { "some" } else { "" }),
            "{method} {path}"
        );
        if path == "/long" {
            assert_eq!(answer.header("content-length"), Some("1000"));
        }
    }
}

#[tokio::test]
async fn interim_answers_are_no_final_ones() {
    let upstream = canned(ANSWERS).await;
    let gateway = Gateway::start(&one_route(upstream.address, "")).await;
    for _ in 0..2 {
        assert_eq!(gateway.get("/hints").await.text(), "ok");
    }
}

#[tokio::test]
async fn a_length_stays_a_length_and_none_stays_none() {
    for speaks in [Speaks::Http1, Speaks::Http2] {
        let http = if matches!(speaks, Speaks::Http2) { "2" } else { "1" };
        let upstream = Origin::speaking(speaks, |request| async move {
            let says = |name: &str| request.headers().get(name).map(|value| value.to_str().unwrap().to_owned());
            let framing = format!("{:?} {:?}", says("content-length"), says("transfer-encoding"));
            drop(http_body_util::BodyExt::collect(request.into_body()).await);
            reply(200, framing)
        })
        .await;
        let config = one_route(upstream.address, "");
        let config = config.replacen("[[services.routes]]", &format!("http = \"{http}\"\n[[services.routes]]"), 1);
        let gateway = Gateway::start(&config).await;
        for version in [Version::HTTP_11, Version::HTTP_2] {
            let stream = TcpStream::connect(gateway.addresses[0]).await.unwrap();
            let mut session = Session::over(stream, version).await;
            let none = session.get("/").await;
            let framing = format!("{:?} {:?}", None::<String>, None::<String>);
            assert_eq!(none.text(), framing, "a GET without a body, {version:?} to {http}");
            let known = session.ask("POST", "/", &[("content-length", "7")], "payload").await;
            assert!(known.text().starts_with("Some(\"7\") None"), "{version:?} to {http}: {}", known.text());
            assert_eq!(known.header("content-length"), Some(known.text().len().to_string().as_str()));
        }
    }
}
