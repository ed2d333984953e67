//! An upstream that keeps every byte it got, connection by connection, and answers each request that is whole.

use std::sync::{Arc, Mutex};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::{OK, Upstream};
use crate::harness::wire::{Reading, read_request};

/// What it got: the bytes of each connection.
#[derive(Clone, Default)]
pub struct Captured(Arc<Mutex<Vec<Vec<u8>>>>);

impl Upstream {
    /// Answers 200 to every request that can be read in one way only, and closes on any other.
    pub async fn capturing() -> (Self, Captured) {
        let captured = Captured::default();
        let shared = captured.clone();
        let upstream = Self::serve(move |stream| serve(stream, shared.clone())).await;
        (upstream, captured)
    }
}

async fn serve(mut stream: TcpStream, captured: Captured) {
    let number = {
        let mut connections = captured.0.lock().unwrap();
        connections.push(Vec::new());
        connections.len() - 1
    };
    let mut piece = [0; 4096];
    let mut pending = Vec::new();
    while let Ok(length @ 1..) = stream.read(&mut piece).await {
        captured.0.lock().unwrap()[number].extend_from_slice(&piece[..length]);
        pending.extend_from_slice(&piece[..length]);
        loop {
            match read_request(&pending) {
                Reading::Whole(_, length) => {
                    pending.drain(..length);
                    if stream.write_all(&OK).await.is_err() {
                        return;
                    }
                }
                Reading::Partial => break,
                Reading::Ambiguous(_) => return,
            }
        }
    }
}

impl Captured {
    /// How much there is of each connection, for [`Captured::since`].
    pub fn mark(&self) -> Vec<usize> {
        self.0.lock().unwrap().iter().map(Vec::len).collect()
    }

    /// What came after `mark`, by connection; those where nothing came are left out.
    pub fn since(&self, mark: &[usize]) -> Vec<Vec<u8>> {
        let connections = self.0.lock().unwrap();
        let from = |number: usize| mark.get(number).copied().unwrap_or(0);
        let news = connections.iter().enumerate().map(|(number, bytes)| bytes[from(number)..].to_vec());
        news.filter(|bytes| !bytes.is_empty()).collect()
    }
}
