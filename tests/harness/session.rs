//! A client connection of either version of HTTP, over whatever stream.

use bytes::Bytes;
use http_body_util::BodyExt;
use hyper::body::Incoming;
use hyper::client::conn::{http1, http2};
use hyper::{Request, Response, Version};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::mpsc;
use tokio::time::timeout;
use tokio_stream::StreamExt;
use tokio_stream::wrappers::UnboundedReceiverStream;

use super::origin::{Body, whole};
use super::{Answer, PATIENCE};

pub enum Session {
    One(http1::SendRequest<Body>),
    Two(http2::SendRequest<Body>),
}

impl Session {
    pub async fn over<S>(stream: S, version: Version) -> Self
    where
        S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
    {
        let io = TokioIo::new(stream);
        if version == Version::HTTP_2 {
            let (sender, connection) = http2::handshake(TokioExecutor::new(), io).await.unwrap();
            tokio::spawn(connection);
            return Self::Two(sender);
        }
        let (sender, connection) = http1::handshake(io).await.unwrap();
        tokio::spawn(connection);
        Self::One(sender)
    }

    /// Another one that shares the connection.
    pub fn share(&self) -> Self {
        match self {
            Self::One(_) => panic!("HTTP/1.1 has no streams"),
            Self::Two(sender) => Self::Two(sender.clone()),
        }
    }

    /// A request for this; the host is "test" unless the headers say otherwise.
    pub fn request(&self, method: &str, path: &str, headers: &[(&str, &str)], body: Body) -> Request<Body> {
        let host = headers.iter().find(|(name, _)| *name == "host").map_or("test", |(_, host)| host);
        let mut request = match self {
            Self::One(_) => Request::builder().uri(path).header("host", host),
            Self::Two(_) => Request::builder().uri(format!("http://{host}{path}")).version(Version::HTTP_2),
        };
        for (name, value) in headers.iter().filter(|(name, _)| *name != "host") {
            request = request.header(*name, *value);
        }
        request.method(method).body(body).unwrap()
    }

    /// Send a request, and wait for the head of its answer.
    pub async fn send(&mut self, request: Request<Body>) -> hyper::Result<Response<Incoming>> {
        let sent = async {
            match self {
                Self::One(sender) => {
                    sender.ready().await?;
                    sender.send_request(request).await
                }
                Self::Two(sender) => {
                    sender.ready().await?;
                    sender.send_request(request).await
                }
            }
        };
        timeout(PATIENCE, sent).await.expect("a response head in time")
    }

    /// Send a request, and wait for the whole answer.
    pub async fn try_ask(
        &mut self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: &str,
    ) -> hyper::Result<Answer> {
        let request = self.request(method, path, headers, whole(body.to_owned()));
        let (head, body) = self.send(request).await?.into_parts();
        let body = timeout(PATIENCE, body.collect()).await.expect("a whole answer in time")?.to_bytes();
        Ok(Answer { status: head.status.as_u16(), headers: head.headers, body })
    }

    /// Send a request, and wait for the whole answer, which comes.
    pub async fn ask(&mut self, method: &str, path: &str, headers: &[(&str, &str)], body: &str) -> Answer {
        self.try_ask(method, path, headers, body).await.unwrap()
    }

    /// GET.
    pub async fn get(&mut self, path: &str) -> Answer {
        self.ask("GET", path, &[], "").await
    }
}

/// A body that is what comes over the channel.
pub fn piecemeal() -> (mpsc::UnboundedSender<Bytes>, Body) {
    let (pieces, receiver) = mpsc::unbounded_channel();
    let frames = UnboundedReceiverStream::new(receiver).map(|piece| Ok(hyper::body::Frame::data(piece)));
    (pieces, BodyExt::boxed_unsync(http_body_util::StreamBody::new(frames)))
}
