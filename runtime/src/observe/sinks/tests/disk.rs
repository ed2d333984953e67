//! Sinks with a disk buffer, as one process after the other has them.

use super::origin::{Act, Origin};
use super::*;

/// Batches of ten, quick to try again, into a peer of one's own.
fn table(to: std::net::SocketAddr, more: &str) -> String {
    format!(
        r#"{{ name = "s", kind = "http", url = "http://{to}/", batch = {{ max_records = 10, max_wait = "20ms" }}, retry = {{ max_wait = "50ms" }}, buffer = {{ disk = "var/s"{more} }} }}"#
    )
}

fn began(bench: &mut Bench, tables: &str) -> Sinks {
    let sinks = bench.load(tables);
    sinks.begin();
    sinks
}

/// As another process would find it.
async fn restarted(bench: Bench, sinks: Sinks) -> Bench {
    let Bench { folder, deliveries, .. } = bench;
    deliveries.end().await;
    drop(sinks);
    Bench { folder, ..Bench::new() }
}

async fn written(bench: &Bench, least: u64) {
    let size = || -> u64 {
        let entries = fs::read_dir(bench.path("var/s")).unwrap().flatten();
        let records = entries.filter(|entry| entry.file_name().to_str().unwrap().ends_with(".records"));
        records.map(|entry| entry.metadata().unwrap().len()).sum()
    };
    until("the records on the disk", || (size() >= least).then_some(())).await;
}

#[tokio::test]
async fn what_the_peer_did_not_get_is_delivered_after_a_start() {
    let mut bench = Bench::new();
    let away = nobody();
    let sinks = began(&mut bench, &table(away, ""));
    emit(&sinks, 0..1_000).await;
    let begun = Instant::now();
    bench = restarted(bench, sinks).await;
    assert!(begun.elapsed() < Duration::from_secs(3), "nobody waits for a peer that is away: {:?}", begun.elapsed());
    let origin = Origin::at(away, &[], None).await;
    let sinks = began(&mut bench, &table(away, ""));
    emit(&sinks, 1_000..1_010).await;
    let counts = bench.counts();
    until("all records", || (counts.records() == 1_010).then_some(())).await;
    assert_eq!(origin.bodies().concat(), lines(0..1_010));
    restarted(bench, sinks).await.deliveries.end().await;
    // Nothing is delivered again.
    assert_eq!(origin.bodies().concat(), lines(0..1_010));
    assert_eq!((counts.dropped(Dropped::GaveUp), counts.buffered()), (0, 0));
}

#[tokio::test]
async fn memory_is_free_again_when_the_disk_has_it_and_the_disk_has_its_bound() {
    let mut bench = Bench::new();
    let away = nobody();
    let sinks = began(&mut bench, &table(away, r#", memory = "64KiB", disk_max = "1MiB""#));
    let counts = bench.counts();
    let record = [b'x'; 990];
    let most = (1 << 20) / (990 + 20);
    // One by one there is always room in memory.
    for _ in 0..most {
        until("room", || (counts.buffered() < 50_000).then_some(())).await;
        sinks.emit("s", &record).unwrap();
    }
    assert_eq!(sinks.emit("s", &record), Err(Full::Buffer));
    assert_eq!((counts.dropped(Dropped::Full), sinks.emit("s", b"")), (1, Ok(())));
    assert_eq!(sinks.emit("s", &[0; 600_000]), Err(Full::Record));
    written(&bench, (most * 1_010 + 20) as u64).await;
    assert!(counts.on_disk() <= 1 << 20);
    let origin = Origin::at(away, &[], None).await;
    until("all records", || (counts.records() == most as u64 + 1).then_some(())).await;
    until("room on the disk", || (counts.on_disk() < 64 << 10).then_some(())).await;
    sinks.emit("s", &record).unwrap();
    until("one more", || (counts.records() == most as u64 + 2).then_some(())).await;
    assert!(origin.bodies().len() >= most / 10);
}

#[tokio::test]
async fn the_next_generation_goes_on_where_the_one_before_is() {
    let mut bench = Bench::new();
    let (away, origin) = (nobody(), Origin::start(&[]).await);
    let before = began(&mut bench, &table(away, ""));
    emit(&before, 0..500).await;
    written(&bench, 500 * 21).await;
    // A candidate that never goes live delivers nothing.
    let never = Origin::start(&[]).await;
    drop(bench.load(&table(never.address, "")));
    let after = began(&mut bench, &table(origin.address, ""));
    emit(&after, 500..600).await;
    let counts = bench.counts();
    until("all records", || (counts.records() == 600).then_some(())).await;
    // Exchanges that are under way still hand in by the old one.
    emit(&before, 600..610).await;
    until("those, too", || (counts.records() == 610).then_some(())).await;
    let mut numbers: Vec<usize> = origin.bodies().concat().lines().map(|line| line.parse().unwrap()).collect();
    numbers.sort_unstable();
    assert!(numbers.into_iter().eq(0..610));
    assert!(never.bodies().is_empty());
    // And back again.
    let back = Origin::at(away, &[], None).await;
    drop(after);
    let again = began(&mut bench, &table(away, ""));
    assert!(Arc::ptr_eq(before.named("s").unwrap(), again.named("s").unwrap()));
    emit(&again, 610..620).await;
    until("the last", || (counts.records() == 620).then_some(())).await;
    assert_eq!(back.bodies().concat(), lines(610..620));
}

#[tokio::test]
async fn a_peer_that_takes_long_does_not_keep_the_next_generation_waiting() {
    let mut bench = Bench::new();
    let slow = Origin::start(&[Act::Answer(429, "retry-after: 100")]).await;
    let before = began(&mut bench, &table(slow.address, ""));
    emit(&before, 0..10).await;
    until("its answer", || (slow.bodies().len() == 1).then_some(())).await;
    let origin = Origin::start(&[]).await;
    let _after = began(&mut bench, &table(origin.address, ""));
    until("the records", || (origin.bodies().concat() == lines(0..10)).then_some(())).await;
}

#[tokio::test]
async fn a_sink_that_is_removed_leaves_what_it_cannot_deliver() {
    let mut bench = Bench::new();
    let away = nobody();
    let sinks = began(&mut bench, &table(away, ""));
    emit(&sinks, 0..100).await;
    drop((bench.load(""), sinks));
    until("its end", || bench.deliveries.known.iter().all(|known| known.is_over()).then_some(())).await;
    let origin = Origin::at(away, &[], None).await;
    let _sinks = began(&mut bench, &table(away, ""));
    until("the records", || (origin.bodies().concat() == lines(0..100)).then_some(())).await;
    assert_eq!(bench.counts().dropped(Dropped::GaveUp), 0);
}

#[tokio::test]
async fn what_is_damaged_is_counted_and_the_rest_delivered() {
    let mut bench = Bench::new();
    let away = nobody();
    let sinks = began(&mut bench, &table(away, ""));
    emit(&sinks, 0..100).await;
    bench = restarted(bench, sinks).await;
    let files = fs::read_dir(bench.path("var/s")).unwrap().map(|entry| entry.unwrap().path());
    let path = files.filter(|path| path.extension().is_some_and(|end| end == "records")).min().unwrap();
    let mut bytes = fs::read(&path).unwrap();
    // In the head of the sixth.
    bytes[5 * 21 + 1] ^= 0xff;
    fs::write(&path, bytes).unwrap();
    let origin = Origin::at(away, &[], None).await;
    let _sinks = began(&mut bench, &table(away, ""));
    let counts = bench.counts();
    until("the others", || (counts.records() == 99).then_some(())).await;
    assert_eq!(origin.bodies().concat(), lines(0..5) + &lines(6..100));
    assert_eq!(counts.dropped(Dropped::Damaged), 1);
}

#[tokio::test]
async fn what_tcp_has_in_doubt_stays_on_the_disk() {
    let mut bench = Bench::new();
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let tables = format!(
        r#"{{ name = "s", kind = "tcp", address = "{address}", batch = {{ max_wait = "10ms" }}, retry = {{ max_wait = "50ms" }}, buffer = {{ disk = "var/s" }} }}"#
    );
    let sinks = began(&mut bench, &tables);
    emit(&sinks, 0..100).await;
    let (peer, _) = listener.accept().await.unwrap();
    // It reads nothing, and the process is killed within the second of doubt.
    written(&bench, 100 * 21).await;
    bench.deliveries.known.iter().for_each(Known::kill);
    drop((sinks, peer));
    until("its end", || bench.deliveries.known.iter().all(|known| known.is_over()).then_some(())).await;
    bench = Bench { folder: bench.folder, ..Bench::new() };
    let _sinks = began(&mut bench, &tables);
    let (mut peer, _) = listener.accept().await.unwrap();
    let mut read = Vec::new();
    while read.len() < lines(0..100).len() {
        assert!(tokio::io::AsyncReadExt::read_buf(&mut peer, &mut read).await.unwrap() > 0);
    }
    assert_eq!(String::from_utf8(read).unwrap(), lines(0..100));
}

#[tokio::test]
async fn other_credentials_deliver_what_was_denied_to_the_ones_before() {
    let origin = Origin::start(&[Act::Answer(401, "x: y")]).await;
    let mut bench = Bench::new();
    let table = |token: &str| {
        let table = table(origin.address, "").replace("50ms", "1h");
        table.replace("batch", &format!("headers = {{ authorization = \"{token}\" }}, batch"))
    };
    let sinks = began(&mut bench, &table("old"));
    emit(&sinks, 0..10).await;
    until("the refusal", || (origin.bodies().len() == 1).then_some(())).await;
    let sinks = began(&mut bench, &table("new"));
    let counts = bench.counts();
    until("the records", || (counts.records() == 10).then_some(())).await;
    let tokens: Vec<_> = origin
        .requests()
        .iter()
        .map(|(head, _)| head.lines().find_map(|line| line.strip_prefix("authorization: ")).unwrap().to_owned())
        .collect();
    assert_eq!(tokens, ["old", "new"]);
    assert_eq!((counts.dropped(Dropped::Refused), counts.dropped(Dropped::GaveUp)), (0, 0));
    drop(sinks);
}
