//! The thread that writes: takes batches in turn, gives their buffers back, and is the only one that waits for the disk
//! or for whoever reads.

use std::sync::atomic::Ordering;
use std::sync::mpsc::Receiver;

use super::sink::Sink;
use super::{Batch, Message, Shared};
use crate::limits;

/// Write what comes, until the log is closed and everything is written, or nobody is left to send anything.
pub(super) fn run(messages: &Receiver<Message>, mut sink: Sink, shared: &Shared) {
    loop {
        let closing = shared.closing.load(Ordering::Acquire);
        // Once closing, what is there is all that comes.
        let message = if closing { messages.try_recv().ok() } else { messages.recv().ok() };
        if shared.reopen.swap(false, Ordering::AcqRel) {
            sink.reopen();
        }
        match message {
            None => return,
            Some(Message::Wake) => {}
            Some(Message::Batch(batch)) => write(batch, &mut sink, shared),
        }
    }
}

fn write(mut batch: Batch, sink: &mut Sink, shared: &Shared) {
    if !sink.write(&batch.bytes) {
        shared.dropped.fetch_add(batch.lines, Ordering::Relaxed);
    }
    shared.queued_bytes.fetch_sub(batch.bytes.len(), Ordering::Relaxed);
    // One that grew for the sake of some giant line is not kept.
    if batch.bytes.capacity() <= 4 * limits::ACCESS_LOG_BATCH_BYTES {
        batch.bytes.clear();
        // A worker that has spares enough, or is gone, needs no more.
        let _ = batch.back.try_send(batch.bytes);
    }
}
