//! Targets that fail are left alone, and come back.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use super::{balanced, quoted, servers, share};
use crate::harness::origin::{echo, reply};
use crate::harness::{Client, Gateway, Origin, Upstream, until};

/// An origin that is well or not, as its test says.
struct Patient {
    origin: Origin,
    well: Arc<AtomicBool>,
    /// How often `/healthz` was asked for.
    probes: Arc<AtomicUsize>,
}

impl Patient {
    /// While not well, `/healthz` says 503 and, if `answers` does so, everything else says 500.
    async fn new(name: &'static str, answers: bool) -> Self {
        let (well, probes) = (Arc::new(AtomicBool::new(true)), Arc::new(AtomicUsize::new(0)));
        let (is_well, probed) = (Arc::clone(&well), Arc::clone(&probes));
        let origin = Origin::serve(move |request| {
            let well = is_well.load(Ordering::SeqCst);
            let probe = request.uri().path() == "/healthz";
            probed.fetch_add(usize::from(probe), Ordering::SeqCst);
            async move {
                match (probe, well) {
                    (true, true) => reply(200, "well"),
                    (true, false) => reply(503, "not well"),
                    (false, false) if !answers => reply(500, name),
                    _ => echo(name, request).await,
                }
            }
        })
        .await;
        Self { origin, well, probes }
    }

    fn set(&self, well: bool) {
        self.well.store(well, Ordering::SeqCst);
    }
}

const ACTIVE: &str = "health = { active = { path = \"/healthz\", interval = \"100ms\", timeout = \"1s\", \
                      successes = 1, failures = 1 } }";

/// Wait until `name` serves some of the requests, or none of them.
async fn serving(client: &mut Client, name: &str, expected: bool) {
    until(&format!("{name} serving: {expected}"), async || {
        ((share(&servers(client, 10).await, name) > 0) == expected).then_some(())
    })
    .await;
}

#[tokio::test]
async fn a_target_that_says_it_is_not_well_is_out_until_it_is() {
    let (one, two) = (Patient::new("one", true).await, Patient::new("two", true).await);
    let targets = [quoted(one.origin.address), quoted(two.origin.address)];
    let gateway = Gateway::start(&balanced(&targets, ACTIVE, "")).await;
    let mut client = gateway.client().await;
    assert_eq!(share(&servers(&mut client, 10).await, "one"), 5);
    one.set(false);
    serving(&mut client, "one", false).await;
    assert_eq!(share(&servers(&mut client, 20).await, "two"), 20);
    one.set(true);
    serving(&mut client, "one", true).await;
}

#[tokio::test]
async fn health_survives_a_change_of_the_configuration() {
    let (one, two) = (Patient::new("one", true).await, Patient::new("two", true).await);
    let targets = [quoted(one.origin.address), quoted(two.origin.address)];
    let config = balanced(&targets, ACTIVE, "");
    let gateway = Gateway::start(&config).await;
    let mut client = gateway.client().await;
    one.set(false);
    serving(&mut client, "one", false).await;
    for turn in 2..6 {
        gateway.write_config(&format!("{config}\n[[services]]\nname = \"other-{turn}\"\nurl = \"http://u\"\n"));
        until("the next generation", async || (gateway.generation() == turn).then_some(())).await;
        // Before the next probe could tell.
        assert_eq!(share(&servers(&mut client, 10).await, "two"), 10, "generation {turn}");
    }
    one.set(true);
    serving(&mut client, "one", true).await;
}

#[tokio::test]
async fn probes_are_not_doubled_by_changes() {
    let one = Patient::new("one", true).await;
    let config = balanced(&[quoted(one.origin.address)], &ACTIVE.replace("100ms", "200ms"), "");
    let gateway = Gateway::start(&config).await;
    for turn in 2..8 {
        gateway.write_config(&format!("{config}\n[[services]]\nname = \"other-{turn}\"\nurl = \"http://u\"\n"));
        until("the next generation", async || (gateway.generation() == turn).then_some(())).await;
    }
    let (before, since) = (one.probes.load(Ordering::SeqCst), Instant::now());
    until("some probes", async || (one.probes.load(Ordering::SeqCst) >= before + 6).then_some(())).await;
    assert!(since.elapsed() > Duration::from_millis(600), "6 probes in {:?}", since.elapsed());
}

#[tokio::test]
async fn a_target_whose_requests_fail_is_left_alone_for_a_while() {
    let (one, two) = (Patient::new("one", false).await, Patient::new("two", false).await);
    let targets = [quoted(one.origin.address), quoted(two.origin.address)];
    let passive = "health = { passive = { failures = 3, within = \"30s\", recover = \"1s\", statuses = [500] } }";
    let gateway = Gateway::start(&balanced(&targets, passive, "")).await;
    let mut client = gateway.client().await;
    one.set(false);
    let served = servers(&mut client, 20).await;
    let failed = share(&served, "");
    assert!((3..=4).contains(&failed), "the third failure takes it out: {served:?}");
    assert_eq!(share(&servers(&mut client, 10).await, "two"), 10);
    one.set(true);
    serving(&mut client, "one", true).await;
}

#[tokio::test]
async fn connections_that_fail_count_too() {
    let (dead, two) = (Upstream::raw("").await, Origin::echo("two").await);
    let targets = [quoted(dead.address), quoted(two.address)];
    let passive = "health = { passive = { failures = 2, within = \"30s\", recover = \"1h\" } }";
    let gateway = Gateway::start(&balanced(&targets, passive, "retries = 1")).await;
    let served = servers(&mut gateway.client().await, 30).await;
    assert_eq!(share(&served, "two"), 30, "all of them served, some at the second attempt");
    assert!(dead.connections() <= 3, "asked {} times", dead.connections());
}

#[tokio::test]
async fn nobody_is_well() {
    let (one, two) = (Patient::new("one", true).await, Patient::new("two", true).await);
    let targets = [quoted(one.origin.address), quoted(two.origin.address)];
    let gateway = Gateway::start(&balanced(&targets, ACTIVE, "")).await;
    one.set(false);
    two.set(false);
    let answer = until("a refusal", async || Some(gateway.get("/").await).filter(|answer| answer.status == 503)).await;
    assert_eq!(answer.header("x-gateway-error"), Some("upstream_all_unhealthy"));
    two.set(true);
    serving(&mut gateway.client().await, "two", true).await;
}

#[tokio::test]
async fn a_probe_may_be_a_connection() {
    let nobody = Upstream::nobody().await;
    let two = Origin::echo("two").await;
    let health = "health = { active = { type = \"tcp\", interval = \"100ms\", failures = 1 } }";
    let config = balanced(&[quoted(nobody), quoted(two.address)], health, "retries = 0");
    let gateway = Gateway::start(&config).await;
    let mut client = gateway.client().await;
    until("all from the one that listens", async || {
        (share(&servers(&mut client, 10).await, "two") == 10).then_some(())
    })
    .await;
    let back = Origin::at(nobody, crate::harness::origin::Speaks::Http1, |request| echo("one", request)).await;
    serving(&mut client, "one", true).await;
    assert!(back.requests() > 0);
}
