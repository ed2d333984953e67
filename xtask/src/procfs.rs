//! What the kernel tells about a process, from `/proc`.

use std::{fs, path::Path, time::Duration};

use anyhow::{Context as _, Result};

/// CPU time of all threads of a process so far.
pub(crate) fn cpu_time(process: u32) -> Result<Duration> {
    let folder = format!("/proc/{process}");
    let stat = parse_stat(&read(&format!("{folder}/stat"))?).with_context(|| format!("cannot read {folder}/stat"))?;
    // Both fall short at most: the one is in steps of 10 ms, the other lacks threads that ended.
    Ok(stat.cpu_time.max(threads_time(&format!("{folder}/task"))))
}

/// The memory of a process, in KiB.
#[derive(Clone, Copy)]
pub(crate) struct Memory {
    /// What is resident now.
    pub(crate) resident: u64,
    /// The most that ever was, or since `forget_peak`.
    pub(crate) peak: u64,
}

pub(crate) fn memory(process: u32) -> Result<Memory> {
    let file = format!("/proc/{process}/status");
    let status = read(&file)?;
    let field = |name| parse_status(&status, name).with_context(|| format!("{file} has no {name}"));
    Ok(Memory { resident: field("VmRSS")?, peak: field("VmHWM")? })
}

/// How many areas of memory a process has mapped: an instance of a plugin is some of them.
pub(crate) fn mappings(process: u32) -> Result<usize> {
    Ok(read(&format!("/proc/{process}/maps"))?.lines().count())
}

/// Code that a process has mapped, in KiB, shared or not: its own, its libraries', and what it has compiled.
pub(crate) fn code(process: u32) -> Result<u64> {
    let maps = read(&format!("/proc/{process}/maps"))?;
    let executable = maps.lines().filter_map(|line| {
        let mut words = line.split_whitespace();
        let (start, end) = words.next()?.split_once('-')?;
        let is_code = words.next()?.contains('x');
        let address = |text| u64::from_str_radix(text, 16).ok();
        is_code.then_some(address(end)?.checked_sub(address(start)?)?)
    });
    Ok(executable.sum::<u64>() / 1024)
}

/// Has the peak begin anew at what is resident now.
pub(crate) fn forget_peak(process: u32) -> Result<()> {
    let file = format!("/proc/{process}/clear_refs");
    fs::write(&file, "5").with_context(|| format!("cannot write {file}"))
}

/// The processes that `parent` started and that are still there.
pub(crate) fn children(parent: u32) -> Result<Vec<u32>> {
    let entries = fs::read_dir("/proc").context("cannot list /proc")?;
    let ids = entries.flatten().filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
    // One that ended since it was listed has no file any more.
    let parent_of = |id: &u32| Some(parse_stat(&fs::read_to_string(format!("/proc/{id}/stat")).ok()?)?.parent);
    Ok(ids.filter(|id| parent_of(id) == Some(parent)).collect())
}

/// How many sockets a process has open.
pub(crate) fn sockets(process: u32) -> Result<usize> {
    let folder = format!("/proc/{process}/fd");
    let entries = fs::read_dir(&folder).with_context(|| format!("cannot list {folder}"))?;
    let is_socket = |to: &Path| to.to_string_lossy().starts_with("socket:");
    Ok(entries.flatten().filter(|entry| fs::read_link(entry.path()).is_ok_and(|to| is_socket(&to))).count())
}

/// The first core that we may use ourselves.
pub(crate) fn first_core() -> Result<u32> {
    let status = read("/proc/self/status")?;
    let list = status.lines().find_map(|line| line.strip_prefix("Cpus_allowed_list:"));
    let first = list.and_then(|list| list.trim().split(['-', ',']).next()?.parse().ok());
    first.context("/proc/self/status has no Cpus_allowed_list")
}

fn read(file: &str) -> Result<String> {
    fs::read_to_string(file).with_context(|| format!("cannot read {file}"))
}

/// To the nanosecond; nothing where the kernel keeps no such statistics.
fn threads_time(folder: &str) -> Duration {
    let Ok(threads) = fs::read_dir(folder) else { return Duration::ZERO };
    let files = threads.flatten().map(|thread| thread.path().join("schedstat"));
    files.filter_map(|file| parse_schedstat(&fs::read_to_string(file).ok()?)).sum()
}

/// The first number: nanoseconds on a core. Then time waited for one, and turns had.
fn parse_schedstat(text: &str) -> Option<Duration> {
    text.split_whitespace().next()?.parse().ok().map(Duration::from_nanos)
}

#[derive(Debug, PartialEq, Eq)]
struct Stat {
    parent: u32,
    cpu_time: Duration,
}

/// proc_pid_stat(5): `id (name) state parent …`, where a name may hold anything.
fn parse_stat(text: &str) -> Option<Stat> {
    let (_, fields) = text.rsplit_once(')')?;
    let fields: Vec<&str> = fields.split_whitespace().collect();
    let number = |place: usize| fields.get(place)?.parse::<u64>().ok();
    let ticks = number(11)? + number(12)?;
    Some(Stat { parent: fields.get(1)?.parse().ok()?, cpu_time: Duration::from_millis(ticks * TICK_MILLISECONDS) })
}

/// In what proc_pid_stat(5) counts time, whatever the kernel's own tick.
const TICK_MILLISECONDS: u64 = 10;

/// A field of proc_pid_status(5) that is in kB, by which it means KiB.
fn parse_status(text: &str, name: &str) -> Option<u64> {
    let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))?;
    line.trim().strip_suffix(" kB")?.parse().ok()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{Stat, parse_schedstat, parse_stat, parse_status};

    #[test]
    fn schedstat_is_in_nanoseconds() {
        assert_eq!(parse_schedstat("37566247 10826069 2056\n"), Some(Duration::from_nanos(37_566_247)));
        assert_eq!(parse_schedstat("0 0 0\n"), Some(Duration::ZERO));
        assert_eq!(parse_schedstat(""), None);
        assert_eq!(parse_schedstat("many 0 0"), None);
    }

    #[test]
    fn stat_survives_any_name() {
        let text = "42 (a) S 9 (x) R 7 42 42 0 -1 4194304 100 0 0 0 123 45 0 0 20 0 6 0 1 2 3\n";
        assert_eq!(parse_stat(text), Some(Stat { parent: 7, cpu_time: Duration::from_millis(1680) }));
        assert_eq!(parse_stat("42 (cut) S 7 42"), None);
        assert_eq!(parse_stat(""), None);
    }

    #[test]
    fn status_is_in_kib() {
        let text = "Name:\ttidegate\nVmHWM:\t   27516 kB\nVmRSS:\t   20480 kB\nThreads:\t6\n";
        assert_eq!(parse_status(text, "VmHWM"), Some(27_516));
        assert_eq!(parse_status(text, "VmRSS"), Some(20_480));
        assert_eq!(parse_status(text, "Threads"), None);
        assert_eq!(parse_status(text, "VmSwap"), None);
    }

    #[test]
    fn of_this_process() {
        let before = super::cpu_time(std::process::id()).unwrap();
        let mut sum = 0_u64;
        while super::cpu_time(std::process::id()).unwrap() == before {
            sum = std::hint::black_box(sum + 1);
        }
        let memory = super::memory(std::process::id()).unwrap();
        assert!(memory.resident > 0 && memory.peak >= memory.resident);
    }
}
