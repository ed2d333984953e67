//! Each batch as one request, over a connection that is kept. What becomes of it is what the answer says.

mod answer;
mod verdict;

use std::io::{self, Write};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use flate2::write::GzEncoder;
use http::header::{CONTENT_ENCODING, CONTENT_TYPE, HOST, USER_AGENT};
use http::{HeaderMap, HeaderName, HeaderValue, Request, Response};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::client::conn::http1::{self, SendRequest};
use hyper_util::rt::TokioIo;
use tokio::task::{AbortHandle, spawn_blocking};
use tokio::time::timeout;

use super::{Failure, Pause};
use crate::config::checked::{Compression, HttpSink};
use crate::limits;
use crate::observe::metrics::{Dropped, SinkMetrics};
use crate::observe::sinks::batch::Batch;
use crate::observe::sinks::peer::Peer;

use answer::Answer;
use verdict::{Each, Fate, Verdict};

pub(in crate::observe::sinks) struct Http {
    to: HttpSink,
    headers: HeaderMap,
    peer: Peer,
    metrics: Arc<SinkMetrics>,
    open: Option<Open>,
    /// The last body that was compressed, and what came of it.
    packed: Option<(Bytes, Bytes)>,
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
        if to.compression == Compression::Gzip {
            headers.insert(CONTENT_ENCODING, HeaderValue::from_static("gzip"));
        }
        Self { to, headers, peer, metrics, open: None, packed: None }
    }

    pub(super) async fn deliver(&mut self, batch: &Batch) -> Result<(), Failure> {
        let limit = self.to.timeout;
        let answer = match timeout(limit, self.exchange(batch)).await {
            Ok(answer) => answer.map_err(Failure::again)?,
            Err(_) => return Err(self.again(&format!("no answer within {limit:?}"), Pause::Growing)),
        };
        let pause = answer.after.map_or(Pause::Growing, Pause::For);
        match Verdict::of(&answer, &self.to.format, batch.count()) {
            Verdict::Delivered => {
                batch.delivered(&self.metrics);
                Ok(())
            }
            Verdict::Again(words) => Err(self.again(&words, pause)),
            Verdict::Denied(words) => Err(self.again(&words, Pause::Longest)),
            Verdict::Refused(words) => Err(Failure::Refused(self.words(&words))),
            Verdict::Each(each) => self.each(batch, &each, pause),
        }
    }

    /// Records have had different fates: what is to be sent again stays.
    fn each(&self, batch: &Batch, each: &Each, pause: Pause) -> Result<(), Failure> {
        let fates = || batch.each().zip(&each.fates);
        let delivered = fates().filter(|(_, fate)| **fate == Fate::Delivered);
        let (records, bytes) =
            delivered.fold((0, 0), |(records, bytes), (record, _)| (records + 1, bytes + record.len()));
        let refused = fates().filter(|(_, fate)| **fate == Fate::Refused).count();
        self.metrics.deliver(records, bytes as u64);
        self.metrics.drop_records(Dropped::Refused, refused as u64);
        let words = self.words(&each.words);
        let is_left = |fate: &Fate| matches!(fate, Fate::Again | Fate::Denied);
        if !each.fates.iter().any(is_left) {
            return Err(Failure::Unwanted(words));
        }
        let rest = Arc::new(batch.rest(|number| each.fates.get(number).is_some_and(is_left)));
        let unwanted = (refused > 0).then(|| words.clone());
        let pause = match each.fates.contains(&Fate::Denied) {
            true => Pause::Longest,
            // Where only what is refused has kept the others out, they are sent without it at once.
            false if each.at_once => Pause::For(Duration::ZERO),
            false => pause,
        };
        Err(Failure::Partly { rest, words, pause, unwanted })
    }

    fn words(&self, words: &str) -> String {
        format!("{}: {words}", self.peer.name())
    }

    fn again(&self, words: &str, pause: Pause) -> Failure {
        Failure::Again { words: self.words(words), pause }
    }

    /// One request and its answer. A connection that turns out to be dead before there is an answer, because the peer
    /// has closed it while it was idle, is replaced at once.
    async fn exchange(&mut self, batch: &Batch) -> Result<Answer, String> {
        let body = &self.packed(batch.body()).await?;
        let most = self.to.format.answer_bytes(batch.count());
        // Out of its place, so that a request that is broken off takes its connection with it.
        if let Some(mut open) = self.open.take()
            && open.requests.ready().await.is_ok()
            && let Ok(answer) = open.requests.send_request(self.request(body)).await
        {
            return self.answer(open, answer, most).await;
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
        self.answer(open, answer, most).await
    }

    fn request(&self, body: &Bytes) -> Request<Full<Bytes>> {
        let mut request = Request::new(Full::new(body.clone()));
        *request.method_mut() = self.to.method.clone();
        *request.uri_mut() = self.to.url.target.clone().into();
        *request.headers_mut() = self.headers.clone();
        request
    }

    /// As it is sent. Compressing takes a thread of its own, and is done once for all attempts.
    async fn packed(&mut self, body: &Bytes) -> Result<Bytes, String> {
        if self.to.compression == Compression::None {
            return Ok(body.clone());
        }
        if let Some((of, packed)) = &self.packed
            && (of.as_ptr(), of.len()) == (body.as_ptr(), body.len())
        {
            return Ok(packed.clone());
        }
        let of = body.clone();
        let packed = spawn_blocking(move || {
            let mut encoder = GzEncoder::new(Vec::new(), flate2::Compression::fast());
            encoder.write_all(&of).and_then(|()| encoder.finish())
        });
        let packed =
            packed.await.map_err(io::Error::other).flatten().map_err(|error| self.words(&error.to_string()))?;
        let packed = Bytes::from(packed);
        self.packed = Some((body.clone(), packed.clone()));
        Ok(packed)
    }

    /// Read the answer, `most` bytes of it at least; if that is its end, the connection can be used again.
    async fn answer(&mut self, open: Open, answer: Response<Incoming>, most: usize) -> Result<Answer, String> {
        let (head, mut body) = answer.into_parts();
        let mut read = Answer::new(&head);
        while let Some(frame) = body.frame().await {
            // The status has said already what there is to know, but for formats that say more.
            let Ok(frame) = frame else { return Ok(read.cut()) };
            read.text.extend_from_slice(frame.data_ref().map_or(&[][..], |piece| &**piece));
            if read.text.len() > most {
                return Ok(read.cut());
            }
        }
        self.open = Some(open);
        Ok(read)
    }
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
