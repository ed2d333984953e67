//! A request's body, whole: within its bound, in time, and only as long as there is room for it.

use bytes::{Bytes, BytesMut};
use http::StatusCode;
use http::header::CONNECTION;
use http_body_util::{BodyExt, LengthLimitError, Limited};
use hyper::body::{Body, Incoming};
use tokio::sync::{Semaphore, SemaphorePermit};
use tokio::time::{Instant, timeout_at};

use super::answer::Answer;
use crate::limits;

/// All of `body`, which has at most `limit` bytes; and its room among `bodies`, which counts KiB.
///
/// # Errors
/// The answer: 413 for a larger one, 408 for one that does not come, 503 if there is no room for it.
pub(super) async fn whole(
    body: Incoming,
    limit: usize,
    bodies: &Semaphore,
) -> Result<(Bytes, SemaphorePermit<'_>), Answer> {
    let hint = body.size_hint();
    let announced = hint.lower();
    if usize::try_from(announced).map_or(true, |bytes| bytes > limit) {
        return Err(too_large(limit));
    }
    let deadline = Instant::now() + limits::ADMIN_BODY_TIMEOUT;
    let most = hint.exact().and_then(|bytes| usize::try_from(bytes).ok()).unwrap_or(limit);
    let room = u32::try_from(most.div_ceil(1 << 10)).unwrap_or(limits::ADMIN_BODIES_KIB);
    let room = timeout_at(deadline, bodies.acquire_many(room.min(limits::ADMIN_BODIES_KIB))).await;
    let Ok(Ok(room)) = room else {
        let message = "Too many large requests at a time: try again";
        return Err(Answer::message(StatusCode::SERVICE_UNAVAILABLE, message));
    };
    let mut body = Limited::new(body, limit);
    let mut whole = BytesMut::new();
    loop {
        let patience = deadline.min(Instant::now() + limits::ADMIN_BODY_IDLE);
        match timeout_at(patience, body.frame()).await {
            Ok(None) => return Ok((whole.freeze(), room)),
            Ok(Some(Ok(frame))) => {
                // Trailers say nothing here.
                if let Ok(piece) = frame.into_data() {
                    whole.extend_from_slice(&piece);
                }
            }
            Ok(Some(Err(error))) if error.is::<LengthLimitError>() => return Err(too_large(limit)),
            Ok(Some(Err(error))) => {
                let message = format!("The body cannot be read: {error}");
                return Err(Answer::message(StatusCode::BAD_REQUEST, &message));
            }
            Err(_) => {
                let message = "The body does not come in time";
                return Err(Answer::message(StatusCode::REQUEST_TIMEOUT, message).with(CONNECTION, "close"));
            }
        }
    }
}

fn too_large(limit: usize) -> Answer {
    let message = format!("The body is larger than {limit} bytes");
    Answer::message(StatusCode::PAYLOAD_TOO_LARGE, &message)
}
