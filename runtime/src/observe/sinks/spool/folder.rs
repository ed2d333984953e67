//! The folder of a disk buffer: whose it is, what its files are called, and what is made of them at the start.

use std::collections::VecDeque;
use std::fs::{DirBuilder, File, OpenOptions, TryLockError};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use super::scan::Scan;

/// The file with the place up to which all is delivered.
pub(super) const POSITION: &str = "position";
pub(super) const LOCK: &str = "lock";
const SUFFIX: &str = ".records";

/// One file with records.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Entry {
    /// Later files have larger numbers.
    pub(super) number: u64,
    /// What its checksums begin with.
    pub(super) salt: u64,
    /// Bytes of it that are written.
    pub(super) length: u64,
}

/// Why the buffer cannot be had.
#[derive(Debug, thiserror::Error)]
pub(in crate::observe::sinks) enum Refused {
    /// Somebody else has it.
    #[error("{}: process {owner} has this disk buffer", .folder.display())]
    Owned {
        /// Where it is.
        folder: PathBuf,
        /// The other process.
        owner: String,
    },
    /// The disk does not let us.
    #[error("{}: {error}", .folder.display())]
    Disk {
        /// Where it is.
        folder: PathBuf,
        /// What it said.
        error: io::Error,
    },
}

impl Refused {
    pub(super) fn of(folder: &Path) -> impl FnOnce(io::Error) -> Self {
        let folder = folder.to_owned();
        |error| Self::Disk { folder, error }
    }

    /// What to do about it.
    pub(in crate::observe::sinks) const fn help(&self) -> &'static str {
        match self {
            Self::Owned { .. } => "each gateway needs a folder of its own: name another, or stop the other process",
            Self::Disk { .. } => "the gateway makes this folder, and has to be able to read and write in it",
        }
    }
}

/// The system frees it when the process ends, however that ends.
#[derive(Debug)]
pub(super) struct Lock(#[expect(dead_code, reason = "it is open for as long as the buffer is ours")] File);

/// Take the buffer in `folder`, which is made if there is none.
pub(super) fn lock(folder: &Path) -> Result<Lock, Refused> {
    let of = || Refused::of(folder);
    make(folder).map_err(of())?;
    let path = folder.join(LOCK);
    let mut options = OpenOptions::new();
    options.read(true).write(true).create(true).truncate(false).mode(0o600);
    let mut file = options.open(path).map_err(of())?;
    match file.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => {
            let mut owner = String::new();
            // Whoever it is, the buffer is not ours.
            let _ = file.take(20).read_to_string(&mut owner);
            let owner = if owner.trim().is_empty() { "another".to_owned() } else { owner.trim().to_owned() };
            return Err(Refused::Owned { folder: folder.to_owned(), owner });
        }
        Err(TryLockError::Error(error)) => return Err(of()(error)),
    }
    file.set_len(0).map_err(of())?;
    file.write_all(std::process::id().to_string().as_bytes()).map_err(of())?;
    Ok(Lock(file))
}

/// Make the folder, if there is none: nobody else is to read in it.
pub(super) fn make(folder: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(folder)
}

/// The files in `folder`, oldest first. What was torn when the machine or the process stopped is cut off the last one:
/// files before it were whole when the next was made.
pub(super) fn recover(folder: &Path) -> io::Result<VecDeque<Entry>> {
    let mut entries = Vec::new();
    for found in std::fs::read_dir(folder)? {
        let found = found?;
        if let Some((number, salt)) = found.file_name().to_str().and_then(parse) {
            entries.push(Entry { number, salt, length: found.metadata()?.len() });
        }
    }
    entries.sort_unstable_by_key(|entry| entry.number);
    let mut entries = VecDeque::from(entries);
    while let Some(last) = entries.back_mut() {
        let file = OpenOptions::new().read(true).write(true).open(last.path(folder))?;
        let sound = Scan::new(file.try_clone()?, last.salt).sound_end(last.length)?;
        if sound > 0 {
            if sound < last.length {
                file.set_len(sound)?;
                file.sync_all()?;
                last.length = sound;
            }
            break;
        }
        std::fs::remove_file(last.path(folder))?;
        entries.pop_back();
    }
    Ok(entries)
}

impl Entry {
    pub(super) fn path(&self, folder: &Path) -> PathBuf {
        folder.join(format!("{:016x}-{:016x}{SUFFIX}", self.number, self.salt))
    }
}

fn parse(name: &str) -> Option<(u64, u64)> {
    let (number, salt) = name.strip_suffix(SUFFIX)?.split_once('-')?;
    let hex = |text: &str| u64::from_str_radix(text, 16).ok().filter(|_| text.len() == 16);
    Some((hex(number)?, hex(salt)?))
}
