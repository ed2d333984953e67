//! What hyper reads a target's HTTP/2 from and writes it to. Remembers how what came began, which tells TLS from HTTP, and
//! how much it was; and goes on reading when nothing more can be written, since a target that takes nothing more may have
//! said why.

use std::io::{self, ErrorKind, IoSlice};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::stream::Stream;
use crate::tls::fault::OurCertificate;

/// What came over a connection. Written by its own thread only; atomic because hyper wants a stream that can be sent
/// along with an upgrade.
#[derive(Clone)]
pub(super) struct Seen(Arc<Counters>);

struct Counters {
    read: AtomicU64,
    /// The first eight bytes.
    first: AtomicU64,
    /// Over TLS 1.3, what the target thinks of ours comes with its first answer.
    certificate: OurCertificate,
}

impl Seen {
    /// Bytes that came.
    pub(super) fn read(&self) -> u64 {
        self.0.read.load(Ordering::Relaxed)
    }

    /// What the target asked for in its TLS handshake, if there was one.
    pub(super) fn certificate(&self) -> OurCertificate {
        self.0.certificate
    }

    /// The first bytes that came, up to eight.
    pub(super) fn first(&self) -> Vec<u8> {
        let length = self.read().min(8) as usize;
        self.0.first.load(Ordering::Relaxed).to_be_bytes().into_iter().take(length).collect()
    }

    fn note(&self, bytes: &[u8]) {
        let before = self.0.read.load(Ordering::Relaxed);
        if before < 8 {
            let mut first = self.0.first.load(Ordering::Relaxed).to_be_bytes();
            for (slot, byte) in first.iter_mut().skip(before as usize).zip(bytes) {
                *slot = *byte;
            }
            self.0.first.store(u64::from_be_bytes(first), Ordering::Relaxed);
        }
        self.0.read.store(before + bytes.len() as u64, Ordering::Relaxed);
    }
}

/// A stream to a target.
pub(super) struct Wire {
    stream: Stream,
    seen: Seen,
    /// The target takes nothing any more, for this reason.
    deaf: Option<ErrorKind>,
}

impl Wire {
    pub(super) fn new(stream: Stream, certificate: OurCertificate) -> (Self, Seen) {
        let seen = Seen(Arc::new(Counters { read: AtomicU64::new(0), first: AtomicU64::new(0), certificate }));
        (Self { stream, seen: seen.clone(), deaf: None }, seen)
    }

    /// Nothing is lost by not writing on: whatever ends the reading ends the connection.
    fn heard(&mut self, written: Poll<io::Result<usize>>) -> Poll<io::Result<usize>> {
        match written {
            Poll::Ready(Err(error)) if matches!(error.kind(), ErrorKind::BrokenPipe | ErrorKind::ConnectionReset) => {
                self.deaf = Some(error.kind());
                Poll::Pending
            }
            other => other,
        }
    }
}

impl AsyncRead for Wire {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let before = buffer.filled().len();
        let read = Pin::new(&mut this.stream).poll_read(cx, buffer);
        if let Poll::Ready(Ok(())) = &read {
            if buffer.filled().len() == before && this.deaf == Some(ErrorKind::ConnectionReset) {
                // The kernel tells of a reset once, and the write was told.
                return Poll::Ready(Err(ErrorKind::ConnectionReset.into()));
            }
            this.seen.note(buffer.filled().get(before..).unwrap_or_default());
        }
        read
    }
}

impl AsyncWrite for Wire {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        if this.deaf.is_some() {
            return Poll::Pending;
        }
        let written = Pin::new(&mut this.stream).poll_write(cx, bytes);
        this.heard(written)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        if this.deaf.is_some() {
            return Poll::Pending;
        }
        let written = Pin::new(&mut this.stream).poll_write_vectored(cx, slices);
        this.heard(written)
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_shutdown(cx)
    }
}
