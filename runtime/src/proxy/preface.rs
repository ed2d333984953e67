//! What comes before HTTP on a connection: the PROXY protocol's header, and the words that HTTP/2 begins with.

use bytes::{Bytes, BytesMut};
use std::net::SocketAddr;
use tokio::io::{AsyncRead, AsyncReadExt};

use super::proxy_protocol::{self, Parsed};
use super::stream::{Prefixed, Stream};

/// RFC 9113, section 3.4.
const HTTP2: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
/// Read at once: an HTTP/1 head mostly fits, and is handed on as it is.
const PIECE: usize = 4096;

/// How a connection begins.
pub(super) enum Preface {
    Http2,
    Other,
}

/// Source and destination as a proxy announces them, and what comes behind.
type Announced = (Option<(SocketAddr, SocketAddr)>, Prefixed);

/// Take the PROXY protocol's header off `stream`. The caller bounds how long that may take.
pub(super) async fn proxy_protocol(mut stream: Prefixed) -> Result<Announced, String> {
    let mut read = BytesMut::with_capacity(PIECE);
    loop {
        match proxy_protocol::parse(&read) {
            Err(invalid) => return Err(format!("no header of the PROXY protocol: {invalid}")),
            Ok(Parsed::Done { source, length }) => {
                let rest = read.freeze().split_off(length);
                return Ok((source, stream.after(rest)));
            }
            Ok(Parsed::Need) => more(&mut stream, &mut read).await?,
        }
    }
}

/// Look how `stream` begins; nothing of it is lost.
pub(super) async fn http2(mut stream: Stream) -> Result<(Preface, Stream), String> {
    let mut read = BytesMut::with_capacity(PIECE);
    loop {
        more(&mut stream, &mut read).await?;
        let common = read.iter().zip(HTTP2).take_while(|(a, b)| a == b).count();
        if common == HTTP2.len() {
            return Ok((Preface::Http2, stream.after(read.freeze())));
        }
        if common < read.len() {
            return Ok((Preface::Other, stream.after(read.freeze())));
        }
    }
}

async fn more(stream: &mut (impl AsyncRead + Unpin), read: &mut BytesMut) -> Result<(), String> {
    match stream.read_buf(read).await {
        Ok(0) => Err("closed".to_owned()),
        Ok(_) => Ok(()),
        Err(error) => Err(error.to_string()),
    }
}

impl Prefixed {
    /// The same with `ahead`, which was read off it, in front again.
    fn after(self, ahead: Bytes) -> Self {
        Self::new(ahead, self.into_socket())
    }
}

impl Stream {
    /// The same with `ahead`, which was read off it, in front again.
    fn after(self, ahead: Bytes) -> Self {
        match self {
            Self::Plain(stream) => Self::Plain(stream.after(ahead)),
            // What HTTP is spoken over TLS has been agreed on; nobody has to look.
            other @ (Self::FromClient(_) | Self::ToTarget(_)) => other,
        }
    }
}
