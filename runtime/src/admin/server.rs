//! The admin API's connections: so many at a time, each for its time.

use std::io;
use std::sync::Arc;

use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::{Mutex, Semaphore};
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::Admin;
use super::listener::{Listener, Stream};
use super::request::Peer;
use crate::limits;
use crate::tls::session::Session;

impl Admin {
    /// Serve on `listener` until `end`; then answer what has been asked, and return.
    ///
    /// # Errors
    /// The listener is none that can be waited for.
    pub async fn serve(self: Arc<Self>, listener: Listener, end: CancellationToken) -> io::Result<()> {
        let listener = listener.accepting()?;
        let permits = Arc::new(Semaphore::new(limits::ADMIN_CONNECTIONS));
        let connections = TaskTracker::new();
        // Cancelling loses at most a connection that has not said anything yet.
        while let Some(Ok(permit)) = end.run_until_cancelled(Arc::clone(&permits).acquire_owned()).await {
            let Some(accepted) = end.run_until_cancelled(listener.accept()).await else { break };
            match accepted {
                Ok((stream, peer)) => {
                    let connection = Arc::clone(&self).connection(stream, peer, end.clone());
                    connections.spawn(async move {
                        connection.await;
                        drop(permit);
                    });
                }
                Err(error) => {
                    tracing::warn!(%error, "the admin API could not accept a connection");
                    sleep(limits::ACCEPT_BACKOFF).await;
                }
            }
        }
        drop(listener);
        connections.close();
        // Each has a deadline of its own.
        connections.wait().await;
        Ok(())
    }

    /// Serve one connection, over TLS if that is spoken.
    async fn connection(self: Arc<Self>, stream: Stream, peer: Peer, end: CancellationToken) {
        let Some(acceptor) = self.doors.load().acceptor() else {
            return self.http(stream, None, peer, end).await;
        };
        let handshake = timeout(limits::HANDSHAKE_TIMEOUT, acceptor.accept(stream));
        match end.run_until_cancelled(handshake).await {
            Some(Ok(Ok(stream))) => {
                let session = Session::of(stream.get_ref().1);
                self.http(stream, Some(session), peer, end).await;
            }
            Some(Ok(Err(error))) => {
                tracing::info!(%peer, "a TLS handshake with the admin API failed: {error}");
            }
            Some(Err(_)) => tracing::info!(%peer, "a TLS handshake with the admin API took too long"),
            None => {}
        }
    }

    /// Serve one connection for its time.
    async fn http(
        self: Arc<Self>,
        stream: impl AsyncRead + AsyncWrite + Unpin,
        session: Option<Session>,
        peer: Peer,
        end: CancellationToken,
    ) {
        let session = Arc::new(session);
        // Locked while a request is worked on.
        let working = Arc::new(Mutex::new(()));
        let service = {
            let working = Arc::clone(&working);
            service_fn(move |request| {
                let (admin, working, session) = (Arc::clone(&self), Arc::clone(&working), Arc::clone(&session));
                async move {
                    let _working = working.lock().await;
                    Ok::<_, std::convert::Infallible>(admin.answer(request, session.as_ref().as_ref(), peer).await)
                }
            })
        };
        let connection = http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(limits::ADMIN_HEAD_TIMEOUT)
            .max_buf_size(limits::ADMIN_HEAD_BYTES)
            .serve_connection(TokioIo::new(stream), service);
        let mut connection = std::pin::pin!(connection);
        // All branches leave the connection where it is, so nothing is lost by the others being dropped.
        let ended = tokio::select! {
            ended = &mut connection => Some(ended),
            () = end.cancelled() => None,
            () = sleep(limits::ADMIN_CONNECTION_TIME) => None,
        };
        let ended = match ended {
            Some(ended) => Ok(ended),
            None => {
                connection.as_mut().graceful_shutdown();
                // What is being worked on has bounds of its own; but for the gateway's end, it is waited for.
                let worked = async {
                    end.run_until_cancelled(async { drop(working.lock().await) }).await;
                    sleep(limits::ADMIN_LAST_ANSWER).await;
                };
                tokio::select! {
                    ended = &mut connection => Ok(ended),
                    () = worked => Err(()),
                }
            }
        };
        match ended {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::debug!(%error, "admin connection ended"),
            Err(()) => tracing::debug!("admin connection cut off: its client does not read"),
        }
    }
}
