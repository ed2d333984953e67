//! One case on the real host: a worker as every gateway has them serves it on loopback, between a client and an upstream
//! that do as the case says. So the exchange goes its whole way, bodies and answers included.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context as Task, Poll};

use anyhow::Context;
use arc_swap::ArcSwap;
use bytes::Bytes;
use http::{HeaderMap, Request, Response};
use http_body_util::BodyExt;
use hyper::body::{Body as HttpBody, Frame, Incoming, SizeHint};
use hyper::client::conn::http1 as client;
use hyper::server::conn::http1 as server;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tidegate_cases::{Answer, Body, Case, Seen, SeenRequest, SeenResponse};
use tokio::io::AsyncWriteExt;
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Runtime;
use tokio::task::JoinHandle;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use super::journal::Journal;
use super::stage::{self, Set, Stage};
use crate::config::checked::Isolation;
use crate::limits;
use crate::observe::access_log::Lines;
use crate::observe::failures::{Failures, Query};
use crate::proxy::observer::Observer;
use crate::proxy::worker::{Handle, Listening, Live, Order, Queue};
use crate::snapshot::Snapshot;

/// Run `case`, and tell what came of it.
pub(super) fn run(stage: &Stage, case: &Case, control: &Runtime, journal: &Journal) -> anyhow::Result<Seen> {
    let (upstream, own) = listener(control)?;
    let others = case.upstreams.iter().map(|_| listener(control)).collect::<anyhow::Result<Vec<_>>>()?;
    let (others, addresses): (Vec<_>, Vec<_>) = others.into_iter().unzip();
    let set = match stage.set(case, (own, &addresses), Isolation::Worker, control.handle())? {
        Ok(set) => set,
        Err(report) => return Ok(Seen { refused: Some(stage::told(&report)), ..Seen::default() }),
    };
    let Set { snapshot, stock, plugin, folder, own_sink } = set;
    // What it has said while it was configured is not the exchange's.
    journal.take();
    let asked = Asked::default();
    let named = case.upstreams.iter().cloned().zip(others);
    let answering: Vec<_> = std::iter::once(("service".to_owned(), upstream))
        .chain(named)
        .map(|(name, listener)| control.spawn(answer_all(name, listener, case.answer.clone(), Arc::clone(&asked))))
        .collect();
    let failures = Arc::new(Failures::default());
    let observer = Observer::new(0, Lines::off(), false, Arc::clone(&stock.metrics), Arc::clone(&failures));
    let response = on_a_worker(snapshot, observer, case, &asked, control);
    answering.iter().for_each(JoinHandle::abort);
    control.block_on(stock.sinks.end());
    let failed = failures.list(&Query { size: 1, ..Query::default() });
    let failed = failed.first().filter(|failed| failed.code.starts_with("plugin_"));
    Ok(Seen {
        refused: None,
        upstream: asked.lock().unwrap_or_else(PoisonError::into_inner).take(),
        response: Some(response?),
        failure: failed.map(|failed| failed.detail.clone()),
        log: journal.take(),
        metrics: stock.metrics.custom.of(&plugin),
        records: stage::delivered(folder.path(), case),
        own_sink,
    })
}

/// Where an upstream is to be.
fn listener(control: &Runtime) -> anyhow::Result<(TcpListener, SocketAddr)> {
    let listener = control.block_on(TcpListener::bind("127.0.0.1:0")).context("no port is to be had")?;
    let address = listener.local_addr()?;
    Ok((listener, address))
}

/// The case's requests served on `snapshot`, by a worker that has nothing else to do.
fn on_a_worker(
    snapshot: Snapshot,
    observer: Observer,
    case: &Case,
    asked: &Asked,
    control: &Runtime,
) -> anyhow::Result<SeenResponse> {
    let live: Live = Arc::new(ArcSwap::from_pointee(snapshot));
    let drain = CancellationToken::new();
    let listener = std::net::TcpListener::bind("127.0.0.1:0").context("no port is to be had")?;
    listener.set_nonblocking(true)?;
    let address = listener.local_addr()?;
    let worker = Handle::start(0, &live, &drain, observer).context("no thread is to be had")?;
    worker.tell(Order::Listen(0, Listening::Tcp(listener), Queue::Ours));
    let answered = control.block_on(async { timeout(limits::CASE_TIME, ask_all(address, case, asked)).await });
    // It ends when the log hooks have run.
    drain.cancel();
    worker.join();
    answered.with_context(|| format!("there was no answer within {:?}", limits::CASE_TIME))?
}

/// Send the case's request to `gateway` as often as it says; the last one is what counts.
async fn ask_all(gateway: SocketAddr, case: &Case, asked: &Asked) -> anyhow::Result<SeenResponse> {
    for _ in 1..case.times {
        ask(gateway, case).await?;
    }
    asked.lock().unwrap_or_else(PoisonError::into_inner).take();
    ask(gateway, case).await
}

/// Send the case's request to `gateway`, and take in what it answers.
async fn ask(gateway: SocketAddr, case: &Case) -> anyhow::Result<SeenResponse> {
    let mut connection = TcpStream::connect(gateway).await?;
    connection.write_all(announcement(case.request.client).as_bytes()).await?;
    let (mut sender, connection) = client::handshake(TokioIo::new(connection)).await?;
    // It ends with the sender.
    tokio::spawn(connection);
    let asked = &case.request;
    let mut request = Request::builder().method(asked.method.as_str()).uri(asked.target.as_str());
    if asked.headers.iter().all(|(name, _)| name != "host") {
        request = request.header("host", "example.com");
    }
    for (name, value) in asked.headers.iter() {
        request = request.header(name, value.as_bytes());
    }
    let (head, mut body) = sender.send_request(request.body(Sending::new(asked.body.as_ref()))?).await?.into_parts();
    let mut taken = Vec::new();
    // What broke off is told by its cause, which the gateway knows.
    while let Some(Ok(frame)) = body.frame().await {
        taken.extend(frame.into_data().unwrap_or_default());
    }
    Ok(SeenResponse { status: head.status.as_u16(), headers: owned(&head.headers), body: taken })
}

/// Who the client is, by the PROXY protocol, version 1.
fn announcement(client: IpAddr) -> String {
    let (family, own) = if client.is_ipv4() { ("TCP4", "127.0.0.1") } else { ("TCP6", "::1") };
    format!("PROXY {family} {client} {own} 40000 80\r\n")
}

/// What the upstream was asked, if it was.
type Asked = Arc<Mutex<Option<SeenRequest>>>;

/// Answer whatever comes in to the upstream of this name, and note what it was.
async fn answer_all(name: String, upstream: TcpListener, answer: Answer, asked: Asked) {
    while let Ok((connection, _)) = upstream.accept().await {
        let service = service_fn(|request| answer_one(&name, request, &answer, &asked));
        let mut http = server::Builder::new();
        let served = http.auto_date_header(false).serve_connection(TokioIo::new(connection), service).await;
        if let Err(error) = served {
            // A plugin that answers while the request is on its way has it broken off.
            tracing::debug!(%error, "the case's upstream was left");
        }
    }
}

async fn answer_one(
    name: &str,
    request: Request<Incoming>,
    answer: &Answer,
    asked: &Asked,
) -> anyhow::Result<Response<Sending>> {
    let (head, body) = request.into_parts();
    let body = body.collect().await?.to_bytes().to_vec();
    let seen = SeenRequest {
        name: name.to_owned(),
        method: head.method.to_string(),
        target: head.uri.to_string(),
        headers: owned(&head.headers),
        body,
    };
    *asked.lock().unwrap_or_else(PoisonError::into_inner) = Some(seen);
    let mut response = Response::builder().status(answer.status.code());
    for (name, value) in answer.headers.iter() {
        response = response.header(name, value.as_bytes());
    }
    Ok(response.body(Sending::new(answer.body.as_ref()))?)
}

fn owned(headers: &HeaderMap) -> Vec<(String, Vec<u8>)> {
    headers.iter().map(|(name, value)| (name.to_string(), value.as_bytes().to_vec())).collect()
}

/// A case's body on its way, each piece a chunk of its own.
struct Sending {
    pieces: VecDeque<Bytes>,
    /// The length to announce, if it comes at once.
    length: Option<u64>,
}

impl Sending {
    fn new(body: Option<&Body>) -> Self {
        let pieces: VecDeque<Bytes> =
            body.map(Body::pieces).unwrap_or_default().iter().map(|piece| Bytes::from(piece.clone())).collect();
        let at_once = pieces.len() < 2;
        Self { length: at_once.then(|| pieces.iter().map(|piece| piece.len() as u64).sum()), pieces }
    }
}

impl HttpBody for Sending {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(mut self: Pin<&mut Self>, _: &mut Task<'_>) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        Poll::Ready(self.pieces.pop_front().map(|piece| Ok(Frame::data(piece))))
    }

    fn is_end_stream(&self) -> bool {
        self.pieces.is_empty()
    }

    fn size_hint(&self) -> SizeHint {
        self.length.map_or_else(SizeHint::default, SizeHint::with_exact)
    }
}
