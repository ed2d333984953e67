//! An upstream that does on each connection what its script says, and one each that refuses, or never accepts.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use socket2::{Domain, SockRef, Socket, Type};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};

use super::Upstream;

/// A good answer that keeps its connection.
pub const OK: Bytes = Bytes::from_static(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok");

/// After the last one, the connection is closed in order.
#[derive(Debug, Clone)]
pub enum Step {
    /// Read to the end of a request's head.
    Head,
    /// Read one byte: the next request has begun to arrive.
    Byte,
    /// Send this.
    Write(Bytes),
    /// Send nothing more, until the other side closes.
    Stall,
    /// Close by RST.
    Reset,
}

impl Step {
    pub fn write(bytes: impl Into<Bytes>) -> Self {
        Self::Write(bytes.into())
    }
}

impl Upstream {
    /// Plays `script` on every connection.
    pub async fn scripted(script: impl Into<Arc<[Step]>>) -> Self {
        let script = script.into();
        Self::serve(move |stream| {
            let script = Arc::clone(&script);
            async move {
                // Whoever closes first ends the play; what the gateway made of it is the test's to judge.
                drop(play(stream, &script).await);
            }
        })
        .await
    }
}

async fn play(mut stream: TcpStream, script: &[Step]) -> std::io::Result<()> {
    for step in script {
        match step {
            Step::Head => {
                let mut head = Vec::new();
                while !head.ends_with(b"\r\n\r\n") {
                    head.push(stream.read_u8().await?);
                }
            }
            Step::Byte => drop(stream.read_u8().await?),
            Step::Write(bytes) => stream.write_all(bytes).await?,
            Step::Stall => while stream.read_u8().await.is_ok() {},
            Step::Reset => SockRef::from(&stream).set_linger(Some(Duration::ZERO))?,
        }
    }
    Ok(())
}

/// An address that refuses connections and is nobody else's as long as this is held.
pub struct Refusing {
    pub address: SocketAddr,
    _bound: TcpSocket,
}

impl Refusing {
    pub fn new() -> Self {
        let bound = TcpSocket::new_v4().unwrap();
        bound.bind(([127, 0, 0, 1], 0).into()).unwrap();
        Self { address: bound.local_addr().unwrap(), _bound: bound }
    }
}

/// An address whose backlog is full: the kernel answers no further connection.
pub struct FullBacklog {
    pub address: SocketAddr,
    _sockets: Vec<Socket>,
}

impl FullBacklog {
    pub fn new() -> Self {
        let socket = || Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
        let listener = socket();
        listener.bind(&SocketAddr::from(([127, 0, 0, 1], 0)).into()).unwrap();
        listener.listen(0).unwrap();
        let address = listener.local_addr().unwrap();
        let mut sockets = vec![listener];
        // The backlog holds one; the others make sure.
        while sockets.len() < 8 {
            let filler = socket();
            let in_time = filler.connect_timeout(&address, Duration::from_millis(100));
            sockets.push(filler);
            if in_time.is_err() {
                break;
            }
        }
        Self { address: address.as_socket().unwrap(), _sockets: sockets }
    }
}
