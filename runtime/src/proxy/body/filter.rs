//! The plugins that the pieces of a body pass on their way. A piece goes in, and what is to go on in its place comes
//! out; the plugins see an exchange beside the one that is under way, with the same scratch.

use std::cell::Cell;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use tokio::time::Instant;

use crate::error::{Cause, Failure};
use crate::host::activation::BodyMode;
use crate::host::chain::Chain;
use crate::host::exchange::Exchange;
use crate::host::plugin_use::{Piece, Place, Reply};

/// What pieces pass, one after another.
pub(in crate::proxy) struct Filter {
    chain: Arc<Chain>,
    worker: usize,
    side: Side,
    /// How many uses of the chain have to do with this exchange.
    entered: usize,
    state: State,
    /// There will be no other piece.
    ended: bool,
    /// Something has come out: a plugin's reply would come too late.
    begun: bool,
}

/// Whose body it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::proxy) enum Side {
    /// The request's: from the first use to the last.
    Request,
    /// The response's: from the last use to the first.
    Response,
}

enum State {
    Waiting(Box<Exchange>),
    Running(Run),
    /// A plugin has failed or answered.
    Broken,
}

type Run = Pin<Box<dyn Future<Output = (Box<Exchange>, Result<Out, Failure>)>>>;

/// What came of a piece.
pub(in crate::proxy) enum Out {
    /// This goes on; nothing, if it is empty.
    Bytes(Bytes),
    /// A plugin answers.
    Reply(Box<Reply>),
}

impl Filter {
    /// The first `entered` uses of `chain` see this body's pieces, as far as they want to.
    pub(in crate::proxy) fn new(
        chain: Arc<Chain>,
        worker: usize,
        side: Side,
        entered: usize,
        exchange: Box<Exchange>,
    ) -> Self {
        Self { chain, worker, side, entered, state: State::Waiting(exchange), ended: false, begun: false }
    }

    /// Whether the last piece has gone in.
    pub(in crate::proxy) fn has_ended(&self) -> bool {
        self.ended
    }

    /// Whether a piece is on its way through.
    pub(in crate::proxy) fn is_running(&self) -> bool {
        matches!(self.state, State::Running(_))
    }

    /// Put a piece in, after the last one has come out. `end`: it is the last.
    pub(in crate::proxy) fn begin(&mut self, bytes: Bytes, end: bool) {
        self.ended = end;
        if let State::Waiting(exchange) = std::mem::replace(&mut self.state, State::Broken) {
            let chain = Arc::clone(&self.chain);
            self.state =
                State::Running(Box::pin(run(chain, self.worker, self.side, self.entered, exchange, bytes, end)));
        }
    }

    /// What comes out of the piece that was put in.
    pub(in crate::proxy) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Result<Out, Failure>> {
        let State::Running(run) = &mut self.state else {
            return Poll::Ready(Err(Failure::new(Cause::PluginFailed, "a plugin has ended this body already")));
        };
        let (exchange, out) = ready!(run.as_mut().poll(cx));
        let out = match out {
            Ok(Out::Reply(_)) if self.begun || self.side == Side::Response => {
                let story = "a plugin answers after the first piece of the body has gone on";
                Err(Failure::new(Cause::PluginFailed, story))
            }
            out => out,
        };
        self.state = match &out {
            Ok(Out::Bytes(bytes)) => {
                self.begun |= !bytes.is_empty();
                State::Waiting(exchange)
            }
            _ => State::Broken,
        };
        Poll::Ready(out)
    }
}

async fn run(
    chain: Arc<Chain>,
    worker: usize,
    side: Side,
    entered: usize,
    mut exchange: Box<Exchange>,
    mut bytes: Bytes,
    end: bool,
) -> (Box<Exchange>, Result<Out, Failure>) {
    let uses = chain.uses();
    let clock = Cell::new(Instant::now());
    for turn in 0..entered {
        let index = if side == Side::Request { turn } else { entered - 1 - turn };
        let Some(plugin_use) = uses.get(index) else { continue };
        let (activation, place) = (plugin_use.plugin.activation, Place { worker, clock: &clock });
        let wanted = match side {
            Side::Request => activation.request_body,
            Side::Response => activation.response_body,
        };
        // What one plugin has taken away is not there for the next.
        if wanted != BodyMode::Chunked || (bytes.is_empty() && !end) {
            continue;
        }
        let piece = (bytes.clone(), end);
        let decided = match side {
            Side::Request => plugin_use.on_request_body(place, &mut exchange, piece).await,
            Side::Response => plugin_use.on_response_body(place, &mut exchange, piece).await,
        };
        match decided {
            Ok(Piece::Pass) => {}
            Ok(Piece::Replace(instead)) => bytes = instead,
            Ok(Piece::Reply(reply)) => return (exchange, Ok(Out::Reply(reply))),
            Err(failure) => return (exchange, Err(failure)),
        }
    }
    (exchange, Ok(Out::Bytes(bytes)))
}
