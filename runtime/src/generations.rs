//! What became of the configuration, change by change: who made it, from where, what differs, whether it was taken. The
//! last ones are kept on disk with all that it takes to activate them again.

mod difference;
mod folder;

use std::collections::{BTreeMap, VecDeque};
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

pub use difference::{Difference, differences};
use folder::Folder;

use crate::limits;

/// One change.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Record {
    /// Its number; changes that were refused have one, too.
    pub generation: u64,
    /// When, in milliseconds since 1970.
    pub at: u64,
    /// What brought it about.
    pub source: Source,
    /// Who, if that is known: whose token it was, say.
    pub author: Option<String>,
    /// What became of it.
    pub outcome: Outcome,
    /// SHA-256 of the configuration's text, in hexadecimal digits.
    pub config_sha256: String,
    /// SHA-256 of each plugin file by its component's name.
    pub components: BTreeMap<String, String>,
    /// What is different from what served before.
    pub changes: Vec<Difference>,
}

/// What brings a change about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Source {
    /// The gateway has been started.
    Start,
    /// A file has changed: gateway.toml, or another one that it names.
    File,
    /// SIGHUP.
    Signal,
    /// The admin API.
    Admin,
    /// An earlier generation was activated again.
    Activation,
}

/// What became of a change.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Outcome {
    /// It has been put in place.
    Served,
    /// It was refused, and why.
    Refused(Vec<String>),
}

/// All of them, the newest last. Everybody in the process sees the same ones.
pub struct Generations {
    records: Mutex<VecDeque<Arc<Record>>>,
    folder: Option<Folder>,
}

impl Generations {
    /// Those that were kept in `folder`, if that can be had; without one they are forgotten when the process ends, and
    /// none can be activated again.
    pub fn open(folder: Option<&Path>) -> Self {
        let folder = folder.and_then(|folder| {
            Folder::open(folder)
                .map_err(|error| {
                    let folder = folder.display();
                    tracing::warn!("no generation can be activated again: {folder}: {error}; set `state_dir`");
                })
                .ok()
        });
        let records = folder.as_ref().map(Folder::records).unwrap_or_default();
        Self { records: Mutex::new(records.into_iter().map(Arc::new).collect()), folder }
    }

    /// The number of the next one.
    pub fn next(&self) -> u64 {
        self.records().back().map_or(1, |last| last.generation + 1)
    }

    /// The last one that was put in place.
    pub fn served_last(&self) -> Option<Arc<Record>> {
        self.records().iter().rev().find(|record| record.outcome == Outcome::Served).cloned()
    }

    /// All of them, the newest first.
    pub fn list(&self) -> Vec<Arc<Record>> {
        self.records().iter().rev().cloned().collect()
    }

    /// The one with this number.
    pub fn get(&self, generation: u64) -> Option<Arc<Record>> {
        self.records().iter().find(|record| record.generation == generation).cloned()
    }

    /// What gateway.toml said then; `None` if that was not kept.
    pub fn text(&self, generation: u64) -> Option<String> {
        self.folder.as_ref()?.text(generation)
    }

    /// Keep one more, whose configuration is `text`, and let go of the oldest. A crash does not undo it.
    pub fn keep(&self, record: Record, text: &str) {
        if let Some(folder) = &self.folder
            && let Err(error) = folder.keep(&record, text)
        {
            tracing::error!(%error, generation = record.generation, "this generation cannot be activated again");
        }
        let forgotten = {
            let mut records = self.records();
            records.push_back(Arc::new(record));
            surplus(&mut records)
        };
        if let Some(folder) = &self.folder {
            forgotten.iter().for_each(|record| folder.forget(record.generation));
        }
    }

    fn records(&self) -> std::sync::MutexGuard<'_, VecDeque<Arc<Record>>> {
        self.records.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Takes out what is too much. Refused ones are counted by themselves, so that no storm of them pushes out what could be
/// gone back to.
fn surplus(records: &mut VecDeque<Arc<Record>>) -> Vec<Arc<Record>> {
    let mut forgotten = Vec::new();
    for refused in [false, true] {
        let is_of_them = |record: &Arc<Record>| matches!(record.outcome, Outcome::Refused(_)) == refused;
        let count = records.iter().filter(|record| is_of_them(record)).count();
        for _ in limits::GENERATIONS_KEPT..count {
            let oldest = records.iter().position(is_of_them).and_then(|oldest| records.remove(oldest));
            forgotten.extend(oldest);
        }
    }
    forgotten
}

/// SHA-256 in hexadecimal digits.
pub fn sha256(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(generation: u64, outcome: Outcome) -> Record {
        Record {
            generation,
            at: 1_700_000_000_000 + generation,
            source: Source::File,
            author: None,
            outcome,
            config_sha256: sha256(format!("# {generation}").as_bytes()),
            components: BTreeMap::new(),
            changes: Vec::new(),
        }
    }

    fn keep(generations: &Generations, outcome: Outcome) -> u64 {
        let number = generations.next();
        generations.keep(record(number, outcome), &format!("# {number}"));
        number
    }

    #[test]
    fn they_are_found_again_after_a_restart() {
        let folder = tempfile::tempdir().unwrap();
        let generations = Generations::open(Some(folder.path()));
        assert_eq!(keep(&generations, Outcome::Served), 1);
        assert_eq!(keep(&generations, Outcome::Refused(vec!["no".to_owned()])), 2);
        let again = Generations::open(Some(folder.path()));
        assert_eq!(again.next(), 3);
        assert_eq!(again.served_last().unwrap().generation, 1);
        assert_eq!(again.text(1).unwrap(), "# 1");
        assert_eq!(again.get(2).unwrap().outcome, Outcome::Refused(vec!["no".to_owned()]));
    }

    #[test]
    fn the_oldest_are_forgotten_and_refused_ones_push_out_no_other() {
        let folder = tempfile::tempdir().unwrap();
        let generations = Generations::open(Some(folder.path()));
        keep(&generations, Outcome::Served);
        for _ in 0..limits::GENERATIONS_KEPT + 5 {
            keep(&generations, Outcome::Refused(Vec::new()));
        }
        assert!(generations.get(1).is_some());
        assert!(generations.get(2).is_none());
        for _ in 0..limits::GENERATIONS_KEPT {
            keep(&generations, Outcome::Served);
        }
        assert!(generations.get(1).is_none() && generations.text(1).is_none());
        assert_eq!(generations.list().len(), 2 * limits::GENERATIONS_KEPT);
        let again = Generations::open(Some(folder.path()));
        assert_eq!(again.list().len(), 2 * limits::GENERATIONS_KEPT);
    }

    #[test]
    fn without_a_folder_they_are_listed_all_the_same() {
        let folder = tempfile::tempdir().unwrap();
        let taken = folder.path().join("file");
        std::fs::write(&taken, "").unwrap();
        let generations = Generations::open(Some(&taken));
        keep(&generations, Outcome::Served);
        assert_eq!(generations.list().len(), 1);
        assert!(generations.text(1).is_none());
    }

    #[test]
    fn a_damaged_record_is_passed_over() {
        let folder = tempfile::tempdir().unwrap();
        let generations = Generations::open(Some(folder.path()));
        for _ in 0..3 {
            keep(&generations, Outcome::Served);
        }
        std::fs::write(folder.path().join("generations/2.json"), "{").unwrap();
        let again = Generations::open(Some(folder.path()));
        assert_eq!(again.list().iter().map(|record| record.generation).collect::<Vec<_>>(), [3, 1]);
    }
}
