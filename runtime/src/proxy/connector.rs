//! From a target's address to a connection that can take a request. Every failure has a cause of its own.

use std::io::{self, ErrorKind};
use std::sync::Arc;
use std::time::Duration;

use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use socket2::SockRef;
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout_at};

use super::pool::Connection;
use crate::config::values::Authority;
use crate::error::{Cause, Failure};
use crate::limits;

/// Connect to `target`, name resolution included, within `limit`.
pub(super) async fn connect(target: &Arc<Authority>, limit: Duration) -> Result<Connection, Failure> {
    let deadline = Instant::now() + limit;
    let host = target.host.trim_start_matches('[').trim_end_matches(']');
    let addresses = match timeout_at(deadline, tokio::net::lookup_host((host, target.port))).await {
        Err(_) => {
            return Err(Failure::new(Cause::UpstreamDnsFailed, format!("{target}: no answer within {limit:?}")));
        }
        Ok(Err(error)) => return Err(Failure::new(Cause::UpstreamDnsFailed, format!("{target}: {error}"))),
        Ok(Ok(addresses)) => addresses,
    };
    let mut last = Failure::new(Cause::UpstreamDnsFailed, format!("{target}: no addresses"));
    for address in addresses {
        match timeout_at(deadline, TcpStream::connect(address)).await {
            Ok(Ok(stream)) => return handshake(stream, target).await,
            Ok(Err(error)) => last = Failure::new(cause(&error), format!("{target} ({address}): {error}")),
            Err(_) => {
                let detail = format!("{target} ({address}): not connected within {limit:?}");
                return Err(Failure::new(Cause::UpstreamConnectTimeout, detail));
            }
        }
    }
    Err(last)
}

async fn handshake(stream: TcpStream, target: &Authority) -> Result<Connection, Failure> {
    let failed = |error: &dyn std::fmt::Display| Failure::new(Cause::UpstreamReset, format!("{target}: {error}"));
    stream.set_nodelay(true).map_err(|error| failed(&error))?;
    SockRef::from(&stream).set_tcp_user_timeout(Some(limits::PEER_STALL)).map_err(|error| failed(&error))?;
    let (sender, connection) = http1::Builder::new()
        .max_buf_size(limits::UPSTREAM_HEAD_BYTES)
        .handshake(TokioIo::new(stream))
        .await
        .map_err(|error| failed(&error))?;
    let driver = tokio::task::spawn_local(async move {
        if let Err(error) = connection.await {
            tracing::debug!(%error, "upstream connection ended");
        }
    });
    Ok(Connection::new(sender, driver.abort_handle()))
}

fn cause(error: &io::Error) -> Cause {
    match error.kind() {
        ErrorKind::ConnectionRefused => Cause::UpstreamConnectRefused,
        ErrorKind::TimedOut => Cause::UpstreamConnectTimeout,
        ErrorKind::ConnectionReset | ErrorKind::ConnectionAborted => Cause::UpstreamReset,
        _ => Cause::UpstreamUnreachable,
    }
}
