//! Each record as one datagram into a unix socket. Its owner has a record once it is sent, unless it ends without reading
//! it; what cannot be sent is tried again, and a socket that was made anew at the path is found by itself.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use rustix::io::Errno;
use tokio::net::UnixDatagram;
use tokio::time::{Instant, timeout};

use super::{Failure, Pause};
use crate::limits;
use crate::observe::metrics::{Dropped, SinkMetrics};
use crate::observe::sinks::batch::Batch;
use crate::observe::sinks::peer::of_socket;

pub(in crate::observe::sinks) struct Local {
    path: PathBuf,
    /// How long a full socket is waited for.
    patience: Duration,
    metrics: Arc<SinkMetrics>,
    open: Option<Open>,
}

/// A socket that is connected, so that a full one is waited for.
struct Open {
    socket: UnixDatagram,
    /// When the path was looked up.
    since: Instant,
}

/// Why a record was not sent.
enum Unsent {
    /// There is no socket, or nobody has it open.
    Failed(String),
    /// Nobody has made room for it in time.
    Full(String),
    /// It is larger than the socket takes.
    TooLarge(String),
}

impl Local {
    pub(super) const fn new(path: PathBuf, metrics: Arc<SinkMetrics>) -> Self {
        Self { path, patience: limits::SINK_TIMEOUT, metrics, open: None }
    }

    pub(super) async fn deliver(&mut self, batch: &Batch) -> Result<(), Failure> {
        let (mut sent, mut bytes, mut too_large) = (0, 0, 0);
        let (mut trouble, mut unwanted) = (None, None);
        for record in batch.each() {
            match self.send(record).await {
                Ok(()) => {
                    sent += 1;
                    bytes += record.len() as u64;
                }
                Err(Unsent::TooLarge(words)) => {
                    too_large += 1;
                    unwanted = Some(words);
                }
                Err(Unsent::Failed(words) | Unsent::Full(words)) => {
                    self.open = None;
                    trouble = Some(words);
                    break;
                }
            }
        }
        let settled = sent + too_large;
        if settled == batch.count() && too_large == 0 {
            batch.delivered(&self.metrics);
            return Ok(());
        }
        self.metrics.deliver(sent as u64, bytes);
        self.metrics.drop_records(Dropped::TooLarge, too_large as u64);
        let pause = Pause::Growing;
        Err(match (trouble, unwanted) {
            (None, unwanted) => Failure::Unwanted(unwanted.unwrap_or_default()),
            (Some(words), None) if settled == 0 => Failure::Again { words, pause },
            (Some(words), unwanted) => {
                Failure::Partly { rest: Arc::new(batch.rest(|number| number >= settled)), words, pause, unwanted }
            }
        })
    }

    /// Send one; where the socket's owner is gone, there may be another at its path by now.
    async fn send(&mut self, record: &[u8]) -> Result<(), Unsent> {
        let was_open = self.open.is_some();
        match self.attempt(record).await {
            Err(Unsent::Failed(_)) if was_open => {
                self.open = None;
                self.attempt(record).await
            }
            outcome => outcome,
        }
    }

    async fn attempt(&mut self, record: &[u8]) -> Result<(), Unsent> {
        let path = self.path.as_path();
        let failed = |error: io::Error| Unsent::Failed(words(path, &of_socket(&error)));
        let open = opened(path, &mut self.open).map_err(failed)?;
        match timeout(self.patience, open.socket.send(record)).await {
            Ok(Ok(_)) => Ok(()),
            Ok(Err(error)) if Errno::from_io_error(&error) == Some(Errno::MSGSIZE) => {
                let story = format!("the system sends no record of {} bytes there: {error}", record.len());
                Err(Unsent::TooLarge(words(path, &story)))
            }
            Ok(Err(error)) => Err(failed(error)),
            Err(_) => {
                let story = format!("full for {:?}: nobody reads what is waiting there", self.patience);
                Err(Unsent::Full(words(path, &story)))
            }
        }
    }
}

/// The socket that is at the path now, or was a moment ago: `before`, if that is so.
fn opened<'o>(path: &Path, before: &'o mut Option<Open>) -> io::Result<&'o Open> {
    let open = match before.take() {
        Some(open) if open.since.elapsed() < limits::SINK_SOCKET_TIME => open,
        _ => {
            let socket = UnixDatagram::unbound()?;
            socket.connect(path)?;
            Open { socket, since: Instant::now() }
        }
    };
    Ok(before.insert(open))
}

fn words(path: &Path, words: &str) -> String {
    format!("unix:{}: {words}", path.display())
}

#[cfg(test)]
mod tests {
    use std::os::unix::net;
    use std::time::SystemTime;

    use socket2::SockRef;

    use super::*;
    use crate::config::checked::BatchLimits;
    use crate::observe::metrics::Metrics;
    use crate::observe::sinks::batch::Draft;
    use crate::observe::sinks::framing::Framing;
    use crate::observe::sinks::queue::Buffer;

    fn batch(metrics: &SinkMetrics, records: &[&[u8]]) -> Batch {
        let limits = BatchLimits { bytes: 1 << 20, records: 1_000, wait: Duration::ZERO };
        let (mut draft, mut framing) = (Draft::default(), Framing::None);
        for record in records {
            assert!(draft.takes(record.len(), limits));
            draft.add(record, SystemTime::now(), &mut framing);
        }
        draft.into_batch(&framing, &Arc::new(Buffer::new(metrics.buffer(), 1 << 20, 0))).unwrap()
    }

    fn bench() -> (tempfile::TempDir, Local, Arc<SinkMetrics>) {
        let folder = tempfile::tempdir().unwrap();
        let metrics = Metrics::new(1).sink("s");
        let mut local = Local::new(folder.path().join("log"), Arc::clone(&metrics));
        local.patience = Duration::from_millis(50);
        (folder, local, metrics)
    }

    fn received(socket: &net::UnixDatagram) -> Vec<u8> {
        let mut datagram = [0; 100];
        let length = socket.recv(&mut datagram).unwrap();
        datagram[..length].to_vec()
    }

    #[tokio::test]
    async fn what_a_full_socket_did_not_take_is_left() {
        let (_folder, mut local, metrics) = bench();
        let socket = net::UnixDatagram::bind(&local.path).unwrap();
        let many = vec![&b"x"[..]; 2_000];
        let Err(Failure::Partly { rest, words, unwanted: None, .. }) = local.deliver(&batch(&metrics, &many)).await
        else {
            panic!("the system lets no more than some hundred wait")
        };
        assert!(words.contains("full for 50ms: nobody reads"), "{words}");
        let taken = metrics.records();
        assert!(taken > 0 && taken + rest.records() == 2_000);
        assert_eq!(metrics.dropped(Dropped::GaveUp), 0);
        // And nothing of it at all.
        let again = local.deliver(&rest).await;
        assert!(matches!(&again, Err(Failure::Again { .. })), "{again:?}");
        let reading = std::thread::spawn(move || (0..2_000).for_each(|_| assert_eq!(received(&socket), b"x")));
        local.deliver(&rest).await.unwrap();
        reading.join().unwrap();
        assert_eq!(metrics.records(), 2_000);
    }

    #[tokio::test]
    async fn a_record_that_the_system_does_not_send_is_left_out() {
        let (_folder, mut local, metrics) = bench();
        let socket = net::UnixDatagram::bind(&local.path).unwrap();
        let open = opened(&local.path, &mut local.open).unwrap();
        SockRef::from(&open.socket).set_send_buffer_size(4_608).unwrap();
        let large = [b'x'; 20_000];
        let outcome = local.deliver(&batch(&metrics, &[b"a", &large, b"b"])).await;
        let Err(Failure::Unwanted(words)) = outcome else { panic!("{outcome:?}") };
        assert!(words.contains("no record of 20000 bytes there: Message too long"), "{words}");
        assert_eq!([received(&socket), received(&socket)], [b"a", b"b"]);
        assert_eq!((metrics.records(), metrics.dropped(Dropped::TooLarge)), (2, 1));
    }

    #[tokio::test]
    async fn what_is_wrong_with_a_socket_is_said() {
        let (_folder, mut local, metrics) = bench();
        let one = batch(&metrics, &[b"a"]);
        let words = async |local: &mut Local| match local.deliver(&one).await {
            Err(Failure::Again { words, .. }) => words,
            other => panic!("{other:?}"),
        };
        let path = local.path.clone();
        let place = format!("unix:{}: ", path.display());
        let found = words(&mut local).await;
        assert!(found.starts_with(&place) && found.contains("No such file"), "{found}");
        let stream = net::UnixListener::bind(&path).unwrap();
        let found = words(&mut local).await;
        assert!(found.contains("one side streams, and the other wants datagrams"), "{found}");
        drop(stream);
        std::fs::remove_file(&path).unwrap();
        drop(net::UnixDatagram::bind(&path).unwrap());
        let found = words(&mut local).await;
        assert!(found.contains("nobody has this socket open any more"), "{found}");
    }
}
