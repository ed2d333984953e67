//! Batches into one TCP connection. TCP does not say what the peer has read, so what was written lately is kept, and
//! sent again if the connection ends: records may arrive twice, but seldom not at all.

use std::collections::VecDeque;
use std::future::{pending, poll_fn};
use std::pin::Pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt, ReadBuf};
use tokio::time::{Instant, sleep_until, timeout, timeout_at};

use super::{Event, Failure};
use crate::limits;
use crate::observe::metrics::{Dropped, SinkMetrics};
use crate::observe::sinks::batch::Batch;
use crate::observe::sinks::peer::{Peer, Wire};

pub(in crate::observe::sinks) struct Stream {
    peer: Peer,
    timeout: Duration,
    metrics: Arc<SinkMetrics>,
    open: Option<Open>,
    /// Written, and maybe not read: in their order, each with the moment of its writing.
    doubtful: VecDeque<(Instant, Arc<Batch>)>,
    /// The most bytes of them that are kept: they take their room from the buffer.
    doubtful_most: usize,
}

struct Open {
    wire: Box<dyn Wire>,
    since: Instant,
}

/// What a look at a connection finds.
enum Look {
    Open,
    Closed(String),
}

/// Reads of one look: a peer that talks without end is not listened to without end.
const READS: usize = 16;

impl Stream {
    pub(super) const fn new(peer: Peer, timeout: Duration, buffer: usize, metrics: Arc<SinkMetrics>) -> Self {
        Self { peer, timeout, metrics, open: None, doubtful: VecDeque::new(), doubtful_most: buffer / 4 }
    }

    pub(super) async fn deliver(&mut self, batch: Option<&Arc<Batch>>) -> Result<(), Failure> {
        if batch.is_none() && self.doubtful.is_empty() {
            return Ok(());
        }
        match self.send(batch).await {
            Ok(()) => Ok(()),
            Err(words) => {
                self.open = None;
                Err(Failure::again(words))
            }
        }
    }

    async fn send(&mut self, batch: Option<&Arc<Batch>>) -> Result<(), String> {
        let open = match self.open.take() {
            Some(mut open) => {
                if let Look::Closed(words) = look(open.wire.as_mut()).await {
                    // With nothing in doubt, a connection that ended is no failure.
                    if !self.doubtful.is_empty() {
                        return Err(self.words(&words));
                    }
                    self.connect().await?
                } else {
                    open
                }
            }
            None => self.connect().await?,
        };
        let open = self.open.insert(open);
        if let Some(batch) = batch {
            write(open.wire.as_mut(), batch, self.timeout).await.map_err(|error| self.words(&error))?;
            self.doubtful.push_back((Instant::now(), Arc::clone(batch)));
            self.settle();
        }
        Ok(())
    }

    /// A fresh connection, on which all that was in doubt has been written again.
    async fn connect(&mut self) -> Result<Open, String> {
        let mut wire = self.peer.connect(self.timeout).await?;
        let since = Instant::now();
        for (written, batch) in &mut self.doubtful {
            write(wire.as_mut(), batch, self.timeout)
                .await
                .map_err(|error| format!("{}: {error}", self.peer.name()))?;
            *written = Instant::now();
        }
        Ok(Open { wire, since })
    }

    /// What was written long enough ago has arrived. Not to be asked while the peer takes nothing.
    fn settle(&mut self) {
        let mut kept: usize = self.doubtful.iter().map(|(_, batch)| batch.body().len()).sum();
        while let Some((written, batch)) = self.doubtful.front() {
            let too_much = kept > self.doubtful_most && self.doubtful.len() > 1;
            if written.elapsed() < limits::SINK_DOUBT && !too_much {
                return;
            }
            kept -= batch.body().len();
            batch.delivered(&self.metrics);
            self.doubtful.pop_front();
        }
    }

    /// A connection that ends as soon as it is made is no success.
    pub(super) fn is_sure(&self) -> bool {
        self.open.as_ref().is_some_and(|open| open.since.elapsed() >= limits::SINK_DOUBT)
    }

    /// Nothing happens without a connection: what is in doubt is then being delivered again.
    pub(super) async fn watch(&mut self) -> Event {
        loop {
            let Some(open) = &mut self.open else {
                if self.doubtful.is_empty() {
                    return pending().await;
                }
                return Event::Broken(self.words("not connected"));
            };
            let Some((written, _)) = self.doubtful.front() else {
                // Closing it now costs nothing; the next batch makes another.
                if let Look::Closed(_) = closed(open.wire.as_mut()).await {
                    self.open = None;
                }
                continue;
            };
            // Neither takes anything away that would be missed.
            tokio::select! {
                look = closed(open.wire.as_mut()) => {
                    self.open = None;
                    if let Look::Closed(words) = look {
                        return Event::Broken(self.words(&words));
                    }
                }
                () = sleep_until(*written + limits::SINK_DOUBT) => {
                    self.settle();
                    if self.doubtful.is_empty() {
                        return Event::Sure;
                    }
                }
            }
        }
    }

    pub(super) fn give_up(&mut self) {
        self.open = None;
        for (_, batch) in self.doubtful.drain(..) {
            batch.lost(&self.metrics, Dropped::GaveUp);
        }
    }

    pub(super) fn leave(&mut self) {
        self.open = None;
        self.doubtful.clear();
    }

    /// Say that nothing more comes, and see whether the peer reads to the end.
    pub(super) async fn finish(&mut self) -> Result<(), String> {
        if let Some(mut open) = self.open.take() {
            let deadline = Instant::now() + limits::SINK_DOUBT;
            let ended = timeout_at(deadline, async {
                open.wire.shutdown().await?;
                let mut rest = [0; 1024];
                while open.wire.read(&mut rest).await? > 0 {}
                Ok::<(), std::io::Error>(())
            });
            // One that does not end in time has taken everything at least.
            if let Ok(Err(error)) = ended.await
                && !self.doubtful.is_empty()
            {
                return Err(self.words(&error.to_string()));
            }
        } else if !self.doubtful.is_empty() {
            return Err(self.words("not connected"));
        }
        self.doubtful.drain(..).for_each(|(_, batch)| batch.delivered(&self.metrics));
        Ok(())
    }

    fn words(&self, words: &str) -> String {
        format!("{}: {words}", self.peer.name())
    }
}

/// Write all of it; each piece has `within`.
async fn write(wire: &mut dyn Wire, batch: &Batch, within: Duration) -> Result<(), String> {
    let late = |_| format!("nothing was taken for {within:?}");
    let words = |error: std::io::Error| error.to_string();
    let mut rest = &**batch.body();
    while !rest.is_empty() {
        match timeout(within, wire.write(rest)).await.map_err(late)?.map_err(words)? {
            0 => return Err("nothing more is taken".to_owned()),
            written => rest = rest.get(written..).unwrap_or_default(),
        }
    }
    timeout(within, wire.flush()).await.map_err(late)?.map_err(words)
}

/// Whether the peer has closed the connection by now. What it says is not listened to.
async fn look(wire: &mut dyn Wire) -> Look {
    poll_fn(|context| {
        let mut said = [0; 1024];
        for _ in 0..READS {
            let mut said = ReadBuf::new(&mut said);
            match Pin::new(&mut *wire).poll_read(context, &mut said) {
                Poll::Pending => return Poll::Ready(Look::Open),
                Poll::Ready(Ok(())) if said.filled().is_empty() => return Poll::Ready(by_peer()),
                Poll::Ready(Ok(())) => {}
                Poll::Ready(Err(error)) => return Poll::Ready(Look::Closed(error.to_string())),
            }
        }
        Poll::Ready(Look::Open)
    })
    .await
}

/// Until the peer closes the connection.
async fn closed(wire: &mut dyn Wire) -> Look {
    let mut said = [0; 1024];
    loop {
        match wire.read(&mut said).await {
            Ok(0) => return by_peer(),
            Ok(_) => {}
            Err(error) => return Look::Closed(error.to_string()),
        }
    }
}

fn by_peer() -> Look {
    Look::Closed("closed by the peer".to_owned())
}
