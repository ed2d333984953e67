use std::collections::HashMap;
use std::sync::Arc;

use proptest::prelude::*;

use super::*;

const SPACE: Space = Space(1);

#[derive(Debug, Clone)]
enum Step {
    Get,
    Set(Vec<u8>, Option<u64>),
    CompareAndSet(Option<Vec<u8>>, Vec<u8>, Option<u64>),
    Delete,
    Increment(i64, Option<u64>),
    Sweep,
}

/// Values that are often the same, and often numbers.
fn value() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![Just(b"1".to_vec()), Just(b"-9223372036854775808".to_vec()), Just(b"x".to_vec()), Just(Vec::new())]
}

fn steps() -> impl Strategy<Value = Vec<(u8, u64, Step)>> {
    let ttl = || prop::option::of(0..20_u64);
    let step = prop_oneof![
        3 => Just(Step::Get),
        2 => (value(), ttl()).prop_map(|(value, ttl)| Step::Set(value, ttl)),
        3 => (prop::option::of(value()), value(), ttl())
            .prop_map(|(expected, value, ttl)| Step::CompareAndSet(expected, value, ttl)),
        1 => Just(Step::Delete),
        3 => (prop_oneof![-5..5_i64, any::<i64>()], ttl()).prop_map(|(by, ttl)| Step::Increment(by, ttl)),
        1 => Just(Step::Sweep),
    ];
    prop::collection::vec((0..4_u8, 0..6_u64, step), 1..200)
}

/// The same, as plainly as can be.
#[derive(Default)]
struct Model(HashMap<u8, (Vec<u8>, Option<u64>)>);

impl Model {
    fn get(&self, key: u8, now: u64) -> Option<&Vec<u8>> {
        self.0.get(&key).filter(|(_, expiry)| expiry.is_none_or(|expiry| expiry > now)).map(|(value, _)| value)
    }

    fn set(&mut self, key: u8, value: &[u8], ttl: Option<u64>, now: u64) {
        self.0.insert(key, (value.to_vec(), ttl.map(|ttl| now + ttl)));
    }

    fn increment(&mut self, key: u8, by: i64, ttl: Option<u64>, now: u64) -> Result<i64, KvError> {
        let Some(value) = self.get(key, now) else {
            self.set(key, by.to_string().as_bytes(), ttl, now);
            return Ok(by);
        };
        let number: i64 = String::from_utf8_lossy(value).parse().map_err(|_| KvError::NotANumber)?;
        let sum = number.checked_add(by).ok_or(KvError::Overflow)?;
        self.0.get_mut(&key).unwrap().0 = sum.to_string().into_bytes();
        Ok(sum)
    }
}

proptest! {
    #[test]
    fn it_does_what_a_plain_map_does(steps in steps()) {
        let (kv, mut model) = (Kv::default(), Model::default());
        let (start, mut now) = (Instant::now(), 0);
        for (number, passed, step) in steps {
            now += passed;
            let time = start + Duration::from_secs(now);
            let key = &number.to_string();
            let before = model.get(number, now).cloned();
            let seconds = |ttl: Option<u64>| ttl.map(Duration::from_secs);
            match step {
                Step::Get => {}
                Step::Set(value, ttl) => {
                    kv.set(SPACE, key, &value, seconds(ttl), time).unwrap();
                    model.set(number, &value, ttl, now);
                }
                Step::CompareAndSet(expected, value, ttl) => {
                    let set = kv.compare_and_set(SPACE, key, expected.as_deref(), &value, seconds(ttl), time).unwrap();
                    prop_assert_eq!(set, expected == before);
                    if set {
                        model.set(number, &value, ttl, now);
                    }
                }
                Step::Delete => {
                    prop_assert_eq!(kv.delete(SPACE, key, time).unwrap(), before.is_some());
                    model.0.remove(&number);
                }
                Step::Increment(by, ttl) => {
                    let sum = kv.increment(SPACE, key, by, seconds(ttl), time);
                    prop_assert_eq!(sum, model.increment(number, by, ttl, now));
                }
                Step::Sweep => kv.sweep(time),
            }
            let value = kv.get(SPACE, key, time).unwrap();
            prop_assert_eq!(value.as_deref(), model.get(number, now).map(Vec::as_slice));
        }
        for number in 0..4 {
            kv.delete(SPACE, &number.to_string(), start).unwrap();
        }
        prop_assert_eq!(kv.usage(), Usage { entries: 0, bytes: 0, evicted: 0 });
    }
}

#[test]
fn keys_and_values_are_as_long_as_they_may_be_and_no_longer() {
    let (kv, now) = (Kv::default(), Instant::now());
    let (key, value) = ("k".repeat(limits::KV_KEY_BYTES), vec![0; limits::KV_VALUE_BYTES]);
    kv.set(SPACE, &key, &value, None, now).unwrap();
    assert_eq!(kv.get(SPACE, &key, now).unwrap().unwrap(), value);
    let (longer_key, longer) = (format!("{key}k"), vec![0; value.len() + 1]);
    assert_eq!(kv.get(SPACE, &longer_key, now), Err(KvError::KeyTooLong(longer_key.len())));
    assert_eq!(kv.set(SPACE, &key, &longer, None, now), Err(KvError::ValueTooLong(longer.len())));
    assert_eq!(kv.get(SPACE, &key, now).unwrap().unwrap(), value, "nothing has changed");
}

#[test]
fn spaces_do_not_see_each_other_and_endless_times_are_endless() {
    let (kv, now) = (Kv::default(), Instant::now());
    kv.set(SPACE, "k", b"v", Some(Duration::MAX), now).unwrap();
    assert_eq!(kv.get(Space(2), "k", now).unwrap(), None);
    let later = now + Duration::from_secs(1 << 40);
    kv.sweep(later);
    assert_eq!(kv.get(SPACE, "k", later).unwrap().as_deref(), Some(&b"v"[..]));
}

#[test]
fn what_is_used_stays_when_room_is_short_and_bytes_never_exceed_it() {
    let room = 4 << 20;
    let (kv, start) = (Kv::with_room(room), Instant::now());
    let value = vec![0; 1_000];
    for number in 0..100 {
        kv.set(SPACE, &format!("hot {number}"), &value, None, start).unwrap();
    }
    for number in 0..40_000_u32 {
        let now = start + Duration::from_millis(number.into());
        kv.set(SPACE, &format!("cold {number}"), &value, None, now).unwrap();
        kv.get(SPACE, &format!("hot {}", number % 100), now).unwrap();
        assert!(kv.usage().bytes <= room);
    }
    let hot = (0..100).filter(|number| kv.get(SPACE, &format!("hot {number}"), start).unwrap().is_some()).count();
    assert!(hot >= 90, "{hot}");
    assert!(kv.usage().evicted > 30_000, "{:?}", kv.usage());
}

#[test]
fn one_large_value_makes_room_for_itself_among_small_ones() {
    let (kv, now) = (Kv::with_room(100_000), Instant::now());
    for number in 0..1_000 {
        kv.set(SPACE, &number.to_string(), b"small", None, now).unwrap();
    }
    let large = vec![1; limits::KV_VALUE_BYTES];
    kv.set(SPACE, "large", &large, None, now + Duration::from_secs(1)).unwrap();
    assert!(kv.usage().bytes <= 100_000, "{:?}", kv.usage());
    assert_eq!(kv.get(SPACE, "large", now).unwrap().unwrap(), large);
}

#[test]
fn expired_entries_make_room_first_and_are_swept() {
    let (kv, now) = (Kv::default(), Instant::now());
    for number in 0..1_000_u32 {
        let ttl = Duration::from_secs(u64::from(1 + number % 2));
        kv.set(SPACE, &number.to_string(), b"v", Some(ttl), now).unwrap();
    }
    kv.sweep(now + Duration::from_secs(1));
    assert_eq!(kv.usage().entries, 500);
    kv.sweep(now + Duration::from_secs(2));
    assert_eq!(kv.usage(), Usage { entries: 0, bytes: 0, evicted: 0 });
}

#[test]
fn threads_lose_no_increment_and_one_of_them_wins() {
    let (kv, now) = (Arc::new(Kv::default()), Instant::now());
    let wins: usize = std::thread::scope(|scope| {
        let thread = |number: usize| {
            let kv = Arc::clone(&kv);
            move || {
                for _ in 0..10_000 {
                    kv.increment(SPACE, "sum", 1, None, now).unwrap();
                }
                let claim = |key: &usize| {
                    kv.compare_and_set(SPACE, &key.to_string(), None, &[u8::try_from(number).unwrap()], None, now)
                        .unwrap()
                };
                (0..1_000).filter(claim).count()
            }
        };
        let threads: Vec<_> = (0..2).map(|number| scope.spawn(thread(number))).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).sum()
    });
    assert_eq!(kv.get(SPACE, "sum", now).unwrap().as_deref(), Some(&b"20000"[..]));
    assert_eq!(wins, 1_000);
}
