//! An upgraded connection (WebSocket and others): once both sides have switched, bytes go through as they come, until
//! one side closes or nobody says anything for too long.

use std::cell::Cell;
use std::io;
use std::time::Duration;

use bytes::Bytes;
use http::header::{CONNECTION, HeaderValue, UPGRADE};
use http::{Method, Version, request};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, split};
use tokio::sync::oneshot;
use tokio::time::{Instant, sleep_until, timeout};

use super::body::UpstreamBody;
use super::ongoing::Ongoing;
use super::pool::Lease;
use super::serve_http1::Switched;
use super::stream::Stream;
use crate::balance::Pick;
use crate::error::{Cause, Failure, Phase};
use crate::hop_by_hop;
use crate::host::exchange::ResponseHead;
use crate::limits;

/// A client's wish to speak something else.
pub(super) struct Upgrade {
    protocol: HeaderValue,
    client: oneshot::Receiver<Switched>,
}

/// Both sides, once the upstream has agreed.
pub(super) struct Tunnel {
    client: oneshot::Receiver<Switched>,
    upstream: Stream,
    /// What the upstream has said already.
    ahead: Bytes,
    /// The endpoint is at work on it all the while.
    _pick: Option<Pick>,
    idle: Duration,
}

impl Upgrade {
    /// What it wants to speak.
    pub(super) fn protocol(&self) -> &HeaderValue {
        &self.protocol
    }
}

/// What the request of `head` wants to switch to, and how its connection is handed over then (RFC 9110, section 7.8). HTTP/2 in the clear is had without asking, and switching
/// to it is not (RFC 9113, section 3.1).
pub(super) fn asked_for(head: &request::Parts) -> (Option<Upgrade>, Option<oneshot::Sender<Switched>>) {
    protocol(head).map_or((None, None), |protocol| {
        let (switch, client) = oneshot::channel();
        (Some(Upgrade { protocol: protocol.clone(), client }), Some(switch))
    })
}

fn protocol(head: &request::Parts) -> Option<&HeaderValue> {
    let headers = &head.headers;
    let protocol = headers.get(UPGRADE)?;
    let named = headers.get_all(CONNECTION).iter().filter_map(|value| value.to_str().ok());
    let asked = named.flat_map(|value| value.split(',')).any(|name| name.trim().eq_ignore_ascii_case("upgrade"));
    let h2c = protocol.to_str().ok()?.split(',').any(|name| name.trim().eq_ignore_ascii_case("h2c"));
    // The answer to HEAD ends with its head, whatever comes of the wish.
    (asked && !h2c && head.version == Version::HTTP_11 && head.method != Method::HEAD).then_some(protocol)
}

/// The upstream has switched: the answer for the client, which the tunnel begins behind.
pub(super) fn switch(
    upgrade: Option<Upgrade>,
    mut head: ResponseHead,
    body: UpstreamBody,
    idle: Duration,
) -> Result<(ResponseHead, Tunnel), Failure> {
    let odd = |problem: &str| Failure::new(Cause::UpstreamProtocolError, problem.to_owned());
    let Some(upgrade) = upgrade else {
        return Err(odd("101 Switching Protocols is no answer to this request: nobody asked for it"));
    };
    let Some(protocol) = head.headers.get(UPGRADE).cloned() else {
        return Err(odd("101 Switching Protocols, but to nothing"));
    };
    let asked = upgrade.protocol.to_str().unwrap_or_default();
    let agreed = protocol.to_str().unwrap_or_default();
    if !asked.split(',').any(|asked| asked.trim().eq_ignore_ascii_case(agreed.trim())) {
        return Err(odd(&format!("101 Switching Protocols to \"{agreed}\", and \"{asked}\" was asked for")));
    }
    let (lease, _pick) = body.into_parts();
    let Some((upstream, ahead)) = lease.and_then(Lease::into_stream) else {
        return Err(odd("101 Switching Protocols on a connection that cannot"));
    };
    hop_by_hop::strip(&mut head.headers);
    head.headers.insert(CONNECTION, HeaderValue::from_static("upgrade"));
    head.headers.insert(UPGRADE, protocol);
    Ok((head, Tunnel { client: upgrade.client, upstream, ahead, _pick, idle }))
}

impl Tunnel {
    /// Carry bytes until either side is done. The exchange is over then.
    pub(super) async fn run(self, mut ongoing: Box<Ongoing>) {
        let Ok(Ok(client)) = timeout(limits::HANDSHAKE_TIMEOUT, self.client).await else {
            return ongoing.fail(broken(&"the client did not switch"));
        };
        let (cut, idle) = (ongoing.client.worker.cut.wait(), self.idle);
        // Whichever ends first, both sides are closed.
        let ended = tokio::select! {
            ended = carry(client, (self.upstream, self.ahead), idle, &mut ongoing) => Some(ended),
            () = cut => None,
        };
        match ended {
            Some(Ok(())) => ongoing.complete(),
            Some(Err(error)) => ongoing.fail(broken(&error)),
            None => ongoing.fail(Failure::new(Cause::GatewayDraining, "the drain's time was over")),
        }
    }
}

fn broken(error: &dyn std::fmt::Display) -> Failure {
    Failure::new(Cause::UpstreamBodyTruncated, format!("the tunnel broke off: {error}")).during(Phase::Body)
}

async fn carry(
    (client, said): Switched,
    (upstream, ahead): (Stream, Bytes),
    idle: Duration,
    ongoing: &mut Ongoing,
) -> io::Result<()> {
    let (mut from_client, mut to_client) = split(client);
    let (mut from_upstream, mut to_upstream) = split(upstream);
    let heard = Cell::new(Instant::now());
    let sent = Cell::new(0);
    let received = Cell::new(0);
    let inward = async {
        to_upstream.write_all(&said).await?;
        to_upstream.flush().await?;
        received.set(said.len());
        pump(&mut from_client, &mut to_upstream, &heard, &received).await
    };
    let outward = async {
        to_client.write_all(&ahead).await?;
        to_client.flush().await?;
        sent.set(ahead.len());
        pump(&mut from_upstream, &mut to_client, &heard, &sent).await
    };
    let both = async { tokio::try_join!(inward, outward).map(|_| ()) };
    let quiet = async {
        while heard.get().elapsed() < idle {
            sleep_until(heard.get() + idle).await;
        }
    };
    // What is lost by dropping the pumps was to go through a tunnel that is over.
    let ended = tokio::select! {
        ended = both => ended,
        () = quiet => Err(io::Error::new(io::ErrorKind::TimedOut, format!("nobody said anything for {idle:?}"))),
    };
    ongoing.journal.tunnelled = received.get() as u64;
    ongoing.sent(sent.get());
    ended
}

/// One direction, until its source is done; its end is passed on.
async fn pump(
    from: &mut (impl AsyncRead + Unpin),
    to: &mut (impl AsyncWrite + Unpin),
    heard: &Cell<Instant>,
    carried: &Cell<usize>,
) -> io::Result<()> {
    let mut piece = vec![0; limits::TUNNEL_BUFFER];
    loop {
        let read = from.read(&mut piece).await?;
        heard.set(Instant::now());
        if read == 0 {
            return to.shutdown().await;
        }
        to.write_all(piece.get(..read).unwrap_or_default()).await?;
        // TLS keeps back what the socket would not take.
        to.flush().await?;
        carried.set(carried.get() + read);
    }
}
