//! rsyslog at the other end of a sink.

use std::fs;
use std::sync::Arc;
use std::time::Duration;

use tempfile::TempDir;
use tidegate::config;
use tidegate::observe::metrics::{Dropped, Metrics, SinkMetrics};
use tidegate::observe::sinks::{Deliveries, Sinks};
use tokio::runtime::Handle;

use crate::harness::program::Program;
use crate::harness::until;

/// A gateway's sinks, without a gateway.
struct Bench {
    deliveries: Deliveries,
    sinks: Sinks,
    counts: Arc<SinkMetrics>,
    _folder: TempDir,
}

fn bench(sink: &str) -> Bench {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("gateway.toml");
    let text = format!("listeners = [{{ address = \"127.0.0.1:0\" }}]\n[[sinks]]\nname = \"s\"\n{sink}");
    fs::write(&path, text).unwrap();
    let (config, faults) = config::load(&path).unwrap();
    let metrics = Metrics::new(1);
    let mut deliveries = Deliveries::new(Some(Handle::current()));
    let sinks = deliveries.sinks(&config.sinks, &config.dns, &metrics, || None, &faults);
    assert!(faults.is_empty(), "{}", faults.into_report());
    Bench { deliveries, sinks, counts: metrics.sink("s"), _folder: folder }
}

fn written(rsyslog: &Program) -> Vec<String> {
    let text = fs::read_to_string(rsyslog.folder.path().join("out")).unwrap_or_default();
    text.lines().map(ToOwned::to_owned).collect()
}

async fn has(rsyslog: &Program, lines: usize) {
    until("all messages", async || (written(rsyslog).len() >= lines).then_some(())).await;
}

#[tokio::test]
async fn messages_by_udp() {
    let rsyslog = Program::rsyslog().await;
    let sink = format!(
        "kind = \"syslog\"\naddress = \"{}\"\nfacility = \"daemon\"\nseverity = \"warning\"\napp_name = \"edge\"\n",
        rsyslog.address
    );
    let bench = bench(&sink);
    for number in 0..100 {
        bench.sinks.emit("s", format!("hello {number}").as_bytes()).unwrap();
    }
    bench.deliveries.end().await;
    has(&rsyslog, 100).await;
    let id = std::process::id();
    let expected: Vec<String> = (0..100).map(|number| format!("28|edge|{id}|hello {number}")).collect();
    assert_eq!(written(&rsyslog), expected);
}

/// As rsyslog has what it takes from programs of its machine: the space behind a tag is part of the message.
fn local(text: &str) -> String {
    format!("134|tidegate|{}| {text}", std::process::id())
}

#[tokio::test]
async fn messages_by_the_machines_own_socket() {
    let rsyslog = Program::rsyslog().await;
    let socket = rsyslog.folder.path().join("log");
    let bench = bench(&format!("kind = \"syslog\"\naddress = \"unix:{}\"\n", socket.display()));
    let long = "x".repeat(20_000);
    let texts = ["{\"a\": 1}", "two\nlines", &long, "<13>1 - - - - - -", "a[1]: b"];
    // More than the system lets wait there.
    for message in texts.iter().cycle().take(500) {
        bench.sinks.emit("s", message.as_bytes()).unwrap();
    }
    bench.deliveries.end().await;
    has(&rsyslog, 500).await;
    let expected = ["{\"a\": 1}", "two#012lines", &long, "<13>1 - - - - - -", "a[1]: b"].map(local);
    assert!(written(&rsyslog).iter().eq(expected.iter().cycle().take(500)));
    assert_eq!((bench.counts.records(), bench.counts.retries()), (500, 0));
}

#[tokio::test]
async fn messages_by_its_own_socket_while_it_restarts() {
    let mut rsyslog = Program::rsyslog().await;
    let socket = rsyslog.folder.path().join("log");
    let bench = bench(&format!(
        "kind = \"syslog\"\naddress = \"unix:{}\"\nbatch = {{ max_wait = \"20ms\" }}\n\
         retry = {{ max_wait = \"100ms\" }}\n",
        socket.display()
    ));
    let emit = |numbers: std::ops::Range<usize>| {
        numbers.for_each(|number| bench.sinks.emit("s", number.to_string().as_bytes()).unwrap());
    };
    for restart in 1..=2 {
        emit(100 * restart - 100..100 * restart - 50);
        has(&rsyslog, 100 * restart - 50).await;
        let restarting = rsyslog.restart_rsyslog(Duration::from_millis(300));
        // What comes while nobody is there.
        let emitting = async {
            let away = async || (!socket.exists() || bench.counts.retries() > 0).then_some(());
            until("its end", away).await;
            emit(100 * restart - 50..100 * restart);
        };
        (rsyslog, ()) = tokio::join!(restarting, emitting);
        has(&rsyslog, 100 * restart).await;
    }
    bench.deliveries.end().await;
    let expected: Vec<String> = (0..200).map(|number| local(&number.to_string())).collect();
    assert_eq!(written(&rsyslog), expected);
    assert!(bench.counts.retries() > 0 && bench.counts.dropped(Dropped::GaveUp) == 0);
}

#[tokio::test]
async fn messages_by_tcp_with_whatever_is_in_them() {
    let rsyslog = Program::rsyslog().await;
    let bench = bench(&format!("kind = \"syslog\"\ntransport = \"tcp\"\naddress = \"{}\"\n", rsyslog.address));
    let long = "x".repeat(20_000);
    // It shows a newline as #012.
    for message in ["{\"a\": 1}", "two\nlines", &long, "12 <13>1 - - - - - -"] {
        bench.sinks.emit("s", message.as_bytes()).unwrap();
    }
    bench.deliveries.end().await;
    has(&rsyslog, 4).await;
    let head = format!("134|tidegate|{}|", std::process::id());
    let expected = ["{\"a\": 1}", "two#012lines", &long, "12 <13>1 - - - - - -"].map(|text| format!("{head}{text}"));
    assert_eq!(written(&rsyslog), expected);
}

#[tokio::test]
async fn nothing_is_lost_when_it_restarts() {
    let mut rsyslog = Program::rsyslog().await;
    let bench = bench(&format!(
        "kind = \"syslog\"\ntransport = \"tcp\"\naddress = \"{}\"\nbatch = {{ max_wait = \"20ms\" }}\n\
         retry = {{ max_wait = \"100ms\" }}\n",
        rsyslog.address
    ));
    let Bench { deliveries, sinks, counts, _folder } = bench;
    let sinks = Arc::new(sinks);
    let emitting = tokio::spawn({
        let sinks = Arc::clone(&sinks);
        async move {
            for number in 0..3_000 {
                sinks.emit("s", number.to_string().as_bytes()).unwrap();
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        }
    });
    for restart in 1..=2 {
        has(&rsyslog, restart * 500).await;
        rsyslog = rsyslog.restart_rsyslog(Duration::from_millis(300)).await;
    }
    emitting.await.unwrap();
    deliveries.end().await;
    until("the last message", async || written(&rsyslog).last().filter(|line| line.ends_with("|2999")).map(drop)).await;
    let mut numbers: Vec<u32> =
        written(&rsyslog).iter().map(|line| line.rsplit('|').next().unwrap().parse().unwrap()).collect();
    assert!(counts.retries() > 0 && counts.dropped(Dropped::GaveUp) == 0);
    // What was under way came again.
    numbers.sort_unstable();
    numbers.dedup();
    assert!(numbers.into_iter().eq(0..3_000));
}
