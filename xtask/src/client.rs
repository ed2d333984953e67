//! Just enough of an HTTP client to see a gateway as its clients do.

use std::time::Duration;

use anyhow::{Context as _, Result};
use http_body_util::{BodyExt as _, Full};
use hyper::{
    HeaderMap, Request, StatusCode,
    body::Bytes,
    client::conn::http1::{self, SendRequest},
    header::{CONTENT_TYPE, HOST},
};
use hyper_util::rt::TokioIo;
use tokio::{net::TcpStream, task::JoinHandle, time::timeout};

/// A keepalive connection to the gateway; closed on drop.
pub(crate) struct Connection {
    sender: SendRequest<Full<Bytes>>,
    driver: JoinHandle<()>,
}

/// An answer, read to its end.
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

impl Connection {
    /// Connects to a port of this machine.
    pub(crate) async fn open(port: u16) -> Result<Self> {
        timeout(DEADLINE, Self::connect(port)).await.context("no connection in time")?
    }

    async fn connect(port: u16) -> Result<Self> {
        let stream = TcpStream::connect(("127.0.0.1", port)).await.context("cannot connect")?;
        stream.set_nodelay(true).context("cannot connect")?;
        let (sender, connection) = http1::handshake(TokioIo::new(stream)).await.context("cannot connect")?;
        // Its errors reach us through `sender`.
        let driver = tokio::spawn(async move { drop(connection.await) });
        Ok(Self { sender, driver })
    }

    /// Sends one GET and reads the whole answer.
    pub(crate) async fn get(&mut self, path: &str, headers: &[(&str, &str)]) -> Result<Answer> {
        let mut request = Request::get(path).header(HOST, "127.0.0.1");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let request = request.body(Full::default()).context("not a request")?;
        timeout(DEADLINE, self.exchange(request)).await.context("no answer in time")?
    }

    /// Sends one request with a body of this type and reads the whole answer.
    pub(crate) async fn send(&mut self, method: &str, path: &str, content_type: &str, body: Bytes) -> Result<Answer> {
        let request = Request::builder().method(method).uri(path).header(HOST, "127.0.0.1");
        let request = request.header(CONTENT_TYPE, content_type).body(Full::new(body)).context("not a request")?;
        timeout(DEADLINE, self.exchange(request)).await.context("no answer in time")?
    }

    async fn exchange(&mut self, request: Request<Full<Bytes>>) -> Result<Answer> {
        self.sender.ready().await.context("the connection was closed")?;
        let response = self.sender.send_request(request).await.context("no answer")?;
        let (head, body) = response.into_parts();
        let body = body.collect().await.context("the answer broke off")?.to_bytes();
        Ok(Answer { status: head.status, headers: head.headers, body })
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.driver.abort();
    }
}

impl Answer {
    /// A header's value as text; `None` if it is absent or not text.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    /// Whether the server said that it closes the connection after this answer.
    pub(crate) fn closes(&self) -> bool {
        self.header("connection").is_some_and(|value| value.eq_ignore_ascii_case("close"))
    }
}

/// Far beyond any healthy answer; keeps a hanging gateway from hanging us.
const DEADLINE: Duration = Duration::from_secs(10);
