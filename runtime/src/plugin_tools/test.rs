//! `tidegate plugin test`: case files on the real host.

use std::path::{Path, PathBuf};
use std::time::Instant;

use anyhow::{Context, bail};
use tidegate_cases::Case;

use super::journal::Journal;
use super::stage::Stage;
use super::{control, rehearsal};

/// Run the cases of `files`, or those that belong to `plugin`, and say how each has gone.
pub(super) fn run(plugin: &Path, files: &[PathBuf]) -> anyhow::Result<()> {
    let stage = Stage::new(plugin)?;
    let files = cases(plugin, files)?;
    let (journal, control) = (Journal::start()?, control()?);
    let begun = Instant::now();
    let count: usize = files.iter().map(|(_, cases)| cases.len()).sum();
    println!("running {count} {}", if count == 1 { "case" } else { "cases" });
    let mut failed = 0;
    for (path, cases) in &files {
        println!("\n{}", path.display());
        for case in cases {
            let seen = rehearsal::run(&stage, case, &control, &journal)
                .with_context(|| format!("the case \"{}\" cannot be run", case.name))?;
            let mismatches = case.judge(&seen);
            println!("  {} ... {}", case.name, if mismatches.is_empty() { "ok" } else { "FAILED" });
            for mismatch in &mismatches {
                println!("      {mismatch}");
            }
            failed += usize::from(!mismatches.is_empty());
        }
    }
    let (passed, time) = (count - failed, begun.elapsed());
    println!("\n{passed} passed, {failed} failed, in {:.2} s", time.as_secs_f64());
    if failed > 0 {
        bail!("{failed} of {count} cases did not come out as expected");
    }
    Ok(())
}

/// What is to be run: the files that are named, or the plugin's own.
pub(super) fn cases(plugin: &Path, files: &[PathBuf]) -> anyhow::Result<Vec<(PathBuf, Vec<Case>)>> {
    if !files.is_empty() {
        let loaded: Result<Vec<_>, _> = files.iter().map(|path| tidegate_cases::load(path)).collect();
        return Ok(loaded?.into_iter().flatten().collect());
    }
    // Cargo puts the plugin somewhere below its crate; others keep the cases beside the plugin.
    let beside = plugin.ancestors().skip(1).take(4).map(|folder| folder.join("cases"));
    let own = beside.chain([PathBuf::from("cases")]).find(|folder| folder.is_dir());
    let own = own.with_context(|| {
        format!("there is no folder `cases` beside {} or here: name a file with --case", plugin.display())
    })?;
    Ok(tidegate_cases::load(&own)?)
}
