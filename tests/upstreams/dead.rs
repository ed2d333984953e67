//! Targets that are dead to the first touch: nothing was sent there, so nobody is the worse for it.

use super::{balanced, quoted, server};
use crate::harness::upstream::Refusing;
use crate::harness::{Gateway, Origin};

/// Far more than a budget of retries has in store.
const REQUESTS: usize = 1000;

#[tokio::test]
async fn one_dead_target_of_two_costs_nobody_a_request() {
    let place = tempfile::tempdir().unwrap();
    let nobody = Refusing::new();
    for dead in [quoted(nobody.address), quoted(format!("unix:{}", place.path().join("nobody.sock").display()))] {
        let alive = Origin::echo("alive").await;
        let gateway = Gateway::start(&balanced(&[dead.clone(), quoted(alive.address)], "", "")).await;
        let mut client = gateway.client().await;
        for turn in 0..REQUESTS {
            let (method, body) = if turn % 2 == 0 { ("GET", "") } else { ("POST", "payload") };
            let answer = client.send(method, "/", &[], body).await;
            assert_eq!(server(&answer), "alive", "{dead}, turn {turn}: {answer:?}");
            assert_eq!(answer.json()["body"], body, "{dead}, turn {turn}");
        }
        assert_eq!(alive.requests(), REQUESTS, "each of them once");
    }
}
