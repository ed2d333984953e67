//! An HTTP origin that does what its script says.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_rustls::TlsAcceptor;

/// What becomes of a request.
#[derive(Clone, Copy)]
pub(super) enum Act {
    /// A status, and one more header field.
    Answer(u16, &'static str),
    /// Read to its end, and no answer.
    Stall,
    /// Read to its end, and closed.
    Close,
    /// Closed before it is read.
    Slam,
}

/// Ends with its test, or before.
pub(super) struct Origin {
    pub(super) address: SocketAddr,
    seen: Arc<Seen>,
    server: JoinHandle<()>,
}

#[derive(Default)]
struct Seen {
    script: Mutex<VecDeque<Act>>,
    requests: Mutex<Vec<(String, String)>>,
    connections: AtomicUsize,
}

impl Origin {
    /// Answers by `script`, then 200.
    pub(super) async fn start(script: &[Act]) -> Self {
        Self::at(([127, 0, 0, 1], 0).into(), script, None).await
    }

    pub(super) async fn at(address: SocketAddr, script: &[Act], tls: Option<TlsAcceptor>) -> Self {
        let socket = tokio::net::TcpSocket::new_v4().unwrap();
        socket.set_reuseaddr(true).unwrap();
        socket.bind(address).unwrap();
        let listener = socket.listen(16).unwrap();
        let address = listener.local_addr().unwrap();
        let seen = Arc::new(Seen { script: Mutex::new(script.iter().copied().collect()), ..Seen::default() });
        let server = tokio::spawn(serve(listener, Arc::clone(&seen), tls));
        Self { address, seen, server }
    }

    /// Heads, in lower case, and bodies, of all requests that were read.
    pub(super) fn requests(&self) -> Vec<(String, String)> {
        self.seen.requests.lock().unwrap().clone()
    }

    pub(super) fn bodies(&self) -> Vec<String> {
        self.requests().into_iter().map(|(_, body)| body).collect()
    }

    /// Stop at once; the bodies, to the last that was read.
    pub(super) async fn stop(self) -> Vec<String> {
        self.server.abort();
        super::until("the last connection's end", || (Arc::strong_count(&self.seen) == 1).then_some(())).await;
        self.bodies()
    }

    pub(super) fn connections(&self) -> usize {
        self.seen.connections.load(Ordering::Relaxed)
    }
}

impl Drop for Origin {
    fn drop(&mut self) {
        self.server.abort();
    }
}

async fn serve(listener: TcpListener, seen: Arc<Seen>, tls: Option<TlsAcceptor>) {
    // Connections end with the server.
    let mut connections = tokio::task::JoinSet::new();
    while let Ok((stream, _)) = listener.accept().await {
        seen.connections.fetch_add(1, Ordering::Relaxed);
        let (seen, tls) = (Arc::clone(&seen), tls.clone());
        connections.spawn(async move {
            match tls {
                None => drop(talk(stream, &seen).await),
                Some(tls) => {
                    if let Ok(stream) = tls.accept(stream).await {
                        drop(talk(stream, &seen).await);
                    }
                }
            }
        });
    }
}

async fn talk(mut stream: impl AsyncRead + AsyncWrite + Unpin, seen: &Seen) -> std::io::Result<()> {
    let mut read = Vec::new();
    loop {
        if matches!(seen.script.lock().unwrap().front(), Some(Act::Slam)) {
            seen.script.lock().unwrap().pop_front();
            return Ok(());
        }
        let (head, length) = loop {
            if let Some(end) = read.windows(4).position(|four| four == b"\r\n\r\n") {
                let head = String::from_utf8(read.drain(..end + 4).collect()).unwrap().to_lowercase();
                let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")).unwrap();
                break (head.clone(), length.trim().parse::<usize>().unwrap());
            }
            if stream.read_buf(&mut read).await? == 0 {
                return Ok(());
            }
        };
        while read.len() < length {
            if stream.read_buf(&mut read).await? == 0 {
                return Ok(());
            }
        }
        let body = String::from_utf8(read.drain(..length).collect()).unwrap();
        seen.requests.lock().unwrap().push((head, body));
        let act = seen.script.lock().unwrap().pop_front().unwrap_or(Act::Answer(200, "x: y"));
        match act {
            Act::Answer(status, field) => {
                let answer = format!("HTTP/1.1 {status} Said\r\n{field}\r\ncontent-length: 4\r\n\r\nwhy?");
                stream.write_all(answer.as_bytes()).await?;
            }
            Act::Stall => std::future::pending().await,
            Act::Close | Act::Slam => return Ok(()),
        }
    }
}
