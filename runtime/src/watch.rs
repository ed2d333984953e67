//! Notices that a file of the configuration has changed, by looking at it now and then. That works on every file
//! system, through symbolic links and renames, where notifications from the kernel do not; a few `stat` calls a
//! second cost nothing.

use std::collections::HashMap;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use crate::limits;

/// Files and what they looked like.
pub(crate) struct Watch {
    files: Vec<(PathBuf, Option<Stamp>)>,
    /// How many looks in a row have found a change.
    looks_since_change: u32,
}

/// Changes whenever the file is written or another takes its place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Stamp {
    device: u64,
    inode: u64,
    bytes: u64,
    /// Also when it was changed in ways that hide from `modified`, which programs can set back.
    changed: (i64, i64),
    modified: (i64, i64),
}

impl Watch {
    /// Watch one file, as it is now.
    pub(crate) fn new(path: &Path) -> Self {
        Self { files: vec![(path.to_owned(), stamp(path))], looks_since_change: 0 }
    }

    /// Watch these files from now on; one that was watched before is compared with what it looked like then.
    pub(crate) fn set_files(&mut self, paths: Vec<PathBuf>) {
        let known: HashMap<PathBuf, Option<Stamp>> = std::mem::take(&mut self.files).into_iter().collect();
        let look = |path: PathBuf| {
            let stamp = known.get(&path).copied().unwrap_or_else(|| stamp(&path));
            (path, stamp)
        };
        self.files = paths.into_iter().map(look).collect();
    }

    /// What is at `path` has been written by the gateway itself: it is no change, if it still is `text`.
    pub(crate) fn expect(&mut self, path: &Path, text: &str) {
        let now = stamp(path);
        // Looked at after the stamp was taken: whoever writes later changes that.
        if std::fs::read(path).is_ok_and(|there| there == text.as_bytes())
            && let Some((_, known)) = self.files.iter_mut().find(|(known, _)| known == path)
        {
            *known = now;
        }
    }

    /// Ends when a file has changed and all have stayed as they are for a while: whoever writes several, or one in
    /// pieces, is given the time to finish, within a bound. Nothing is missed if the wait is given up and begun again.
    pub(crate) async fn changed(&mut self) {
        loop {
            tokio::time::sleep(limits::WATCH_INTERVAL).await;
            let changed = self.look();
            if self.looks_since_change > 0 && (!changed || self.looks_since_change >= limits::WATCH_PATIENCE) {
                self.looks_since_change = 0;
                return;
            }
            if changed {
                self.looks_since_change += 1;
            }
        }
    }

    /// Remember how the files look now; tells whether that is different from before.
    pub(crate) fn look(&mut self) -> bool {
        let mut changed = false;
        for (path, known) in &mut self.files {
            let now = stamp(path);
            changed |= now != *known;
            *known = now;
        }
        changed
    }
}

/// `None`: the file is not there, or not to be seen.
fn stamp(path: &Path) -> Option<Stamp> {
    let file = std::fs::metadata(path).ok()?;
    Some(Stamp {
        device: file.dev(),
        inode: file.ino(),
        bytes: file.size(),
        changed: (file.ctime(), file.ctime_nsec()),
        modified: (file.mtime(), file.mtime_nsec()),
    })
}
