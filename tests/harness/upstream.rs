//! Upstreams: one that echoes, and some that misbehave. Those that follow a script, speak TLS or record what they get are
//! in files of their own.

mod capturing;
mod scripted;
mod tls;

use std::collections::HashMap;
use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, Either, Full};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

pub use capturing::Captured;
pub use scripted::{FullBacklog, OK, Refusing, Step};
pub use tls::Tls;

/// Ends with the test's runtime.
pub struct Upstream {
    pub address: SocketAddr,
    connections: Arc<AtomicUsize>,
}

impl Upstream {
    /// Answers with what it got, as JSON: method, path, headers by name, body, and its own `name`. Special paths:
    /// `/stream` sends the request's body back piece by piece, `/slow` waits for a second.
    pub async fn echo(name: &'static str) -> Self {
        Self::serve(move |stream| async move {
            let service = service_fn(move |request| answer(name, request));
            // A client that goes away is no fault of the upstream's.
            drop(http1::Builder::new().serve_connection(TokioIo::new(stream), service).await);
        })
        .await
    }

    /// Reads something of each connection's first request, writes `bytes` and closes.
    pub async fn raw(bytes: impl Into<Vec<u8>>) -> Self {
        let bytes: Arc<[u8]> = bytes.into().into();
        Self::serve(move |mut stream| {
            let bytes = Arc::clone(&bytes);
            async move {
                let mut request = [0; 4096];
                if stream.read(&mut request).await.is_ok_and(|read| read > 0) {
                    drop(stream.write_all(&bytes).await);
                }
            }
        })
        .await
    }

    /// Accepts, and never says a word.
    pub async fn silent() -> Self {
        Self::serve(|mut stream| async move {
            let mut request = [0; 4096];
            while stream.read(&mut request).await.is_ok_and(|read| read > 0) {}
        })
        .await
    }

    /// An address that nobody listens on.
    pub async fn nobody() -> SocketAddr {
        TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap()
    }

    /// How many connections there were so far.
    pub fn connections(&self) -> usize {
        self.connections.load(Ordering::SeqCst)
    }

    async fn serve<F, S>(serve: F) -> Self
    where
        F: Fn(TcpStream) -> S + Send + 'static,
        S: Future<Output = ()> + Send + 'static,
    {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let connections = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&connections);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                count.fetch_add(1, Ordering::SeqCst);
                tokio::spawn(serve(stream));
            }
        });
        Self { address, connections }
    }
}

async fn answer(name: &str, request: Request<Incoming>) -> Result<Response<Either<Full<Bytes>, Incoming>>, Infallible> {
    let (head, body) = request.into_parts();
    if head.uri.path().ends_with("/stream") {
        return Ok(Response::new(Either::Right(body)));
    }
    if head.uri.path().ends_with("/slow") {
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
    let headers: HashMap<&str, String> = head
        .headers
        .keys()
        .map(|name| {
            let values = head.headers.get_all(name).iter().map(|value| String::from_utf8_lossy(value.as_bytes()));
            (name.as_str(), values.collect::<Vec<_>>().join(" | "))
        })
        .collect();
    let body = body.collect().await.map(|body| body.to_bytes()).unwrap_or_default();
    let echo = json!({
        "upstream": name,
        "method": head.method.as_str(),
        "path": head.uri.to_string(),
        "headers": headers,
        "body": String::from_utf8_lossy(&body),
    });
    Ok(Response::new(Either::Left(Full::from(echo.to_string()))))
}
