//! Who gets how much.

use super::*;

#[test]
fn everybody_gets_their_weights_share() {
    for algorithm in [Algorithm::RoundRobin, Algorithm::LeastConnections, Algorithm::ConsistentHash] {
        let counts = counts(&upstream(by(algorithm), &[200, 100, 0, 100]), 8_000);
        assert_eq!(counts.len(), 3, "{algorithm:?}: {counts:?}");
        assert_near(counts[&1], 4_000);
        assert_near(counts[&2], 2_000);
        assert_near(counts[&4], 2_000);
    }
}

#[test]
fn of_a_dead_ones_share_everybody_gets_a_part() {
    for algorithm in ALGORITHMS {
        let upstream = upstream(by(algorithm), &[100, 100, 100, 100]);
        at(&upstream, 2).force(Forced::Unhealthy);
        let counts = counts(&upstream, 9_000);
        assert_eq!(counts.len(), 3, "{algorithm:?}: {counts:?}");
        counts.values().for_each(|count| assert_near(*count, 3_000));
    }
}

#[test]
fn one_left_of_many_gets_everything() {
    for algorithm in ALGORITHMS {
        let upstream = upstream(by(algorithm), &[100; 300]);
        let endpoints = upstream.endpoints();
        endpoints.iter().skip(1).for_each(|endpoint| endpoint.force(Forced::Unhealthy));
        assert_eq!(counts(&upstream, 50), [(1, 50)].into(), "{algorithm:?}");
        at(&upstream, 1).force(Forced::Unhealthy);
        assert_eq!(upstream.pick(Some(1), &[]).unwrap_err(), Nothing::AllUnhealthy { endpoints: 300 });
    }
}

#[test]
fn who_was_tried_comes_last() {
    for algorithm in ALGORITHMS {
        let upstream = upstream(by(algorithm), &[100, 65_535, 1]);
        for hash in 0..200 {
            let mut tried = Vec::new();
            for _ in 0..3 {
                tried.push(upstream.pick(Some(hash), &tried).unwrap().id);
            }
            assert!(tried[0] != tried[1] && tried[1] != tried[2] && tried[0] != tried[2], "{algorithm:?}: {tried:?}");
            assert!(tried.contains(&upstream.pick(Some(hash), &tried).unwrap().id), "{algorithm:?}");
        }
    }
}

#[test]
fn without_weight_there_is_nothing() {
    for algorithm in ALGORITHMS {
        assert_eq!(upstream(by(algorithm), &[0, 0]).pick(Some(7), &[]).unwrap_err(), Nothing::NoTarget);
        assert_eq!(upstream(by(algorithm), &[]).pick(None, &[]).unwrap_err(), Nothing::NoTarget);
    }
}

#[test]
fn least_connections_goes_by_load_for_weight() {
    let upstream = upstream(by(Algorithm::LeastConnections), &[200, 100]);
    let held: Vec<Pick> = (0..30).map(|_| upstream.pick(None, &[]).unwrap()).collect();
    assert_eq!(at(&upstream, 1).status().in_flight, 20);
    assert_eq!(at(&upstream, 2).status().in_flight, 10);
    let (first, second): (Vec<_>, Vec<_>) = held.into_iter().partition(|pick| port(pick) == 1);
    drop(second);
    let next: Vec<Pick> = (0..10).map(|_| upstream.pick(None, &[]).unwrap()).collect();
    assert!(next.iter().all(|pick| port(pick) == 2));
    drop((first, next));
    assert!(upstream.endpoints().iter().all(|endpoint| endpoint.status().in_flight == 0));
}

#[test]
fn least_connections_among_very_many_keeps_loads_close() {
    let upstream = upstream(by(Algorithm::LeastConnections), &[100; 200]);
    let held: Vec<Pick> = (0..2_000).map(|_| upstream.pick(None, &[]).unwrap()).collect();
    let loads: Vec<u32> = upstream.endpoints().iter().map(|endpoint| endpoint.status().in_flight).collect();
    assert!(loads.iter().all(|load| (5..=13).contains(load)), "{loads:?}");
    drop(held);
}

#[test]
fn a_key_keeps_its_endpoint_and_an_endpoint_that_leaves_takes_only_its_own() {
    let all = upstream(by(Algorithm::ConsistentHash), &[100; 10]);
    let before = picks(&all, 10_000);
    assert_eq!(picks(&all, 10_000), before);
    // Another process, with the targets in another order.
    let targets = (1..=10).rev().map(|port| fixed(port, 100)).collect();
    let reversed = Upstream::new("orders".into(), by(Algorithm::ConsistentHash), targets, None);
    assert_eq!(picks(&reversed, 10_000), before);

    let targets = (1..=10).filter(|port| *port != 3).map(|port| fixed(port, 100)).collect();
    let fewer = Upstream::new("orders".into(), by(Algorithm::ConsistentHash), targets, Some(&all));
    at(&all, 3).force(Forced::Unhealthy);
    for after in [picks(&fewer, 10_000), picks(&all, 10_000)] {
        let moved: Vec<_> = before.iter().zip(&after).filter(|(before, after)| before != after).collect();
        assert!(moved.iter().all(|(before, after)| **before == 3 && **after != 3));
        assert_near(moved.len(), 1_000);
        let heirs: std::collections::BTreeSet<_> = moved.iter().map(|(_, after)| **after).collect();
        assert_eq!(heirs.len(), 9, "the others share what it had");
    }
    assert_eq!(all.pick(None, &[]).map(|pick| port(&pick)), Ok(1), "without a hash it is round-robin");
    assert_eq!(all.pick(None, &[]).map(|pick| port(&pick)), Ok(2));
}

#[test]
fn latency_prefers_the_fast_and_still_sees_the_slow() {
    let upstream = upstream(by(Algorithm::Latency), &[100, 100, 100]);
    let mut counts = [0_usize; 4];
    for _ in 0..3_000 {
        let pick = upstream.pick(None, &[]).unwrap();
        counts[usize::from(port(&pick))] += 1;
        pick.answered(200, if port(&pick) == 3 { 200 * MS } else { 5 * MS });
        advance(5 * MS);
    }
    assert!(counts[3] < 100, "{counts:?}");
    advance(60 * SECOND);
    assert!(super::counts(&upstream, 300)[&3] > 50, "what is long ago is forgotten");
}

#[test]
fn latency_neither_starves_nor_floods_a_newcomer() {
    let old = upstream(by(Algorithm::Latency), &[100, 100]);
    for _ in 0..100 {
        old.pick(None, &[]).unwrap().answered(200, 20 * MS);
    }
    let targets = (1..=3).map(|port| fixed(port, 100)).collect();
    let new = Upstream::new("orders".into(), by(Algorithm::Latency), targets, Some(&old));
    let held: Vec<Pick> = (0..90).map(|_| new.pick(None, &[]).unwrap()).collect();
    let newcomers = held.iter().filter(|pick| port(pick) == 3).count();
    assert!((20..=40).contains(&newcomers), "{newcomers}");
}

#[test]
fn latency_halves_what_half_the_weight_gets() {
    let upstream = upstream(by(Algorithm::Latency), &[200, 100]);
    let held: Vec<Pick> = (0..300).map(|_| upstream.pick(None, &[]).unwrap()).collect();
    assert_near(held.iter().filter(|pick| port(pick) == 1).count(), 200);
}

#[test]
fn refusing_fast_is_not_being_fast() {
    let upstream = upstream(by(Algorithm::Latency), &[100, 100]);
    pick_of(&upstream, 1).answered(200, 50 * MS);
    pick_of(&upstream, 2).failed(Failed::Connect);
    assert_eq!(counts(&upstream, 100), [(1, 100)].into());
}

#[test]
fn four_threads_leave_nothing_in_flight() {
    for algorithm in ALGORITHMS {
        let upstream = upstream(strict(algorithm), &[100, 50, 25, 100, 100]);
        let work = |seed: u64| {
            advance(MS);
            for turn in 0..5_000 {
                let hash = Some(seed * 1_000_003 + turn);
                let Ok(pick) = upstream.pick(hash, &[]) else {
                    advance(SECOND);
                    continue;
                };
                let again = upstream.pick(hash, &[pick.id]);
                match turn % 100 {
                    98 => pick.failed(Failed::Reset),
                    99 => {}
                    _ => pick.answered(200, MS),
                }
                drop(again);
                advance(10 * MS);
            }
        };
        std::thread::scope(|scope| {
            for seed in 0..4 {
                scope.spawn(move || work(seed));
            }
        });
        assert!(upstream.endpoints().iter().all(|endpoint| endpoint.status().in_flight == 0), "{algorithm:?}");
    }
}

#[test]
fn round_robin_is_exact_over_threads() {
    let upstream = upstream(by(Algorithm::RoundRobin), &[300, 100]);
    let first = std::thread::scope(|scope| {
        let work = || picks(&upstream, 1_000).into_iter().filter(|port| *port == 1).count();
        let threads: Vec<_> = (0..4).map(|_| scope.spawn(work)).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).sum::<usize>()
    });
    assert_eq!(first, 3_000);
}
