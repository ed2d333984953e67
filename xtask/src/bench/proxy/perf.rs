//! Instructions and cycles, where the machine lets `perf` count them.

use std::{
    ffi::OsString,
    fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use anyhow::{Context as _, Result};

/// How a proxy's work is counted, besides its time.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Counters {
    Perf,
    /// No perf, or a machine without counters, as most virtual ones are.
    None,
}

/// User and kernel together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Counts {
    pub(super) instructions: u64,
    pub(super) cycles: u64,
}

/// Whether perf can count here.
pub(super) fn detect() -> Counters {
    let mut command = Command::new("perf");
    command.args(["stat", "-x,", "-e", EVENTS, "true"]).stdin(Stdio::null());
    let counts = command.output().ok().and_then(|output| parse(&String::from_utf8_lossy(&output.stderr)));
    if counts.is_some() { Counters::Perf } else { Counters::None }
}

impl Counters {
    pub(super) fn describe(self) -> &'static str {
        match self {
            Self::Perf => "counting CPU time, and instructions and cycles with perf",
            Self::None => "counting CPU time; perf cannot count instructions and cycles on this machine",
        }
    }

    /// Count for `process` while the command runs that comes after these arguments.
    pub(super) fn arguments(self, process: u32, room: &Path) -> Vec<OsString> {
        let process = process.to_string();
        let mut arguments: Vec<OsString> =
            ["stat", "-x,", "-e", EVENTS, "-p", &process, "-o"].iter().map(Into::into).collect();
        arguments.extend([file(room).into(), "--".into()]);
        arguments
    }

    /// What was counted.
    pub(super) fn counts(self, room: &Path) -> Result<Option<Counts>> {
        if self == Self::None {
            return Ok(None);
        }
        let text = fs::read_to_string(file(room)).context("cannot read what perf counted")?;
        Ok(Some(parse(&text).with_context(|| format!("perf counted something else:\n{text}"))?))
    }
}

const EVENTS: &str = "instructions,cycles";

fn file(room: &Path) -> PathBuf {
    room.join("perf.csv")
}

/// Lines of `count,unit,event,…`; a processor with two kinds of cores has one for each kind.
fn parse(text: &str) -> Option<Counts> {
    let count = |event: &str| {
        let counts = text.lines().filter_map(|line| {
            let fields: Vec<&str> = line.split(',').collect();
            // `instructions:u` is what a stranger to the kernel may see, which is half of a proxy's work.
            let is_event = fields.get(2)?.contains(event) && !fields.get(2)?.ends_with(":u");
            if is_event { fields.first()?.parse::<u64>().ok() } else { None }
        });
        counts.reduce(|sum, count| sum + count)
    };
    Some(Counts { instructions: count("instructions")?, cycles: count("cycles")? })
}

#[cfg(test)]
mod tests {
    use super::{Counts, parse};

    #[test]
    fn counted() {
        let text = "# started on Mon Nov 23\n\n48600123,,instructions,1000,100.00,2.1,insn per cycle\n\
                    22700456,,cycles,1000,100.00,,\n";
        assert_eq!(parse(text), Some(Counts { instructions: 48_600_123, cycles: 22_700_456 }));
    }

    #[test]
    fn two_kinds_of_cores_add_up() {
        let text = "<not counted>,,cpu_atom/instructions/,0,0.00,,\n5,,cpu_core/instructions/,1,100.00,,\n\
                    3,,cpu_atom/cycles/,1,50.00,,\n4,,cpu_core/cycles/,1,50.00,,\n";
        assert_eq!(parse(text), Some(Counts { instructions: 5, cycles: 7 }));
    }

    #[test]
    fn not_counted() {
        assert_eq!(parse("<not supported>,,instructions,0,100.00,,\n<not supported>,,cycles,0,100.00,,\n"), None);
        assert_eq!(parse("5,,instructions:u,1,100.00,,\n4,,cycles:u,1,100.00,,\n"), None);
        assert_eq!(parse(""), None);
    }
}
