//! The normal way: `rustup target add`.

use std::{
    path::Path,
    process::{Command, Output, Stdio},
    time::Instant,
};

use anyhow::{Context as _, Result, bail, ensure};

use super::{Target, Toolchain, list};

/// Has rustup add `targets` to the toolchain in use.
pub(super) fn install(toolchain: &Toolchain, targets: &[Target]) -> Result<()> {
    let start = Instant::now();
    check_owner(toolchain)?;
    let names: Vec<&str> = targets.iter().map(|target| target.triple()).collect();
    let output = rustup(toolchain, &[&["target", "add"], names.as_slice()].concat())?;
    if !output.status.success() {
        bail!("{}", reason(&String::from_utf8_lossy(&output.stderr)));
    }
    println!("{}: installed by rustup ({} s)", list(targets), start.elapsed().as_secs());
    Ok(())
}

/// rustup adds targets to its own toolchain, which helps only if `rustc` is that one.
fn check_owner(toolchain: &Toolchain) -> Result<()> {
    let output = rustup(toolchain, &["which", "rustc"])?;
    let rustc = String::from_utf8_lossy(&output.stdout).trim().to_owned();
    ensure!(output.status.success(), "it has no toolchain for this folder");
    // A toolchain may be a link to another, and rustc tells the one at its end.
    let real = |path: &Path| path.canonicalize().unwrap_or_else(|_| path.to_owned());
    let is_owner = real(Path::new(&rustc)).starts_with(real(&toolchain.sysroot));
    ensure!(is_owner, "rustc comes from {}, not from rustup", toolchain.sysroot.display());
    Ok(())
}

fn rustup(toolchain: &Toolchain, arguments: &[&str]) -> Result<Output> {
    Command::new("rustup")
        .args(arguments)
        .current_dir(&toolchain.workspace_root)
        // A backtrace of rustup's own code would drown its reason.
        .env("RUST_BACKTRACE", "0")
        .stdin(Stdio::null())
        .output()
        .context("it cannot be run")
}

/// What went wrong and its innermost cause, out of rustup's many lines.
fn reason(stderr: &str) -> String {
    let mut lines = stderr.lines().map(str::trim);
    let Some(error) = lines.rfind(|line| line.starts_with("error: ")) else {
        let last = stderr.trim().lines().next_back();
        return last.unwrap_or("it failed without a word").to_owned();
    };
    let error = error.trim_start_matches("error: ");
    // rustup writes the chain of causes as one line: `what: why: why: why`.
    match (error.split_once(": "), error.rsplit_once(": ")) {
        (Some((what, _)), Some((_, why))) => format!("{what}: {why}"),
        _ => error.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::reason;

    #[test]
    fn reason_is_what_and_the_innermost_why() {
        let stderr = "info: retrying\nerror: download failed: error sending: refused\n";
        assert_eq!(reason(stderr), "download failed: refused");
        assert_eq!(reason("error: no such toolchain\nhint: install it"), "no such toolchain");
        assert_eq!(reason(""), "it failed without a word");
    }
}
