//! Each record as one UDP datagram. Nobody says whether one arrives; what cannot even be sent is lost and counted.

use std::io::ErrorKind;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use tokio::net::UdpSocket;
use tokio::time::{Instant, timeout};

use super::Failure;
use crate::limits;
use crate::observe::metrics::{Dropped, SinkMetrics};
use crate::observe::sinks::batch::Batch;
use crate::observe::sinks::peer::Peer;

pub(in crate::observe::sinks) struct Datagram {
    peer: Option<Peer>,
    metrics: Arc<SinkMetrics>,
    open: Option<Open>,
}

/// A socket that is connected, so that the peer's refusals are heard.
struct Open {
    socket: UdpSocket,
    address: SocketAddr,
    /// When the name was asked for.
    since: Instant,
}

/// How long an address is used: the resolver knows when it is to be asked again, and answers at once until then.
const ADDRESS_TIME: Duration = Duration::from_secs(1);

impl Datagram {
    pub(super) const fn new(peer: Option<Peer>, metrics: Arc<SinkMetrics>) -> Self {
        Self { peer, metrics, open: None }
    }

    pub(super) async fn deliver(&mut self, batch: &Batch) -> Result<(), Failure> {
        let mut trouble = None;
        let (mut sent, mut bytes) = (0, 0);
        for record in batch.each() {
            let open = match self.open().await {
                Ok(open) => open,
                Err(words) => {
                    // Asking again for each of the others could take for ever.
                    trouble = Some(words);
                    break;
                }
            };
            match open.send(record).await {
                Ok(()) => {
                    sent += 1;
                    bytes += record.len() as u64;
                }
                Err(words) => {
                    trouble = Some(words);
                    self.open = None;
                }
            }
        }
        self.metrics.deliver(sent, bytes);
        let lost = batch.records().saturating_sub(sent);
        self.metrics.drop_records(Dropped::GaveUp, lost);
        trouble.map_or(Ok(()), |words| Err(Failure::Lost(words)))
    }

    /// The socket to the address that the name has now.
    async fn open(&mut self) -> Result<&Open, String> {
        let Some(peer) = &self.peer else { return Err("there is nobody to send to".to_owned()) };
        let open = match self.open.take() {
            Some(open) if open.since.elapsed() < ADDRESS_TIME => open,
            before => reopen(peer, before).await?,
        };
        Ok(self.open.insert(open))
    }
}

impl Open {
    async fn send(&self, record: &[u8]) -> Result<(), String> {
        let mut outcome = timeout(limits::SINK_TIMEOUT, self.socket.send(record)).await;
        if let Ok(Err(error)) = &outcome
            && error.kind() == ErrorKind::ConnectionRefused
        {
            // What became of an earlier one; this one was not sent yet.
            outcome = timeout(limits::SINK_TIMEOUT, self.socket.send(record)).await;
        }
        match outcome {
            Ok(Ok(_)) => Ok(()),
            Ok(Err(error)) => Err(format!("{}: {error}", self.address)),
            Err(_) => Err(format!("{}: not sent within {:?}", self.address, limits::SINK_TIMEOUT)),
        }
    }
}

/// The same socket if the address is the same, else another.
async fn reopen(peer: &Peer, before: Option<Open>) -> Result<Open, String> {
    let since = Instant::now();
    let Some(address) = peer.addresses().await?.first().copied() else {
        return Err(format!("{}: there is no address", peer.name()));
    };
    if let Some(open) = before.filter(|open| open.address == address) {
        return Ok(Open { since, ..open });
    }
    let any: IpAddr = if address.is_ipv4() { Ipv4Addr::UNSPECIFIED.into() } else { Ipv6Addr::UNSPECIFIED.into() };
    let words = |error: std::io::Error| format!("{}: {error}", peer.place(address));
    let socket = UdpSocket::bind((any, 0)).await.map_err(words)?;
    socket.connect(address).await.map_err(words)?;
    Ok(Open { socket, address, since })
}
