//! The service behind the gateway: answers every request with what it received.

use std::{convert::Infallible, net::TcpListener as StdListener};

use anyhow::{Context as _, Result};
use http_body_util::{BodyExt as _, Full};
use hyper::{
    Request, Response,
    body::{Bytes, Incoming},
    header::{CONTENT_TYPE, HeaderValue},
    server::conn::http1,
    service::service_fn,
};
use hyper_util::rt::TokioIo;
use serde_json::{Map, Value, json};
use tokio::{
    net::TcpListener,
    task::{JoinHandle, JoinSet},
};

/// The running server; stops when dropped.
pub(super) struct Upstream(JoinHandle<()>);

impl Drop for Upstream {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// Serves on `listener` until the returned handle is dropped.
pub(super) fn start(listener: StdListener) -> Result<Upstream> {
    listener.set_nonblocking(true).context("cannot start the echo server")?;
    let listener = TcpListener::from_std(listener).context("cannot start the echo server")?;
    Ok(Upstream(tokio::spawn(accept(listener))))
}

async fn accept(listener: TcpListener) {
    // Owned here, so that the connections end with this task.
    let mut connections = JoinSet::new();
    loop {
        // Both branches are cancel safe: nothing is taken that is not handled.
        tokio::select! {
            accepted = listener.accept() => {
                // One failed accept (a peer that left, too many files) ends nothing else.
                let Ok((stream, _peer)) = accepted else { continue };
                let _ = stream.set_nodelay(true);
                let serving = http1::Builder::new().serve_connection(TokioIo::new(stream), service_fn(echo));
                connections.spawn(async move {
                    // A broken connection is the gateway's to notice and tell.
                    let _ = serving.await;
                });
            }
            Some(_ended) = connections.join_next() => {}
        }
    }
}

async fn echo(request: Request<Incoming>) -> Result<Response<Full<Bytes>>, Infallible> {
    let (head, body) = request.into_parts();
    // Read to its end, so that the connection can be used again.
    let _ = body.collect().await;
    let mut headers = Map::new();
    for name in head.headers.keys() {
        let values = head.headers.get_all(name).iter();
        let values: Vec<_> = values.map(|value| String::from_utf8_lossy(value.as_bytes())).collect();
        headers.insert(name.to_string(), Value::String(values.join(", ")));
    }
    let path = head.uri.path_and_query().map_or("/", |path| path.as_str());
    let seen = json!({ "method": head.method.as_str(), "path": path, "headers": headers });
    let mut response = Response::new(Full::new(Bytes::from(format!("{seen:#}\n"))));
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    Ok(response)
}
