use std::net::UdpSocket;

use super::*;

fn listen() -> (UdpSocket, String) {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    socket.set_nonblocking(true).unwrap();
    let address = socket.local_addr().unwrap().to_string();
    (socket, address)
}

async fn receive(socket: &UdpSocket) -> String {
    let mut datagram = vec![0; 65_536];
    let length = until("a datagram", || socket.recv(&mut datagram).ok()).await;
    String::from_utf8(datagram[..length].to_vec()).unwrap()
}

#[tokio::test]
async fn each_record_is_a_datagram() {
    let (socket, address) = listen();
    let mut bench = Bench::new();
    let table = r#"{ name = "s", kind = "udp", address = "PEER", batch = { max_wait = "10ms" } }"#;
    let sinks = bench.load(&table.replace("PEER", &address));
    let largest = "x".repeat(limits::SINK_DATAGRAM_BYTES);
    let records = ["a", "b\n", &largest];
    records.iter().for_each(|record| sinks.emit("s", record.as_bytes()).unwrap());
    assert_eq!(sinks.emit("s", format!("{largest}x").as_bytes()), Err(Full::Record));
    for record in records {
        assert_eq!(receive(&socket).await, record);
    }
    let counts = bench.counts();
    until("the counts", || (counts.records() == 3 && counts.buffered() == 0).then_some(())).await;
    assert_eq!(counts.dropped(Dropped::TooLarge), 1);
}

#[tokio::test]
async fn a_peer_that_comes_later_gets_what_comes_then() {
    let (socket, address) = listen();
    drop(socket);
    let mut bench = Bench::new();
    let table = r#"{ name = "s", kind = "udp", address = "PEER", batch = { max_wait = "1ms" } }"#;
    let sinks = bench.load(&table.replace("PEER", &address));
    for _ in 0..20 {
        sinks.emit("s", b"into the void").unwrap();
        sleep(Duration::from_millis(5)).await;
    }
    let counts = bench.counts();
    until("an end", || (counts.records() + counts.dropped(Dropped::GaveUp) == 20).then_some(())).await;
    let socket = UdpSocket::bind(&address).unwrap();
    socket.set_nonblocking(true).unwrap();
    sinks.emit("s", b"here").unwrap();
    sinks.emit("s", b"here").unwrap();
    assert_eq!(receive(&socket).await, "here");
}

#[tokio::test]
async fn a_name_that_nobody_resolves_loses_records_and_does_not_wait() {
    let mut bench = Bench::new();
    let sinks = bench.load(r#"{ name = "s", kind = "udp", address = "logs.invalid:1", batch = { max_wait = "1ms" } }"#);
    emit(&sinks, 0..10).await;
    let counts = bench.counts();
    until("the loss", || (counts.dropped(Dropped::GaveUp) == 10).then_some(())).await;
}

#[tokio::test]
async fn syslog_messages_are_datagrams() {
    let (socket, address) = listen();
    let mut bench = Bench::new();
    let table = r#"{ name = "s", kind = "syslog", address = "PEER", facility = "user", app_name = "edge" }"#;
    let sinks = bench.load(&table.replace("PEER", &address));
    sinks.emit("s", b"hello").unwrap();
    bench.deliveries.end().await;
    let message = receive(&socket).await;
    let parts: Vec<&str> = message.split(' ').collect();
    let [head, time, _host, app, pid, id, data, text] = parts[..] else { panic!("{message}") };
    assert_eq!((head, app, id, data, text), ("<14>1", "edge", "-", "-", "hello"));
    assert_eq!(pid, std::process::id().to_string());
    assert!(time.starts_with("20") && time.ends_with('Z'), "{time}");
}
