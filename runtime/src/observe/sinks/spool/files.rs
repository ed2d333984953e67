//! The end of a disk buffer that grows.

use std::collections::VecDeque;
use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::PathBuf;

use super::aside::Aside;
use super::folder::{Entry, Lock};
use super::record::{self, HEAD};
use crate::limits;
use crate::observe::sinks::queue::Record;

/// Makes files and appends to the last one.
#[derive(Debug)]
pub(super) struct Files {
    folder: PathBuf,
    tenure: Tenure,
    open: Option<Open>,
    next: u64,
    encoded: Vec<u8>,
}

/// Whose the buffer is.
#[derive(Debug)]
pub(super) enum Tenure {
    /// This process's.
    Ours(#[expect(dead_code, reason = "it is held for as long as the buffer is ours")] Lock),
    /// Another's, or nobody's: what is written meanwhile goes into a folder beside its files, made for the first of it.
    Theirs(Option<Aside>),
}

#[derive(Debug)]
struct Open {
    file: File,
    entry: Entry,
    synced: bool,
}

/// What an append has come to.
pub(super) struct Grown {
    pub(super) entry: Entry,
    pub(super) records: u64,
    pub(super) bytes: u64,
}

impl Files {
    /// Of a buffer that is not ours yet.
    pub(super) const fn new(folder: PathBuf) -> Self {
        Self { folder, tenure: Tenure::Theirs(None), open: None, next: 1, encoded: Vec::new() }
    }

    pub(super) const fn are_ours(&self) -> bool {
        matches!(self.tenure, Tenure::Ours(_))
    }

    /// The buffer changes hands, and the next record begins another file.
    pub(super) fn change_hands(&mut self, tenure: Tenure) -> io::Result<()> {
        self.finish()?;
        self.tenure = tenure;
        Ok(())
    }

    /// The next record begins another file; the disk has all of this one.
    pub(super) fn finish(&mut self) -> io::Result<()> {
        // Only the last file may be torn when the machine stops.
        self.sync()?;
        self.open = None;
        Ok(())
    }

    /// The number of the file that is made next.
    pub(super) const fn next(&mut self) -> &mut u64 {
        &mut self.next
    }

    /// Append the first of `records` and take them out, into a file of at most `most` bytes unless one record has more.
    pub(super) fn append(&mut self, records: &mut VecDeque<Record>, most: u64) -> io::Result<Grown> {
        let first = records.front().map_or(0, size);
        if self.open.as_ref().is_some_and(|open| open.entry.length > 0 && open.entry.length + first > most) {
            self.finish()?;
        }
        let mut open = match self.open.take() {
            Some(open) => open,
            None => self.create()?,
        };
        let written = open.append(records, most, &mut self.encoded);
        self.open = Some(open);
        self.encoded.shrink_to(limits::SINK_DISK_READ);
        written
    }

    fn create(&mut self) -> io::Result<Open> {
        let mut salt = [0; 8];
        getrandom::fill(&mut salt)?;
        let entry = Entry { number: self.next, salt: u64::from_le_bytes(salt), length: 0 };
        self.next += 1;
        let folder = match &mut self.tenure {
            Tenure::Ours(_) => &self.folder,
            Tenure::Theirs(Some(aside)) => aside.folder(),
            Tenure::Theirs(aside) => aside.insert(Aside::make(&self.folder)?).folder(),
        };
        let created = OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(entry.path(folder))
            .and_then(|file| File::open(folder)?.sync_all().map(|()| file));
        if created.is_err() && !self.are_ours() {
            // It may have been taken away by whoever has the buffer: another is made then.
            self.tenure = Tenure::Theirs(None);
        }
        let file = created?;
        Ok(Open { file, entry, synced: true })
    }

    fn sync(&mut self) -> io::Result<()> {
        if let Some(open) = self.open.as_mut().filter(|open| !open.synced) {
            open.file.sync_data()?;
            open.synced = true;
        }
        Ok(())
    }

    /// The file that grows and its number, if the disk may not have all of it: it is taken to be synced now.
    pub(super) fn unsynced(&mut self) -> io::Result<Option<(File, u64)>> {
        let Some(open) = self.open.as_mut().filter(|open| !open.synced) else { return Ok(None) };
        let file = open.file.try_clone()?;
        open.synced = true;
        Ok(Some((file, open.entry.number)))
    }

    /// It was not.
    pub(super) fn failed(&mut self, number: u64) {
        self.open.iter_mut().filter(|open| open.entry.number == number).for_each(|open| open.synced = false);
    }

    /// Whether this file is the one that grows.
    pub(super) fn is_open(&self, number: u64) -> bool {
        self.open.as_ref().is_some_and(|open| open.entry.number == number)
    }

    /// The next record begins another file.
    pub(super) fn close(&mut self) {
        self.open = None;
    }
}

impl Open {
    fn append(&mut self, records: &mut VecDeque<Record>, most: u64, encoded: &mut Vec<u8>) -> io::Result<Grown> {
        encoded.clear();
        let mut count = 0;
        for record in records.iter().take(limits::SINK_DISK_WRITE) {
            let at = self.entry.length + encoded.len() as u64;
            if count > 0 && at + size(record) > most {
                break;
            }
            record::write(encoded, self.entry.salt, at, record.time, &record.bytes);
            count += 1;
        }
        // At its place, and over whatever a write that failed has left there.
        self.synced = false;
        self.file.write_all_at(encoded, self.entry.length)?;
        self.entry.length += encoded.len() as u64;
        records.drain(..count);
        Ok(Grown { entry: self.entry, records: count as u64, bytes: encoded.len() as u64 })
    }
}

fn size(record: &Record) -> u64 {
    (HEAD + record.bytes.len()) as u64
}
