//! HTTP/1 to a target: one exchange after another over one connection. There is no task behind it: `attempt` moves it
//! along until the answer's head is there, the answer's body from then on, and in between it lies in the pool. So no
//! request pays for hops to a task and back, and who has a connection knows what has become of it.

mod fault;
pub(super) mod framing;
pub(super) mod head;
pub(super) mod outgoing;
mod sending;

use std::future::poll_fn;
use std::mem;
use std::pin::{Pin, pin};
use std::task::{Context, Poll, Waker, ready};

use bytes::{Bytes, BytesMut};
use hyper::body::{Frame, SizeHint};
use tokio::io::{AsyncRead, AsyncReadExt, ReadBuf, ReadHalf, WriteHalf, split};
use tokio::task::{JoinHandle, unconstrained};

pub(super) use fault::Fault;

use self::framing::{Framing, Step};
use self::head::{Asked, Search};
use self::sending::Sending;
use super::body::{BodyError, RequestBody};
use super::forward::Onward;
use super::stream::Stream;
use crate::host::exchange::ResponseHead;
use crate::limits;
use crate::tls::fault::OurCertificate;

/// A connection to a target.
pub(super) struct Http1 {
    side: Side,
    /// What came and is not taken yet.
    read: BytesMut,
    /// How much room the next read gets.
    room: usize,
    head_bytes: usize,
    certificate: OurCertificate,
    /// What was asked for; decides how the answer ends.
    asked: Asked,
    search: Search,
    sending: Sending,
    /// There has been an exchange already.
    used: bool,
    /// Something came since the request was begun.
    heard: bool,
    framing: Framing,
    /// The target keeps the connection open after this answer.
    persistent: bool,
    /// Whoever polls next has looked for something to read a moment ago, and is woken when it comes.
    awaited: bool,
}

/// Who has the stream.
enum Side {
    Whole(Stream),
    /// The answer came before the request was sent: a task sends the rest, however slowly the answer is taken.
    Apart(ReadHalf<Stream>, Upload),
    /// Nobody any more.
    Gone,
}

/// The task that sends the rest. It ends with its half of the stream, or with this.
struct Upload {
    task: JoinHandle<Result<Sent, BodyError>>,
    /// What it ended with, if all was sent.
    sent: Option<Sent>,
}

type Sent = (Sending, WriteHalf<Stream>);

impl Upload {
    /// Ready if it broke off.
    fn poll_broken(&mut self, cx: &mut Context<'_>) -> Poll<Fault> {
        if self.sent.is_some() {
            return Poll::Pending;
        }
        match ready!(Pin::new(&mut self.task).poll(cx)) {
            Ok(Ok(sent)) => self.sent = Some(sent),
            Ok(Err(broken)) => return Poll::Ready(Fault::Upload(Box::new(broken))),
            // The worker is at its end.
            Err(_) => return Poll::Ready(Fault::Closed),
        }
        Poll::Pending
    }
}

impl Drop for Upload {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Http1 {
    /// `head_bytes` is the most that an answer's head may have.
    pub(super) fn new(stream: Stream, certificate: OurCertificate, head_bytes: usize) -> Box<Self> {
        Box::new(Self {
            side: Side::Whole(stream),
            read: BytesMut::new(),
            room: limits::READ_BYTES_MIN,
            head_bytes,
            certificate,
            asked: Asked::default(),
            search: Search::default(),
            sending: Sending::default(),
            used: false,
            heard: false,
            framing: Framing::Over,
            persistent: true,
            awaited: false,
        })
    }

    /// Put a request's head down; it leaves with the first poll of [`Self::answer`].
    pub(super) fn begin(&mut self, request: &Onward<'_>, body: RequestBody) {
        self.asked = Asked::by(request);
        self.search = Search::default();
        self.heard = false;
        self.framing = Framing::Over;
        self.sending.begin(request, body);
    }

    /// Send the request, and wait for the answer's head.
    pub(super) async fn answer(&mut self) -> Result<ResponseHead, Fault> {
        let head = poll_fn(|cx| self.poll_answer(cx)).await?;
        if !self.sending.is_over() && !self.framing.is_over() {
            self.send_apart();
        }
        Ok(head)
    }

    fn poll_answer(&mut self, cx: &mut Context<'_>) -> Poll<Result<ResponseHead, Fault>> {
        if let Side::Whole(stream) = &mut self.side
            && let Poll::Ready(Err(broken)) = self.sending.poll(cx, stream)
        {
            return Poll::Ready(Err(Fault::Upload(Box::new(broken))));
        }
        let awaited = mem::take(&mut self.awaited);
        match self.sending.deaf() {
            // What was said on a connection that has been idle is no answer to what has not left.
            Some(error) if self.used && !self.has_sent() => return Poll::Ready(Err(Fault::Io(error))),
            // A target that takes nothing more may have said why: whatever ends the reading ends the exchange.
            Some(_) => {}
            None if awaited || !self.has_sent() => return Poll::Pending,
            None => {}
        }
        loop {
            let found = head::parse(&mut self.read, &mut self.search, self.head_bytes, self.asked)?;
            if let Some((head, framing, persistent)) = found {
                (self.framing, self.persistent, self.used) = (framing, persistent, true);
                return Poll::Ready(Ok(head));
            }
            if ready!(self.poll_read(cx))? == 0 {
                return Poll::Ready(Err(self.sending.deaf().map_or(Fault::Closed, Fault::Io)));
            }
        }
    }

    /// The answer's body; `None` after its end.
    pub(super) fn poll_frame(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Fault>>> {
        loop {
            match self.framing.decode(&mut self.read) {
                Ok(Step::Frame(frame)) => return Poll::Ready(Some(Ok(frame))),
                Ok(Step::End) => return Poll::Ready(None),
                Ok(Step::More) => {}
                Err(fault) => return Poll::Ready(Some(Err(fault))),
            }
            match self.poll_read(cx) {
                Poll::Ready(Ok(0)) if self.framing.ends_with_the_connection() => {
                    self.framing = Framing::Over;
                    return Poll::Ready(None);
                }
                Poll::Ready(Ok(0)) => return Poll::Ready(Some(Err(Fault::Closed))),
                Poll::Ready(Ok(_)) => {}
                Poll::Ready(Err(fault)) => return Poll::Ready(Some(Err(fault))),
                Poll::Pending => {
                    let Side::Apart(_, upload) = &mut self.side else { return Poll::Pending };
                    // Whoever does not send all that was announced will not hear the rest either.
                    return upload.poll_broken(cx).map(|broken| Some(Err(broken)));
                }
            }
        }
    }

    /// Whether the answer is complete.
    pub(super) fn is_over(&self) -> bool {
        self.framing.is_over()
    }

    /// What is left of the answer's body.
    pub(super) fn size_hint(&self) -> SizeHint {
        self.framing.size_hint()
    }

    /// Whether something of the request may have left.
    pub(super) fn has_sent(&self) -> bool {
        // TLS does not say how much of what it took went out before a write failed.
        let unknown = self.sending.deaf().is_some() && matches!(self.side, Side::Whole(Stream::ToTarget(_)));
        self.sending.has_begun() || unknown
    }

    /// Whether something came since the request was begun.
    pub(super) fn has_heard(&self) -> bool {
        self.heard
    }

    /// What came of an answer that could not be read.
    pub(super) fn unread(&self) -> &[u8] {
        &self.read
    }

    /// What the target asked for in its TLS handshake, if there was one.
    pub(super) fn certificate(&self) -> OurCertificate {
        self.certificate
    }

    /// Whether it can take another request; asked once the answer is complete.
    pub(super) fn is_reusable(&mut self) -> bool {
        self.rejoin();
        if self.room > limits::READ_BYTES_MIN {
            // A large body's room is not for keeping.
            self.room = limits::READ_BYTES_MIN;
            if self.read.is_empty() {
                self.read = BytesMut::new();
            }
        }
        matches!(self.side, Side::Whole(_))
            && self.persistent
            && self.sending.is_over()
            && self.framing.is_over()
            && self.read.is_empty()
    }

    /// Whether the target has left an idle connection as it was. Looking costs no system call unless something came. If
    /// it has, `cx` is woken by what comes next, which saves [`Self::answer`] the same look.
    pub(super) fn is_alive(&mut self, cx: &mut Context<'_>) -> bool {
        let Side::Whole(stream) = &mut self.side else { return false };
        let mut byte = [0];
        // Whatever comes now, a close or a word, was not asked for. TLS's own messages are taken on the way. tokio would
        // say that nothing came to a task that has had its share of events.
        let look = poll_fn(|cx| Pin::new(&mut *stream).poll_read(cx, &mut ReadBuf::new(&mut byte)));
        self.awaited = pin!(unconstrained(look)).poll(cx).is_pending();
        self.awaited
    }

    /// The stream, and what came over it behind the head of an answer that switches protocols.
    pub(super) fn into_stream(self: Box<Self>) -> Option<(Stream, Bytes)> {
        match self.side {
            Side::Whole(stream) if self.sending.is_over() => Some((stream, self.read.freeze())),
            // There is more of the request to come, which nobody could tell from what is said after the switch.
            _ => None,
        }
    }

    /// How many bytes came; 0 at the stream's end.
    fn poll_read(&mut self, cx: &mut Context<'_>) -> Poll<Result<usize, Fault>> {
        if self.read.capacity() - self.read.len() < self.room / 4 {
            self.read.reserve(self.room);
        }
        let read = match &mut self.side {
            Side::Whole(stream) => pin!(stream.read_buf(&mut self.read)).poll(cx),
            Side::Apart(stream, _) => pin!(stream.read_buf(&mut self.read)).poll(cx),
            Side::Gone => Poll::Ready(Ok(0)),
        };
        let bytes = ready!(read)?;
        self.heard |= bytes > 0;
        // A body that comes faster than it is read gets more room.
        if bytes >= self.room {
            self.room = (self.room * 2).min(limits::READ_BYTES_MAX);
        }
        Poll::Ready(Ok(bytes))
    }

    fn send_apart(&mut self) {
        let Side::Whole(stream) = mem::replace(&mut self.side, Side::Gone) else { return };
        let (reader, mut writer) = split(stream);
        let mut sending = mem::take(&mut self.sending);
        let task = tokio::task::spawn_local(async move {
            poll_fn(|cx| sending.poll(cx, &mut writer)).await.map(|()| (sending, writer))
        });
        self.side = Side::Apart(reader, Upload { task, sent: None });
    }

    /// Take the stream back, if the rest of the request has been sent meanwhile.
    fn rejoin(&mut self) {
        self.side = match mem::replace(&mut self.side, Side::Gone) {
            Side::Apart(reader, mut upload) => {
                // Looks once more whether the task has ended.
                let _ = upload.poll_broken(&mut Context::from_waker(Waker::noop()));
                let Some((sending, writer)) = upload.sent.take() else { return };
                self.sending = sending;
                Side::Whole(reader.unsplit(writer))
            }
            whole => whole,
        };
    }
}
