//! Clients that keep their connection after one request.

use std::{
    io::{Read as _, Write as _},
    net::TcpStream,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, ensure};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use serde_json::{Value, json};

use super::super::peers::BODY;
use crate::procfs;

/// What the gateway's memory came to.
pub(super) struct Idle {
    connections: usize,
    /// Resident after the first request, in KiB.
    before: u64,
    /// The same, with all connections open.
    after: u64,
}

/// Opens the connections, and looks at the memory of process `worker`.
pub(super) fn measure(port: u16, worker: u32) -> Result<Idle> {
    let start = Instant::now();
    let connections = CONNECTIONS.min(file_limit().saturating_sub(OTHER_FILES));
    ensure!(connections > 0, "too few files may be open");
    drop(ask(port)?);
    let before = procfs::memory(worker)?.resident;
    let mut open = Vec::with_capacity(connections);
    for number in 1..=connections {
        open.push(ask(port).with_context(|| format!("connection {number} of {connections}"))?);
        // Beyond that, the gateway closes the first of them.
        ensure!(start.elapsed() < DEADLINE, "{number} connections took {} s", DEADLINE.as_secs());
    }
    let after = procfs::memory(worker)?.resident;
    let held = procfs::sockets(worker)?;
    ensure!(held >= connections, "the gateway has {held} sockets for {connections} connections");
    drop(open);
    Ok(Idle { connections, before, after })
}

/// One request on a new connection, which is then left open.
fn ask(port: u16) -> Result<TcpStream> {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).context("cannot connect")?;
    stream.set_read_timeout(Some(ANSWER_DEADLINE)).context("cannot connect")?;
    stream.write_all(b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n").context("cannot ask")?;
    let mut answer = Vec::new();
    let mut piece = [0; 4096];
    while !answer.ends_with(BODY.as_bytes()) {
        let read = stream.read(&mut piece).context("no answer")?;
        ensure!(read > 0, "the gateway closed a connection instead of answering");
        answer.extend_from_slice(&piece[..read]);
    }
    ensure!(answer.starts_with(b"HTTP/1.1 200"), "an answer that is not 200");
    Ok(stream)
}

impl Idle {
    fn per_connection(&self) -> f64 {
        (self.after as f64 - self.before as f64) / self.connections as f64
    }

    pub(super) fn describe(&self) -> String {
        let Self { connections, before, after } = self;
        let fewer = if *connections < CONNECTIONS { " (more are not allowed: ulimit -n)" } else { "" };
        let mebibytes = |kibibytes: &u64| *kibibytes as f64 / 1024.0;
        format!(
            "{connections} idle connections{fewer}: {:.2} KiB each; RSS {:.1} MiB before, {:.1} MiB with them",
            self.per_connection(),
            mebibytes(before),
            mebibytes(after),
        )
    }

    pub(super) fn json(&self) -> Value {
        json!({
            "connections": self.connections,
            "kib_per_connection": self.per_connection(),
            "resident_before_kib": self.before,
            "resident_after_kib": self.after,
        })
    }
}

/// Lets this process, and those it starts from now on, open enough files; as many as
/// it may where that is less.
pub(super) fn raise_file_limit() -> Result<()> {
    let wanted = (CONNECTIONS + OTHER_FILES) as u64;
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    // `None` is no limit.
    if current.is_none_or(|current| current >= wanted) {
        return Ok(());
    }
    let raised = Rlimit { current: Some(wanted), maximum: maximum.map(|maximum| maximum.max(wanted)) };
    // Only root may raise the maximum.
    setrlimit(Resource::Nofile, raised)
        .or_else(|_| setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum }))
        .context("cannot raise the number of files that may be open")
}

fn file_limit() -> usize {
    let limit = getrlimit(Resource::Nofile).current;
    limit.map_or(usize::MAX, |limit| usize::try_from(limit).unwrap_or(usize::MAX))
}

const CONNECTIONS: usize = 10_000;
/// What a process has open besides; generously.
const OTHER_FILES: usize = 500;
const ANSWER_DEADLINE: Duration = Duration::from_secs(10);
/// The gateway keeps an idle connection for 75 s.
const DEADLINE: Duration = Duration::from_secs(60);
