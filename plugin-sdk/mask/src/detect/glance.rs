//! A first look at a text, sixteen bytes at a time: whether there may be a match in it. Most texts have none, and this is
//! all that is done with them.

use crate::bytes::halves;

/// What to look for.
#[derive(Debug, Clone, Copy)]
pub(super) struct Glance {
    pub(super) card: bool,
    pub(super) email: bool,
    pub(super) token: bool,
    pub(super) iban: bool,
}

/// Fewest bytes of anything: `a@b.cc`.
const SHORTEST: usize = 6;
const BLOCK: usize = 16;

/// Which bytes of a block are what, a bit for each.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Kinds {
    digit: u32,
    letter: u32,
    /// A digit, or what may be between two of a card's.
    number: u32,
    at: u32,
    j: u32,
    y: u32,
    /// In either case, as the next.
    b: u32,
    e: u32,
}

impl Glance {
    /// Says yes too often, but never no where there is something.
    #[cfg_attr(target_family = "wasm", target_feature(enable = "simd128"))]
    pub(super) fn may_match(self, text: &[u8]) -> bool {
        let mut before = Kinds::default();
        let mut rest = text;
        while let Some((block, after)) = rest.split_first_chunk::<BLOCK>() {
            let kinds = kinds(halves(block));
            if self.is_any(before, kinds) {
                return true;
            }
            before = kinds;
            rest = after;
        }
        if rest.is_empty() || text.len() < SHORTEST {
            return false;
        }
        let last = match text.last_chunk::<BLOCK>() {
            Some(block) => kinds(halves(block)).without_first(BLOCK - rest.len()),
            None => kinds(short(text)),
        };
        self.is_any(before, last)
    }

    /// Whether there may be one in these two blocks. Nothing that is looked for here has more bytes than one and one.
    #[inline]
    fn is_any(self, before: Kinds, here: Kinds) -> bool {
        let both = |of: fn(&Kinds) -> u32| of(&before) | of(&here) << BLOCK;
        let (digit, letter) = (both(|kinds| kinds.digit), both(|kinds| kinds.letter));
        // Thirteen in a row: two, four, eight, and five more.
        let number = both(|kinds| kinds.number);
        let two = number & number >> 1;
        let four = two & two >> 2;
        let eight = four & four >> 4;
        let card = eight & eight >> 5;
        // Two letters that begin a word, and two digits.
        let iban = !((letter | digit) << 1) & letter & letter >> 1 & digit >> 2 & digit >> 3;
        let token =
            both(|kinds| kinds.j) & both(|kinds| kinds.y) << 1 | both(|kinds| kinds.b) & both(|kinds| kinds.e) >> 1;
        let wanted = |found: u32, is_wanted: bool| if is_wanted { found } else { 0 };
        let found =
            wanted(card, self.card) | wanted(iban, self.iban) | wanted(token, self.token) | wanted(here.at, self.email);
        found != 0
    }
}

impl Kinds {
    fn without_first(self, bytes: usize) -> Self {
        let Self { digit, letter, number, at, j, y, b, e } = self;
        let [digit, letter, number, at, j, y, b, e] = [digit, letter, number, at, j, y, b, e].map(|bits| bits >> bytes);
        Self { digit, letter, number, at, j, y, b, e }
    }
}

/// A text of less than a block, with zeros behind it.
fn short(text: &[u8]) -> [u64; 2] {
    let bits = |bytes: usize| u32::try_from(bytes * 8).unwrap_or_default();
    match (text.first_chunk::<8>(), text.last_chunk::<8>(), text.first_chunk::<4>(), text.last_chunk::<4>()) {
        (Some(first), Some(last), ..) => {
            let last = u64::from_le_bytes(*last).checked_shr(bits(BLOCK - text.len()));
            [u64::from_le_bytes(*first), last.unwrap_or_default()]
        }
        (.., Some(first), Some(last)) => {
            let (first, last) = (u64::from(u32::from_le_bytes(*first)), u64::from(u32::from_le_bytes(*last)));
            [first | last << bits(text.len() - 4), 0]
        }
        _ => [0, 0],
    }
}

#[cfg(target_family = "wasm")]
#[target_feature(enable = "simd128")]
#[inline]
fn kinds([low, high]: [u64; 2]) -> Kinds {
    use core::arch::wasm32::{u8x16_bitmask, u8x16_eq, u8x16_lt, u8x16_splat, u8x16_sub, u64x2, v128_or};
    let block = u64x2(low, high);
    let lower = v128_or(block, u8x16_splat(0x20));
    let digit = u8x16_lt(u8x16_sub(block, u8x16_splat(b'0')), u8x16_splat(10));
    let letter = u8x16_lt(u8x16_sub(lower, u8x16_splat(b'a')), u8x16_splat(26));
    let between = v128_or(u8x16_eq(block, u8x16_splat(b' ')), u8x16_eq(block, u8x16_splat(b'-')));
    Kinds {
        digit: u32::from(u8x16_bitmask(digit)),
        letter: u32::from(u8x16_bitmask(letter)),
        number: u32::from(u8x16_bitmask(v128_or(digit, between))),
        at: u32::from(u8x16_bitmask(u8x16_eq(block, u8x16_splat(b'@')))),
        j: u32::from(u8x16_bitmask(u8x16_eq(block, u8x16_splat(b'J')))),
        y: u32::from(u8x16_bitmask(u8x16_eq(block, u8x16_splat(b'y')))),
        b: u32::from(u8x16_bitmask(u8x16_eq(lower, u8x16_splat(b'b')))),
        e: u32::from(u8x16_bitmask(u8x16_eq(lower, u8x16_splat(b'e')))),
    }
}

/// Natively there are tests only.
#[cfg(not(target_family = "wasm"))]
fn kinds([low, high]: [u64; 2]) -> Kinds {
    let bytes = (u128::from(high) << 64 | u128::from(low)).to_le_bytes();
    let bits =
        |is_one: fn(u8) -> bool| (0..).zip(bytes).fold(0, |bits, (at, byte)| bits | u32::from(is_one(byte)) << at);
    Kinds {
        digit: bits(|byte| byte.is_ascii_digit()),
        letter: bits(|byte| byte.is_ascii_alphabetic()),
        number: bits(|byte| byte.is_ascii_digit() || matches!(byte, b' ' | b'-')),
        at: bits(|byte| byte == b'@'),
        j: bits(|byte| byte == b'J'),
        y: bits(|byte| byte == b'y'),
        b: bits(|byte| byte | 0x20 == b'b'),
        e: bits(|byte| byte | 0x20 == b'e'),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOTHING: Glance = Glance { card: false, email: false, token: false, iban: false };

    #[test]
    fn what_is_looked_for_is_seen_wherever_it_is() {
        let cases = [
            (Glance { card: true, ..NOTHING }, "4222222222222"),
            (Glance { card: true, ..NOTHING }, "4222-2222-2222 2"),
            (Glance { email: true, ..NOTHING }, "a@b.cc"),
            (Glance { token: true, ..NOTHING }, "eyJhbGciOiJ"),
            (Glance { token: true, ..NOTHING }, "BEARER x"),
            (Glance { iban: true, ..NOTHING }, "NO9386011117947"),
        ];
        for (glance, one) in cases {
            for before in 0..40 {
                for after in 0..20 {
                    let text = format!("{}{one}{}", "!".repeat(before), "!".repeat(after));
                    assert!(glance.may_match(text.as_bytes()), "{text}");
                }
            }
        }
    }

    #[test]
    fn most_texts_are_done_with() {
        let all = Glance { card: true, email: true, token: true, iban: true };
        for text in [
            "",
            "a@b.c",
            "Springfield",
            "2024-05-01T10:00:00Z",
            "the quick brown fox jumps over a lazy dog",
            "x12AB34",
            "550e8400-e29b-41d4-a716-446655a40000",
            "Jeopardy",
            "about",
            "422222222222",
        ] {
            assert!(!all.may_match(text.as_bytes()), "{text}");
        }
        assert!(!NOTHING.may_match(b"a@b.cc eyJ Bearer 4111111111111111 DE89370400440532013000"));
    }
}
