//! An HTTP server in a task: the upstream of the demo and of the measurements.

use std::{error::Error, net::TcpListener as StdListener};

use anyhow::{Context as _, Result};
use hyper::{
    Request, Response,
    body::{Body, Incoming},
    server::conn::http1,
    service::service_fn,
};
use hyper_util::rt::TokioIo;
use tokio::{
    net::TcpListener,
    task::{JoinHandle, JoinSet},
};

/// The running server; stops when dropped.
pub(crate) struct Server(JoinHandle<()>);

impl Drop for Server {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// Answers with `answer` on `listener` until the returned handle is dropped.
pub(crate) fn start<A, F, B, E>(listener: StdListener, answer: A) -> Result<Server>
where
    A: Fn(Request<Incoming>) -> F + Copy + Send + 'static,
    F: Future<Output = Result<Response<B>, E>> + Send + 'static,
    B: Body<Data: Send, Error: Into<Box<dyn Error + Send + Sync>>> + Send + 'static,
    E: Into<Box<dyn Error + Send + Sync>> + 'static,
{
    listener.set_nonblocking(true).context("cannot start the upstream")?;
    let listener = TcpListener::from_std(listener).context("cannot start the upstream")?;
    Ok(Server(tokio::spawn(accept(listener, answer))))
}

async fn accept<A, F, B, E>(listener: TcpListener, answer: A)
where
    A: Fn(Request<Incoming>) -> F + Copy + Send + 'static,
    F: Future<Output = Result<Response<B>, E>> + Send + 'static,
    B: Body<Data: Send, Error: Into<Box<dyn Error + Send + Sync>>> + Send + 'static,
    E: Into<Box<dyn Error + Send + Sync>> + 'static,
{
    // Owned here, so that the connections end with this task.
    let mut connections = JoinSet::new();
    loop {
        // Both branches are cancel safe: nothing is taken that is not handled.
        tokio::select! {
            accepted = listener.accept() => {
                // One failed accept (a peer that left, too many files) ends nothing else.
                let Ok((stream, _peer)) = accepted else { continue };
                let _ = stream.set_nodelay(true);
                let serving = http1::Builder::new().serve_connection(TokioIo::new(stream), service_fn(answer));
                connections.spawn(async move {
                    // A broken connection is the gateway's to notice and tell.
                    let _ = serving.await;
                });
            }
            Some(_ended) = connections.join_next() => {}
        }
    }
}
