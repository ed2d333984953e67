//! One line per exchange. Workers write lines into buffers of their own and hand those to one thread, which writes them
//! to stdout or a file. No worker ever waits: when lines come faster than they are taken, they are dropped and counted.

use std::cell::RefCell;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use crate::limits;
use crate::observe::record::clock::Clock;
use crate::observe::record::{self, Paint, Record};

mod sink;
mod writer;

use sink::Sink;

/// Where lines go, and what they look like.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// Where lines go.
    pub target: Target,
    /// What they look like.
    pub format: Format,
}

/// Where lines go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Target {
    /// The standard output.
    Stdout,
    /// The end of this file, which is made (mode 0600) if there is none, and again after it was renamed or removed.
    File(PathBuf),
}

/// What a line looks like.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// A JSON object, for machines.
    Json,
    /// For people; coloured if they see it on a terminal.
    Text,
}

/// The control plane's side: the thread that writes. Dropping it, after the workers have ended, writes what was handed
/// over; it waits for that as long as [`limits::ACCESS_LOG_END`].
#[derive(Debug)]
pub struct AccessLog {
    style: Style,
    queue: SyncSender<Message>,
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

/// A worker's side. It flushes itself when dropped.
#[derive(Debug)]
pub struct Lines(Option<RefCell<Pending>>);

/// What the writer is told.
#[derive(Debug)]
enum Message {
    /// Write these.
    Batch(Batch),
    /// Look at what [`Shared`] asks for.
    Wake,
}

/// Whole lines.
#[derive(Debug)]
struct Batch {
    bytes: Vec<u8>,
    lines: u64,
    /// Where the buffer goes when it is written.
    back: SyncSender<Vec<u8>>,
}

/// What both sides see.
#[derive(Debug, Default)]
struct Shared {
    dropped: AtomicU64,
    queued_bytes: AtomicUsize,
    reopen: AtomicBool,
    closing: AtomicBool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Style {
    Json,
    Text(Paint),
}

impl AccessLog {
    /// Open the target and start writing to it.
    ///
    /// # Errors
    /// The file cannot be opened, or the system has no thread left.
    pub fn start(settings: Settings) -> io::Result<Self> {
        let sink = match settings.target {
            Target::Stdout => Sink::stdout()?,
            Target::File(path) => Sink::file(path)?,
        };
        let style = match settings.format {
            Format::Json => Style::Json,
            Format::Text if sink.is_terminal() => Style::Text(Paint::Coloured),
            Format::Text => Style::Text(Paint::Plain),
        };
        Self::write_to(sink, style)
    }

    fn write_to(sink: Sink, style: Style) -> io::Result<Self> {
        let (queue, batches) = sync_channel(limits::ACCESS_LOG_QUEUE_BATCHES);
        let shared = Arc::new(Shared::default());
        let writers = Arc::clone(&shared);
        let thread = std::thread::Builder::new()
            .name("access-log".to_owned())
            .spawn(move || writer::run(&batches, sink, &writers))?;
        Ok(Self { style, queue, shared, thread: Some(thread) })
    }

    /// For one worker.
    pub fn lines(&self) -> Lines {
        let (back, spare) = sync_channel(limits::ACCESS_LOG_SPARES);
        Lines(Some(RefCell::new(Pending {
            style: self.style,
            clock: Clock::default(),
            buffer: Vec::with_capacity(2 * limits::ACCESS_LOG_BATCH_BYTES),
            lines: 0,
            queue: self.queue.clone(),
            shared: Arc::clone(&self.shared),
            back,
            spare,
        })))
    }

    /// Lines that were lost since the start: nobody took them fast enough, or they could not be written.
    pub fn dropped(&self) -> u64 {
        self.shared.dropped.load(Ordering::Relaxed)
    }

    /// Close the file and open what is at its path now, without waiting for the next look. Nothing for stdout.
    pub fn reopen(&self) {
        self.shared.reopen.store(true, Ordering::Release);
        self.wake();
    }

    /// A full queue means that the writer is awake, and will look when it gets there.
    fn wake(&self) {
        let _ = self.queue.try_send(Message::Wake);
    }
}

impl Drop for AccessLog {
    fn drop(&mut self) {
        self.shared.closing.store(true, Ordering::Release);
        self.wake();
        let Some(thread) = self.thread.take() else { return };
        // There is no join with a deadline, and a stdout that nobody reads may hold the writer for ever.
        let deadline = Instant::now() + limits::ACCESS_LOG_END;
        while !thread.is_finished() && Instant::now() < deadline {
            std::thread::sleep(Duration::from_millis(1));
        }
        if !thread.is_finished() {
            tracing::warn!("the access log was not written to its end: nobody reads it");
        } else if thread.join().is_err() {
            tracing::error!("the access log's writer panicked");
        }
    }
}

impl Lines {
    /// No log: everything here does nothing.
    pub const fn off() -> Self {
        Self(None)
    }

    /// Whether anybody wants lines.
    pub const fn is_on(&self) -> bool {
        self.0.is_some()
    }

    /// Write the exchange's line. It is handed over with the next flush, or when enough have come together.
    pub fn push(&self, record: &Record<'_>) {
        // Nothing in here calls back, so nobody else has it borrowed.
        if let Some(Ok(mut pending)) = self.0.as_ref().map(RefCell::try_borrow_mut) {
            pending.push(record);
        }
    }

    /// Hand over what is there. To be called every [`limits::ACCESS_LOG_INTERVAL`].
    pub fn flush(&self) {
        if let Some(Ok(mut pending)) = self.0.as_ref().map(RefCell::try_borrow_mut) {
            pending.hand_over(WhenFull::Keep);
        }
    }
}

impl Drop for Lines {
    fn drop(&mut self) {
        if let Some(pending) = &mut self.0 {
            pending.get_mut().hand_over(WhenFull::Drop);
        }
    }
}

/// Lines that are not handed over yet.
#[derive(Debug)]
struct Pending {
    style: Style,
    clock: Clock,
    buffer: Vec<u8>,
    lines: u64,
    queue: SyncSender<Message>,
    shared: Arc<Shared>,
    back: SyncSender<Vec<u8>>,
    /// Buffers that came back.
    spare: Receiver<Vec<u8>>,
}

/// What becomes of lines for which the queue has no room.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum WhenFull {
    /// They may go with the next.
    Keep,
    /// They are counted.
    Drop,
}

impl Pending {
    fn push(&mut self, record: &Record<'_>) {
        match self.style {
            Style::Json => record::json(&mut self.buffer, &mut self.clock, record),
            Style::Text(paint) => record::text(&mut self.buffer, &mut self.clock, record, paint),
        }
        self.lines += 1;
        if self.buffer.len() >= limits::ACCESS_LOG_BATCH_BYTES {
            self.hand_over(WhenFull::Drop);
        }
    }

    fn hand_over(&mut self, when_full: WhenFull) {
        if self.lines == 0 {
            return;
        }
        let size = self.buffer.len();
        let before = self.shared.queued_bytes.fetch_add(size, Ordering::Relaxed);
        let refused = if before.saturating_add(size) > limits::ACCESS_LOG_QUEUE_BYTES {
            Some(WhenFull::Drop)
        } else {
            self.send()
        };
        if let Some(at_most) = refused {
            self.shared.queued_bytes.fetch_sub(size, Ordering::Relaxed);
            if when_full == WhenFull::Drop || at_most == WhenFull::Drop {
                self.shared.dropped.fetch_add(self.lines, Ordering::Relaxed);
                self.buffer.clear();
                self.lines = 0;
            }
        }
    }

    /// Put what is there into the queue. `Some`: it is still here, and this is the most that can be done for it.
    fn send(&mut self) -> Option<WhenFull> {
        let bytes = std::mem::take(&mut self.buffer);
        let batch = Batch { bytes, lines: self.lines, back: self.back.clone() };
        let (refused, at_most) = match self.queue.try_send(Message::Batch(batch)) {
            Ok(()) => {
                let fresh = || Vec::with_capacity(2 * limits::ACCESS_LOG_BATCH_BYTES);
                self.buffer = self.spare.try_recv().unwrap_or_else(|_| fresh());
                self.lines = 0;
                return None;
            }
            Err(TrySendError::Full(refused)) => (refused, WhenFull::Keep),
            Err(TrySendError::Disconnected(refused)) => (refused, WhenFull::Drop),
        };
        if let Message::Batch(batch) = refused {
            self.buffer = batch.bytes;
        }
        Some(at_most)
    }
}

#[cfg(test)]
mod tests;
