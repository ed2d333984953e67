use super::origin::{Act, Origin};
use super::*;
use crate::tls::testing::{Authority, serving};

/// Batches of ten, quick to try again.
fn table(to: &Origin, more: &str) -> String {
    format!(
        r#"{{ name = "s", kind = "http", url = "http://{}/in?x=1", batch = {{ max_records = 10, max_wait = "20ms" }},
             retry = {{ max_wait = "50ms" }}{more} }}"#,
        to.address
    )
    .replace('\n', " ")
}

fn batches(numbers: impl IntoIterator<Item = usize>) -> Vec<String> {
    numbers.into_iter().map(|batch| lines(10 * batch..10 * batch + 10)).collect()
}

async fn delivered(counts: &SinkMetrics, records: u64) {
    until("all records", || (counts.records() >= records).then_some(())).await;
}

#[tokio::test]
async fn batches_are_requests_over_one_connection() {
    let origin = Origin::start(&[]).await;
    let mut bench = Bench::new();
    fs::write(bench.path("token"), "Basic c2VzYW1l\n").unwrap();
    let sinks = bench.load(&table(&origin, r#", headers = { authorization = "file:token", X-A = "b" }"#));
    emit(&sinks, 0..100).await;
    delivered(&bench.counts(), 100).await;
    assert_eq!(origin.bodies(), batches(0..10));
    assert_eq!(origin.connections(), 1);
    let (head, _) = &origin.requests()[0];
    for line in [
        "post /in?x=1 http/1.1",
        &format!("host: {}", origin.address),
        "content-type: application/x-ndjson",
        "authorization: basic c2vzyw1l",
        "x-a: b",
        "user-agent: tidegate/0.1.0",
    ] {
        assert!(head.lines().any(|found| found == line), "{line}: {head}");
    }
    let counts = bench.counts();
    assert_eq!((counts.retries(), counts.bytes()), (0, lines(0..100).len() as u64));
}

#[tokio::test]
async fn what_fails_is_sent_again_before_what_comes_after_it() {
    let script = [
        Act::Answer(500, "x: y"),
        Act::Answer(503, "x: y"),
        Act::Answer(408, "x: y"),
        Act::Close,
        Act::Answer(204, "x: y"),
        Act::Slam,
        Act::Stall,
    ];
    let origin = Origin::start(&script).await;
    let mut bench = Bench::new();
    let sinks = bench.load(&table(&origin, r#", timeout = "500ms""#));
    emit(&sinks, 0..30).await;
    delivered(&bench.counts(), 30).await;
    // What was closed without an answer on a connection that had been used is made up for at once.
    let expected = batches([0, 0, 0, 0, 0, 1, 1, 2]);
    let mut bodies = origin.bodies();
    bodies.dedup();
    assert_eq!(bodies, batches([0, 1, 2]));
    assert!(origin.bodies().len() >= expected.len() - 1, "{:?}", origin.bodies().len());
    let counts = bench.counts();
    assert!(counts.retries() >= 4, "{}", counts.retries());
    assert_eq!((counts.records(), counts.dropped(Dropped::GaveUp), counts.dropped(Dropped::Refused)), (30, 0, 0));
}

#[tokio::test]
async fn a_peer_is_left_alone_for_as_long_as_it_says() {
    for status in [429, 503] {
        let origin = Origin::start(&[Act::Answer(status, "retry-after: 1")]).await;
        let mut bench = Bench::new();
        let sinks = bench.load(&table(&origin, ""));
        emit(&sinks, 0..10).await;
        until("the first attempt", || (origin.bodies().len() == 1).then_some(())).await;
        let begun = Instant::now();
        delivered(&bench.counts(), 10).await;
        assert!(begun.elapsed() >= Duration::from_millis(900), "{status}: {:?}", begun.elapsed());
        assert_eq!((origin.bodies(), origin.connections()), (batches([0, 0]), 1));
    }
}

#[tokio::test]
async fn what_the_peer_does_not_want_is_dropped_and_counted() {
    let script = [400, 404, 301, 413].map(|status| Act::Answer(status, "location: /x"));
    let origin = Origin::start(&script).await;
    let mut bench = Bench::new();
    let sinks = bench.load(&table(&origin, ""));
    emit(&sinks, 0..50).await;
    delivered(&bench.counts(), 10).await;
    assert_eq!(origin.bodies(), batches(0..5));
    let counts = bench.counts();
    assert_eq!((counts.records(), counts.dropped(Dropped::Refused), counts.retries()), (10, 40, 0));
    assert_eq!(counts.buffered(), 0);
}

#[tokio::test]
async fn who_is_denied_loses_nothing_and_asks_seldom() {
    let origin = Origin::start(&[Act::Answer(401, "x: y"), Act::Answer(403, "x: y")]).await;
    let mut bench = Bench::new();
    let sinks = bench.load(&table(&origin, "").replace("50ms", "400ms"));
    emit(&sinks, 0..20).await;
    until("the first attempt", || (origin.bodies().len() == 1).then_some(())).await;
    let begun = Instant::now();
    delivered(&bench.counts(), 20).await;
    // Pauses that grow would have been 0.6 s together at most.
    assert!(begun.elapsed() >= Duration::from_millis(750), "{:?}", begun.elapsed());
    assert_eq!(origin.bodies(), batches([0, 0, 0, 1]));
    assert_eq!((bench.counts().retries(), bench.counts().dropped(Dropped::Refused)), (2, 0));
}

#[tokio::test]
async fn a_batch_is_given_up_after_its_time() {
    let script = [Act::Answer(500, "x: y"); 1000];
    let origin = Origin::start(&script).await;
    let mut bench = Bench::new();
    let tables = table(&origin, "").replace("max_wait = \"50ms\" }", "max_wait = \"50ms\", give_up = \"300ms\" }");
    let sinks = bench.load(&tables);
    emit(&sinks, 0..10).await;
    let counts = bench.counts();
    until("an end", || (counts.dropped(Dropped::GaveUp) == 10).then_some(())).await;
    assert!(origin.bodies().len() > 2 && counts.buffered() == 0);
}

#[tokio::test]
async fn nothing_is_lost_when_the_peer_restarts_and_memory_is_bounded_meanwhile() {
    let mut origin = Origin::start(&[]).await;
    let address = origin.address;
    let mut bench = Bench::new();
    let sinks = Arc::new(bench.load(&table(&origin, r#", buffer = { memory = "64KiB" }"#)));
    let counts = bench.counts();
    let emitting = tokio::spawn({
        let sinks = Arc::clone(&sinks);
        async move { emit(&sinks, 0..5_000).await }
    });
    let mut bodies = Vec::new();
    for restart in 0..3 {
        until("some records", || (counts.records() > 1_000 * (restart + 1)).then_some(())).await;
        bodies.extend(origin.stop().await);
        // Long enough for the buffer to fill.
        let refused = counts.dropped(Dropped::Full);
        until("refusals", || {
            assert!(counts.buffered() <= 64 << 10);
            (counts.dropped(Dropped::Full) > refused + 5).then_some(())
        })
        .await;
        origin = Origin::at(address, &[], None).await;
    }
    emitting.await.unwrap();
    delivered(&counts, 5_000).await;
    bodies.extend(origin.bodies());
    // A request whose answer got lost with the peer is there twice.
    bodies.dedup();
    assert_eq!(bodies.concat(), lines(0..5_000));
    assert_eq!((counts.dropped(Dropped::GaveUp), counts.buffered()), (0, 0));
}

#[tokio::test]
async fn the_end_does_not_wait_as_long_as_the_peer_would_have_it() {
    let origin = Origin::start(&[Act::Answer(429, "retry-after: 100"), Act::Answer(429, "retry-after: 100")]).await;
    let mut bench = Bench::new();
    let sinks = bench.load(&table(&origin, ""));
    emit(&sinks, 0..10).await;
    until("the first attempt", || (origin.bodies().len() == 1).then_some(())).await;
    let counts = bench.counts();
    bench.deliveries.end().await;
    assert_eq!((counts.records(), counts.buffered()), (10, 0));
}

#[tokio::test]
async fn the_end_flushes_and_tries_again_meanwhile() {
    let origin = Origin::start(&[Act::Answer(500, "x: y"), Act::Close]).await;
    let mut bench = Bench::new();
    let sinks = bench.load(&table(&origin, "").replace("20ms", "1h"));
    emit(&sinks, 0..15).await;
    let counts = bench.counts();
    bench.deliveries.end().await;
    assert_eq!((counts.records(), counts.buffered()), (15, 0));
    assert_eq!(origin.bodies().last().unwrap(), &lines(10..15));
}

#[tokio::test]
async fn tls_trusts_the_given_authority_and_no_other() {
    let authority = Authority::new("ours");
    let server = serving(vec![authority.issue(&["127.0.0.1"])]).into_config().unwrap();
    let origin = Origin::at(([127, 0, 0, 1], 0).into(), &[], Some(server.into())).await;
    let mut bench = Bench::new();
    fs::write(bench.path("ca.pem"), authority.0.pem()).unwrap();
    let tables = table(&origin, r#", ca = "ca.pem""#).replace("http://", "https://");
    let sinks = bench.load(&tables);
    emit(&sinks, 0..20).await;
    delivered(&bench.counts(), 20).await;
    assert_eq!((origin.bodies(), origin.connections()), (batches(0..2), 1));

    fs::write(bench.path("ca.pem"), Authority::new("another").0.pem()).unwrap();
    let other = bench.load(&tables);
    assert!(!Arc::ptr_eq(sinks.named("s").unwrap(), other.named("s").unwrap()), "the file has changed");
    emit(&other, 20..30).await;
    until("a refusal", || (bench.counts().retries() > 0).then_some(())).await;
    assert_eq!(origin.bodies().len(), 2);
}
