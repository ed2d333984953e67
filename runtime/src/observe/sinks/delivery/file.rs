//! To the end of a file, which is rotated by us or under our hands. Writing is done on the control plane's blocking
//! threads: a slow disk holds up its own sink and nobody else.

use std::io::{self, ErrorKind, Write};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;
use tokio::task::spawn_blocking;

use super::{Event, Failure};
use crate::config::checked::{FileSink, Framing, LookedFor, Rotate};
use crate::limits;
use crate::observe::appended::{append, is_elsewhere};
use crate::observe::metrics::SinkMetrics;
use crate::observe::sinks::batch::Batch;
use crate::observe::sinks::orders::Orders;

pub(in crate::observe::sinks) struct File {
    to: FileSink,
    framing: Framing,
    orders: Arc<Orders>,
    metrics: Arc<SinkMetrics>,
    open: Option<Open>,
}

/// An open file, and how far the batch got that is being written.
struct Open {
    file: std::fs::File,
    looked: Instant,
    /// Bytes in it.
    size: u64,
    written: usize,
    line: Line,
}

/// How the last write ended.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Line {
    Whole,
    /// In the middle of a record that was given up: the next must not go on with it.
    Torn,
}

impl File {
    pub(super) const fn new(to: FileSink, framing: Framing, orders: Arc<Orders>, metrics: Arc<SinkMetrics>) -> Self {
        Self { to, framing, orders, metrics, open: None }
    }

    pub(super) async fn deliver(&mut self, batch: &Batch) -> Result<(), Failure> {
        if self.orders.must_reopen() {
            self.open = None;
        }
        let (to, framing, body, open) = (self.to.clone(), self.framing, batch.body().clone(), self.open.take());
        match spawn_blocking(move || write(&to, framing, &body, open)).await {
            Ok((open, Ok(()))) => {
                self.open = open;
                batch.delivered(&self.metrics);
                Ok(())
            }
            Ok((open, Err(error))) => {
                self.open = open;
                Err(Failure::again(format!("{}: {error}", self.to.path.display())))
            }
            Err(error) => Err(Failure::again(format!("{}: {error}", self.to.path.display()))),
        }
    }

    /// Lets go of the file as soon as it is to be opened again: whoever rotates it may wait for that.
    pub(super) async fn watch(&mut self) -> Event {
        loop {
            self.orders.reopening().await;
            self.open = None;
        }
    }

    /// The rest of the batch will not be written.
    pub(super) fn give_up(&mut self) {
        if let Some(open) = self.open.as_mut().filter(|open| open.written > 0) {
            open.written = 0;
            open.line = if self.framing == Framing::Newline { Line::Torn } else { Line::Whole };
        }
    }
}

/// Write what is missing of `body`; the file is good for the next attempt, which goes on where this one ended.
fn write(to: &FileSink, framing: Framing, body: &Bytes, open: Option<Open>) -> (Option<Open>, io::Result<()>) {
    let stays = |open: &mut Open| {
        let due = to.looked_for == LookedFor::EachTime || open.looked.elapsed() >= limits::ACCESS_LOG_FILE_CHECK;
        if due {
            open.looked = Instant::now();
        }
        !due || !is_elsewhere(&to.path, &open.file)
    };
    // A batch that began in another file is written here as a whole.
    let open = open.and_then(|mut open| stays(&mut open).then_some(open));
    let mut open = match open.map_or_else(|| Open::at(&to.path, framing), Ok) {
        Ok(open) => open,
        Err(error) => return (None, Err(error)),
    };
    if let Some(rotate) = &to.rotate
        && open.is_full(body, rotate)
    {
        match shift(&to.path, rotate.keep).and_then(|()| Open::at(&to.path, framing)) {
            Ok(next) => open = next,
            Err(error) => return (Some(open), Err(error)),
        }
    }
    let written = open.write(body);
    (Some(open), written)
}

/// `path` becomes `path.1`, that becomes `path.2`, and so on; what would be more than `keep` is overwritten.
fn shift(path: &Path, keep: u32) -> io::Result<()> {
    let numbered = |number: u32| {
        let mut name = path.as_os_str().to_owned();
        name.push(format!(".{number}"));
        PathBuf::from(name)
    };
    for number in (1..keep).rev() {
        match std::fs::rename(numbered(number), numbered(number + 1)) {
            Err(error) if error.kind() != ErrorKind::NotFound => return Err(error),
            _ => {}
        }
    }
    std::fs::rename(path, numbered(1))
}

impl Open {
    fn at(path: &Path, framing: Framing) -> io::Result<Self> {
        let file = append(path)?;
        let size = file.metadata()?.len();
        // Whoever wrote here before may have been killed in the middle of a record.
        let whole = framing == Framing::None || ends_with_newline(path, size);
        let line = if whole { Line::Whole } else { Line::Torn };
        Ok(Self { file, looked: Instant::now(), size, written: 0, line })
    }

    /// Whether a batch that has not begun would make this too large.
    fn is_full(&self, body: &[u8], rotate: &Rotate) -> bool {
        self.written == 0 && self.size > 0 && self.size.saturating_add(body.len() as u64) > rotate.bytes
    }

    fn write(&mut self, body: &[u8]) -> io::Result<()> {
        if self.line == Line::Torn {
            self.file.write_all(b"\n")?;
            self.size += 1;
            self.line = Line::Whole;
        }
        while let Some(rest) = body.get(self.written..).filter(|rest| !rest.is_empty()) {
            match self.file.write(rest) {
                Ok(0) => return Err(ErrorKind::WriteZero.into()),
                Ok(written) => {
                    self.written += written;
                    self.size += written as u64;
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        self.written = 0;
        Ok(())
    }
}

/// Also if it is empty, or cannot be read.
fn ends_with_newline(path: &Path, size: u64) -> bool {
    let mut last = [b'\n'];
    if let (Some(at), Ok(file)) = (size.checked_sub(1), std::fs::File::open(path)) {
        // What is not read stays as it is.
        let _ = file.read_exact_at(&mut last, at);
    }
    last == *b"\n"
}
