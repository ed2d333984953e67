//! The time of day as answers say it. Written once a second at most: all that answer within it say the same.

use std::cell::RefCell;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use httpdate::HttpDate;
use tokio::time::Instant;

/// What a worker's answers say.
#[derive(Default)]
pub(super) struct Date(RefCell<Option<Written>>);

struct Written {
    text: String,
    until: Instant,
}

impl Date {
    /// Show `use_it` the date, as RFC 9110, section 5.6.7, has it. `now` is what the clock showed a moment ago.
    pub(super) fn show(&self, now: Instant, use_it: impl FnOnce(&[u8])) {
        let mut written = self.0.borrow_mut();
        let written = match &mut *written {
            Some(written) if now < written.until => written,
            outdated => outdated.insert(write(now)),
        };
        use_it(written.text.as_bytes());
    }
}

fn write(now: Instant) -> Written {
    let time = SystemTime::now();
    let into_the_second = time.duration_since(UNIX_EPOCH).unwrap_or_default().subsec_nanos();
    let left = Duration::from_secs(1) - Duration::from_nanos(into_the_second.into());
    Written { text: HttpDate::from(time).to_string(), until: now + left }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_the_same_for_a_second_at_most() {
        let date = Date::default();
        let shown = |now| {
            let mut shown = Vec::new();
            date.show(now, |date| shown.extend_from_slice(date));
            String::from_utf8(shown).unwrap()
        };
        let now = Instant::now();
        let first = shown(now);
        assert_eq!((first.len(), first.get(25..)), (29, Some(" GMT")), "{first}");
        assert!(httpdate::parse_http_date(&first).is_ok(), "{first}");
        let until = date.0.borrow().as_ref().unwrap().until;
        assert!(until > now && until <= now + Duration::from_secs(1));
        assert_eq!(shown(until - Duration::from_nanos(1)), first);
        shown(until);
        assert!(date.0.borrow().as_ref().unwrap().until > until);
    }
}
