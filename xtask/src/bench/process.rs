//! A program that is measured, or measured with, as a child that never outlives us.

use std::{
    ffi::OsStr,
    fs::{self, File},
    net::{TcpListener, TcpStream},
    os::unix::process::CommandExt as _,
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Stdio},
    thread::sleep,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, bail, ensure};
use rustix::process::{Pid, Signal, kill_process};

use crate::procfs;

/// A running program; ended on drop.
pub(super) struct Process {
    child: Child,
    name: String,
    log: PathBuf,
}

/// Which cores a program may use.
#[derive(Clone, Copy)]
pub(super) enum Cores {
    Any,
    One(u32),
}

/// A command for `program` which the kernel stops when we end, however that happens.
pub(super) fn command(program: impl AsRef<OsStr>, cores: Cores) -> Command {
    let mut command = Command::new("setpriv");
    command.arg("--pdeathsig=TERM");
    if let Cores::One(core) = cores {
        command.args(["taskset", "--cpu-list", &core.to_string()]);
    }
    command.arg(program).stdin(Stdio::null());
    // Out of the terminal's reach: Ctrl-C is ours alone.
    command.process_group(0);
    command
}

/// A port of this machine that nobody has, until the next program takes it.
pub(super) fn free_port() -> Result<u16> {
    let listener = TcpListener::bind(("127.0.0.1", 0)).context("no free port")?;
    Ok(listener.local_addr().context("no free port")?.port())
}

impl Process {
    /// Starts `command` with its output in a file of `room`.
    pub(super) fn start(name: &str, mut command: Command, room: &Path) -> Result<Self> {
        let log = room.join("output.log");
        let context = || format!("cannot write {}", log.display());
        let file = File::create(&log).with_context(context)?;
        command.stdout(file.try_clone().with_context(context)?).stderr(file);
        let child = command.spawn().with_context(|| format!("cannot start {name}"))?;
        Ok(Self { child, name: name.to_owned(), log })
    }

    pub(super) fn id(&self) -> u32 {
        self.child.id()
    }

    /// Waits until it accepts connections on `port`.
    pub(super) fn listens(&mut self, port: u16) -> Result<()> {
        let start = Instant::now();
        while start.elapsed() < START_DEADLINE {
            if let Some(status) = self.status()? {
                bail!("{} ended before it accepted a connection ({status}){}", self.name, self.last_lines());
            }
            if TcpStream::connect(("127.0.0.1", port)).is_ok() {
                return Ok(());
            }
            sleep(POLL);
        }
        bail!("{} accepted no connection within {} s{}", self.name, START_DEADLINE.as_secs(), self.last_lines())
    }

    /// Waits until it has ended well; gives all that it said.
    pub(super) fn output(mut self, within: Duration) -> Result<String> {
        let start = Instant::now();
        let status = loop {
            if let Some(status) = self.status()? {
                break status;
            }
            ensure!(start.elapsed() < within, "{} did not end within {} s", self.name, within.as_secs());
            sleep(POLL);
        };
        ensure!(status.success(), "{} failed ({status}){}", self.name, self.last_lines());
        fs::read_to_string(&self.log).with_context(|| format!("cannot read {}", self.log.display()))
    }

    /// The end of its log, as more lines of an error.
    pub(super) fn last_lines(&self) -> String {
        let text = fs::read_to_string(&self.log).unwrap_or_default();
        let lines: Vec<&str> = text.lines().collect();
        let last = &lines[lines.len().saturating_sub(LAST_LINES)..];
        format!("; the end of {}:\n  {}", self.log.display(), last.join("\n  "))
    }

    fn status(&mut self) -> Result<Option<ExitStatus>> {
        self.child.try_wait().with_context(|| format!("cannot ask for the state of {}", self.name))
    }

    fn ends_within(&mut self, within: Duration) -> bool {
        let start = Instant::now();
        loop {
            match self.child.try_wait() {
                Ok(None) if start.elapsed() < within => sleep(POLL),
                Ok(ended) => return ended.is_some(),
                Err(_) => return false,
            }
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if self.ends_within(Duration::ZERO) {
            return;
        }
        // What follows fails only for what has ended meanwhile.
        let _ = kill_process(Pid::from_child(&self.child), Signal::TERM);
        if self.ends_within(STOP_DEADLINE) {
            return;
        }
        // nginx's workers would stay behind without their master.
        for child in procfs::children(self.id()).unwrap_or_default() {
            let _ = Pid::from_raw(child.cast_signed()).map(|child| kill_process(child, Signal::KILL));
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

const START_DEADLINE: Duration = Duration::from_secs(30);
/// Nothing is in flight any more when a program is stopped.
const STOP_DEADLINE: Duration = Duration::from_secs(5);
const POLL: Duration = Duration::from_millis(10);
const LAST_LINES: usize = 20;
