use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::os::fd::OwnedFd;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use super::*;
use crate::observe::record::tests::plain;

fn to_file(path: &Path) -> AccessLog {
    AccessLog::start(Settings { target: Target::File(path.to_owned()), format: Format::Json }).unwrap()
}

fn over_pipe() -> (AccessLog, io::PipeReader) {
    let (reader, writer) = io::pipe().unwrap();
    let sink = Sink::open(OwnedFd::from(writer).into(), None);
    (AccessLog::write_to(sink, Style::Json).unwrap(), reader)
}

#[track_caller]
fn eventually(mut holds: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(10);
    while !holds() {
        assert!(Instant::now() < deadline, "it never came");
        std::thread::sleep(Duration::from_millis(2));
    }
}

fn ids(text: &str) -> Vec<String> {
    let id =
        |line: &str| serde_json::from_str::<serde_json::Value>(line).unwrap()["request_id"].as_str().unwrap().into();
    text.lines().map(id).collect()
}

#[test]
fn everything_handed_over_is_written_in_each_workers_order() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("access.log");
    let log = to_file(&path);
    std::thread::scope(|scope| {
        for worker in 0..3 {
            let lines = log.lines();
            scope.spawn(move || {
                for number in 0..2_000 {
                    lines.push(&plain(&format!("{worker}-{number}")));
                    if number % 100 == 0 {
                        lines.flush();
                    }
                }
            });
        }
    });
    assert_eq!(log.dropped(), 0);
    drop(log);
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    let ids = ids(&fs::read_to_string(&path).unwrap());
    for worker in 0..3 {
        let prefix = format!("{worker}-");
        let of_worker: Vec<_> = ids.iter().filter(|id| id.starts_with(&prefix)).cloned().collect();
        assert_eq!(of_worker, (0..2_000).map(|number| format!("{prefix}{number}")).collect::<Vec<_>>());
    }
}

#[test]
fn lines_come_with_a_flush_and_an_old_file_is_gone_on_with() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("access.log");
    for round in ["first", "second"] {
        let log = to_file(&path);
        let lines = log.lines();
        lines.push(&plain(round));
        assert!(!fs::read_to_string(&path).unwrap().contains(round));
        lines.flush();
        eventually(|| fs::read_to_string(&path).unwrap().contains(round));
    }
    assert_eq!(ids(&fs::read_to_string(&path).unwrap()), ["first", "second"]);
    assert!(AccessLog::start(Settings { target: Target::File(folder.path().into()), format: Format::Text }).is_err());
}

#[test]
fn a_renamed_or_removed_file_is_made_again() {
    let folder = tempfile::tempdir().unwrap();
    let (path, old) = (folder.path().join("access.log"), folder.path().join("access.log.1"));
    let log = to_file(&path);
    let lines = log.lines();
    let mut pushed = 0;
    let mut push = || {
        pushed += 1;
        lines.push(&plain(&pushed.to_string()));
        lines.flush();
    };
    push();
    eventually(|| fs::read_to_string(&path).is_ok_and(|text| !text.is_empty()));
    fs::rename(&path, &old).unwrap();
    log.reopen();
    // Without a line to write.
    eventually(|| path.exists());
    push();
    eventually(|| fs::read_to_string(&path).is_ok_and(|text| !text.is_empty()));
    let first = fs::read_to_string(&path).unwrap();
    fs::remove_file(&path).unwrap();
    // Nobody says so this time: it is found out.
    eventually(|| {
        push();
        fs::read_to_string(&path).is_ok_and(|text| !text.is_empty())
    });
    assert_eq!((ids(&fs::read_to_string(&old).unwrap()), ids(&first)), (vec!["1".into()], vec!["2".into()]));
    assert_eq!(log.dropped(), 0);
}

#[test]
fn whoever_does_not_read_loses_lines_and_holds_nobody_up() {
    let (log, reader) = over_pipe();
    let lines = log.lines();
    let mut pushed: u64 = 0;
    while log.dropped() == 0 {
        lines.push(&plain("x"));
        pushed += 1;
        assert!(log.shared.queued_bytes.load(Ordering::Relaxed) <= limits::ACCESS_LOG_QUEUE_BYTES);
        assert!(pushed < 1_000_000, "the queue has no end");
    }
    // Somebody reads again: nothing else is lost, and no line is torn.
    let read = std::thread::spawn(move || BufReader::new(reader).lines().map(|line| ids(&line.unwrap()).len()).sum());
    eventually(|| log.shared.queued_bytes.load(Ordering::Relaxed) == 0);
    lines.push(&plain("x"));
    drop(lines);
    let dropped = log.dropped();
    drop(log);
    let read: usize = read.join().unwrap();
    assert_eq!(read as u64 + dropped, pushed + 1);
}

#[test]
fn a_queue_full_of_small_batches_keeps_lines_for_the_next_flush() {
    let (log, mut reader) = over_pipe();
    let lines = log.lines();
    let mut pushed = 0;
    // More flushes than the queue and the pipe take together: the lines wait here.
    for _ in 0..limits::ACCESS_LOG_QUEUE_BATCHES + 280 {
        lines.push(&plain("x"));
        lines.flush();
        pushed += 1;
    }
    assert_eq!(log.dropped(), 0);
    let read = std::thread::spawn(move || {
        let mut text = String::new();
        reader.read_to_string(&mut text).unwrap();
        ids(&text).len()
    });
    eventually(|| {
        lines.flush();
        log.shared.queued_bytes.load(Ordering::Relaxed) == 0
    });
    drop(lines);
    assert_eq!(log.dropped(), 0);
    drop(log);
    assert_eq!(read.join().unwrap(), pushed);
}

#[test]
fn a_broken_pipe_ends_nothing_and_is_counted() {
    let (log, reader) = over_pipe();
    drop(reader);
    let lines = log.lines();
    for number in 1..=3 {
        lines.push(&plain("x"));
        lines.flush();
        eventually(|| log.dropped() == number);
    }
}

#[test]
fn a_log_nobody_reads_does_not_hold_up_the_end() {
    let (log, _reader) = over_pipe();
    let lines = log.lines();
    for _ in 0..2_000 {
        lines.push(&plain("x"));
    }
    drop(lines);
    let begun = Instant::now();
    drop(log);
    assert!(begun.elapsed() < limits::ACCESS_LOG_END + Duration::from_secs(2));
}

#[test]
fn lines_after_the_end_are_counted_and_no_log_is_no_log() {
    let (log, _reader) = over_pipe();
    let lines = log.lines();
    let shared = Arc::clone(&log.shared);
    drop(log);
    lines.push(&plain("late"));
    lines.flush();
    assert_eq!(shared.dropped.load(Ordering::Relaxed), 1);
    let off = Lines::off();
    off.push(&plain("x"));
    off.flush();
}

#[test]
fn buffers_are_used_again() {
    let (log, reader) = over_pipe();
    let drain = std::thread::spawn(move || BufReader::new(reader).lines().count());
    let lines = log.lines();
    lines.push(&plain("x"));
    let first = lines.0.as_ref().unwrap().borrow().buffer.as_ptr();
    eventually(|| {
        lines.push(&plain("x"));
        lines.flush();
        lines.0.as_ref().unwrap().borrow().buffer.as_ptr() == first
    });
    drop(lines);
    drop(log);
    assert!(drain.join().unwrap() > 1);
}
