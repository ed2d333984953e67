//! A gateway process in a folder of its own.

use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use serde_json::Value;
use tempfile::TempDir;

use super::{Answer, Client, PATIENCE, until};

/// Put before every configuration that names no listener.
const LISTENER: &str = "workers = 2\nlisteners = [{ address = \"127.0.0.1:0\" }]\n";

/// Killed with the test, however that ends.
pub struct Gateway {
    pub folder: TempDir,
    pub addresses: Vec<SocketAddr>,
    child: Child,
    log: Arc<Mutex<Vec<Value>>>,
    reading: Arc<AtomicBool>,
}

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
    let mut child = command(folder, arguments).stdout(Stdio::piped()).spawn().unwrap();
    let deadline = Instant::now() + PATIENCE;
    while child.try_wait().unwrap().is_none() {
        if Instant::now() > deadline {
            child.kill().unwrap();
            panic!("tidegate {arguments:?} does not end");
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    let output = child.wait_with_output().unwrap();
    Outcome {
        status: output.status,
        stdout: String::from_utf8(output.stdout).unwrap(),
        stderr: String::from_utf8(output.stderr).unwrap(),
    }
}

fn command(folder: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tidegate"));
    command.current_dir(folder).args(arguments).stdin(Stdio::null()).stderr(Stdio::piped());
    command.env_remove("TIDEGATE_LOG");
    command
}

impl Gateway {
    /// Serve `config`, with a listener on a free port unless it has its own.
    pub async fn start(config: &str) -> Self {
        Self::start_with(config, &[]).await
    }

    /// As [`Gateway::start`], with copies of `files` in the gateway's folder.
    pub async fn start_with(config: &str, files: &[(&str, &Path)]) -> Self {
        let folder = folder(config, files);
        let mut child = command(folder.path(), &["run"]).stdout(Stdio::null()).spawn().unwrap();
        let log = Arc::new(Mutex::new(Vec::new()));
        let stderr = child.stderr.take().unwrap();
        let (reader, reading) = (Arc::clone(&log), Arc::new(AtomicBool::new(true)));
        let read_on = Arc::clone(&reading);
        std::thread::spawn(move || {
            for line in BufReader::new(stderr).lines().map_while(Result::ok) {
                let line = serde_json::from_str(&line).unwrap_or(Value::String(line));
                reader.lock().unwrap().push(line);
                while !read_on.load(Ordering::Relaxed) {
                    std::thread::park();
                }
            }
        });
        let mut gateway = Self { folder, addresses: Vec::new(), child, log, reading };
        gateway.logged("message", "serving").await;
        gateway.addresses = gateway.listening();
        gateway
    }

    /// Leave everything after the next line in the pipe, for good.
    pub fn stop_reading_the_log(&self) {
        self.reading.store(false, Ordering::Relaxed);
    }

    /// Every address a log line says it listens on, in order.
    pub fn listening(&self) -> Vec<SocketAddr> {
        let log = self.log.lock().unwrap();
        let lines = log.iter().filter(|line| line["message"] == "listening");
        lines.map(|line| line["address"].as_str().unwrap().parse().unwrap()).collect()
    }

    /// Wait for a log line whose `key` contains `text`; give the whole line.
    pub async fn logged(&self, key: &str, text: &str) -> Value {
        until(&format!("a log line with {key}: {text}\n{:#?}", self.log.lock().unwrap()), async || {
            let log = self.log.lock().unwrap();
            log.iter().find(|line| line[key].as_str().is_some_and(|value| value.contains(text))).cloned()
        })
        .await
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
        let sent = Command::new("kill").args(["-s", name, &self.child.id().to_string()]).status().unwrap();
        assert!(sent.success());
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
        }
    }
}
