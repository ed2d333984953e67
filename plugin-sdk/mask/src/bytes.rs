//! Searches for the few bytes that matter, sixteen bytes at a time.

#[cfg(not(target_family = "wasm"))]
const LOW: u64 = 0x0101_0101_0101_0101;
#[cfg(not(target_family = "wasm"))]
const HIGH: u64 = 0x8080_8080_8080_8080;
#[cfg(not(target_family = "wasm"))]
const QUOTES: u64 = LOW * b'"' as u64;
#[cfg(not(target_family = "wasm"))]
const BACKSLASHES: u64 = LOW * b'\\' as u64;

/// Where the first `"` or `\` at or after `from` is; the length of `bytes` if there is none.
#[cfg_attr(target_family = "wasm", target_feature(enable = "simd128"))]
pub(crate) fn quote_or_backslash(bytes: &[u8], from: usize) -> usize {
    let mut at = from;
    while let Some(block) = bytes.get(at..).and_then(|rest| rest.first_chunk::<16>()) {
        if let Some(found) = in_block(block) {
            return at + found;
        }
        at += 16;
    }
    let rest = bytes.get(at..).unwrap_or_default();
    rest.iter().position(|byte| matches!(byte, b'"' | b'\\')).map_or(bytes.len(), |more| at + more)
}

#[cfg(target_family = "wasm")]
#[target_feature(enable = "simd128")]
#[inline]
fn in_block(block: &[u8; 16]) -> Option<usize> {
    use core::arch::wasm32::{u8x16_bitmask, u8x16_eq, u8x16_splat, u64x2, v128_or};
    let [low, high] = halves(block);
    let block = u64x2(low, high);
    let found = v128_or(u8x16_eq(block, u8x16_splat(b'"')), u8x16_eq(block, u8x16_splat(b'\\')));
    match u8x16_bitmask(found) {
        0 => None,
        bits => Some(bits.trailing_zeros() as usize),
    }
}

#[cfg(not(target_family = "wasm"))]
fn in_block(block: &[u8; 16]) -> Option<usize> {
    let [low, high] = halves(block).map(|half| zeros(half ^ QUOTES) | zeros(half ^ BACKSLASHES));
    match (low, high) {
        (0, 0) => None,
        (0, high) => Some(8 + high.trailing_zeros() as usize / 8),
        (low, _) => Some(low.trailing_zeros() as usize / 8),
    }
}

/// Both halves of a block, as numbers whose lowest bytes are the first.
#[inline]
pub(crate) fn halves(block: &[u8; 16]) -> [u64; 2] {
    let half = |part: Option<&[u8; 8]>| part.map_or(0, |part| u64::from_le_bytes(*part));
    [half(block.first_chunk()), half(block.last_chunk())]
}

/// The top bit of every byte that is zero. Bits above the first may be wrong: it is the first that counts.
#[cfg(not(target_family = "wasm"))]
fn zeros(word: u64) -> u64 {
    word.wrapping_sub(LOW) & !word & HIGH
}

/// Where the first byte at or after `from` is that is no JSON whitespace (RFC 8259, section 2).
#[inline]
pub(crate) fn past_whitespace(bytes: &[u8], from: usize) -> usize {
    let mut at = from;
    while bytes.get(at).is_some_and(|byte| matches!(byte, b' ' | b'\n' | b'\r' | b'\t')) {
        at += 1;
    }
    at
}

/// Where the next line begins, after the first newline at or after `from`.
pub(crate) fn past_line(bytes: &[u8], from: usize) -> Option<usize> {
    let rest = bytes.get(from..)?;
    rest.iter().position(|byte| *byte == b'\n').map(|at| from + at + 1)
}

/// Whether it is one of the bytes of a character of UTF-8 but the first.
#[inline]
pub(crate) fn is_continuation(byte: u8) -> bool {
    byte & 0xc0 == 0x80
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_quote_or_backslash_is_found_wherever_it_is() {
        for at in 0..40 {
            for byte in [b'"', b'\\'] {
                let mut bytes = vec![b'!'; 40];
                bytes[at] = byte;
                bytes[39] = b'"';
                assert_eq!(quote_or_backslash(&bytes, 0), at);
                assert_eq!(quote_or_backslash(&bytes, at + 1), if at < 39 { 39 } else { 40 });
            }
        }
        assert_eq!(quote_or_backslash("#]\u{a2}\u{dc}[!".as_bytes(), 0), 8);
        assert_eq!(quote_or_backslash(b"", 3), 0);
    }

    #[test]
    fn whitespace_and_lines_are_passed() {
        assert_eq!(past_whitespace(b"a \r\n\tb", 1), 5);
        assert_eq!(past_whitespace(b"  ", 0), 2);
        assert_eq!(past_line(b"a\nb\n", 1), Some(2));
        assert_eq!(past_line(b"ab", 0), None);
    }
}
