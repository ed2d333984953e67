//! Files that are appended to, and that others rename away or remove while they are open (log rotation).

use std::fs::{File, Metadata, OpenOptions};
use std::io::{self, ErrorKind};
use std::os::unix::fs::FileTypeExt as _;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::Path;

/// Open the file at `path` to append to it; it is made (mode 0600) if there is none.
pub(super) fn append(path: &Path) -> io::Result<File> {
    // Opening a pipe waits until somebody reads it.
    if std::fs::metadata(path).is_ok_and(|found| found.file_type().is_fifo() || found.file_type().is_socket()) {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "it is a pipe or a socket, and a file is needed"));
    }
    OpenOptions::new().append(true).create(true).mode(0o600).open(path)
}

/// Whether `path` leads to another file than `open`, or to none.
pub(super) fn is_elsewhere(path: &Path, open: &File) -> bool {
    let identity = |file: Metadata| (file.dev(), file.ino());
    match (std::fs::metadata(path).map(identity), open.metadata().map(identity)) {
        (Ok(there), Ok(open)) => there != open,
        (Err(error), _) => error.kind() == ErrorKind::NotFound,
        (_, Err(_)) => false,
    }
}
