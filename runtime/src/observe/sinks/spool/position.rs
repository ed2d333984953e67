//! How far a disk buffer is delivered, durably: two slots that are written by turns, each with a checksum, so that one
//! of them is whole whenever the machine stops.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::Path;

/// A place in the buffer: a file by its number, and how many of its bytes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::observe::sinks) struct Place {
    pub(super) file: u64,
    pub(super) at: u64,
}

/// The file with the place.
#[derive(Debug)]
pub(super) struct Position {
    file: File,
    place: Place,
    /// Of the last write; it says which slot is newer.
    turn: u64,
    synced: bool,
}

/// Each is in a sector of its own.
const SLOTS: [u64; 2] = [0, 4096];
const SLOT: usize = 8 + 8 + 8 + 4;

impl Position {
    /// What is in the file at `path`, which is made if there is none. Without a sound slot: the very beginning.
    pub(super) fn open(path: &Path) -> io::Result<Self> {
        let file = OpenOptions::new().read(true).write(true).create(true).truncate(false).mode(0o600).open(path)?;
        let (turn, place) = SLOTS.iter().filter_map(|slot| read(&file, *slot)).max().unwrap_or_default();
        Ok(Self { file, place, turn, synced: true })
    }

    pub(super) const fn place(&self) -> Place {
        self.place
    }

    /// Write `place`, unless it is the one that is written.
    pub(super) fn write(&mut self, place: Place) -> io::Result<()> {
        if place == self.place {
            return Ok(());
        }
        let turn = self.turn + 1;
        let mut slot: Vec<u8> = [turn, place.file, place.at].iter().flat_map(|number| number.to_le_bytes()).collect();
        slot.extend_from_slice(&crc32fast::hash(&slot).to_le_bytes());
        let [even, odd] = SLOTS;
        self.file.write_all_at(&slot, if turn.is_multiple_of(2) { even } else { odd })?;
        (self.place, self.turn, self.synced) = (place, turn, false);
        Ok(())
    }

    /// Until the disk has it.
    pub(super) fn sync(&mut self) -> io::Result<()> {
        if !self.synced {
            self.file.sync_data()?;
            self.synced = true;
        }
        Ok(())
    }
}

fn read(file: &File, slot: u64) -> Option<(u64, Place)> {
    let mut bytes = [0; SLOT];
    file.read_exact_at(&mut bytes, slot).ok()?;
    let (numbers, checksum) = bytes.split_last_chunk::<4>()?;
    if crc32fast::hash(numbers) != u32::from_le_bytes(*checksum) {
        return None;
    }
    let (turn, rest) = numbers.split_first_chunk::<8>()?;
    let (file, at) = rest.split_first_chunk::<8>()?;
    let at = at.first_chunk::<8>()?;
    Some((u64::from_le_bytes(*turn), Place { file: u64::from_le_bytes(*file), at: u64::from_le_bytes(*at) }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_place_is_found_again_and_a_torn_one_is_the_one_before() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("position");
        let place = |at| Place { file: 7, at };
        let mut position = Position::open(&path).unwrap();
        assert_eq!(position.place(), Place::default());
        for at in 1..=5 {
            position.write(place(at)).unwrap();
            position.sync().unwrap();
            assert_eq!(Position::open(&path).unwrap().place(), place(at));
        }
        // A write that was broken off after any number of its bytes.
        let whole = std::fs::read(&path).unwrap();
        position.write(place(6)).unwrap();
        let written = std::fs::read(&path).unwrap();
        for torn in 0..=SLOT {
            let mut bytes = whole.clone();
            bytes[..torn].copy_from_slice(&written[..torn]);
            std::fs::write(&path, &bytes).unwrap();
            let found = Position::open(&path).unwrap().place();
            assert!(found == place(5) || found == place(6) && bytes == written, "{torn}: {found:?}");
        }
    }
}
