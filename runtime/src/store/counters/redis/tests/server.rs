//! A redis-server of a test's own, on loopback; ends with the test, by its process id.

use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

use crate::config::values::RedisUrl;

pub(super) struct Server {
    port: u16,
    options: Vec<String>,
    folder: TempDir,
    child: Child,
}

impl Server {
    pub(super) fn start(options: &[&str]) -> Self {
        let port = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap().port();
        let folder = tempfile::tempdir().unwrap();
        let options: Vec<String> = options.iter().map(|&option| option.to_owned()).collect();
        let child = spawn(port, &options, &folder);
        let mut server = Self { port, options, folder, child };
        server.wait();
        server
    }

    /// `credentials` go before the host.
    pub(super) fn url(&self, credentials: &str, database: u8) -> RedisUrl {
        format!("redis://{credentials}127.0.0.1:{}/{database}", self.port).parse().unwrap()
    }

    pub(super) fn tls_url(&self) -> String {
        format!("rediss://127.0.0.1:{}", self.port)
    }

    /// A connection that blocks, for looking into the server.
    pub(super) fn look(&self) -> ::redis::Connection {
        ::redis::Client::open(("127.0.0.1", self.port)).unwrap().get_connection().unwrap()
    }

    pub(super) fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    pub(super) fn restart(&mut self) {
        self.child = spawn(self.port, &self.options, &self.folder);
        self.wait();
    }

    /// The kernel goes on accepting connections for it.
    pub(super) fn pause(&self) {
        self.signal(Signal::STOP);
    }

    pub(super) fn resume(&self) {
        self.signal(Signal::CONT);
    }

    fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).unwrap();
    }

    fn wait(&mut self) {
        let deadline = Instant::now() + Duration::from_secs(20);
        while TcpStream::connect((Ipv4Addr::LOCALHOST, self.port)).is_err() {
            assert_eq!(self.child.try_wait().unwrap(), None, "redis-server has ended");
            assert!(Instant::now() < deadline, "redis-server does not listen");
            std::thread::sleep(Duration::from_millis(5));
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may have ended already, which its test knows.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

fn spawn(port: u16, options: &[String], folder: &TempDir) -> Child {
    let mut command = Command::new("redis-server");
    command.args(["--bind", "127.0.0.1", "--save", "", "--appendonly", "no", "--dir"]).arg(folder.path());
    if !options.iter().any(|option| option == "--tls-port") {
        command.args(["--port", &port.to_string()]);
    }
    command.args(options.iter().map(|option| option.replace("PORT", &port.to_string())));
    let spawned = command.stdin(Stdio::null()).stdout(Stdio::null()).spawn();
    spawned.unwrap_or_else(|error| panic!("redis-server: {error}; apt-get install redis-server"))
}
