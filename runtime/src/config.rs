//! gateway.toml, in stages: text -> document -> checked [`Config`], all faults at once. What needs the plugins
//! themselves is checked by `snapshot`, which takes the same [`Faults`] further.

pub mod checked;
pub mod faults;
pub(crate) mod file;
mod plugin_use;
mod read;
pub mod reader;
pub(crate) mod secret;
pub mod store;
pub mod values;

use std::path::Path;

use toml::de::DeTable;

pub use checked::Config;
pub use faults::{Faults, Report};
pub(crate) use read::{NamelessSink, own_sink};

use crate::limits;

/// Read and check the file at `path`, as [`parse`] does.
///
/// # Errors
/// The file cannot be read or is no TOML at all.
pub fn load(path: &Path) -> Result<(Config, Faults), Report> {
    parse(path, &read_text(path)?)
}

/// Check `text`, which the file at `path` has, or is to have.
///
/// `Ok` may come with faults noted: the configuration is then only good for finding more of them.
///
/// # Errors
/// It is no TOML at all.
pub fn parse(path: &Path, text: &str) -> Result<(Config, Faults), Report> {
    let faults = Faults::new(path, text);
    let (document, errors) = DeTable::parse_recoverable(text);
    for error in &errors {
        let span = error.span().unwrap_or(0..0);
        faults.at(&span, format!("not TOML: {}", error.message()));
    }
    if !faults.is_empty() {
        faults.conceal_strings();
        // What a broken document seems to say is no ground for further complaints.
        return Err(faults.into_report());
    }
    let folder = path.parent().unwrap_or(Path::new(""));
    let config = read::config(&document, folder, &faults);
    Ok((config, faults))
}

/// What the file at `path` says.
///
/// # Errors
/// It cannot be read, or is no text.
pub fn read_text(path: &Path) -> Result<String, Report> {
    let refuse = |message: String, help: &str| {
        let faults = Faults::new(path, "");
        faults.whole(message, help);
        Err(faults.into_report())
    };
    match file::read(path, limits::CONFIG_BYTES).map(String::from_utf8) {
        Ok(Ok(text)) => Ok(text),
        Ok(Err(error)) => {
            let line =
                1 + error.as_bytes().iter().take(error.utf8_error().valid_up_to()).filter(|b| **b == b'\n').count();
            refuse(format!("line {line} is not UTF-8"), "TOML is UTF-8 text: save the file as that")
        }
        Err(problem) => refuse(
            format!("the configuration {problem}"),
            "name it: `tidegate run --config FILE`, `tidegate check FILE`; without a name it is ./gateway.toml",
        ),
    }
}

#[cfg(test)]
mod tests;
