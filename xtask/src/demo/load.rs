//! Load over keepalive connections while a plugin is swapped, and what came of it.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result};
use tokio::task::JoinSet;

use crate::client::{Answer, Connection};

/// What to ask for, and what to do a third of the way.
pub(super) struct Plan<'a> {
    pub(super) port: u16,
    pub(super) path: &'static str,
    pub(super) headers: &'static [(&'static str, &'static str)],
    /// Puts green in blue's place.
    pub(super) swap: &'a dyn Fn() -> Result<()>,
}

/// What the answers said.
#[derive(Default)]
pub(super) struct Tally {
    pub(super) failed: u64,
    pub(super) blue: u64,
    pub(super) green: u64,
    /// Blue answers to requests begun well after the first green answer.
    pub(super) late_blue: u64,
    /// The first few failures.
    pub(super) reasons: Vec<String>,
    pub(super) took: Duration,
    first_green: Option<Instant>,
}

/// Loads the gateway until it has answered enough, or time is up.
pub(super) async fn run(plan: &Plan<'_>) -> Result<Tally> {
    let start = Instant::now();
    let tally = Arc::new(Mutex::new(Tally::default()));
    let mut workers = JoinSet::new();
    for _ in 0..CONNECTIONS {
        workers.spawn(work(plan.port, plan.path, plan.headers, start, Arc::clone(&tally)));
    }
    // The load is awaited below; this only waits for its first third.
    while lock(&tally).total() < REQUESTS / 3 && start.elapsed() < DEADLINE {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    (plan.swap)()?;
    while let Some(ended) = workers.join_next().await {
        ended.context("the load broke off")?;
    }
    let mut tally = std::mem::take(&mut *lock(&tally));
    tally.took = start.elapsed();
    Ok(tally)
}

/// One connection's requests, one after the other.
async fn work(
    port: u16,
    path: &'static str,
    headers: &'static [(&'static str, &'static str)],
    start: Instant,
    tally: Arc<Mutex<Tally>>,
) {
    let mut connection = None;
    while start.elapsed() < DEADLINE && !lock(&tally).is_done() {
        let begun = Instant::now();
        let answer = ask(&mut connection, port, path, headers).await;
        lock(&tally).add(begun, &answer);
    }
}

/// Sends one request, on the connection there is or a new one.
async fn ask(connection: &mut Option<Connection>, port: u16, path: &str, headers: &[(&str, &str)]) -> Result<Answer> {
    let mut open = match connection.take() {
        Some(open) => open,
        None => Connection::open(port).await?,
    };
    let answer = open.get(path, headers).await?;
    // A server may end a connection after an answer; that loses nothing.
    if !answer.closes() {
        *connection = Some(open);
    }
    Ok(answer)
}

impl Tally {
    pub(super) fn total(&self) -> u64 {
        self.failed + self.blue + self.green
    }

    fn add(&mut self, begun: Instant, answer: &Result<Answer>) {
        match answer {
            Ok(answer) if answer.status != 200 => self.fail(format!("status {}", answer.status)),
            Ok(answer) => match answer.header(MARK) {
                Some("green") => {
                    self.green += 1;
                    self.first_green.get_or_insert_with(Instant::now);
                }
                Some("blue") => {
                    self.blue += 1;
                    let is_late = self.first_green.is_some_and(|first| begun > first + SETTLED);
                    self.late_blue += u64::from(is_late);
                }
                other => self.fail(format!("{MARK} is {}", other.unwrap_or("absent"))),
            },
            Err(error) => self.fail(format!("{error:#}")),
        }
    }

    fn fail(&mut self, reason: String) {
        self.failed += 1;
        if self.reasons.len() < REASONS && !self.reasons.contains(&reason) {
            self.reasons.push(reason);
        }
    }

    /// Enough answers, and long enough after the swap to have caught a late blue.
    /// A gateway that fails this often need not be asked further.
    fn is_done(&self) -> bool {
        let settled = self.first_green.is_some_and(|first| first.elapsed() > 2 * SETTLED);
        (self.total() >= REQUESTS && self.green >= GREENS && settled) || self.failed >= MOST_FAILURES
    }
}

fn lock(tally: &Mutex<Tally>) -> std::sync::MutexGuard<'_, Tally> {
    // Counts stay true even if a worker panicked; the panic itself is reported.
    tally.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The header in which a plugin tells its release.
pub(super) const MARK: &str = "x-release";
pub(super) const CONNECTIONS: usize = 16;
/// The least that is asked for in all, and of green.
pub(super) const REQUESTS: u64 = 10_000;
pub(super) const GREENS: u64 = 1_000;
/// How long workers may differ on which generation they serve.
const SETTLED: Duration = Duration::from_millis(250);
const DEADLINE: Duration = Duration::from_secs(60);
const MOST_FAILURES: u64 = 1_000;
const REASONS: usize = 5;
