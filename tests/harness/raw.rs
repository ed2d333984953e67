//! Bytes as they are, for what a well-behaved client would not send, or would not show.

use std::net::SocketAddr;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::PATIENCE;

pub struct Raw<S = TcpStream> {
    pub stream: S,
    /// What was read, and not yet asked for.
    ahead: Vec<u8>,
}

/// Send `request`, and read until the other side closes.
pub async fn exchange(address: SocketAddr, request: impl AsRef<[u8]>) -> String {
    let mut wire = Raw::connect(address).await;
    wire.send(request).await;
    wire.rest().await
}

impl Raw {
    pub async fn connect(address: SocketAddr) -> Self {
        Self::over(TcpStream::connect(address).await.unwrap())
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> Raw<S> {
    pub fn over(stream: S) -> Self {
        Self { stream, ahead: Vec::new() }
    }

    pub async fn send(&mut self, bytes: impl AsRef<[u8]>) {
        timeout(PATIENCE, self.stream.write_all(bytes.as_ref())).await.expect("to be read in time").unwrap();
    }

    /// What comes up to the next empty line.
    pub async fn head(&mut self) -> String {
        loop {
            if let Some(end) = self.ahead.windows(4).position(|four| four == b"\r\n\r\n") {
                return text(&self.ahead.drain(..end + 4).collect::<Vec<u8>>());
            }
            assert!(self.more().await > 0, "closed within a head: {:?}", String::from_utf8_lossy(&self.ahead));
        }
    }

    /// The next `length` bytes.
    pub async fn exactly(&mut self, length: usize) -> Vec<u8> {
        while self.ahead.len() < length {
            assert!(self.more().await > 0, "closed after {} of {length} bytes", self.ahead.len());
        }
        self.ahead.drain(..length).collect()
    }

    /// A whole answer that says how long it is: its head and its body.
    pub async fn answer(&mut self) -> (String, String) {
        let head = self.head().await.to_ascii_lowercase();
        let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")).expect("a length");
        let body = self.exactly(length.parse().unwrap()).await;
        (head, text(&body))
    }

    /// Everything until the other side closes; a reset is as good.
    pub async fn rest(&mut self) -> String {
        while self.more().await > 0 {}
        text(&std::mem::take(&mut self.ahead))
    }

    async fn more(&mut self) -> usize {
        timeout(PATIENCE, self.stream.read_buf(&mut self.ahead)).await.expect("something to read in time").unwrap_or(0)
    }
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}
