//! The gateway as a child process that never outlives us.

use std::{
    fs::{self, File},
    os::unix::process::CommandExt as _,
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Stdio},
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, bail};
use rustix::process::{Pid, Signal, kill_process};
use tokio::{net::TcpStream, time::sleep};

/// A running gateway; killed on drop.
pub(crate) struct Gateway {
    child: Child,
    log: Option<PathBuf>,
}

/// Where the gateway's own lines go.
pub(crate) enum Output {
    /// To the person at the terminal.
    Shown,
    /// To a file, to be shown if something fails.
    File(PathBuf),
}

impl Gateway {
    /// Starts `program` with the gateway.toml in `root`.
    pub(crate) fn start(program: &Path, root: &Path, output: Output) -> Result<Self> {
        let mut command = Command::new(program);
        command.args(["run", "--config", "gateway.toml"]).current_dir(root).stdin(Stdio::null());
        // Out of the terminal's reach: Ctrl-C is ours alone, and we stop it in order.
        command.process_group(0);
        let log = match output {
            Output::Shown => None,
            Output::File(path) => {
                let context = || format!("cannot write {}", path.display());
                fs::create_dir_all(path.parent().with_context(context)?).with_context(context)?;
                let file = File::create(&path).with_context(context)?;
                command.stderr(file.try_clone().with_context(context)?).stdout(file);
                Some(path)
            }
        };
        let child = command.spawn().with_context(|| format!("cannot start {}", program.display()))?;
        Ok(Self { child, log })
    }

    /// Its process.
    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// Waits until the gateway accepts connections on `port`.
    pub(crate) async fn accepts(&mut self, port: u16, within: Duration) -> Result<()> {
        let start = Instant::now();
        loop {
            if let Some(status) = self.status()? {
                bail!("the gateway ended before it accepted a connection ({status}){}", self.last_lines());
            }
            if TcpStream::connect(("127.0.0.1", port)).await.is_ok() {
                return Ok(());
            }
            if start.elapsed() > within {
                let seconds = within.as_secs();
                bail!("the gateway accepted no connection on port {port} within {seconds} s{}", self.last_lines());
            }
            sleep(POLL).await;
        }
    }

    /// Waits until the gateway ends by itself.
    pub(crate) async fn exited(&mut self) -> Result<ExitStatus> {
        loop {
            if let Some(status) = self.status()? {
                return Ok(status);
            }
            sleep(POLL).await;
        }
    }

    /// Asks the gateway to end, and makes it end if it does not in time.
    pub(crate) async fn stop(mut self) -> Result<()> {
        if self.status()?.is_some() {
            return Ok(());
        }
        kill_process(Pid::from_child(&self.child), Signal::TERM).context("cannot stop the gateway")?;
        let start = Instant::now();
        while start.elapsed() < STOP_DEADLINE {
            if self.status()?.is_some() {
                return Ok(());
            }
            sleep(POLL).await;
        }
        // Dropping `self` kills it.
        bail!("the gateway did not stop within {} s of SIGTERM and was killed", STOP_DEADLINE.as_secs())
    }

    /// The end of the gateway's log, as more lines of an error.
    pub(crate) fn last_lines(&self) -> String {
        let Some(log) = &self.log else {
            return String::new();
        };
        let text = fs::read_to_string(log).unwrap_or_default();
        let lines: Vec<&str> = text.lines().collect();
        let last = &lines[lines.len().saturating_sub(LAST_LINES)..];
        format!("; the end of {}:\n  {}", log.display(), last.join("\n  "))
    }

    fn status(&mut self) -> Result<Option<ExitStatus>> {
        self.child.try_wait().context("cannot ask for the gateway's state")
    }
}

impl Drop for Gateway {
    fn drop(&mut self) {
        // Both fail only if it has ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

const POLL: Duration = Duration::from_millis(50);
/// Time to drain the requests of a person's last curl.
const STOP_DEADLINE: Duration = Duration::from_secs(10);
const LAST_LINES: usize = 20;
