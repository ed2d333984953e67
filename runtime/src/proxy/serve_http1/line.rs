//! A client's stream, shared by the loop that serves it and by the body of the request that is being served: whoever
//! wants what the client sends reads it, whichever task that is in. So no request pays for a channel between them.

use std::cell::RefCell;
use std::io;
use std::mem::{self, MaybeUninit};
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Wake, Waker, ready};

use bytes::{Bytes, BytesMut};
use hyper::body::{Frame, SizeHint};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, ReadBuf};

use crate::limits;
use crate::proxy::http1::Fault;
use crate::proxy::http1::framing::{Framing, Step};
use crate::proxy::http1::outgoing::Outgoing;
use crate::proxy::stream::Stream;

/// See the module.
pub(super) struct Line(Rc<RefCell<Ends>>);

struct Ends {
    /// `None`: somebody else has it.
    stream: Option<Stream>,
    /// What came and is not taken yet. Takes no memory while the client is idle.
    read: BytesMut,
    /// How much room the next read of a body gets.
    room: usize,
    /// What is left of the request's body.
    framing: Framing,
    /// What is still to be said to a client that waits to be told to go on.
    interim: &'static [u8],
    /// It may still lie in the stream.
    unflushed: bool,
    /// Counts requests: a body reads during its own only.
    turn: u32,
    reading: Reading,
    /// Whoever serves the connection wants to know when the body ends.
    server: Option<Waker>,
    bell: Option<Bell>,
}

/// Tells whoever serves the connection apart from other wakes that the client has sent something: as long as it has not,
/// looking again is in vain.
struct Bell {
    shared: Arc<Rings>,
    waker: Waker,
}

struct Rings {
    rung: AtomicBool,
    server: Waker,
}

impl Wake for Rings {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.rung.store(true, Ordering::Relaxed);
        self.server.wake_by_ref();
    }
}

impl Bell {
    fn new(server: &Waker) -> Self {
        let shared = Arc::new(Rings { rung: AtomicBool::new(true), server: server.clone() });
        Self { waker: Waker::from(Arc::clone(&shared)), shared }
    }

    /// Whether it was not rung since it was set, to wake whoever asks.
    fn is_set(&self, cx: &Context<'_>) -> bool {
        !self.shared.rung.load(Ordering::Relaxed) && self.shared.server.will_wake(cx.waker())
    }
}

/// Who reads the request's body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Reading {
    Somebody,
    Nobody,
    /// There is no way to the end of it: it broke.
    Broken,
}

const GO_ON: &[u8] = b"HTTP/1.1 100 Continue\r\n\r\n";

/// Whether the client asked to be told to go on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Waits {
    Yes,
    No,
}

/// The body of a request, as long as that is being served.
pub(in crate::proxy) struct Reader {
    ends: Rc<RefCell<Ends>>,
    turn: u32,
}

impl Line {
    pub(super) fn new(stream: Stream) -> Self {
        Self(Rc::new(RefCell::new(Ends {
            stream: Some(stream),
            read: BytesMut::new(),
            room: limits::READ_BYTES_MIN,
            framing: Framing::Over,
            interim: &[],
            unflushed: false,
            turn: 0,
            reading: Reading::Nobody,
            server: None,
            bell: None,
        })))
    }

    /// Read what a head may be in; how many bytes came, 0 at the stream's end.
    pub(super) fn poll_more(&self, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        self.0.borrow_mut().poll_more(cx)
    }

    /// What came and is not taken yet.
    pub(super) fn take_read(&self) -> BytesMut {
        mem::take(&mut self.0.borrow_mut().read)
    }

    /// It is not taken after all.
    pub(super) fn put_back(&self, read: BytesMut) {
        self.0.borrow_mut().read = read;
    }

    pub(super) fn has_read(&self) -> bool {
        !self.0.borrow().read.is_empty()
    }

    /// A request was taken, whose body ends like this.
    pub(super) fn begin(&self, framing: Framing, waits: Waits) -> Reader {
        let mut ends = self.0.borrow_mut();
        ends.turn = ends.turn.wrapping_add(1);
        ends.framing = framing;
        ends.reading = Reading::Somebody;
        ends.interim = if waits == Waits::Yes { GO_ON } else { &[] };
        Reader { ends: Rc::clone(&self.0), turn: ends.turn }
    }

    /// Ready when the client is gone, as far as that can be seen: there is nothing else left for it to send, and it has
    /// not sent it in advance.
    pub(super) fn poll_gone(&self, cx: &mut Context<'_>) -> Poll<()> {
        let mut ends = self.0.borrow_mut();
        if !ends.framing.is_over() {
            // Whoever reads the body will hear of it first.
            if ends.server.as_ref().is_none_or(|waker| !waker.will_wake(cx.waker())) {
                ends.server = Some(cx.waker().clone());
            }
            return Poll::Pending;
        }
        if !ends.read.is_empty() {
            return Poll::Pending;
        }
        match ends.poll_more(cx) {
            Poll::Ready(Ok(0) | Err(_)) => Poll::Ready(()),
            // The next request: there is time for that.
            Poll::Ready(Ok(_)) | Poll::Pending => Poll::Pending,
        }
    }

    /// Whether the connection stands where the next request begins, or will: a body that nobody reads must be here
    /// already, and is thrown away.
    pub(super) fn is_in_order(&self, cx: &mut Context<'_>) -> bool {
        let mut ends = self.0.borrow_mut();
        ends.framing.is_over() || ends.reading == Reading::Somebody || ends.drain(cx)
    }

    /// The answer is complete, and so nobody reads the request any more.
    pub(super) fn end(&self, cx: &mut Context<'_>) -> bool {
        let mut ends = self.0.borrow_mut();
        let ends = &mut *ends;
        ends.turn = ends.turn.wrapping_add(1);
        ends.server = None;
        if !ends.framing.is_over() && !ends.drain(cx) {
            return false;
        }
        ends.room = limits::READ_BYTES_MIN;
        if ends.read.is_empty() {
            ends.read = BytesMut::new();
        }
        true
    }

    /// The answer begins: a client that still waits for a word is told no more than it was told in part.
    pub(super) fn rest_of_interim(&self) -> &'static [u8] {
        let interim = mem::take(&mut self.0.borrow_mut().interim);
        if interim.len() == GO_ON.len() { &[] } else { interim }
    }

    pub(super) fn poll_write(&self, cx: &mut Context<'_>, outgoing: &Outgoing) -> Poll<io::Result<usize>> {
        match &mut self.0.borrow_mut().stream {
            Some(stream) => outgoing.poll_write(cx, stream),
            None => Poll::Ready(Ok(0)),
        }
    }

    pub(super) fn poll_flush(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.0.borrow_mut().stream {
            Some(stream) => Pin::new(stream).poll_flush(cx),
            None => Poll::Ready(Ok(())),
        }
    }

    /// The stream itself, and what came over it already.
    pub(super) fn take_stream(&self) -> Option<(Stream, Bytes)> {
        let mut ends = self.0.borrow_mut();
        let read = mem::take(&mut ends.read).freeze();
        ends.stream.take().map(|stream| (stream, read))
    }
}

impl Ends {
    /// Read by way of the stack, so that nobody has to know beforehand that something will come.
    fn poll_more(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        let Some(stream) = &mut self.stream else { return Poll::Ready(Ok(0)) };
        let bell = match &mut self.bell {
            Some(bell) if bell.is_set(cx) => return Poll::Pending,
            Some(bell) if bell.shared.server.will_wake(cx.waker()) => bell,
            other => other.insert(Bell::new(cx.waker())),
        };
        bell.shared.rung.store(false, Ordering::Relaxed);
        let cx = &mut Context::from_waker(&bell.waker);
        let mut space = [const { MaybeUninit::uninit() }; limits::READ_BYTES_MIN];
        let mut buffer = ReadBuf::uninit(&mut space);
        let read = ready!(Pin::new(stream).poll_read(cx, &mut buffer));
        // There may be more.
        bell.shared.rung.store(true, Ordering::Relaxed);
        read?;
        if self.read.is_empty() {
            // Just as much memory as is needed, which the head then stays in.
            self.read = BytesMut::from(buffer.filled());
        } else {
            self.read.extend_from_slice(buffer.filled());
        }
        Poll::Ready(Ok(buffer.filled().len()))
    }

    fn poll_frame(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Fault>>> {
        let frame = match ready!(self.poll_step(cx)) {
            Ok(frame) => frame,
            Err(fault) => {
                self.reading = Reading::Broken;
                return Poll::Ready(Some(Err(fault)));
            }
        };
        if self.framing.is_over()
            && let Some(server) = self.server.take()
        {
            server.wake();
        }
        Poll::Ready(frame.map(Ok))
    }

    fn poll_step(&mut self, cx: &mut Context<'_>) -> Poll<Result<Option<Frame<Bytes>>, Fault>> {
        loop {
            match self.framing.decode(&mut self.read)? {
                Step::Frame(frame) => return Poll::Ready(Ok(Some(frame))),
                Step::End => return Poll::Ready(Ok(None)),
                Step::More => {}
            }
            ready!(self.poll_go_on(cx))?;
            if ready!(self.poll_body(cx))? == 0 {
                return Poll::Ready(Err(Fault::Closed));
            }
        }
    }

    /// Tell the client to go on, if it waits to be told.
    fn poll_go_on(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let Some(stream) = &mut self.stream else { return Poll::Ready(Ok(())) };
        while !self.interim.is_empty() {
            let written = ready!(Pin::new(&mut *stream).poll_write(cx, self.interim))?;
            if written == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            self.interim = self.interim.get(written..).unwrap_or_default();
            self.unflushed = true;
        }
        if self.unflushed {
            ready!(Pin::new(stream).poll_flush(cx))?;
            self.unflushed = false;
        }
        Poll::Ready(Ok(()))
    }

    /// Read more of the body, straight into memory of its own.
    fn poll_body(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        let Some(stream) = &mut self.stream else { return Poll::Ready(Ok(0)) };
        let room = match self.framing {
            Framing::Length(left) => usize::try_from(left).unwrap_or(usize::MAX).min(self.room),
            _ => self.room,
        };
        if self.read.capacity() - self.read.len() < room.div_ceil(4) {
            self.read.reserve(room);
        }
        if let Some(bell) = &self.bell {
            // Somebody else is woken by what comes next.
            bell.shared.rung.store(true, Ordering::Relaxed);
        }
        let bytes = ready!(pin!(stream.read_buf(&mut self.read)).poll(cx))?;
        // A body that comes faster than it is read gets more room.
        if bytes >= self.room {
            self.room = (self.room * 2).min(limits::READ_BYTES_MAX);
        }
        Poll::Ready(Ok(bytes))
    }

    /// Throw away the rest of a body that nobody reads, if that is here; `false` if it is not.
    fn drain(&mut self, cx: &mut Context<'_>) -> bool {
        if self.reading == Reading::Broken {
            return false;
        }
        let mut thrown_away = 0;
        while thrown_away <= limits::UNREAD_BYTES {
            match self.framing.decode(&mut self.read) {
                Ok(Step::Frame(frame)) => thrown_away += frame.data_ref().map_or(0, Bytes::len),
                Ok(Step::End) => return true,
                Ok(Step::More) => match self.poll_body(cx) {
                    Poll::Ready(Ok(1..)) => {}
                    Poll::Pending => return false,
                    Poll::Ready(_) => break,
                },
                Err(_) => break,
            }
        }
        self.reading = Reading::Broken;
        false
    }
}

impl Reader {
    /// Whether all of it was read.
    pub(in crate::proxy) fn is_over(&self) -> bool {
        let ends = self.ends.borrow();
        ends.turn == self.turn && ends.framing.is_over()
    }

    /// What is left of it.
    pub(in crate::proxy) fn size_hint(&self) -> SizeHint {
        self.ends.borrow().framing.size_hint()
    }

    /// The next piece.
    pub(in crate::proxy) fn poll_frame(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Fault>>> {
        let mut ends = self.ends.borrow_mut();
        if ends.turn != self.turn {
            // Its request is over, and what comes now belongs to another.
            return Poll::Ready(Some(Err(Fault::Closed)));
        }
        ends.poll_frame(cx)
    }
}

impl Drop for Reader {
    fn drop(&mut self) {
        let mut ends = self.ends.borrow_mut();
        if ends.turn == self.turn && ends.reading == Reading::Somebody {
            ends.reading = Reading::Nobody;
        }
    }
}

#[cfg(test)]
mod tests;
