//! gateway.toml, in stages: text -> document -> checked [`Config`], all faults at once. What needs the plugins
//! themselves is checked by `snapshot`, which takes the same [`Faults`] further.

pub mod checked;
pub mod faults;
mod plugin_use;
mod read;
pub mod reader;
mod secret;
pub mod values;

use std::path::Path;

use toml::de::DeTable;

pub use checked::Config;
pub use faults::{Faults, Report};

use crate::limits;

/// Read and check the file at `path`.
///
/// `Ok` may come with faults noted: the configuration is then only good for finding more of them.
///
/// # Errors
/// The file cannot be read or is no TOML at all.
pub fn load(path: &Path) -> Result<(Config, Faults), Report> {
    let text = read_text(path)?;
    let faults = Faults::new(path, &text);
    let (document, errors) = DeTable::parse_recoverable(&text);
    for error in &errors {
        let span = error.span().unwrap_or(0..0);
        faults.at(&span, format!("not TOML: {}", error.message()));
    }
    if !faults.is_empty() {
        // What a broken document seems to say is no ground for further complaints.
        return Err(faults.into_report());
    }
    let folder = path.parent().unwrap_or(Path::new(""));
    let config = read::config(&document, folder, &faults);
    Ok((config, faults))
}

fn read_text(path: &Path) -> Result<String, Report> {
    let refuse = |message: String, help: &str| {
        let faults = Faults::new(path, "");
        faults.whole(message, help);
        Err(faults.into_report())
    };
    match std::fs::metadata(path) {
        Ok(file) if file.len() > limits::CONFIG_BYTES => {
            return refuse(
                format!("the file has {} bytes, more than {}", file.len(), limits::CONFIG_BYTES),
                "is this the right file?",
            );
        }
        _ => {}
    }
    match std::fs::read(path) {
        Err(error) => refuse(format!("cannot be read: {error}"), "name the file with --config FILE"),
        Ok(bytes) => match String::from_utf8(bytes) {
            Ok(text) => Ok(text),
            Err(error) => refuse(
                format!("byte {} is not UTF-8", error.utf8_error().valid_up_to()),
                "TOML is UTF-8 text: save the file as that",
            ),
        },
    }
}

#[cfg(test)]
mod tests;
