//! What HTTP sinks send, as those who take it read it.

use std::time::Duration;

use super::{numbers, record, recording};
use crate::harness::receiver::{Fate, Protocol};
use crate::harness::{Gateway, Receiver, until};

/// Small batches, quick to try again; 1,000 records.
async fn recorded(table: &str) -> Gateway {
    let gateway = recording(&format!(
        "kind = \"http\"\nbatch = {{ max_records = 100, max_wait = \"50ms\" }}\nretry = {{ max_wait = \"100ms\" }}\n\
         timeout = \"5s\"\n{table}"
    ))
    .await;
    let mut client = gateway.client().await;
    for from in (0..1_000).step_by(100) {
        assert_eq!(record(&mut client, from, 100).await.unwrap(), 100);
    }
    gateway
}

/// Each of the first requests has its fate, and all others are taken.
fn at_first(fates: &'static [Fate]) -> impl FnMut() -> Fate + Send + 'static {
    let mut fates = fates.iter().copied();
    move || fates.next().unwrap_or_default()
}

const FAILURES: &[Fate] = &[
    Fate::Status(429),
    Fate::Status(503),
    Fate::Slow(Duration::from_millis(200)),
    Fate::Cut,
    Fate::Taken,
    Fate::Cut,
    Fate::Status(500),
];

/// Wait until the numbers are there that are `wanted`; how many came in all.
async fn all(receiver: &Receiver, wanted: impl Fn(usize) -> bool) -> usize {
    let expected: Vec<usize> = (0..1_000).filter(|number| wanted(*number)).collect();
    until("all records", async || {
        let mut found = numbers(&receiver.records());
        found.sort_unstable();
        found.dedup();
        (found == expected).then_some(())
    })
    .await;
    assert_eq!(receiver.complaints(), Vec::<String>::new());
    receiver.records().len()
}

#[tokio::test]
async fn lines_are_delivered_and_may_be_compressed() {
    let receiver = Receiver::start(Protocol::Lines, at_first(FAILURES)).await;
    let table = format!("url = \"http://{}/in\"\ncompression = \"gzip\"\n", receiver.address);
    let _gateway = recorded(&table).await;
    assert_eq!(all(&receiver, |_| true).await, 1_000);
    assert!(receiver.requests().iter().all(|head| head["content-encoding"] == "gzip"));
}

#[tokio::test]
async fn documents_that_elasticsearch_has_no_room_for_are_sent_again_alone() {
    let fates = [FAILURES, &[Fate::Partly { every: 10, status: 429 }, Fate::Partly { every: 3, status: 503 }]].concat();
    let receiver = Receiver::start(Protocol::Elasticsearch, at_first(fates.leak())).await;
    let table = format!(
        "url = \"http://{}/_bulk\"\nformat = \"elasticsearch\"\nindex = \"logs-edge\"\ncompression = \"gzip\"\n",
        receiver.address
    );
    let gateway = recorded(&table).await;
    // Nothing that was taken comes again.
    assert_eq!(all(&receiver, |_| true).await, 1_000);
    // What Elasticsearch does not want is dropped, and it alone.
    receiver.plan(at_first(&[Fate::Partly { every: 100, status: 400 }]));
    let mut client = gateway.client().await;
    assert_eq!(record(&mut client, 2_000, 100).await.unwrap(), 100);
    until("the others", async || (receiver.records().len() == 1_099).then_some(())).await;
    let lost = gateway.logged("message", "a sink has lost records").await;
    assert_eq!((&lost["refused"], &lost["gave_up"]), (&1.into(), &0.into()), "{lost}");
    assert!(lost["error"].as_str().unwrap().contains("some_exception"), "{lost}");
}

#[tokio::test]
async fn events_that_splunk_does_not_want_are_left_out() {
    const PARTLY: Fate = Fate::Partly { every: 100, status: 400 };
    let mut first = at_first(FAILURES);
    let plan = move || match first() {
        Fate::Taken | Fate::Slow(_) => PARTLY,
        fails => fails,
    };
    let receiver = Receiver::start(Protocol::Splunk { token: "sesame" }, plan).await;
    let table = format!(
        "url = \"http://{}/services/collector/event\"\nformat = \"splunk-hec\"\nindex = \"main\"\n\
         headers = {{ authorization = \"Splunk sesame\" }}\n",
        receiver.address
    );
    let gateway = recorded(&table).await;
    assert_eq!(all(&receiver, |number| number % 100 != 0).await, 990);
    assert!(gateway.logged("message", "a sink has lost records").await["error"].as_str().unwrap().contains("code"));
}

#[tokio::test]
async fn a_token_that_splunk_does_not_know_is_said_and_another_loses_nothing() {
    let receiver = Receiver::start(Protocol::Splunk { token: "sesame" }, Fate::default).await;
    let table = format!(
        "url = \"http://{}/services/collector/event\"\nformat = \"splunk-hec\"\n\
         headers = {{ authorization = \"Splunk barley\" }}\nbuffer = {{ disk = \"var/s\" }}\n",
        receiver.address
    );
    let gateway = recorded(&table).await;
    let said = gateway.logged("message", "a sink fails").await;
    let words = said["error"].as_str().unwrap();
    assert!(words.contains("Invalid token") && words.contains("mend the credentials in `headers`"), "{said}");
    assert_eq!((receiver.complaints()[0].as_str(), receiver.records().len()), ("Invalid token", 0));
    let config = std::fs::read_to_string(gateway.path("gateway.toml")).unwrap();
    gateway.replace("gateway.toml", config.replace("barley", "sesame").as_bytes());
    until("all records", async || (numbers(&receiver.records()).len() >= 1_000).then_some(())).await;
    assert!(numbers(&receiver.records()).into_iter().eq(0..1_000));
}

#[tokio::test]
async fn lines_are_pushed_to_loki() {
    let receiver = Receiver::start(Protocol::Loki, at_first(FAILURES)).await;
    let table = format!(
        "url = \"http://{}/loki/api/v1/push\"\nformat = \"loki\"\nlabels = {{ job = \"edge\", env = \"test\" }}\n",
        receiver.address
    );
    let _gateway = recorded(&table).await;
    assert_eq!(all(&receiver, |_| true).await, 1_000);
}
