//! A body's state as bytes.

use super::{Mode, Stream, WhenUnparsable};
use crate::json::Json;
use crate::text::Progress;

impl Stream {
    /// What has to be known when the next piece comes, for [`restore`](Self::restore).
    pub fn save(&self) -> Vec<u8> {
        let mut to = Writer(Vec::with_capacity(64 + self.kept.len()));
        to.flags([self.when_unparsable == WhenUnparsable::Pass, false]);
        to.number(self.gone);
        match &self.mode {
            Mode::Unknown => to.number(0),
            Mode::Json(json) => {
                to.number(1);
                json.save(&mut to);
            }
            Mode::Lines(json) => {
                to.number(2);
                json.save(&mut to);
            }
            Mode::Line(progress) => {
                to.number(3);
                progress.save(&mut to);
            }
            Mode::Text(progress) => {
                to.number(4);
                progress.save(&mut to);
            }
        }
        to.0.extend_from_slice(&self.kept);
        to.0
    }

    /// What was [saved](Self::save) with the same rules; `None` if it was not.
    pub fn restore(saved: &[u8]) -> Option<Self> {
        let mut from = Reader(saved);
        let [passes, _] = from.flags()?;
        let when_unparsable = if passes { WhenUnparsable::Pass } else { WhenUnparsable::Stop };
        let gone = from.number()?;
        let mode = match from.number()? {
            0 => Mode::Unknown,
            1 => Mode::Json(Json::restore(&mut from)?),
            2 => Mode::Lines(Json::restore(&mut from)?),
            3 => Mode::Line(Progress::restore(&mut from)?),
            4 => Mode::Text(Progress::restore(&mut from)?),
            _ => return None,
        };
        Some(Self { when_unparsable, mode, kept: from.0.to_vec(), gone })
    }
}

/// Numbers to bytes.
pub(crate) struct Writer(Vec<u8>);

impl Writer {
    /// Seven bits a byte, as most are small.
    pub(crate) fn number(&mut self, mut number: u64) {
        loop {
            let [low, ..] = number.to_le_bytes();
            number >>= 7;
            if number == 0 {
                self.0.push(low);
                return;
            }
            self.0.push(low | 0x80);
        }
    }

    pub(crate) fn option(&mut self, number: Option<u64>) {
        self.number(number.map_or(0, |number| number + 1));
    }

    pub(crate) fn flags(&mut self, [one, other]: [bool; 2]) {
        self.0.push(u8::from(one) | u8::from(other) << 1);
    }
}

/// And back.
pub(crate) struct Reader<'b>(&'b [u8]);

impl Reader<'_> {
    pub(crate) fn number(&mut self) -> Option<u64> {
        let mut number = 0;
        for shift in (0..64).step_by(7) {
            let byte = *self.0.split_off_first()?;
            number |= u64::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return Some(number);
            }
        }
        None
    }

    pub(crate) fn size(&mut self) -> Option<usize> {
        usize::try_from(self.number()?).ok()
    }

    /// `None` is no number; `Some(None)` is none that was written.
    #[expect(clippy::option_option, reason = "the outer one is the reader's")]
    pub(crate) fn option(&mut self) -> Option<Option<usize>> {
        Some(self.size()?.checked_sub(1))
    }

    pub(crate) fn flags(&mut self) -> Option<[bool; 2]> {
        let byte = *self.0.split_off_first()?;
        Some([byte & 1 != 0, byte & 2 != 0])
    }
}
