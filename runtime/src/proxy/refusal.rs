//! The answer to a request that could not be read, or that never became whole: there is no exchange for it, but the
//! client, the log and the metrics learn the cause all the same.

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::timeout;

use super::answer;
use super::connection::Client;
use super::stream::Stream;
use crate::error::Failure;
use crate::host::exchange::RequestId;
use crate::limits;

/// Log `failure`, tell the client on `stream`, and close.
pub(super) async fn answer(client: &Client, stream: Stream, failure: &Failure) {
    let id = RequestId::random();
    let response = answer::raw(id, failure, client.edge.error_header);
    client.worker.observer.refused(client, id, failure, response.len());
    // Bounded as a whole: whoever does not read its refusal does not get to hold the connection.
    drop(timeout(limits::REFUSAL_LINGER, write_and_linger(stream, &response)).await);
}

/// Close a connection whose client has been answered, and may still be sending what nobody reads.
pub(super) async fn linger(stream: Stream) {
    drop(timeout(limits::REFUSAL_LINGER, write_and_linger(stream, &[])).await);
}

/// Closing with bytes unread would reset the connection, and take the answer with it.
async fn write_and_linger(mut stream: Stream, response: &[u8]) -> std::io::Result<()> {
    stream.write_all(response).await?;
    stream.shutdown().await?;
    let mut discarded = 0;
    let mut piece = vec![0; 4096];
    while discarded < limits::REFUSAL_DISCARD {
        match stream.read(&mut piece).await? {
            0 => break,
            read => discarded += read,
        }
    }
    Ok(())
}
