//! Other people's programs: nginx as an upstream, redis for counters, rsyslog as who takes records, curl as a client.

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use tempfile::TempDir;

use super::{Upstream, until};

/// Ends with the test, by its process id.
pub struct Program {
    pub address: SocketAddr,
    pub folder: TempDir,
    child: Child,
}

/// What curl came to.
#[derive(Debug)]
pub struct Curled {
    pub status: Option<i32>,
    /// Bodies, and what `-w` wrote.
    pub stdout: String,
    /// Verbose, so that all heads are in it.
    pub stderr: String,
}

impl Program {
    /// nginx in the foreground, as whoever runs the test: `servers` goes into its `http`, with `PORT` for the address
    /// that it listens on. `files` are put into its folder, which is where it looks for relative paths.
    pub async fn nginx(servers: &str, files: &[(&str, &[u8])]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        for (name, content) in files {
            fs::write(folder.path().join(name), content).unwrap();
        }
        let address = Upstream::nobody().await;
        fs::write(folder.path().join("nginx.conf"), configuration(folder.path(), servers, address)).unwrap();
        let mut command = Command::new(found(&["nginx", "/usr/sbin/nginx"]));
        command.arg("-p").arg(folder.path()).args(["-e", "stderr", "-c", "nginx.conf"]);
        let child = command.stdin(Stdio::null()).stdout(Stdio::null()).spawn().unwrap();
        Self { address, folder, child }.listening("nginx").await
    }

    /// Redis, which keeps nothing on disk.
    pub async fn redis() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let address = Upstream::nobody().await;
        let mut command = Command::new(found(&["redis-server", "/usr/bin/redis-server"]));
        command.args(["--bind", "127.0.0.1", "--save", "", "--port"]).arg(address.port().to_string());
        command.arg("--dir").arg(folder.path());
        let child = command.stdin(Stdio::null()).stdout(Stdio::null()).spawn().unwrap();
        Self { address, folder, child }.listening("redis-server").await
    }

    /// rsyslog in the foreground, by UDP and TCP at the same port, and at the unix socket `log` in its folder as it is at
    /// `/dev/log`. Each message is a line of `out` there: `PRI|APP-NAME|PROCID|MSG`.
    pub async fn rsyslog() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let address = Upstream::nobody().await;
        fs::write(folder.path().join("rsyslog.conf"), rsyslog_configuration(folder.path(), address)).unwrap();
        let child = rsyslogd(folder.path());
        Self { address, folder, child }.listening("rsyslog").await
    }

    /// End rsyslog in order, and start it again after this time.
    pub async fn restart_rsyslog(mut self, pause: std::time::Duration) -> Self {
        let id = self.child.id().to_string();
        assert!(Command::new("kill").args(["-s", "TERM", &id]).status().unwrap().success());
        until("rsyslog to end", async || self.child.try_wait().unwrap()).await;
        tokio::time::sleep(pause).await;
        self.child = rsyslogd(self.folder.path());
        self.listening("rsyslog").await
    }

    async fn listening(mut self, name: &str) -> Self {
        until(&format!("{name} to listen"), async || {
            assert_eq!(self.child.try_wait().unwrap(), None, "{name} has ended");
            tokio::net::TcpStream::connect(self.address).await.ok()
        })
        .await;
        self
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        // It may have ended already, which its test has noticed.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

fn configuration(folder: &Path, servers: &str, address: SocketAddr) -> String {
    let folder = folder.display();
    let servers = servers.replace("PORT", &address.to_string());
    let temporary: String = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
        .iter()
        .map(|name| format!("{name}_temp_path {folder}/{name};\n"))
        .collect();
    format!(
        "daemon off;\nmaster_process off;\npid {folder}/nginx.pid;\nevents {{}}\n\
         http {{\naccess_log off;\nroot {folder};\n{temporary}{servers}\n}}\n"
    )
}

fn rsyslogd(folder: &Path) -> Child {
    let mut command = Command::new(found(&["rsyslogd", "/usr/sbin/rsyslogd"]));
    command.args(["-n", "-f"]).arg(folder.join("rsyslog.conf")).arg("-i").arg(folder.join("rsyslog.pid"));
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap()
}

fn rsyslog_configuration(folder: &Path, address: SocketAddr) -> String {
    let (folder, ip, port) = (folder.display(), address.ip(), address.port());
    format!(
        "global(workDirectory=\"{folder}\" maxMessageSize=\"64k\")\n\
         module(load=\"imtcp\")\nmodule(load=\"imudp\")\nmodule(load=\"imuxsock\" sysSock.use=\"off\")\n\
         input(type=\"imuxsock\" socket=\"{folder}/log\")\n\
         input(type=\"imtcp\" address=\"{ip}\" port=\"{port}\")\n\
         input(type=\"imudp\" address=\"{ip}\" port=\"{port}\")\n\
         template(name=\"line\" type=\"string\" string=\"%pri%|%app-name%|%procid%|%msg%\\n\")\n\
         action(type=\"omfile\" file=\"{folder}/out\" template=\"line\")\n"
    )
}

/// curl with `arguments`, in `folder`, until it ends.
pub async fn curl(folder: &Path, arguments: &[&str]) -> Curled {
    let mut command = Command::new(found(&["curl", "/usr/bin/curl"]));
    command.current_dir(folder).args(["--silent", "--show-error", "--verbose", "--max-time", "25"]).args(arguments);
    let (out, err) = (folder.join("curl.stdout"), folder.join("curl.stderr"));
    // Into files, which never fill up.
    command.stdin(Stdio::null());
    command.stdout(fs::File::create(&out).unwrap()).stderr(fs::File::create(&err).unwrap());
    let mut child = command.spawn().unwrap();
    let status = until("curl to end", async || child.try_wait().unwrap()).await;
    let read = |path: PathBuf| String::from_utf8_lossy(&fs::read(path).unwrap()).into_owned();
    Curled { status: status.code(), stdout: read(out), stderr: read(err) }
}

/// The first of `names` that can be run.
fn found(names: &[&'static str]) -> &'static str {
    let runs = |name: &&&'static str| {
        let asked =
            Command::new(name).arg("-V").stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).status();
        asked.is_ok()
    };
    names
        .iter()
        .find(runs)
        .unwrap_or_else(|| panic!("{} is missing: apt-get install nginx-light redis-server curl rsyslog", names[0]))
}
