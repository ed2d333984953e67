//! A byte stream, whatever it runs over: TCP or a unix socket, in the clear or over TLS, from a client or to a target.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::{Buf, Bytes};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpStream, UnixStream};
use tokio_rustls::{client, server};

/// Bytes that are gathered here rather than by the kernel.
const GATHERED: usize = 1024;

/// What the kernel gives.
pub(super) enum Socket {
    Tcp(TcpStream),
    Unix(UnixStream),
}

/// A socket of which something has been read already.
pub(super) struct Prefixed {
    ahead: Bytes,
    socket: Socket,
}

/// What HTTP is spoken over.
pub(super) enum Stream {
    Plain(Prefixed),
    FromClient(Box<server::TlsStream<Prefixed>>),
    ToTarget(Box<client::TlsStream<Socket>>),
}

impl Prefixed {
    pub(super) fn new(ahead: Bytes, socket: Socket) -> Self {
        Self { ahead, socket }
    }

    /// The socket alone; what was ahead of it has been read.
    pub(super) fn into_socket(self) -> Socket {
        self.socket
    }
}

impl From<Socket> for Stream {
    fn from(socket: Socket) -> Self {
        Self::Plain(Prefixed::new(Bytes::new(), socket))
    }
}

/// Call a poll function on whichever stream it is.
macro_rules! on_either {
    ($stream:expr, $($kind:path)|+, $name:ident => $call:expr) => {
        match $stream {
            $($kind($name) => $call,)+
        }
    };
}

impl AsyncRead for Socket {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        on_either!(self.get_mut(), Self::Tcp | Self::Unix, s => Pin::new(s).poll_read(cx, buffer))
    }
}

impl AsyncWrite for Socket {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        on_either!(self.get_mut(), Self::Tcp | Self::Unix, s => Pin::new(s).poll_write(cx, bytes))
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        // A head and a small body: copied together they are sent for less than the kernel takes to gather them.
        let length: usize = slices.iter().map(|slice| slice.len()).sum();
        let mut gathered = [0; GATHERED];
        if let Some(space) = gathered.get_mut(..length) {
            let mut rest = &mut *space;
            for slice in slices {
                let (part, after) = rest.split_at_mut(slice.len().min(rest.len()));
                part.copy_from_slice(slice.get(..part.len()).unwrap_or_default());
                rest = after;
            }
            return self.poll_write(cx, gathered.get(..length).unwrap_or_default());
        }
        on_either!(self.get_mut(), Self::Tcp | Self::Unix, s => Pin::new(s).poll_write_vectored(cx, slices))
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        on_either!(self.get_mut(), Self::Tcp | Self::Unix, s => Pin::new(s).poll_flush(cx))
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        on_either!(self.get_mut(), Self::Tcp | Self::Unix, s => Pin::new(s).poll_shutdown(cx))
    }
}

impl AsyncRead for Prefixed {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if this.ahead.is_empty() {
            return Pin::new(&mut this.socket).poll_read(cx, buffer);
        }
        let length = this.ahead.len().min(buffer.remaining());
        buffer.put_slice(this.ahead.get(..length).unwrap_or_default());
        this.ahead.advance(length);
        if this.ahead.is_empty() {
            // What is left is the memory it was in.
            this.ahead = Bytes::new();
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Prefixed {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.get_mut().socket).poll_write(cx, bytes)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.get_mut().socket).poll_write_vectored(cx, slices)
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().socket).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().socket).poll_shutdown(cx)
    }
}

impl AsyncRead for Stream {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        on_either!(self.get_mut(), Self::Plain | Self::FromClient | Self::ToTarget, s =>
            Pin::new(s).poll_read(cx, buffer))
    }
}

impl AsyncWrite for Stream {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        on_either!(self.get_mut(), Self::Plain | Self::FromClient | Self::ToTarget, s =>
            Pin::new(s).poll_write(cx, bytes))
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        on_either!(self.get_mut(), Self::Plain | Self::FromClient | Self::ToTarget, s =>
            Pin::new(s).poll_write_vectored(cx, slices))
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        on_either!(self.get_mut(), Self::Plain | Self::FromClient | Self::ToTarget, s => Pin::new(s).poll_flush(cx))
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        on_either!(self.get_mut(), Self::Plain | Self::FromClient | Self::ToTarget, s => Pin::new(s).poll_shutdown(cx))
    }
}
