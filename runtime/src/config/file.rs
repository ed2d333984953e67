//! Reads the files a configuration consists of, none of which may hang the gateway or exhaust its memory.

use std::fs::File;
use std::io::Read;
use std::path::Path;

/// The content of the regular file at `path`, if it has no more than `limit` bytes.
///
/// # Errors
/// What is wrong with it, as the rest of a sentence that began with its name.
pub(crate) fn read(path: &Path, limit: u64) -> Result<Vec<u8>, String> {
    let unreadable = |error: std::io::Error| format!("cannot be read: {error}");
    // Asked before it is opened: opening a pipe waits for somebody to write to it.
    if !std::fs::metadata(path).map_err(unreadable)?.is_file() {
        return Err("is not a file".to_owned());
    }
    let mut bytes = Vec::new();
    // One byte more than allowed tells too long a file, however long it says it is.
    File::open(path).and_then(|file| file.take(limit + 1).read_to_end(&mut bytes)).map_err(unreadable)?;
    if bytes.len() as u64 > limit {
        return Err(format!("has more than the {limit} bytes it may have"));
    }
    Ok(bytes)
}
