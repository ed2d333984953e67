//! Requests of plugins that many want the answer to at once: sent once, whoever asks, and answered to all of them.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::Request;
use sha2::{Digest, Sha256};
use tokio::sync::watch;

use super::{FetchError, Fetcher, Outcome};
use crate::config::values::Origin;
use crate::limits;
use crate::store::Space;

/// The requests of late, of all workers.
#[derive(Default)]
pub(in crate::host) struct Shared(Mutex<HashMap<[u8; 32], Flight>>);

/// A request that was sent.
struct Flight {
    begun: Instant,
    /// Until when somebody may want it.
    until: Instant,
    answer: watch::Receiver<Option<Outcome>>,
}

impl Shared {
    /// What came of the same request of the same `plugin`, if it was begun at most `within` ago, else what comes of
    /// this one. It is on its way until `limit`, whether or not anybody waits for it.
    pub(in crate::host) async fn fetch(
        &self,
        (plugin, within): (Space, Duration),
        fetcher: &Fetcher,
        origin: &Origin,
        request: Request<Bytes>,
        limit: Duration,
    ) -> Outcome {
        let key = key(plugin, origin, &request);
        let begin = || {
            let (told, answer) = watch::channel(None);
            let (fetcher, origin) = (fetcher.clone(), origin.clone());
            // Nobody has to wait for its end: it has its own, and whoever gave up waiting may not end it for others.
            tokio::spawn(async move { told.send_replace(Some(fetcher.fetch(&origin, request, limit).await)) });
            answer
        };
        let mut answer = self.flight(key, within, Instant::now(), begin);
        let told = answer.wait_for(Option::is_some).await;
        told.ok()
            .and_then(|told| told.clone())
            .unwrap_or_else(|| Err(FetchError::Failed("it was broken off".to_owned())))
    }

    fn flight(
        &self,
        key: [u8; 32],
        within: Duration,
        now: Instant,
        begin: impl FnOnce() -> watch::Receiver<Option<Outcome>>,
    ) -> watch::Receiver<Option<Outcome>> {
        let mut flights = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let is_broken_off = |flight: &Flight| flight.answer.has_changed().is_err() && flight.answer.borrow().is_none();
        if let Some(flight) = flights.get(&key)
            && now.saturating_duration_since(flight.begun) <= within
            && !is_broken_off(flight)
        {
            return flight.answer.clone();
        }
        let answer = begin();
        let is_wanted = |flight: &Flight| flight.until > now || flight.answer.borrow().is_none();
        flights.retain(|_, flight| is_wanted(flight) && !is_broken_off(flight));
        // More at a time are too many to be kept: these are asked for by each who wants them.
        if flights.len() < limits::FETCH_SHARED {
            flights.insert(key, Flight { begun: now, until: now + within, answer: answer.clone() });
        }
        answer
    }
}

fn key(plugin: Space, origin: &Origin, request: &Request<Bytes>) -> [u8; 32] {
    let mut digest = Sha256::new();
    digest.update(plugin.0.to_ne_bytes());
    let mut part = |bytes: &[u8]| {
        digest.update((bytes.len() as u64).to_ne_bytes());
        digest.update(bytes);
    };
    part(origin.to_string().as_bytes());
    part(request.method().as_str().as_bytes());
    part(request.uri().to_string().as_bytes());
    for (name, value) in request.headers() {
        part(name.as_str().as_bytes());
        part(value.as_bytes());
    }
    // Only headers come in pairs, so the body is none of them.
    part(request.body());
    digest.finalize().into()
}

#[cfg(test)]
mod tests {
    use super::*;

    const WITHIN: Duration = Duration::from_secs(10);

    fn answered(status: u16) -> watch::Sender<Option<Outcome>> {
        let (head, ()) = http::Response::builder().status(status).body(()).unwrap().into_parts();
        watch::Sender::new(Some(Ok((head, Bytes::new()))))
    }

    #[test]
    fn one_is_sent_per_interval_whatever_came_of_it() {
        let shared = Shared::default();
        let begun = Instant::now();
        let first = answered(200);
        let second = answered(503);
        for (after, sender, fresh) in
            [(0, &first, true), (10, &second, false), (11, &second, true), (20, &first, false)]
        {
            let mut sent = false;
            let answer = shared.flight([0; 32], WITHIN, begun + Duration::from_secs(after), || {
                sent = true;
                sender.subscribe()
            });
            assert_eq!(sent, fresh, "{after}");
            let expected = if after < 11 { 200 } else { 503 };
            assert_eq!(answer.borrow().as_ref().unwrap().as_ref().unwrap().0.status, expected, "{after}");
        }
    }

    #[test]
    fn one_that_was_broken_off_is_sent_again() {
        let shared = Shared::default();
        let now = Instant::now();
        drop(shared.flight([0; 32], WITHIN, now, || watch::channel(None).1));
        let sender = answered(200);
        let answer = shared.flight([0; 32], WITHIN, now, || sender.subscribe());
        assert!(answer.borrow().is_some());
    }

    #[test]
    fn those_that_nobody_wants_any_more_are_forgotten() {
        let shared = Shared::default();
        let now = Instant::now();
        let sender = answered(200);
        for number in 0..=u8::MAX {
            drop(shared.flight([number; 32], WITHIN, now, || sender.subscribe()));
        }
        let kept = || shared.0.lock().unwrap().len();
        assert_eq!(kept(), limits::FETCH_SHARED);
        drop(shared.flight([0; 32], WITHIN, now + 2 * WITHIN, || sender.subscribe()));
        assert_eq!(kept(), 1);
    }

    #[test]
    fn requests_that_differ_in_anything_are_not_the_same() {
        let asked = |origin: &str, path: &str, header: &str, body: &'static str| {
            let request = Request::post(path).header("x-a", header).body(Bytes::from_static(body.as_bytes())).unwrap();
            key(Space(1), &origin.parse().unwrap(), &request)
        };
        let one = asked("https://a", "/keys", "1", "b");
        assert_eq!(one, asked("https://a", "/keys", "1", "b"));
        let others = [
            asked("https://b", "/keys", "1", "b"),
            asked("https://a", "/", "1", "b"),
            asked("https://a", "/keys", "2", "b"),
            asked("https://a", "/keys", "1", ""),
        ];
        assert!(!others.contains(&one));
    }
}
