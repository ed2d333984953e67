//! The programs that are measured, each with its configuration, and nginx as upstream.

use std::{
    fs,
    io::{Read as _, Write as _},
    net::TcpStream,
    path::{Path, PathBuf},
    thread::sleep,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, bail, ensure};

use super::{
    Bench,
    process::{Cores, Process, command, free_port},
};
use crate::{procfs, setup::programs::Program};

/// A running proxy, or the upstream.
pub(super) struct Peer {
    pub(super) port: u16,
    /// The process that serves; nginx's is a child of the one we started.
    pub(super) worker: u32,
    /// Its access log's file, if it writes one.
    pub(super) log: Option<PathBuf>,
    // Ends when dropped.
    _process: Process,
}

/// What becomes of a line per request.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Log {
    Off,
    /// To a file, as each program does it by default: nginx writes each line at once, Tidegate batches.
    File,
    /// nginx with a buffer, which is what Tidegate's batches compare with.
    Buffered,
}

/// Tidegate with one worker and one route to `upstream`, and everything else as it is by default.
pub(super) fn tidegate(bench: &Bench, name: &str, upstream: u16, log: Log, cores: Cores) -> Result<Peer> {
    let (room, port) = (bench.room(name)?, free_port()?);
    let access_log = match log {
        Log::Off => "enabled = false",
        Log::File | Log::Buffered => "path = \"access.log\"",
    };
    let config = format!(
        "workers = 1\nlisteners = [{{ address = \"127.0.0.1:{port}\" }}]\n\n[access_log]\n{access_log}\n\n\
         [[services]]\nname = \"upstream\"\nurl = \"http://127.0.0.1:{upstream}\"\n\
         routes = [{{ name = \"all\", paths = [\"/\"] }}]\n"
    );
    write(&room.join("gateway.toml"), &config)?;
    let mut command = command(&bench.gateway, cores);
    command.args(["run", "--config", "gateway.toml"]).current_dir(&room).env_remove("TIDEGATE_LOG");
    let mut process = Process::start(name, command, &room)?;
    process.listens(port)?;
    Ok(Peer { port, worker: process.id(), log: log_file(&room, log), _process: process })
}

/// nginx in the same place, with what is usually set for a proxy.
pub(super) fn nginx(bench: &Bench, name: &str, upstream: u16, log: Log, cores: Cores) -> Result<Peer> {
    nginx_with(bench, name, upstream, log, cores, "")
}

/// The same, telling upstream and client all that Tidegate tells them.
pub(super) fn nginx_alike(bench: &Bench, name: &str, upstream: u16, log: Log, cores: Cores) -> Result<Peer> {
    nginx_with(bench, name, upstream, log, cores, SAME_FIELDS)
}

fn nginx_with(bench: &Bench, name: &str, upstream: u16, log: Log, cores: Cores, fields: &str) -> Result<Peer> {
    let (room, port) = (bench.room(name)?, free_port()?);
    let access_log = match log {
        Log::Off => "access_log off;".to_owned(),
        Log::File => format!("{LOG_FORMAT}\naccess_log access.log bench;"),
        Log::Buffered => format!("{LOG_FORMAT}\naccess_log access.log bench buffer=32k flush=100ms;"),
    };
    let http = format!(
        "{access_log}
upstream origin {{
    server 127.0.0.1:{upstream};
    keepalive 64;
    keepalive_requests 1000000000;
}}
server {{
    listen 127.0.0.1:{port};
    location / {{
        proxy_pass http://origin;
        proxy_http_version 1.1;
        proxy_set_header Connection \"\";
        proxy_set_header Host $host;
        proxy_set_header X-Real-IP $remote_addr;
        proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
        proxy_set_header X-Forwarded-Proto $scheme;
        {fields}
    }}
}}"
    );
    start_nginx(name, &room, port, &http, log, cores)
}

/// nginx as the service behind both: `BODY` at once, for everything.
pub(super) fn upstream(bench: &Bench, cores: Cores) -> Result<Peer> {
    let (room, port) = (bench.room("upstream")?, free_port()?);
    let http = format!(
        "access_log off;
default_type text/plain;
server {{
    listen 127.0.0.1:{port};
    location / {{ return 200 \"{BODY}\"; }}
}}"
    );
    start_nginx("upstream", &room, port, &http, Log::Off, cores)
}

fn start_nginx(name: &str, room: &Path, port: u16, http: &str, log: Log, cores: Cores) -> Result<Peer> {
    let temporary: String = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
        .iter()
        .map(|kind| format!("{kind}_temp_path temporary-{kind};\n"))
        .collect();
    // Connections are not given up by count on either side, as Tidegate does not.
    let config = format!(
        "daemon off;\nworker_processes 1;\npid nginx.pid;\nerror_log stderr warn;\n\
         events {{ worker_connections 1000; }}\n\
         http {{\nkeepalive_requests 1000000000;\n{temporary}{http}\n}}\n"
    );
    write(&room.join("nginx.conf"), &config)?;
    let program = Program::Nginx.find().context("nginx is missing")?;
    let mut command = command(program, cores);
    command.arg("-p").arg(room).args(["-e", "stderr", "-c", "nginx.conf"]).current_dir(room);
    let mut process = Process::start(name, command, room)?;
    process.listens(port)?;
    let worker = only_child(&process)?;
    Ok(Peer { port, worker, log: log_file(room, log), _process: process })
}

/// The master listens before its worker is there.
fn only_child(process: &Process) -> Result<u32> {
    let start = Instant::now();
    loop {
        match procfs::children(process.id())?.as_slice() {
            [worker] => return Ok(*worker),
            _ if start.elapsed() < WORKER_DEADLINE => sleep(Duration::from_millis(10)),
            children => bail!("nginx has {} worker processes, not one{}", children.len(), process.last_lines()),
        }
    }
}

impl Peer {
    /// Whether it answers as the upstream does: a fast wrong answer would be a good figure.
    pub(super) fn check(&self) -> Result<()> {
        let context = || format!("cannot ask 127.0.0.1:{}", self.port);
        let mut stream = TcpStream::connect(("127.0.0.1", self.port)).with_context(context)?;
        stream.set_read_timeout(Some(ANSWER_DEADLINE)).with_context(context)?;
        let request = format!("GET / HTTP/1.1\r\nHost: 127.0.0.1:{}\r\nConnection: close\r\n\r\n", self.port);
        stream.write_all(request.as_bytes()).with_context(context)?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).with_context(context)?;
        let is_right = answer.starts_with("HTTP/1.1 200") && answer.ends_with(&format!("\r\n\r\n{BODY}"));
        ensure!(is_right, "127.0.0.1:{} did not pass the upstream's answer on, but:\n{answer}", self.port);
        Ok(())
    }
}

fn log_file(room: &Path, log: Log) -> Option<PathBuf> {
    (log != Log::Off).then(|| room.join("access.log"))
}

fn write(file: &Path, text: &str) -> Result<()> {
    fs::write(file, text).with_context(|| format!("cannot write {}", file.display()))
}

/// 100 bytes.
pub(super) const BODY: &str = "\
0123456789012345678901234567890123456789012345678901234567890123456789012345678901234567890123456789";

/// What Tidegate's lines tell, as far as nginx knows it.
const LOG_FORMAT: &str = r#"log_format bench escape=json '{"time":"$time_iso8601","request_id":"$request_id",'
    '"client":"$remote_addr","host":"$host","request":"$request","user_agent":"$http_user_agent",'
    '"status":$status,"bytes_out":$body_bytes_sent,"upstream":"$upstream_addr",'
    '"duration":$request_time,"upstream_duration":"$upstream_response_time"}';"#;

/// What Tidegate tells besides: who was asked for what, a request's id, and how long it took.
const SAME_FIELDS: &str = r#"
        proxy_set_header X-Forwarded-Host $http_host;
        proxy_set_header X-Forwarded-Port $server_port;
        proxy_set_header X-Forwarded-Path $uri;
        proxy_set_header X-Gateway-Request-Id $request_id;
        proxy_set_header Via "1.1 nginx-0a1b2c3d";
        add_header X-Gateway-Request-Id $request_id;
        add_header X-Gateway-Upstream-Latency $upstream_response_time;
        add_header X-Gateway-Proxy-Latency $request_time;
        add_header Via "1.1 nginx";
"#;

const WORKER_DEADLINE: Duration = Duration::from_secs(5);
const ANSWER_DEADLINE: Duration = Duration::from_secs(10);

#[cfg(test)]
mod tests {
    #[test]
    fn body_is_as_long_as_it_says() {
        assert_eq!(super::BODY.len(), 100);
    }
}
