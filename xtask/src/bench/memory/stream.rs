//! A large body through the gateway, in either direction, with a reader that lags.

use std::{
    convert::Infallible,
    pin::Pin,
    task::{Context as TaskContext, Poll},
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, ensure};
use http_body_util::BodyExt as _;
use hyper::{
    Request, Response,
    body::{Body, Bytes, Frame, Incoming, SizeHint},
    client::conn::http1,
    header::HOST,
};
use hyper_util::rt::TokioIo;
use tokio::{net::TcpStream, time::sleep};

use super::super::peers::BODY;

/// The size of a body: large beside everything a proxy should keep of it.
pub(super) const BYTES: u64 = 1 << 30;

pub(super) const ALL: [(Way, Framing); 4] = [
    (Way::Upload, Framing::Length),
    (Way::Upload, Framing::Chunked),
    (Way::Download, Framing::Length),
    (Way::Download, Framing::Chunked),
];

/// Who sends the large body.
#[derive(Clone, Copy)]
pub(super) enum Way {
    /// The client, and the upstream lags.
    Upload,
    /// The upstream, and the client lags.
    Download,
}

impl Way {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Upload => "upload",
            Self::Download => "download",
        }
    }
}

/// How a body tells its end.
#[derive(Clone, Copy)]
pub(super) enum Framing {
    Length,
    Chunked,
}

impl Framing {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Length => "content-length",
            Self::Chunked => "chunked",
        }
    }
}

/// Streams one body through the gateway at `port`; fails unless all of it arrives.
pub(super) async fn run(port: u16, way: Way, framing: Framing) -> Result<Duration> {
    let start = Instant::now();
    let arrived = match way {
        Way::Upload => {
            let answer = ask(port, "/upload", Pieces::of(BYTES, framing)).await?;
            let text = answer.into_body().collect().await.context("the answer broke off")?.to_bytes();
            String::from_utf8_lossy(&text).parse().context("the upstream told no number of bytes")?
        }
        Way::Download => {
            let answer = ask(port, framing.path(), Pieces::none()).await?;
            take_slowly(answer.into_body()).await.context("the body broke off")?
        }
    };
    ensure!(arrived == BYTES, "{arrived} of {BYTES} bytes arrived");
    Ok(start.elapsed())
}

/// A request and an answer without much of a body.
pub(super) async fn small(port: u16) -> Result<()> {
    let answer = ask(port, "/", Pieces::none()).await?;
    let body = answer.into_body().collect().await.context("the answer broke off")?.to_bytes();
    ensure!(body == BODY, "the upstream's answer did not arrive");
    Ok(())
}

async fn ask(port: u16, path: &str, body: Pieces) -> Result<Response<Incoming>> {
    let stream = TcpStream::connect(("127.0.0.1", port)).await.context("cannot connect")?;
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await.context("cannot connect")?;
    // Ends with the sender and the body; its errors reach us through those.
    tokio::spawn(async move { drop(connection.await) });
    let method = if body.left == 0 { "GET" } else { "POST" };
    let request = Request::builder().method(method).uri(path).header(HOST, "127.0.0.1").body(body);
    let answer = sender.send_request(request.context("not a request")?).await.context("no answer")?;
    ensure!(answer.status() == 200, "{path} was answered with {}", answer.status());
    Ok(answer)
}

/// The upstream: takes an upload and tells its size, or sends a download.
pub(super) async fn answer(request: Request<Incoming>) -> Result<Response<Pieces>, hyper::Error> {
    let path = request.uri().path().to_owned();
    let arrived = take_slowly(request.into_body()).await?;
    Ok(Response::new(match path.as_str() {
        "/upload" => Pieces::text(arrived.to_string()),
        path if path == Framing::Length.path() => Pieces::of(BYTES, Framing::Length),
        path if path == Framing::Chunked.path() => Pieces::of(BYTES, Framing::Chunked),
        _ => Pieces::text(BODY.to_owned()),
    }))
}

impl Framing {
    /// Where the upstream has a download with it.
    fn path(self) -> &'static str {
        match self {
            Self::Length => "/download/length",
            Self::Chunked => "/download/chunked",
        }
    }
}

/// Reads all of `body`: the first of it far slower than it can be sent, then as it
/// comes, but with pauses. What piles up meanwhile piles up in the gateway.
async fn take_slowly(mut body: Incoming) -> Result<u64, hyper::Error> {
    let mut taken = 0;
    let mut pause_at = STEP;
    while let Some(frame) = body.frame().await {
        taken += frame?.data_ref().map_or(0, |piece| piece.len() as u64);
        if taken < pause_at {
            continue;
        }
        let (pause, step) = if taken < SLOW { (SHORT_PAUSE, STEP) } else { (LONG_PAUSE, LONG_STEP) };
        sleep(pause).await;
        pause_at = taken + step;
    }
    Ok(taken)
}

/// 25 MiB/s, for more than a second.
const SLOW: u64 = 32 << 20;
const STEP: u64 = 256 << 10;
const SHORT_PAUSE: Duration = Duration::from_millis(10);
const LONG_STEP: u64 = 64 << 20;
const LONG_PAUSE: Duration = Duration::from_millis(100);

/// A body that costs nothing to make.
pub(super) struct Pieces {
    piece: Bytes,
    left: u64,
    framing: Framing,
}

impl Pieces {
    fn of(bytes: u64, framing: Framing) -> Self {
        static PIECE: [u8; 64 << 10] = [b'.'; 64 << 10];
        Self { piece: Bytes::from_static(&PIECE), left: bytes, framing }
    }

    fn text(text: String) -> Self {
        Self { left: text.len() as u64, piece: text.into(), framing: Framing::Length }
    }

    fn none() -> Self {
        Self::of(0, Framing::Length)
    }
}

impl Body for Pieces {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _task: &mut TaskContext<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        if self.left == 0 {
            return Poll::Ready(None);
        }
        let length = usize::try_from(self.left).map_or(self.piece.len(), |left| left.min(self.piece.len()));
        self.left -= length as u64;
        Poll::Ready(Some(Ok(Frame::data(self.piece.slice(..length)))))
    }

    fn is_end_stream(&self) -> bool {
        self.left == 0
    }

    fn size_hint(&self) -> SizeHint {
        match self.framing {
            Framing::Length => SizeHint::with_exact(self.left),
            Framing::Chunked => SizeHint::default(),
        }
    }
}
