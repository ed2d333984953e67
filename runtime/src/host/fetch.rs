//! HTTP/1 requests that plugins make. Each thread has connections of its own, kept for the next request to the same
//! origin; who goes away meanwhile takes the connection along.

mod shared;

use std::cell::RefCell;
use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response, response};
use http_body_util::{BodyExt, Full, LengthLimitError, Limited};
use hyper::client::conn::http1::{self, SendRequest};
use hyper_util::rt::TokioIo;
use rustls::ClientConfig;
use thiserror::Error;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::config::values::Origin;
use crate::dns::Resolver;
use crate::limits;
use crate::tls::client as tls;

pub(super) use shared::Shared;

/// Asks origins.
#[derive(Clone)]
pub struct Fetcher {
    /// Whoever resolves their names.
    pub resolver: Resolver,
    /// How those of https are spoken to.
    pub tls: Arc<ClientConfig>,
    /// Who answers in their place, where nothing may leave the machine.
    pub stand_in: Option<StandIn>,
}

/// Answers a request in the place of its origin, or has no answer to it.
pub type StandIn = Arc<dyn Fn(&Origin, &Request<Bytes>) -> Option<Response<Bytes>> + Send + Sync>;

/// Why there is no answer.
#[derive(Debug, Clone, Error)]
pub(super) enum FetchError {
    #[error("not done in time")]
    TimedOut,
    #[error("the answer is larger than it may be")]
    TooLarge,
    #[error("{0}")]
    Failed(String),
}

/// What came of a request.
pub(super) type Outcome = Result<(response::Parts, Bytes), FetchError>;

type Sender = SendRequest<Full<Bytes>>;

thread_local! {
    /// Connections without a request on them.
    static IDLE: RefCell<HashMap<Origin, Vec<Sender>>> = RefCell::default();
}

impl Fetcher {
    /// The whole answer to `request`, which has a path for its target.
    pub(super) async fn fetch(&self, origin: &Origin, request: Request<Bytes>, limit: Duration) -> Outcome {
        if let Some(stand_in) = &self.stand_in {
            let answer = stand_in(origin, &request).ok_or_else(|| failed(origin, &"nobody answers this in its place"));
            return answer.map(Response::into_parts);
        }
        timeout(limit, self.ask(origin, request.map(Full::new))).await.unwrap_or(Err(FetchError::TimedOut))
    }

    async fn ask(&self, origin: &Origin, mut request: Request<Full<Bytes>>) -> Outcome {
        // One that was closed meanwhile gives the request back, and costs nothing but the look.
        while let Some(sender) = idle(origin) {
            match send(sender, request, origin).await {
                Err(Unsent::Untouched(unsent)) => request = *unsent,
                Err(Unsent::Failed(error)) => return Err(error),
                Ok(answer) => return Ok(answer),
            }
        }
        match send(self.connect(origin).await?, request, origin).await {
            Err(Unsent::Untouched(_)) => Err(failed(origin, &"closed before the request was sent")),
            Err(Unsent::Failed(error)) => Err(error),
            Ok(answer) => Ok(answer),
        }
    }

    async fn connect(&self, origin: &Origin) -> Result<Sender, FetchError> {
        let answer = self.resolver.addresses(&origin.host, origin.port).await;
        let addresses = answer.map_err(|fault| failed(origin, &fault))?.addresses;
        let mut last = failed(origin, &"no address");
        for address in &addresses {
            match TcpStream::connect(address.address).await {
                Ok(stream) => {
                    // Small requests, whole answers: there is nothing to be gathered.
                    let _ = stream.set_nodelay(true);
                    return self.speak(origin, stream).await;
                }
                Err(error) => last = failed(origin, &format!("{}: {error}", address.address)),
            }
        }
        Err(last)
    }

    async fn speak(&self, origin: &Origin, stream: TcpStream) -> Result<Sender, FetchError> {
        if !origin.tls {
            return handshake(origin, stream).await;
        }
        let name = tls::server_name(&origin.host).map_err(|error| failed(origin, &error))?;
        let connected = tls::connect(Arc::clone(&self.tls), name, stream).await;
        handshake(origin, connected.map_err(|refused| failed(origin, &refused))?.stream).await
    }
}

async fn handshake<S>(origin: &Origin, stream: S) -> Result<Sender, FetchError>
where
    S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    let shaken = http1::handshake(TokioIo::new(stream)).await;
    let (sender, connection) = shaken.map_err(|error| failed(origin, &error))?;
    // Ends with its sender, which waits in the pool or goes with the request.
    tokio::spawn(connection);
    Ok(sender)
}

/// What became of a request that was not answered.
enum Unsent {
    /// It was not begun.
    Untouched(Box<Request<Full<Bytes>>>),
    Failed(FetchError),
}

async fn send(
    mut sender: Sender,
    request: Request<Full<Bytes>>,
    origin: &Origin,
) -> Result<(response::Parts, Bytes), Unsent> {
    let answer = match sender.try_send_request(request).await {
        Ok(answer) => answer,
        Err(mut error) => {
            return Err(match error.take_message() {
                Some(request) => Unsent::Untouched(Box::new(request)),
                None => Unsent::Failed(failed(origin, error.error())),
            });
        }
    };
    let (head, body) = answer.into_parts();
    let whole = match Limited::new(body, limits::FETCH_BODY_BYTES).collect().await {
        Ok(whole) => whole.to_bytes(),
        Err(error) if error.is::<LengthLimitError>() => return Err(Unsent::Failed(FetchError::TooLarge)),
        Err(error) => return Err(Unsent::Failed(failed(origin, &error))),
    };
    keep(origin, sender);
    Ok((head, whole))
}

fn idle(origin: &Origin) -> Option<Sender> {
    IDLE.with_borrow_mut(|idle| {
        let senders = idle.get_mut(origin)?;
        std::iter::from_fn(|| senders.pop()).find(|sender| !sender.is_closed())
    })
}

fn keep(origin: &Origin, sender: Sender) {
    IDLE.with_borrow_mut(|idle| {
        if idle.len() >= limits::FETCH_ORIGINS && !idle.contains_key(origin) {
            idle.clear();
        }
        let senders = idle.entry(origin.clone()).or_default();
        senders.retain(|sender| !sender.is_closed());
        if senders.len() < limits::FETCH_IDLE {
            senders.push(sender);
        }
    });
}

fn failed(origin: &Origin, problem: &dyn std::fmt::Display) -> FetchError {
    FetchError::Failed(format!("{origin}: {problem}"))
}
