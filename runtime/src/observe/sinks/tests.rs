use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use tempfile::TempDir;

use std::time::Duration;

use tokio::runtime::Handle;
use tokio::time::{Instant, sleep};

use super::deliveries::Known;
use super::*;
use crate::config;
use crate::dns::Resolver;
use crate::observe::metrics::Metrics;

mod datagrams;
mod disk;
mod http;
mod local;
mod origin;
mod streams;

/// Sinks as a gateway has them.
struct Bench {
    folder: TempDir,
    metrics: Metrics,
    deliveries: Deliveries,
    resolver: Option<Resolver>,
}

impl Bench {
    fn new() -> Self {
        let deliveries = Deliveries::new(Some(Handle::current()));
        Self { folder: tempfile::tempdir().unwrap(), metrics: Metrics::new(1), deliveries, resolver: None }
    }

    /// The next generation's; `tables` are what `sinks` lists.
    fn load(&mut self, tables: &str) -> Sinks {
        let path = self.folder.path().join("gateway.toml");
        fs::write(&path, format!("listeners = [{{ address = \"127.0.0.1:0\" }}]\nsinks = [{tables}]")).unwrap();
        let (config, faults) = config::load(&path).unwrap();
        assert!(faults.is_empty(), "{}", faults.into_report());
        let resolver = || self.resolver.clone();
        let sinks = self.deliveries.sinks(&config.sinks, &config.dns, &self.metrics, resolver, &faults);
        assert!(faults.is_empty(), "{}", faults.into_report());
        sinks
    }

    fn counts(&self) -> Arc<SinkMetrics> {
        self.metrics.sink("s")
    }

    fn path(&self, name: &str) -> std::path::PathBuf {
        self.folder.path().join(name)
    }
}

async fn until<T>(what: &str, mut condition: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + Duration::from_secs(20);
    loop {
        if let Some(value) = condition() {
            return value;
        }
        assert!(Instant::now() < deadline, "still waiting: {what}");
        sleep(Duration::from_millis(5)).await;
    }
}

async fn emit(sinks: &Sinks, records: std::ops::Range<usize>) {
    for number in records {
        let record = number.to_string();
        // A record that there is no room for may be handed in again later.
        until("room", || sinks.emit("s", record.as_bytes()).ok()).await;
    }
}

fn lines(range: std::ops::Range<usize>) -> String {
    range.map(|number| format!("{number}\n")).collect()
}

fn read(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_default()
}

/// A port that nobody listens on, for now.
fn nobody() -> std::net::SocketAddr {
    std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap()
}

const FILE: &str = r#"{ name = "s", kind = "file", path = "out", batch = { max_wait = "10ms" } }"#;

#[tokio::test]
async fn a_file_gets_every_record_in_each_threads_order() {
    let mut bench = Bench::new();
    let sinks =
        bench.load(r#"{ name = "s", kind = "file", path = "out", batch = { max_records = 7, max_wait = "1ms" } }"#);
    std::thread::scope(|scope| {
        for thread in 0..4 {
            let sinks = &sinks;
            scope.spawn(move || {
                (0..2_000).for_each(|number| sinks.emit("s", format!("{thread} {number}").as_bytes()).unwrap());
            });
        }
    });
    let path = bench.path("out");
    let text = until("all records", || Some(read(&path)).filter(|text| text.lines().count() == 8_000)).await;
    for thread in 0..4 {
        let of_it = text.lines().filter_map(|line| line.strip_prefix(&format!("{thread} ")));
        assert!(of_it.eq((0..2_000).map(|number| number.to_string())), "thread {thread}");
    }
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    let counts = bench.counts();
    until("the counts", || (counts.records() == 8_000 && counts.buffered() == 0).then_some(())).await;
    assert_eq!((counts.bytes(), counts.retries()), (text.len() as u64, 0));
}

#[tokio::test]
async fn a_file_that_was_renamed_is_made_again() {
    let mut bench = Bench::new();
    let sinks = bench.load(FILE);
    let (path, old) = (bench.path("out"), bench.path("old"));
    sinks.emit("s", b"1").unwrap();
    until("the first", || (read(&path) == "1\n").then_some(())).await;
    fs::rename(&path, &old).unwrap();
    bench.deliveries.reopen();
    sinks.emit("s", b"2").unwrap();
    until("the second", || (read(&path) == "2\n").then_some(())).await;
    assert_eq!(read(&old), "1\n");
    // Without an order, within a second.
    fs::rename(&path, &old).unwrap();
    until("the third", || {
        sinks.emit("s", b"3").unwrap();
        read(&path).ends_with("3\n").then_some(())
    })
    .await;
}

#[tokio::test]
async fn a_file_that_is_full_becomes_the_first_of_the_old_ones() {
    let mut bench = Bench::new();
    let sinks = bench.load(
        r#"{ name = "s", kind = "file", path = "out", rotate = { bytes = "64KiB", keep = 2 }, batch = { max_bytes = "16KiB", max_wait = "5ms" } }"#,
    );
    emit(&sinks, 0..60_000).await;
    bench.deliveries.end().await;
    let folder = bench.folder.path();
    let all = ["out.2", "out.1", "out"].map(|name| read(&folder.join(name)));
    assert!(all.iter().all(|text| (1..=64 << 10).contains(&text.len())), "{:?}", all.each_ref().map(String::len));
    assert!(all[0].len() > 40 << 10, "a batch is kept together, and no more than it begins anew");
    // What is left is the end of it, whole.
    let text = all.concat();
    let first: usize = text.lines().next().unwrap().parse().unwrap();
    assert!(first > 0 && text == lines(first..60_000));
    assert!(!folder.join("out.3").exists());
}

#[tokio::test]
async fn a_record_that_was_torn_by_a_kill_has_a_line_of_its_own() {
    let mut bench = Bench::new();
    fs::write(bench.path("out"), "1\n2").unwrap();
    let sinks = bench.load(FILE);
    emit(&sinks, 3..5).await;
    bench.deliveries.end().await;
    assert_eq!(read(&bench.folder.path().join("out")), "1\n2\n3\n4\n");
}

#[tokio::test]
async fn a_file_that_cannot_be_opened_is_tried_again() {
    let mut bench = Bench::new();
    let sinks = bench.load(r#"{ name = "s", kind = "file", path = "in/out", batch = { max_wait = "10ms" } }"#);
    emit(&sinks, 0..10).await;
    let counts = bench.counts();
    until("a retry", || (counts.retries() > 0).then_some(())).await;
    fs::create_dir(bench.path("in")).unwrap();
    until("the records", || (read(&bench.path("in/out")) == lines(0..10)).then_some(())).await;
}

#[tokio::test]
async fn what_there_is_no_room_for_is_refused_and_counted() {
    let mut bench = Bench::new();
    let text = r#"{ name = "s", kind = "tcp", address = "PEER", buffer = { memory = "64KiB" } }"#;
    let sinks = bench.load(&text.replace("PEER", &nobody().to_string()));
    assert_eq!(sinks.emit("t", b""), Err(Full::NoSuchSink));
    assert_eq!(sinks.emit("s", &[0; 64 << 10]), Err(Full::Record));
    let counts = bench.counts();
    let mut refused = 0;
    for _ in 0..10_000 {
        match sinks.emit("s", &[b'x'; 1000]) {
            Ok(()) => assert_eq!(refused, 0, "nothing leaves, so there is no room again"),
            Err(full) => {
                assert_eq!(full, Full::Buffer);
                refused += 1;
            }
        }
        assert!(counts.buffered() <= 64 << 10);
    }
    let room = (64 << 10) / (1000 + 1 + limits::SINK_RECORD_OVERHEAD);
    assert_eq!(refused, 10_000 - room as u64);
    assert_eq!((counts.dropped(Dropped::Full), counts.dropped(Dropped::TooLarge)), (refused, 1));
    // Many at once do not exceed it either, however small their records are.
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| (0..10_000).filter(|_| sinks.emit("s", b"").is_ok()).count());
        }
    });
    assert!(counts.buffered() <= 64 << 10);
}

#[tokio::test]
async fn the_end_delivers_what_there_is_at_once() {
    let mut bench = Bench::new();
    let sinks = bench.load(r#"{ name = "s", kind = "file", path = "out", batch = { max_wait = "1h" } }"#);
    emit(&sinks, 0..1_000).await;
    let (path, counts, begun) = (bench.path("out"), bench.counts(), Instant::now());
    bench.deliveries.end().await;
    assert!(begun.elapsed() < Duration::from_secs(2), "{:?}", begun.elapsed());
    assert_eq!((read(&path), counts.records()), (lines(0..1_000), 1_000));
    assert_eq!(sinks.emit("s", b""), Err(Full::Buffer), "it takes nothing more");
}

#[tokio::test]
async fn the_end_does_not_wait_for_a_peer_that_is_away() {
    let mut bench = Bench::new();
    let text = r#"{ name = "s", kind = "tcp", address = "PEER", batch = { max_records = 10 } }"#;
    let sinks = bench.load(&text.replace("PEER", &nobody().to_string()));
    emit(&sinks, 0..1_000).await;
    let (counts, begun) = (bench.counts(), Instant::now());
    bench.deliveries.end().await;
    assert!(begun.elapsed() < limits::SINK_END + Duration::from_millis(400), "{:?}", begun.elapsed());
    assert_eq!((counts.dropped(Dropped::GaveUp), counts.buffered()), (1_000, 0), "all of them are accounted for");
}

#[tokio::test]
async fn a_sink_outlives_a_reload_unless_it_changed() {
    let mut bench = Bench::new();
    let first = bench.load(FILE);
    let again = bench.load(&format!("{{ name = \"t\", kind = \"file\", path = \"other\" }}, {FILE}"));
    assert!(Arc::ptr_eq(first.named("s").unwrap(), again.named("s").unwrap()));
    let changed = bench.load(&FILE.replace("10ms", "1h"));
    assert!(!Arc::ptr_eq(first.named("s").unwrap(), changed.named("s").unwrap()));
    assert!(changed.named("t").is_none());
    // The old one is still there for whoever has it.
    first.emit("s", b"old").unwrap();
    until("the old one's record", || (read(&bench.path("out")) == "old\n").then_some(())).await;
}

#[tokio::test]
async fn a_sink_that_was_removed_delivers_what_it_has_and_ends() {
    let mut bench = Bench::new();
    let sinks = bench.load(&FILE.replace("10ms", "1h"));
    emit(&sinks, 0..100).await;
    assert!(bench.load("").named("s").is_none());
    drop(sinks);
    until("the records", || (read(&bench.path("out")) == lines(0..100)).then_some(())).await;
    until("its end", || bench.deliveries.known.iter().all(Known::is_over).then_some(())).await;
    bench.load("");
    assert!(bench.deliveries.known.is_empty());
}

#[test]
fn a_check_starts_nothing() {
    let metrics = Metrics::new(1);
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("gateway.toml");
    let sinks = "sinks = [{ name = \"s\", kind = \"file\", path = \"out\" }, \
                 { name = \"t\", kind = \"tcp\", address = \"logs:1\", tls = true, ca = \"gateway.toml\" }]";
    fs::write(&path, format!("listeners = [{{ address = \"127.0.0.1:0\" }}]\n{sinks}")).unwrap();
    let (config, faults) = config::load(&path).unwrap();
    assert!(faults.is_empty());
    let sinks = Deliveries::new(None).sinks(&config.sinks, &config.dns, &metrics, || None, &faults);
    assert_eq!(faults.len(), 1, "an authority that is none is a fault");
    assert!(sinks.named("s").is_some() && !folder.path().join("out").exists());
}
