//! A disk buffer: a folder with files of records, of which the oldest is delivered first, and the place up to which all
//! is delivered. One process has it at a time, and hands it over as it is (tenure.rs); the sinks of several generations
//! may write to it, one of them reads.

use std::collections::VecDeque;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::watch;

use super::queue::Record;

mod aside;
mod files;
mod folder;
mod position;
mod reading;
mod record;
mod scan;
mod tenure;
mod writing;

pub(super) use folder::Refused;
pub(super) use position::Place;
pub(super) use reading::Reading;
pub(super) use writing::Writing;

use files::Files;
use folder::Entry;
use position::Position;

/// One folder's records.
#[derive(Debug)]
pub(super) struct Spool {
    folder: PathBuf,
    /// Bytes of the files, and of what was admitted and is not written yet.
    held: Arc<AtomicUsize>,
    state: Mutex<State>,
    /// These two are locked by threads that may wait for the disk only.
    files: Mutex<Files>,
    position: Mutex<Position>,
    /// What was written since the buffer was opened: records, and the bytes that they take.
    written: watch::Sender<(u64, u64)>,
    /// The sink that delivers, by its number; 0: none does yet.
    reader: watch::Sender<u64>,
    turn: Arc<tokio::sync::Mutex<()>>,
}

#[derive(Debug)]
struct State {
    /// In their order; the last may still grow.
    files: VecDeque<Entry>,
    done: Place,
    /// The sink that delivered when the buffer was handed over.
    reader: u64,
    /// Another process still writes beside the buffer's files.
    aside: bool,
}

/// The largest record that a buffer of `most` bytes takes: what is delivered and not deleted yet must not keep it out.
pub(super) const fn record_bytes(most: usize) -> usize {
    (most / 2).saturating_sub(record::HEAD)
}

impl Spool {
    /// Open the buffer in `folder`, which is made if there is none; it is this process's alone until this is dropped.
    ///
    /// # Errors
    /// It is another's, or the disk does not let us.
    pub(super) fn open(folder: &Path) -> Result<Self, Refused> {
        let spool = Self::theirs(folder)?;
        spool.enter()?;
        Ok(spool)
    }

    /// The buffer in `folder` while another process has it: [`Spool::enter`] makes it ours.
    ///
    /// # Errors
    /// The disk does not let us.
    pub(super) fn theirs(folder: &Path) -> Result<Self, Refused> {
        folder::make(folder).map_err(Refused::of(folder))?;
        let position = Position::open(&folder.join(folder::POSITION)).map_err(Refused::of(folder))?;
        let done = position.place();
        Ok(Self {
            folder: folder.to_owned(),
            held: Arc::default(),
            state: Mutex::new(State { files: VecDeque::new(), done, reader: 0, aside: false }),
            files: Mutex::new(Files::new(folder.to_owned())),
            position: Mutex::new(position),
            written: watch::Sender::default(),
            reader: watch::Sender::default(),
            turn: Arc::default(),
        })
    }

    /// Where its bytes are counted.
    pub(super) const fn held(&self) -> &Arc<AtomicUsize> {
        &self.held
    }

    /// Take the room of a record on the disk; whether there is enough within `most`.
    pub(super) fn admit(&self, record: usize, most: usize) -> bool {
        let size = record.saturating_add(record::HEAD);
        let fits = self.held.fetch_add(size, Ordering::Relaxed).saturating_add(size) <= most;
        if !fits {
            self.held.fetch_sub(size, Ordering::Relaxed);
        }
        fits
    }

    /// Give back the room of a record that will not be written.
    pub(super) fn dismiss(&self, record: usize) {
        self.held.fetch_sub(record.saturating_add(record::HEAD), Ordering::Relaxed);
    }

    /// From now on the sink with this number delivers, and no other.
    pub(super) fn deliver_by(&self, sink: u64) {
        self.reader.send_replace(sink);
    }

    fn is_delivered_by(&self, sink: u64) -> bool {
        *self.reader.borrow() == sink
    }

    /// All up to `place` is delivered, or will not be.
    pub(super) fn done(&self, place: Place) {
        let mut state = self.state();
        state.done = state.done.max(place);
    }

    /// Append the first of `records`, as many as are written at a time, to files of at most `most` bytes; takes out
    /// what is written. Waits for the disk.
    fn append(&self, records: &mut VecDeque<Record>, most: u64) -> io::Result<()> {
        let grown = self.files().append(records, most)?;
        let mut state = self.state();
        match state.files.back_mut() {
            Some(last) if last.number == grown.entry.number => *last = grown.entry,
            _ => state.files.push_back(grown.entry),
        }
        drop(state);
        self.written.send_modify(|(records, bytes)| {
            *records += grown.records;
            *bytes += grown.bytes;
        });
        Ok(())
    }

    /// Until the disk has all that is written. Waits for it, and holds up nobody who appends meanwhile.
    fn sync(&self) -> io::Result<()> {
        let unsynced = self.files().unsynced()?;
        if let Some((file, number)) = unsynced {
            file.sync_data().inspect_err(|_| self.files().failed(number))?;
        }
        self.position().sync()
    }

    /// Note on the disk how far all is delivered, and delete the files that are. The last one goes only when it has
    /// `least` bytes: another would have to be made at once. Waits for the disk.
    fn settle(&self, least: u64) -> io::Result<()> {
        // It changes hands only while nobody has the position.
        let mut position = self.position();
        let done = self.state().done;
        if position.place() == done || !self.files().are_ours() {
            return Ok(());
        }
        position.write(done)?;
        drop(position);
        self.forget(least)
    }

    fn forget(&self, least: u64) -> io::Result<()> {
        // Nothing grows meanwhile.
        let mut files = self.files();
        if !files.are_ours() {
            return Ok(());
        }
        loop {
            let mut state = self.state();
            let Some(first) = state.files.front().copied() else { return Ok(()) };
            let delivered = state.done >= Place { file: first.number, at: first.length };
            let grows = files.is_open(first.number);
            if !delivered || grows && first.length < least {
                return Ok(());
            }
            state.files.pop_front();
            drop(state);
            if grows {
                files.close();
            }
            // One that cannot be deleted is found, and seen to be delivered, at the next start.
            let deleted = std::fs::remove_file(first.path(&self.folder));
            self.held.fetch_sub(usize::try_from(first.length).unwrap_or(usize::MAX), Ordering::Relaxed);
            deleted?;
        }
    }

    /// The file that `place` is in, or the next one after it in which there is something; the place in that file.
    fn file_at(&self, place: Place) -> Option<(Entry, Place)> {
        let state = self.state();
        let mut entries = state.files.iter().filter(|entry| entry.number >= place.file);
        entries.find_map(|entry| {
            let at = if entry.number == place.file { place.at } else { 0 };
            (at < entry.length).then_some((*entry, Place { file: entry.number, at }))
        })
    }

    /// Where the next record will be.
    fn end(&self) -> Place {
        let state = self.state();
        let end = state.files.back().map(|entry| Place { file: entry.number, at: entry.length });
        end.unwrap_or(state.done).max(state.done)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn position(&self) -> MutexGuard<'_, Position> {
        self.position.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn files(&self) -> MutexGuard<'_, Files> {
        self.files.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests;
