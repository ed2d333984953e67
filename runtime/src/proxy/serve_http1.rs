//! HTTP/1 from a client: one exchange after another over one connection. There is no task but the connection's own: it
//! reads a head, moves the exchange along while it looks whether the client is still there, and writes the answer. An
//! idle connection holds no buffers. What cannot be read is answered by `refusal`.

mod answer;
mod line;
mod request;
mod waiting;

use std::future::poll_fn;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};

use bytes::{Bytes, BytesMut};
use tokio::io::AsyncWriteExt;
use tokio::sync::oneshot;
use tokio::time::{Instant, timeout};

pub(super) use self::line::Reader;

use self::answer::After;
use self::line::{Line, Waits};
use self::request::{About, Asked};
use self::waiting::{Stalled, Turn};
use super::body::{FromClient, ResponseBody};
use super::connection::Client;
use super::exchange::{self, Served};
use super::http1::framing::Framing;
use super::http1::head;
use super::http1::outgoing::Outgoing;
use super::signal::Wait;
use super::stream::Stream;
use super::timer::Timer;
use super::{refusal, tunnel};
use crate::error::{Cause, Failure};
use crate::limits;

/// A connection that speaks something else now, and what came over it behind the request for that.
pub(super) type Switched = (Stream, Bytes);

/// Serve `client` on `stream` until either side ends it, or until the request in flight when the worker drains is
/// answered.
pub(super) async fn serve(client: Rc<Client>, stream: Stream) {
    let mut connection = Connection {
        turn: Turn::Idle(client.worker.look_at_the_clock()),
        line: Line::new(stream),
        outgoing: Outgoing::default(),
        looked_at: 0,
        waiting: Timer::default(),
        stalled: Stalled::default(),
        draining: client.worker.draining.wait(),
        client,
    };
    let end = connection.run().await;
    // In memory of its own: it takes some only now.
    Box::pin(connection.end(end)).await;
}

struct Connection {
    client: Rc<Client>,
    line: Line,
    /// The answer, as far as it is not written.
    outgoing: Outgoing,
    turn: Turn,
    /// So many bytes of what came hold no end of a head.
    looked_at: usize,
    waiting: Timer,
    stalled: Stalled,
    draining: Wait,
}

/// A request that is being served.
struct Serving<E> {
    /// Until there is an answer.
    exchange: Option<Pin<Box<E>>>,
    about: About,
    /// From then on.
    answer: Option<Answer>,
}

/// An answer whose head was put down.
struct Answer {
    after: After,
    body: ResponseBody,
    whole: Whole,
}

/// What an answer that was sent leaves.
type Sent = (After, InOrder);

/// Whether a connection stands where the next request begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum InOrder {
    Yes,
    No,
}

/// Whether an answer's body may still become what it was to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Whole {
    SoFar,
    Never,
}

/// How a connection ends.
enum End {
    /// Nothing is left to be said.
    InOrder,
    /// All was said, and the client may still send what nobody reads.
    Unread,
    /// This is left to be said.
    Refused(Failure),
    /// The client cannot be told anything any more, for this reason.
    Broken(&'static str),
    /// Somebody else goes on with it.
    Switched,
}

impl Connection {
    async fn run(&mut self) -> End {
        loop {
            let mut asked = None;
            if let Err(end) = poll_fn(|cx| self.poll_head(cx, &mut asked)).await {
                return end;
            }
            let Some(Asked { head, about, framing }) = &mut asked else { continue };
            let (about, framing) = (*about, *framing);
            let (upgrade, switch) = if about.upgrade { tunnel::asked_for(head) } else { (None, None) };
            let body = match framing {
                Framing::Over => FromClient::Nothing,
                _ => FromClient::Http1(self.line.begin(framing, if about.expects { Waits::Yes } else { Waits::No })),
            };
            // In memory of its own, so that a connection that is idle does not keep the room for an exchange.
            let exchange = Box::pin(exchange::serve(&self.client, head, body, upgrade));
            drop(asked);
            let mut serving = Serving { exchange: Some(exchange), about, answer: None };
            let after = poll_fn(|cx| self.poll_serving(cx, &mut serving)).await;
            // It ends behind its last byte.
            drop(serving);
            match after {
                Ok((After::Next, InOrder::Yes)) => self.rest(),
                Ok((After::Close, InOrder::Yes)) if !self.line.has_read() => return End::InOrder,
                Ok((After::Switch, _)) => return self.switch(switch),
                Ok(_) => return End::Unread,
                Err(end) => return end,
            }
        }
    }

    /// Wait for a request. Dropping it loses nothing.
    fn poll_head(&mut self, cx: &mut Context<'_>, asked: &mut Option<Asked>) -> Poll<Result<(), End>> {
        loop {
            if self.line.has_read() {
                if let Err(failure) = self.parse(asked) {
                    return Poll::Ready(Err(End::Refused(failure)));
                }
                if asked.is_some() {
                    return Poll::Ready(Ok(()));
                }
            }
            match self.line.poll_more(cx) {
                Poll::Ready(Ok(0)) => return Poll::Ready(Err(End::InOrder)),
                Poll::Ready(Ok(_)) => {}
                Poll::Ready(Err(_)) => return Poll::Ready(Err(End::Broken("it broke while nothing was asked"))),
                Poll::Pending => return self.poll_waiting(cx).map(Err),
            }
        }
    }

    /// The request that came, if it is whole.
    fn parse(&mut self, asked: &mut Option<Asked>) -> Result<(), Failure> {
        let limits = &self.client.edge.limits;
        let read = self.line.take_read();
        if self.looked_at > 0 && read.len() < limits.header_bytes && head::end(&read, self.looked_at).is_none() {
            self.partial(read);
            return Ok(());
        }
        let block = read.freeze();
        match request::parse(&block, limits, asked)? {
            Some(length) => {
                if length < block.len() {
                    self.line.put_back(BytesMut::from(block.get(length..).unwrap_or_default()));
                }
                self.looked_at = 0;
            }
            None => self.partial(block.try_into_mut().unwrap_or_else(|block| BytesMut::from(&*block))),
        }
        Ok(())
    }

    fn partial(&mut self, read: BytesMut) {
        // An end may have begun in the last two bytes.
        self.looked_at = read.len().saturating_sub(2);
        self.line.put_back(read);
        if let Turn::Idle(_) = self.turn {
            self.turn = Turn::Head(Instant::now());
        }
    }

    /// Nothing came; ready once that is the end.
    fn poll_waiting(&mut self, cx: &mut Context<'_>) -> Poll<End> {
        if let Turn::Idle(_) = self.turn
            && Pin::new(&mut self.draining).poll(cx).is_ready()
        {
            return Poll::Ready(End::InOrder);
        }
        let limits = &self.client.edge.limits;
        ready!(self.waiting.poll(cx, self.turn.deadline(limits)));
        Poll::Ready(match self.turn {
            Turn::Idle(_) => End::InOrder,
            Turn::Head(_) => {
                let detail = format!("the head was not complete after {:?}", limits.header_timeout);
                End::Refused(Failure::new(Cause::RequestTimeout, detail))
            }
        })
    }

    /// Move the exchange along until its answer is there, and send that; ready once all is sent. What becomes of the
    /// connection then, and whether it stands where the next request begins.
    fn poll_serving<E>(&mut self, cx: &mut Context<'_>, serving: &mut Serving<E>) -> Poll<Result<Sent, End>>
    where
        E: Future<Output = Served>,
    {
        if let Some(exchange) = &mut serving.exchange {
            let Poll::Ready(served) = exchange.as_mut().poll(cx) else {
                return self.line.poll_gone(cx).map(|()| Err(End::Broken("it went away before it was answered")));
            };
            let after = self.begin_answer(cx, &served, serving.about);
            serving.answer = Some(Answer { after, body: served.body, whole: Whole::SoFar });
            serving.exchange = None;
        }
        // It is there from when the exchange is over.
        let Some(answer) = &mut serving.answer else { return Poll::Pending };
        ready!(self.poll_send(cx, answer))?;
        let in_order = if self.line.end(cx) { InOrder::Yes } else { InOrder::No };
        Poll::Ready(Ok((answer.after, in_order)))
    }

    fn begin_answer(&mut self, cx: &mut Context<'_>, served: &Served, about: About) -> After {
        let worker = &self.client.worker;
        let lasts = about.persistent && !worker.leaving.is_told() && self.line.is_in_order(cx);
        let after = if lasts { After::Next } else { After::Close };
        let before = self.line.rest_of_interim();
        answer::begin(&mut self.outgoing, before, served, about, after, |out| {
            out.extend_from_slice(b"date: ");
            worker.date.show(worker.now.get(), |date| out.extend_from_slice(date));
            out.extend_from_slice(b"\r\n");
        })
    }

    /// Write the answer as its body comes; ready once all is written.
    fn poll_send(&mut self, cx: &mut Context<'_>, answer: &mut Answer) -> Poll<Result<(), End>> {
        let gone = |()| Err(End::Broken("it went away before its answer was complete"));
        loop {
            self.outgoing.clear_written();
            // What came before a body broke off is sent all the same, and nothing is asked of it any more.
            if answer.whole == Whole::SoFar && self.outgoing.fill(cx, &mut answer.body).is_err() {
                answer.whole = Whole::Never;
            }
            let progress = if self.outgoing.is_written() {
                if answer.whole == Whole::Never {
                    return Poll::Ready(Err(End::Broken("its answer broke off")));
                }
                match self.line.poll_flush(cx) {
                    Poll::Ready(Ok(())) if self.outgoing.is_over() => return Poll::Ready(Ok(())),
                    // It is the upstream's turn.
                    Poll::Ready(Ok(())) => return self.line.poll_gone(cx).map(gone),
                    Poll::Ready(Err(error)) => Poll::Ready(Err(error)),
                    Poll::Pending => Poll::Pending,
                }
            } else {
                self.line.poll_write(cx, &self.outgoing)
            };
            match progress {
                Poll::Ready(Ok(0) | Err(_)) => return Poll::Ready(gone(())),
                Poll::Ready(Ok(bytes)) => {
                    self.outgoing.advance(bytes);
                    self.stalled.over();
                }
                Poll::Pending => {
                    if self.stalled.poll(cx).is_ready() {
                        return Poll::Ready(Err(End::Broken("it took nothing of its answer in time")));
                    }
                    return self.line.poll_gone(cx).map(gone);
                }
            }
        }
    }

    /// Between two exchanges. Somebody has just looked at the clock, since the last one is over.
    fn rest(&mut self) {
        self.outgoing.rest();
        self.turn = Turn::Idle(self.client.worker.now.get());
    }

    /// Hand the connection over to whoever speaks what was switched to.
    fn switch(&self, to: Option<oneshot::Sender<Switched>>) -> End {
        let (Some(to), Some(switched)) = (to, self.line.take_stream()) else {
            return End::Broken("it was told to switch, and did not ask for it");
        };
        match to.send(switched) {
            Ok(()) => End::Switched,
            Err(_) => End::Broken("there is nobody to switch to"),
        }
    }

    async fn end(self, end: End) {
        let Some((mut stream, _)) = self.line.take_stream() else { return };
        match end {
            // Bounded, since TLS has a word to say first.
            End::InOrder => drop(timeout(limits::REFUSAL_LINGER, stream.shutdown()).await),
            End::Unread => refusal::linger(stream).await,
            End::Refused(failure) => refusal::answer(&self.client, stream, &failure).await,
            End::Broken(why) => tracing::debug!(client = %self.client.address, "client connection ended: {why}"),
            End::Switched => {}
        }
    }
}
