//! A body that leaves once the gateway asks for it (RFC 9110, section 10.1.1): a refusal that comes while one is under way
//! gets lost with the connection.

use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http::header::EXPECT;
use http::{HeaderValue, Request, StatusCode};
use hyper::body::{Body, Frame, SizeHint};
use tokio::sync::oneshot;
use tokio::time::timeout;

use crate::limits;

/// All of a body, or nothing.
pub(super) struct Upload {
    bytes: Bytes,
    /// Over once it may leave.
    held: Option<Pin<Box<dyn Future<Output = ()> + Send>>>,
}

/// `request` with `bytes`, which wait until they are asked for.
pub(super) fn held(request: Request<()>, bytes: Bytes) -> Request<Upload> {
    if bytes.is_empty() {
        return request.map(|()| Upload { bytes, held: None });
    }
    let (asked, waits) = oneshot::channel::<()>();
    let asked = std::sync::Mutex::new(Some(asked));
    // What is between may not know of this.
    let held = Box::pin(async { drop(timeout(limits::ADMIN_CLIENT_CONTINUE, waits).await) });
    let mut request = request.map(|()| Upload { bytes, held: Some(held) });
    request.headers_mut().insert(EXPECT, HeaderValue::from_static("100-continue"));
    hyper::ext::on_informational(&mut request, move |answer| {
        let asked =
            asked.lock().ok().filter(|_| answer.status() == StatusCode::CONTINUE).and_then(|mut asked| asked.take());
        if let Some(asked) = asked {
            // Nobody waits any more if it has left unasked.
            let _ = asked.send(());
        }
    });
    request
}

impl Body for Upload {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        if let Some(held) = &mut self.held {
            ready!(held.as_mut().poll(context));
            self.held = None;
        }
        let bytes = std::mem::take(&mut self.bytes);
        Poll::Ready((!bytes.is_empty()).then(|| Ok(Frame::data(bytes))))
    }

    fn is_end_stream(&self) -> bool {
        self.bytes.is_empty()
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.bytes.len() as u64)
    }
}
