//! Case files: what is asked of a plugin and what is to come of it, in TOML. The SDK runs them natively, `tidegate plugin
//! test` on the real host; both read them, and judge what they have seen, by this crate alone.
//!
//! ```
//! let text = r#"
//! config = { header = "x-tenant" }
//!
//! [[case]]
//! name = "a request of no tenant goes no further"
//! request = { path = "/orders" }
//! expect.reply = { status = 401, body = "missing required header" }
//!
//! [[case]]
//! name = "a tenant's request goes on as it came"
//! request = { path = "/orders?page=2", headers = { x-tenant = "t1" } }
//! expect.upstream = { path = "/orders?page=2", headers = { x-tenant = "t1", x-refused = false } }
//! "#;
//! let cases = tidegate_cases::parse(text)?;
//! assert_eq!(cases[1].request.target.as_str(), "/orders?page=2");
//! # Ok::<(), String>(())
//! ```

mod case;
mod judge;
mod values;

use std::fs;
use std::path::{Path, PathBuf};

use thiserror::Error;

pub use case::{Answer, Case, Certificate, Counters, Credential, Expect, ExpectedRequest, ExpectedResponse, Request};
pub use judge::{Mismatch, Seen, SeenRequest, SeenResponse};
pub use values::{Body, Fields, Method, Presence, Status, Target};

/// Why there are no cases to run.
#[derive(Debug, Error)]
pub enum Error {
    /// The file, or the folder, cannot be read.
    #[error("{path} cannot be read: {problem}", path = .path.display())]
    Unreadable {
        /// Which one.
        path: PathBuf,
        /// What the system says.
        problem: std::io::Error,
    },
    /// It is no case file: the message has the line.
    #[error("{path}: {problem}", path = .path.display())]
    Broken {
        /// Which one.
        path: PathBuf,
        /// What is wrong with it, and where.
        problem: String,
    },
    /// A folder without a single case file.
    #[error("{path} has no case file: *.toml", path = .path.display())]
    Empty {
        /// Which one.
        path: PathBuf,
    },
}

/// The cases at `path`: those of a file, or of all `*.toml` of a folder, in the order of their names.
///
/// # Errors
/// It cannot be read, or has no cases.
pub fn load(path: &Path) -> Result<Vec<(PathBuf, Vec<Case>)>, Error> {
    let files = if path.is_dir() { files(path)? } else { vec![path.to_owned()] };
    if files.is_empty() {
        return Err(Error::Empty { path: path.to_owned() });
    }
    let load = |path: PathBuf| {
        let text = fs::read_to_string(&path).map_err(|problem| Error::Unreadable { path: path.clone(), problem })?;
        match parse(&text) {
            Ok(cases) => Ok((path, cases)),
            Err(problem) => Err(Error::Broken { path, problem }),
        }
    };
    files.into_iter().map(load).collect()
}

/// The cases in the text of one file.
///
/// # Errors
/// What is wrong with it, with its line.
pub fn parse(text: &str) -> Result<Vec<Case>, String> {
    let file: case::File = toml::from_str(text).map_err(|error| error.to_string().trim_end().to_owned())?;
    file.into_cases()
}

fn files(folder: &Path) -> Result<Vec<PathBuf>, Error> {
    let unreadable = |problem| Error::Unreadable { path: folder.to_owned(), problem };
    let entries = fs::read_dir(folder).map_err(unreadable)?;
    let paths: Result<Vec<PathBuf>, _> = entries.map(|entry| entry.map(|entry| entry.path())).collect();
    let mut files = paths.map_err(unreadable)?;
    files.retain(|path| path.extension().is_some_and(|extension| extension == "toml"));
    files.sort();
    Ok(files)
}

#[cfg(test)]
mod tests;
