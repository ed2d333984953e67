//! The failed exchanges of late, for people who ask why. Workers add to it only when an exchange has failed; the admin
//! API and `doctor` read it.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use serde::Serialize;

use super::record::clock::rfc3339;
use super::record::{Attempt, Connection, Record};
use crate::limits;

/// Keeps the last [`limits::FAILURES_KEPT`] failures. When there are more, the oldest of the most frequent cause goes:
/// a scanner's thousands of `route_not_found` do not push out the one that matters.
#[derive(Debug, Default)]
pub struct Failures(Mutex<Kept>);

#[derive(Debug, Default)]
struct Kept {
    /// By code, from the oldest to the newest, numbered in the order in which they came.
    by_code: BTreeMap<&'static str, VecDeque<(u64, Arc<Failed>)>>,
    count: usize,
    next: u64,
}

/// One failed exchange.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Failed {
    /// When the request's head was complete: RFC 3339.
    pub time: String,
    /// As the client saw it.
    pub request_id: String,
    /// The cause's public code.
    pub code: &'static str,
    /// How far the exchange had come.
    pub phase: &'static str,
    /// What the client was answered.
    pub status: u16,
    /// The route's name, if one was found.
    pub route: Option<String>,
    /// The service's name, if there was one.
    pub service: Option<String>,
    /// The upstream that a plugin has chosen instead of the service's, if one has.
    pub upstream: Option<String>,
    /// The name of the target that was tried last.
    pub target: Option<String>,
    /// Its address.
    pub address: Option<String>,
    /// What was tried, in order; only the last ones if there were many.
    pub attempts: Vec<Tried>,
    /// Who, where, and the underlying error's own words.
    pub detail: String,
    /// The client's address.
    pub client: String,
    /// The request's method.
    pub method: String,
    /// The request's path. Queries are full of secrets.
    pub path: String,
}

/// One attempt at reaching a target. Times are in milliseconds.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[expect(missing_docs, reason = "they are Attempt's fields")]
pub struct Tried {
    pub target: String,
    pub address: String,
    pub connection: Option<&'static str>,
    pub dns_ms: Option<f64>,
    pub connect_ms: Option<f64>,
    pub tls_ms: Option<f64>,
    pub wait_ms: Option<f64>,
    pub outcome: &'static str,
}

/// Which failures are asked for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Query {
    /// Those of this cause only.
    pub code: Option<String>,
    /// Those of this service only.
    pub service: Option<String>,
    /// At most so many.
    pub size: usize,
}

impl Failures {
    /// Remember the exchange, if it failed.
    pub fn push(&self, record: &Record<'_>) {
        if let Some(failed) = Failed::of(record) {
            // What had to go is freed when nobody waits for it any more.
            let _gone = self.lock().push(failed);
        }
    }

    /// Those that fit, the newest first.
    pub fn list(&self, query: &Query) -> Vec<Arc<Failed>> {
        let mut all: Vec<(u64, Arc<Failed>)> = {
            let kept = self.lock();
            let asked = kept.by_code.iter().filter(|(code, _)| query.code.as_ref().is_none_or(|asked| asked == *code));
            asked.flat_map(|(_, failures)| failures.iter().cloned()).collect()
        };
        all.sort_unstable_by_key(|(number, _)| std::cmp::Reverse(*number));
        let fits = |failed: &Arc<Failed>| query.service.is_none() || query.service == failed.service;
        all.into_iter().map(|(_, failed)| failed).filter(fits).take(query.size).collect()
    }

    fn lock(&self) -> MutexGuard<'_, Kept> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Kept {
    /// Add one; what had to go for it.
    fn push(&mut self, failed: Failed) -> Option<Arc<Failed>> {
        self.by_code.entry(failed.code).or_default().push_back((self.next, Arc::new(failed)));
        self.next += 1;
        self.count += 1;
        if self.count <= limits::FAILURES_KEPT {
            return None;
        }
        let most = self.by_code.values_mut().max_by_key(|failures| failures.len())?;
        let (_, gone) = most.pop_front()?;
        self.count -= 1;
        Some(gone)
    }
}

impl Failed {
    fn of(record: &Record<'_>) -> Option<Self> {
        let failure = record.failure.as_ref()?;
        let last = record.attempts.last();
        let first_listed = record.attempts.len().saturating_sub(limits::ATTEMPTS_LISTED);
        let path = record.path.split_once('?').map_or(record.path, |(path, _)| path);
        Some(Self {
            time: rfc3339(record.time),
            request_id: cut(record.request_id),
            code: failure.code,
            phase: failure.phase.name(),
            status: record.status,
            route: record.route.map(cut),
            service: record.service.map(cut),
            upstream: record.chosen.map(cut),
            target: last.map(|last| cut(&last.target)),
            address: last.map(|last| cut(&last.address.to_string())),
            attempts: record.attempts.iter().skip(first_listed).map(Tried::from).collect(),
            detail: cut(failure.detail),
            client: record.client.to_string(),
            method: cut(record.method),
            path: cut(path),
        })
    }
}

impl From<&Attempt> for Tried {
    fn from(attempt: &Attempt) -> Self {
        // To the microsecond, as in the access log.
        let milliseconds = |time: Duration| time.as_micros() as f64 / 1_000.0;
        Self {
            target: cut(&attempt.target),
            address: cut(&attempt.address.to_string()),
            connection: attempt.connection.map(Connection::as_str),
            dns_ms: attempt.dns.map(milliseconds),
            connect_ms: attempt.connect.map(milliseconds),
            tls_ms: attempt.tls.map(milliseconds),
            wait_ms: attempt.wait.map(milliseconds),
            outcome: attempt.outcome,
        }
    }
}

fn cut(text: &str) -> String {
    let kept = text.get(..text.floor_char_boundary(limits::FAILURE_FIELD_BYTES)).unwrap_or_default();
    if kept.len() < text.len() { format!("{kept}…") } else { kept.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::balance::Address;
    use crate::error::Phase;
    use crate::observe::record::Failing;
    use crate::observe::record::tests::plain;

    fn failing<'r>(id: &'r str, code: &'static str, service: Option<&'r str>) -> Record<'r> {
        let failure = Some(Failing { code, phase: Phase::Connect, detail: "refused" });
        Record { status: 502, service, failure, ..plain(id) }
    }

    fn ids(failures: &Failures, code: Option<&str>, service: Option<&str>, size: usize) -> Vec<String> {
        let query = Query { code: code.map(Into::into), service: service.map(Into::into), size };
        failures.list(&query).iter().map(|failed| failed.request_id.clone()).collect()
    }

    #[test]
    fn the_newest_come_first_and_only_those_asked_for() {
        let failures = Failures::default();
        failures.push(&plain("fine"));
        failures.push(&failing("1", "a", Some("orders")));
        failures.push(&failing("2", "b", None));
        failures.push(&failing("3", "a", Some("users")));
        failures.push(&failing("4", "b", Some("orders")));
        assert_eq!(ids(&failures, None, None, 10), ["4", "3", "2", "1"]);
        assert_eq!(ids(&failures, None, None, 2), ["4", "3"]);
        assert_eq!(ids(&failures, Some("a"), None, 10), ["3", "1"]);
        assert_eq!(ids(&failures, None, Some("orders"), 10), ["4", "1"]);
        assert_eq!(ids(&failures, Some("b"), Some("orders"), 10), ["4"]);
        assert!(ids(&failures, Some("c"), None, 10).is_empty());
    }

    #[test]
    fn there_is_an_end_and_the_rare_outlives_the_frequent() {
        let failures = Failures::default();
        failures.push(&failing("rare", "upstream_tls_failed", None));
        for number in 0..3 * limits::FAILURES_KEPT {
            failures.push(&failing(&number.to_string(), "route_not_found", None));
        }
        let all = ids(&failures, None, None, usize::MAX);
        assert_eq!(all.len(), limits::FAILURES_KEPT);
        assert_eq!(all[0], (3 * limits::FAILURES_KEPT - 1).to_string());
        assert_eq!(all[limits::FAILURES_KEPT - 1], "rare");
        assert_eq!(all[limits::FAILURES_KEPT - 2], (2 * limits::FAILURES_KEPT + 1).to_string());
    }

    #[test]
    fn what_is_kept_tells_the_story_and_has_no_secrets() {
        let attempt = Attempt {
            target: "orders-1".into(),
            address: Address::Tcp("10.0.0.1:8080".parse().unwrap()),
            connection: Some(Connection::Fresh),
            dns: None,
            connect: Some(Duration::from_nanos(1_234_567)),
            tls: None,
            wait: None,
            outcome: "upstream_connect_reset",
        };
        let long = "ü".repeat(limits::FAILURE_FIELD_BYTES);
        let attempts = vec![attempt; 100];
        let record =
            Record { path: "/pay?token=s3cret", method: &long, ..failing("1", "upstream_connect_reset", None) };
        let failures = Failures::default();
        failures.push(&Record { attempts: &attempts, ..record });
        let listed = failures.list(&Query { size: 1, ..Query::default() });
        let json = serde_json::to_value(&*listed[0]).unwrap();
        assert_eq!((&json["path"], &json["target"]), (&"/pay".into(), &"orders-1".into()));
        assert_eq!(json["attempts"].as_array().unwrap().len(), limits::ATTEMPTS_LISTED);
        assert_eq!(json["attempts"][0]["connect_ms"], 1.234);
        assert_eq!(
            (&json["address"], &json["attempts"][0]["address"]),
            (&"10.0.0.1:8080".into(), &"10.0.0.1:8080".into())
        );
        assert_eq!(json["method"].as_str().unwrap().len(), limits::FAILURE_FIELD_BYTES + "…".len());
        assert!(!json.to_string().contains("s3cret"));
    }
}
