//! What is under way is counted, whatever it is, for as long as it is: against the limits, in the metrics and in the
//! status.

use std::cell::Cell;
use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use hyper::Version;
use hyper::body::Frame;
use serde_json::Value;
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio_stream::StreamExt;

use crate::harness::origin::{Body, Speaks, whole};
use crate::harness::raw::Raw;
use crate::harness::{Client, Gateway, Origin, Session, Upstream, until, within};

/// A gateway with one worker before one target, and its admin server.
struct Counted {
    gateway: Gateway,
    admin: SocketAddr,
}

/// What there is at a time: connections that are open, exchanges under way, and those of them at the target.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Counts {
    connections: u64,
    exchanges: u64,
    at_target: u64,
}

impl Counted {
    async fn start(upstream: SocketAddr, limits: &str, http: &str) -> Self {
        let gateway = Gateway::start(&format!(
            "workers = 1\nlisteners = [{{ address = \"127.0.0.1:0\" }}]\n[admin]\naddress = \"127.0.0.1:0\"\n\
             [limits]\n{limits}\n[[upstreams]]\nname = \"u\"\ntargets = [\"{upstream}\"]\n\
             [[services]]\nname = \"s\"\nurl = \"http://u\"\nhttp = \"{http}\"\n\
             [[services.routes]]\nname = \"r\"\npaths = [\"/\"]\n"
        ))
        .await;
        let admin = gateway.logged("message", "admin listening").await["address"].as_str().unwrap().parse().unwrap();
        Self { gateway, admin }
    }

    async fn ask(&self, path: &str) -> String {
        let answer = Client::connect(self.admin).await.send("GET", path, &[("host", "localhost")], "").await;
        assert_eq!(answer.status, 200, "{path}");
        answer.text().to_owned()
    }

    async fn status(&self) -> Value {
        serde_json::from_str(&self.ask("/status").await).unwrap()
    }

    /// What `/metrics` and `/status` say, which must be the same.
    async fn counts(&self) -> Option<Counts> {
        let (metrics, status) = (self.ask("/metrics").await, self.status().await);
        let sample = |name: &str| {
            let line = metrics.lines().find_map(|line| line.strip_prefix(name));
            let line = line.unwrap_or_else(|| panic!("no {name} in {metrics}"));
            line.rsplit_once(' ').unwrap().1.parse::<u64>().unwrap()
        };
        let connections = sample("tidegate_connections{state=\"open\"}");
        let exchanges = sample("tidegate_connections{state=\"active\"}");
        let at_target = sample("tidegate_upstream_in_flight{");
        let same = status["connections"]["open"] == connections && status["requests"]["active"] == exchanges;
        same.then_some(Counts { connections, exchanges, at_target })
    }

    /// Wait until there are as many of each.
    async fn reaches(&self, connections: u64, exchanges: u64, at_target: u64) {
        let expected = Counts { connections, exchanges, at_target };
        let last = Cell::new(None);
        let reached = within(Duration::from_secs(10), async || {
            last.set(self.counts().await);
            (last.get() == Some(expected)).then_some(())
        });
        assert!(reached.await.is_some(), "{:?} instead of {expected:?}", last.get());
    }
}

/// An origin whose answers begin at once, and end when it is told so.
async fn downloads(speaks: Speaks) -> (Origin, watch::Sender<bool>) {
    let (release, released) = watch::channel(false);
    let origin = Origin::speaking(speaks, move |request| {
        let mut released = released.clone();
        async move {
            if request.uri().path() == "/short" {
                return hyper::Response::new(whole("short"));
            }
            let begun = tokio_stream::iter([Ok(Frame::data(Bytes::from_static(b"begun")))]);
            let rest = futures_util::stream::once(async move {
                drop(released.wait_for(|released| *released).await);
                Ok(Frame::data(Bytes::from_static(b" and ended")))
            });
            let body = http_body_util::StreamBody::new(begun.chain(rest));
            hyper::Response::new(http_body_util::BodyExt::boxed_unsync(body) as Body)
        }
    })
    .await;
    (origin, release)
}

async fn text(answer: hyper::Response<hyper::body::Incoming>) -> Bytes {
    http_body_util::BodyExt::collect(answer.into_body()).await.unwrap().to_bytes()
}

#[tokio::test]
async fn a_download_counts_until_its_last_byte() {
    for (speaks, http) in [(Speaks::Http1, "1"), (Speaks::Http2, "2")] {
        let (upstream, release) = downloads(speaks).await;
        let counted = Counted::start(upstream.address, "", http).await;
        counted.reaches(0, 0, 0).await;
        let mut answers = Vec::new();
        let mut sessions = Vec::new();
        for _ in 0..3 {
            let stream = TcpStream::connect(counted.gateway.addresses[0]).await.unwrap();
            let mut session = Session::over(stream, Version::HTTP_11).await;
            let request = session.request("GET", "/", &[], whole(""));
            answers.push(session.send(request).await.unwrap());
            sessions.push(session);
        }
        counted.reaches(3, 3, 3).await;
        let stream = TcpStream::connect(counted.gateway.addresses[0]).await.unwrap();
        let mut session = Session::over(stream, Version::HTTP_2).await;
        for _ in 0..4 {
            let request = session.request("GET", "/", &[], whole(""));
            answers.push(session.send(request).await.unwrap());
        }
        counted.reaches(4, 7, 7).await;
        assert_eq!(session.get("/short").await.text(), "short");
        counted.reaches(4, 7, 7).await;
        // Who goes away is counted no more.
        drop((answers.pop(), answers.swap_remove(0), sessions.swap_remove(0)));
        counted.reaches(3, 5, 5).await;
        release.send(true).unwrap();
        for answer in answers {
            assert_eq!(text(answer).await, "begun and ended");
        }
        counted.reaches(3, 0, 0).await;
        drop((session, sessions));
        counted.reaches(0, 0, 0).await;
        let total = &counted.status().await["connections"]["total"];
        assert_eq!(total, 4, "HTTP/{http}");
    }
}

#[tokio::test]
async fn an_upload_and_a_request_that_waits_count_too() {
    let upstream = Upstream::silent().await;
    let counted = Counted::start(upstream.address, "", "1").await;
    let mut waiting = Raw::connect(counted.gateway.addresses[0]).await;
    waiting.send("GET / HTTP/1.1\r\nhost: a\r\n\r\n").await;
    let mut uploading = Raw::connect(counted.gateway.addresses[0]).await;
    uploading.send("POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 10\r\n\r\nhalf").await;
    let silent = TcpStream::connect(counted.gateway.addresses[0]).await.unwrap();
    counted.reaches(3, 2, 2).await;
    drop((waiting, uploading));
    counted.reaches(1, 0, 0).await;
    drop(silent);
    counted.reaches(0, 0, 0).await;
}

/// Switches protocols, then sends back what it gets.
async fn switching() -> Origin {
    Origin::raw(|stream| async move {
        let mut raw = Raw::over(stream);
        raw.head().await;
        raw.send("HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: echo\r\n\r\n").await;
        let (mut reader, mut writer) = raw.stream.split();
        drop(tokio::io::copy(&mut reader, &mut writer).await);
    })
    .await
}

async fn tunnel(gateway: &Gateway) -> Raw {
    let mut raw = Raw::connect(gateway.addresses[0]).await;
    raw.send("GET / HTTP/1.1\r\nhost: a\r\nconnection: upgrade\r\nupgrade: echo\r\n\r\n").await;
    let head = raw.head().await;
    assert!(head.starts_with("HTTP/1.1 101 "), "{head}");
    raw
}

async fn echoes(tunnel: &mut Raw) {
    tunnel.send("still here").await;
    assert_eq!(tunnel.exactly(10).await, b"still here");
}

#[tokio::test]
async fn a_tunnel_takes_one_of_so_many_places() {
    let upstream = switching().await;
    let counted = Counted::start(upstream.address, "connections_per_worker = 2", "1").await;
    let (mut first, mut second) = (tunnel(&counted.gateway).await, tunnel(&counted.gateway).await);
    counted.reaches(2, 2, 2).await;
    let third = TcpStream::connect(counted.gateway.addresses[0]).await.unwrap();
    let third = tokio::spawn(async move {
        let mut raw = Raw::over(third);
        raw.send("GET / HTTP/1.1\r\nhost: a\r\nconnection: upgrade\r\nupgrade: echo\r\n\r\n").await;
        (raw.head().await, raw)
    });
    for _ in 0..50 {
        echoes(&mut first).await;
        echoes(&mut second).await;
    }
    assert!(!third.is_finished(), "it would be the third of two");
    drop(second);
    let (head, mut third) = third.await.unwrap();
    assert!(head.starts_with("HTTP/1.1 101 "), "{head}");
    echoes(&mut third).await;
    counted.reaches(2, 2, 2).await;
    drop((first, third));
    counted.reaches(0, 0, 0).await;
    until("both to be gone", async || (upstream.open() == 0).then_some(())).await;
}
