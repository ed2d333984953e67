//! A gateway process in a folder of its own.

use std::ffi::OsStr;
use std::io::{self, BufRead, BufReader, Read};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use serde_json::Value;
use tempfile::TempDir;

use super::{Answer, Client, PATIENCE, TIDEGATE, target, until, within};

/// Put before every configuration that names no listener.
const LISTENER: &str = "workers = 2\nlisteners = [{ address = \"127.0.0.1:0\" }]\n";

/// Accesses that a failing test shows: a table's may be hundreds.
const LAST: usize = 20;

/// Killed with the test, however that ends.
pub struct Gateway {
    pub folder: TempDir,
    pub addresses: Vec<SocketAddr>,
    child: Child,
    log: Lines,
    accesses: Lines,
    reading: Arc<AtomicBool>,
}

/// What came out of a pipe so far: JSON, or a string for what is none.
type Lines = Arc<Mutex<Vec<Value>>>;

/// What a command that came to an end left behind.
pub struct Outcome {
    pub status: ExitStatus,
    pub stdout: String,
    pub stderr: String,
}

/// A folder with `config` in it as gateway.toml, and copies of `files` beside it.
pub fn folder(config: &str, files: &[(&str, &Path)]) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("gateway.toml"), with_listener(config)).unwrap();
    for (name, source) in files {
        std::fs::copy(source, folder.path().join(name)).unwrap();
    }
    folder
}

/// A configuration with one service at `address` and one route, which takes everything; `rest` goes into the route.
pub fn one_route(address: impl std::fmt::Display, rest: &str) -> String {
    format!(
        "[[services]]\nname = \"s\"\nurl = \"http://{address}\"\n\n[[services.routes]]\nname = \"r\"\npaths = [\"/\"]\n{rest}\n"
    )
}

fn with_listener(config: &str) -> String {
    if config.contains("listeners") { config.to_owned() } else { format!("{LISTENER}{config}") }
}

/// `tidegate ARGUMENTS` in `folder`, until it ends by itself.
pub fn run(folder: &Path, arguments: &[&str]) -> Outcome {
    run_for(PATIENCE, folder, arguments)
}

/// The same, of what has more to do than others.
pub fn run_for(patience: Duration, folder: &Path, arguments: &[&str]) -> Outcome {
    let mut child = command(TIDEGATE, folder, arguments).stdout(Stdio::piped()).spawn().unwrap();
    // Read while it runs: it might have more to say than a pipe holds.
    let said = [Box::new(child.stdout.take().unwrap()) as Box<dyn Read + Send>, Box::new(child.stderr.take().unwrap())];
    let said = said.map(|mut said| std::thread::spawn(move || io::read_to_string(&mut said).unwrap()));
    let deadline = Instant::now() + patience;
    let status = loop {
        if let Some(status) = child.try_wait().unwrap() {
            break status;
        }
        if Instant::now() > deadline {
            child.kill().unwrap();
            panic!("tidegate {arguments:?} does not end");
        }
        std::thread::sleep(Duration::from_millis(20));
    };
    let [stdout, stderr] = said.map(|said| said.join().unwrap());
    Outcome { status, stdout, stderr }
}

pub fn command(program: impl AsRef<OsStr>, folder: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(program);
    command.current_dir(folder).args(arguments).stdin(Stdio::null()).stderr(Stdio::piped());
    // Each plugin is compiled once, and not once per gateway.
    command.env_remove("TIDEGATE_LOG").env_remove("CACHE_DIRECTORY").env("XDG_CACHE_HOME", target().join("cache"));
    command
}

/// Send it to a process.
pub fn signal(process: u32, name: &str) {
    let sent = Command::new("kill").args(["-s", name, &process.to_string()]).status().unwrap();
    assert!(sent.success());
}

/// Read `pipe` in a thread of its own, as long as `reading`.
fn lines(pipe: impl Read + Send + 'static, reading: Arc<AtomicBool>) -> Lines {
    let lines = Lines::default();
    let reader = Arc::clone(&lines);
    std::thread::spawn(move || {
        for line in BufReader::new(pipe).lines().map_while(Result::ok) {
            let line = serde_json::from_str(&line).unwrap_or(Value::String(line));
            reader.lock().unwrap().push(line);
            while !reading.load(Ordering::Relaxed) {
                std::thread::park();
            }
        }
    });
    lines
}

impl Gateway {
    /// Serve `config`, with a listener on a free port unless it has its own.
    pub async fn start(config: &str) -> Self {
        Self::start_with(config, &[]).await
    }

    /// As [`Gateway::start`], with copies of `files` in the gateway's folder.
    pub async fn start_with(config: &str, files: &[(&str, &Path)]) -> Self {
        Self::start_in(folder(config, files)).await
    }

    /// Serve what is in `folder`.
    pub async fn start_in(folder: TempDir) -> Self {
        let command = command(TIDEGATE, folder.path(), &["run"]);
        Self::start_as(command, folder).await
    }

    /// Serve what is in `folder` as a process that may not have as much as it likes of everything: `--nofile=100` of
    /// files, `--as=BYTES` of address space (prlimit).
    pub async fn start_within(limit: &str, folder: TempDir) -> Self {
        let command = command("prlimit", folder.path(), &[limit, TIDEGATE, "run"]);
        Self::start_as(command, folder).await
    }

    /// Serve what is in `folder`, and log as much as `levels` says.
    pub async fn start_logging(levels: &str, folder: TempDir) -> Self {
        let mut command = command(TIDEGATE, folder.path(), &["run"]);
        command.env("TIDEGATE_LOG", levels);
        Self::start_as(command, folder).await
    }

    /// Serve what is in `folder` by this command.
    pub async fn start_as(mut command: Command, folder: TempDir) -> Self {
        let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
        let reading = Arc::new(AtomicBool::new(true));
        let log = lines(child.stderr.take().unwrap(), Arc::clone(&reading));
        // Whoever does not read the log may still want the accesses.
        let accesses = lines(child.stdout.take().unwrap(), Arc::new(AtomicBool::new(true)));
        let mut gateway = Self { folder, addresses: Vec::new(), child, log, accesses, reading };
        gateway.logged("message", "serving").await;
        gateway.addresses = gateway.listening();
        gateway
    }

    /// Leave everything after the next line in the pipe, for good.
    pub fn stop_reading_the_log(&self) {
        self.reading.store(false, Ordering::Relaxed);
    }

    /// Every TCP address a log line says it listens on, in order.
    pub fn listening(&self) -> Vec<SocketAddr> {
        let log = self.log.lock().unwrap();
        let lines = log.iter().filter(|line| line["message"] == "listening");
        lines.filter_map(|line| line["address"].as_str()?.parse().ok()).collect()
    }

    /// Wait for a log line whose `key` contains `text`; give the whole line.
    pub async fn logged(&self, key: &str, text: &str) -> Value {
        until(&format!("a log line with {key}: {text}\n{:#?}", self.log.lock().unwrap()), async || {
            let log = self.log.lock().unwrap();
            log.iter().find(|line| line[key].as_str().is_some_and(|value| value.contains(text))).cloned()
        })
        .await
    }

    /// What is in the log so far.
    pub fn log_lines(&self) -> Vec<Value> {
        self.log.lock().unwrap().clone()
    }

    /// Whether there is such a log line already.
    pub fn has_logged(&self, key: &str, text: &str) -> bool {
        let log = self.log.lock().unwrap();
        log.iter().any(|line| line[key].as_str().is_some_and(|value| value.contains(text)))
    }

    /// Wait for a line of the access log whose `key` contains `text`; give the whole line.
    pub async fn accessed(&self, key: &str, text: &str) -> Value {
        if let Some(line) = self.accessed_since(0, PATIENCE, key, text).await {
            return line;
        }
        // Not while the lock is held: the gateway's own end shows the lines, too.
        let lines = self.accesses.lock().unwrap().clone();
        panic!("no access with {key}: {text}\n{lines:#?}")
    }

    /// As [`Gateway::accessed`], among the lines after the first `mark`, if it comes within `limit`.
    pub async fn accessed_since(&self, mark: usize, limit: Duration, key: &str, text: &str) -> Option<Value> {
        within(limit, async || {
            let lines = self.accesses.lock().unwrap();
            let mut lines = lines.iter().skip(mark);
            lines.find(|line| line[key].as_str().is_some_and(|value| value.contains(text))).cloned()
        })
        .await
    }

    /// How many lines the access log has so far.
    pub fn accesses(&self) -> usize {
        self.accesses.lock().unwrap().len()
    }

    /// The last generation that the log says is live.
    pub fn generation(&self) -> u64 {
        let log = self.log.lock().unwrap();
        let lines =
            log.iter().filter(|line| line["message"] == "serving" || line["message"] == "configuration changed");
        lines.filter_map(|line| line["generation"].as_u64()).max().unwrap_or(0)
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Replace gateway.toml.
    pub fn write_config(&self, config: &str) {
        self.replace("gateway.toml", with_listener(config).as_bytes());
    }

    /// Replace a file at once, as deployments do.
    pub fn replace(&self, name: &str, content: &[u8]) {
        let new = self.path(&format!("{name}.new"));
        std::fs::write(&new, content).unwrap();
        std::fs::rename(new, self.path(name)).unwrap();
    }

    pub fn signal(&self, name: &str) {
        signal(self.process(), name);
    }

    /// Its process id.
    pub fn process(&self) -> u32 {
        self.child.id()
    }

    /// End it as the system does with a process that takes too much; what is in its folder stays.
    pub fn kill(mut self) -> TempDir {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
        std::mem::replace(&mut self.folder, tempfile::tempdir().unwrap())
    }

    /// Wait for the process to end by itself.
    pub async fn ended(&mut self) -> ExitStatus {
        until("the gateway to end", async || self.child.try_wait().unwrap()).await
    }

    /// One request on a connection of its own.
    pub async fn get(&self, path: &str) -> Answer {
        self.request("GET", path, &[]).await
    }

    /// One request with these header fields, on a connection of its own.
    pub async fn request(&self, method: &str, path: &str, headers: &[(&str, &str)]) -> Answer {
        self.client().await.send(method, path, headers, "").await
    }

    /// A connection.
    pub async fn client(&self) -> Client {
        Client::connect(self.addresses[0]).await
    }
}

impl Drop for Gateway {
    fn drop(&mut self) {
        // It may have ended already, as its test wanted.
        drop(self.child.kill());
        drop(self.child.wait());
        if std::thread::panicking() {
            for line in self.log.lock().unwrap().iter() {
                eprintln!("gateway: {line}");
            }
            for line in self.accesses.lock().unwrap().iter().rev().take(LAST).rev() {
                eprintln!("access: {line}");
            }
        }
    }
}
