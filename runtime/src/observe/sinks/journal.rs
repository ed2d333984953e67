//! What a sink's task says in the log: that it fails and that it works again, and how many records were lost. However
//! bad it gets, that is a few lines per [`limits::SINK_LOG_INTERVAL`].

use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use crate::limits;
use crate::observe::metrics::{Dropped, SinkMetrics};

/// The log of one sink, and the pauses between its attempts.
pub(super) struct Journal {
    sink: Arc<str>,
    metrics: Arc<SinkMetrics>,
    failing: Option<Failing>,
    spoken: Option<Instant>,
    lost: Losses,
}

/// Failures one after the other, without success in between.
struct Failing {
    since: Instant,
    attempts: u32,
    said: Said,
}

/// What the operator knows.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Said {
    Nothing,
    Failing,
    /// That it takes a person to mend it.
    Hindered,
}

/// Records that were lost, and how many of them the log has.
#[derive(Default)]
struct Losses {
    said: [u64; LOST.len()],
    spoken: Option<Instant>,
    why: String,
}

const LOST: [Dropped; 5] = [Dropped::Full, Dropped::TooLarge, Dropped::Refused, Dropped::GaveUp, Dropped::Damaged];

impl Journal {
    pub(super) fn new(sink: Arc<str>, metrics: Arc<SinkMetrics>) -> Self {
        // What a sink of the same name has lost before was its own to say.
        let lost = Losses { said: LOST.map(|reason| metrics.dropped(reason)), ..Losses::default() };
        Self { sink, metrics, failing: None, spoken: None, lost }
    }

    /// An attempt has failed; how long to wait until the next, at most `most` by our own choice.
    pub(super) fn failed(&mut self, words: &str, most: Duration) -> Duration {
        let attempts = self.count(words, Said::Failing);
        let pause = limits::SINK_RETRY_FIRST.saturating_mul(1 << attempts.min(16)).min(most);
        // Half of it at random: many gateways may have lost the same peer at the same moment.
        pause.mul_f64(0.5 + fastrand::f64() / 2.0)
    }

    /// An attempt has failed for a reason that the operator has to mend, which is said even if the sink was failing before
    /// for another; how long to wait until the next.
    pub(super) fn hindered(&mut self, words: &str, most: Duration) -> Duration {
        self.count(words, Said::Hindered);
        most
    }

    /// One more failure, and a line if the log does not have `said` yet; how many there were before.
    fn count(&mut self, words: &str, said: Said) -> u32 {
        let now = Instant::now();
        let failing = self.failing.get_or_insert(Failing { since: now, attempts: 0, said: Said::Nothing });
        let before = failing.attempts;
        failing.attempts = before.saturating_add(1);
        if failing.said < said && is_time(self.spoken, now) {
            failing.said = said;
            self.spoken = Some(now);
            tracing::warn!(sink = %self.sink, error = words, "a sink fails");
        }
        before
    }

    /// How long attempts have been failing.
    pub(super) fn failing(&self) -> Duration {
        self.failing.as_ref().map_or(Duration::ZERO, |failing| failing.since.elapsed())
    }

    /// A delivery has succeeded for good.
    pub(super) fn succeeded(&mut self) {
        if let Some(failing) = self.failing.take().filter(|failing| failing.said > Said::Nothing) {
            let seconds = failing.since.elapsed().as_secs();
            tracing::info!(sink = %self.sink, seconds, attempts = failing.attempts, "a sink works again");
        }
    }

    /// Why records were lost last.
    pub(super) fn lost(&mut self, words: impl Into<String>) {
        self.lost.why = words.into();
    }

    /// Say how many records were lost, if any were and it is time.
    pub(super) fn tell_losses(&mut self, last: bool) {
        let now = Instant::now();
        let lost = LOST.map(|reason| self.metrics.dropped(reason));
        if lost == self.lost.said || !(last || is_time(self.lost.spoken, now)) {
            return;
        }
        let mut since = lost.iter().zip(self.lost.said).map(|(now, before)| now.saturating_sub(before));
        let mut next = || since.next().unwrap_or(0);
        let (full, too_large, refused, gave_up, damaged) = (next(), next(), next(), next(), next());
        let error = std::mem::take(&mut self.lost.why);
        tracing::error!(
            sink = %self.sink, full, too_large, refused, gave_up, damaged, error, "a sink has lost records"
        );
        self.lost.said = lost;
        self.lost.spoken = Some(now);
    }
}

fn is_time(spoken: Option<Instant>, now: Instant) -> bool {
    spoken.is_none_or(|spoken| now.duration_since(spoken) >= limits::SINK_LOG_INTERVAL)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::observe::metrics::Metrics;

    #[tokio::test]
    async fn pauses_double_up_to_their_bound_and_begin_anew_after_success() {
        let metrics = Metrics::new(1).sink("s");
        let mut journal = Journal::new("s".into(), metrics);
        let most = Duration::from_secs(3);
        for nominal in [200, 400, 800, 1_600, 3_000, 3_000] {
            let pause = journal.failed("no", most).as_millis();
            assert!((nominal / 2..=nominal).contains(&pause), "{pause} of {nominal}");
        }
        journal.succeeded();
        assert!(journal.failed("no", most).as_millis() <= 200);
        (0..100).for_each(|_| assert!(journal.failed("no", most) <= most));
    }

    #[tokio::test]
    async fn what_a_person_has_to_mend_is_said_though_the_sink_was_failing_before() {
        let metrics = Metrics::new(1).sink("s");
        let mut journal = Journal::new("s".into(), metrics);
        let said = |journal: &Journal| journal.failing.as_ref().map(|failing| failing.said);
        let most = Duration::from_secs(3);
        journal.failed("away", most);
        assert!(said(&journal) == Some(Said::Failing));
        assert_eq!(journal.hindered("denied", most), most);
        assert!(said(&journal) == Some(Said::Failing), "not within the interval");
        journal.spoken = None;
        journal.hindered("denied", most);
        assert!(said(&journal) == Some(Said::Hindered) && journal.spoken.is_some());
        journal.failed("away", most);
        assert!(said(&journal) == Some(Said::Hindered));
    }

    #[tokio::test]
    async fn however_bad_it_gets_the_log_has_a_few_lines() {
        let metrics = Metrics::new(1).sink("logs");
        metrics.drop_records(Dropped::Refused, 7);
        let mut journal = Journal::new("logs".into(), Arc::clone(&metrics));
        journal.tell_losses(true);
        assert!(journal.lost.spoken.is_none(), "what was lost before is not its own to say");
        let round = |journal: &mut Journal| {
            journal.failed("refused", Duration::from_secs(1));
            let told = journal.failing.as_ref().is_some_and(|failing| failing.said > Said::Nothing);
            metrics.drop_records(Dropped::Full, 2);
            journal.tell_losses(false);
            journal.succeeded();
            told
        };
        assert!(round(&mut journal));
        let (spoken, lost) = (journal.spoken, journal.lost.spoken);
        assert!(spoken.is_some() && lost.is_some());
        // Quicker than the interval, whatever else the machine has to do.
        assert!((0..1_000).all(|_| !round(&mut journal)));
        assert_eq!((journal.spoken, journal.lost.spoken, journal.lost.said), (spoken, lost, [2, 0, 7, 0, 0]));
        journal.tell_losses(true);
        assert_eq!(journal.lost.said, [2_002, 0, 7, 0, 0], "in the end all of it is said");
    }
}
