use std::time::Duration;

use super::*;

fn limit(max: u64, window: Duration) -> Limit {
    Limit { max, window, algorithm: Algorithm::FixedWindow }
}

#[test]
fn limits_are_held_to_their_bounds() {
    let second = Duration::from_secs(1);
    let longest = limits::COUNTER_WINDOW_MAX;
    assert_eq!(Limits::new(&[]), Err(LimitError::None));
    assert_eq!(Limits::new(&[limit(1, second); 9]), Err(LimitError::TooMany(9)));
    assert_eq!(Limits::new(&[limit(1, second); 2]), Err(LimitError::Twice(second)));
    for max in [limits::COUNTER_MAX + 1, u64::MAX] {
        assert_eq!(Limits::new(&[limit(max, second)]), Err(LimitError::Max(max)));
    }
    for window in
        [Duration::ZERO, Duration::from_micros(999), longest + Duration::from_nanos(1), Duration::from_secs(u64::MAX)]
    {
        assert_eq!(Limits::new(&[limit(1, window)]), Err(LimitError::Window(window)));
    }
    assert!(Limits::new(&[limit(0, longest), limit(limits::COUNTER_MAX, limits::COUNTER_WINDOW_MIN)]).is_ok());
    let sliding = Limit { algorithm: Algorithm::SlidingWindow, ..limit(1, second) };
    assert!(Limits::new(&[limit(1, second), sliding]).is_ok(), "algorithms count apart");
}

#[test]
fn errors_say_what_the_bounds_are() {
    assert_eq!(
        LimitError::Window(Duration::ZERO).to_string(),
        "a window is from 1ms to 400 days, not 0ns",
        "for whoever writes a plugin"
    );
    assert_eq!(LimitError::Max(u64::MAX).to_string(), "a limit is at most 4503599627370496, not 18446744073709551615");
}
