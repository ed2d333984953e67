//! Times as logs show them: RFC 3339, UTC, with milliseconds.

use std::time::{Duration, SystemTime};

use super::write;

/// The last second of the year 9999: beyond it the year has no four digits.
const LAST_SECOND: u64 = 253_402_300_799;

/// Writes times; remembers the second it wrote last, for the next time is most likely of the same.
#[derive(Debug, Default)]
pub(crate) struct Clock {
    second: u64,
    /// Up to the seconds; empty before the first use.
    text: Vec<u8>,
}

impl Clock {
    /// Add `time` to the line: `2026-11-23T06:30:09.123Z`. Times before 1970 become 1970.
    pub(crate) fn write(&mut self, line: &mut Vec<u8>, time: SystemTime) {
        let since = time.duration_since(SystemTime::UNIX_EPOCH).unwrap_or(Duration::ZERO);
        let second = since.as_secs().min(LAST_SECOND);
        if second != self.second || self.text.is_empty() {
            self.second = second;
            self.text.clear();
            date_and_time(&mut self.text, second);
        }
        line.extend_from_slice(&self.text);
        line.push(b'.');
        write::padded(line, u64::from(since.subsec_millis()), 3);
        line.push(b'Z');
    }
}

/// `time` in the form of logs.
pub(crate) fn rfc3339(time: SystemTime) -> String {
    let mut line = Vec::with_capacity(24);
    Clock::default().write(&mut line, time);
    String::from_utf8(line).unwrap_or_default()
}

/// The civil date, by Howard Hinnant's `civil_from_days`: years begin in March, so that leap days come last.
fn date_and_time(text: &mut Vec<u8>, second: u64) {
    let days = second / 86_400 + 719_468;
    let (era, day_of_era) = (days / 146_097, days % 146_097);
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted + 2) / 5 + 1;
    let month = if shifted < 10 { shifted + 3 } else { shifted - 9 };
    let year = year_of_era + era * 400 + u64::from(month <= 2);

    let of_day = second % 86_400;
    let parts = [(b'-', month), (b'-', day), (b'T', of_day / 3_600), (b':', of_day / 60 % 60), (b':', of_day % 60)];
    write::padded(text, year, 4);
    for (separator, number) in parts {
        text.push(separator);
        write::padded(text, number, 2);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_those_of_the_calendar() {
        for (milliseconds, expected) in [
            (0, "1970-01-01T00:00:00.000Z"),
            (951_782_399_999, "2000-02-28T23:59:59.999Z"),
            (951_782_400_000, "2000-02-29T00:00:00.000Z"),
            (951_868_800_001, "2000-03-01T00:00:00.001Z"),
            (1_709_251_199_050, "2024-02-29T23:59:59.050Z"),
            (1_735_689_599_000, "2024-12-31T23:59:59.000Z"),
            (4_107_542_400_000, "2100-03-01T00:00:00.000Z"),
            (253_402_300_799_999, "9999-12-31T23:59:59.999Z"),
            (253_402_300_800_000, "9999-12-31T23:59:59.000Z"),
        ] {
            assert_eq!(rfc3339(SystemTime::UNIX_EPOCH + Duration::from_millis(milliseconds)), expected);
        }
        assert_eq!(rfc3339(SystemTime::UNIX_EPOCH - Duration::from_millis(1)), "1970-01-01T00:00:00.000Z");
    }

    #[test]
    fn a_remembered_second_is_not_taken_for_another() {
        let mut clock = Clock::default();
        let mut random = fastrand::Rng::with_seed(3);
        for _ in 0..10_000 {
            let time = SystemTime::UNIX_EPOCH + Duration::from_millis(1_900_000_000_000 + random.u64(0..3_000));
            let mut line = Vec::new();
            clock.write(&mut line, time);
            assert_eq!(String::from_utf8(line).unwrap(), rfc3339(time));
        }
    }
}
