//! Other people's programs that the tests and the measurements run, such as nginx.
//!
//! In: the programs that a command needs. Out: all of them are there; those that were
//! missing come from Debian's packages, and no server among them is then a service of the machine.

use std::{
    collections::BTreeSet,
    env, fmt, fs,
    io::ErrorKind,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::Instant,
};

use anyhow::{Context as _, Result, bail, ensure};

use super::apt;

/// Installs those of `needed` that are missing.
pub(crate) fn require(needed: &[Program]) -> Result<()> {
    let absent = missing(needed);
    if absent.is_empty() {
        return Ok(());
    }
    println!("{}: missing, trying Debian's packages", list(&absent));
    let start = Instant::now();
    if let Err(error) = install(needed, &absent) {
        let packages = packages(&absent).join(" ");
        bail!(
            "{} could not be installed: {error:#}\n\
             by hand, one of:\n  \
             - on Debian, as root: apt-get update && apt-get install --no-install-recommends {packages}\n  \
             - elsewhere: whatever package brings {}, on PATH",
            list(&absent),
            list(&absent),
        );
    }
    println!("{}: installed ({} s)", list(&absent), start.elapsed().as_secs());
    Ok(())
}

/// A program of somebody else's.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Program {
    Nginx,
    Curl,
    Redis,
    Rsyslogd,
    /// The load of the measurements.
    Wrk,
    /// Starts a program on one core.
    Taskset,
    /// Starts a program that ends with us.
    Setpriv,
}

impl Program {
    /// Where it is: on PATH, or where Debian has servers, which is not on everybody's PATH.
    pub(crate) fn find(self) -> Option<PathBuf> {
        let path = env::var_os("PATH").unwrap_or_default();
        let folders = env::split_paths(&path).chain([PathBuf::from("/usr/sbin")]);
        folders.map(|folder| folder.join(self.name())).find(|file| is_executable(file))
    }

    fn name(self) -> &'static str {
        match self {
            Self::Nginx => "nginx",
            Self::Curl => "curl",
            Self::Redis => "redis-server",
            Self::Rsyslogd => "rsyslogd",
            Self::Wrk => "wrk",
            Self::Taskset => "taskset",
            Self::Setpriv => "setpriv",
        }
    }

    fn package(self) -> &'static str {
        match self {
            Self::Nginx => "nginx-light",
            Self::Curl => "curl",
            Self::Redis => "redis-server",
            Self::Rsyslogd => "rsyslog",
            Self::Wrk => "wrk",
            Self::Taskset | Self::Setpriv => "util-linux",
        }
    }

    /// What Debian starts when it is installed.
    fn service(self) -> Option<&'static str> {
        match self {
            Self::Nginx => Some("nginx"),
            Self::Redis => Some("redis-server"),
            Self::Rsyslogd => Some("rsyslog"),
            Self::Curl | Self::Wrk | Self::Taskset | Self::Setpriv => None,
        }
    }
}

impl fmt::Display for Program {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.name())
    }
}

fn is_executable(file: &Path) -> bool {
    fs::metadata(file).is_ok_and(|file| file.is_file() && file.permissions().mode() & 0o111 != 0)
}

fn missing(needed: &[Program]) -> Vec<Program> {
    needed.iter().copied().filter(|program| program.find().is_none()).collect()
}

fn packages(programs: &[Program]) -> Vec<&'static str> {
    let packages: BTreeSet<_> = programs.iter().map(|program| program.package()).collect();
    packages.into_iter().collect()
}

fn list(programs: &[Program]) -> String {
    let names: Vec<&str> = programs.iter().map(|program| program.name()).collect();
    names.join(", ")
}

fn install(needed: &[Program], absent: &[Program]) -> Result<()> {
    ensure!(Path::new("/usr/bin/apt-get").exists(), "this machine has no apt-get");
    ensure!(rustix::process::geteuid().is_root(), "only root may install packages");
    let servers: Vec<Program> = absent.iter().copied().filter(|program| program.service().is_some()).collect();
    let _policy = if servers.is_empty() { None } else { Some(NoService::new()?) };
    // A source that cannot be reached may not be the one that is needed.
    let updated = apt::output(apt_get().args(["-o", "APT::Update::Error-Mode=any", "update"]));
    let installed = apt::output(apt_get().args(["install", "--no-install-recommends"]).args(packages(absent)));
    if let Err(error) = installed {
        return Err(updated.err().unwrap_or(error));
    }
    stay_off_after_boot(&servers);
    let absent = missing(needed);
    ensure!(absent.is_empty(), "apt-get said it was done, but {} is not there", list(&absent));
    Ok(())
}

fn apt_get() -> Command {
    let mut command = Command::new("apt-get");
    // Its messages are read, so they must be in one language.
    command.env("LC_ALL", "C").env("DEBIAN_FRONTEND", "noninteractive").stdin(Stdio::null());
    // Neither a silent mirror nor another apt may hold us for ever.
    for option in ["Acquire::http::Timeout=30", "Acquire::https::Timeout=30", "DPkg::Lock::Timeout=120"] {
        command.args(["-o", option]);
    }
    command.arg("--yes");
    command
}

/// Debian starts a server when it is installed, nginx on port 80. What asks for that, with any
/// service manager, looks at `policy-rc.d` first; ours says no, and is gone on drop.
struct NoService {
    /// `None` if the machine has a policy of its own, which is left alone.
    file: Option<&'static Path>,
}

impl NoService {
    fn new() -> Result<Self> {
        let file = Path::new(POLICY);
        match fs::read_to_string(file) {
            Ok(text) if !text.contains(POLICY_MARK) => return Ok(Self { file: None }),
            Err(error) if error.kind() != ErrorKind::NotFound => return Err(error).context(POLICY),
            _ => {}
        }
        let partial = Path::new(POLICY).with_extension("xtask");
        fs::write(&partial, policy()).context(POLICY)?;
        fs::set_permissions(&partial, fs::Permissions::from_mode(0o755)).context(POLICY)?;
        fs::rename(&partial, file).context(POLICY)?;
        Ok(Self { file: Some(file) })
    }
}

impl Drop for NoService {
    fn drop(&mut self) {
        // Left behind, it forbids nothing: see its text.
        let _ = self.file.map(fs::remove_file);
    }
}

const POLICY: &str = "/usr/sbin/policy-rc.d";
const POLICY_MARK: &str = "Tidegate's `cargo xtask`";

/// Forbids nginx, Redis and rsyslog alone, and only as long as this process is there.
fn policy() -> String {
    let id = std::process::id();
    format!(
        "#!/bin/sh\n\
         # {POLICY_MARK} installs servers as programs, not as services. Without process {id} this does nothing.\n\
         case \"$*\" in *nginx* | *redis* | *rsyslog*) [ -d /proc/{id} ] && exit 101 ;; esac\n\
         exit 0\n"
    )
}

/// The package also has systemd start nginx at the next boot.
fn stay_off_after_boot(servers: &[Program]) {
    if servers.is_empty() || !Path::new("/run/systemd/system").exists() {
        return;
    }
    for service in servers.iter().filter_map(|server| server.service()) {
        let mut command = Command::new("systemctl");
        command.args(["disable", "--quiet", &format!("{service}.service")]).stdin(Stdio::null());
        if let Err(error) = apt::output(&mut command) {
            println!("{service} will be started at the next boot, unless you disable its service ({error:#})");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Program, packages};

    #[test]
    fn a_package_is_asked_for_once() {
        let programs = [Program::Wrk, Program::Taskset, Program::Setpriv, Program::Nginx];
        assert_eq!(packages(&programs), ["nginx-light", "util-linux", "wrk"]);
    }
}
