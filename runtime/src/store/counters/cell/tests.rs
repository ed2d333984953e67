use proptest::prelude::*;

use super::*;
use crate::limits;

fn rule() -> impl Strategy<Value = Rule> {
    let algorithm = prop_oneof![Just(Algorithm::FixedWindow), Just(Algorithm::SlidingWindow), Just(Algorithm::Gcra)];
    let max = prop_oneof![0..20_u64, Just(limits::COUNTER_MAX), 0..=limits::COUNTER_MAX];
    let window = prop_oneof![1_000..5_000_u64, 1_000..=34_560_000_000_000_u64];
    (max, window, algorithm).prop_map(|(max, window, algorithm)| Rule { max, window, algorithm })
}

proptest! {
    #[test]
    fn nothing_overflows_and_no_cell_holds_more_than_its_maximum(
        rule in rule(),
        hits in prop::collection::vec((0..=limits::COUNTER_TIME_MAX, prop_oneof![0..30_u64, any::<u64>()]), 1..50),
    ) {
        let mut cell = Cell::default();
        for (now, cost) in hits {
            cell = cell.rolled(&rule, now);
            prop_assert!(cell.at <= now + rule.window);
            if cell.fits(&rule, cost, now) {
                cell = cell.with(cost);
            }
            prop_assert!(cell.used(&rule, now) <= rule.max || rule.max == 0);
            let standing = cell.standing(&rule, now);
            prop_assert!(standing.remaining <= rule.max);
            prop_assert!(standing.reset <= Duration::from_micros(2 * rule.window));
            cell.wait(&rule, cost, now);
        }
    }

    #[test]
    fn waiting_as_long_as_told_helps_and_less_does_not(
        rule in rule(),
        hits in prop::collection::vec((0..4_000_u64, 1..30_u64), 1..50),
    ) {
        let mut cell = Cell::default();
        let mut now = 1_780_000_000_000_000;
        for (passed, cost) in hits {
            now += passed;
            cell = cell.rolled(&rule, now);
            match cell.wait(&rule, cost, now) {
                None => prop_assert!(cost > rule.max),
                Some(0) => cell = cell.with(cost),
                Some(wait) => {
                    let then = |wait| cell.rolled(&rule, now + wait).fits(&rule, cost, now + wait);
                    prop_assert!(then(wait), "{cell:?} {wait}");
                    prop_assert!(!then(wait - 1), "{cell:?} {wait}");
                }
            }
        }
    }

    #[test]
    fn what_has_expired_is_as_good_as_nothing(rule in rule(), passed in 0..100_000_u64, cost in 1..20_u64) {
        let now = 1_780_000_000_000_000;
        let cell = Cell::default().rolled(&rule, now).with(cost.min(rule.max));
        let later = cell.expiry(&rule) + passed;
        prop_assert_eq!(cell.rolled(&rule, later).used(&rule, later), 0);
    }

    #[test]
    fn a_bucket_passes_its_burst_and_then_its_rate(max in 1..1_000_u64, window in 1_000..100_000_u64, over in 1..20_u64) {
        let rule = Rule { max, window, algorithm: Algorithm::Gcra };
        let mut cell = Cell::default();
        let mut passed = 0;
        let end = over * window;
        for now in (0..end).step_by(97) {
            cell = cell.rolled(&rule, now);
            while cell.fits(&rule, 1, now) {
                cell = cell.with(1);
                passed += 1;
            }
        }
        let drained = max * end / window;
        prop_assert!(passed <= max + drained, "{passed}");
        prop_assert!(passed + 1 + max * 97 / window >= max + drained, "{passed}");
    }
}

#[test]
fn a_lowered_maximum_counts_at_once_and_a_raised_one_as_well() {
    for algorithm in [Algorithm::FixedWindow, Algorithm::SlidingWindow, Algorithm::Gcra] {
        let rule = |max| Rule { max, window: 1_000_000, algorithm };
        let now = 1_780_000_000_000_000;
        let cell = Cell::default().rolled(&rule(100), now).with(50);
        assert!(!cell.rolled(&rule(10), now).fits(&rule(10), 1, now), "{algorithm:?}");
        assert_eq!(cell.rolled(&rule(10), now).standing(&rule(10), now).remaining, 0);
        assert_eq!(cell.rolled(&rule(200), now).standing(&rule(200), now).remaining, 150);
    }
}
