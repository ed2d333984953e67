//! Each batch as one request, over a connection that is kept. What the answer's status says decides: 2xx is delivered;
//! 408, 429 and 5xx are tried again; everything else is refused.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use http::header::{CONTENT_TYPE, HOST, RETRY_AFTER, USER_AGENT};
use http::{HeaderMap, HeaderName, HeaderValue, Request, Response, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::client::conn::http1::{self, SendRequest};
use hyper_util::rt::TokioIo;
use tokio::task::AbortHandle;
use tokio::time::timeout;

use super::Failure;
use crate::config::checked::HttpSink;
use crate::limits;
use crate::observe::metrics::SinkMetrics;
use crate::observe::sinks::batch::Batch;
use crate::observe::sinks::peer::Peer;

pub(in crate::observe::sinks) struct Http {
    to: HttpSink,
    headers: HeaderMap,
    peer: Peer,
    metrics: Arc<SinkMetrics>,
    open: Option<Open>,
}

/// A connection that can take a request, and the task that moves it along, which ends with it.
struct Open {
    requests: SendRequest<Full<Bytes>>,
    driver: AbortHandle,
}

impl Drop for Open {
    fn drop(&mut self) {
        self.driver.abort();
    }
}

impl Http {
    pub(super) fn new(to: HttpSink, peer: Peer, metrics: Arc<SinkMetrics>) -> Self {
        const AGENT: &str = concat!("tidegate/", env!("CARGO_PKG_VERSION"));
        let own: [(HeaderName, HeaderValue); 3] = [
            (HOST, to.url.host.clone()),
            (USER_AGENT, HeaderValue::from_static(AGENT)),
            (CONTENT_TYPE, to.content_type.clone()),
        ];
        let mut headers: HeaderMap = own.into_iter().collect();
        for (name, value) in &to.headers {
            headers.insert(name, value.clone());
        }
        Self { to, headers, peer, metrics, open: None }
    }

    pub(super) async fn deliver(&mut self, batch: &Batch) -> Result<(), Failure> {
        let limit = self.to.timeout;
        let answer = match timeout(limit, self.exchange(batch.body())).await {
            Ok(answer) => answer.map_err(Failure::again)?,
            Err(_) => return Err(self.again(&format!("no answer within {limit:?}"), None)),
        };
        if answer.status.is_success() {
            batch.delivered(&self.metrics);
            return Ok(());
        }
        let words = format!("answered {}: {:?}", answer.status, answer.shown());
        match answer.status {
            StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE => Err(self.again(&words, answer.after)),
            StatusCode::REQUEST_TIMEOUT => Err(self.again(&words, None)),
            status if status.is_server_error() => Err(self.again(&words, None)),
            _ => Err(Failure::Refused(format!("{}: {words}", self.peer.name()))),
        }
    }

    fn again(&self, words: &str, after: Option<Duration>) -> Failure {
        Failure::Again { words: format!("{}: {words}", self.peer.name()), after }
    }

    /// One request and its answer. A connection that turns out to be dead before there is an answer, because the peer
    /// has closed it while it was idle, is replaced at once.
    async fn exchange(&mut self, body: &Bytes) -> Result<Answer, String> {
        // Out of its place, so that a request that is broken off takes its connection with it.
        if let Some(mut open) = self.open.take()
            && open.requests.ready().await.is_ok()
            && let Ok(answer) = open.requests.send_request(self.request(body)).await
        {
            return self.answer(open, answer).await;
        }
        let wire = self.peer.connect(self.to.timeout).await?;
        let words = |error: hyper::Error| format!("{}: {}", self.peer.name(), with_causes(&error));
        let handshake = http1::Builder::new().max_buf_size(limits::HEAD_BYTES).handshake(TokioIo::new(wire));
        let (requests, connection) = handshake.await.map_err(words)?;
        let driver = tokio::spawn(async move {
            if let Err(error) = connection.await {
                tracing::debug!(%error, "a sink's connection ended");
            }
        });
        let mut open = Open { requests, driver: driver.abort_handle() };
        let answer = open.requests.send_request(self.request(body)).await.map_err(words)?;
        self.answer(open, answer).await
    }

    fn request(&self, body: &Bytes) -> Request<Full<Bytes>> {
        let mut request = Request::new(Full::new(body.clone()));
        *request.method_mut() = self.to.method.clone();
        *request.uri_mut() = self.to.url.target.clone().into();
        *request.headers_mut() = self.headers.clone();
        request
    }

    /// Read the answer to its end; if that is not too far, the connection can be used again.
    async fn answer(&mut self, open: Open, answer: Response<Incoming>) -> Result<Answer, String> {
        let (head, mut body) = answer.into_parts();
        let mut read = Answer { status: head.status, after: retry_after(&head.headers), beginning: Vec::new() };
        let mut length = 0;
        while let Some(frame) = body.frame().await {
            // The status has said already what there is to know.
            let Ok(frame) = frame else { return Ok(read) };
            let piece = frame.data_ref().map_or(&[][..], |piece| &**piece);
            let wanted = limits::SINK_ANSWER_SHOWN.saturating_sub(read.beginning.len()).min(piece.len());
            read.beginning.extend_from_slice(piece.get(..wanted).unwrap_or_default());
            length += piece.len();
            if length > limits::SINK_ANSWER_BYTES {
                return Ok(read);
            }
        }
        self.open = Some(open);
        Ok(read)
    }
}

/// What there is to know of an answer.
struct Answer {
    status: StatusCode,
    after: Option<Duration>,
    beginning: Vec<u8>,
}

impl Answer {
    fn shown(&self) -> String {
        String::from_utf8_lossy(&self.beginning).into_owned()
    }
}

/// How long the peer wants to be left alone: seconds, or a date (RFC 9110, section 10.2.3).
fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let text = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    let after = match text.parse() {
        Ok(seconds) => Duration::from_secs(seconds),
        Err(_) => httpdate::parse_http_date(text).ok()?.duration_since(SystemTime::now()).unwrap_or_default(),
    };
    Some(after.min(limits::SINK_RETRY_AFTER))
}

/// hyper's own words say little without what stands behind them.
fn with_causes(error: &dyn std::error::Error) -> String {
    let mut words = error.to_string();
    let mut cause = error.source();
    for _ in 0..limits::ERROR_DEPTH {
        let Some(error) = cause else { break };
        words.push_str(": ");
        words.push_str(&error.to_string());
        cause = error.source();
    }
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn retry_after_is_seconds_or_a_date_and_has_a_bound() {
        let after =
            |text: &'static str| retry_after(&HeaderMap::from_iter([(RETRY_AFTER, HeaderValue::from_static(text))]));
        assert_eq!(after("7"), Some(Duration::from_secs(7)));
        assert_eq!(after("999999"), Some(limits::SINK_RETRY_AFTER));
        assert_eq!(after("Sun, 06 Nov 1994 08:49:37 GMT"), Some(Duration::ZERO));
        assert_eq!(after("Fri, 31 Dec 9999 23:59:59 GMT"), Some(limits::SINK_RETRY_AFTER));
        assert_eq!([after("-1"), after("soon"), after("")], [None; 3]);
        assert_eq!(retry_after(&HeaderMap::new()), None);
    }
}
