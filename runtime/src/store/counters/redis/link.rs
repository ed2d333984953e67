//! One worker's connection to Redis, on which its hits go out one behind the other without waiting for answers. The
//! first hit has it made; when it is lost it is made again, with growing pauses, and no hit waits for that.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use ::redis::aio::MultiplexedConnection;
use ::redis::{AsyncConnectionConfig, Client, RedisResult};
use tokio::sync::watch;
use tokio::time::{Instant, sleep, timeout};
use tokio_util::task::AbortOnDropHandle;

use super::{Outage, told};
use crate::limits;

/// A connection, or what became of it.
pub(super) struct Link {
    shared: Arc<Shared>,
    /// Makes the connection; ends with the link.
    maker: Mutex<Option<AbortOnDropHandle<()>>>,
}

struct Shared {
    client: Client,
    status: watch::Sender<Status>,
}

enum Status {
    /// Nobody has asked yet.
    Idle,
    /// For the first time: worth waiting for.
    Connecting,
    /// Numbered, so that an old one's failure does not end a new one.
    Up { number: u64, connection: MultiplexedConnection, since: Instant },
    /// For this reason.
    Down(Arc<str>),
}

impl Link {
    pub(super) fn new(client: Client) -> Self {
        let shared = Arc::new(Shared { client, status: watch::Sender::new(Status::Idle) });
        Self { shared, maker: Mutex::default() }
    }

    /// The connection and its number, once it has been made for the first time. When it is down, that is said at once.
    pub(super) async fn connection(&self) -> Result<(u64, MultiplexedConnection), Outage> {
        let first = self.shared.status.send_if_modified(|status| {
            let idle = matches!(status, Status::Idle);
            if idle {
                *status = Status::Connecting;
            }
            idle
        });
        if first {
            self.make(1, Duration::ZERO);
        }
        let mut status = self.shared.status.subscribe();
        let settled = status.wait_for(|status| matches!(status, Status::Up { .. } | Status::Down(_))).await;
        match settled.as_deref() {
            Ok(Status::Up { number, connection, .. }) => Ok((*number, connection.clone())),
            Ok(Status::Down(reason)) => Err(Outage::Unreachable(Arc::clone(reason))),
            // Neither can be; the sender lives as long as the link.
            Ok(Status::Idle | Status::Connecting) | Err(_) => Err(Outage::Unreachable("not yet".into())),
        }
    }

    /// The connection of this number is no good any more.
    pub(super) fn lost(&self, number: u64, reason: &Arc<str>) {
        let mut age = None;
        self.shared.status.send_if_modified(|status| {
            match status {
                Status::Up { number: current, since, .. } if *current == number => age = Some(since.elapsed()),
                _ => return false,
            }
            *status = Status::Down(Arc::clone(reason));
            true
        });
        if let Some(age) = age {
            tracing::warn!(%reason, "counters: the connection to Redis is lost");
            // One that is no sooner there than lost again must not be made again with every hit.
            self.make(number + 1, limits::REDIS_CONNECTION_TIME.saturating_sub(age));
        }
    }

    fn make(&self, number: u64, after: Duration) {
        let task = tokio::spawn(Arc::clone(&self.shared).make(number, after));
        *self.maker.lock().unwrap_or_else(PoisonError::into_inner) = Some(AbortOnDropHandle::new(task));
    }
}

impl Shared {
    async fn make(self: Arc<Self>, number: u64, after: Duration) {
        sleep(after).await;
        let mut pause = limits::REDIS_RETRY_FIRST;
        loop {
            let reason: Arc<str> = match timeout(limits::REDIS_CONNECT_TIMEOUT, self.connect()).await {
                Ok(Ok(connection)) => {
                    tracing::info!("counters: connected to Redis");
                    self.status.send_replace(Status::Up { number, connection, since: Instant::now() });
                    return;
                }
                Ok(Err(error)) => told(&error).into(),
                Err(_) => "no connection in time".into(),
            };
            let told = self.status.borrow().reason() == Some(&*reason);
            if !told {
                tracing::warn!(%reason, "counters: Redis cannot be reached");
            }
            self.status.send_replace(Status::Down(reason));
            sleep(jittered(pause)).await;
            pause = (pause * 2).min(limits::REDIS_RETRY_MAX);
        }
    }

    /// Connect, and see that somebody is there: a stopped server's connections are accepted by its kernel.
    async fn connect(&self) -> RedisResult<MultiplexedConnection> {
        // Whoever calls has a deadline of its own.
        let config = AsyncConnectionConfig::new().set_connection_timeout(None).set_response_timeout(None);
        let mut connection = self.client.get_multiplexed_async_connection_with_config(&config).await?;
        ::redis::cmd("PING").exec_async(&mut connection).await?;
        Ok(connection)
    }
}

impl Status {
    fn reason(&self) -> Option<&str> {
        match self {
            Self::Down(reason) => Some(reason),
            Self::Idle | Self::Connecting | Self::Up { .. } => None,
        }
    }
}

/// Between half of it and all of it, so that not all workers of all gateways come at once.
fn jittered(pause: Duration) -> Duration {
    pause.mul_f64(0.5 + fastrand::f64() / 2.0)
}
