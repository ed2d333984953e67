//! `mask` over the real gateway: bodies as they stream, and how it looks when one is blocked.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use http_body_util::BodyExt;
use hyper::Version;
use tokio::net::TcpStream;
use tokio::sync::mpsc::UnboundedSender;
use tokio::time::timeout;

use crate::harness::origin::reply;
use crate::harness::session::piecemeal;
use crate::harness::{Gateway, Origin, Session, one_route};

const RULES: &str = r#"rules = [{ names = ["password"] }, { patterns = ["card"], action = "keep_last" }]"#;

/// A gateway that masks what `origin` answers; `rest` goes into the use.
async fn gateway(origin: &Origin, rest: &str) -> Gateway {
    let uses = format!("plugins = [{{ use = \"mask\", config = {{ {RULES} }}{rest} }}]");
    let one_worker = "workers = 1\nlisteners = [{ address = \"127.0.0.1:0\" }]\n";
    Gateway::start(&format!("{one_worker}{}", one_route(origin.address, &uses))).await
}

/// An origin whose answers are JSON and come over the channels that it gives, one for each request.
async fn piece_by_piece() -> (Origin, Arc<Mutex<Vec<UnboundedSender<Bytes>>>>) {
    let channels = Arc::new(Mutex::new(Vec::new()));
    let given = Arc::clone(&channels);
    let origin = Origin::serve(move |_| {
        let (pieces, body) = piecemeal();
        given.lock().unwrap().push(pieces);
        async {
            let mut answer = reply(200, "");
            answer.headers_mut().insert("content-type", "application/json".parse().unwrap());
            *answer.body_mut() = body;
            answer
        }
    });
    (origin.await, channels)
}

async fn session(gateway: &Gateway, version: Version) -> Session {
    Session::over(TcpStream::connect(gateway.addresses[0]).await.unwrap(), version).await
}

/// What comes of a body up to this text.
async fn read(body: &mut hyper::body::Incoming, end: &str) -> String {
    let mut text = String::new();
    while !text.ends_with(end) {
        let frame = timeout(Duration::from_secs(10), body.frame()).await.expect("a piece in time").unwrap().unwrap();
        text.push_str(std::str::from_utf8(&frame.into_data().unwrap()).unwrap());
    }
    text
}

#[tokio::test]
async fn pieces_go_on_as_they_come_and_bodies_on_one_worker_do_not_mix() {
    let (origin, channels) = piece_by_piece().await;
    let gateway = gateway(&origin, "").await;
    let mut bodies = Vec::new();
    for version in [Version::HTTP_11, Version::HTTP_2] {
        let mut session = session(&gateway, version).await;
        let request = session.request("GET", "/", &[], piecemeal().1);
        bodies.push((session.send(request).await.unwrap().into_body(), session));
    }
    let origins = channels.lock().unwrap().clone();
    channels.lock().unwrap().clear();
    let send = |to: usize, piece: &'static str| origins[to].send(Bytes::from_static(piece.as_bytes())).unwrap();
    send(0, r#"{"id":1,"pass"#);
    send(1, r#"{"to":"4111 1111"#);
    assert_eq!(read(&mut bodies[0].0, ",").await, r#"{"id":1,"#);
    send(0, r#"w\u006frd":"on"#);
    send(1, r#" 1111 1111","password":[1"#);
    assert_eq!(read(&mut bodies[0].0, "***").await, r#""passw\u006frd":"***"#);
    send(0, r#"e","n":2}"#);
    send(1, "2]}");
    drop(origins);
    assert_eq!(read(&mut bodies[0].0, "}").await, r#"","n":2}"#);
    assert_eq!(read(&mut bodies[1].0, "}").await, r#"{"to":"***1111","password":["***"]}"#);
}

#[tokio::test]
async fn a_large_body_streams_without_any_secret() {
    let records = 100_000;
    let body: String =
        (0..records).map(|id| format!(r#"{{"id":{id},"password":"s3cret{id}","card":"4111111111111111"}},"#)).collect();
    let whole = format!("[{body}null]");
    let sent = whole.clone();
    let origin = Origin::serve(move |_| {
        let mut answer = reply(200, sent.clone());
        answer.headers_mut().insert("content-type", "application/json; charset=utf-8".parse().unwrap());
        async { answer }
    });
    // A busy machine takes its time, and that is not what this is about.
    let gateway = gateway(&origin.await, ", limits = { time = \"1s\" }").await;
    let answer = gateway.get("/").await;
    assert!(!answer.text().contains("s3cret") && !answer.text().contains("41111111"));
    let masked: serde_json::Value = answer.json();
    assert_eq!(masked.as_array().map(Vec::len), Some(records + 1));
    assert_eq!(masked[records - 1], serde_json::json!({ "id": records - 1, "password": "***", "card": "***1111" }));
}

#[tokio::test]
async fn a_body_that_cannot_be_read_breaks_off_whatever_the_use_does_with_failures() {
    for on_failure in ["closed", "open"] {
        let (origin, channels) = piece_by_piece().await;
        let gateway = gateway(&origin, &format!(", on_failure = \"{on_failure}\"")).await;
        for version in [Version::HTTP_11, Version::HTTP_2] {
            let mut session = session(&gateway, version).await;
            let request = session.request("GET", "/", &[], piecemeal().1);
            let answer = session.send(request).await.unwrap();
            assert_eq!(answer.status(), 200, "its head is gone by then");
            let mut body = answer.into_body();
            let pieces = channels.lock().unwrap().pop().unwrap();
            pieces.send(Bytes::from_static(br#"{"id":1,"#)).unwrap();
            assert_eq!(read(&mut body, ",").await, r#"{"id":1,"#);
            pieces.send(Bytes::from_static(br#"password:"s3cret"}"#)).unwrap();
            let rest = timeout(Duration::from_secs(10), body.collect()).await.expect("an end in time");
            assert!(rest.is_err(), "{version:?}, {on_failure}: {rest:?}");
            gateway.logged("message", "the response's body is blocked: it is no JSON from byte 8 on").await;
        }
        let line = gateway.logged("code", "plugin_failed").await;
        assert_eq!(line["phase"], "body", "{on_failure}: {line}");
    }
}
