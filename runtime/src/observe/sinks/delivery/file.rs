//! To the end of a file, which may be rotated under our hands. Writing is done on the control plane's blocking threads:
//! a slow disk holds up its own sink and nobody else.

use std::io::{self, ErrorKind, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;
use tokio::task::spawn_blocking;

use super::{Event, Failure};
use crate::config::checked::{FileSink, Framing, LookedFor};
use crate::limits;
use crate::observe::appended::{append, is_elsewhere};
use crate::observe::metrics::SinkMetrics;
use crate::observe::sinks::batch::Batch;
use crate::observe::sinks::orders::Orders;

pub(in crate::observe::sinks) struct File {
    path: PathBuf,
    looked_for: LookedFor,
    framing: Framing,
    orders: Arc<Orders>,
    metrics: Arc<SinkMetrics>,
    open: Option<Open>,
}

/// An open file, and how far the batch got that is being written.
struct Open {
    file: std::fs::File,
    looked: Instant,
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
    pub(super) fn new(to: FileSink, framing: Framing, orders: Arc<Orders>, metrics: Arc<SinkMetrics>) -> Self {
        let FileSink { path, looked_for } = to;
        Self { path, looked_for, framing, orders, metrics, open: None }
    }

    pub(super) async fn deliver(&mut self, batch: &Batch) -> Result<(), Failure> {
        if self.orders.must_reopen() {
            self.open = None;
        }
        let (path, body, open) = (self.path.clone(), batch.body().clone(), self.open.take());
        let looked_for = self.looked_for;
        match spawn_blocking(move || write(&path, looked_for, &body, open)).await {
            Ok((open, Ok(()))) => {
                self.open = open;
                batch.delivered(&self.metrics);
                Ok(())
            }
            Ok((open, Err(error))) => {
                self.open = open;
                Err(Failure::again(format!("{}: {error}", self.path.display())))
            }
            Err(error) => Err(Failure::again(format!("{}: {error}", self.path.display()))),
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
fn write(path: &Path, looked_for: LookedFor, body: &Bytes, open: Option<Open>) -> (Option<Open>, io::Result<()>) {
    let stays = |open: &mut Open| {
        let due = looked_for == LookedFor::EachTime || open.looked.elapsed() >= limits::ACCESS_LOG_FILE_CHECK;
        if due {
            open.looked = Instant::now();
        }
        !due || !is_elsewhere(path, &open.file)
    };
    // A batch that began in another file is written here as a whole.
    let mut open = match open.and_then(|mut open| stays(&mut open).then_some(open)) {
        Some(open) => open,
        None => match append(path) {
            Ok(file) => Open { file, looked: Instant::now(), written: 0, line: Line::Whole },
            Err(error) => return (None, Err(error)),
        },
    };
    let written = open.write(body);
    (Some(open), written)
}

impl Open {
    fn write(&mut self, body: &[u8]) -> io::Result<()> {
        if self.line == Line::Torn {
            self.file.write_all(b"\n")?;
            self.line = Line::Whole;
        }
        while let Some(rest) = body.get(self.written..).filter(|rest| !rest.is_empty()) {
            match self.file.write(rest) {
                Ok(0) => return Err(ErrorKind::WriteZero.into()),
                Ok(written) => self.written += written,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        self.written = 0;
        Ok(())
    }
}
