//! A request's body as its client sends it, whichever HTTP that speaks.

use std::task::{Context, Poll};

use bytes::Bytes;
use hyper::body::{Body, Frame, Incoming, SizeHint};

use super::{BodyError, poll_incoming};
use crate::proxy::serve_http1::Reader;

/// See the module.
pub(in crate::proxy) enum FromClient {
    /// The request ends with its head.
    Nothing,
    Http1(Reader),
    Http2(Incoming),
}

impl FromClient {
    /// Whether all of it has come.
    pub(in crate::proxy) fn is_over(&self) -> bool {
        match self {
            Self::Nothing => true,
            Self::Http1(reader) => reader.is_over(),
            Self::Http2(incoming) => incoming.is_end_stream(),
        }
    }

    /// How much is left of it, if that is known.
    pub(in crate::proxy) fn length(&self) -> Option<u64> {
        match self {
            Self::Nothing => SizeHint::with_exact(0),
            Self::Http1(reader) => reader.size_hint(),
            Self::Http2(incoming) => incoming.size_hint(),
        }
        .exact()
    }

    pub(super) fn poll_frame(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        match self {
            Self::Nothing => Poll::Ready(None),
            Self::Http1(reader) => {
                reader.poll_frame(cx).map(|frame| frame.map(|frame| frame.map_err(BodyError::Client)))
            }
            Self::Http2(incoming) => poll_incoming(incoming, cx),
        }
    }
}
