//! Where lines end up: a file that may be rotated under our hands, or a standard output that may be gone, full or slow.
//! Only the writer's thread is here.

use std::fs::File;
use std::io::{self, ErrorKind, IsTerminal, Write};
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use crate::limits;
use crate::observe::appended::{append, is_elsewhere};

/// How long a target that takes nothing for now is left alone before it is asked again.
const PAUSE: Duration = Duration::from_millis(5);

/// An open target.
#[derive(Debug)]
pub(super) struct Sink {
    file: File,
    /// `None`: there is nothing to open again.
    path: Option<PathBuf>,
    looked: Instant,
    line: Line,
    health: Health,
}

/// How the last write ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Line {
    Whole,
    /// In the middle of a line, which the next must not go on with.
    Torn,
}

/// Whether the operator knows about trouble already.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Health {
    Good,
    Reported,
}

impl Sink {
    /// The standard output, past the buffer that the standard library keeps before it.
    pub(super) fn stdout() -> io::Result<Self> {
        Ok(Self::open(File::from(io::stdout().as_fd().try_clone_to_owned()?), None))
    }

    /// The end of the file at `path`.
    pub(super) fn file(path: PathBuf) -> io::Result<Self> {
        Ok(Self::open(append(&path)?, Some(path)))
    }

    /// `file` as it is.
    pub(super) fn open(file: File, path: Option<PathBuf>) -> Self {
        Self { file, path, looked: Instant::now(), line: Line::Whole, health: Health::Good }
    }

    pub(super) fn is_terminal(&self) -> bool {
        self.file.is_terminal()
    }

    /// Open what is at the path now. The old file stays if that fails.
    pub(super) fn reopen(&mut self) {
        let Some(path) = &self.path else { return };
        self.looked = Instant::now();
        match append(path) {
            Ok(file) => {
                self.file = file;
                self.line = Line::Whole;
            }
            Err(error) => self.report("cannot be opened again", &error),
        }
    }

    /// Write whole lines; whether they are written.
    pub(super) fn write(&mut self, lines: &[u8]) -> bool {
        if self.looked.elapsed() >= limits::ACCESS_LOG_FILE_CHECK && self.is_elsewhere() {
            self.reopen();
        }
        let ended = match self.line {
            Line::Whole => Ok(()),
            Line::Torn => self.write_all(b"\n"),
        };
        match ended.and_then(|()| self.write_all(lines)) {
            Ok(()) => {
                self.health = Health::Good;
                true
            }
            Err(error) => {
                self.report("cannot be written, lines are lost", &error);
                false
            }
        }
    }

    /// Whether the path leads to another file than the one that is open, or to none.
    fn is_elsewhere(&mut self) -> bool {
        self.looked = Instant::now();
        self.path.as_ref().is_some_and(|path| is_elsewhere(path, &self.file))
    }

    fn write_all(&mut self, mut bytes: &[u8]) -> io::Result<()> {
        let mut stalled: Option<Instant> = None;
        while !bytes.is_empty() {
            match self.file.write(bytes) {
                Ok(0) => return Err(ErrorKind::WriteZero.into()),
                Ok(written) => {
                    let (done, rest) = bytes.split_at_checked(written).unwrap_or((bytes, &[]));
                    self.line = if done.ends_with(b"\n") { Line::Whole } else { Line::Torn };
                    bytes = rest;
                    stalled = None;
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                // Whoever shares this terminal or pipe with us may have made it non-blocking.
                Err(error) if error.kind() == ErrorKind::WouldBlock => {
                    if stalled.get_or_insert_with(Instant::now).elapsed() >= limits::ACCESS_LOG_STALL {
                        return Err(error);
                    }
                    std::thread::sleep(PAUSE);
                }
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// Say it once, until lines are written again.
    fn report(&mut self, what: &'static str, error: &io::Error) {
        if self.health == Health::Good {
            self.health = Health::Reported;
            let target = self.path.as_deref().unwrap_or(Path::new("stdout")).display();
            tracing::error!(%target, %error, "the access log {what}");
        }
    }
}
