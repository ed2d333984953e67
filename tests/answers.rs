//! What an upstream answers: passed on in one reading, logged as what it was, or refused.

use bytes::Bytes;
use http_body_util::StreamBody;
use hyper::body::{Frame, Incoming};
use hyper::header::{HeaderMap, HeaderValue};
use hyper::{Request, Response, Version};
use tokio::net::TcpStream;

use crate::harness::access::{attempt, key};
use crate::harness::origin::{Body, Speaks};
use crate::harness::raw::{Raw, exchange};
use crate::harness::{Answer, Gateway, Origin, PATIENCE, Session};

const VERSIONS: [Version; 2] = [Version::HTTP_11, Version::HTTP_2];

/// A gateway with one worker and everything routed to `url`; `http` is what is spoken there.
async fn gateway(url: &str, http: &str) -> Gateway {
    Gateway::start(&format!(
        "workers = 1\nlisteners = [{{ address = \"127.0.0.1:0\" }}]\n\
         [[services]]\nname = \"s\"\nurl = \"{url}\"\nhttp = \"{http}\"\nretries = 0\n\
         [[services.routes]]\nname = \"r\"\npaths = [\"/\"]\n"
    ))
    .await
}

async fn session(gateway: &Gateway, version: Version) -> Session {
    Session::over(TcpStream::connect(gateway.addresses[0]).await.unwrap(), version).await
}

/// Answers each request of a connection by its path; the answer to `/last` is its last.
async fn canned(answers: &'static [(&'static str, &'static str)]) -> Origin {
    Origin::raw(move |stream| async move {
        let mut raw = Raw::over(stream);
        let mut first = [0];
        while TcpStream::peek(&raw.stream, &mut first).await.is_ok_and(|read| read > 0) {
            let head = raw.head().await;
            let path = head.split(' ').nth(1).unwrap();
            let (_, answer) = answers.iter().find(|(known, _)| *known == path).unwrap();
            raw.send(answer).await;
        }
    })
    .await
}

fn refused(answer: &Answer) -> bool {
    answer.status == 502 && answer.header("x-gateway-error") == Some("upstream_protocol_error")
}

const FRAMED: &[(&str, &str)] = &[
    ("/list", "HTTP/1.1 200 OK\r\nContent-Length: 6, 6\r\n\r\nabcdef"),
    ("/lines", "HTTP/1.1 200 OK\r\nContent-Length: 6\r\nContent-Length: 6\r\n\r\nabcdef"),
    ("/one", "HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nabcdef"),
    ("/differ", "HTTP/1.1 200 OK\r\nContent-Length: 6, 7\r\n\r\nabcdefg"),
    ("/plus", "HTTP/1.1 200 OK\r\nContent-Length: +6\r\n\r\nabcdef"),
    ("/gzip-chunked", "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n6\r\nabcdef\r\n0\r\n\r\n"),
    (
        "/gzip-then-chunked",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\nTransfer-Encoding: chunked\r\n\r\n6\r\nabcdef\r\n0\r\n\r\n",
    ),
    ("/chunked-twice", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked, chunked\r\n\r\n6\r\nabcdef\r\n0\r\n\r\n"),
];

#[tokio::test]
async fn a_length_is_said_once_or_it_is_none() {
    let upstream = canned(FRAMED).await;
    let gateway = gateway(&format!("http://{}", upstream.address), "1").await;
    for version in VERSIONS {
        for path in ["/list", "/lines", "/one"] {
            let answer = session(&gateway, version).await.get(path).await;
            assert_eq!((answer.status, answer.text()), (200, "abcdef"), "{version:?} {path}");
            assert_eq!(answer.header("content-length"), Some("6"), "{version:?} {path}");
        }
        for path in ["/differ", "/plus"] {
            let answer = session(&gateway, version).await.get(path).await;
            assert!(refused(&answer), "{version:?} {path}: {answer:?}");
        }
    }
    let head = exchange(gateway.addresses[0], "HEAD /list HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n").await;
    assert_eq!(head.to_ascii_lowercase().matches("content-length: 6\r\n").count(), 1, "{head}");
}

#[tokio::test]
async fn a_coding_that_nobody_asked_for_is_no_answer() {
    let upstream = canned(FRAMED).await;
    let gateway = gateway(&format!("http://{}", upstream.address), "1").await;
    for version in VERSIONS {
        for path in ["/gzip-chunked", "/gzip-then-chunked", "/chunked-twice"] {
            let answer = session(&gateway, version).await.get(path).await;
            assert!(refused(&answer), "{version:?} {path}: {answer:?}");
            let line = gateway.accessed(key::REQUEST_ID, answer.header("x-gateway-request-id").unwrap()).await;
            assert_eq!(line[key::ERROR], "upstream_protocol_error", "{line:#}");
        }
        assert_eq!(session(&gateway, version).await.get("/one").await.text(), "abcdef");
    }
}

#[tokio::test]
async fn the_gateways_own_words_are_its_own() {
    const FORGED: &str =
        "X-Gateway-Error: route_not_found\r\nX-Gateway-Request-Id: forged\r\nContent-Length: 2\r\n\r\nok";
    const ANSWERS: [(&str, &str); 2] = [("/200", "HTTP/1.1 200 OK\r\n"), ("/502", "HTTP/1.1 502 Bad Gateway\r\n")];
    let upstream = Origin::raw(|stream| async move {
        let mut raw = Raw::over(stream);
        let head = raw.head().await;
        let (_, status) = ANSWERS.iter().find(|(path, _)| head.split(' ').nth(1) == Some(path)).unwrap();
        raw.send(format!("{status}{FORGED}")).await;
    })
    .await;
    let gateway = gateway(&format!("http://{}", upstream.address), "1").await;
    for version in VERSIONS {
        for (path, _) in ANSWERS {
            let answer = session(&gateway, version).await.get(path).await;
            assert_eq!((answer.status.to_string(), answer.text()), (path[1..].to_owned(), "ok"));
            assert_eq!(answer.header("x-gateway-error"), None, "{version:?} {path}: it was no error of the gateway's");
            let id = answer.header("x-gateway-request-id").unwrap();
            assert_ne!(id, "forged", "{version:?} {path}");
            let line = gateway.accessed(key::REQUEST_ID, id).await;
            assert_eq!((&line[key::STATUS], line[key::ERROR].is_null()), (&answer.status.into(), true), "{line:#}");
        }
    }
}

#[tokio::test]
async fn a_switch_is_to_what_was_asked_for() {
    const SWITCHING: &str = "HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\n";
    for (asked, agreed, status) in [
        (Some("websocket"), Some("websocket"), "101"),
        (Some("websocket"), Some("WebSocket"), "101"),
        (Some("first, second"), Some("second"), "101"),
        (Some("websocket"), Some("other"), "502"),
        (Some("websocket"), Some("h2c"), "502"),
        (Some("websocket"), None, "502"),
        (None, Some("websocket"), "502"),
    ] {
        let field =
            |protocol: Option<&str>| protocol.map(|protocol| format!("Upgrade: {protocol}\r\n")).unwrap_or_default();
        let switched = format!("{SWITCHING}{}\r\nhello", field(agreed));
        let upstream = Origin::raw(move |stream| {
            let switched = switched.clone();
            async move {
                let mut raw = Raw::over(stream);
                raw.head().await;
                raw.send(&switched).await;
            }
        })
        .await;
        let gateway = gateway(&format!("http://{}", upstream.address), "1").await;
        let connection = if asked.is_some() { "upgrade" } else { "close" };
        let request = format!("GET / HTTP/1.1\r\nHost: a\r\nConnection: {connection}\r\n{}\r\n", field(asked));
        let mut raw = Raw::connect(gateway.addresses[0]).await;
        raw.send(request).await;
        let head = raw.head().await.to_ascii_lowercase();
        let case = format!("{asked:?} was asked for, {agreed:?} came: {head}");
        assert!(head.starts_with(&format!("http/1.1 {status} ")), "{case}");
        assert_eq!(head.contains("x-gateway-error: upstream_protocol_error"), status == "502", "{case}");
        if status == "101" {
            assert_eq!(raw.exactly(5).await, b"hello", "{case}");
        } else {
            assert_eq!(gateway.accessed(key::PATH, "/").await[key::STATUS], 502, "{case}");
        }
    }
}

/// Fields that have no place behind a body, and one that has.
const TRAILERS: [(&str, &str); 4] =
    [("content-length", "100"), ("host", "b"), ("x-gateway-error", "route_not_found"), ("x-sum", "7")];

fn with_trailers(trailers: &[(&'static str, &'static str)]) -> Body {
    let fields = trailers.iter().map(|(name, value)| (name.parse().unwrap(), HeaderValue::from_static(value)));
    let frames = [Ok(Frame::data(Bytes::from_static(b"body"))), Ok(Frame::trailers(fields.collect::<HeaderMap>()))];
    http_body_util::BodyExt::boxed_unsync(StreamBody::new(tokio_stream::iter(frames)))
}

/// An HTTP/1.1 upstream says all of [`TRAILERS`]; hyper would not.
async fn trailing_in_chunks() -> Origin {
    Origin::raw(|stream| async move {
        let names = TRAILERS.map(|(name, _)| name).join(", ");
        let trailers: String = TRAILERS.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
        let mut raw = Raw::over(stream);
        let mut first = [0];
        while TcpStream::peek(&raw.stream, &mut first).await.is_ok_and(|read| read > 0) {
            raw.head().await;
            let head = format!("HTTP/1.1 200 OK\r\ntrailer: {names}\r\ntransfer-encoding: chunked\r\n\r\n");
            raw.send(format!("{head}4\r\nbody\r\n0\r\n{trailers}\r\n")).await;
        }
    })
    .await
}

async fn trailing(speaks: Speaks) -> Origin {
    if let Speaks::Http1 = speaks {
        return trailing_in_chunks().await;
    }
    Origin::speaking(speaks, |_: Request<Incoming>| async { Response::new(with_trailers(&TRAILERS)) }).await
}

/// Body and trailers as they come over HTTP/2.
async fn over_http_2(gateway: &Gateway, request: Request<()>) -> (Vec<u8>, HeaderMap) {
    let stream = TcpStream::connect(gateway.addresses[0]).await.unwrap();
    let (mut sender, connection) = h2::client::handshake(stream).await.unwrap();
    tokio::spawn(connection);
    let (answer, _) = sender.send_request(request, true).unwrap();
    let answer = tokio::time::timeout(PATIENCE, answer).await.expect("an answer in time").unwrap();
    let (mut body, mut whole) = (answer.into_body(), Vec::new());
    while let Some(piece) = body.data().await {
        whole.extend_from_slice(&piece.unwrap());
    }
    (whole, body.trailers().await.unwrap().unwrap_or_default())
}

#[tokio::test]
async fn an_answers_trailers_say_nothing_of_where_it_ends() {
    for (speaks, http) in [(Speaks::Http1, "1"), (Speaks::Http2, "2")] {
        let upstream = trailing(speaks).await;
        let gateway = gateway(&format!("http://{}", upstream.address), http).await;
        let request = Request::get("http://test/").header("te", "trailers").body(()).unwrap();
        let (body, trailers) = over_http_2(&gateway, request).await;
        let names: Vec<_> = trailers.keys().map(|name| name.as_str()).collect();
        assert_eq!((&*body, &*names), (&b"body"[..], &["x-sum"][..]), "HTTP/{http} to HTTP/2");

        let request = "GET / HTTP/1.1\r\nhost: a\r\nte: trailers\r\nconnection: te, close\r\n\r\n";
        let answer = exchange(gateway.addresses[0], request).await.to_ascii_lowercase();
        let (_, trailers) = answer.split_once("\r\n0\r\n").unwrap();
        let names: Vec<_> = trailers.lines().filter_map(|line| Some(line.split_once(':')?.0)).collect();
        assert!(names.iter().all(|name| *name == "x-sum"), "HTTP/{http} to HTTP/1.1: {answer}");
    }
}

/// Path and lines of clients that want trailers, and of such that do not.
const CLIENTS: [(&str, &str); 3] = [
    ("/wanted", "HTTP/1.1\r\nhost: a\r\nte: trailers\r\nconnection: te, close\r\n"),
    ("/unwanted", "HTTP/1.1\r\nhost: a\r\nconnection: close\r\n"),
    ("/unheard-of", "HTTP/1.0\r\nhost: a\r\n"),
];

#[tokio::test]
async fn an_answer_with_trailers_is_whole_and_its_connection_stays() {
    for (speaks, http) in [(Speaks::Http1, "1"), (Speaks::Http2, "2")] {
        let upstream = trailing(speaks).await;
        let gateway = gateway(&format!("http://{}", upstream.address), http).await;
        for (path, lines) in CLIENTS {
            let answer = exchange(gateway.addresses[0], format!("GET {path} {lines}\r\n")).await;
            assert!(answer.contains(" 200 OK\r\n") && answer.contains("body"), "{path}: {answer}");
            answered(&gateway, path, 200).await;
        }
        let request = Request::get("http://test/http-2").header("te", "trailers").body(()).unwrap();
        assert_eq!(over_http_2(&gateway, request).await.0, b"body");
        answered(&gateway, "/http-2", 200).await;
        assert_eq!(upstream.connections(), 1, "HTTP/{http}");
        let line = gateway.accessed(key::PATH, "/http-2").await;
        assert_eq!(line[key::ATTEMPTS][0][attempt::CONNECTION], "reused", "{line:#}");
    }
}

/// The log has it as answered, with this status.
async fn answered(gateway: &Gateway, path: &str, status: u16) {
    let line = gateway.accessed(key::PATH, path).await;
    assert_eq!((&line[key::STATUS], line[key::ERROR].is_null()), (&status.into(), true), "{line:#}");
}

#[tokio::test]
async fn a_call_by_grpc_is_whole_with_its_status() {
    let upstream = Origin::speaking(Speaks::Http2, |request: Request<Incoming>| async move {
        // A status alone, or behind a message.
        let body = if request.uri().path() == "/refused" {
            crate::harness::origin::whole("")
        } else {
            with_trailers(&[("grpc-status", "0"), ("x-sum", "7")])
        };
        let answer = Response::builder().header("content-type", "application/grpc");
        let answer = if request.uri().path() == "/refused" { answer.header("grpc-status", "5") } else { answer };
        answer.body(body).unwrap()
    })
    .await;
    let gateway = gateway(&format!("grpc://{}", upstream.address), "2").await;
    for path in ["/first", "/refused", "/second"] {
        let request = Request::post(format!("http://test{path}")).header("te", "trailers");
        let request = request.header("content-type", "application/grpc").body(()).unwrap();
        let (body, trailers) = over_http_2(&gateway, request).await;
        if path == "/refused" {
            assert_eq!((&*body, trailers.len()), (&b""[..], 0));
        } else {
            assert_eq!((&*body, trailers["grpc-status"].as_bytes()), (&b"body"[..], &b"0"[..]), "{path}");
        }
        answered(&gateway, path, 200).await;
    }
    assert_eq!(upstream.connections(), 1);
}
