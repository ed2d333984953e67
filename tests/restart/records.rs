//! Records in disk buffers go from one process to the next, those of requests that the old one still finishes included.

use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use bytes::Bytes;
use http_body_util::BodyExt;
use hyper::Version;
use tokio::net::TcpStream;

use super::Line;
use crate::harness::gateway::folder;
use crate::harness::receiver::{Fate, Protocol};
use crate::harness::session::piecemeal;
use crate::harness::{Client, Gateway, Receiver, Session, Upstream, one_route, until};

#[tokio::test(flavor = "multi_thread")]
async fn every_record_is_delivered_across_restarts() {
    let upstream = Upstream::echo("u").await;
    // It fails now and then, so that there is always something in the buffer.
    let fate = || if fastrand::u32(0..4) == 0 { Fate::Status(503) } else { Fate::Taken };
    let receiver = Receiver::start(Protocol::Lines, fate).await;
    let sink = format!(
        "[[sinks]]\nname = \"s\"\nkind = \"http\"\nurl = \"http://{}/\"\nretry = {{ max_wait = \"200ms\" }}\n\
         batch = {{ max_wait = \"50ms\" }}\nbuffer = {{ disk = \"var/s\" }}\n",
        receiver.address
    );
    let uses = "plugins = [{ use = \"http-log\", grants = { sinks = [\"s\"] }, config = { sink = \"s\" } }]\n";
    let config = format!("{}{sink}", one_route(upstream.address, uses));
    let mut line = Line::new(Gateway::start_in(folder(&config, &[])).await);
    let address = line.gateway.addresses[0];

    let done = Arc::new(AtomicBool::new(false));
    let asking = tokio::spawn({
        let done = Arc::clone(&done);
        async move {
            let mut number = 0;
            while !done.load(Ordering::Relaxed) {
                let mut client = Client::connect(address).await;
                let headers = [("connection", "close")];
                assert_eq!(client.send("GET", &format!("/n{number}-"), &headers, "").await.status, 200);
                number += 1;
            }
            number
        }
    });
    for turn in 0..2 {
        let mut session = Session::over(TcpStream::connect(address).await.unwrap(), Version::HTTP_11).await;
        let (pieces, body) = piecemeal();
        let request = session.request("POST", "/stream", &[("user-agent", &*format!("long-{turn}"))], body);
        pieces.send(Bytes::from_static(b"begun")).unwrap();
        let mut answer = session.send(request).await.unwrap().into_body();
        answer.frame().await.unwrap().unwrap();
        let before = line.hand_over().await;
        tokio::time::sleep(Duration::from_millis(300)).await;
        drop(pieces);
        answer.collect().await.unwrap();
        line.ended(before).await;
    }
    done.store(true, Ordering::Relaxed);
    let asked: usize = asking.await.unwrap();
    assert!(asked > 20, "{asked}");
    let missing = || {
        let records = receiver.records();
        let words = records.iter().flat_map(|record| record.split(['"', '/']));
        let came: HashSet<&str> = words.collect();
        let wanted = (0..asked).map(|number| format!("n{number}-")).chain((0..2).map(|turn| format!("long-{turn}")));
        wanted.filter(|what| !came.contains(&**what)).collect::<Vec<_>>()
    };
    let delivered = crate::harness::within(crate::harness::PATIENCE, async || missing().is_empty().then_some(())).await;
    assert!(delivered.is_some(), "of {asked}: {:?}", missing());
    let empty = || {
        let files = std::fs::read_dir(line.gateway.path("var/s")).unwrap();
        files.map(|file| file.unwrap().file_name().into_string().unwrap()).all(|name| !name.starts_with("aside-"))
    };
    until("nothing to be beside the buffer", async || empty().then_some(())).await;
    line.stop().await;
}
