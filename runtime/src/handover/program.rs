//! The executable that takes over: whatever is then at the path that this process was started by.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Command;

/// How this process was started.
#[derive(Debug)]
pub(crate) struct Program {
    path: Option<PathBuf>,
    arguments: Vec<OsString>,
}

impl Program {
    /// As long as nobody has put another executable in its place.
    pub(crate) fn of_this_process() -> Self {
        let mut arguments = std::env::args_os();
        let path = arguments.next().and_then(|name| find(Path::new(&name)));
        Self { path: path.or_else(|| std::env::current_exe().ok()), arguments: arguments.collect() }
    }

    /// Where it is.
    pub(crate) fn path(&self) -> Option<&Path> {
        self.path.as_deref()
    }

    /// The same once more. `None`: nobody knows where it is.
    pub(crate) fn command(&self) -> Option<Command> {
        let mut command = Command::new(self.path()?);
        command.args(&self.arguments);
        Some(command)
    }
}

/// The path that a program was started by, as given, or found as the shell finds it. It stays what it is when a symbolic
/// link in it comes to lead to another version.
fn find(name: &Path) -> Option<PathBuf> {
    if name.components().count() > 1 || name.is_absolute() {
        return std::path::absolute(name).ok();
    }
    let folders = std::env::var_os("PATH")?;
    std::env::split_paths(&folders).map(|folder| folder.join(name)).find(|path| path.is_file())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_where_it_was_started_from() {
        let here = std::env::current_dir().unwrap();
        assert_eq!(find(Path::new("./a/tidegate")), Some(here.join("a/tidegate")));
        assert_eq!(find(Path::new("/opt/current/tidegate")), Some("/opt/current/tidegate".into()));
        assert!(find(Path::new("sh")).unwrap().ends_with("sh"));
        assert_eq!(find(Path::new("no-such-program-anywhere")), None);
    }
}
