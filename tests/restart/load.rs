//! Under load, with more workers and with fewer: every request is answered, whole.

use std::collections::BTreeMap;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use bytes::Bytes;
use http_body_util::BodyExt;
use hyper::Version;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpStream, UnixStream};
use tokio::time::timeout;

use super::Line;
use crate::harness::raw::Raw;
use crate::harness::session::piecemeal;
use crate::harness::{Gateway, Origin, PATIENCE, Session, Upstream, built, one_route, until};

/// What became of requests, by how they were sent and how they ended.
type Ends = BTreeMap<String, usize>;

/// More than one turn of an event loop takes off a queue.
const WAITING: usize = 200;

/// A request per connection.
async fn visit(address: SocketAddr) -> io::Result<bool> {
    let mut stream = TcpStream::connect(address).await?;
    stream.write_all(b"GET /visit HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n").await?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await?;
    Ok(answer.starts_with("HTTP/1.1 200 ") && answer.ends_with('}'))
}

/// Requests over one connection, for as long as its answers let it be used.
async fn stay(address: SocketAddr, done: &AtomicBool) -> io::Result<bool> {
    let mut stream = TcpStream::connect(address).await?;
    let mut read = Vec::new();
    while !done.load(Ordering::Relaxed) {
        stream.write_all(b"GET /stay HTTP/1.1\r\nhost: a\r\n\r\n").await?;
        let end = loop {
            let text = String::from_utf8_lossy(&read).to_ascii_lowercase();
            if let Some((head, body)) = text.split_once("\r\n\r\n") {
                let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")).unwrap();
                if body.len() >= length.parse::<usize>().unwrap() {
                    break head.to_owned();
                }
            }
            if stream.read_buf(&mut read).await? == 0 {
                return Err(io::Error::other("closed instead of an answer"));
            }
        };
        read.clear();
        if !end.starts_with("http/1.1 200") {
            return Ok(false);
        }
        if end.contains("connection: close") {
            return Ok(true);
        }
    }
    Ok(true)
}

/// The same over HTTP/2, until the gateway says goodbye.
async fn multiplex(address: SocketAddr, done: &AtomicBool) -> io::Result<bool> {
    let mut session = Session::over(TcpStream::connect(address).await?, Version::HTTP_2).await;
    while !done.load(Ordering::Relaxed) {
        match session.try_ask("GET", "/multiplex", &[], "").await {
            Ok(answer) if answer.status == 200 => {}
            Ok(_) => return Ok(false),
            // Refused before it was sent: another connection is to be used.
            Err(error) if error.is_canceled() || error.is_closed() => return Ok(true),
            Err(error) => return Err(io::Error::other(error)),
        }
    }
    Ok(true)
}

async fn note<F>(kind: &str, done: Arc<AtomicBool>, mut ask: impl FnMut() -> F) -> Ends
where
    F: Future<Output = io::Result<bool>>,
{
    let mut ends = Ends::new();
    while !done.load(Ordering::Relaxed) {
        let end = match timeout(PATIENCE, ask()).await {
            Ok(Ok(true)) => "answered".to_owned(),
            Ok(Ok(false)) => "answered otherwise".to_owned(),
            Ok(Err(error)) => error.to_string(),
            Err(_) => "nothing in time".to_owned(),
        };
        *ends.entry(format!("{kind}: {end}")).or_default() += 1;
    }
    ends
}

#[tokio::test(flavor = "multi_thread")]
async fn three_restarts_under_load_lose_nobody() {
    let upstream = Origin::echo("u").await;
    let streaming = Upstream::echo("s").await;
    let config = |workers: usize| {
        let streams = "[[services.routes]]\nname = \"streams\"\npaths = [\"/stream\"]\nstrip_path = false\n";
        let service = format!("[[services]]\nname = \"streaming\"\nurl = \"http://{}\"\n{streams}", streaming.address);
        let listeners = "listeners = [{ address = \"127.0.0.1:0\" }]\n[admin]\naddress = \"127.0.0.1:0\"\n";
        format!("workers = {workers}\n{listeners}{}{service}", one_route(upstream.address, ""))
    };
    let mut line = Line::new(Gateway::start(&config(3)).await);
    let address = line.gateway.addresses[0];
    let done = Arc::new(AtomicBool::new(false));
    let mut clients = Vec::new();
    for _ in 0..3 {
        clients.push(tokio::spawn(note("new connections", Arc::clone(&done), move || visit(address))));
        let until = Arc::clone(&done);
        clients.push(tokio::spawn(note("kept connections", Arc::clone(&done), move || {
            let until = Arc::clone(&until);
            async move { stay(address, &until).await }
        })));
        let until = Arc::clone(&done);
        clients.push(tokio::spawn(note("HTTP/2", Arc::clone(&done), move || {
            let until = Arc::clone(&until);
            async move { multiplex(address, &until).await }
        })));
    }
    let mut before = Vec::new();
    for workers in [1, 4, 2] {
        // A long answer on its way, which ends only when the next process has served for a while.
        let mut session = Session::over(TcpStream::connect(address).await.unwrap(), Version::HTTP_11).await;
        let (pieces, body) = piecemeal();
        let request = session.request("POST", "/stream", &[], body);
        pieces.send(Bytes::from_static(b"begun ")).unwrap();
        let mut answer = session.send(request).await.unwrap().into_body();
        assert_eq!(answer.frame().await.unwrap().unwrap().into_data().unwrap(), "begun ");

        line.gateway.write_config(&config(workers));
        before.push(line.hand_over().await);
        let asked = upstream.requests();
        until("the new process to be busy", async || (upstream.requests() > asked + 200).then_some(())).await;
        pieces.send(Bytes::from_static(b"and ended")).unwrap();
        drop(pieces);
        assert_eq!(timeout(PATIENCE, answer.collect()).await.unwrap().unwrap().to_bytes(), "and ended");
    }
    done.store(true, Ordering::Relaxed);
    let mut ends = Ends::new();
    for client in clients {
        for (end, count) in client.await.unwrap() {
            *ends.entry(end).or_default() += count;
        }
    }
    println!("{} requests reached the upstream; {ends:?}", upstream.requests());
    assert!(ends.keys().all(|end| end.ends_with(": answered")), "{ends:?}");
    assert_eq!(ends.len(), 3, "of each kind: {ends:?}");
    for process in before {
        line.ended(process).await;
    }
    assert_eq!(line.count("not drained in time"), 0, "nobody was cut off");
    line.stop().await;
}

#[tokio::test]
async fn who_waits_in_a_queue_is_served_by_the_next_process() {
    let upstream = Origin::echo("u").await;
    let config = |workers: usize, rest: &str| {
        let spin = "[[services.routes]]\nname = \"spin\"\npaths = [\"/spin\"]\n\
                    plugins = [{ use = \"faulty\", limits = { time = \"1s\" } }]\n";
        let listeners = "listeners = [{ address = \"127.0.0.1:0\" }]\n";
        let service = one_route(upstream.address, "");
        format!("workers = {workers}\n{listeners}{service}{spin}{rest}[components.faulty]\npath = \"faulty.wasm\"\n")
    };
    let mut line =
        Line::new(Gateway::start_with(&config(2, ""), &[("faulty.wasm", &built("guests/faulty.wasm"))]).await);
    let address = line.gateway.addresses[0];
    // Both workers have their hands full while clients come and the process changes, so that these wait in the queues of
    // both.
    let mut busy = Vec::new();
    let came = Arc::new(AtomicUsize::new(0));
    for _ in 0..6 {
        let mut raw = Raw::connect(address).await;
        raw.send("GET /spin HTTP/1.1\r\nhost: a\r\nx-fault: spin\r\n\r\n").await;
        busy.push(raw);
    }
    line.gateway.write_config(&config(1, ""));
    let before = line.process;
    let clients: Vec<_> = (0..WAITING)
        .map(|_| {
            let came = Arc::clone(&came);
            tokio::spawn(async move {
                let answered = timeout(PATIENCE * 2, visit(address)).await.expect("an answer in time").unwrap();
                came.fetch_add(1, Ordering::Relaxed);
                answered
            })
        })
        .collect();
    line.hand_over().await;
    for client in clients {
        assert!(client.await.unwrap());
    }
    assert_eq!(came.load(Ordering::Relaxed), WAITING);
    for mut raw in busy {
        assert!(raw.head().await.starts_with("HTTP/1.1 500 "), "it timed out, and said so");
    }
    line.ended(before).await;
}

#[tokio::test]
async fn idle_connections_have_one_more_request() {
    let upstream = Origin::echo("u").await;
    let mut line = Line::new(Gateway::start(&one_route(upstream.address, "")).await);
    let mut idle = Raw::connect(line.gateway.addresses[0]).await;
    idle.send("GET / HTTP/1.1\r\nhost: a\r\n\r\n").await;
    assert!(idle.answer().await.0.starts_with("http/1.1 200 ok"));
    let mut silent = Raw::connect(line.gateway.addresses[0]).await;
    let before = line.hand_over().await;
    tokio::time::sleep(Duration::from_millis(300)).await;
    for raw in [&mut idle, &mut silent] {
        raw.send("GET / HTTP/1.1\r\nhost: a\r\n\r\n").await;
        let (head, _) = raw.answer().await;
        assert!(head.starts_with("http/1.1 200 ok") && head.contains("\r\nconnection: close\r\n"), "{head}");
        assert_eq!(raw.rest().await, "");
    }
    line.ended(before).await;
}

#[tokio::test]
async fn a_unix_socket_and_its_file_are_handed_over() {
    let upstream = Origin::echo("u").await;
    let place = tempfile::tempdir().unwrap();
    let socket = place.path().join("gateway.sock");
    let listeners =
        format!("listeners = [{{ address = \"unix:{}\" }}, {{ address = \"127.0.0.1:0\" }}]\n", socket.display());
    let mut line = Line::new(Gateway::start(&format!("{listeners}{}", one_route(upstream.address, ""))).await);
    for _ in 0..2 {
        let before = line.hand_over().await;
        line.ended(before).await;
        let stream = UnixStream::connect(&socket).await.unwrap();
        assert_eq!(Session::over(stream, Version::HTTP_11).await.get("/").await.status, 200);
    }
    line.stop().await;
    assert!(!socket.exists(), "the last one's file goes with it");
}

#[tokio::test]
async fn an_address_that_the_next_process_does_not_want_is_closed_in_order() {
    let upstream = Origin::echo("u").await;
    let (stays, goes, comes) = (Upstream::nobody().await, Upstream::nobody().await, Upstream::nobody().await);
    let config = |addresses: [SocketAddr; 2]| {
        let [one, other] = addresses.map(|address| format!("{{ address = \"{address}\" }}"));
        format!("workers = 2\nlisteners = [{one}, {other}]\n{}", one_route(upstream.address, ""))
    };
    let mut line = Line::new(Gateway::start(&config([stays, goes])).await);
    let mut last = Raw::connect(goes).await;
    // Its look at the file comes later than the new process's, or both find the same.
    line.gateway.write_config(&config([stays, comes]));
    let before = line.hand_over().await;
    last.send("GET / HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n").await;
    assert!(last.answer().await.0.starts_with("http/1.1 200 "));
    line.ended(before).await;
    assert!(visit(stays).await.unwrap() && visit(comes).await.unwrap());
    assert!(TcpStream::connect(goes).await.is_err(), "nobody listens there");
}
