//! Large bodies with slow readers, and ends that go away.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use bytes::Bytes;
use http_body_util::{BodyExt, StreamBody};
use hyper::body::Frame;
use hyper::{Response, Version};
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio_stream::StreamExt;

use crate::harness::origin::{Body, Speaks, reply};
use crate::harness::raw::Raw;
use crate::harness::session::piecemeal;
use crate::harness::{Gateway, Origin, Session, one_route, until};

const PIECE: usize = 64 << 10;
const PIECES: usize = 1024;
const WHOLE: usize = PIECE * PIECES;
/// More than all the buffers on the way take: of four sockets and of the gateway.
const HELD_BACK: usize = 40 << 20;
/// A second, and another one for a busy machine.
const SOON: Duration = Duration::from_secs(2);

pub(super) const VERSIONS: [Version; 2] = [Version::HTTP_11, Version::HTTP_2];

/// [`WHOLE`] bytes; `made` is how many were asked for so far.
fn source(made: &Arc<AtomicUsize>) -> Body {
    let made = Arc::clone(made);
    let piece = Bytes::from(vec![b'x'; PIECE]);
    let pieces = tokio_stream::iter(0..PIECES).map(move |_| {
        made.fetch_add(PIECE, Ordering::SeqCst);
        Ok(Frame::data(piece.clone()))
    });
    BodyExt::boxed_unsync(StreamBody::new(pieces))
}

/// Wait until `made` stands still, and give what it is.
async fn stalled(made: &AtomicUsize) -> usize {
    let (mut last, mut since) = (0, Instant::now());
    until("the source to stand still", async || {
        let now = made.load(Ordering::SeqCst);
        if now != last {
            (last, since) = (now, Instant::now());
        }
        (now > 0 && since.elapsed() > Duration::from_millis(700)).then_some(now)
    })
    .await
}

async fn session(gateway: &Gateway, version: Version) -> Session {
    Session::over(TcpStream::connect(gateway.addresses[0]).await.unwrap(), version).await
}

/// A gateway before `upstream`, which is spoken to by this version.
async fn gateway(upstream: &Origin, version: Version) -> Gateway {
    let http = if version == Version::HTTP_2 { "http = \"2\"" } else { "" };
    Gateway::start(&one_route(upstream.address, "").replacen(
        "[[services.routes]]",
        &format!("{http}\n[[services.routes]]"),
        1,
    ))
    .await
}

fn speaks(version: Version) -> Speaks {
    if version == Version::HTTP_2 { Speaks::Http2 } else { Speaks::Http1 }
}

#[tokio::test]
async fn an_upload_waits_for_a_slow_upstream() {
    for (client, server) in [(VERSIONS[0], VERSIONS[0]), (VERSIONS[1], VERSIONS[0]), (VERSIONS[0], VERSIONS[1])] {
        let (release, released) = watch::channel(false);
        let upstream = Origin::speaking(speaks(server), move |request| {
            let mut released = released.clone();
            async move {
                drop(released.wait_for(|released| *released).await);
                let (mut body, mut length) = (request.into_body(), 0);
                while let Some(frame) = body.frame().await {
                    length += frame.unwrap().into_data().unwrap().len();
                }
                reply(200, length.to_string())
            }
        })
        .await;
        let gateway = gateway(&upstream, server).await;
        let mut session = session(&gateway, client).await;
        let made = Arc::new(AtomicUsize::new(0));
        let request = session.request("POST", "/", &[], source(&made));
        let answer = tokio::spawn(async move { session.send(request).await });
        let held = stalled(&made).await;
        assert!(held < HELD_BACK, "{client:?} to {server:?}: {held} bytes were taken for an upstream that takes none");
        release.send(true).unwrap();
        let body = answer.await.unwrap().unwrap().into_body().collect().await.unwrap().to_bytes();
        assert_eq!(body, WHOLE.to_string(), "{client:?} to {server:?}");
    }
}

#[tokio::test]
async fn a_download_waits_for_a_slow_client() {
    for (client, server) in [(VERSIONS[0], VERSIONS[0]), (VERSIONS[1], VERSIONS[0]), (VERSIONS[0], VERSIONS[1])] {
        let made = Arc::new(AtomicUsize::new(0));
        let making = Arc::clone(&made);
        let upstream = Origin::speaking(speaks(server), move |_| {
            let body = source(&making);
            async { Response::new(body) }
        })
        .await;
        let gateway = gateway(&upstream, server).await;
        let mut session = session(&gateway, client).await;
        let request = session.request("GET", "/", &[], crate::harness::origin::whole(""));
        let mut body = session.send(request).await.unwrap().into_body();
        let held = stalled(&made).await;
        assert!(held < HELD_BACK, "{client:?} from {server:?}: {held} bytes were taken for a client that takes none");
        let mut length = 0;
        while let Some(frame) = body.frame().await {
            length += frame.unwrap().into_data().map_or(0, |piece| piece.len());
        }
        assert_eq!(length, WHOLE, "{client:?} from {server:?}");
    }
}

/// `/endless` is answered, but never to its end, all else not at all.
async fn patient() -> Origin {
    Origin::raw(|stream| async move {
        let mut raw = Raw::over(stream);
        if raw.head().await.contains(" /endless ") {
            raw.send("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nbegun\r\n").await;
        }
        raw.rest().await;
    })
    .await
}

#[tokio::test]
async fn a_client_that_goes_away_lets_its_upstream_go() {
    let upstream = patient().await;
    let gateway = gateway(&upstream, Version::HTTP_11).await;
    for (turn, path) in ["/silent", "/endless"].into_iter().enumerate() {
        let mut raw = Raw::connect(gateway.addresses[0]).await;
        raw.send(format!("POST {path} HTTP/1.1\r\nhost: a\r\ncontent-length: 1000\r\n\r\n0123456789")).await;
        until("the request to arrive", async || (upstream.connections() == turn + 1).then_some(())).await;
        if path == "/endless" {
            assert!(raw.head().await.starts_with("HTTP/1.1 200 OK"));
        }
        let gone = Instant::now();
        drop(raw);
        until("the upstream's connection to close", async || (upstream.open() == 0).then_some(())).await;
        assert!(gone.elapsed() < SOON, "{path}: after {:?}", gone.elapsed());
    }
}

#[tokio::test]
async fn a_client_that_goes_away_after_its_request_is_noticed() {
    let upstream = patient().await;
    let gateway = gateway(&upstream, Version::HTTP_11).await;
    let mut raw = Raw::connect(gateway.addresses[0]).await;
    raw.send("GET /silent HTTP/1.1\r\nhost: a\r\n\r\n").await;
    until("the request to arrive", async || (upstream.connections() == 1).then_some(())).await;
    let gone = Instant::now();
    drop(raw);
    until("the upstream's connection to close", async || (upstream.open() == 0).then_some(())).await;
    assert!(gone.elapsed() < SOON, "after {:?}", gone.elapsed());
}

/// Says when it is dropped.
struct Dropped(Arc<AtomicUsize>);

impl Drop for Dropped {
    fn drop(&mut self) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

#[tokio::test]
async fn one_stream_of_an_http_2_upstream_is_given_up_alone() {
    let dropped = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&dropped);
    let upstream = Origin::speaking(Speaks::Http2, move |request| {
        let guard = Dropped(Arc::clone(&count));
        async move {
            if request.uri().path() == "/silent" {
                std::future::pending::<()>().await;
            }
            drop(guard);
            reply(200, "ok")
        }
    })
    .await;
    let workers = "workers = 1\nlisteners = [{ address = \"127.0.0.1:0\" }]\n";
    let route = one_route(upstream.address, "").replacen("[[services.routes]]", "http = \"2\"\n[[services.routes]]", 1);
    let gateway = Gateway::start(&format!("{workers}{route}")).await;
    assert_eq!(gateway.get("/").await.text(), "ok");
    let mut raw = Raw::connect(gateway.addresses[0]).await;
    raw.send("GET /silent HTTP/1.1\r\nhost: a\r\n\r\n").await;
    until("the request to arrive", async || (upstream.requests() == 2).then_some(())).await;
    let before = dropped.load(Ordering::SeqCst);
    drop(raw);
    until("the stream to be reset", async || (dropped.load(Ordering::SeqCst) > before).then_some(())).await;
    assert_eq!(gateway.get("/").await.text(), "ok");
    assert_eq!(upstream.connections(), 1, "the connection was kept");
}

#[tokio::test]
async fn an_upstream_that_goes_away_leaves_no_whole_answer_behind() {
    let begin = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nbegun\r\n";
    let upstream = Origin::raw(move |stream| async move {
        let mut raw = Raw::over(stream);
        raw.head().await;
        raw.send(begin).await;
    })
    .await;
    let gateway = gateway(&upstream, Version::HTTP_11).await;
    for version in VERSIONS {
        let mut session = session(&gateway, version).await;
        let answer = session.try_ask("GET", "/", &[], "").await;
        assert!(answer.is_err(), "{version:?}: {answer:?}");
    }
}

#[tokio::test]
async fn an_endless_upload_ends_with_its_upstream() {
    let upstream = Origin::raw(|stream| async move {
        let mut raw = Raw::over(stream);
        raw.head().await;
    })
    .await;
    let gateway = gateway(&upstream, Version::HTTP_11).await;
    let mut session = session(&gateway, Version::HTTP_11).await;
    let (pieces, body) = piecemeal();
    let request = session.request("POST", "/", &[], body);
    pieces.send("begun".into()).unwrap();
    let answer = session.send(request).await.unwrap();
    assert_eq!(answer.status(), 502);
    drop(pieces);
}
