//! `tidegate import`: a file of Kong's becomes a gateway.toml that passes `tidegate check`, and what could not be carried
//! over is told, one line each. What is at fault is left out, as little of it as does no harm, until nothing is.

use std::io::{ErrorKind, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use toml_edit::DocumentMut;

use crate::config::{self, Report};
use crate::entities::Kind;
use crate::entities::declarative::{self, Blame, Loaded, Mode};
use crate::gateway::{Checked, check_text};
use crate::limits;
use crate::proposal::Place;

/// The arguments of the command.
#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// Kong's declarative configuration: YAML or JSON, as `kong config db_export` and `deck gateway dump` write it.
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// What to write. It must not be there yet, or be empty.
    #[arg(long, value_name = "FILE", default_value = "gateway.toml")]
    to: PathBuf,
    /// Write nothing if anything could not be carried over.
    #[arg(long)]
    strict: bool,
}

/// Where Kong listens.
const BEGINNING: &str = "listeners = [{ address = \"0.0.0.0:8000\" }]\n";

/// # Errors
/// Nothing was written, and why.
pub fn run(arguments: &Arguments) -> anyhow::Result<()> {
    let Arguments { file, to, strict } = arguments;
    if std::fs::metadata(to).is_ok_and(|there| there.len() > 0) {
        bail!("{} is there already: name another one with --to, or move it away", to.display());
    }
    let text = config::file::read(file, limits::ADMIN_BODY_BYTES as u64).map_err(anyhow::Error::msg);
    let text = text.and_then(|bytes| Ok(String::from_utf8(bytes)?)).with_context(|| file.display().to_string())?;
    let said = declarative::read(&text).map_err(anyhow::Error::msg);
    let said = said.with_context(|| format!("{} is no declarative configuration", file.display()))?;
    let mut document: DocumentMut = BEGINNING.parse()?;
    let loaded = declarative::load(&mut document, &said, Mode::Lenient);
    let mut told: Vec<String> = loaded.problems.iter().flat_map(declarative::Problem::lines).collect();
    let (text, checked) = settle(document, to, &loaded, &mut told)?;
    let mut stderr = std::io::stderr().lock();
    for line in &told {
        writeln!(stderr, "{line}")?;
    }
    if *strict && !told.is_empty() {
        bail!("nothing was written: {} could not be carried over", things(told.len()));
    }
    write(to, &text).with_context(|| format!("cannot write {}", to.display()))?;
    let left_out =
        if told.is_empty() { String::new() } else { format!("; {} could not be carried over", things(told.len())) };
    let Checked { routes, services, plugin_uses, .. } = checked;
    writeln!(stderr, "{}: {routes} routes, {services} services, {plugin_uses} plugin uses{left_out}", to.display())?;
    Ok(())
}

/// Leave out what is at fault until nothing is.
fn settle(
    mut document: DocumentMut,
    path: &Path,
    loaded: &Loaded,
    told: &mut Vec<String>,
) -> anyhow::Result<(String, Checked)> {
    for _ in 0..limits::IMPORT_ROUNDS {
        let text = document.to_string();
        let error = match check_text(path, &text) {
            Ok(checked) => return Ok((text, checked)),
            Err(error) => error,
        };
        let report = error.downcast::<Report>()?;
        let mut blamed = declarative::blame(&report, &text, &loaded.made);
        blamed.retain(|blame| blame.at.is_some());
        if blamed.is_empty() {
            return Err(report.into());
        }
        // From the end, so that none moves before its turn; what is left out as a whole comes after what is left out of it.
        blamed.sort_by_key(|blame| {
            std::cmp::Reverse(blame.at.as_ref().map(|(_, place, _)| declarative::positions(place)))
        });
        told.extend(blamed.iter().rev().flat_map(|blame| blame.problem.lines()));
        let mut gone: Vec<(Place, Vec<String>)> = Vec::new();
        for Blame { at, .. } in blamed {
            let Some((kind, place, path)) = at else { continue };
            // Several faults may be of what one of them has taken out.
            if gone.iter().any(|(of, without)| *of == place && path.starts_with(without)) {
                continue;
            }
            if may_go_alone(kind, &path) && declarative::leave_out_key(&mut document, &place, &path) {
                gone.push((place, path));
            } else {
                declarative::leave_out(&mut document, &place);
                gone.push((place, Vec::new()));
            }
        }
    }
    bail!("there is no end of faults in what this comes to")
}

/// Whether it is enough to leave out what `path` leads to.
fn may_go_alone(kind: Kind, path: &[String]) -> bool {
    match (kind, path) {
        (Kind::Plugin, [first, _, ..]) => first == "config",
        (Kind::Service | Kind::Upstream, [first, ..]) => {
            !["url", "name", "targets", "routes", "id"].contains(&first.as_str())
        }
        _ => false,
    }
}

/// For nobody else to read: there may be secrets in it.
fn write(path: &Path, text: &str) -> std::io::Result<()> {
    let open = |options: &mut std::fs::OpenOptions| options.write(true).mode(0o600).open(path);
    let mut file = match open(std::fs::OpenOptions::new().create_new(true)) {
        // It is empty, or was a moment ago.
        Err(error) if error.kind() == ErrorKind::AlreadyExists => open(&mut std::fs::OpenOptions::new())?,
        opened => opened?,
    };
    file.write_all(text.as_bytes())?;
    file.sync_all()
}

fn things(count: usize) -> String {
    if count == 1 { "1 thing".to_owned() } else { format!("{count} things") }
}
