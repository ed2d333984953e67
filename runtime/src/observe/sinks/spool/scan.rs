//! Reads the records of one file in their order. Whatever is damaged is passed over, up to the next sound record.

use std::fs::File;
use std::io::{self, ErrorKind};
use std::os::unix::fs::FileExt;
use std::time::SystemTime;

use super::record::{HEAD, Head};
use crate::limits;

/// One file, as far as it is written.
#[derive(Debug)]
pub(super) struct Scan {
    file: File,
    salt: u64,
    /// A stretch of the file, and where it begins.
    window: Vec<u8>,
    start: u64,
}

/// What is at a place.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Found<'w> {
    Record {
        time: SystemTime,
        bytes: &'w [u8],
        next: u64,
    },
    /// No record up to here: the next sound one, or the end.
    Damaged {
        next: u64,
    },
    /// Nothing more.
    End,
}

impl Scan {
    pub(super) const fn new(file: File, salt: u64) -> Self {
        Self { file, salt, window: Vec::new(), start: 0 }
    }

    /// What is at `at`; the file ends at `end`.
    pub(super) fn at(&mut self, at: u64, end: u64) -> io::Result<Found<'_>> {
        if at >= end {
            return Ok(Found::End);
        }
        let head = self.head(at, end)?;
        if let Some(head) = head
            && self.is_sound(head, at)?
        {
            let next = at + head.size() as u64;
            let bytes = self.window(at + HEAD as u64, head.length, end)?;
            return Ok(Found::Record { time: head.time(), bytes, next });
        }
        // If the head is sound, the next record is most likely where it says.
        let behind = head.map(|head| at + head.size() as u64);
        if let Some(next) = behind
            && self.is_record(next, end)?
        {
            return Ok(Found::Damaged { next });
        }
        let mut next = at + 1;
        while next < end && !self.is_record(next, end)? {
            next += 1;
        }
        Ok(Found::Damaged { next })
    }

    /// Where the last sound record ends, if the file ends at `end`.
    pub(super) fn sound_end(&mut self, end: u64) -> io::Result<u64> {
        let (mut at, mut sound) = (0, 0);
        loop {
            match self.at(at, end)? {
                Found::Record { next, .. } => (at, sound) = (next, next),
                Found::Damaged { next } => at = next,
                Found::End => return Ok(sound),
            }
        }
    }

    fn is_record(&mut self, at: u64, end: u64) -> io::Result<bool> {
        match self.head(at, end)? {
            Some(head) => self.is_sound(head, at),
            None => Ok(false),
        }
    }

    /// A sound head whose record does not reach beyond the end.
    fn head(&mut self, at: u64, end: u64) -> io::Result<Option<Head>> {
        if end.saturating_sub(at) < HEAD as u64 {
            return Ok(None);
        }
        let salt = self.salt;
        let head = Head::read(self.window(at, HEAD, end)?, salt, at);
        Ok(head.filter(|head| head.size() as u64 <= end - at))
    }

    fn is_sound(&mut self, head: Head, at: u64) -> io::Result<bool> {
        let from = at + HEAD as u64;
        Ok(head.is_of(self.window(from, head.length, from + head.length as u64)?))
    }

    /// `length` bytes from `at`; as much more as is read at a time, up to `end`, stays at hand.
    fn window(&mut self, at: u64, length: usize, end: u64) -> io::Result<&[u8]> {
        let offset = at.checked_sub(self.start).and_then(|offset| usize::try_from(offset).ok());
        let offset = offset.filter(|offset| offset.saturating_add(length) <= self.window.len());
        let offset = match offset {
            Some(offset) => offset,
            None => {
                let left = usize::try_from(end.saturating_sub(at)).unwrap_or(usize::MAX);
                let wanted = length.max(left.min(limits::SINK_DISK_READ));
                self.fill(at, wanted)?;
                0
            }
        };
        self.window.get(offset..offset + length).ok_or_else(|| ErrorKind::UnexpectedEof.into())
    }

    /// Read `wanted` bytes from `at`. A file that is shorter than it should be has zeros there, which are no record.
    fn fill(&mut self, at: u64, wanted: usize) -> io::Result<()> {
        self.window.clear();
        self.window.shrink_to(wanted.max(limits::SINK_DISK_READ));
        self.window.resize(wanted, 0);
        self.start = at;
        let mut filled = 0;
        while let Some(rest) = self.window.get_mut(filled..).filter(|rest| !rest.is_empty()) {
            match self.file.read_at(rest, at + filled as u64) {
                Ok(0) => break,
                Ok(read) => filled += read,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => {
                    self.window.clear();
                    return Err(error);
                }
            }
        }
        Ok(())
    }
}
