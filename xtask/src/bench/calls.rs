//! `bench plugins`: what a call of each bundled plugin costs, in the cases of `benches/plugins`.

use std::{
    fmt::Write as _,
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context as _, Result, ensure};
use serde_json::{Value, json};

use super::{
    Bench,
    process::{Cores, command},
    spread::Spread,
    table::Table,
};

/// Measures all of them, prints it, and gives the figures. `cases` is their folder, `plugins` that of the built plugins.
pub(super) fn run(bench: &Bench, cases: &Path, plugins: &Path) -> Result<Value> {
    let mut files = vec![(String::from("ip-restriction"), ranges(&bench.room("plugins-calls")?)?)];
    for entry in fs::read_dir(cases).with_context(|| format!("cannot read {}", cases.display()))? {
        let path = entry?.path();
        let name = path.file_stem().and_then(|name| name.to_str()).context("a name that is no UTF-8")?;
        files.push((name.to_owned(), path));
    }
    files.sort();
    println!("\na call of each plugin, on one thread");
    let mut table = Table::new(["plugin", "in this case", "hook", "ns"].map(str::to_owned).to_vec());
    let mut figures = json!({});
    for (plugin, file) in files {
        let wasm = plugins.join(&plugin).with_extension("wasm");
        let rounds = (0..bench.rounds).map(|_| calls(bench, &wasm, &file)).collect::<Result<Vec<_>>>()?;
        let first = rounds.first().context("no rounds")?;
        for (number, (case, hook, _)) in first.iter().enumerate() {
            let all = rounds.iter().filter_map(|round| round.get(number)).map(|(.., ns)| *ns);
            let spread = Spread::of(all).context("no rounds")?;
            table.row(vec![plugin.clone(), case.clone(), hook.clone(), spread.shown(0)]);
            figures[format!("{plugin}: {case}, {hook}")] = spread.json();
        }
    }
    println!("{table}");
    Ok(figures)
}

/// What one run says: the case, the hook, and its nanoseconds.
fn calls(bench: &Bench, wasm: &Path, file: &Path) -> Result<Vec<(String, String, f64)>> {
    let output =
        command(&bench.gateway, Cores::One(0)).args(["plugin", "bench"]).arg(wasm).arg("--case").arg(file).output()?;
    let said = String::from_utf8_lossy(&output.stdout);
    ensure!(output.status.success(), "{}: {said}{}", wasm.display(), String::from_utf8_lossy(&output.stderr));
    let mut case = "";
    let mut calls = Vec::new();
    for line in said.lines() {
        let Some(hook) = line.strip_suffix(" per call") else {
            case = line;
            continue;
        };
        let mut words = hook.split_whitespace();
        let (hook, number, unit) = (words.next(), words.next(), words.next());
        let number: f64 = number.context("no figure")?.parse()?;
        let factor = match unit {
            Some("ns") => 1.0,
            Some("µs") => 1e3,
            Some("ms") => 1e6,
            other => anyhow::bail!("a figure in {other:?}"),
        };
        calls.push((case.to_owned(), hook.unwrap_or_default().to_owned(), number * factor));
    }
    Ok(calls)
}

/// A case with ten thousand ranges, which nobody would write down.
fn ranges(room: &Path) -> Result<PathBuf> {
    let mut text = String::from("config.deny = [");
    for number in 0..10_000_u32 {
        // Every other one of 10.0.0.0/8's /21s, and so on; the client's address is in none.
        let [a, b, c, _] = (0x0a00_0000 + number * 0x1000).to_be_bytes();
        write!(text, "\"{a}.{b}.{c}.0/21\", ")?;
    }
    text.push_str("]\n[[case]]\nname = \"in none of 10,000 ranges\"\nexpect.upstream.method = \"GET\"\n");
    let path = room.join("ranges.toml");
    fs::write(&path, text)?;
    Ok(path)
}
