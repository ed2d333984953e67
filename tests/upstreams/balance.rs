//! Who gets the next request.

use std::time::Duration;

use tokio::sync::watch;

use super::{balanced, quoted, servers, share};
use crate::harness::origin::echo;
use crate::harness::{Gateway, Origin, until};

#[tokio::test]
async fn by_turns_and_by_weight() {
    let (one, two, three) = (Origin::echo("one").await, Origin::echo("two").await, Origin::echo("three").await);
    let target = |origin: &Origin, weight| format!("{{ address = \"{}\", weight = {weight} }}", origin.address);
    let targets = [target(&one, 50), target(&two, 150), target(&three, 0)];
    let gateway = Gateway::start(&balanced(&targets, "balance = \"round-robin\"", "")).await;
    let served = servers(&mut gateway.client().await, 80).await;
    assert_eq!((share(&served, "one"), share(&served, "two")), (20, 60));
    // Not one after the other: the turns are spread.
    let longest = served.chunk_by(|a, b| a == b).map(<[String]>::len).max();
    assert!(longest <= Some(4), "{served:?}");
}

#[tokio::test]
async fn whoever_has_the_fewest() {
    let (release, released) = watch::channel(false);
    let slow = Origin::serve(move |request| {
        let mut released = released.clone();
        async move {
            drop(released.wait_for(|released| *released).await);
            echo("slow", request).await
        }
    })
    .await;
    let fast = Origin::echo("fast").await;
    let targets = [quoted(slow.address), quoted(fast.address)];
    let gateway = Gateway::start(&balanced(&targets, "balance = \"least-connections\"", "")).await;

    // One or the other is first; until the slow one has its request.
    let mut waiting = Vec::new();
    until("the slow one to have a request", async || {
        let mut client = gateway.client().await;
        waiting.push(tokio::spawn(async move { client.send("GET", "/", &[], "").await }));
        (slow.requests() > 0).then_some(())
    })
    .await;
    let served = servers(&mut gateway.client().await, 30).await;
    assert_eq!(share(&served, "fast"), 30, "the other one has a request already");

    release.send(true).unwrap();
    for answer in waiting {
        assert_eq!(answer.await.unwrap().status, 200);
    }
    let mut client = gateway.client().await;
    until("the slow one to be asked again", async || (share(&servers(&mut client, 2).await, "slow") > 0).then_some(()))
        .await;
}

#[tokio::test]
async fn whoever_is_faster() {
    let slow = Origin::serve(|request| async {
        tokio::time::sleep(Duration::from_millis(40)).await;
        echo("slow", request).await
    })
    .await;
    let fast = Origin::echo("fast").await;
    let targets = [quoted(slow.address), quoted(fast.address)];
    let gateway = Gateway::start(&balanced(&targets, "balance = \"latency\"", "")).await;
    let mut client = gateway.client().await;
    // Both have to be known first.
    let _ = servers(&mut client, 20).await;
    let served = servers(&mut client, 100).await;
    assert!(share(&served, "fast") >= 60, "{} of 100", share(&served, "fast"));
}

#[tokio::test]
async fn targets_come_and_go_with_the_configuration() {
    let (one, two) = (Origin::echo("one").await, Origin::echo("two").await);
    let gateway = Gateway::start(&balanced(&[quoted(one.address)], "", "")).await;
    let mut client = gateway.client().await;
    assert_eq!(share(&servers(&mut client, 4).await, "one"), 4);
    gateway.write_config(&balanced(&[quoted(one.address), quoted(two.address)], "", ""));
    until("the second", async || (share(&servers(&mut client, 4).await, "two") == 2).then_some(())).await;
    assert_eq!(one.connections(), 1, "the connection to a target that stayed was kept");
    gateway.write_config(&balanced(&[quoted(two.address)], "", ""));
    until("the second alone", async || (share(&servers(&mut client, 4).await, "two") == 4).then_some(())).await;
}
