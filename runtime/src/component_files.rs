//! Plugin files by their content, in the state folder: what was uploaded, and what earlier generations consist of. A name
//! says what is in a file, so whoever reads one can tell whether it is still that.

use std::collections::HashSet;
use std::fs;
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use crate::config::file;
use crate::generations::sha256;
use crate::{durable, limits};

/// `components` in the state folder, which is made with the first file.
#[derive(Debug, Clone)]
pub struct ComponentFiles {
    folder: PathBuf,
}

impl ComponentFiles {
    /// Those in this state folder.
    pub fn of(state: &Path) -> Self {
        Self { folder: state.join("components") }
    }

    /// The file with this SHA-256, in hexadecimal digits.
    ///
    /// # Errors
    /// What is wrong with it, as the rest of a sentence that began with its path.
    pub fn read(&self, sha256_of_it: &str) -> Result<Vec<u8>, String> {
        let bytes = file::read(&self.path(sha256_of_it), limits::COMPONENT_BYTES)?;
        if sha256(&bytes) == sha256_of_it { Ok(bytes) } else { Err("is damaged".to_owned()) }
    }

    /// Whether it is there.
    pub fn has(&self, sha256_of_it: &str) -> bool {
        self.path(sha256_of_it).is_file()
    }

    /// Keep `bytes`, under their SHA-256, which comes back. A crash does not undo it.
    ///
    /// # Errors
    /// They cannot be written.
    pub fn keep(&self, bytes: &[u8]) -> io::Result<String> {
        let name = sha256(bytes);
        if !self.has(&name) {
            fs::DirBuilder::new().recursive(true).mode(0o700).create(&self.folder)?;
            durable::replace(&self.path(&name), bytes)?;
        }
        Ok(name)
    }

    /// Remove what is not in `needed`, and what a crash has left half written, unless it has come of late: somebody may be
    /// about to need it.
    pub fn sweep(&self, needed: &HashSet<String>, late: Duration) {
        for entry in fs::read_dir(&self.folder).into_iter().flatten().flatten() {
            let name = entry.file_name();
            let name = name.to_str().unwrap_or_default();
            let gone = match name.strip_suffix(".wasm") {
                Some(named) => !needed.contains(named),
                None => durable::is_unfinished(name),
            };
            let modified = entry.metadata().and_then(|file| file.modified());
            let age = modified.ok().and_then(|then| SystemTime::now().duration_since(then).ok());
            if gone
                && age.is_some_and(|age| age > late)
                && let Err(error) = fs::remove_file(entry.path())
            {
                tracing::warn!(%error, "an old plugin stays at {}", entry.path().display());
            }
        }
    }

    /// Where it is, or would be.
    pub fn path(&self, sha256_of_it: &str) -> PathBuf {
        self.folder.join(format!("{sha256_of_it}.wasm"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_what_its_name_says() {
        let state = tempfile::tempdir().unwrap();
        let files = ComponentFiles::of(state.path());
        let name = files.keep(b"plugin").unwrap();
        assert_eq!(files.read(&name).unwrap(), b"plugin");
        fs::write(files.path(&name), "pluggin").unwrap();
        assert_eq!(files.read(&name).unwrap_err(), "is damaged");
    }

    #[test]
    fn what_nobody_needs_goes_after_a_while() {
        let state = tempfile::tempdir().unwrap();
        let files = ComponentFiles::of(state.path());
        let (kept, gone) = (files.keep(b"kept").unwrap(), files.keep(b"gone").unwrap());
        let needed = HashSet::from([kept.clone()]);
        files.sweep(&needed, Duration::from_secs(60));
        assert!(files.has(&gone));
        files.sweep(&needed, Duration::ZERO);
        assert!(files.has(&kept) && !files.has(&gone));
    }

    #[test]
    fn what_a_crash_has_left_half_written_goes_after_a_while() {
        let state = tempfile::tempdir().unwrap();
        let files = ComponentFiles::of(state.path());
        let kept = files.keep(b"kept").unwrap();
        let half = files.folder.join(".abcdef.wasm.next");
        fs::write(&half, "plug").unwrap();
        let needed = HashSet::from([kept.clone()]);
        files.sweep(&needed, Duration::from_secs(60));
        assert!(half.exists(), "it may be on its way");
        files.sweep(&needed, Duration::ZERO);
        assert!(files.has(&kept) && !half.exists());
    }
}
