//! Who falls ill, and who recovers.

use super::super::health::{Gate, Health, Outcome, Sent, Verdict};
use super::*;

fn why(endpoint: &Endpoint) -> String {
    endpoint.status().why.map_or_else(String::new, |why| why.to_string())
}

#[test]
fn so_many_failures_within_the_window_eject() {
    let settings = Settings { passive: Some(Passive::default()), ..Settings::default() };
    let upstream = upstream(settings, &[100, 100]);
    for _ in 0..20 {
        // Four in ten seconds are one too few, for ever.
        pick_of(&upstream, 1).failed(Failed::Timeout);
        advance(3 * SECOND);
    }
    assert_eq!(at(&upstream, 1).status().standing, Standing::Healthy);
    advance(20 * SECOND);
    for _ in 0..4 {
        pick_of(&upstream, 1).answered(503, MS);
        pick_of(&upstream, 1).answered(429, MS);
    }
    assert_eq!(at(&upstream, 1).status().standing, Standing::Healthy);
    pick_of(&upstream, 1).failed(Failed::Connect);
    assert_eq!(at(&upstream, 1).status().standing, Standing::Unhealthy);
    assert_eq!(why(&at(&upstream, 1)), "5 failures within 10s, the last: connection failed");
    assert_eq!(counts(&upstream, 10), [(2, 10)].into());
}

#[test]
fn an_ejected_endpoint_gets_one_trial_whatever_the_algorithm() {
    for algorithm in ALGORITHMS {
        let upstream = upstream(strict(algorithm), &[100, 100, 100]);
        pick_of(&upstream, 1).failed(Failed::Reset);
        advance(9 * SECOND);
        assert!(!picks(&upstream, 100).contains(&1), "{algorithm:?}: too early");
        advance(SECOND);
        assert!(upstream.pick(Some(1), &[at(&upstream, 2).id]).is_ok_and(|pick| port(&pick) == 3), "not by a retry");
        let trial = upstream.pick(Some(1), &[]).unwrap();
        assert_eq!(port(&trial), 1, "{algorithm:?}: on time");
        assert!(!picks(&upstream, 100).contains(&1), "{algorithm:?}: one is enough");
        trial.answered(200, MS);
        drop(trial);
        assert!(picks(&upstream, 100).contains(&1), "{algorithm:?}: back");
        assert_eq!(why(&at(&upstream, 1)), "a request for trial was answered 200");
    }
}

#[test]
fn a_failed_trial_makes_the_pause_longer_up_to_a_bound() {
    let upstream = upstream(strict(Algorithm::RoundRobin), &[100]);
    upstream.pick(None, &[]).unwrap().failed(Failed::Reset);
    for pause in [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 10, 10] {
        advance(pause * 10 * SECOND - MS);
        assert_eq!(upstream.pick(None, &[]).unwrap_err(), Nothing::AllUnhealthy { endpoints: 1 }, "{pause}");
        advance(MS);
        upstream.pick(None, &[]).unwrap().answered(500, MS);
    }
    assert_eq!(why(&at(&upstream, 1)), "failed again when tried: status 500");
    advance(100 * SECOND);
    upstream.pick(None, &[]).unwrap().answered(200, MS);
    // A relapse is as bad as a failed trial; after some good time it starts with the shortest pause again.
    upstream.pick(None, &[]).unwrap().failed(Failed::Reset);
    advance(99 * SECOND);
    assert!(upstream.pick(None, &[]).is_err());
    advance(SECOND);
    upstream.pick(None, &[]).unwrap().answered(200, MS);
    advance(10 * SECOND);
    upstream.pick(None, &[]).unwrap().failed(Failed::Reset);
    advance(10 * SECOND);
    assert!(upstream.pick(None, &[]).is_ok());
}

#[test]
fn a_trial_without_a_verdict_is_made_again() {
    let upstream = upstream(strict(Algorithm::RoundRobin), &[100]);
    upstream.pick(None, &[]).unwrap().failed(Failed::Reset);
    advance(10 * SECOND);
    drop(upstream.pick(None, &[]).unwrap());
    let hanging = upstream.pick(None, &[]).unwrap();
    assert!(upstream.pick(None, &[]).is_err());
    advance(10 * SECOND);
    let other = upstream.pick(None, &[]).unwrap();
    drop(hanging);
    assert!(upstream.pick(None, &[]).is_err(), "only the latest trial can be given back");
    other.answered(200, MS);
    assert!(upstream.pick(None, &[]).is_ok());
}

#[test]
fn when_all_are_ejected_each_gets_its_trial() {
    let upstream = upstream(strict(Algorithm::RoundRobin), &[100; 3]);
    (1..=3).for_each(|port| pick_of(&upstream, port).failed(Failed::Connect));
    assert_eq!(upstream.pick(None, &[]).unwrap_err(), Nothing::AllUnhealthy { endpoints: 3 });
    advance(10 * SECOND);
    let first = upstream.pick(None, &[]).unwrap();
    first.failed(Failed::Connect);
    let second = upstream.pick(None, &[first.id]).unwrap();
    let third = upstream.pick(None, &[]).unwrap();
    assert!(first.id != second.id && second.id != third.id && first.id != third.id);
    assert!(upstream.pick(None, &[]).is_err());
    second.answered(200, MS);
    assert!(upstream.pick(None, &[]).is_ok());
}

#[test]
fn enough_of_the_weight_must_be_healthy() {
    let upstream = upstream(Settings { threshold: 50, ..Settings::default() }, &[100, 100, 100, 100]);
    at(&upstream, 1).force(Forced::Unhealthy);
    at(&upstream, 2).force(Forced::Unhealthy);
    assert!(upstream.pick(None, &[]).is_ok());
    at(&upstream, 3).force(Forced::Unhealthy);
    assert_eq!(upstream.pick(None, &[]).unwrap_err(), Nothing::AllUnhealthy { endpoints: 4 });
    at(&upstream, 3).force(Forced::Healthy);
    assert!(upstream.pick(None, &[]).is_ok());
}

#[test]
fn what_is_decided_by_hand_holds() {
    let upstream = upstream(strict(Algorithm::RoundRobin), &[100]);
    let endpoint = at(&upstream, 1);
    endpoint.force(Forced::Healthy);
    upstream.pick(None, &[]).unwrap().failed(Failed::Reset);
    assert_eq!(endpoint.status().standing, Standing::Healthy);
    endpoint.force(Forced::Unhealthy);
    advance(1_000 * SECOND);
    assert!(upstream.pick(None, &[]).is_err());
    assert_eq!((endpoint.status().forced, why(&endpoint).as_str()), (Forced::Unhealthy, "set by hand"));
    endpoint.force(Forced::None);
    upstream.pick(None, &[]).unwrap().failed(Failed::Reset);
    assert_eq!(endpoint.status().standing, Standing::Unhealthy);
    endpoint.force(Forced::None);
    assert_eq!(endpoint.status().standing, Standing::Healthy);
}

#[test]
fn what_is_set_by_hand_holds_until_probes_find_otherwise() {
    let upstream = upstream(strict(Algorithm::RoundRobin), &[100]);
    let endpoint = at(&upstream, 1);
    let active = Active::default();
    let probed = |verdict: fn(String) -> Verdict| endpoint.probed(&active, verdict("probe".into()));
    probed(Verdict::Healthy);
    endpoint.force(Forced::UnhealthyUntilProbed);
    advance(1_000 * SECOND);
    assert_eq!(upstream.standing(), Standing::Unhealthy);
    for verdict in [Verdict::Healthy, Verdict::Unhealthy, Verdict::Healthy] {
        probed(verdict);
        assert!(upstream.pick(None, &[]).is_err());
    }
    probed(Verdict::Healthy);
    assert_eq!((upstream.standing(), why(&endpoint).as_str()), (Standing::Healthy, "probe"));
    // Requests have their say again.
    upstream.pick(None, &[]).unwrap().failed(Failed::Reset);
    assert_eq!(endpoint.status().standing, Standing::Unhealthy);
}

#[test]
fn who_recovers_starts_slowly() {
    for algorithm in [Algorithm::RoundRobin, Algorithm::LeastConnections, Algorithm::ConsistentHash] {
        let settings = Settings { slow_start: Some(90 * SECOND), ..strict(algorithm) };
        let upstream = upstream(settings, &[100, 100]);
        assert_near(counts(&upstream, 2_000)[&1], 1_000);
        pick_of(&upstream, 1).failed(Failed::Timeout);
        advance(10 * SECOND);
        upstream.pick(None, &[]).unwrap().answered(200, MS);
        // With a share of s it takes s of its turns, and what it leaves goes round again: s / (1 + s) of all. Of the
        // keys it owns, and when it is as idle as the other, it takes s.
        for (share, turns, idle) in [(0.1, 364, 200), (0.5, 1_333, 1_000), (0.9, 1_895, 1_800), (1.0, 2_000, 2_000)] {
            assert!((at(&upstream, 1).status().share - share).abs() < 0.06, "{algorithm:?}");
            let expected = if algorithm == Algorithm::RoundRobin { turns } else { idle };
            let counted = counts(&upstream, 4_000)[&1];
            assert!(counted.abs_diff(expected) < 120, "{algorithm:?}, share {share}: {counted}, not {expected}");
            advance(40 * SECOND);
        }
    }
}

#[test]
fn every_transition_is_told_once() {
    advance(MS);
    let (health, passive, active) =
        (Health::default(), Passive { failures: 1, ..Passive::default() }, Active::default());
    let failed = |sent| health.failed(&passive, &Failed::Timeout, sent);
    let probed = |verdict: fn(String) -> Verdict| health.probed(&active, verdict("probe".into()));
    assert!(
        matches!(failed(Sent::Ordinarily), Outcome::Fell(why) if &*why == "1 failures within 10s, the last: timed out")
    );
    assert!(matches!(failed(Sent::Ordinarily), Outcome::Same));
    assert!(matches!(failed(Sent::ForTrial), Outcome::Moved));
    assert!(matches!(health.passed(204), Outcome::Rose(_)));
    assert!(matches!(health.passed(204), Outcome::Same));
    assert!(matches!(probed(Verdict::Unhealthy), Outcome::Same));
    assert!(matches!(probed(Verdict::Unhealthy), Outcome::Same));
    assert!(matches!(probed(Verdict::Unhealthy), Outcome::Fell(_)));
    assert!(matches!(probed(Verdict::Unhealthy), Outcome::Same));
    assert!(matches!(failed(Sent::Ordinarily), Outcome::Same));
    assert!(matches!(probed(Verdict::Healthy), Outcome::Same));
    assert!(matches!(probed(Verdict::Healthy), Outcome::Rose(why) if &*why == "probe"));
    assert!(matches!(health.force(Forced::Unhealthy), Outcome::Fell(_)));
    assert!(matches!(probed(Verdict::Healthy), Outcome::Same));
    assert!(matches!(health.force(Forced::Healthy), Outcome::Rose(_)));
    assert!(matches!(health.force(Forced::None), Outcome::Moved));
}

#[test]
fn probes_take_over_from_traffic() {
    advance(MS);
    let (health, passive) = (Health::default(), Passive { failures: 1, ..Passive::default() });
    let mut active = Active::default();
    let words = || "probe".to_owned();
    // What was found before the ejection does not end it.
    for _ in 0..5 {
        assert!(matches!(health.probed(&active, Verdict::Healthy(words())), Outcome::Same));
    }
    assert!(matches!(health.failed(&passive, &Failed::Reset, Sent::Ordinarily), Outcome::Fell(_)));
    assert!(matches!(health.probed(&active, Verdict::Healthy(words())), Outcome::Same));
    assert!(matches!(health.probed(&active, Verdict::Healthy(words())), Outcome::Rose(_)));
    // What probes hold down gets no trial; and 0 successes leave an ejection to traffic, but never stick.
    active.healthy.successes = 0;
    assert!(matches!(health.failed(&passive, &Failed::Reset, Sent::Ordinarily), Outcome::Fell(_)));
    for _ in 0..5 {
        assert!(matches!(health.probed(&active, Verdict::Healthy(words())), Outcome::Same));
    }
    for expected in [Standing::Unhealthy, Standing::Unhealthy, Standing::Unhealthy] {
        let _ = health.probed(&active, Verdict::Unhealthy(words()));
        assert_eq!(health.report().0, expected);
    }
    assert!(matches!(health.gate(), Gate::ShutByProbes));
    assert!(matches!(health.probed(&active, Verdict::Healthy(words())), Outcome::Rose(_)));
}
