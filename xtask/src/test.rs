//! `cargo xtask test`: everything the project's tests need, then all of them.

use std::{
    process::ExitCode,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result};

use crate::{
    plugins,
    setup::{
        self, Report,
        programs::{self, Program},
    },
    workspace::Workspace,
};

/// Runs every test, with `extra` handed to `cargo test`, and passes its exit code on.
pub(crate) fn run(workspace: &Workspace, extra: &[&str]) -> Result<ExitCode> {
    let start = Instant::now();
    // Before the long builds: whoever lacks them should not wait for it to learn this.
    programs::require(&[Program::Nginx, Program::Curl, Program::Redis, Program::Rsyslogd])?;
    setup::run(workspace, Report::Changes)?;
    let setup_took = start.elapsed();

    let start = Instant::now();
    plugins::run(workspace)?;
    let plugins_took = start.elapsed();

    let start = Instant::now();
    let status =
        workspace.cargo().args(["test", "--workspace", "--locked"]).args(extra).status().context("cannot run cargo")?;
    let tests_took = start.elapsed();

    println!();
    for (step, took) in [("setup", setup_took), ("plugins", plugins_took), ("tests", tests_took)] {
        println!("{step:8} {}", seconds(took));
    }
    // A code above 255 or a signal has no exact match; any failure stays a failure.
    let code = status.code().and_then(|code| u8::try_from(code).ok()).unwrap_or(1);
    Ok(ExitCode::from(code))
}

fn seconds(took: Duration) -> String {
    format!("{:7.1} s", took.as_secs_f64())
}
