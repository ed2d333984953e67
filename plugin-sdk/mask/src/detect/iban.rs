//! International bank account numbers: ISO 13616.

/// Fewest and most characters.
const LENGTH: std::ops::RangeInclusive<usize> = 15..=34;

/// The longest number whose check digits begin at `at`: all characters together, or in groups of four with a space
/// between them.
pub(super) fn find(text: &[u8], from: usize, at: usize) -> Option<(usize, usize)> {
    let start = at.checked_sub(2).filter(|start| *start >= from && is_begun(text, at))?;
    let is_part = |place: usize| text.get(place).is_some_and(u8::is_ascii_alphanumeric);
    let mut number = [0; 34];
    let (mut count, mut end, mut found) = (0, start, None);
    loop {
        while let Some(byte) = text.get(end).filter(|byte| byte.is_ascii_alphanumeric()) {
            let Some(place) = number.get_mut(count) else { return found };
            *place = *byte;
            count += 1;
            end += 1;
        }
        if LENGTH.contains(&count) && is_right(number.get(..count)?) {
            found = Some((start, end));
        }
        if count % 4 != 0 || text.get(end) != Some(&b' ') || !is_part(end + 1) {
            return found;
        }
        end += 1;
    }
}

/// Whether two letters that begin a word are before the digit at `at`, and another digit after it.
fn is_begun(text: &[u8], at: usize) -> bool {
    let Some(start) = at.checked_sub(2) else { return false };
    let is_amid = start.checked_sub(1).and_then(|before| text.get(before)).is_some_and(u8::is_ascii_alphanumeric);
    !is_amid
        && matches!(text.get(start..).and_then(|text| text.first_chunk::<4>()), Some([a, b, c, d])
            if a.is_ascii_alphabetic() && b.is_ascii_alphabetic() && c.is_ascii_digit() && d.is_ascii_digit())
}

/// The check digits: the number, turned by its first four characters, is 1 by 97 (ISO/IEC 7064, MOD 97-10).
fn is_right(number: &[u8]) -> bool {
    let (head, account) = number.split_at(4.min(number.len()));
    let rest = account.iter().chain(head).fold(0, |rest: u32, byte| match byte {
        b'0'..=b'9' => (rest * 10 + u32::from(byte - b'0')) % 97,
        letter => (rest * 100 + u32::from(letter.to_ascii_uppercase() - b'A') + 10) % 97,
    });
    rest == 1
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(text: &str) -> Option<&str> {
        let at = text.find(|c: char| c.is_ascii_digit()).unwrap();
        find(text.as_bytes(), 0, at).map(|(start, end)| &text[start..end])
    }

    #[test]
    fn numbers_of_the_registry_are_found() {
        // Examples of the IBAN registry.
        let numbers = [
            "DE89370400440532013000",
            "GB29NWBK60161331926819",
            "NO9386011117947",
            "BE68539007547034",
            "MT84MALT011000012345MTLCAST001S",
            "FR1420041010050500013M02606",
            "de89370400440532013000",
        ];
        for number in numbers {
            assert_eq!(found(number), Some(number));
            let groups: Vec<_> = number.as_bytes().chunks(4).map(|group| std::str::from_utf8(group).unwrap()).collect();
            assert_eq!(found(&format!("({})", groups.join(" "))), Some(groups.join(" ").as_str()));
        }
        assert_eq!(found("BE68 5390 0754 7034 paid"), Some("BE68 5390 0754 7034"));
        assert_eq!(found("NO93 8601 1117 947 paid"), Some("NO93 8601 1117 947"));
    }

    #[test]
    fn other_words_are_not() {
        for text in [
            "DE88370400440532013000",
            "XDE89370400440532013000",
            "DE8937040044",
            "89370400440532013000",
            "DE89370400440532013000DE89370400440532013000",
            "D_89370400440532013000",
        ] {
            assert_eq!(found(text), None, "{text}");
        }
        assert_eq!(find(b"DE89370400440532013000", 1, 2), None);
    }
}
