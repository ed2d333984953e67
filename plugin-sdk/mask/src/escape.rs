//! The escapes of JSON strings (RFC 8259, section 7). What is no escape stands for itself.

use std::borrow::Cow;

use crate::bytes::is_continuation;

/// A part of a string's text, decoded, and where each of its bytes comes from.
#[derive(Debug, Default)]
pub(crate) struct Decoded {
    pub(crate) text: Vec<u8>,
    /// For each byte of `text`, where in the source its character begins; at the end, where the source ends.
    pub(crate) sources: Vec<usize>,
}

/// The text of `source`, which is whole.
pub(crate) fn decoded(source: &[u8]) -> Cow<'_, [u8]> {
    if !source.contains(&b'\\') {
        return Cow::Borrowed(source);
    }
    let mut text = Vec::with_capacity(source.len());
    let mut rest = source;
    while !rest.is_empty() {
        let (character, after) = rest.split_at(self::character(rest).min(rest.len()));
        push(character, &mut text);
        rest = after;
    }
    Cow::Owned(text)
}

impl Decoded {
    /// Decode `source` behind what is there already. Unless it is `whole`, the escape that it ends
    /// amid is left out. How many bytes of it were decoded.
    pub(crate) fn extend(&mut self, source: &[u8], whole: bool) -> usize {
        let mut at = 0;
        while let Some(rest) = source.get(at..).filter(|rest| !rest.is_empty()) {
            let plain = rest.iter().position(|byte| *byte == b'\\').unwrap_or(rest.len());
            let (plain, escape) = rest.split_at(plain);
            self.text.extend_from_slice(plain);
            self.sources.extend(at..at + plain.len());
            at += plain.len();
            if escape.is_empty() || (!whole && escape.len() < LONGEST && !is_complete(escape)) {
                break;
            }
            let length = character(escape).min(escape.len());
            push(escape.get(..length).unwrap_or_default(), &mut self.text);
            self.sources.resize(self.text.len(), at);
            at += length;
        }
        self.sources.push(at);
        at
    }

    /// Where in the source the byte at this place of the text comes from.
    pub(crate) fn source(&self, place: usize) -> usize {
        self.sources.get(place).or(self.sources.last()).copied().unwrap_or(place)
    }
}

/// Bytes of the longest escape: a pair of surrogates.
const LONGEST: usize = 12;

/// Whether the escape that `rest` begins with is all there, whatever follows.
fn is_complete(rest: &[u8]) -> bool {
    match rest.get(1) {
        None => false,
        Some(b'u') if rest.len() < 6 => false,
        Some(b'u') => !unit(rest).is_some_and(|unit| (0xd800..0xdc00).contains(&unit)),
        Some(_) => true,
    }
}

/// How many bytes the first character of `rest` takes, all of which may not be there.
pub(crate) fn character(rest: &[u8]) -> usize {
    match rest {
        [b'\\', b'u', ..] => match (unit(rest), rest.get(6..).and_then(unit)) {
            (Some(0xd800..0xdc00), Some(0xdc00..0xe000)) => 12,
            (Some(_), _) => 6,
            (None, _) => 2,
        },
        [b'\\', ..] => 2,
        [_, more @ ..] => 1 + more.iter().take(3).take_while(|byte| is_continuation(**byte)).count(),
        [] => 1,
    }
}

/// What one character stands for.
fn push(character: &[u8], text: &mut Vec<u8>) {
    let escaped = match character {
        [b'\\', b'u', ..] => match (unit(character), character.get(6..).and_then(unit)) {
            (Some(high), Some(low)) => {
                char::decode_utf16([high, low]).next().and_then(Result::ok).unwrap_or(char::REPLACEMENT_CHARACTER)
            }
            (Some(unit), None) => char::from_u32(u32::from(unit)).unwrap_or(char::REPLACEMENT_CHARACTER),
            (None, _) => 'u',
        },
        [b'\\', b'b'] => '\u{8}',
        [b'\\', b'f'] => '\u{c}',
        [b'\\', b'n'] => '\n',
        [b'\\', b'r'] => '\r',
        [b'\\', b't'] => '\t',
        [b'\\', other] => {
            text.push(*other);
            return;
        }
        plain => {
            text.extend_from_slice(plain);
            return;
        }
    };
    text.extend_from_slice(escaped.encode_utf8(&mut [0; 4]).as_bytes());
}

/// The UTF-16 code unit of `\uXXXX`.
fn unit(rest: &[u8]) -> Option<u16> {
    let [b'\\', b'u', digits @ ..] = rest else { return None };
    let digits = digits.first_chunk::<4>()?;
    digits.iter().try_fold(0, |unit, digit| {
        let digit = char::from(*digit).to_digit(16)?;
        u16::try_from(u32::from(unit) << 4 | digit).ok()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escapes_are_decoded() {
        let text = |source: &str| String::from_utf8(decoded(source.as_bytes()).into_owned()).unwrap();
        assert_eq!(text(r#"\u0063a\"\\\/\n\r\t\b\f"#), "ca\"\\/\n\r\t\u{8}\u{c}");
        assert_eq!(text(r"\u00FC\u20ac\uD83D\uDE00ü"), "ü€😀ü");
        assert_eq!(text(r"\ud83dx\ude00\ud83d\ud83d\ude00"), "\u{fffd}x\u{fffd}\u{fffd}😀");
        assert_eq!(text(r"\x\u12g4\"), "xu12g4\\");
    }

    #[test]
    fn a_part_is_decoded_up_to_the_escape_that_it_ends_amid() {
        let source = r"a\u0062\ud83d\ude00c\n".as_bytes();
        for end in 0..=source.len() {
            let mut first = Decoded::default();
            let used = first.extend(&source[..end], false);
            let mut rest = Decoded::default();
            assert_eq!(rest.extend(&source[used..], true), source.len() - used);
            let text = [first.text, rest.text].concat();
            assert_eq!(String::from_utf8(text).unwrap(), "ab😀c\n", "{end}");
            assert!(end - used < 12);
        }
        let mut decoded = Decoded::default();
        assert_eq!(decoded.extend(r"\u0062c".as_bytes(), false), 7);
        assert_eq!((decoded.text.as_slice(), decoded.sources), (b"bc".as_slice(), vec![0, 6, 7]));
    }
}
