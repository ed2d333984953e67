//! One client connection: who is at its other end, TLS, which HTTP; then requests are read off it, by `serve_http1` or, as
//! HTTP/2, by hyper, and `exchange` answers them, until either side ends it.

use std::cell::{Cell, RefCell};
use std::convert::Infallible;
use std::net::SocketAddr;
use std::pin::pin;
use std::rc::{Rc, Weak};
use std::sync::Arc;

use http::{Request, Response};
use hyper::body::Incoming;
use hyper::server::conn::http2;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::{Instant, sleep, timeout};

use super::accept::Ends;
use super::body::{FromClient, ResponseBody, Untaken};
use super::forward::Forwarded;
use super::patience;
use super::preface::{self, Preface};
use super::stream::{Prefixed, Socket, Stream};
use super::worker::{LocalExecutor, Worker};
use super::{exchange, serve_http1};
use crate::limits;
use crate::observe::metrics::OpenConnection;
use crate::snapshot::{Edge, ListenerSettings};
use crate::tls::session::Session;

/// What an exchange has to know of the connection it came on.
pub(super) struct Client {
    pub(super) worker: Rc<Worker>,
    /// Who sends requests here: the peer, or whom it forwards for by the PROXY protocol.
    pub(super) address: SocketAddr,
    /// Who is connected.
    pub(super) peer: SocketAddr,
    /// Where the client connected to.
    pub(super) local: SocketAddr,
    /// Whether the peer may say whom it forwards for.
    pub(super) peer_is_trusted: bool,
    pub(super) tls: Option<Arc<Session>>,
    pub(super) forwarded: Forwarded,
    pub(super) alarm: patience::Idle,
    http2: Cell<bool>,
    pub(super) edge: Arc<Edge>,
    pub(super) in_flight: InFlight,
    /// Over HTTP/2: answers that may be waiting to be taken.
    untaken: RefCell<Vec<Weak<Cell<Option<Instant>>>>>,
    /// It counts, and takes its place, as long as anybody has to do with it: tunnels outlive what was served before them.
    _counted: OpenConnection,
    _permit: OwnedSemaphorePermit,
}

/// How many exchanges of a connection are not over.
#[derive(Default)]
pub(super) struct InFlight {
    begun: Cell<usize>,
    over: Cell<usize>,
}

impl InFlight {
    pub(super) fn begin(&self) {
        self.begun.set(self.begun.get() + 1);
    }

    pub(super) fn end(&self) {
        self.over.set(self.over.get() + 1);
    }

    fn begun(&self) -> usize {
        self.begun.get()
    }

    fn none(&self) -> bool {
        self.begun.get() == self.over.get()
    }
}

impl Client {
    /// Over HTTP/2, what an answer's body tells whether it is being taken by.
    pub(super) fn untaken_answer(&self) -> Option<Untaken> {
        if !self.http2.get() {
            return None;
        }
        let untaken = Untaken::new(Cell::new(Some(Instant::now())));
        self.untaken.borrow_mut().push(Rc::downgrade(&untaken));
        Some(untaken)
    }

    /// Whether some answer has not been taken for too long. Over HTTP/2, a client can be there and take nothing.
    fn takes_nothing(&self) -> bool {
        let mut answers = self.untaken.borrow_mut();
        answers.retain(|untaken| untaken.strong_count() > 0);
        let since = |untaken: &Weak<Cell<Option<Instant>>>| untaken.upgrade().and_then(|untaken| untaken.get());
        answers.iter().filter_map(since).any(|since| since.elapsed() >= limits::PEER_STALL)
    }
}

/// Serve `socket` until it ends, or until the requests in flight when the worker drains are answered. Each stage is in
/// memory of its own: a connection is idle for longer than it takes to open, and should hold no more than it needs then.
pub(super) fn serve(
    worker: Rc<Worker>,
    settings: Arc<ListenerSettings>,
    permit: OwnedSemaphorePermit,
    socket: Socket,
    ends: Ends,
) -> impl Future<Output = ()> {
    let opening = Box::pin(open_in_time(worker, Arc::clone(&settings), permit, socket, ends));
    async move {
        let Some((client, stream)) = opening.await else { return };
        let is_http2 = match client.tls.as_ref() {
            Some(tls) => tls.is_http2(),
            None => false,
        };
        if is_http2 {
            Box::pin(serve_http2(client, stream)).await;
        } else if client.tls.is_some() || !settings.http2 {
            Box::pin(serve_http1::serve(client, stream)).await;
        } else if let Some((preface, stream)) = Box::pin(preface(&client, stream)).await {
            match preface {
                Preface::Http2 => Box::pin(serve_http2(client, stream)).await,
                Preface::Other => Box::pin(serve_http1::serve(client, stream)).await,
            }
        }
    }
}

async fn open_in_time(
    worker: Rc<Worker>,
    settings: Arc<ListenerSettings>,
    permit: OwnedSemaphorePermit,
    socket: Socket,
    ends: Ends,
) -> Option<(Rc<Client>, Stream)> {
    let opened = tokio::select! {
        biased;
        opened = timeout(limits::HANDSHAKE_TIMEOUT, open(&worker, &settings, permit, socket, ends)) => opened,
        // Nobody has asked for anything.
        () = worker.draining.wait() => return None,
    };
    let problem = match opened {
        Ok(Ok(opened)) => return Some(opened),
        Ok(Err(problem)) => problem,
        Err(_) => format!("nothing came of it for {:?}", limits::HANDSHAKE_TIMEOUT),
    };
    worker.observer.handshake_failed(ends.peer, &problem);
    None
}

/// The PROXY protocol and TLS, if the listener has them.
async fn open(
    worker: &Rc<Worker>,
    settings: &ListenerSettings,
    permit: OwnedSemaphorePermit,
    socket: Socket,
    ends: Ends,
) -> Result<(Rc<Client>, Stream), String> {
    let edge = Arc::clone(&worker.snapshot().edge);
    let unix = matches!(socket, Socket::Unix(_));
    let peer_is_trusted = unix || edge.trusts(ends.peer.ip());
    let mut client = Client {
        worker: Rc::clone(worker),
        address: ends.peer,
        peer: ends.peer,
        local: ends.local,
        peer_is_trusted,
        tls: None,
        forwarded: Forwarded::new(ends.peer, ends.local),
        alarm: patience::Idle::default(),
        http2: Cell::new(false),
        edge,
        in_flight: InFlight::default(),
        untaken: RefCell::default(),
        _counted: worker.observer.connection(),
        _permit: permit,
    };
    let mut stream = Prefixed::new(bytes::Bytes::new(), socket);
    if settings.proxy_protocol {
        if !peer_is_trusted {
            return Err("it is not one of `trusted_proxies`, and this listener speaks the PROXY protocol".to_owned());
        }
        let (announced, rest) = preface::proxy_protocol(stream).await?;
        stream = rest;
        if let Some((source, destination)) = announced {
            // What comes next is the client's own word: a proxy of this kind passes bytes on as they are.
            client.peer_is_trusted = client.edge.trusts(source.ip());
            client.address = source;
            client.local = destination;
            client.forwarded = Forwarded::new(source, destination);
        }
    }
    let stream = match &settings.tls {
        None => Stream::Plain(stream),
        Some(acceptor) => {
            let tls = acceptor.accept(stream).await.map_err(|refusal| refusal.to_string())?;
            client.tls = Some(Arc::new(Session::of(tls.get_ref().1)));
            Stream::FromClient(Box::new(tls))
        }
    };
    Ok((Rc::new(client), stream))
}

/// In the clear: HTTP/1, or HTTP/2 if that is how the connection begins (RFC 9113, section 3.3). `None`: it ended first,
/// or never said a word.
async fn preface(client: &Client, stream: Stream) -> Option<(Preface, Stream)> {
    tokio::select! {
        biased;
        preface = timeout(client.edge.limits.keepalive_timeout, preface::http2(stream)) => preface.ok()?.ok(),
        // Nobody has asked for anything.
        () = client.worker.draining.wait() => None,
    }
}

async fn serve_http2(client: Rc<Client>, stream: Stream) {
    client.http2.set(true);
    let limits = &client.edge.limits;
    let service = service_fn(|request: Request<Incoming>| {
        let (mut head, body) = request.into_parts();
        let served = exchange::serve(&client, &mut head, FromClient::Http2(body), None);
        async { Ok::<Response<ResponseBody>, Infallible>(served.await.into()) }
    });
    let connection = http2::Builder::new(LocalExecutor)
        .timer(TokioTimer::new())
        .max_header_list_size(u32::try_from(limits.header_bytes * 2).unwrap_or(u32::MAX))
        .max_concurrent_streams(limits::H2_STREAMS)
        .initial_stream_window_size(limits::H2_STREAM_WINDOW)
        .initial_connection_window_size(limits::H2_CONNECTION_WINDOW)
        .max_send_buf_size(limits::H2_SEND_BUFFER)
        .keep_alive_interval(limits::H2_PING)
        .keep_alive_timeout(limits::H2_PING)
        .serve_connection(TokioIo::new(stream), service);
    let mut connection = pin!(connection);
    let ended = tokio::select! {
        biased;
        // All branches leave the connection where it is, so nothing is lost by the others being dropped.
        ended = &mut connection => ended,
        end = client.end() => {
            if end == End::TakesNothing {
                let client = client.address;
                return tracing::info!(%client, "cut off: it took nothing of its answers for {:?}", limits::PEER_STALL);
            }
            connection.as_mut().graceful_shutdown();
            tokio::select! {
                ended = connection => ended,
                // It has been told, and what it was answered has been written or is not wanted.
                () = client.at_rest() => return,
            }
        }
    };
    if let Err(error) = ended {
        client.worker.observer.http2_failed(client.address, &error);
    }
}

/// Why an HTTP/2 connection is ended from here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    /// The gateway drains.
    Draining,
    /// The client has had no request on its way for long enough.
    Idle,
    /// The client is there and takes nothing.
    TakesNothing,
}

impl Client {
    async fn end(&self) -> End {
        // Neither has anything to lose.
        tokio::select! {
            end = self.idle_or_stalled() => end,
            () = self.worker.leaving.wait() => End::Draining,
        }
    }

    async fn idle_or_stalled(&self) -> End {
        let mut since = Instant::now();
        let mut begun = 0;
        loop {
            sleep(limits::H2_IDLE_LOOK.min(self.edge.limits.keepalive_timeout)).await;
            let now = self.in_flight.begun();
            if self.takes_nothing() {
                return End::TakesNothing;
            }
            if !self.in_flight.none() || now != begun {
                begun = now;
                since = Instant::now();
            } else if since.elapsed() >= self.edge.limits.keepalive_timeout {
                return End::Idle;
            }
        }
    }

    /// Ends when nothing has been on its way for a while.
    async fn at_rest(&self) {
        let mut rested = false;
        loop {
            sleep(limits::H2_GOODBYE).await;
            let rests = self.in_flight.none() || self.takes_nothing();
            if rests && rested {
                return;
            }
            rested = rests;
        }
    }
}
