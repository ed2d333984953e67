use std::net::SocketAddr;
use std::sync::Mutex;

use tokio::io::AsyncReadExt;
use tokio::net::{TcpListener, TcpSocket};
use tokio::task::JoinHandle;

use super::*;
use crate::tls::testing::{Authority, serving};

/// A peer that reads; what came over each connection is kept apart.
struct Peer {
    address: SocketAddr,
    read: Arc<Mutex<Vec<String>>>,
    server: JoinHandle<()>,
}

impl Peer {
    async fn start() -> Self {
        Self::at(([127, 0, 0, 1], 0).into(), &[])
    }

    /// Its first connections are closed after so many bytes.
    fn at(address: SocketAddr, cuts: &[usize]) -> Self {
        let socket = TcpSocket::new_v4().unwrap();
        socket.set_reuseaddr(true).unwrap();
        socket.bind(address).unwrap();
        let listener = socket.listen(16).unwrap();
        let address = listener.local_addr().unwrap();
        let read = Arc::default();
        let server = tokio::spawn(serve(listener, Arc::clone(&read), cuts.to_vec()));
        Self { address, read, server }
    }

    /// Stop at once; what was read.
    async fn stop(self) -> Vec<String> {
        self.server.abort();
        until("its end", || self.server.is_finished().then_some(())).await;
        self.connections()
    }

    fn connections(&self) -> Vec<String> {
        self.read.lock().unwrap().clone()
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        self.server.abort();
    }
}

async fn serve(listener: TcpListener, read: Arc<Mutex<Vec<String>>>, cuts: Vec<usize>) {
    let mut cuts = cuts.into_iter();
    while let Ok((mut stream, _)) = listener.accept().await {
        let cut = cuts.next();
        read.lock().unwrap().push(String::new());
        let mut piece = [0; 777];
        let mut length = 0;
        while cut.is_none_or(|cut| length < cut) {
            let most = cut.map_or(piece.len(), |cut| (cut - length).min(piece.len()));
            match stream.read(&mut piece[..most]).await {
                Ok(got) if got > 0 => {
                    length += got;
                    let mut read = read.lock().unwrap();
                    read.last_mut().unwrap().push_str(str::from_utf8(&piece[..got]).unwrap());
                }
                _ => break,
            }
        }
    }
}

fn table(to: SocketAddr, more: &str) -> String {
    let batch = "batch = { max_records = 10, max_wait = \"20ms\" }, retry = { max_wait = \"50ms\" }";
    format!("{{ name = \"s\", kind = \"tcp\", address = \"{to}\", {batch}{more} }}")
}

/// The first time that each record came, in this order.
fn firsts(connections: &[String]) -> Vec<usize> {
    let mut firsts = Vec::new();
    let mut known = std::collections::HashSet::new();
    for text in connections {
        // The last line may be cut.
        let whole = text.rsplit_once('\n').map_or("", |(whole, _)| whole);
        firsts.extend(whole.lines().map(|line| line.parse::<usize>().unwrap()).filter(|line| known.insert(*line)));
    }
    firsts
}

#[tokio::test]
async fn records_come_in_order_over_one_connection() {
    let peer = Peer::start().await;
    let mut bench = Bench::new();
    let sinks = bench.load(&table(peer.address, ""));
    emit(&sinks, 0..1_000).await;
    until("all records", || (peer.connections().concat() == lines(0..1_000)).then_some(())).await;
    assert_eq!(peer.connections().len(), 1);
    let counts = bench.counts();
    until("the counts", || (counts.records() == 1_000 && counts.buffered() == 0).then_some(())).await;
    assert_eq!((counts.retries(), counts.bytes()), (0, lines(0..1_000).len() as u64));
}

#[tokio::test]
async fn what_a_peer_did_not_read_before_it_closed_is_sent_again() {
    let peer = Peer::at(([127, 0, 0, 1], 0).into(), &[0, 25, 4_000, 1]);
    let mut bench = Bench::new();
    let sinks = bench.load(&table(peer.address, ""));
    for start in (0..3_000).step_by(100) {
        emit(&sinks, start..start + 100).await;
        sleep(Duration::from_millis(10)).await;
    }
    until("all records", || (firsts(&peer.connections()).len() == 3_000).then_some(())).await;
    assert!(firsts(&peer.connections()).into_iter().eq(0..3_000), "in order, but for those that come again");
    assert!(bench.counts().retries() > 0);
    until("certainty", || (bench.counts().records() == 3_000).then_some(())).await;
}

#[tokio::test]
async fn nothing_is_lost_when_the_peer_restarts_and_memory_is_bounded_meanwhile() {
    let mut peer = Peer::start().await;
    let address = peer.address;
    let mut bench = Bench::new();
    let sinks = Arc::new(bench.load(&table(address, ", buffer = { memory = \"64KiB\" }")));
    let counts = bench.counts();
    let emitting = tokio::spawn({
        let sinks = Arc::clone(&sinks);
        async move { emit(&sinks, 0..5_000).await }
    });
    let mut connections = Vec::new();
    for restart in 1..4 {
        until("some records", || (firsts(&peer.connections()).len() > 100 * restart).then_some(())).await;
        connections.extend(peer.stop().await);
        let refused = counts.dropped(Dropped::Full);
        until("refusals", || {
            assert!(counts.buffered() <= 64 << 10);
            (counts.dropped(Dropped::Full) > refused + 5).then_some(())
        })
        .await;
        peer = Peer::at(address, &[]);
    }
    emitting.await.unwrap();
    until("all records", || peer.connections().concat().ends_with("4999\n").then_some(())).await;
    connections.extend(peer.connections());
    assert!(firsts(&connections).into_iter().eq(0..5_000));
    assert_eq!(counts.dropped(Dropped::GaveUp), 0);
}

#[tokio::test]
async fn a_peer_that_takes_nothing_is_given_up_and_tried_again() {
    // It accepts, by its backlog, and reads nothing.
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let mut bench = Bench::new();
    let sinks = bench.load(&table(listener.local_addr().unwrap(), ", timeout = \"200ms\""));
    let counts = bench.counts();
    let record = [b'x'; 100_000];
    until("a retry", || {
        let _ = sinks.emit("s", &record);
        (counts.retries() > 0).then_some(())
    })
    .await;
    assert!(counts.buffered() <= 16 << 20);
}

#[tokio::test]
async fn the_end_waits_until_the_peer_has_read_all() {
    let peer = Peer::start().await;
    let mut bench = Bench::new();
    let sinks = bench.load(&table(peer.address, "").replace("20ms", "1h"));
    emit(&sinks, 0..15_005).await;
    let counts = bench.counts();
    bench.deliveries.end().await;
    assert_eq!(peer.connections().concat(), lines(0..15_005));
    assert_eq!((counts.records(), counts.buffered()), (15_005, 0));
}

#[tokio::test]
async fn a_peer_that_hangs_up_each_time_is_not_asked_without_pause() {
    let peer = Peer::at(([127, 0, 0, 1], 0).into(), &[1; 10_000]);
    let mut bench = Bench::new();
    let sinks = bench.load(&table(peer.address, "").replace("50ms", "200ms"));
    emit(&sinks, 0..10).await;
    sleep(Duration::from_secs(1)).await;
    assert!((2..20).contains(&peer.connections().len()), "{}", peer.connections().len());
}

#[tokio::test]
async fn a_name_is_resolved_as_those_of_upstreams_are() {
    let peer = Peer::start().await;
    let mut bench = Bench::new();
    std::fs::write(bench.path("hosts"), "127.0.0.1 logs.internal\n").unwrap();
    let settings = crate::dns::Settings {
        nameservers: vec![nobody()],
        hosts: Some(bench.path("hosts")),
        ..crate::dns::Settings::default()
    };
    bench.resolver = Some(Resolver::new(&settings).unwrap());
    let tables = table(peer.address, "").replace("127.0.0.1", "logs.internal");
    let sinks = bench.load(&tables);
    emit(&sinks, 0..10).await;
    until("all records", || (peer.connections().concat() == lines(0..10)).then_some(())).await;
}

#[tokio::test]
async fn over_tls() {
    let authority = Authority::new("ours");
    let server = serving(vec![authority.issue(&["127.0.0.1"])]).into_config().unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let reading = tokio::spawn(async move {
        let (stream, _) = listener.accept().await.unwrap();
        let mut stream = tokio_rustls::TlsAcceptor::from(server).accept(stream).await.unwrap();
        let mut text = String::new();
        stream.read_to_string(&mut text).await.unwrap();
        text
    });
    let mut bench = Bench::new();
    fs::write(bench.path("ca.pem"), authority.0.pem()).unwrap();
    let sinks = bench.load(&table(address, ", tls = true, ca = \"ca.pem\""));
    emit(&sinks, 0..1_000).await;
    bench.deliveries.end().await;
    assert_eq!(reading.await.unwrap(), lines(0..1_000), "and it was ended in order");
}

#[tokio::test]
async fn syslog_messages_over_tcp_are_counted() {
    let peer = Peer::start().await;
    let mut bench = Bench::new();
    let tables = table(peer.address, "").replace("\"tcp\"", "\"syslog\", transport = \"tcp\", severity = \"err\"");
    let sinks = bench.load(&tables);
    emit(&sinks, 0..20).await;
    bench.deliveries.end().await;
    let all = peer.connections().concat();
    let mut rest = all.as_str();
    for number in 0..20 {
        let (length, message) = rest.split_once(' ').unwrap();
        let (message, after) = message.split_at(length.parse().unwrap());
        assert!(message.starts_with("<131>1 ") && message.ends_with(&format!(" - - {number}")), "{message}");
        rest = after;
    }
    assert_eq!(rest, "");
}
