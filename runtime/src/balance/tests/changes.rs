//! What survives a reload, and a new DNS answer.

use super::*;

#[test]
fn a_reload_takes_over_what_stays() {
    let old = upstream(strict(Algorithm::ConsistentHash), &[100, 100, 100]);
    pick_of(&old, 1).failed(Failed::Timeout);
    let held = pick_of(&old, 2);
    held.answered(200, 30 * MS);
    let targets = vec![fixed(4, 100), fixed(2, 50), fixed(1, 100)];
    let new = Upstream::new("orders".into(), strict(Algorithm::RoundRobin), targets, Some(&old));
    assert_eq!(at(&new, 1).id, at(&old, 1).id);
    assert_eq!(at(&new, 1).status().standing, Standing::Unhealthy);
    assert_eq!(at(&new, 2).id, held.id);
    assert_eq!((at(&new, 2).weight, held.weight), (50, 100));
    assert_eq!(at(&new, 2).status().in_flight, 1);
    assert_eq!(at(&new, 2).status().latency, Some(30 * MS));
    assert!(old.endpoints().iter().all(|endpoint| endpoint.id != at(&new, 4).id));

    // What the old generation's requests meet still counts.
    held.failed(Failed::Reset);
    drop(held);
    assert_eq!(at(&new, 2).status().in_flight, 0);
    assert_eq!(counts(&new, 10), [(4, 10)].into());
    // A trial can come from either generation, and neither loses one.
    advance(10 * SECOND);
    let trial = old.pick(None, &[]).unwrap();
    let rest: Vec<Pick> = (0..3).map(|_| new.pick(None, &[]).unwrap()).collect();
    assert_eq!(rest.iter().filter(|pick| pick.id == trial.id).count(), 0);
    assert_eq!(rest.iter().filter(|pick| port(pick) != 4).count(), 1);
}

#[test]
fn checks_that_are_gone_hold_nobody_back() {
    let old = upstream(strict(Algorithm::RoundRobin), &[100]);
    old.pick(None, &[]).unwrap().failed(Failed::Timeout);
    let new = Upstream::new("orders".into(), Settings::default(), vec![fixed(1, 100)], Some(&old));
    assert_eq!(at(&new, 1).status().standing, Standing::Healthy);
    assert!(new.pick(None, &[]).is_ok());
    assert!(old.pick(None, &[]).is_err(), "a generation that is not used yet changes nothing");
}

#[test]
fn newcomers_among_others_start_slowly() {
    let settings = || Settings { slow_start: Some(SECOND), ..Settings::default() };
    let old = upstream(settings(), &[100, 100]);
    assert!(old.endpoints().iter().all(|endpoint| endpoint.status().share == 1.0));
    let targets = vec![fixed(1, 100), fixed(5, 100), named("n:80", 100)];
    let new = Upstream::new("orders".into(), settings(), targets, Some(&old));
    assert_eq!(at(&new, 1).status().share, 1.0);
    assert_eq!(at(&new, 5).status().share, 0.1);
    new.resolved(2, &[(address(80), 1)]);
    assert_eq!(at(&new, 80).status().share, 0.1);
    advance(SECOND);
    assert_eq!(at(&new, 80).status().share, 1.0);
    let moved = Upstream::new("orders".into(), settings(), vec![fixed(6, 100)], Some(&new));
    assert_eq!(at(&moved, 6).status().share, 1.0, "all of them are new");
}

#[tokio::test]
async fn names_are_pending_until_they_resolve_or_fail() {
    let targets = vec![named("a:80", 100), named("b:80", 100)];
    let settings = Settings { slow_start: Some(SECOND), ..Settings::default() };
    let upstream = Upstream::new("orders".into(), settings, targets, None);
    assert_eq!(upstream.pick(None, &[]).unwrap_err(), Nothing::Pending);
    let mut settled = std::pin::pin!(upstream.settled());
    let mut unawaited = std::task::Context::from_waker(std::task::Waker::noop());
    assert!(settled.as_mut().poll(&mut unawaited).is_pending());
    upstream.unresolved(0, "no such name".into());
    assert!(settled.as_mut().poll(&mut unawaited).is_pending());
    assert_eq!(upstream.pick(None, &[]).unwrap_err(), Nothing::Pending);
    upstream.unresolved(1, "no such name either".into());
    settled.await;
    assert_eq!(upstream.pick(None, &[]).unwrap_err(), Nothing::Unresolved("no such name".into()));
    assert_eq!(upstream.targets()[1].resolution, Resolution::Failed("no such name either".into()));

    upstream.resolved(1, &[(address(1), 1), (address(2), 1)]);
    assert_eq!(counts(&upstream, 10), [(1, 5), (2, 5)].into());
    assert_eq!(upstream.targets()[1].resolution, Resolution::Known);
    upstream.settled().await;
    upstream.resolved(1, &[]);
    assert!(matches!(upstream.pick(None, &[]), Err(Nothing::Unresolved(_))));
}

#[tokio::test]
async fn nothing_named_is_settled_at_once() {
    upstream(Settings::default(), &[100]).settled().await;
}

#[test]
fn a_target_shares_its_weight_among_its_addresses() {
    advance(MS);
    let targets = vec![named("a:80", 100), fixed(9, 100), named("tiny:80", 1)];
    let upstream = Upstream::new("orders".into(), Settings::default(), targets, None);
    upstream.resolved(2, &[]);
    upstream.resolved(0, &[(address(1), 1), (address(2), 1), (address(3), 0), (address(1), 1)]);
    let weights: Vec<u16> = upstream.endpoints().iter().map(|endpoint| endpoint.weight).collect();
    assert_eq!(weights, [50, 25, 25, 100]);
    let counts = counts(&upstream, 800);
    assert_eq!(counts, [(1, 200), (2, 100), (3, 100), (9, 400)].into());
    upstream.resolved(2, &[(address(11), 1), (address(12), 1), (address(13), 1)]);
    assert_eq!(at(&upstream, 12).weight, 1, "rounded, but never to nothing");
    assert_near(super::counts(&upstream, 6_030)[&12], 10);
    // A fixed target is where it is, and there are only three.
    upstream.resolved(1, &[(address(7), 1)]);
    upstream.resolved(3, &[(address(7), 1)]);
    assert_eq!(port(&at(&upstream, 9)), 9);
}

#[test]
fn a_new_dns_answer_keeps_who_stays() {
    advance(MS);
    let targets = || vec![named("a:80", 100), named("b:80", 100)];
    let settings = || Settings { slow_start: Some(SECOND), ..strict(Algorithm::RoundRobin) };
    let upstream = Upstream::new("orders".into(), settings(), targets(), None);
    upstream.resolved(0, &[(address(1), 1), (address(2), 1)]);
    upstream.resolved(1, &[(address(1), 1)]);
    let ids: Vec<u32> = upstream.endpoints().iter().map(|endpoint| endpoint.id).collect();
    assert!(ids[0] != ids[2], "the same address of another target is another endpoint");
    assert!(upstream.endpoints().iter().all(|endpoint| endpoint.status().share == 1.0));
    upstream.pick(None, &[]).unwrap().failed(Failed::Connect);
    let ill: Vec<u32> = unhealthy(&upstream);
    assert_eq!(ill.len(), 1);

    upstream.resolved(0, &[(address(3), 1), (address(2), 1), (address(1), 1)]);
    assert_eq!(unhealthy(&upstream), ill);
    assert_eq!(at(&upstream, 2).id, ids[1]);
    assert_eq!(at(&upstream, 3).status().share, 0.1);
    let same = upstream.endpoints();
    upstream.resolved(0, &[(address(1), 1), (address(2), 1), (address(3), 1)]);
    assert!(Arc::ptr_eq(&same, &upstream.endpoints()), "another order is no change");

    let reloaded = Upstream::new("orders".into(), settings(), targets(), Some(&upstream));
    assert_eq!(reloaded.endpoints().len(), 4, "the addresses go on as well");
    assert_eq!(unhealthy(&reloaded), ill);
    // Whichever generation hears of an address first.
    upstream.resolved(1, &[(address(4), 1)]);
    reloaded.resolved(1, &[(address(4), 1)]);
    assert_eq!(at(&upstream, 4).id, at(&reloaded, 4).id);
}

fn unhealthy(upstream: &Upstream) -> Vec<u32> {
    let endpoints = upstream.endpoints();
    let unhealthy = endpoints.iter().filter(|endpoint| endpoint.status().standing == Standing::Unhealthy);
    unhealthy.map(|endpoint| endpoint.id).collect()
}
