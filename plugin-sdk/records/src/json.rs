//! JSON, written by hand: no tree in between, and little that grows.

/// `bytes` within a JSON string. What is no UTF-8 becomes U+FFFD.
pub(crate) fn text(bytes: &[u8], out: &mut Vec<u8>) {
    if is_plain(bytes) {
        out.extend_from_slice(bytes);
        return;
    }
    for chunk in bytes.utf8_chunks() {
        escape(chunk.valid(), out);
        if !chunk.invalid().is_empty() {
            out.extend_from_slice("\u{fffd}".as_bytes());
        }
    }
}

/// Whether all of it is ASCII that stands for itself: eight bytes at a time, for most of a record goes through here.
fn is_plain(bytes: &[u8]) -> bool {
    let (words, rest) = bytes.as_chunks::<8>();
    words.iter().all(|word| is_plain_word(u64::from_le_bytes(*word)))
        && rest.iter().all(|byte| matches!(byte, b' '..=0x7f) && *byte != b'"' && *byte != b'\\')
}

const fn is_plain_word(word: u64) -> bool {
    const ONES: u64 = u64::MAX / 0xff;
    const HIGH: u64 = ONES << 7;
    /// The high bit of a byte is set if that byte, whose own high bit is not, is below `n`, or borrows did it, which only
    /// happens behind such a byte.
    const fn below(word: u64, n: u64) -> u64 {
        word.wrapping_sub(ONES * n) & !word
    }
    let quote = word ^ (ONES * b'"' as u64);
    let backslash = word ^ (ONES * b'\\' as u64);
    (word | below(word, 0x20) | below(quote, 1) | below(backslash, 1)) & HIGH == 0
}

fn escape(text: &str, out: &mut Vec<u8>) {
    for byte in text.bytes() {
        match byte {
            b'"' | b'\\' => out.extend_from_slice(&[b'\\', byte]),
            b'\n' => out.extend_from_slice(b"\\n"),
            b'\r' => out.extend_from_slice(b"\\r"),
            b'\t' => out.extend_from_slice(b"\\t"),
            // DEL is allowed (RFC 8259, section 7).
            0..0x20 => {
                let low = byte & 15;
                out.extend_from_slice(b"\\u00");
                out.extend_from_slice(&[b'0' + (byte >> 4), if low < 10 { b'0' + low } else { b'a' + low - 10 }]);
            }
            byte => out.push(byte),
        }
    }
}

/// `number` in digits.
pub(crate) fn number(number: u64, out: &mut Vec<u8>) {
    let mut digits = [b'0'; 20];
    let mut rest = number;
    let mut length = 0;
    for digit in digits.iter_mut().rev() {
        *digit = b'0' + (rest % 10) as u8;
        rest /= 10;
        length += 1;
        if rest == 0 {
            break;
        }
    }
    out.extend_from_slice(digits.get(20 - length..).unwrap_or_default());
}

/// A time in milliseconds, with as many of three decimals as it takes.
pub(crate) fn milliseconds(time: std::time::Duration, out: &mut Vec<u8>) {
    let microseconds = u64::try_from(time.as_micros()).unwrap_or(u64::MAX);
    number(microseconds / 1000, out);
    let rest = microseconds % 1000;
    if rest > 0 {
        let digits = [rest / 100, rest / 10 % 10, rest % 10].map(|digit| b'0' + digit as u8);
        let length = 3 - digits.iter().rev().take_while(|digit| **digit == b'0').count();
        out.push(b'.');
        out.extend_from_slice(digits.get(..length).unwrap_or_default());
    }
}

/// Closes what is open: a comma behind the last member goes.
pub(crate) fn close(bracket: u8, out: &mut Vec<u8>) {
    if out.last() == Some(&b',') {
        out.pop();
    }
    out.push(bracket);
}

/// `"name":`
pub(crate) fn key(name: &str) -> Box<[u8]> {
    let mut key = vec![b'"'];
    text(name.as_bytes(), &mut key);
    key.extend_from_slice(b"\":");
    key.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_byte_at_every_place_is_escaped_as_json_has_it() {
        for byte in 0..=u8::MAX {
            for (before, after) in [(0, 0), (3, 2), (7, 9), (8, 1), (12, 20)] {
                let bytes: Vec<u8> = [vec![b'a'; before], vec![byte], vec![b'z'; after]].concat();
                let mut out = vec![b'"'];
                text(&bytes, &mut out);
                out.push(b'"');
                let read: String = serde_json::from_slice(&out).unwrap();
                assert_eq!(read, String::from_utf8_lossy(&bytes), "{byte} after {before}");
                let is_itself = matches!(byte, b' '..=0x7f) && byte != b'"' && byte != b'\\';
                assert_eq!(is_plain(&bytes), is_itself, "{byte} after {before}");
            }
        }
    }

    #[test]
    fn times_have_the_decimals_that_they_need() {
        let shown = |microseconds| {
            let mut out = Vec::new();
            milliseconds(std::time::Duration::from_micros(microseconds), &mut out);
            String::from_utf8(out).unwrap()
        };
        let times = [0, 7, 50, 120, 1_000, 10_010, 123_456_789];
        assert_eq!(times.map(shown), ["0", "0.007", "0.05", "0.12", "1", "10.01", "123456.789"]);
        let mut out = Vec::new();
        number(u64::MAX, &mut out);
        assert_eq!(out, u64::MAX.to_string().as_bytes());
    }
}
