//! Counters in Redis, exact among all gateways that share it: one script, and one round trip, per hit. In: a hit. Out: a
//! decision, within the timeout, or why there is none; what then happens is for [`super::Counters`] to say.

mod link;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use ::redis::aio::MultiplexedConnection;
use ::redis::{Client, Cmd, ErrorKind, RedisError, RedisResult, ServerErrorKind};
use smallvec::SmallVec;
use tokio::time::{Instant, timeout_at};

use self::link::Link;
use super::cell::Cell;
use super::{Algorithm, Decision, HitError, Limits, check_key};
use crate::config::values::RedisUrl;
use crate::limits;
use crate::store::{Space, Timestamp, microseconds};

/// The whole of a hit, as Redis runs it.
const SCRIPT: &str = include_str!("redis/hit.lua");

/// Counters in one Redis.
pub struct Redis {
    links: Box<[Link]>,
    timeout: Duration,
    /// By which Redis knows the script.
    script: String,
    outages: AtomicU64,
    /// When the log last heard what Redis says instead of counting, in microseconds since 1970.
    complained: AtomicU64,
}

/// Why Redis has not decided.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Outage {
    /// No answer in time; whether it will be counted is open.
    #[error("Redis has not answered within {0:?}")]
    Timeout(Duration),
    /// It cannot be reached for now; another try is on its way.
    #[error("Redis cannot be reached: {0}")]
    Unreachable(Arc<str>),
    /// It answered, but with something else than a decision.
    #[error("Redis has not counted: {0}")]
    Refused(String),
    /// The connection cannot be set up at all.
    #[error("Redis cannot be connected to: {0}")]
    Settings(String),
}

impl Redis {
    /// Counters in the Redis at `url`, with a connection for each of this many workers. A hit waits for `timeout` at
    /// most.
    ///
    /// # Errors
    /// The connection cannot be set up, as TLS without any authority to trust.
    pub fn new(url: &RedisUrl, timeout: Duration, workers: usize) -> Result<Self, Outage> {
        let client = Client::open(url.connection().clone()).map_err(|error| Outage::Settings(told(&error)))?;
        let links = (0..workers.max(1)).map(|_| Link::new(client.clone())).collect();
        Ok(Self { links, timeout, script: sha1(SCRIPT), outages: AtomicU64::new(0), complained: AtomicU64::new(0) })
    }

    /// As [`super::Counters::hit`], at the server's time if `now` is `None`.
    ///
    /// # Errors
    /// The key is too long, or Redis has not decided.
    pub async fn hit(
        &self,
        worker: usize,
        space: Space,
        key: &str,
        cost: u64,
        limits: &Limits,
        now: Option<Timestamp>,
    ) -> Result<Decision, HitError> {
        check_key(key)?;
        let reply = self.ask(worker, &call(space, key, cost, limits, now)).await;
        let decision = reply.and_then(|reply| {
            let refused = || Outage::Refused("the script's answer is none".to_owned());
            read(&reply, cost, limits).ok_or_else(refused)
        });
        decision.map_err(|outage| {
            if let Outage::Refused(reason) = &outage {
                self.complain(reason);
            }
            self.outages.fetch_add(1, Ordering::Relaxed);
            HitError::Unavailable(outage)
        })
    }

    /// Hits that Redis has not decided.
    pub fn outages(&self) -> u64 {
        self.outages.load(Ordering::Relaxed)
    }

    /// Of a lost connection, its link tells. This happens with a good one, and with every hit perhaps.
    fn complain(&self, reason: &str) {
        let (now, last) = (Timestamp::now().microseconds(), self.complained.load(Ordering::Relaxed));
        let due = now.abs_diff(last) >= microseconds(limits::REDIS_COMPLAINTS);
        if due && self.complained.compare_exchange(last, now, Ordering::Relaxed, Ordering::Relaxed).is_ok() {
            tracing::warn!(reason, "counters: Redis answers, but does not count");
        }
    }

    async fn ask(&self, worker: usize, arguments: &[Vec<u8>]) -> Result<Vec<u64>, Outage> {
        let deadline = Instant::now() + self.timeout;
        let late = |_| Outage::Timeout(self.timeout);
        let link = self.links.get(worker % self.links.len()).ok_or_else(|| Outage::Settings("no worker".to_owned()))?;
        let (generation, mut connection) = timeout_at(deadline, link.connection()).await.map_err(late)??;
        // An answer that comes too late is thrown away by the connection.
        match timeout_at(deadline, self.run(&mut connection, arguments)).await {
            Ok(Ok(numbers)) => Ok(numbers),
            Ok(Err(error)) if is_of_connection(&error) => {
                let reason = told(&error).into();
                link.lost(generation, &reason);
                Err(Outage::Unreachable(reason))
            }
            Ok(Err(error)) => Err(Outage::Refused(told(&error))),
            Err(elapsed) => {
                // Who is behind it may be gone without a word.
                link.lost(generation, &"no answer in time".into());
                Err(late(elapsed))
            }
        }
    }

    async fn run(&self, connection: &mut MultiplexedConnection, arguments: &[Vec<u8>]) -> RedisResult<Vec<u64>> {
        match command("EVALSHA", &self.script, arguments).query_async(connection).await {
            // It forgets scripts when it restarts. The whole one is known from then on.
            Err(error) if error.kind() == ErrorKind::Server(ServerErrorKind::NoScript) => {
                command("EVAL", SCRIPT, arguments).query_async(connection).await
            }
            outcome => outcome,
        }
    }
}

/// Whether another connection may do better. One that leads to a replica may have led to the primary once.
fn is_of_connection(error: &RedisError) -> bool {
    error.is_unrecoverable_error() || error.kind() == ErrorKind::Server(ServerErrorKind::ReadOnly)
}

fn command(name: &str, script: &str, arguments: &[Vec<u8>]) -> Cmd {
    let mut command = ::redis::cmd(name);
    command.arg(script).arg(1).arg(arguments);
    command
}

/// Key and arguments of the script.
fn call(space: Space, key: &str, cost: u64, limits: &Limits, now: Option<Timestamp>) -> Vec<Vec<u8>> {
    let mut arguments = vec![
        format!("tidegate:counters:{:016x}:{key}", space.0).into_bytes(),
        now.map(|now| now.microseconds().to_string()).unwrap_or_default().into_bytes(),
        cost.to_string().into_bytes(),
        limits::COUNTER_CELLS.to_string().into_bytes(),
    ];
    for rule in limits.rules() {
        let algorithm = match rule.algorithm {
            Algorithm::FixedWindow => "f",
            Algorithm::SlidingWindow => "s",
            Algorithm::Gcra => "g",
        };
        arguments.extend([algorithm.into(), rule.max.to_string().into(), rule.window.to_string().into()]);
    }
    arguments
}

/// What the script's answer means; `None` if it is none. It never says a number that a double does not hold, and those
/// that it does say cannot overflow.
fn read(reply: &[u64], cost: u64, limits: &Limits) -> Option<Decision> {
    let (&[allowed, now], cells) = reply.split_first_chunk()?;
    if reply.iter().any(|number| *number > 2 * limits::COUNTER_MAX) {
        return None;
    }
    let cell = |numbers: &[u64]| match *numbers {
        [at, count, rest] => Some(Cell { at, count, rest }),
        _ => None,
    };
    let cells: Option<SmallVec<[Cell; limits::COUNTER_LIMITS]>> = cells.chunks(3).map(cell).collect();
    let cells = cells.filter(|cells| cells.len() == limits.rules().count())?;
    Some(Decision::told(allowed == 1, limits, &cells, cost, now))
}

/// An error in words that cannot hold a password: what the server said, or the kind and the cause.
fn told(error: &RedisError) -> String {
    match error.detail() {
        Some(detail) => format!("{}: {detail}", error.category()),
        None => error.to_string(),
    }
}

/// As Redis writes it.
fn sha1(text: &str) -> String {
    let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA1_FOR_LEGACY_USE_ONLY, text.as_bytes());
    digest.as_ref().iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests;
