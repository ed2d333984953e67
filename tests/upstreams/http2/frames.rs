//! HTTP/2 frame by frame, from an upstream's side: what no server of the field does on purpose.

use std::collections::HashMap;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::harness::Origin;

/// What becomes of a request.
#[derive(Debug, Clone, Copy)]
pub(super) enum Fate {
    /// 200, and its own body, once that is there.
    Answered,
    /// The same with a length, and its end in a frame of its own.
    EndedApart,
    /// The same as [`Fate::Answered`], but not before the connection is about to end.
    Held,
    /// REFUSED_STREAM.
    Refused,
    /// A GOAWAY in good order that names the stream before it as the last, and, once those that were held are answered,
    /// the end of the connection.
    LeftBehind,
    /// 200 with [`BEGUN`] of a longer body, then RST_STREAM with this code.
    Cut { code: u32, says_length: bool },
    /// All of 200 with [`BEGUN`], before its own body is there, which nobody wants: RST_STREAM(NO_ERROR).
    Early,
}

/// What there is of an answer that is cut, or of an early one.
pub(super) const BEGUN: &[u8] = b"begun";

// Error codes (RFC 9113, section 7).
pub(super) const NO_ERROR: u32 = 0;
pub(super) const INTERNAL_ERROR: u32 = 2;
const REFUSED_STREAM: u32 = 7;
pub(super) const CANCEL: u32 = 8;

// Frame types and flags (section 6).
const DATA: u8 = 0;
const HEADERS: u8 = 1;
const RST_STREAM: u8 = 3;
const SETTINGS: u8 = 4;
const PING: u8 = 6;
const GOAWAY: u8 = 7;
const ACK: u8 = 1;
const END_STREAM: u8 = 1;
const END_HEADERS: u8 = 4;

const PREFACE: usize = 24;
/// `:status` 200 in the static table (RFC 7541, appendix A).
const OK: u8 = 0x88;
/// `content-length` there, as the name of a literal that nobody indexes.
const CONTENT_LENGTH: [u8; 2] = [0x0f, 13];

/// An origin that deals these to its streams, in order of their arrival on whatever connection, and answers all that
/// come after.
pub(super) async fn origin(fates: impl Into<Arc<[Fate]>>) -> Origin {
    let (fates, arrived) = (fates.into(), Arc::new(AtomicUsize::new(0)));
    Origin::raw(move |stream| {
        let (fates, arrived) = (Arc::clone(&fates), Arc::clone(&arrived));
        async move {
            // Whoever closes first ends it; what the gateway makes of that is the test's to judge.
            drop(Connection::begin(stream, fates, arrived).await);
        }
    })
    .await
}

struct Connection {
    stream: TcpStream,
    fates: Arc<[Fate]>,
    arrived: Arc<AtomicUsize>,
    /// What has come of the bodies that will be answered, and how.
    bodies: HashMap<u32, (Fate, Vec<u8>)>,
}

struct Frame {
    kind: u8,
    flags: u8,
    stream: u32,
    payload: Vec<u8>,
}

impl Connection {
    async fn begin(stream: TcpStream, fates: Arc<[Fate]>, arrived: Arc<AtomicUsize>) -> io::Result<()> {
        let mut connection = Self { stream, fates, arrived, bodies: HashMap::new() };
        connection.stream.read_exact(&mut [0; PREFACE]).await?;
        connection.write(SETTINGS, 0, 0, &[]).await?;
        loop {
            let frame = connection.read().await?;
            connection.take(frame).await?;
        }
    }

    async fn take(&mut self, frame: Frame) -> io::Result<()> {
        let Frame { kind, flags, stream, payload } = frame;
        match kind {
            SETTINGS if flags & ACK == 0 => self.write(SETTINGS, ACK, 0, &[]).await?,
            PING if flags & ACK == 0 => self.write(PING, ACK, 0, &payload).await?,
            HEADERS => self.meet(stream).await?,
            DATA => self.bodies.get_mut(&stream).into_iter().for_each(|(_, body)| body.extend(&payload)),
            _ => return Ok(()),
        }
        let ends = matches!(kind, HEADERS | DATA) && flags & END_STREAM != 0;
        if ends && !matches!(self.bodies.get(&stream), Some((Fate::Held, _))) {
            self.answer(stream).await?;
        }
        Ok(())
    }

    /// Deal the next fate to `stream`.
    async fn meet(&mut self, stream: u32) -> io::Result<()> {
        let fate = self.fates.get(self.arrived.fetch_add(1, Ordering::SeqCst)).copied().unwrap_or(Fate::Answered);
        match fate {
            Fate::Answered | Fate::EndedApart | Fate::Held => {
                self.bodies.insert(stream, (fate, Vec::new()));
            }
            Fate::Refused => self.write(RST_STREAM, 0, stream, &REFUSED_STREAM.to_be_bytes()).await?,
            Fate::LeftBehind => {
                let last = stream.saturating_sub(2);
                self.write(GOAWAY, 0, 0, &[last.to_be_bytes(), NO_ERROR.to_be_bytes()].concat()).await?;
                for held in self.bodies.keys().copied().collect::<Vec<_>>() {
                    self.answer(held).await?;
                }
                self.stream.shutdown().await?;
            }
            Fate::Cut { code, says_length } => {
                let length = if says_length { Some(BEGUN.len() + 10) } else { None };
                self.head(stream, length, 0).await?;
                self.write(DATA, 0, stream, BEGUN).await?;
                self.write(RST_STREAM, 0, stream, &code.to_be_bytes()).await?;
            }
            Fate::Early => {
                self.head(stream, Some(BEGUN.len()), 0).await?;
                self.write(DATA, END_STREAM, stream, BEGUN).await?;
                self.write(RST_STREAM, 0, stream, &NO_ERROR.to_be_bytes()).await?;
            }
        }
        Ok(())
    }

    async fn answer(&mut self, stream: u32) -> io::Result<()> {
        let Some((fate, body)) = self.bodies.remove(&stream) else { return Ok(()) };
        if let Fate::EndedApart = fate {
            self.head(stream, Some(body.len()), 0).await?;
            if !body.is_empty() {
                self.write(DATA, 0, stream, &body).await?;
            }
            return self.write(DATA, END_STREAM, stream, &[]).await;
        }
        if body.is_empty() {
            return self.head(stream, None, END_STREAM).await;
        }
        self.head(stream, Some(body.len()), 0).await?;
        self.write(DATA, END_STREAM, stream, &body).await
    }

    async fn head(&mut self, stream: u32, length: Option<usize>, flags: u8) -> io::Result<()> {
        let mut head = vec![OK];
        if let Some(length) = length.map(|length| length.to_string()) {
            head.extend(CONTENT_LENGTH);
            head.push(u8::try_from(length.len()).unwrap());
            head.extend(length.as_bytes());
        }
        self.write(HEADERS, END_HEADERS | flags, stream, &head).await
    }

    async fn read(&mut self) -> io::Result<Frame> {
        let mut head = [0; 9];
        self.stream.read_exact(&mut head).await?;
        let [a, b, c, kind, flags, stream @ ..] = head;
        let mut payload = vec![0; u32::from_be_bytes([0, a, b, c]) as usize];
        self.stream.read_exact(&mut payload).await?;
        Ok(Frame { kind, flags, stream: u32::from_be_bytes(stream), payload })
    }

    async fn write(&mut self, kind: u8, flags: u8, stream: u32, payload: &[u8]) -> io::Result<()> {
        let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
        let head = [&length[1..], &[kind, flags], &stream.to_be_bytes()].concat();
        self.stream.write_all(&[&head, payload].concat()).await
    }
}
