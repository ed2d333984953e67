//! A request's body that plugins get to see: taken in whole, put in another's place, or passed piece by piece.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::future::poll_fn;
use std::rc::Rc;

use bytes::Bytes;
use tokio::time::Instant;

use super::{Bounds, Kept, Piece, Source, Turn, Upload};
use crate::error::{Cause, Failure};
use crate::proxy::body::{Filter, Pace};

impl Upload {
    /// One that is here already, made by a plugin.
    pub(in crate::proxy) fn of(bytes: Bytes, bounds: Bounds) -> Rc<Self> {
        let upload = Rc::new(Self {
            source: RefCell::new(Source {
                incoming: None,
                pace: Pace::new(bounds.idle),
                kept: Kept::Cut,
                ended: true,
                filter: None,
                ahead: VecDeque::new(),
                came_ahead: false,
                held: None,
            }),
            bounds,
            deadline: Instant::now() + bounds.total,
            length: Cell::new(None),
            received: Cell::new(0),
            attempt: Cell::new(0),
            turn: Cell::new(Turn::Upstream(Instant::now())),
            broken: RefCell::new(None),
            reply: RefCell::new(None),
        });
        upload.replace(bytes);
        upload
    }

    /// Have this go on in place of all that the client sends.
    pub(in crate::proxy) fn replace(&self, bytes: Bytes) {
        let mut source = self.source.borrow_mut();
        self.length.set(Some(bytes.len() as u64));
        source.kept = Kept::Whole { bytes: bytes.len(), pieces: vec![Piece::Bytes(bytes)] };
        source.ended = true;
    }

    /// Wait for all of it, up to `most` bytes, and keep it.
    pub(in crate::proxy) async fn take_in(&self, most: u64) -> Result<Bytes, Failure> {
        let too_large = || {
            let story = format!("a plugin needs all of it, and takes no more than {most} bytes");
            Failure::new(Cause::BodyTooLarge, story)
        };
        if self.length.get().is_some_and(|length| length > most) {
            return Err(too_large());
        }
        let mut whole = Vec::new();
        let mut trailers = None;
        let mut next = 0;
        loop {
            match poll_fn(|cx| self.poll_next(next, cx)).await {
                Some(Ok(Piece::Bytes(bytes))) => {
                    if (whole.len() + bytes.len()) as u64 > most {
                        return Err(too_large());
                    }
                    whole.extend_from_slice(&bytes);
                }
                Some(Ok(piece)) => trailers = Some(piece),
                Some(Err(error)) => {
                    let broken = || Failure::new(error.clients(), format!("the request's body broke off: {error}"));
                    return Err(self.broken().unwrap_or_else(broken));
                }
                None => break,
            }
            next += 1;
        }
        let whole = Bytes::from(whole);
        self.replace(whole.clone());
        if let (Some(trailers), Kept::Whole { pieces, .. }) = (trailers, &mut self.source.borrow_mut().kept) {
            // Something comes behind the bytes, so their number is not where it ends.
            self.length.set(None);
            pieces.push(trailers);
        }
        Ok(whole)
    }

    /// Have its pieces pass `filter`, which may make more or fewer bytes of them.
    pub(in crate::proxy) fn filter(&self, filter: Filter) {
        let mut source = self.source.borrow_mut();
        self.length.set(None);
        source.filter = Some(filter);
        if let Kept::Whole { pieces, .. } = std::mem::replace(&mut source.kept, Kept::new()) {
            // What is here already has to pass it, too.
            source.ahead = pieces.into();
            source.came_ahead = std::mem::take(&mut source.ended);
        }
    }
}
