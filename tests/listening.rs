//! Addresses that come and go: nobody who got through is sent away unheard, and no file of anybody else's is touched.

mod sockets;

use std::collections::BTreeMap;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::harness::raw::Raw;
use crate::harness::{Gateway, Origin, PATIENCE, Upstream, built, one_route, until};

/// How often the address is closed and opened again.
const TURNS: u64 = 10;

/// More than one turn of an event loop takes off a queue.
const WAITING: usize = 300;

/// What became of a client.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum End {
    NotConnected,
    Answered,
    /// It was connected, and got this instead of an answer.
    Unheard(String),
}

/// One request on a connection of its own.
async fn visit(address: SocketAddr) -> End {
    match TcpStream::connect(address).await {
        Ok(stream) => ask(stream).await,
        Err(_) => End::NotConnected,
    }
}

async fn ask(mut stream: TcpStream) -> End {
    let exchange = async {
        stream.write_all(b"GET / HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n").await?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await?;
        io::Result::Ok(answer)
    };
    match timeout(PATIENCE, exchange).await {
        Ok(Ok(answer)) if answer.starts_with("HTTP/1.1 200 ") => End::Answered,
        Ok(answer) => End::Unheard(format!("{answer:?}")),
        Err(_) => End::Unheard("nothing in time".to_owned()),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn who_is_connected_to_an_address_that_goes_is_answered() {
    let upstream = Origin::echo("u").await;
    let (stays, goes) = (Upstream::nobody().await, Upstream::nobody().await);
    let config = |addresses: &[SocketAddr]| {
        let listeners: Vec<_> = addresses.iter().map(|address| format!("{{ address = \"{address}\" }}")).collect();
        format!("workers = 2\nlisteners = [{}]\n{}", listeners.join(", "), one_route(upstream.address, ""))
    };
    let (both, one) = (config(&[stays, goes]), config(&[stays]));
    let gateway = Gateway::start(&both).await;
    let done = Arc::new(AtomicBool::new(false));
    let clients: Vec<_> = (0..8)
        .map(|_| {
            let done = Arc::clone(&done);
            tokio::spawn(async move {
                let mut ends = BTreeMap::new();
                while !done.load(Ordering::Relaxed) {
                    *ends.entry(visit(goes).await).or_insert(0) += 1;
                }
                ends
            })
        })
        .collect();
    for turn in 1..=TURNS {
        let (config, expected) = if turn % 2 == 1 { (&one, End::NotConnected) } else { (&both, End::Answered) };
        gateway.write_config(config);
        until("the next generation", async || (gateway.generation() == turn + 1).then_some(())).await;
        until("its listeners", async || (visit(goes).await == expected).then_some(())).await;
        assert_eq!(visit(stays).await, End::Answered, "the other address is nobody's business");
    }
    done.store(true, Ordering::Relaxed);
    let mut ends = BTreeMap::new();
    for client in clients {
        for (end, count) in client.await.unwrap() {
            *ends.entry(end).or_insert(0) += count;
        }
    }
    let unheard: Vec<_> = ends.iter().filter(|(end, _)| matches!(end, End::Unheard(_))).collect();
    assert!(unheard.is_empty(), "{unheard:?} of {ends:?}");
    assert!(ends[&End::Answered] > 100, "{ends:?}");
}

#[tokio::test]
async fn who_waits_at_an_address_that_goes_is_answered() {
    let upstream = Origin::echo("u").await;
    let (stays, goes) = (Upstream::nobody().await, Upstream::nobody().await);
    let config = |addresses: &str| {
        let spin = "[[services.routes]]\nname = \"spin\"\npaths = [\"/spin\"]\n\
                    plugins = [{ use = \"faulty\", limits = { time = \"1s\" } }]\n";
        let rest = format!("{}{spin}[components.faulty]\npath = \"faulty.wasm\"\n", one_route(upstream.address, ""));
        format!("workers = 1\nlisteners = [{{ address = \"{stays}\" }}{addresses}]\n{rest}")
    };
    let both = config(&format!(", {{ address = \"{goes}\" }}"));
    let gateway = Gateway::start_with(&both, &[("faulty.wasm", &built("guests/faulty.wasm"))]).await;
    // The only worker has its hands full while they come and the address goes.
    let mut busy = Raw::connect(stays).await;
    busy.send("GET /spin HTTP/1.1\r\nhost: a\r\nx-fault: spin\r\n\r\n").await;
    let mut waiting = Vec::new();
    for _ in 0..WAITING {
        waiting.push(tokio::spawn(ask(TcpStream::connect(goes).await.unwrap())));
    }
    gateway.write_config(&config(""));
    until("the next generation", async || (gateway.generation() == 2).then_some(())).await;
    for client in waiting {
        assert_eq!(client.await.unwrap(), End::Answered);
    }
    assert!(busy.head().await.starts_with("HTTP/1.1 500 "), "it timed out");
    until("the address to go", async || (visit(goes).await == End::NotConnected).then_some(())).await;
}
