//! How a disk buffer changes hands between two processes, one of which takes over from the other: who leaves goes on
//! writing beside it (aside.rs), who enters delivers what is in it, and what was written beside it once that is whole.

use std::io;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio::time::timeout;

use super::files::Tenure;
use super::folder::{self, Entry, Refused};
use super::position::Position;
use super::{Spool, aside};

impl Spool {
    /// Make the buffer this process's, with all that is in it now. Waits for the disk.
    ///
    /// # Errors
    /// It is another's, or the disk does not let us: then it is as it was before.
    pub(in crate::observe::sinks) fn enter(&self) -> Result<(), Refused> {
        let refused = || Refused::of(&self.folder);
        let mut position = self.position();
        let mut files = self.files();
        if files.are_ours() {
            drop((files, position));
            self.deliver_as_before();
            return Ok(());
        }
        let lock = folder::lock(&self.folder)?;
        let found = Position::open(&self.folder.join(folder::POSITION)).map_err(refused())?;
        let mut entries = folder::recover(&self.folder).map_err(refused())?;
        let done = found.place();
        // What this process has written beside it comes in with the rest.
        files.change_hands(Tenure::Ours(lock)).map_err(refused())?;
        *files.next() = entries.back().map_or(0, |entry| entry.number).max(done.file) + 1;
        let brought = match aside::bring_in(&self.folder, files.next()) {
            Ok(brought) => brought,
            Err(error) => {
                files.change_hands(Tenure::Theirs(None)).map_err(refused())?;
                return Err(refused()(error));
            }
        };
        *position = found;
        entries.extend(brought.entries);
        let bytes = total(&entries);
        let mut state = self.state();
        let before = total(&state.files);
        (state.files, state.done, state.aside) = (entries, done, brought.growing);
        drop((state, files, position));
        self.held.fetch_add(bytes, Ordering::Relaxed);
        self.held.fetch_sub(before, Ordering::Relaxed);
        self.forget(0).map_err(refused())?;
        self.deliver_as_before();
        Ok(())
    }

    /// Have the sink deliver that did when the buffer was handed over, if one did.
    fn deliver_as_before(&self) {
        let reader = std::mem::take(&mut self.state().reader);
        if reader != 0 {
            self.deliver_by(reader);
        }
    }

    /// Leave the buffer to another process: nothing more is delivered from here, and what is written goes beside it.
    /// Waits up to `within` for a delivery that is on its way; what takes longer is delivered once more.
    pub(in crate::observe::sinks) async fn leave(self: &Arc<Self>, within: Duration) -> io::Result<()> {
        let reader = self.reader.send_replace(0);
        self.state().reader = reader;
        drop(timeout(within, self.turn.lock()).await);
        let spool = Arc::clone(self);
        let left = tokio::task::spawn_blocking(move || {
            spool.settle(0)?;
            spool.sync()?;
            // In this order everywhere.
            let position = spool.position();
            spool.files().change_hands(Tenure::Theirs(None))?;
            drop(position);
            Ok(())
        });
        left.await.map_err(io::Error::other)?
    }

    /// Whether another process may still be writing beside it.
    pub(in crate::observe::sinks) fn awaits_others(&self) -> bool {
        self.state().aside
    }

    /// Bring in what others have written beside the buffer, if they are done. Waits for the disk.
    pub(in crate::observe::sinks) fn bring_in(&self) {
        if let Err(error) = self.try_to_bring_in() {
            tracing::warn!(%error, folder = %self.folder.display(), "records beside a disk buffer are not to be had yet");
        }
    }

    fn try_to_bring_in(&self) -> io::Result<()> {
        let mut files = self.files();
        if !files.are_ours() {
            return Ok(());
        }
        // What is brought in comes between what is written and what will be.
        files.finish()?;
        let brought = aside::bring_in(&self.folder, files.next())?;
        let bytes = total(&brought.entries);
        self.held.fetch_add(bytes, Ordering::Relaxed);
        let mut state = self.state();
        state.files.extend(brought.entries);
        state.aside = brought.growing;
        drop((state, files));
        self.written.send_modify(|(_, written)| *written += bytes as u64);
        Ok(())
    }

    /// Where it is.
    pub(in crate::observe::sinks) fn folder(&self) -> &Path {
        &self.folder
    }
}

fn total<'a>(entries: impl IntoIterator<Item = &'a Entry>) -> usize {
    let bytes = entries.into_iter().map(|entry| entry.length).sum::<u64>();
    usize::try_from(bytes).unwrap_or(usize::MAX)
}

#[cfg(test)]
mod tests {
    use super::super::Place;
    use super::super::tests::{FILE, append, done, files, folder, numbered, open, read};
    use super::*;

    /// What the files among the buffer's own hold.
    fn size(folder: &tempfile::TempDir) -> usize {
        let size: u64 = files(folder).iter().map(|path| std::fs::metadata(path).unwrap().len()).sum();
        usize::try_from(size).unwrap()
    }

    #[tokio::test]
    async fn it_changes_hands_and_what_the_one_before_still_writes_comes_after() {
        let folder = folder();
        let old = Arc::new(open(&folder));
        append(&old, &numbered(0..10), FILE);
        let new = Spool::theirs(folder.path()).unwrap();
        assert!(new.enter().is_err(), "it has not been left");
        old.leave(Duration::ZERO).await.unwrap();
        append(&old, &numbered(10..20), 100);
        new.enter().unwrap();
        append(&new, &numbered(20..30), FILE);
        new.bring_in();
        assert!(new.awaits_others(), "the one before still writes");
        assert_eq!(read(&new, Place::default()).0, [numbered(0..10), numbered(20..30)].concat());
        // What is delivered is the new one's to note.
        old.done(old.end());
        old.settle(0).unwrap();
        append(&old, &numbered(30..40), 100);
        drop(old);
        new.bring_in();
        assert!(!new.awaits_others());
        append(&new, &numbered(40..50), FILE);
        let all = [numbered(0..10), numbered(20..30), numbered(10..20), numbered(30..50)].concat();
        assert_eq!(read(&new, Place::default()).0, all);
        assert_eq!(new.held().load(Ordering::Relaxed), size(&folder));
        drop(new);
        let again = open(&folder);
        assert_eq!(read(&again, done(&again)).0, all);
        let beside = std::fs::read_dir(folder.path()).unwrap().filter(|entry| entry.as_ref().unwrap().path().is_dir());
        assert_eq!(beside.count(), 0);
    }

    #[tokio::test]
    async fn it_is_taken_back_as_the_other_has_left_it() {
        let folder = folder();
        let old = Arc::new(open(&folder));
        old.deliver_by(7);
        append(&old, &numbered(0..10), FILE);
        let middle = old.end();
        old.leave(Duration::ZERO).await.unwrap();
        assert!(!old.is_delivered_by(7));
        append(&old, &numbered(10..20), FILE);
        let new = open(&folder);
        append(&new, &numbered(20..30), FILE);
        new.done(middle);
        new.settle(0).unwrap();
        drop(new);
        old.enter().unwrap();
        assert!(old.is_delivered_by(7) && !old.awaits_others());
        append(&old, &numbered(30..40), FILE);
        assert_eq!(read(&old, done(&old)).0, [numbered(20..30), numbered(10..20), numbered(30..40)].concat());
        assert_eq!(old.held().load(Ordering::Relaxed), size(&folder));
    }

    #[test]
    fn what_a_crash_has_left_beside_it_is_found_at_the_next_start() {
        let folder = folder();
        let spool = Spool::theirs(folder.path()).unwrap();
        append(&spool, &numbered(0..10), 100);
        assert_eq!(files(&folder).len(), 0);
        drop(spool);
        let spool = open(&folder);
        assert_eq!(read(&spool, done(&spool)).0, numbered(0..10));
    }
}
