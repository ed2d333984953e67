//! The ways in which batches go out, as a sink's task sees them.

mod datagram;
mod file;
mod http;
mod local;
mod stream;

use std::future::pending;
use std::sync::Arc;
use std::time::Duration;

use super::batch::Batch;
use super::orders::Orders;
use super::peer::{Peer, Tls, is_named};
use crate::config::checked::{SinkSettings, SinkTo, SyslogOver, SyslogSink};
use crate::config::values::SinkAddress;
use crate::dns::Resolver;
use crate::limits;
use crate::observe::metrics::SinkMetrics;

/// One of them. Each counts what it has delivered.
pub(super) enum Delivery {
    File(file::File),
    Http(Box<http::Http>),
    Stream(stream::Stream),
    Datagram(datagram::Datagram),
    Local(local::Local),
}

/// Why a batch did not go out.
#[derive(Debug)]
pub(super) enum Failure {
    /// It may the next time.
    Again { words: String, pause: Pause },
    /// The peer does not want it, now or later.
    Refused(String),
    /// Some of it, or all of it, is gone, which has been counted.
    Lost(String),
    /// The peer does not want some of it, and has taken the others; both have been counted.
    Unwanted(String),
    /// This is left of it, to be sent again; what the peer has taken, and what it does not want, has been counted.
    Partly { rest: Arc<Batch>, words: String, pause: Pause, unwanted: Option<String> },
}

/// How long to wait before the next attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Pause {
    /// Longer with each failure.
    Growing,
    /// As long as the sink ever does, from the first failure on: it takes a person to mend this.
    Longest,
    /// For so long.
    For(Duration),
}

impl Failure {
    fn again(words: impl Into<String>) -> Self {
        Self::Again { words: words.into(), pause: Pause::Growing }
    }
}

/// What happens between batches.
#[derive(Debug)]
pub(super) enum Event {
    /// What was in doubt has arrived.
    Sure,
    /// It may not have: it is to be sent again.
    Broken(String),
}

/// Who takes the records, if it is not a file.
pub(super) fn destination(
    settings: &SinkSettings,
    tls: Option<Tls>,
    resolver: &mut dyn FnMut() -> Option<Resolver>,
) -> Option<Peer> {
    let address = match &settings.to {
        SinkTo::File(_) => return None,
        SinkTo::Http(http) => SinkAddress::Host(http.url.authority.clone()),
        SinkTo::Tcp(stream) => stream.address.clone(),
        SinkTo::Udp(address) => address.clone(),
        SinkTo::Syslog(syslog) => match &syslog.over {
            SyslogOver::Udp(address) => address.clone(),
            SyslogOver::Tcp(stream) => stream.address.clone(),
        },
    };
    let resolver = if is_named(&address) { resolver() } else { None };
    Some(Peer::new(address, resolver, tls))
}

/// The largest record that can go out, in bytes, however large the buffer is.
pub(super) const fn record_bytes(settings: &SinkSettings) -> usize {
    match &settings.to {
        SinkTo::Udp(_) => limits::SINK_DATAGRAM_BYTES,
        SinkTo::Syslog(syslog) => match syslog.over {
            SyslogOver::Udp(_) => limits::SINK_DATAGRAM_BYTES,
            SyslogOver::Tcp(_) => usize::MAX,
        },
        SinkTo::File(_) | SinkTo::Http(_) | SinkTo::Tcp(_) => usize::MAX,
    }
}

impl Delivery {
    /// As `settings` say; `to` is who they name.
    pub(super) fn new(
        settings: &SinkSettings,
        to: Option<Peer>,
        orders: Arc<Orders>,
        metrics: Arc<SinkMetrics>,
    ) -> Self {
        let stream = |peer, timeout| stream::Stream::new(peer, timeout, settings.buffer, Arc::clone(&metrics));
        match (&settings.to, to) {
            (SinkTo::File(to), _) => Self::File(file::File::new(to.clone(), settings.framing, orders, metrics)),
            (SinkTo::Http(http), Some(peer)) => Self::Http(Box::new(http::Http::new(http.clone(), peer, metrics))),
            (SinkTo::Tcp(to), Some(peer)) => Self::Stream(stream(peer, to.timeout)),
            (SinkTo::Syslog(SyslogSink { over: SyslogOver::Tcp(to), .. }), Some(peer)) => {
                Self::Stream(stream(peer, to.timeout))
            }
            (
                SinkTo::Udp(SinkAddress::Unix(path))
                | SinkTo::Syslog(SyslogSink { over: SyslogOver::Udp(SinkAddress::Unix(path)), .. }),
                _,
            ) => Self::Local(local::Local::new(path.clone(), metrics)),
            (_, peer) => Self::Datagram(datagram::Datagram::new(peer, metrics)),
        }
    }

    /// Send `batch`, and before it what may have been lost. When this is dropped halfway, nothing may be sent any more.
    pub(super) async fn deliver(&mut self, batch: Option<&Arc<Batch>>) -> Result<(), Failure> {
        match (self, batch) {
            (Self::Stream(stream), batch) => stream.deliver(batch).await,
            (_, None) => Ok(()),
            (Self::File(file), Some(batch)) => file.deliver(batch).await,
            (Self::Http(http), Some(batch)) => http.deliver(batch).await,
            (Self::Datagram(datagram), Some(batch)) => datagram.deliver(batch).await,
            (Self::Local(local), Some(batch)) => local.deliver(batch).await,
        }
    }

    /// Whether what was sent has surely arrived.
    pub(super) fn is_sure(&self) -> bool {
        match self {
            Self::Stream(stream) => stream.is_sure(),
            Self::File(_) | Self::Http(_) | Self::Datagram(_) | Self::Local(_) => true,
        }
    }

    /// What happens while there is no batch to deliver. May be dropped at any time.
    pub(super) async fn watch(&mut self) -> Event {
        match self {
            Self::Stream(stream) => stream.watch().await,
            Self::File(file) => file.watch().await,
            Self::Http(_) | Self::Datagram(_) | Self::Local(_) => pending().await,
        }
    }

    /// Think no more of what may have been lost.
    pub(super) fn give_up(&mut self) {
        match self {
            Self::Stream(stream) => stream.give_up(),
            Self::File(file) => file.give_up(),
            Self::Http(_) | Self::Datagram(_) | Self::Local(_) => {}
        }
    }

    /// Somebody else will send again what may have been lost.
    pub(super) fn leave(&mut self) {
        match self {
            Self::Stream(stream) => stream.leave(),
            Self::File(file) => file.give_up(),
            Self::Http(_) | Self::Datagram(_) | Self::Local(_) => {}
        }
    }

    /// All was sent, and nothing more will be.
    ///
    /// # Errors
    /// Something is to be sent again.
    pub(super) async fn finish(&mut self) -> Result<(), String> {
        match self {
            Self::Stream(stream) => stream.finish().await,
            Self::File(_) | Self::Http(_) | Self::Datagram(_) | Self::Local(_) => Ok(()),
        }
    }
}
