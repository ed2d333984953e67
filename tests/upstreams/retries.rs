//! An attempt that failed is made up for, where that does nothing twice.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::io::AsyncWriteExt;

use super::{balanced, quoted, server};
use crate::harness::raw::Raw;
use crate::harness::upstream::Refusing;
use crate::harness::{Answer, Gateway, Origin, Upstream};

/// A gateway with an address that refuses connections and an origin that echoes.
async fn with_refusing(service: &str) -> (Gateway, Refusing, Origin) {
    let (nobody, good) = (Refusing::new(), Origin::echo("good").await);
    let targets = [quoted(nobody.address), quoted(good.address)];
    (Gateway::start(&balanced(&targets, "", service)).await, nobody, good)
}

/// A gateway with a target that reads a request and closes, and an origin that echoes.
async fn with_closing(service: &str) -> (Gateway, Upstream, Origin) {
    let (closing, good) = (Upstream::raw("").await, Origin::echo("good").await);
    let targets = [quoted(closing.address), quoted(good.address)];
    (Gateway::start(&balanced(&targets, "", service)).await, closing, good)
}

async fn ask(gateway: &Gateway, method: &str, body: &str) -> Vec<Answer> {
    let mut answers = Vec::new();
    for _ in 0..12 {
        answers.push(gateway.client().await.send(method, "/", &[], body).await);
    }
    answers
}

fn all_good(answers: &[Answer]) -> bool {
    answers.iter().all(|answer| server(answer) == "good")
}

#[tokio::test]
async fn a_target_that_refuses_is_replaced_unnoticed() {
    let (gateway, _nobody, good) = with_refusing("").await;
    assert!(all_good(&ask(&gateway, "GET", "").await));
    // Nothing was sent, so any method and any body will do.
    let posted = ask(&gateway, "POST", "payload").await;
    assert!(all_good(&posted) && posted.iter().all(|answer| answer.json()["body"] == "payload"));
    assert_eq!(good.requests(), 24);
}

#[tokio::test]
async fn a_large_body_survives_a_refusal() {
    let (gateway, _nobody, _good) = with_refusing("retry_buffer = \"1KiB\"").await;
    let large = "0123456789".repeat(10_000);
    for answer in ask(&gateway, "POST", &large).await {
        assert!(answer.json()["body"] == *large, "not a byte of it was read before there was a connection");
    }
}

#[tokio::test]
async fn without_retries_there_are_none() {
    let (gateway, _nobody, good) = with_refusing("retries = 0").await;
    let answers = ask(&gateway, "GET", "").await;
    let refused = answers.iter().filter(|answer| answer.status == 502).count();
    assert_eq!((refused, good.requests()), (6, 6), "{answers:?}");
}

#[tokio::test]
async fn retries_end() {
    let (one, two) = (Upstream::raw("").await, Upstream::raw("").await);
    let targets = [quoted(one.address), quoted(two.address)];
    let gateway = Gateway::start(&balanced(&targets, "", "retries = 3")).await;
    let answer = gateway.get("/").await;
    assert_eq!(answer.status, 502);
    assert_eq!(one.connections() + two.connections(), 4, "one attempt and three more");
}

#[tokio::test]
async fn what_is_idempotent_is_sent_again() {
    let (gateway, closing, _good) = with_closing("").await;
    for method in ["GET", "PUT", "DELETE", "OPTIONS"] {
        let answers = ask(&gateway, method, "payload").await;
        assert!(all_good(&answers), "{method}: {answers:?}");
        assert!(answers.iter().all(|answer| answer.json()["body"] == "payload"), "{method}");
    }
    assert!(closing.connections() > 0);
}

#[tokio::test]
async fn a_post_is_never_sent_twice() {
    let (gateway, closing, good) = with_closing("").await;
    for method in ["POST", "PATCH"] {
        let before = closing.connections() + good.requests();
        let answers = ask(&gateway, method, "payload").await;
        assert_eq!(closing.connections() + good.requests(), before + answers.len(), "{method}: each was sent once");
        let failed: Vec<_> = answers.iter().filter(|answer| answer.status != 200).collect();
        assert!(!failed.is_empty(), "{method}: half of them met the one that closes");
        for answer in failed {
            let code = answer.header("x-gateway-error");
            assert_eq!((answer.status, code), (502, Some("upstream_closed_before_response")), "{method}");
        }
    }
}

#[tokio::test]
async fn a_body_that_was_not_kept_cannot_be_sent_again() {
    // Its reading ends with the buffer of the test's upstream, so that all of a small body fits.
    let (gateway, _closing, _good) = with_closing("retry_buffer = \"1KiB\"").await;
    assert!(all_good(&ask(&gateway, "PUT", &"x".repeat(1000)).await));
    let answers = ask(&gateway, "PUT", &"x".repeat(64 << 10)).await;
    let failed = answers.iter().filter(|answer| answer.status == 502).count();
    assert!(failed > 0 && failed < answers.len(), "{failed} of {}", answers.len());
}

#[tokio::test]
async fn an_upstreams_own_error_is_an_answer() {
    let broken = Origin::serve(|_| async { crate::harness::origin::reply(503, "broken") }).await;
    let good = Origin::echo("good").await;
    let gateway = Gateway::start(&balanced(&[quoted(broken.address), quoted(good.address)], "", "")).await;
    let answers = ask(&gateway, "GET", "").await;
    assert_eq!(answers.iter().filter(|answer| answer.text() == "broken").count(), 6);
    assert!(answers.iter().all(|answer| answer.header("x-gateway-error").is_none()));
}

/// Answers the first request of each connection and closes as the second arrives: as if its idle timeout had passed
/// just then.
async fn closes_at_the_second(requests: Arc<AtomicUsize>) -> Origin {
    Origin::raw(move |stream| {
        let requests = Arc::clone(&requests);
        async move {
            let mut raw = Raw::over(stream);
            raw.head().await;
            requests.fetch_add(1, Ordering::SeqCst);
            raw.send("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok").await;
            let mut first = [0];
            drop(tokio::io::AsyncReadExt::read(&mut raw.stream, &mut first).await);
            drop(raw.stream.shutdown().await);
        }
    })
    .await
}

#[tokio::test]
async fn an_idle_connection_that_dies_as_it_is_used_costs_no_request() {
    let requests = Arc::new(AtomicUsize::new(0));
    let upstream = closes_at_the_second(Arc::clone(&requests)).await;
    let gateway = Gateway::start(&balanced(&[quoted(upstream.address)], "", "")).await;
    let mut client = gateway.client().await;
    for turn in 0..20 {
        let answer = client.send("GET", "/", &[], "").await;
        assert_eq!((answer.status, answer.text()), (200, "ok"), "turn {turn}");
    }
    assert_eq!(requests.load(Ordering::SeqCst), 20);
}
