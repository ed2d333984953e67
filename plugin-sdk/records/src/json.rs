//! JSON, written by hand: no tree in between, eight bytes at a time, into memory that is kept from record to record.

use std::time::Duration;

/// What is being written.
#[derive(Default)]
pub(crate) struct Out {
    /// All of it is room; what is behind the end is left over from other records.
    room: Vec<u8>,
    end: usize,
}

/// Room to begin with, so that few records need more.
const ROOM: usize = 2048;
/// More is not kept for the next record.
const ROOM_KEPT: usize = 64 << 10;

impl Out {
    /// What has been written so far.
    pub(crate) fn bytes(&self) -> &[u8] {
        self.room.get(..self.end).unwrap_or_default()
    }

    /// Begin anew.
    pub(crate) fn clear(&mut self) {
        self.end = 0;
        if self.room.len() > ROOM_KEPT {
            self.room = Vec::new();
        }
    }

    pub(crate) fn end(&self) -> usize {
        self.end
    }

    /// Forget what comes behind `end`.
    pub(crate) fn truncate(&mut self, end: usize) {
        self.end = self.end.min(end);
    }

    /// Room for `length` bytes, and for what is written behind them, which what comes next is written over: a copy of a
    /// fixed size costs an instruction or two, while one of any other size goes by way of the host.
    fn room(&mut self, length: usize) -> &mut [u8] {
        if self.room.len() - self.end < length + Piece::WIDTH {
            self.grow(length);
        }
        self.room.get_mut(self.end..).unwrap_or_default()
    }

    #[cold]
    fn grow(&mut self, length: usize) {
        let least = (self.end + length + Piece::WIDTH).max(ROOM);
        self.room.resize(least.max(2 * self.room.len()), 0);
    }

    /// The first `length` of these bytes.
    fn word(&mut self, word: [u8; 8], length: usize) {
        if let Some(room) = self.room(0).first_chunk_mut() {
            *room = word;
        }
        self.end += length;
    }

    /// Up to eight bytes as they are.
    pub(crate) fn few<const N: usize>(&mut self, bytes: &[u8; N]) {
        const { assert!(N <= 8) };
        self.word(std::array::from_fn(|at| bytes.get(at).copied().unwrap_or_default()), N);
    }

    pub(crate) fn push(&mut self, byte: u8) {
        self.word([byte; 8], 1);
    }

    /// `text` as it is.
    pub(crate) fn raw(&mut self, text: &[u8]) {
        let (words, rest) = text.as_chunks();
        words.iter().for_each(|word| self.word(*word, 8));
        self.word(last(text, 0).to_le_bytes(), rest.len());
    }

    /// `piece` as it is.
    pub(crate) fn piece(&mut self, piece: &Piece) {
        if let Some(room) = self.room(0).first_chunk_mut() {
            *room = piece.begin;
        }
        self.end += piece.length;
        if !piece.rest.is_empty() {
            self.raw(&piece.rest);
        }
    }

    /// `bytes` within a JSON string. What is no UTF-8 becomes U+FFFD.
    pub(crate) fn text(&mut self, bytes: &[u8]) {
        let (words, rest) = bytes.as_chunks();
        let mut room = self.room(bytes.len()).as_chunks_mut().0.iter_mut();
        let mut written = 0;
        for (word, room) in words.iter().zip(&mut room) {
            if !is_plain(u64::from_le_bytes(*word)) {
                self.end += written;
                return self.escaped(bytes.get(written..).unwrap_or_default());
            }
            *room = *word;
            written += word.len();
        }
        let word = last(bytes, SPACES);
        if !is_plain(word) {
            self.end += written;
            return self.escaped(rest);
        }
        if let Some(room) = room.next() {
            *room = word.to_le_bytes();
        }
        self.end += bytes.len();
    }

    fn escaped(&mut self, bytes: &[u8]) {
        for chunk in bytes.utf8_chunks() {
            chunk.valid().bytes().for_each(|byte| self.escape(byte));
            if !chunk.invalid().is_empty() {
                self.raw("\u{fffd}".as_bytes());
            }
        }
    }

    fn escape(&mut self, byte: u8) {
        match byte {
            b'"' | b'\\' => self.few(&[b'\\', byte]),
            b'\n' => self.few(b"\\n"),
            b'\r' => self.few(b"\\r"),
            b'\t' => self.few(b"\\t"),
            // DEL is allowed (RFC 8259, section 7).
            0..0x20 => {
                let low = byte & 15;
                self.few(b"\\u00");
                self.few(&[b'0' + (byte >> 4), if low < 10 { b'0' + low } else { b'a' + low - 10 }]);
            }
            byte => self.push(byte),
        }
    }

    /// `number` in digits.
    pub(crate) fn number(&mut self, number: u64) {
        let low = (number % 100_000_000) as u32;
        if number == u64::from(low) {
            let digits = eight_digits(low);
            // The last one stays, were it a zero.
            let zeros = ((digits | 1 << 56).trailing_zeros() / 8) as usize;
            self.word(((digits | ZEROS) >> (8 * zeros)).to_le_bytes(), 8 - zeros);
        } else {
            self.number(number / 100_000_000);
            self.word((eight_digits(low) | ZEROS).to_le_bytes(), 8);
        }
    }

    /// A time in milliseconds, with as many of three decimals as it takes.
    pub(crate) fn milliseconds(&mut self, time: Duration) {
        let rest = time.subsec_micros() % 1000;
        self.number(time.as_secs().saturating_mul(1000).saturating_add(time.subsec_millis().into()));
        if rest > 0 {
            let digits = [rest / 100, rest / 10 % 10, rest % 10].map(|digit| b'0' + digit as u8);
            let length = 3 - digits.iter().rev().take_while(|digit| **digit == b'0').count();
            let [first, second, third] = digits;
            self.word([b'.', first, second, third, 0, 0, 0, 0], 1 + length);
        }
    }

    /// Closes what is open: a comma behind the last member goes.
    pub(crate) fn close(&mut self, bracket: u8) {
        if self.bytes().last() == Some(&b',') {
            self.end -= 1;
        }
        self.push(bracket);
    }
}

/// A text that is written often.
#[derive(Debug)]
pub(crate) struct Piece {
    /// As much of it as has room there, which is all of it as a rule.
    begin: [u8; Self::WIDTH],
    /// So many of these bytes.
    length: usize,
    rest: Box<[u8]>,
}

impl Piece {
    const WIDTH: usize = 24;

    fn new(text: &[u8]) -> Self {
        let (begin, rest) = text.split_at(text.len().min(Self::WIDTH));
        let length = begin.len();
        let begin = std::array::from_fn(|at| begin.get(at).copied().unwrap_or_default());
        Self { begin, length, rest: rest.into() }
    }

    /// `"name":` and what comes behind that.
    pub(crate) fn key(name: &str, behind: &str) -> Self {
        let mut key = Out::default();
        key.push(b'"');
        key.text(name.as_bytes());
        key.few(b"\":");
        key.raw(behind.as_bytes());
        Self::new(key.bytes())
    }

    /// A part of a JSON string.
    pub(crate) fn text(text: &str) -> Self {
        let mut escaped = Out::default();
        escaped.text(text.as_bytes());
        Self::new(escaped.bytes())
    }
}

/// Where `byte` is in `bytes` first.
pub(crate) fn position(bytes: &[u8], byte: u8) -> Option<usize> {
    let is_byte = |word: u64| below(word ^ (ONES * u64::from(byte)), 1) & HIGH;
    let (words, rest) = bytes.as_chunks();
    for (at, word) in words.iter().enumerate() {
        let found = is_byte(u64::from_le_bytes(*word));
        if found != 0 {
            return Some(8 * at + found.trailing_zeros() as usize / 8);
        }
    }
    Some(8 * words.len() + rest.iter().position(|other| *other == byte)?)
}

const ONES: u64 = u64::MAX / 0xff;
const HIGH: u64 = ONES << 7;
const SPACES: u64 = ONES * b' ' as u64;
const ZEROS: u64 = ONES * b'0' as u64;

/// Whether all of it is ASCII that stands for itself.
const fn is_plain(word: u64) -> bool {
    let quote = word ^ (ONES * b'"' as u64);
    let backslash = word ^ (ONES * b'\\' as u64);
    (word | below(word, 0x20) | below(quote, 1) | below(backslash, 1)) & HIGH == 0
}

/// The high bit of a byte is set if that byte, whose own high bit is not, is below `n`, or borrows did it, which only
/// happens behind such a byte.
const fn below(word: u64, n: u64) -> u64 {
    word.wrapping_sub(ONES * n) & !word
}

/// What is left of `bytes` behind its last whole word, and the bytes of `rest` behind that.
fn last(bytes: &[u8], rest: u64) -> u64 {
    let length = bytes.len() % 8;
    if length == 0 {
        return rest;
    }
    let behind = rest << (8 * length);
    if let Some(last) = bytes.last_chunk() {
        return (u64::from_le_bytes(*last) >> (64 - 8 * length)) | behind;
    }
    // Two reads that overlap, as bytes that are read twice stay the same.
    if let (Some(first), Some(last)) = (bytes.first_chunk(), bytes.last_chunk()) {
        let (first, last) = (u32::from_le_bytes(*first), u32::from_le_bytes(*last));
        return u64::from(first) | (u64::from(last) << (8 * (length - 4))) | behind;
    }
    let byte = |at: usize| u64::from(bytes.get(at).copied().unwrap_or_default()) << (8 * at);
    byte(0) | byte(length / 2) | byte(length - 1) | behind
}

/// The digits of a number below 100,000,000, the first one lowest: two halves, four quarters, eight at once.
const fn eight_digits(number: u32) -> u64 {
    let halves = (number / 10_000) as u64 | ((number % 10_000) as u64) << 32;
    let hundreds = ((halves * 10_486) >> 20) & 0x7f_0000_007f;
    let quarters = hundreds | (halves - 100 * hundreds) << 16;
    let tens = ((quarters * 103) >> 10) & 0x000f_000f_000f_000f;
    tens | (quarters - 10 * tens) << 8
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(write: impl FnOnce(&mut Out)) -> String {
        let mut out = Out::default();
        write(&mut out);
        String::from_utf8(out.bytes().to_vec()).unwrap()
    }

    #[test]
    fn every_byte_at_every_place_is_escaped_as_json_has_it() {
        for byte in 0..=u8::MAX {
            for (before, after) in [(0, 0), (1, 0), (1, 1), (3, 2), (4, 1), (7, 9), (8, 1), (12, 20)] {
                let bytes: Vec<u8> = [vec![b'a'; before], vec![byte], vec![b'z'; after]].concat();
                let text = written(|out| out.text(&bytes));
                let read: String = serde_json::from_str(&format!("\"{text}\"")).unwrap();
                assert_eq!(read, String::from_utf8_lossy(&bytes), "{byte} after {before}");
                let is_itself = matches!(byte, b' '..=0x7f) && byte != b'"' && byte != b'\\';
                assert!(byte > 0x7f || (text.as_bytes() == bytes) == is_itself, "{byte} after {before}");
                assert_eq!(position(&bytes, byte), bytes.iter().position(|other| *other == byte));
            }
        }
    }

    #[test]
    fn texts_of_every_length_are_written_whole() {
        let bytes: Vec<u8> = (b'a'..=b'z').cycle().take(5000).collect();
        for length in (0..40).chain([2047, 2048, 2049, 5000]) {
            let text = &bytes[..length];
            for shown in [written(|out| out.text(text)), written(|out| out.raw(text))] {
                assert_eq!(shown.as_bytes(), text);
            }
            let text = str::from_utf8(text).unwrap();
            assert_eq!(written(|out| out.piece(&Piece::key(text, "{"))), format!("\"{text}\":{{"));
        }
        assert_eq!(position(&bytes, b'?'), None);
    }

    #[test]
    fn what_is_larger_than_most_is_not_kept() {
        let mut out = Out::default();
        out.raw(&[b'a'; 2 * ROOM_KEPT]);
        assert_eq!(out.bytes().len(), 2 * ROOM_KEPT);
        out.clear();
        assert_eq!((out.bytes(), out.room.len()), (&b""[..], 0));
    }

    #[test]
    fn numbers_have_the_digits_that_they_need() {
        let powers = (0..20).map(|power| 10_u64.pow(power));
        for number in powers.flat_map(|power| [power - 1, power, power + 1, 7 * (power / 9)]).chain([u64::MAX]) {
            assert_eq!(written(|out| out.number(number)), number.to_string());
        }
    }

    #[test]
    fn times_have_the_decimals_that_they_need() {
        let shown = |microseconds| written(|out| out.milliseconds(Duration::from_micros(microseconds)));
        let times = [0, 7, 50, 120, 1_000, 10_010, 123_456_789];
        assert_eq!(times.map(shown), ["0", "0.007", "0.05", "0.12", "1", "10.01", "123456.789"]);
    }
}
