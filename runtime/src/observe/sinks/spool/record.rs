//! A record in a file of a disk buffer: how long it is, when it was handed in, two checksums, and itself. The checksum
//! of this head covers its place and a number that the file alone has, so that no record's own bytes pass for another
//! record when a damaged stretch is searched for the next one.

use std::time::{Duration, SystemTime};

use crc32fast::Hasher;

/// Bytes before a record's own.
pub(in crate::observe::sinks) const HEAD: usize = 4 + 8 + 4 + 4;

/// What stands before a record, once it is known to be sound.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Head {
    /// Bytes of the record.
    pub(super) length: usize,
    /// Milliseconds since 1970.
    time: u64,
    checksum: u32,
}

/// Append a record, which is to be at `at` in the file with this salt.
pub(super) fn write(into: &mut Vec<u8>, salt: u64, at: u64, time: SystemTime, record: &[u8]) {
    let since = time.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    // Longer ones are refused: a buffer in memory has 1 GiB at most.
    let length = u32::try_from(record.len()).unwrap_or(u32::MAX).to_le_bytes();
    let time = u64::try_from(since.as_millis()).unwrap_or(u64::MAX).to_le_bytes();
    let checksum = crc32fast::hash(record).to_le_bytes();
    for part in [&length[..], &time, &checksum, &sum(salt, at, [&length, &time, &checksum]).to_le_bytes(), record] {
        into.extend_from_slice(part);
    }
}

impl Head {
    /// What stands at `at` in the file with this salt; `None`: no sound head.
    pub(super) fn read(bytes: &[u8], salt: u64, at: u64) -> Option<Self> {
        let (length, rest) = bytes.split_first_chunk::<4>()?;
        let (time, rest) = rest.split_first_chunk::<8>()?;
        let (checksum, rest) = rest.split_first_chunk::<4>()?;
        let (own, _) = rest.split_first_chunk::<4>()?;
        if u32::from_le_bytes(*own) != sum(salt, at, [length, time, checksum]) {
            return None;
        }
        Some(Self {
            length: u32::from_le_bytes(*length) as usize,
            time: u64::from_le_bytes(*time),
            checksum: u32::from_le_bytes(*checksum),
        })
    }

    /// Whether `record` is what this was written for.
    pub(super) fn is_of(&self, record: &[u8]) -> bool {
        record.len() == self.length && crc32fast::hash(record) == self.checksum
    }

    /// When the record was handed in.
    pub(super) fn time(&self) -> SystemTime {
        SystemTime::UNIX_EPOCH.checked_add(Duration::from_millis(self.time)).unwrap_or(SystemTime::UNIX_EPOCH)
    }

    /// Bytes of the head and the record.
    pub(super) const fn size(&self) -> usize {
        HEAD.saturating_add(self.length)
    }
}

fn sum(salt: u64, at: u64, parts: [&[u8]; 3]) -> u32 {
    let mut hasher = Hasher::new();
    hasher.update(&salt.to_le_bytes());
    hasher.update(&at.to_le_bytes());
    parts.into_iter().for_each(|part| hasher.update(part));
    hasher.finalize()
}
