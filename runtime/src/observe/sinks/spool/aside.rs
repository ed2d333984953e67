//! What a process writes while another has the buffer: files in a folder beside the buffer's own, locked while it
//! writes. Whoever has the buffer brings them in once nobody writes there any more, a crash included.

use std::fs::{File, OpenOptions, TryLockError};
use std::io;
use std::path::{Path, PathBuf};

use super::folder::{self, Entry, LOCK, Lock};

const PREFIX: &str = "aside-";

/// The folder that this process writes in.
#[derive(Debug)]
pub(super) struct Aside {
    folder: PathBuf,
    _lock: Lock,
}

/// What was found beside the buffer's files.
#[derive(Debug, Default)]
pub(super) struct Found {
    /// Now among them.
    pub(super) entries: Vec<Entry>,
    /// Somebody still writes.
    pub(super) growing: bool,
}

impl Aside {
    /// Beside the files of the buffer in `buffer`.
    pub(super) fn make(buffer: &Path) -> io::Result<Self> {
        let mut number = [0; 8];
        getrandom::fill(&mut number)?;
        let folder = buffer.join(format!("{PREFIX}{:016x}", u64::from_le_bytes(number)));
        let lock = folder::lock(&folder).map_err(io::Error::other)?;
        File::open(buffer)?.sync_all()?;
        Ok(Self { folder, _lock: lock })
    }

    pub(super) fn folder(&self) -> &Path {
        &self.folder
    }
}

/// Move the files that were written aside to those of the buffer in `buffer`, from number `next` on.
pub(super) fn bring_in(buffer: &Path, next: &mut u64) -> io::Result<Found> {
    let mut found = Found::default();
    for aside in std::fs::read_dir(buffer)? {
        let aside = aside?;
        if !aside.file_name().to_str().is_some_and(|name| name.starts_with(PREFIX)) {
            continue;
        }
        let folder = aside.path();
        // It is made before its lock: the moment in between is somebody's beginning, or his end.
        let lock = OpenOptions::new().read(true).write(true).create(true).truncate(false).open(folder.join(LOCK))?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                found.growing = true;
                continue;
            }
            Err(TryLockError::Error(error)) => return Err(error),
        }
        for mut entry in folder::recover(&folder)? {
            let old = entry.path(&folder);
            // Checksums begin with the salt and the place in the file, so another number makes no difference to them.
            entry.number = *next;
            *next += 1;
            std::fs::rename(old, entry.path(buffer))?;
            found.entries.push(entry);
        }
        std::fs::remove_file(folder.join(LOCK))?;
        std::fs::remove_dir(&folder)?;
    }
    if !found.entries.is_empty() {
        File::open(buffer)?.sync_all()?;
    }
    Ok(found)
}
