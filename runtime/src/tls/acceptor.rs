//! Accepts a listener's TLS connections. A client that asks for a name nobody has a certificate for is told so
//! (RFC 6066, section 3), which rustls would say in other words.

use std::fmt;
use std::io;
use std::sync::Arc;

use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt};
use tokio_rustls::server::TlsStream;
use tokio_rustls::{LazyConfigAcceptor, TlsAcceptor};

use super::Error;
use super::fault::{ClientFault, client_fault};
use super::names::Offer;
use super::server::Server;

/// A record with the alert `unrecognized_name`, fatal, in the clear (RFC 8446, sections 5.1 and 6).
const UNRECOGNIZED_NAME: [u8; 7] = [21, 3, 3, 0, 2, 2, 112];

/// Accepts the connections of one listener.
pub struct Acceptor {
    tls: TlsAcceptor,
    offer: Arc<Offer>,
}

/// Why there is no TLS connection to a client.
#[derive(Debug)]
pub enum Refusal {
    /// There is no certificate for the name that it asked for, or for clients that ask for none.
    NameUnknown(Option<String>),
    /// Anything else.
    Failed(ClientFault),
}

impl Acceptor {
    /// For what `server` says.
    ///
    /// # Errors
    /// See [`Server::into_config`].
    pub fn new(server: Server) -> Result<Self, Error> {
        let offer = Arc::clone(&server.offer);
        Ok(Self { tls: TlsAcceptor::from(server.into_config()?), offer })
    }

    /// Shake hands over `stream`. The deadline is the caller's: dropping this closes the connection and nothing else.
    ///
    /// # Errors
    /// The handshake failed, on either side.
    pub async fn accept<S>(&self, stream: S) -> Result<TlsStream<S>, Refusal>
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        if self.offer.answers_all() {
            return self.tls.accept(stream).await.map_err(|error| failed(&error));
        }
        let start = LazyConfigAcceptor::new(rustls::server::Acceptor::default(), stream)
            .await
            .map_err(|error| failed(&error))?;
        let name = start.client_hello().server_name().map(str::to_ascii_lowercase);
        if self.offer.answers(name.as_deref()) {
            return start.into_stream(Arc::clone(self.tls.config())).await.map_err(|error| failed(&error));
        }
        let mut stream = start.io;
        // The connection ends here, whether the client still listens or not.
        let _ = stream.write_all(&UNRECOGNIZED_NAME).await;
        let _ = stream.shutdown().await;
        Err(Refusal::NameUnknown(name))
    }
}

fn failed(error: &io::Error) -> Refusal {
    Refusal::Failed(client_fault(error))
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Failed(fault) => fault.fmt(f),
            Self::NameUnknown(Some(name)) => {
                write!(
                    f,
                    "there is no certificate for \"{name}\", which the client asks for: list it, or \"*\", in `snis`"
                )
            }
            Self::NameUnknown(None) => f.write_str(
                "there is no certificate for clients that ask for no name (SNI), as this one: list \"*\" in `snis`",
            ),
        }
    }
}

#[cfg(test)]
mod tests;
