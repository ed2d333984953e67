//! Keeps one name resolved for as long as it is in use. The control plane runs one `follow` per name; requests say
//! `used()` and take what was published last.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::{Instant, sleep_until};

use super::{Answer, Fault, Kind, Query, Resolved, Resolver};
use crate::limits;

/// Whether anybody uses a name. Shared by the requests, on any thread, and the follower.
#[derive(Debug, Default)]
pub struct Interest {
    used: AtomicBool,
    wake: Notify,
}

impl Interest {
    /// Nobody has used it yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// A request uses the name. One relaxed load, but for the first use of each TTL.
    pub fn used(&self) {
        // The line stays shared among the workers' caches as long as nobody writes to it.
        if !self.used.load(Ordering::Relaxed) && !self.used.swap(true, Ordering::AcqRel) {
            // Kept for the follower if it is not waiting yet, so no use is missed.
            self.wake.notify_one();
        }
    }

    /// Wait for a use since the last time. Cancelling is safe: the use is taken without waiting, or not at all.
    async fn next_use(&self) {
        while !self.used.swap(false, Ordering::AcqRel) {
            self.wake.notified().await;
        }
    }
}

/// Keep `query` resolved until this future is dropped, and `publish` what it stands for: the first outcome, whatever it
/// is, then every change of the addresses and every change between answer and fault. Names that nobody uses are not
/// asked for again when their TTL is over; the next use does that, and is served the old answer meanwhile. Names that
/// cannot be resolved are tried again, ever more slowly, and their last answer stands for `Settings::stale` beyond its
/// TTL.
pub async fn follow(
    resolver: Resolver,
    query: Query,
    interest: Arc<Interest>,
    mut publish: impl FnMut(Result<Arc<Answer>, Fault>),
) {
    let mut state = State::new(query, resolver.0.stale);
    loop {
        let outcome = resolver.resolve(&state.query).await;
        let (news, next) = state.take(outcome, Instant::now());
        if let Some(news) = news {
            publish(news);
        }
        match next {
            Next::Refresh(at) => {
                sleep_until(at).await;
                interest.next_use().await;
            }
            Next::Retry(at) => sleep_until(at).await,
        }
    }
}

/// What is known of a name, and what of it has been told.
struct State {
    query: Query,
    stale: Duration,
    last: Option<Arc<Answer>>,
    told: Told,
    /// Failed lookups in a row, and why the last one failed.
    failures: u32,
    failing: Option<Kind>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Told {
    Nothing,
    Answer,
    Fault(Kind),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Next {
    /// From then on, as soon as somebody uses the name.
    Refresh(Instant),
    /// Then, used or not: whoever comes next is not to find a fault that is long mended.
    Retry(Instant),
}

type News = Option<Result<Arc<Answer>, Fault>>;

impl State {
    fn new(query: Query, stale: Duration) -> Self {
        Self { query, stale, last: None, told: Told::Nothing, failures: 0, failing: None }
    }

    fn take(&mut self, outcome: Result<Answer, Fault>, now: Instant) -> (News, Next) {
        match outcome {
            Ok(answer) => self.take_answer(answer),
            Err(fault) => self.take_fault(fault, now),
        }
    }

    fn take_answer(&mut self, answer: Answer) -> (News, Next) {
        (self.failures, self.failing) = (0, None);
        let next = Next::Refresh(answer.valid_until);
        let answer = Arc::new(answer);
        let before = self.last.replace(Arc::clone(&answer));
        let same = before.as_ref().is_some_and(|before| before.addresses == answer.addresses);
        if same && self.told == Told::Answer {
            return (None, next);
        }
        let old = Listed(before.as_ref().map_or(&[], |before| &before.addresses));
        tracing::info!(query = %self.query, %old, new = %Listed(&answer.addresses), "resolved");
        self.told = Told::Answer;
        (Some(Ok(answer)), next)
    }

    fn take_fault(&mut self, fault: Fault, now: Instant) -> (News, Next) {
        let retry = now + pause(self.failures);
        self.failures = self.failures.saturating_add(1);
        let began = self.failing.replace(fault.kind) != Some(fault.kind);
        // An old answer is served for so long, and then, after one more try, it is not.
        let end = self.last.as_ref().map(|last| last.valid_until + self.stale).filter(|end| *end > now);
        if let Some(end) = end {
            if began {
                tracing::warn!(query = %self.query, %fault, "cannot be resolved; its last addresses stay in use");
            }
            return (None, Next::Retry(retry.min(end)));
        }
        if self.told == Told::Fault(fault.kind) {
            return (None, Next::Retry(retry));
        }
        tracing::warn!(query = %self.query, %fault, "cannot be resolved; no addresses are left");
        self.told = Told::Fault(fault.kind);
        (Some(Err(fault)), Next::Retry(retry))
    }
}

/// Doubling, and up to a quarter longer, so that names that failed together do not ask together for ever. Longer than
/// a failure is remembered, or the retry would only hear of it again.
fn pause(failures: u32) -> Duration {
    let doubled = limits::DNS_RETRY_FIRST.saturating_mul(1 << failures.min(16));
    doubled.min(limits::DNS_RETRY_MAX).mul_f64(1.01 + fastrand::f64() * 0.24)
}

/// Addresses as a log shows them.
struct Listed<'a>(&'a [Resolved]);

impl fmt::Display for Listed<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[")?;
        for (at, resolved) in self.0.iter().enumerate() {
            let comma = if at == 0 { "" } else { ", " };
            write!(f, "{comma}{}", resolved.address)?;
            if resolved.weight != 1 {
                write!(f, " weight {}", resolved.weight)?;
            }
        }
        f.write_str("]")
    }
}

#[cfg(test)]
mod tests;
