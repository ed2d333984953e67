//! gRPC: tonic on both sides, and a service written by hand.

mod service;

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use hyper::Version;
use tokio::net::TcpStream;
use tokio_stream::StreamExt;
use tonic::{Code, Request, Status};

use crate::harness::origin::whole;
use crate::harness::upstream::Refusing;
use crate::harness::{Gateway, PATIENCE, Session, until};
use service::{Adder, Caller, Sum};

/// A gateway with one service at `address`, by gRPC; `rest` goes into the service.
async fn gateway(address: SocketAddr, rest: &str) -> Gateway {
    Gateway::start(&format!(
        "[[services]]\nname = \"s\"\nurl = \"grpc://{address}\"\n{rest}\n\
         [[services.routes]]\nname = \"r\"\npaths = [\"/\"]\nstrip_path = false\n"
    ))
    .await
}

async fn both() -> (Adder, Gateway, Caller) {
    let adder = Adder::start().await;
    let gateway = gateway(adder.address, "").await;
    let caller = Caller::connect(gateway.addresses[0]).await;
    (adder, gateway, caller)
}

#[tokio::test]
async fn unary_calls() {
    let (_adder, _gateway, mut caller) = both().await;
    for value in 0..20 {
        let mut request = Request::new(Sum { value });
        request.metadata_mut().insert("x-asked", "by us".parse().unwrap());
        request.metadata_mut().insert_bin("x-raw-bin", tonic::metadata::MetadataValue::from_bytes(&[0, 255, 10]));
        let response = caller.double(request).await.unwrap();
        assert_eq!(response.get_ref().value, value * 2);
        assert_eq!(response.metadata().get("x-got").unwrap(), "by us");
        let raw = response.metadata().get_bin("x-raw-bin").unwrap().to_bytes().unwrap();
        assert_eq!(raw, &[0, 255, 10][..]);
    }
}

#[tokio::test]
async fn a_stream_from_the_server() {
    let (_adder, _gateway, mut caller) = both().await;
    let mut stream = caller.count(1000).await.unwrap();
    let mut next = 0;
    while let Some(sum) = stream.next().await {
        assert_eq!(sum.unwrap().value, next);
        next += 1;
    }
    assert_eq!(next, 1000);
}

#[tokio::test]
async fn a_stream_from_the_client() {
    let (_adder, _gateway, mut caller) = both().await;
    let sums = tokio_stream::iter((1..=1000).map(|value| Sum { value }));
    assert_eq!(caller.add(sums).await.unwrap().value, 500_500);
}

#[tokio::test]
async fn streams_both_ways_at_once() {
    let (_adder, _gateway, mut caller) = both().await;
    let (sender, receiver) = tokio::sync::mpsc::unbounded_channel();
    let sums = tokio_stream::wrappers::UnboundedReceiverStream::new(receiver);
    let mut running = caller.running(sums).await.unwrap();
    let mut expected = 0;
    for value in 1..=50 {
        sender.send(Sum { value }).unwrap();
        expected += value;
        // Each answer comes before the next question is put.
        let sum = tokio::time::timeout(PATIENCE, running.next()).await.expect("a sum in time").unwrap().unwrap();
        assert_eq!(sum.value, expected);
    }
    drop(sender);
    assert!(running.next().await.is_none());
}

#[tokio::test]
async fn a_status_comes_as_it_was_sent() {
    let (_adder, _gateway, mut caller) = both().await;
    let refused = caller.double(Request::new(Sum { value: -1 })).await.unwrap_err();
    assert_eq!((refused.code(), refused.message()), (Code::InvalidArgument, "größer als null, bitte: 100%"));
    assert_eq!(refused.metadata().get("x-why").unwrap(), "negative");

    // After some messages it is in the trailers.
    let mut stream = caller.count(-3).await.unwrap();
    for value in 0..3 {
        assert_eq!(stream.next().await.unwrap().unwrap().value, value);
    }
    let aborted = stream.next().await.unwrap().unwrap_err();
    assert_eq!((aborted.code(), aborted.message()), (Code::Aborted, "that was all"));
    let unknown = caller.unknown().await.unwrap_err();
    assert_eq!(unknown.code(), Code::Unimplemented);
}

#[tokio::test]
async fn a_large_message() {
    let (_adder, _gateway, mut caller) = both().await;
    let text = "0123456789".repeat(300_000);
    assert!(caller.repeat(&text).await.unwrap() == text);
}

#[tokio::test]
async fn a_deadline_reaches_the_service_and_ends_the_call() {
    let (adder, _gateway, mut caller) = both().await;
    let mut request = Request::new(Sum { value: 1 });
    request.set_timeout(Duration::from_millis(400));
    let begun = Instant::now();
    let status = caller.never(request).await.unwrap_err();
    assert!([Code::DeadlineExceeded, Code::Cancelled].contains(&status.code()), "{status:?}");
    assert!(begun.elapsed() < PATIENCE / 2, "{:?}", begun.elapsed());
    assert!(adder.deadline().is_some_and(|header| header.ends_with(['m', 'u', 'n', 'S'])), "{:?}", adder.deadline());
    until("the call to be given up", async || (adder.running() == 0).then_some(())).await;
}

#[tokio::test]
async fn calls_share_a_connection_and_are_given_up_alone() {
    let (adder, _gateway, mut caller) = both().await;
    let mut other = caller.clone();
    let never = tokio::spawn(async move { other.never(Request::new(Sum { value: 1 })).await.map(drop) });
    until("the call to arrive", async || (adder.running() == 1).then_some(())).await;
    assert_eq!(caller.double(Request::new(Sum { value: 4 })).await.unwrap().get_ref().value, 8);
    never.abort();
    until("the call to be given up", async || (adder.running() == 0).then_some(())).await;
    assert_eq!(caller.double(Request::new(Sum { value: 5 })).await.unwrap().get_ref().value, 10);
}

/// What the gateway itself answers to a gRPC request: HTTP 200 and this code (gRPC over HTTP/2, "Responses").
async fn own_answer(gateway: &Gateway, code: Code) {
    let stream = TcpStream::connect(gateway.addresses[0]).await.unwrap();
    let mut session = Session::over(stream, Version::HTTP_2).await;
    let headers = [("content-type", "application/grpc"), ("te", "trailers")];
    let request = session.request("POST", "/test.Adder/Double", &headers, whole(&b"\0\0\0\0\0"[..]));
    let answer = session.send(request).await.unwrap();
    assert_eq!(answer.status(), 200, "{answer:?}");
    let header = |name: &str| answer.headers().get(name).map(|value| value.to_str().unwrap().to_owned());
    assert!(header("content-type").unwrap().starts_with("application/grpc"), "{answer:?}");
    assert_eq!(header("grpc-status"), Some((code as i32).to_string()), "{answer:?}");
    assert!(header("grpc-message").is_some(), "{answer:?}");
    let body = http_body_util::BodyExt::collect(answer.into_body()).await.unwrap().to_bytes();
    assert!(body.is_empty(), "no JSON between gRPC messages: {body:?}");
}

#[tokio::test]
async fn an_upstream_that_is_down_is_unavailable() {
    let nobody = Refusing::new();
    let gateway = gateway(nobody.address, "").await;
    own_answer(&gateway, Code::Unavailable).await;
    let mut caller = Caller::connect(gateway.addresses[0]).await;
    let status: Status = caller.double(Request::new(Sum { value: 1 })).await.unwrap_err();
    assert_eq!(status.code(), Code::Unavailable, "{status:?}");
}

#[tokio::test]
async fn what_the_gateway_refuses_it_refuses_by_grpc() {
    let adder = Adder::start().await;
    let guarded = Gateway::start(&format!(
        "[[services]]\nname = \"s\"\nurl = \"grpc://{}\"\n[[services.routes]]\nname = \"r\"\npaths = [\"/other\"]\n",
        adder.address
    ))
    .await;
    let mut caller = Caller::connect(guarded.addresses[0]).await;
    let status = caller.double(Request::new(Sum { value: 1 })).await.unwrap_err();
    // 404 is UNIMPLEMENTED, whether the gateway says so or the client makes it of the status.
    assert_eq!(status.code(), Code::Unimplemented, "{status:?}");

    let late = gateway(adder.address, "timeouts = { response = \"300ms\" }").await;
    let mut caller = Caller::connect(late.addresses[0]).await;
    let status = caller.never(Request::new(Sum { value: 1 })).await.unwrap_err();
    assert!([Code::DeadlineExceeded, Code::Unavailable].contains(&status.code()), "{status:?}");
}
