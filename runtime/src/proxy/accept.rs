//! One listener of one worker: a permit first, then a connection, so that what cannot be served waits in the kernel.

use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use super::connection;
use super::exchange::Ends;
use super::worker::Worker;
use crate::limits;

/// Accept until `closed`. Errors are waited out: they never end the loop.
pub(super) async fn accept(worker: Rc<Worker>, listener: TcpListener, closed: CancellationToken) {
    let address = match listener.local_addr() {
        Ok(address) => address,
        Err(error) => return tracing::error!(%error, "a listener has no address"),
    };
    let accept_one = async || {
        // The semaphore is never closed.
        let Ok(permit) = Arc::clone(&worker.permits).acquire_owned().await else { return };
        match listener.accept().await {
            Ok((stream, client)) => {
                let serving = connection::serve(Rc::clone(&worker), stream, Ends { client, listener: address });
                worker.connections.spawn_local(async move {
                    serving.await;
                    drop(permit);
                });
            }
            Err(error) => {
                tracing::warn!(%error, "a connection could not be accepted");
                tokio::time::sleep(limits::ACCEPT_BACKOFF).await;
            }
        }
    };
    // A connection is either in the kernel's queue or in its own task: none is lost between.
    while closed.run_until_cancelled(accept_one()).await.is_some() {}
    // Closing the socket would reset what is in the queue, though those clients believe they are connected.
    for _ in 0..limits::LISTEN_BACKLOG {
        if tokio::time::timeout(Duration::ZERO, accept_one()).await.is_err() {
            return;
        }
    }
}
