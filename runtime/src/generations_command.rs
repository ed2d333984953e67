//! `tidegate generations`: what became of each change of a running gateway's configuration, and the way back to one.

use std::io::{ErrorKind, Write};
use std::time::{Duration, SystemTime};

use anyhow::anyhow;
use bytes::Bytes;
use clap::{Args, Subcommand};
use http::Method;
use serde_json::Value as Json;

use crate::admin_client::{Access, AdminClient, field, printable};
use crate::observe::record::clock::rfc3339;

/// Whom to ask, and what.
#[derive(Debug, Args)]
pub struct Arguments {
    #[command(subcommand)]
    command: Option<Command>,
    /// The gateway's admin API: http://HOST:PORT, https://HOST:PORT or unix:/PATH.
    #[arg(long, value_name = "URL", global = true, default_value = "http://127.0.0.1:8001")]
    at: String,
    #[command(flatten)]
    access: Access,
}

#[derive(Debug, Clone, Copy, Subcommand)]
enum Command {
    /// List them, the newest first: who has changed how much, and whether it was taken. Does so without a command, too.
    List,
    /// Say what is different in one from what served before it, or what is wrong with it if it was refused.
    Show {
        /// Its number.
        generation: u64,
    },
    /// Have the gateway serve what it served then, with the plugin files of then, as one more generation.
    Activate {
        /// Its number.
        generation: u64,
    },
}

/// Ask; what the gateway says goes to stdout.
///
/// # Errors
/// It cannot be reached, or refuses.
pub fn run(Arguments { command, at, access }: &Arguments) -> anyhow::Result<()> {
    let client = AdminClient::new(at, access)?;
    let told = match command.unwrap_or(Command::List) {
        Command::List => {
            let list = client.look("/generations")?.unwrap_or_default();
            table(list.get("data").and_then(Json::as_array).map_or(&[][..], Vec::as_slice))
        }
        Command::Show { generation } => match client.look(&format!("/generations/{generation}"))? {
            Some(shown) => details(&shown),
            None => return Err(unknown(generation, at)),
        },
        Command::Activate { generation } => {
            if client.look(&format!("/generations/{generation}"))?.is_none() {
                return Err(unknown(generation, at));
            }
            let made = client.order(Method::POST, &format!("/generations/{generation}/activate"), Bytes::new())?;
            let now = made.generation.map_or_else(String::new, |now| format!("generation {now} serves now: "));
            format!("{now}what generation {generation} was\n")
        }
    };
    match std::io::stdout().write_all(told.as_bytes()) {
        // Whoever reads it has seen enough.
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(()),
        written => Ok(written?),
    }
}

fn unknown(generation: u64, at: &str) -> anyhow::Error {
    anyhow!("{at} knows no generation {generation}: `tidegate generations --at {at}` lists those that it does")
}

fn table(records: &[Json]) -> String {
    let titles = ["GENERATION", "TIME", "SOURCE", "AUTHOR", "OUTCOME", "CHANGES"].map(str::to_owned);
    let rows = records.iter().map(|record| {
        let changes = if is(record, "outcome", "refused") { "-".to_owned() } else { field(record, "changes") };
        let author =
            Some(field(record, "author")).filter(|author| !author.is_empty()).unwrap_or_else(|| "-".to_owned());
        [field(record, "generation"), time(record), field(record, "source"), author, outcome(record), changes]
    });
    let rows: Vec<[String; 6]> = std::iter::once(titles).chain(rows).collect();
    let width = |column: usize| {
        let cells = rows.iter().filter_map(|row| row.get(column));
        cells.map(|cell| cell.chars().count()).max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..6).map(width).collect();
    let mut told = String::new();
    for row in &rows {
        let line: Vec<String> = row.iter().zip(&widths).map(|(cell, width)| format!("{cell:width$}")).collect();
        told.push_str(line.join("  ").trim_end());
        told.push('\n');
    }
    told
}

fn details(record: &Json) -> String {
    let [number, source, author] = ["generation", "source", "author"].map(|name| field(record, name));
    let author = if author.is_empty() { author } else { format!(" by {author}") };
    let mut told =
        format!("generation {number}: {}, {}, from source {source}{author}\n", outcome(record), time(record));
    let listed = |name| record.get(name).and_then(Json::as_array).into_iter().flatten();
    for fault in listed("faults").filter_map(Json::as_str) {
        told.push_str(&format!("- {}\n", printable(fault).replace('\n', "\n  ")));
    }
    for change in listed("changes") {
        let path = field(change, "path");
        let [before, after] = ["before", "after"].map(|name| field(change, name));
        let difference = match (before.as_str(), after.as_str()) {
            // How many more there are.
            ("", "") => String::new(),
            ("", after) => format!(": added {after}"),
            (before, "") => format!(": removed {before}"),
            (before, after) => format!(": {before} → {after}"),
        };
        told.push_str(&format!("- {path}{difference}\n"));
    }
    if told.lines().count() == 1 && !is(record, "outcome", "refused") {
        told.push_str("nothing in gateway.toml is different from what served before\n");
    }
    if let Some(components) = record.get("components").and_then(Json::as_object).filter(|found| !found.is_empty()) {
        told.push_str("plugin files, by SHA-256:\n");
        for (name, sha256) in components {
            told.push_str(&format!("  {} {}\n", sha256.as_str().map(printable).unwrap_or_default(), printable(name)));
        }
    }
    told
}

fn outcome(record: &Json) -> String {
    let outcome = field(record, "outcome");
    if record.get("live") == Some(&Json::Bool(true)) { format!("{outcome}, live") } else { outcome }
}

fn is(record: &Json, name: &str, value: &str) -> bool {
    record.get(name).is_some_and(|found| *found == *value)
}

/// To the second.
fn time(record: &Json) -> String {
    let at = record.get("at").and_then(Json::as_u64).unwrap_or(0);
    let text = SystemTime::UNIX_EPOCH.checked_add(Duration::from_millis(at)).map(rfc3339).unwrap_or_default();
    text.split('.').next().map(|text| format!("{text}Z")).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn the_list_is_a_table() {
        let records = [
            json!({ "generation": 10, "at": 1_735_689_599_123_u64, "source": "file", "author": null,
                "outcome": "refused", "live": false, "changes": 0 }),
            json!({ "generation": 9, "at": 0, "source": "admin", "author": "token ci",
                "outcome": "served", "live": true, "changes": 2 }),
        ];
        let expected = "\
GENERATION  TIME                  SOURCE  AUTHOR    OUTCOME       CHANGES
10          2024-12-31T23:59:59Z  file    -         refused       -
9           1970-01-01T00:00:00Z  admin   token ci  served, live  2
";
        assert_eq!(table(&records), expected);
    }

    #[test]
    fn one_is_told_with_its_differences_or_faults() {
        let served = json!({ "generation": 2, "at": 0, "source": "admin", "author": "loopback", "outcome": "served",
            "live": true, "components": { "release": "ab12" }, "changes": [
                { "path": "services.s.retries", "before": "5", "after": "1" },
                { "path": "services.t", "before": null, "after": "{ … }" },
                { "path": "services.u", "before": "{ … }", "after": null },
                { "path": "… and 3 more", "before": null, "after": null },
            ] });
        let expected = "\
generation 2: served, live, 1970-01-01T00:00:00Z, from source admin by loopback
- services.s.retries: 5 → 1
- services.t: added { … }
- services.u: removed { … }
- … and 3 more
plugin files, by SHA-256:
  ab12 release
";
        assert_eq!(details(&served), expected);
        let refused = json!({ "generation": 3, "at": 0, "source": "file", "author": null, "outcome": "refused",
            "live": false, "components": {}, "changes": [], "faults": ["gateway.toml:1: no\u{1b}\nhelp"] });
        let expected = "\
generation 3: refused, 1970-01-01T00:00:00Z, from source file
- gateway.toml:1: no\u{fffd}
  help
";
        assert_eq!(details(&refused), expected);
    }
}
