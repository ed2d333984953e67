use std::fs;
use std::time::{Duration, SystemTime};

use proptest::collection::vec;
use proptest::prelude::*;
use tempfile::TempDir;

use super::scan::{Found, Scan};
use super::*;

pub(super) const FILE: u64 = 1 << 20;

/// In memory, if that is to be had: a disk that others use takes its time for each sync.
pub(super) fn folder() -> TempDir {
    tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).unwrap()
}

fn record(bytes: &[u8]) -> Record {
    Record { bytes: bytes.into(), time: SystemTime::UNIX_EPOCH + Duration::from_millis(1_735_689_599_007) }
}

pub(super) fn open(folder: &TempDir) -> Spool {
    Spool::open(folder.path()).unwrap()
}

pub(super) fn append(spool: &Spool, records: &[Vec<u8>], file: u64) {
    let mut records: VecDeque<_> = records.iter().map(|bytes| record(bytes)).collect();
    assert!(records.iter().all(|record| spool.admit(record.bytes.len(), usize::MAX)));
    while !records.is_empty() {
        spool.append(&mut records, file).unwrap();
    }
}

/// Records from `place` on, how many stretches are damaged, and where it ends.
pub(super) fn read(spool: &Spool, mut place: Place) -> (Vec<Vec<u8>>, u64, Place) {
    let (mut records, mut damaged) = (Vec::new(), 0);
    while let Some((entry, from)) = spool.file_at(place) {
        let mut scan = Scan::new(fs::File::open(entry.path(&spool.folder)).unwrap(), entry.salt);
        place = from;
        loop {
            match scan.at(place.at, entry.length).unwrap() {
                Found::Record { time, bytes, next } => {
                    assert_eq!(time, record(b"").time);
                    records.push(bytes.to_vec());
                    place.at = next;
                }
                Found::Damaged { next } => {
                    damaged += 1;
                    place.at = next;
                }
                Found::End => break,
            }
        }
    }
    (records, damaged, place)
}

pub(super) fn done(spool: &Spool) -> Place {
    spool.state().done
}

pub(super) fn files(folder: &TempDir) -> Vec<std::path::PathBuf> {
    let paths = fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().path());
    let mut paths: Vec<_> = paths.filter(|path| path.extension().is_some_and(|end| end == "records")).collect();
    paths.sort();
    paths
}

pub(super) fn numbered(range: std::ops::Range<usize>) -> Vec<Vec<u8>> {
    range.map(|number| number.to_string().into_bytes()).collect()
}

#[test]
fn a_tail_that_is_torn_at_any_byte_is_cut_and_what_comes_next_is_found() {
    let folder = folder();
    let records = [b"first".to_vec(), Vec::new(), b"the third one".to_vec()];
    let ends: Vec<usize> = records
        .iter()
        .scan(0, |at, record| {
            *at += record::HEAD + record.len();
            Some(*at)
        })
        .collect();
    append(&open(&folder), &records, FILE);
    let path = files(&folder).remove(0);
    let whole = fs::read(&path).unwrap();
    assert_eq!(whole.len(), ends[2]);
    for torn in 0..=whole.len() {
        // Of what was not synced, the rest may be missing, or be there as zeros or as anything.
        for rest in [Vec::new(), vec![0; whole.len() - torn], vec![0xa5; whole.len() - torn]] {
            files(&folder).iter().for_each(|path| fs::remove_file(path).unwrap());
            fs::write(&path, [&whole[..torn], &rest].concat()).unwrap();
            let spool = open(&folder);
            let kept = ends.iter().filter(|end| **end <= torn).count();
            let held = ends[..kept].last().copied().unwrap_or(0);
            assert_eq!(spool.held().load(Ordering::Relaxed), held, "{torn}");
            append(&spool, &numbered(0..2), FILE);
            drop(spool);
            let found = read(&open(&folder), Place::default());
            let expected = [&records[..kept], &numbered(0..2)].concat();
            assert_eq!((found.0, found.1), (expected, 0), "torn after {torn} bytes");
        }
    }
}

#[test]
fn what_is_delivered_is_not_found_again_and_its_files_are_deleted() {
    let folder = folder();
    let spool = open(&folder);
    append(&spool, &numbered(0..100), 200);
    let made = files(&folder).len();
    assert!(made > 5);
    let held = spool.held().load(Ordering::Relaxed);
    let size: u64 = files(&folder).iter().map(|path| fs::metadata(path).unwrap().len()).sum();
    assert_eq!(held as u64, size);
    // In the middle of a file.
    let (entry, _) = spool.file_at(Place { file: 3, at: 0 }).unwrap();
    let middle = Place { file: 3, at: (record::HEAD + 2) as u64 };
    assert!(middle.at < entry.length);
    spool.done(middle);
    spool.settle(0).unwrap();
    assert_eq!(files(&folder).len(), made - 2);
    let (left, _, end) = read(&spool, middle);
    drop(spool);
    let spool = open(&folder);
    assert_eq!(read(&spool, done(&spool)).0, left);
    assert_eq!(left.last().unwrap(), b"99");
    append(&spool, &numbered(100..101), 200);
    assert_eq!(read(&spool, end).0, numbered(100..101));
    spool.done(spool.end());
    spool.settle(1 << 20).unwrap();
    assert_eq!(files(&folder).len(), 1, "the last one may still grow");
    append(&spool, &numbered(101..102), 200);
    spool.done(spool.end());
    spool.settle(0).unwrap();
    assert_eq!((files(&folder).len(), spool.held().load(Ordering::Relaxed)), (0, 0));
    append(&spool, &numbered(102..103), 200);
    drop(spool);
    let spool = open(&folder);
    assert_eq!(read(&spool, done(&spool)).0, numbered(102..103), "numbers are never used twice");
}

#[test]
fn one_process_has_it_at_a_time_and_the_other_is_told_who() {
    let folder = folder();
    let spool = open(&folder);
    let refused = Spool::open(folder.path()).unwrap_err().to_string();
    let expected = format!("{}: process {} has this disk buffer", folder.path().display(), std::process::id());
    assert_eq!(refused, expected);
    drop(spool);
    open(&folder);
    let file = folder.path().join("file");
    fs::write(&file, "").unwrap();
    assert!(Spool::open(&file).unwrap_err().to_string().starts_with(&format!("{}: ", file.display())));
}

#[test]
fn a_record_has_room_or_has_not() {
    let folder = folder();
    let spool = open(&folder);
    let most = 3 * (10 + record::HEAD);
    assert_eq!([0; 4].map(|_| spool.admit(10, most)), [true, true, true, false]);
    spool.dismiss(10);
    assert!(!spool.admit(11, most) && spool.admit(10, most));
}

/// Records, and a change of the file's bytes: where, how many, to what.
fn damaged() -> impl Strategy<Value = (Vec<Vec<u8>>, usize, usize, u8)> {
    (vec(vec(any::<u8>(), 0..60), 1..30), any::<usize>(), 1..40usize, any::<u8>())
}

proptest! {
    #[test]
    fn damage_costs_the_records_that_it_hits_and_no_other((records, at, length, value) in damaged()) {
        let folder = folder();
        append(&open(&folder), &records, FILE);
        let path = files(&folder).remove(0);
        // Another file after it: damage at the end of this one is not taken for a torn write.
        append(&open(&folder), &numbered(0..1), FILE);
        let mut bytes = fs::read(&path).unwrap();
        let from = at % bytes.len();
        let to = (from + length).min(bytes.len());
        let before = bytes.clone();
        bytes[from..to].fill(value);
        fs::write(&path, &bytes).unwrap();

        let mut expected = Vec::new();
        let mut start = 0;
        for record in &records {
            let end = start + record::HEAD + record.len();
            if bytes[start..end] == before[start..end] {
                expected.push(record.clone());
            }
            start = end;
        }
        let lost = records.len() - expected.len();
        expected.extend(numbered(0..1));
        let (found, damaged, _) = read(&open(&folder), Place::default());
        prop_assert_eq!(found, expected);
        prop_assert_eq!(damaged, u64::from(lost > 0));
    }

    #[test]
    fn anything_may_be_in_a_file(bytes in vec(any::<u8>(), 0..300), lie in any::<u32>()) {
        let folder = folder();
        append(&open(&folder), &[b"record".to_vec()], FILE);
        let path = files(&folder).remove(0);
        // A head that is sound and says what is not so.
        let mut head = Vec::new();
        record::write(&mut head, 7, 0, record(b"").time, b"");
        head[..4].copy_from_slice(&lie.to_le_bytes());
        fs::write(&path, [head, bytes].concat()).unwrap();
        prop_assert_eq!(read(&open(&folder), Place::default()).0.len(), 0);
    }

    #[test]
    fn whatever_is_written_comes_out_in_its_order(
        parts in vec(vec(vec(any::<u8>(), 0..400), 0..20), 0..6), file in 64..2_000u64,
    ) {
        let folder = folder();
        // Each time after a start.
        parts.iter().for_each(|records| append(&open(&folder), records, file));
        let (found, damaged, _) = read(&open(&folder), Place::default());
        prop_assert_eq!((found, damaged), (parts.concat(), 0));
    }
}

#[test]
fn a_record_inside_a_record_is_not_taken_for_one() {
    let folder = folder();
    append(&open(&folder), &numbered(0..1), FILE);
    let path = files(&folder).remove(0);
    let salt = folder::recover(folder.path()).unwrap()[0].salt;
    // Whoever could make a plugin hand this in does not know the file's salt, nor where it will be.
    let mut inside = Vec::new();
    record::write(&mut inside, salt ^ 1, 41, record(b"").time, b"evil");
    record::write(&mut inside, salt, 77, record(b"").time, b"evil");
    let mut whole = fs::read(&path).unwrap();
    let at = whole.len() as u64;
    record::write(&mut whole, salt, at, record(b"").time, &inside);
    let damaged = whole.len() - inside.len() - 1;
    whole[damaged] ^= 1;
    fs::write(&path, &whole).unwrap();
    assert_eq!(read(&open(&folder), Place::default()).0, numbered(0..1));
}
