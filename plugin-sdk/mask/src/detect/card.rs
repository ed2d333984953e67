//! Payment cards: ISO/IEC 7812.

/// Fewest and most digits. Those of 12 are none that anybody issues.
const DIGITS: std::ops::RangeInclusive<usize> = 13..=19;

/// The longest card number that begins at `at`, a digit: its digits stand together or in groups with one space or hyphen
/// between them.
pub(super) fn find(text: &[u8], _: usize, at: usize) -> Option<(usize, usize)> {
    let is_digit = |place: usize| text.get(place).is_some_and(u8::is_ascii_digit);
    // Travel and banking, 3 to 6; 2 is Mastercard's as well. Others are no payment cards, and 1 begins today's times in
    // milliseconds.
    if !matches!(text.get(at)?, b'2'..=b'6') || at.checked_sub(1).is_some_and(is_digit) {
        return None;
    }
    let mut digits = [0; 19];
    let (mut count, mut end, mut found) = (0, at, None);
    loop {
        while let Some(digit) = text.get(end).filter(|byte| byte.is_ascii_digit()) {
            // One digit more than a card has is a longer number.
            *digits.get_mut(count)? = digit - b'0';
            count += 1;
            end += 1;
            if count == digits.len() && is_digit(end) {
                return found;
            }
        }
        if DIGITS.contains(&count) && is_right(digits.get(..count)?) {
            found = Some((at, end));
        }
        if count == digits.len() || !matches!(text.get(end), Some(b' ' | b'-')) || !is_digit(end + 1) {
            return found;
        }
        end += 1;
    }
}

/// The check digit, by Luhn's formula (ISO/IEC 7812-1, annex B).
fn is_right(digits: &[u8]) -> bool {
    let weighed = |(place, digit): (usize, &u8)| match (place % 2, digit * 2) {
        (0, _) => u32::from(*digit),
        (_, doubled) => u32::from(doubled % 10 + doubled / 10),
    };
    digits.iter().rev().enumerate().map(weighed).sum::<u32>().is_multiple_of(10)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(text: &str) -> Option<&str> {
        let at = text.find(|c: char| c.is_ascii_digit()).unwrap();
        find(text.as_bytes(), 0, at).map(|(start, end)| &text[start..end])
    }

    #[test]
    fn numbers_of_test_cards_are_found() {
        // The numbers that the brands publish for tests.
        let cards = [
            "4111111111111111",
            "378282246310005",
            "5555555555554444",
            "2223003122003222",
            "6011111111111117",
            "30569309025904",
            "4222222222222",
            "6304000000000000",
            "6205500000000000004",
        ];
        for card in cards {
            assert_eq!(found(card), Some(card));
            assert_eq!(found(&format!("({card}),")), Some(card));
        }
        assert_eq!(found("4111 1111 1111 1111 4"), Some("4111 1111 1111 1111"));
        assert_eq!(found("3782-822463-10005"), Some("3782-822463-10005"));
    }

    #[test]
    fn other_numbers_are_not() {
        for text in [
            "4111111111111112",
            "1732700000000",
            "41111111111111110000",
            "411111111111",
            "4111--1111-1111-1111",
            "9111111111111111",
        ] {
            assert_eq!(found(text), None, "{text}");
        }
        assert_eq!(find(b"94111111111111111", 0, 1), None);
    }
}
