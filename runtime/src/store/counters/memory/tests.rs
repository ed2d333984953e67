use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::time::Duration;

use super::*;
use crate::store::counters::vectors::{self, limit};

const SECOND: u64 = 1_000_000;
const SPACE: Space = Space(1);

fn at(seconds: u64) -> Timestamp {
    Timestamp::since_epoch(Duration::from_secs(1_780_000_000 + seconds))
}

fn per_second(max: u64) -> Limits {
    Limits::new(&[limit(max, SECOND, Algorithm::FixedWindow)]).unwrap()
}

#[test]
fn every_sequence_comes_to_what_it_should() {
    for sequence in vectors::sequences() {
        let memory = Memory::default();
        let limits = Limits::new(&sequence.limits).unwrap();
        for step in &sequence.steps {
            let decision = memory.hit(SPACE, "k", step.cost, &limits, step.time()).unwrap();
            step.check(sequence.name, &decision);
        }
    }
}

#[test]
fn a_hit_counts_in_all_of_its_limits_or_in_none() {
    for (limits, hits) in vectors::random(200) {
        let memory = Memory::default();
        for (now, cost) in hits {
            let before = memory.hit(SPACE, "k", 0, &limits, now).unwrap().standings;
            let decision = memory.hit(SPACE, "k", cost, &limits, now).unwrap();
            let counted = if decision.allowed { cost } else { 0 };
            for (before, after) in before.iter().zip(&decision.standings) {
                assert_eq!(before.remaining - counted, after.remaining, "{limits:?} {now:?} {cost}");
            }
        }
    }
}

#[test]
fn threads_together_pass_exactly_the_limit() {
    let [fixed, sliding, gcra] = [Algorithm::FixedWindow, Algorithm::SlidingWindow, Algorithm::Gcra];
    let hour = 3_600 * SECOND;
    for listed in [
        vec![limit(1_000, hour, fixed)],
        vec![limit(1_000, hour, sliding)],
        vec![limit(1_000, hour, gcra)],
        vec![limit(2_000, hour, fixed), limit(1_000, 24 * hour, sliding), limit(1_500, 2 * hour, gcra)],
    ] {
        let (memory, limits) = (Arc::new(Memory::default()), Limits::new(&listed).unwrap());
        let passed = AtomicUsize::new(0);
        std::thread::scope(|scope| {
            for _ in 0..2 {
                scope.spawn(|| {
                    for _ in 0..10_000 {
                        let decision = memory.hit(SPACE, "k", 1, &limits, at(0)).unwrap();
                        passed.fetch_add(usize::from(decision.allowed), Ordering::Relaxed);
                    }
                });
            }
        });
        assert_eq!(passed.into_inner(), 1_000, "{listed:?}");
    }
}

#[test]
fn keys_and_spaces_count_apart() {
    let (memory, limits) = (Memory::default(), per_second(1));
    for (space, key) in [(1, "a"), (1, "b"), (2, "a"), (1, "")] {
        assert!(memory.hit(Space(space), key, 1, &limits, at(0)).unwrap().allowed, "{space} {key}");
        assert!(!memory.hit(Space(space), key, 1, &limits, at(0)).unwrap().allowed, "{space} {key}");
    }
}

#[test]
fn a_key_is_as_long_as_it_may_be_and_no_longer() {
    let (memory, limits) = (Memory::default(), per_second(1));
    let longest = "k".repeat(limits::COUNTER_KEY_BYTES);
    assert!(memory.hit(SPACE, &longest, 1, &limits, at(0)).is_ok());
    let longer = format!("{longest}k");
    assert_eq!(memory.hit(SPACE, &longer, 1, &limits, at(0)), Err(HitError::KeyTooLong(longer.len())));
}

#[test]
fn what_was_refused_or_only_looked_at_takes_no_room() {
    let (memory, limits) = (Memory::default(), per_second(1));
    memory.hit(SPACE, "looked at", 0, &limits, at(0)).unwrap();
    memory.hit(SPACE, "refused", 2, &limits, at(0)).unwrap();
    assert_eq!(memory.usage().keys, 0);
}

#[test]
fn a_sweep_frees_what_has_expired_and_nothing_else() {
    let (memory, limits) = (Memory::default(), per_second(1));
    for number in 0..10_000 {
        memory.hit(SPACE, &number.to_string(), 1, &limits, at(number % 2)).unwrap();
    }
    memory.sweep(at(1));
    assert_eq!(memory.usage(), Usage { keys: 5_000, evicted: 0 });
    assert!(!memory.hit(SPACE, "1", 1, &limits, at(1)).unwrap().allowed);
    memory.sweep(at(2));
    assert_eq!(memory.usage().keys, 0);
}

#[test]
fn expired_keys_are_freed_as_new_ones_come() {
    let (memory, limits) = (Memory::default(), per_second(1));
    for second in 0..100 {
        for number in 0..1_000 {
            memory.hit(SPACE, &format!("{second} {number}"), 1, &limits, at(second)).unwrap();
        }
    }
    assert!(memory.usage().keys < 5_000, "{:?}", memory.usage());
}

#[test]
fn when_all_room_is_taken_what_expires_soonest_goes_first() {
    let room = 64 * limits::STORE_SHARDS;
    let memory = Memory::with_room(room);
    let (short, long) = (per_second(1), Limits::new(&[limit(1, 86_400 * SECOND, Algorithm::FixedWindow)]).unwrap());
    let (now, kept) = (at(0), room / 4);
    for number in 0..kept {
        memory.hit(SPACE, &format!("long {number}"), 1, &long, now).unwrap();
    }
    for number in 0..4 * room {
        assert!(memory.hit(SPACE, &format!("short {number}"), 1, &short, now).unwrap().allowed, "{number}");
    }
    let usage = memory.usage();
    assert!(usage.keys <= room && usage.evicted > 0, "{usage:?}");
    let gone = (0..kept).filter(|n| memory.hit(SPACE, &format!("long {n}"), 0, &long, now).unwrap().allowed);
    let gone = gone.count();
    assert!(gone < kept / 20, "{gone} of {kept}");
    // What has expired makes room without anybody noticing.
    for number in 0..room / 2 {
        memory.hit(SPACE, &format!("next {number}"), 1, &short, at(1)).unwrap();
    }
    assert!(memory.usage().evicted < usage.evicted + u64::try_from(room / 20).unwrap(), "{:?}", memory.usage());
}

#[test]
fn a_counter_goes_on_when_its_maximum_changes_and_old_ones_do_not_pile_up() {
    let memory = Memory::default();
    memory.hit(SPACE, "k", 5, &per_second(10), at(0)).unwrap();
    let decision = memory.hit(SPACE, "k", 1, &per_second(7), at(0)).unwrap();
    assert_eq!(decision.standings[0].remaining, 1);
    for window in 1..1_000 {
        let limits = Limits::new(&[limit(10, window * SECOND, Algorithm::Gcra)]).unwrap();
        memory.hit(SPACE, "k", 1, &limits, at(0)).unwrap();
    }
    let id = memory.keys.id(SPACE, b"k");
    let counters = memory.keys.lock(id).get(id).unwrap().counters.len();
    assert!(counters <= limits::COUNTER_CELLS, "{counters}");
}

/// Prints what a hit costs: `cargo test --release -p tidegate --lib what_a_hit_costs -- --nocapture`.
#[test]
fn what_a_hit_costs() {
    let memory = Memory::default();
    let keys: Vec<String> = (0..1_000).map(|number| format!("consumer-{number}")).collect();
    let six = [1, 60, 3_600, 86_400, 2_592_000, 31_536_000]
        .map(|seconds| limit(1 << 40, seconds * SECOND, Algorithm::FixedWindow));
    for (name, listed) in [
        ("one fixed window", &six[..1]),
        ("one sliding window", &[limit(1 << 40, SECOND, Algorithm::SlidingWindow)]),
        ("one bucket", &[limit(1 << 40, SECOND, Algorithm::Gcra)]),
        ("six fixed windows", &six[..]),
    ] {
        let limits = Limits::new(listed).unwrap();
        let start = std::time::Instant::now();
        let rounds = 100;
        for _ in 0..rounds {
            for key in &keys {
                assert!(memory.hit(SPACE, key, 1, &limits, Timestamp::now()).unwrap().allowed);
            }
        }
        let each = start.elapsed() / (rounds * 1_000);
        println!("{name}: {each:?} per hit, the clock included");
        assert!(each < Duration::from_micros(100), "{name}: {each:?}");
    }
}
