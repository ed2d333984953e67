//! One process takes over from another: nobody is refused, reset or left waiting, and what one has is the other's.

mod activation;
mod failing;
mod load;
mod records;
mod systemd;

use std::path::Path;
use std::process::{Command, Stdio};

use serde_json::Value;
use tempfile::TempDir;

use crate::harness::gateway::{command, signal};
use crate::harness::{Gateway, TIDEGATE, until};

/// A gateway that has been taken over from, once or more often. Whichever process serves ends with the test.
struct Line {
    gateway: Gateway,
    /// Of the process that serves.
    process: u32,
}

impl Line {
    fn new(gateway: Gateway) -> Self {
        Self { process: gateway.process(), gateway }
    }

    /// A gateway that was started by a path of its own, at which another executable may come to be.
    async fn by_path(folder: TempDir) -> Self {
        let path = folder.path().join("tidegate");
        std::os::unix::fs::symlink(TIDEGATE, &path).unwrap();
        Self::new(Gateway::start_as(command(path, folder.path(), &["run"]), folder).await)
    }

    /// Whether the log has so many lines with this message.
    fn count(&self, message: &str) -> usize {
        let says = |line: &&Value| line["message"].as_str().is_some_and(|value| value.starts_with(message));
        self.gateway.log_lines().iter().filter(says).count()
    }

    /// Wait for one line more with this message than the `before` that there were; give the last of them.
    async fn one_more(&self, message: &str, before: usize) -> Value {
        let what = format!("another \"{message}\" in\n{:#?}", self.gateway.log_lines());
        until(&what, async || (self.count(message) > before).then_some(())).await;
        let says = |line: &&Value| line["message"].as_str().is_some_and(|value| value.starts_with(message));
        self.gateway.log_lines().iter().rfind(says).unwrap().clone()
    }

    /// Have another process take over; give the process id of the one before, which drains.
    async fn hand_over(&mut self) -> u32 {
        let before = self.count("handed over");
        signal(self.process, "USR2");
        let line = self.one_more("handed over", before).await;
        std::mem::replace(&mut self.process, line["process"].as_u64().unwrap().try_into().unwrap())
    }

    /// Send SIGUSR2, and wait for the words why nothing comes of it.
    async fn fails_to_hand_over(&self) -> String {
        let before = self.count("not handed over");
        signal(self.process, "USR2");
        self.one_more("not handed over", before).await["message"].as_str().unwrap().to_owned()
    }

    /// Stop the process that serves, which is to end by itself.
    async fn stop(&mut self) {
        signal(self.process, "TERM");
        self.ended(self.process).await;
    }

    /// Wait for the end of a process.
    async fn ended(&mut self, process: u32) {
        if process == self.gateway.process() {
            assert!(self.gateway.ended().await.success());
        } else {
            until(&format!("process {process} to end"), async || is_over(process).then_some(())).await;
        }
    }
}

impl Drop for Line {
    fn drop(&mut self) {
        // The first is the gateway's own to end.
        if self.process != self.gateway.process() && !is_over(self.process) {
            let kill =
                Command::new("kill").args(["-s", "KILL", &self.process.to_string()]).stderr(Stdio::null()).status();
            drop(kill);
        }
    }
}

/// Whether it has ended, if perhaps nobody has asked how yet.
fn is_over(process: u32) -> bool {
    let stat = std::fs::read_to_string(Path::new("/proc").join(process.to_string()).join("stat")).unwrap_or_default();
    stat.rsplit(')').next().is_none_or(|rest| rest.is_empty() || rest.starts_with(" Z"))
}
