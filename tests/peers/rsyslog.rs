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
