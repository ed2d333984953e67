//! Where the configuration lives, for whoever changes it through the gateway.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use super::faults::Report;
use super::read_text;
use crate::durable;

/// A place that keeps one configuration.
pub trait Store: Send {
    /// What it says now.
    ///
    /// # Errors
    /// It cannot be read.
    fn read(&self) -> Result<String, Report>;

    /// Have it say `text` if it still says `expected`. What has been taken outlives a crash.
    ///
    /// # Errors
    /// It says something else by now, or cannot be written: it is as it was.
    fn replace(&self, expected: &str, text: &str) -> Result<(), NotStored>;
}

/// Why a configuration was not kept.
#[derive(Debug, thiserror::Error)]
pub enum NotStored {
    /// Somebody else has changed it.
    #[error("{} has been changed meanwhile", .0.display())]
    Changed(PathBuf),
    /// Its owner does not want it written.
    #[error("{} is read-only: change it where it comes from, or make it writable", .0.display())]
    ReadOnly(PathBuf),
    /// The system says so.
    #[error("{} cannot be written: {error}", .path.display())]
    Failed {
        /// The file.
        path: PathBuf,
        /// What the system says.
        error: std::io::Error,
    },
}

/// A file, which people edit, too.
#[derive(Debug)]
pub struct FileStore {
    path: PathBuf,
}

impl FileStore {
    /// The file at `path`; a symbolic link is followed, and stays one.
    pub fn new(path: &Path) -> Self {
        Self { path: path.to_owned() }
    }
}

impl Store for FileStore {
    fn read(&self) -> Result<String, Report> {
        read_text(&self.path)
    }

    fn replace(&self, expected: &str, text: &str) -> Result<(), NotStored> {
        let failed = |error| NotStored::Failed { path: self.path.clone(), error };
        let file = fs::canonicalize(&self.path).map_err(failed)?;
        // Root could write it all the same, but somebody has meant that.
        if fs::metadata(&file).map_err(failed)?.mode() & 0o222 == 0 {
            return Err(NotStored::ReadOnly(self.path.clone()));
        }
        match self.read() {
            Ok(now) if now == expected => {}
            _ => return Err(NotStored::Changed(self.path.clone())),
        }
        durable::replace(&file, text.as_bytes()).map_err(|error| match error.kind() {
            std::io::ErrorKind::PermissionDenied | std::io::ErrorKind::ReadOnlyFilesystem => {
                NotStored::ReadOnly(self.path.clone())
            }
            _ => failed(error),
        })
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{PermissionsExt, symlink};

    use super::*;

    fn stored(text: &str) -> (tempfile::TempDir, FileStore) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("gateway.toml");
        fs::write(&path, text).unwrap();
        (folder, FileStore::new(&path))
    }

    #[test]
    fn what_has_changed_meanwhile_stays() {
        let (_folder, store) = stored("a = 1");
        assert!(matches!(store.replace("a = 0", "a = 2"), Err(NotStored::Changed(_))));
        assert_eq!(store.read().unwrap(), "a = 1");
        store.replace("a = 1", "a = 2").unwrap();
        assert_eq!(store.read().unwrap(), "a = 2");
    }

    #[test]
    fn a_read_only_file_stays() {
        let (_folder, store) = stored("a = 1");
        fs::set_permissions(&store.path, fs::Permissions::from_mode(0o444)).unwrap();
        let refused = store.replace("a = 1", "a = 2").unwrap_err();
        assert!(refused.to_string().contains("is read-only"), "{refused}");
        assert_eq!(store.read().unwrap(), "a = 1");
    }

    #[test]
    fn a_link_stays_a_link() {
        let (folder, store) = stored("a = 1");
        let link = folder.path().join("link.toml");
        symlink(&store.path, &link).unwrap();
        FileStore::new(&link).replace("a = 1", "a = 2").unwrap();
        assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
        assert_eq!(store.read().unwrap(), "a = 2");
    }
}
