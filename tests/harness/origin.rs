//! An upstream that does what its test says: over TCP, TLS or a unix socket, by HTTP/1.1 or HTTP/2.

use std::collections::HashMap;
use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::path::Path;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::Bytes;
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::server::conn::{http1, http2};
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::{TokioExecutor, TokioIo};
use rustls::ServerConfig;
use serde_json::json;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream, UnixListener};
use tokio_rustls::TlsAcceptor;

/// Of requests and responses alike.
pub type Body = UnsyncBoxBody<Bytes, io::Error>;

type Handler = Arc<dyn Fn(Request<Incoming>) -> Pin<Box<dyn Future<Output = Response<Body>> + Send>> + Send + Sync>;

/// Ends with the test's runtime.
pub struct Origin {
    pub address: SocketAddr,
    gauges: Arc<Gauges>,
}

#[derive(Default)]
struct Gauges {
    connections: AtomicUsize,
    open: AtomicUsize,
    requests: AtomicUsize,
}

/// What an origin speaks.
#[derive(Clone)]
pub enum Speaks {
    Http1,
    /// In the clear, by prior knowledge.
    Http2,
    /// Over TLS, what ALPN brings.
    Tls(Arc<ServerConfig>),
}

/// What the handshake brought; an extension of each request over TLS.
#[derive(Clone)]
struct Handshake {
    sni: Option<String>,
}

/// What is given back as it comes.
pub fn whole(text: impl Into<Bytes>) -> Body {
    Full::new(text.into()).map_err(|never| match never {}).boxed_unsync()
}

/// An answer with this status and text.
pub fn reply(status: u16, text: impl Into<Bytes>) -> Response<Body> {
    Response::builder().status(status).body(whole(text)).unwrap()
}

/// What was asked, as JSON: `upstream` (that is `name`), method, path, version, headers by name, body, sni.
pub async fn echo(name: &str, request: Request<Incoming>) -> Response<Body> {
    let (head, body) = request.into_parts();
    let values = |name| {
        let values = head.headers.get_all(name).iter().map(|value| String::from_utf8_lossy(value.as_bytes()));
        values.collect::<Vec<_>>().join(" | ")
    };
    let headers: HashMap<&str, String> = head.headers.keys().map(|name| (name.as_str(), values(name))).collect();
    let body = body.collect().await.map(|body| body.to_bytes()).unwrap_or_default();
    let echo = json!({
        "upstream": name,
        "method": head.method.as_str(),
        "path": head.uri.path_and_query().map(|path| path.as_str()),
        "version": format!("{:?}", head.version),
        "headers": headers,
        "body": String::from_utf8_lossy(&body),
        "sni": head.extensions.get::<Handshake>().and_then(|handshake| handshake.sni.clone()),
    });
    reply(200, echo.to_string())
}

impl Origin {
    /// Answers as [`echo`] does.
    pub async fn echo(name: &'static str) -> Self {
        Self::speaking(Speaks::Http1, move |request| echo(name, request)).await
    }

    /// Answers what `handler` says, over HTTP/1.1.
    pub async fn serve<F, A>(handler: F) -> Self
    where
        F: Fn(Request<Incoming>) -> A + Send + Sync + 'static,
        A: Future<Output = Response<Body>> + Send + 'static,
    {
        Self::speaking(Speaks::Http1, handler).await
    }

    /// Answers what `handler` says.
    pub async fn speaking<F, A>(speaks: Speaks, handler: F) -> Self
    where
        F: Fn(Request<Incoming>) -> A + Send + Sync + 'static,
        A: Future<Output = Response<Body>> + Send + 'static,
    {
        Self::at("127.0.0.1:0".parse().unwrap(), speaks, handler).await
    }

    /// As [`Origin::speaking`], at this address.
    pub async fn at<F, A>(address: SocketAddr, speaks: Speaks, handler: F) -> Self
    where
        F: Fn(Request<Incoming>) -> A + Send + Sync + 'static,
        A: Future<Output = Response<Body>> + Send + 'static,
    {
        let handler: Handler = Arc::new(move |request| Box::pin(handler(request)));
        let counted = Arc::new(Gauges::default());
        let gauges = Arc::clone(&counted);
        let connection = move |stream| connection(stream, speaks.clone(), Arc::clone(&handler), Arc::clone(&counted));
        Self::accept(address, gauges, connection).await
    }

    /// Answers as [`echo`] does, on a unix socket.
    pub fn unix(path: &Path, name: &'static str) {
        let listener = UnixListener::bind(path).unwrap();
        let handler: Handler = Arc::new(move |request| Box::pin(echo(name, request)));
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(http(stream, Protocol::One, None, Arc::clone(&handler), Arc::default()));
            }
        });
    }

    /// Does with each connection what `connection` says.
    pub async fn raw<F, C>(connection: F) -> Self
    where
        F: Fn(TcpStream) -> C + Send + 'static,
        C: Future<Output = ()> + Send + 'static,
    {
        Self::accept("127.0.0.1:0".parse().unwrap(), Arc::default(), connection).await
    }

    async fn accept<F, C>(address: SocketAddr, gauges: Arc<Gauges>, connection: F) -> Self
    where
        F: Fn(TcpStream) -> C + Send + 'static,
        C: Future<Output = ()> + Send + 'static,
    {
        let listener = TcpListener::bind(address).await.unwrap();
        let address = listener.local_addr().unwrap();
        let counted = Arc::clone(&gauges);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                counted.connections.fetch_add(1, Ordering::SeqCst);
                let open = Open::new(&counted);
                let connection = connection(stream);
                tokio::spawn(async move {
                    connection.await;
                    drop(open);
                });
            }
        });
        Self { address, gauges }
    }

    /// How many connections there were so far.
    pub fn connections(&self) -> usize {
        self.gauges.connections.load(Ordering::SeqCst)
    }

    /// How many connections there are.
    pub fn open(&self) -> usize {
        self.gauges.open.load(Ordering::SeqCst)
    }

    /// How many requests there were so far; not counted by [`Origin::raw`].
    pub fn requests(&self) -> usize {
        self.gauges.requests.load(Ordering::SeqCst)
    }
}

struct Open(Arc<Gauges>);

impl Open {
    fn new(gauges: &Arc<Gauges>) -> Self {
        gauges.open.fetch_add(1, Ordering::SeqCst);
        Self(Arc::clone(gauges))
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.0.open.fetch_sub(1, Ordering::SeqCst);
    }
}

enum Protocol {
    One,
    Two,
}

async fn connection(stream: TcpStream, speaks: Speaks, handler: Handler, gauges: Arc<Gauges>) {
    match speaks {
        Speaks::Http1 => http(stream, Protocol::One, None, handler, gauges).await,
        Speaks::Http2 => http(stream, Protocol::Two, None, handler, gauges).await,
        Speaks::Tls(config) => {
            // A client that does not like the certificate is a part of many tests.
            let Ok(stream) = TlsAcceptor::from(config).accept(stream).await else { return };
            let tls = stream.get_ref().1;
            let protocol = if tls.alpn_protocol() == Some(b"h2") { Protocol::Two } else { Protocol::One };
            let handshake = Handshake { sni: tls.server_name().map(str::to_owned) };
            http(stream, protocol, Some(handshake), handler, gauges).await;
        }
    }
}

async fn http<S>(stream: S, protocol: Protocol, handshake: Option<Handshake>, handler: Handler, gauges: Arc<Gauges>)
where
    S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    let service = service_fn(move |mut request: Request<Incoming>| {
        gauges.requests.fetch_add(1, Ordering::SeqCst);
        if let Some(handshake) = &handshake {
            request.extensions_mut().insert(handshake.clone());
        }
        let answer = handler(request);
        async { Ok::<_, Infallible>(answer.await) }
    });
    let io = TokioIo::new(stream);
    // A client that goes away is no fault of the upstream's.
    match protocol {
        Protocol::One => drop(http1::Builder::new().serve_connection(io, service).await),
        Protocol::Two => drop(http2::Builder::new(TokioExecutor::new()).serve_connection(io, service).await),
    }
}
