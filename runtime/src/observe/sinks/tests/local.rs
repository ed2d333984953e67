//! Unix sockets, of both kinds.

use std::os::unix::net::UnixDatagram;

use tokio::io::AsyncReadExt;
use tokio::net::UnixListener;

use super::*;

/// Batches of ten, quick to try again, to `log` in the bench's folder.
fn table(bench: &Bench, kind: &str, more: &str) -> String {
    let batch = "batch = { max_records = 10, max_wait = \"10ms\" }, retry = { max_wait = \"50ms\" }";
    format!("{{ name = \"s\", kind = {kind}, address = \"unix:{}\", {batch}{more} }}", bench.path("log").display())
}

fn bind(bench: &Bench) -> UnixDatagram {
    let socket = UnixDatagram::bind(bench.path("log")).unwrap();
    socket.set_nonblocking(true).unwrap();
    socket
}

async fn receive(socket: &UnixDatagram) -> String {
    let mut datagram = vec![0; 65_536];
    let length = until("a datagram", || socket.recv(&mut datagram).ok()).await;
    String::from_utf8(datagram[..length].to_vec()).unwrap()
}

async fn expect(socket: &UnixDatagram, records: std::ops::Range<usize>) {
    for number in records {
        assert_eq!(receive(socket).await, number.to_string());
    }
}

#[tokio::test]
async fn each_record_is_a_datagram_of_its_own() {
    let mut bench = Bench::new();
    let socket = bind(&bench);
    let sinks = bench.load(&table(&bench, "\"udp\"", ""));
    let largest = "x".repeat(limits::SINK_DATAGRAM_BYTES);
    let records = ["a", "b\n", &largest];
    records.iter().for_each(|record| sinks.emit("s", record.as_bytes()).unwrap());
    assert_eq!(sinks.emit("s", format!("{largest}x").as_bytes()), Err(Full::Record));
    for record in records {
        assert_eq!(receive(&socket).await, record);
    }
    let counts = bench.counts();
    until("the counts", || (counts.records() == 3 && counts.buffered() == 0).then_some(())).await;
    assert_eq!((counts.bytes(), counts.retries()), (65_003, 0));
}

#[tokio::test]
async fn a_socket_that_comes_later_gets_what_came_before() {
    let mut bench = Bench::new();
    let sinks = bench.load(&table(&bench, "\"udp\"", ""));
    emit(&sinks, 0..25).await;
    let counts = bench.counts();
    until("some retries", || (counts.retries() > 2).then_some(())).await;
    expect(&bind(&bench), 0..25).await;
    until("the counts", || (counts.records() == 25 && counts.buffered() == 0).then_some(())).await;
}

#[tokio::test]
async fn nothing_is_lost_while_its_owner_restarts() {
    let mut bench = Bench::new();
    let socket = bind(&bench);
    let sinks = bench.load(&table(&bench, "\"udp\"", ""));
    emit(&sinks, 0..100).await;
    expect(&socket, 0..100).await;
    // Its file stays behind, as that of a process that was killed.
    drop(socket);
    emit(&sinks, 100..150).await;
    let counts = bench.counts();
    until("some retries", || (counts.retries() > 2).then_some(())).await;
    fs::remove_file(bench.path("log")).unwrap();
    emit(&sinks, 150..200).await;
    expect(&bind(&bench), 100..200).await;
    until("the counts", || (counts.records() == 200).then_some(())).await;
    assert_eq!(counts.dropped(Dropped::GaveUp), 0);
}

#[tokio::test]
async fn an_owner_that_is_back_already_is_found_at_once() {
    let mut bench = Bench::new();
    let sinks = bench.load(&table(&bench, "\"udp\"", ""));
    for number in 0..5 {
        let socket = bind(&bench);
        emit(&sinks, number..number + 1).await;
        expect(&socket, number..number + 1).await;
        drop(socket);
        fs::remove_file(bench.path("log")).unwrap();
    }
    assert_eq!((bench.counts().retries(), bench.counts().dropped(Dropped::GaveUp)), (0, 0));
}

#[tokio::test]
async fn another_socket_at_the_path_is_found_though_the_old_one_lives() {
    let mut bench = Bench::new();
    let old = bind(&bench);
    let sinks = bench.load(&table(&bench, "\"udp\"", ""));
    sinks.emit("s", b"1").unwrap();
    assert_eq!(receive(&old).await, "1");
    fs::remove_file(bench.path("log")).unwrap();
    let new = bind(&bench);
    until("a record there", || {
        sinks.emit("s", b"2").unwrap();
        old.recv(&mut [0; 10]).ok();
        new.recv(&mut [0; 10]).ok()
    })
    .await;
}

#[tokio::test]
async fn a_full_socket_is_waited_for_within_the_bounds_of_the_buffer() {
    let mut bench = Bench::new();
    let socket = bind(&bench);
    let sinks = bench.load(&table(&bench, "\"udp\"", ", buffer = { memory = \"64KiB\" }"));
    let counts = bench.counts();
    let mut taken = 0;
    while sinks.emit("s", taken.to_string().as_bytes()).is_ok() {
        taken += 1;
        // So that the task has its turn.
        sleep(Duration::from_micros(10)).await;
    }
    assert!(counts.buffered() <= 64 << 10 && counts.dropped(Dropped::Full) == 1);
    expect(&socket, 0..taken).await;
    until("the counts", || (counts.records() == taken as u64 && counts.buffered() == 0).then_some(())).await;
    assert_eq!((counts.retries(), counts.dropped(Dropped::GaveUp)), (0, 0));
}

#[tokio::test]
async fn the_end_does_not_wait_for_a_socket_that_is_not_there() {
    let mut bench = Bench::new();
    let sinks = bench.load(&table(&bench, "\"udp\"", ""));
    emit(&sinks, 0..100).await;
    let (counts, begun) = (bench.counts(), Instant::now());
    bench.deliveries.end().await;
    assert!(begun.elapsed() < limits::SINK_END + Duration::from_millis(400), "{:?}", begun.elapsed());
    assert_eq!((counts.dropped(Dropped::GaveUp), counts.buffered()), (100, 0));
}

#[tokio::test]
async fn what_is_on_a_disk_waits_for_the_socket_beyond_a_restart() {
    let mut bench = Bench::new();
    let table = table(&bench, "\"udp\"", ", buffer = { disk = \"var/s\" }");
    let sinks = bench.load(&table);
    sinks.begin();
    emit(&sinks, 0..100).await;
    bench.deliveries.end().await;
    drop(sinks);
    let mut bench = Bench { folder: bench.folder, ..Bench::new() };
    let socket = bind(&bench);
    bench.load(&table).begin();
    expect(&socket, 0..100).await;
}

#[tokio::test]
async fn syslog_messages_are_as_this_machines_daemons_expect_them() {
    let mut bench = Bench::new();
    let socket = bind(&bench);
    let sinks = bench.load(&table(&bench, "\"syslog\"", ", facility = \"user\", app_name = \"edge\""));
    sinks.emit("s", b"hello").unwrap();
    assert_eq!(receive(&socket).await, format!("<14>edge[{}]: hello", std::process::id()));
    let sinks = bench.load(&table(&bench, "\"syslog\"", ", format = \"rfc5424\""));
    sinks.emit("s", b"hello").unwrap();
    let message = receive(&socket).await;
    assert!(message.starts_with("<134>1 20") && message.ends_with(" - - hello"), "{message}");
}

/// Read the next connection to its end, or so many bytes of it.
async fn read(listener: &UnixListener, most: usize) -> String {
    let (stream, _) = listener.accept().await.unwrap();
    let mut text = String::new();
    stream.take(most as u64).read_to_string(&mut text).await.unwrap();
    text
}

#[tokio::test]
async fn a_stream_is_one_connection() {
    let mut bench = Bench::new();
    let sinks = bench.load(&table(&bench, "\"tcp\"", ""));
    emit(&sinks, 0..25).await;
    let counts = bench.counts();
    until("some retries", || (counts.retries() > 2).then_some(())).await;
    let listener = UnixListener::bind(bench.path("log")).unwrap();
    let reading = tokio::spawn(async move { read(&listener, usize::MAX).await });
    emit(&sinks, 25..1_000).await;
    bench.deliveries.end().await;
    assert_eq!(reading.await.unwrap(), lines(0..1_000));
    assert_eq!((counts.records(), counts.buffered(), counts.dropped(Dropped::GaveUp)), (1_000, 0, 0));
}

#[tokio::test]
async fn what_a_stream_had_not_read_before_it_closed_is_sent_again() {
    let mut bench = Bench::new();
    let sinks = bench.load(&table(&bench, "\"tcp\"", ""));
    let listener = UnixListener::bind(bench.path("log")).unwrap();
    emit(&sinks, 0..100).await;
    let first = read(&listener, 25).await;
    assert!(lines(0..100).starts_with(&first));
    // It restarts, with another socket at the same path.
    drop(listener);
    fs::remove_file(bench.path("log")).unwrap();
    let listener = UnixListener::bind(bench.path("log")).unwrap();
    let reading = tokio::spawn(async move { read(&listener, usize::MAX).await });
    emit(&sinks, 100..200).await;
    let counts = bench.counts();
    until("a retry", || (counts.retries() > 0).then_some(())).await;
    bench.deliveries.end().await;
    assert_eq!(reading.await.unwrap(), lines(0..200));
}

#[tokio::test]
async fn syslog_messages_into_a_stream_are_counted() {
    let mut bench = Bench::new();
    let listener = UnixListener::bind(bench.path("log")).unwrap();
    let sinks = bench.load(&table(&bench, "\"syslog\", transport = \"tcp\"", ""));
    let reading = tokio::spawn(async move { read(&listener, usize::MAX).await });
    sinks.emit("s", b"hello").unwrap();
    bench.deliveries.end().await;
    let all = reading.await.unwrap();
    let (length, message) = all.split_once(' ').unwrap();
    assert_eq!(length.parse::<usize>().unwrap(), message.len());
    assert!(message.starts_with("<134>1 ") && message.ends_with(" - - hello"), "{message}");
}
