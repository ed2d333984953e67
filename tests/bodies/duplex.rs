//! Answers that begin before their request is complete, and end after it: both ways go on at their own pace, and the
//! connection is as good as before.

use std::net::Shutdown;

use bytes::Bytes;
use http_body_util::{BodyExt, StreamBody};
use hyper::body::{Frame, Incoming};
use hyper::{Request, Response};
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio_stream::wrappers::UnboundedReceiverStream;

use super::flow::VERSIONS;
use crate::harness::certs::Authority;
use crate::harness::gateway::folder;
use crate::harness::origin::{Body, Speaks};
use crate::harness::session::piecemeal;
use crate::harness::{Gateway, Origin, Session, one_route, tls};

/// Says "begun" at once, reads all of the request, and ends with how many bytes that was.
async fn begins_at_once(request: Request<Incoming>) -> Response<Body> {
    let (pieces, receiver) = mpsc::unbounded_channel();
    pieces.send(Bytes::from_static(b"begun")).unwrap();
    tokio::spawn(async move {
        let whole = request.into_body().collect().await.map(|collected| collected.to_bytes().len());
        let end = whole.map_or("broken".to_owned(), |length| format!(" {length}"));
        drop(pieces.send(end.into()));
    });
    let frames = tokio_stream::StreamExt::map(UnboundedReceiverStream::new(receiver), |piece| Ok(Frame::data(piece)));
    Response::new(BodyExt::boxed_unsync(StreamBody::new(frames)))
}

async fn goes_both_ways(gateway: &Gateway, upstream: &Origin) {
    // More than sockets and TLS hold on to.
    const PIECE: usize = 512 << 10;
    const PIECES: usize = 20;
    for version in VERSIONS {
        let mut session = Session::over(TcpStream::connect(gateway.addresses[0]).await.unwrap(), version).await;
        for _ in 0..3 {
            let (pieces, body) = piecemeal();
            let request = session.request("POST", "/", &[], body);
            pieces.send("first".into()).unwrap();
            let mut answer = session.send(request).await.unwrap().into_body();
            let begun = answer.frame().await.unwrap().unwrap().into_data().unwrap();
            assert_eq!(begun, "begun", "{version:?}");
            for _ in 0..PIECES {
                pieces.send(vec![b'x'; PIECE].into()).unwrap();
            }
            drop(pieces);
            let rest = answer.collect().await.unwrap().to_bytes();
            assert_eq!(rest, format!(" {}", 5 + PIECE * PIECES), "{version:?}");
        }
    }
    assert_eq!(upstream.connections(), 1, "what is complete on both sides is kept");
}

#[tokio::test]
async fn an_upload_goes_on_behind_an_answer_that_came_first() {
    let upstream = Origin::serve(begins_at_once).await;
    let gateway = Gateway::start(&format!(
        "workers = 1\nlisteners = [{{ address = \"127.0.0.1:0\" }}]\n{}",
        one_route(upstream.address, "")
    ))
    .await;
    goes_both_ways(&gateway, &upstream).await;
}

#[tokio::test]
async fn the_same_over_tls() {
    let ours = Authority::new("ours");
    let config = tls::server(&ours.server(&["localhost"]), &["http/1.1"], None);
    let upstream = Origin::speaking(Speaks::Tls(config), begins_at_once).await;
    let config = format!(
        "workers = 1\nlisteners = [{{ address = \"127.0.0.1:0\" }}]\n[[services]]\nname = \"s\"\n\
         url = \"https://localhost:{}\"\ntls = {{ ca = \"ca.pem\" }}\n\
         routes = [{{ name = \"r\", paths = [\"/\"] }}]\n",
        upstream.address.port()
    );
    let folder = folder(&config, &[]);
    ours.write(folder.path(), "ca");
    let gateway = Gateway::start_in(folder).await;
    goes_both_ways(&gateway, &upstream).await;
}

/// The exchange cannot end well any more, and neither side should wait for the other.
#[tokio::test]
async fn a_client_that_goes_away_in_the_middle_takes_both_ways_along() {
    let upstream = Origin::serve(begins_at_once).await;
    let gateway = Gateway::start(&one_route(upstream.address, "")).await;
    for version in VERSIONS {
        let stream = TcpStream::connect(gateway.addresses[0]).await.unwrap().into_std().unwrap();
        let cut = stream.try_clone().unwrap();
        let mut session = Session::over(TcpStream::from_std(stream).unwrap(), version).await;
        let (pieces, body) = piecemeal();
        pieces.send("first".into()).unwrap();
        let request = session.request("POST", "/", &[], body);
        let mut answer = session.send(request).await.unwrap().into_body();
        assert_eq!(answer.frame().await.unwrap().unwrap().into_data().unwrap(), "begun");
        // While its body is still open: a client that dropped that first might well end the request properly.
        cut.shutdown(Shutdown::Both).unwrap();
        crate::harness::until("the upstream's connection to close", async || (upstream.open() == 0).then_some(()))
            .await;
        drop(pieces);
    }
}
