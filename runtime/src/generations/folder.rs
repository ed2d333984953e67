//! Generations on disk: `N.toml`, what the configuration said, and then `N.json`, what there is to say of it. One without
//! the second never was.

use std::fs;
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use super::Record;
use crate::config::file;
use crate::{durable, limits};

/// `generations` in the state folder.
pub(super) struct Folder {
    path: PathBuf,
}

impl Folder {
    /// # Errors
    /// It is not there and cannot be made, or cannot be written.
    pub(super) fn open(state: &Path) -> io::Result<Self> {
        let path = state.join("generations");
        // What it holds may have secrets in it.
        fs::DirBuilder::new().recursive(true).mode(0o700).create(&path)?;
        tempfile::tempfile_in(&path)?;
        Ok(Self { path })
    }

    /// All that can be read, the oldest first.
    pub(super) fn records(&self) -> Vec<Record> {
        let entries = fs::read_dir(&self.path).into_iter().flatten().flatten();
        let mut records: Vec<Record> = entries
            .filter(|entry| entry.path().extension().is_some_and(|extension| extension == "json"))
            .filter_map(|entry| read(&entry.path()))
            .collect();
        records.sort_by_key(|record| record.generation);
        records
    }

    pub(super) fn text(&self, generation: u64) -> Option<String> {
        String::from_utf8(file::read(&self.toml(generation), limits::CONFIG_BYTES).ok()?).ok()
    }

    pub(super) fn keep(&self, record: &Record, text: &str) -> io::Result<()> {
        durable::replace(&self.toml(record.generation), text.as_bytes())?;
        durable::replace(&self.json(record.generation), &serde_json::to_vec(record)?)
    }

    /// The record goes last: as long as it is there, whoever starts after a crash knows that there is something to forget.
    pub(super) fn forget(&self, generation: u64) {
        for path in [self.toml(generation), self.json(generation)] {
            match fs::remove_file(&path) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => {
                    tracing::warn!(%error, "an old generation stays at {}", path.display());
                }
                _ => {}
            }
        }
    }

    fn toml(&self, generation: u64) -> PathBuf {
        self.path.join(format!("{generation}.toml"))
    }

    fn json(&self, generation: u64) -> PathBuf {
        self.path.join(format!("{generation}.json"))
    }
}

fn read(path: &Path) -> Option<Record> {
    let bytes = file::read(path, limits::CONFIG_BYTES);
    let record = bytes.and_then(|bytes| serde_json::from_slice(&bytes).map_err(|error| error.to_string()));
    record.map_err(|error| tracing::warn!(error, "a generation is lost: {}", path.display())).ok()
}
