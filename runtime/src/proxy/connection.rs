//! One client connection: hyper reads requests off it, `exchange` answers them, until either side ends it.

use std::convert::Infallible;
use std::pin::pin;
use std::rc::Rc;

use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::TcpStream;

use super::exchange::{self, Ends};
use super::worker::Worker;
use crate::limits;

/// Serve `stream` until it ends, or until the request in flight when the worker drains is answered.
pub(super) async fn serve(worker: Rc<Worker>, stream: TcpStream, ends: Ends) {
    let client = ends.client;
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!(%client, %error, "client connection lost");
        return;
    }
    let service = service_fn(|request| {
        let worker = Rc::clone(&worker);
        async move { Ok::<_, Infallible>(exchange::serve(&worker, ends, request).await) }
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(limits::CLIENT_HEAD_TIMEOUT)
        .max_buf_size(limits::CLIENT_HEAD_BYTES)
        .serve_connection(TokioIo::new(stream), service);
    let mut connection = pin!(connection);
    let ended = tokio::select! {
        // Both branches leave the connection where it is, so nothing is lost by either being dropped.
        ended = &mut connection => ended,
        () = worker.draining() => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = ended {
        tracing::debug!(%client, %error, "client connection ended");
    }
}
