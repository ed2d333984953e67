//! Packages from Debian, without touching the machine's own apt state.
//!
//! In: the package host that the machine's apt is configured for, and a version.
//! Out: the unpacked packages. apt itself checks the signatures; its lists and
//! cache live in a folder of ours. Called by `debian.rs`.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use anyhow::{Context as _, Result, bail, ensure};

/// A suite that has both packages, ready to download.
pub(super) struct Found {
    /// `rust-src=<version>`, as apt wants it.
    rust_src: String,
    wasi_libc: String,
    /// The suite's name, for people.
    pub(super) suite: String,
    apt: Apt,
}

/// Looks for rust-src of exactly `release`, with wasi-libc from the same suite:
/// first among what the machine's apt knows, then in newer suites on its host.
pub(super) fn find(release: &str, scratch: &Path) -> Result<Found> {
    ensure!(works("apt-get") && works("dpkg"), "apt-get and dpkg are not here, so this is not Debian");
    let own = Apt::of_machine(scratch)?;
    let mut reasons = Vec::new();
    let known = own.versions("rust-src")?;
    match own.found(release, "the machine's own suites") {
        Ok(found) => return Ok(found),
        Err(reason) => reasons.push(format!("{reason:#}")),
    }
    let repository = own.repository()?;
    // Empty lists say nothing about the machine's own suites: ask those as well.
    let own_suites = if known.is_empty() { repository.suites } else { Vec::new() };
    let newer = NEWER_SUITES.iter().map(|suite| (*suite).to_owned());
    for suite in own_suites.into_iter().chain(newer) {
        match Apt::of_suite(scratch, &repository.uri, &suite).and_then(|apt| apt.found(release, &suite)) {
            Ok(found) => return Ok(found),
            Err(reason) => reasons.push(format!("{reason:#}")),
        }
    }
    bail!("no suite has rust-src {release} with wasi-libc\n    {}", reasons.join("\n    "))
}

impl Found {
    /// Downloads both packages and unpacks them; returns the folder that stands for `/`.
    pub(super) fn unpack(&self, scratch: &Path) -> Result<PathBuf> {
        let archives = scratch.join("archives");
        fs::create_dir_all(&archives).context("cannot make a folder for the packages")?;
        let mut command = self.apt.command("apt-get");
        command.args(["download", &self.rust_src, &self.wasi_libc]).current_dir(&archives);
        output(&mut command).context("cannot download the packages")?;
        let root = scratch.join("root");
        for archive in fs::read_dir(&archives).context("cannot list the packages")? {
            let archive = archive.context("cannot list the packages")?.path();
            output(Command::new("dpkg").arg("-x").arg(&archive).arg(&root)).context("cannot unpack a package")?;
        }
        Ok(root)
    }
}

/// Newer than any stable Debian has them: backports first, as the most settled.
const NEWER_SUITES: [&str; 3] = ["trixie-backports", "forky", "sid"];

/// apt with a configuration file of ours on top of the machine's.
#[derive(Clone)]
struct Apt {
    configuration: PathBuf,
}

/// Where the machine gets Debian's own packages from.
struct Repository {
    uri: String,
    suites: Vec<String>,
}

impl Apt {
    /// Sees the machine's sources and lists, and writes nothing to them.
    fn of_machine(scratch: &Path) -> Result<Self> {
        Self::with(scratch, "machine", "")
    }

    /// Sees one suite, freshly listed.
    fn of_suite(scratch: &Path, uri: &str, suite: &str) -> Result<Self> {
        let folder = scratch.join("apt").join(suite);
        fs::create_dir_all(folder.join("lists/partial")).context("cannot make a folder for apt")?;
        // The machine's configuration names the key ring per source, but not in a way
        // apt tells; Debian's own ring is the one, where the machine has it there.
        let signed_by =
            if Path::new(DEBIAN_KEYS).exists() { format!("[signed-by={DEBIAN_KEYS}] ") } else { String::new() };
        let sources = folder.join("sources.list");
        fs::write(&sources, format!("deb {signed_by}{uri} {suite} main\n")).context("cannot write apt's sources")?;
        let extra = format!(
            "Dir::Etc::sourcelist \"{}\";\nDir::Etc::sourceparts \"/dev/null\";\nDir::State::lists \"{}\";\n",
            sources.display(),
            folder.join("lists").display(),
        );
        let apt = Self::with(scratch, suite, &extra)?;
        output(apt.command("apt-get").arg("update")).with_context(|| format!("{suite} cannot be listed"))?;
        Ok(apt)
    }

    fn with(scratch: &Path, name: &str, extra: &str) -> Result<Self> {
        let folder = scratch.join("apt").join(name);
        fs::create_dir_all(folder.join("cache/archives/partial")).context("cannot make a folder for apt")?;
        let configuration = folder.join("apt.conf");
        let text = format!("{SETTINGS}Dir::Cache \"{}\";\n{extra}", folder.join("cache").display());
        fs::write(&configuration, text).context("cannot write apt's configuration")?;
        Ok(Self { configuration })
    }

    fn command(&self, program: &str) -> Command {
        let mut command = Command::new(program);
        // Its messages are read below, so they must be in one language.
        command.arg("-c").arg(&self.configuration).env("LC_ALL", "C").stdin(Stdio::null());
        command
    }

    /// Both packages in what this apt sees, or why not.
    fn found(&self, release: &str, suite: &str) -> Result<Found> {
        let versions = self.versions("rust-src")?;
        let Some(rust_src) = versions.iter().find(|version| upstream(version) == release) else {
            let seen: BTreeSet<&str> = versions.iter().map(|version| upstream(version)).collect();
            let seen: Vec<&str> = seen.into_iter().collect();
            let seen = if seen.is_empty() { "none".to_owned() } else { seen.join(", ") };
            bail!("{suite}: {seen}");
        };
        let rust_src = format!("rust-src={rust_src}");
        let libc = self.versions("wasi-libc")?;
        let libc = libc.first().with_context(|| format!("{suite}: rust-src, but no wasi-libc"))?;
        Ok(Found { rust_src, wasi_libc: format!("wasi-libc={libc}"), suite: suite.to_owned(), apt: self.clone() })
    }

    /// The versions of a package, newest first; none if the package is unknown.
    fn versions(&self, package: &str) -> Result<Vec<String>> {
        let table = output(self.command("apt-cache").args(["madison", package]))?;
        let version = |line: &str| Some(line.split('|').nth(1)?.trim().to_owned());
        Ok(table.lines().filter_map(version).collect())
    }

    fn repository(&self) -> Result<Repository> {
        let codename = codename();
        let is_base = |suite: &str| Some(suite) == codename.as_deref() || PLAIN_SUITES.contains(&suite);
        // Without release information apt tells what is configured, even if never listed.
        let mut command = self.command("apt-get");
        command.args(["indextargets", "--no-release-info", "--format", "$(RELEASE)|$(COMPONENT)|$(REPO_URI)"]);
        let table = output(command.arg("Created-By: Packages"))?;
        let rows: Vec<(&str, &str)> = table
            .lines()
            .filter_map(|line| {
                let (suite, rest) = line.split_once('|')?;
                let (component, uri) = rest.split_once('|')?;
                (component == "main").then_some((suite, uri))
            })
            .collect();
        let base = rows.iter().find(|(suite, _)| is_base(suite));
        let (_, uri) = base.context("apt's configuration names no source of Debian itself")?;
        let suites: BTreeSet<&str> = rows.iter().filter(|row| row.1 == *uri).map(|row| row.0).collect();
        Ok(Repository { uri: (*uri).to_owned(), suites: suites.into_iter().map(str::to_owned).collect() })
    }
}

const DEBIAN_KEYS: &str = "/usr/share/keyrings/debian-archive-keyring.gpg";

/// What a source of Debian itself may call its suite, besides the codename.
const PLAIN_SUITES: [&str; 6] = ["oldstable", "stable", "testing", "unstable", "forky", "sid"];

/// The user `_apt` cannot read a private folder; a list that failed to download must
/// not pass for an empty one; hooks after an update work on the machine's own state.
const SETTINGS: &str = "\
APT::Sandbox::User \"root\";
APT::Update::Error-Mode \"any\";
Acquire::Languages \"none\";
#clear APT::Update::Pre-Invoke;
#clear APT::Update::Post-Invoke;
#clear APT::Update::Post-Invoke-Success;
";

fn codename() -> Option<String> {
    let release = fs::read_to_string("/etc/os-release").ok()?;
    let name = release.lines().find_map(|line| line.strip_prefix("VERSION_CODENAME="))?;
    Some(name.trim_matches('"').to_owned())
}

/// The project's own version in a Debian version: `1.95.0` of `1.95.0+dfsg1-2~bpo13+1`.
/// A pre-release (`1.95.0~beta.3`) keeps its mark, so that it never passes for the release.
fn upstream(version: &str) -> &str {
    let version = version.split_once(':').map_or(version, |(_epoch, rest)| rest);
    let version = version.rsplit_once('-').map_or(version, |(upstream, _revision)| upstream);
    version.split_once('+').map_or(version, |(release, _repacked)| release)
}

fn works(program: &str) -> bool {
    let status = Command::new(program).arg("--version").stdout(Stdio::null()).stderr(Stdio::null()).status();
    status.is_ok_and(|status| status.success())
}

/// What a program printed; its first complaint if it failed.
pub(super) fn output(command: &mut Command) -> Result<String> {
    let name = command.get_program().to_string_lossy().into_owned();
    let output = command.output().with_context(|| format!("cannot run {name}"))?;
    if !output.status.success() {
        let stderr = String::from_utf8_lossy(&output.stderr);
        let lines = || stderr.lines().map(str::trim).filter(|line| !line.is_empty());
        let complaint = lines().find(|line| line.starts_with("E: ")).or_else(|| lines().next_back());
        bail!("{name}: {}", complaint.unwrap_or("failed without a word"));
    }
    String::from_utf8(output.stdout).with_context(|| format!("{name} printed something else than text"))
}

#[cfg(test)]
mod tests {
    use super::upstream;

    #[test]
    fn upstream_is_the_release_alone() {
        assert_eq!(upstream("1.95.0+dfsg1-2~bpo13+1"), "1.95.0");
        assert_eq!(upstream("2:1.95.0-1"), "1.95.0");
        assert_eq!(upstream("1.95.0~beta.3+dfsg1-1"), "1.95.0~beta.3");
    }
}
