//! HTTP/2 upstreams that refuse, cut and leave, and clients that fail while one is spoken to: nothing is lost that can
//! be had elsewhere, nothing is whole that is not, and nobody is blamed for what another did.

mod frames;

use bytes::Bytes;
use hyper::{Request, Version};
use serde_json::Value;
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::{balanced, quoted};
use crate::harness::access::{attempt, key};
use crate::harness::origin::{Speaks, echo};
use crate::harness::session::piecemeal;
use crate::harness::{Gateway, Origin, PATIENCE, Session, until};
use frames::{BEGUN, CANCEL, Fate, INTERNAL_ERROR, NO_ERROR};

const VERSIONS: [Version; 2] = [Version::HTTP_11, Version::HTTP_2];

/// A gateway before `upstream`, which is out for good after so many failures.
async fn gateway(upstream: &Origin, failures: usize, limits: &str) -> Gateway {
    let health = format!("health = {{ passive = {{ failures = {failures}, within = \"1h\", recover = \"1h\" }} }}");
    let config = balanced(&[quoted(upstream.address)], &health, "http = \"2\"");
    Gateway::start(&format!("{config}\n[limits]\n{limits}\n")).await
}

async fn session(gateway: &Gateway, version: Version) -> Session {
    Session::over(TcpStream::connect(gateway.addresses[0]).await.unwrap(), version).await
}

fn attempts(line: &Value) -> &[Value] {
    line[key::ATTEMPTS].as_array().map_or(&[], Vec::as_slice)
}

#[tokio::test]
async fn a_body_that_breaks_the_limits_is_the_clients_doing() {
    let upstream = Origin::speaking(Speaks::Http2, |request| echo("u", request)).await;
    let gateway = gateway(&upstream, 3, "body_bytes = \"1KiB\"\nbody_idle_timeout = \"400ms\"").await;
    for version in VERSIONS {
        // As many as would take the target out, and one more.
        for turn in 0..4 {
            for (second, status, code) in
                [(Some(vec![b'x'; 1000]), 413, "body_too_large"), (None, 408, "request_timeout")]
            {
                let mut session = session(&gateway, version).await;
                let (pieces, body) = piecemeal();
                let path = format!("/{version:?}/{code}/{turn}");
                let request = session.request("POST", &path, &[], body);
                pieces.send(Bytes::from(vec![b'x'; 1000])).unwrap();
                let arrived = upstream.requests();
                let answer = tokio::spawn(async move { session.send(request).await });
                until("the stream to begin", async || (upstream.requests() > arrived).then_some(())).await;
                if let Some(second) = second {
                    pieces.send(second.into()).unwrap();
                }
                let answer = answer.await.unwrap().unwrap();
                assert_eq!(answer.status(), status, "{path}");
                assert_eq!(answer.headers()["x-gateway-error"], code, "{path}");
                let line = gateway.accessed(key::PATH, &path).await;
                assert_eq!((&line[key::STATUS], &line[key::ERROR]), (&status.into(), &code.into()), "{line:#}");
                drop(pieces);
            }
        }
        assert_eq!(session(&gateway, version).await.ask("POST", "/", &[], "good").await.json()["body"], "good");
    }
}

/// The whole body of an answer, by a client that takes no reset for an end.
async fn whole(gateway: &Gateway, path: &str, version: Version) -> Result<Vec<u8>, String> {
    if version == Version::HTTP_11 {
        let answer = session(gateway, version).await.try_ask("GET", path, &[], "").await;
        return answer.map(|answer| answer.body.to_vec()).map_err(|error| error.to_string());
    }
    let stream = TcpStream::connect(gateway.addresses[0]).await.unwrap();
    let (mut sender, connection) = h2::client::handshake(stream).await.unwrap();
    tokio::spawn(connection);
    let request = Request::get(format!("http://test{path}")).body(()).unwrap();
    let (answer, _) = sender.send_request(request, true).unwrap();
    let read = async {
        let (mut body, mut whole) = (answer.await?.into_body(), Vec::new());
        while let Some(piece) = body.data().await {
            whole.extend_from_slice(&piece?);
        }
        Ok(whole)
    };
    timeout(PATIENCE, read).await.expect("an end in time").map_err(|error: h2::Error| error.to_string())
}

#[tokio::test]
async fn an_answer_that_is_cut_is_never_whole() {
    for (code, name) in [(NO_ERROR, "no-error"), (CANCEL, "cancel"), (INTERNAL_ERROR, "internal-error")] {
        for says_length in [false, true] {
            let upstream = frames::origin([Fate::Cut { code, says_length }; VERSIONS.len()]).await;
            let gateway = gateway(&upstream, 100, "").await;
            for version in VERSIONS {
                let path = format!("/{name}/{version:?}");
                let answer = whole(&gateway, &path, version).await;
                assert!(answer.is_err(), "{name} for {version:?}, length {says_length}: {answer:?}");
                let line = gateway.accessed(key::PATH, &path).await;
                assert_eq!(line[key::ERROR], "upstream_body_truncated", "{line:#}");
                assert_eq!(line[key::STATUS], 200, "it had begun: {line:#}");
            }
            assert_eq!(gateway.get("/").await.status, 200, "after {name}");
        }
    }
}

/// Allowed by RFC 9113, section 8.1.
#[tokio::test]
async fn an_early_answer_whose_upload_nobody_wants_is_whole() {
    let upstream = frames::origin([Fate::Early; 4]).await;
    let gateway = gateway(&upstream, 1, "").await;
    for version in VERSIONS {
        for turn in 0..2 {
            let mut session = session(&gateway, version).await;
            let (pieces, body) = piecemeal();
            let path = format!("/{version:?}/{turn}");
            let request = session.request("POST", &path, &[], body);
            pieces.send(Bytes::from_static(b"some of it")).unwrap();
            let answer = session.send(request).await.unwrap();
            assert_eq!(answer.status(), 200, "{version:?}");
            let body = timeout(PATIENCE, http_body_util::BodyExt::collect(answer.into_body())).await.unwrap();
            assert_eq!(body.unwrap().to_bytes(), BEGUN, "{version:?}");
            let line = gateway.accessed(key::PATH, &path).await;
            assert_eq!((&line[key::STATUS], &line[key::ERROR]), (&200.into(), &Value::Null), "{line:#}");
            drop(pieces);
        }
    }
}

/// What was not looked at may go elsewhere, whatever it is (RFC 9113, section 8.7).
#[tokio::test]
async fn what_an_upstream_has_not_looked_at_goes_to_another_connection() {
    for fates in [
        &[Fate::Refused][..],
        &[Fate::Answered, Fate::Refused],
        &[Fate::LeftBehind],
        &[Fate::Answered, Fate::LeftBehind],
    ] {
        for (method, body) in [("GET", ""), ("POST", "payload")] {
            let upstream = frames::origin(fates).await;
            // One failure would take it out, and there is no other.
            let gateway = gateway(&upstream, 1, "").await;
            let mut client = gateway.client().await;
            for turn in 0..5 {
                let answer = client.send(method, &format!("/{turn}"), &[], body).await;
                assert_eq!((answer.status, answer.text()), (200, body), "{fates:?} for {method}, turn {turn}");
            }
            assert_eq!(upstream.connections(), 2, "{fates:?} for {method}");
            let line = gateway.accessed(key::PATH, &format!("/{}", fates.len() - 1)).await;
            let [first, second] = attempts(&line) else { panic!("{fates:?} for {method}: two attempts: {line:#}") };
            assert_eq!(first[attempt::OUTCOME], "upstream_closed_idle", "{line:#}");
            assert_eq!(second[attempt::OUTCOME], "ok", "{line:#}");
            assert!(line[key::ERROR].is_null(), "what was made up for is no error: {line:#}");
        }
    }
}

#[tokio::test]
async fn what_an_upstream_has_begun_when_it_says_goodbye_is_finished_there() {
    let upstream = frames::origin([Fate::Held, Fate::Held, Fate::LeftBehind]).await;
    let gateway = gateway(&upstream, 1, "").await;
    let session = session(&gateway, Version::HTTP_2).await;
    // Whichever of them comes last is left behind.
    let asked: Vec<_> = (0..3)
        .map(|number| {
            let mut session = session.share();
            tokio::spawn(async move { session.get(&format!("/{number}")).await })
        })
        .collect();
    for answer in asked {
        assert_eq!(answer.await.unwrap().status, 200);
    }
    assert_eq!(upstream.connections(), 2, "one for the one that was left behind");
}

/// As many servers end an answer whose length they have said.
#[tokio::test]
async fn an_answer_may_end_in_a_frame_of_its_own() {
    let upstream = frames::origin([Fate::EndedApart; 2 * 2 * VERSIONS.len()]).await;
    let gateway = gateway(&upstream, 1, "").await;
    let mut faults = Vec::new();
    for version in VERSIONS {
        let mut session = session(&gateway, version).await;
        for (method, body) in [("GET", ""), ("POST", "payload")] {
            for turn in 0..2 {
                let path = format!("/{version:?}/{method}/{turn}");
                let answer = session.ask(method, &path, &[], body).await;
                assert_eq!((answer.status, answer.text()), (200, body), "{path}");
                let line = gateway.accessed(key::PATH, &path).await;
                if line[key::STATUS] != 200 || !line[key::ERROR].is_null() {
                    faults.push(format!("{path}: {} {}", line[key::STATUS], line[key::ERROR]));
                }
            }
        }
    }
    assert!(faults.is_empty(), "{faults:#?}");
    assert_eq!(upstream.connections(), 1);
}
