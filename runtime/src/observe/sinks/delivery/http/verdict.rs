//! What becomes of a batch by its answer. The status decides: 2xx is delivered; 408, 429 and 5xx are tried again, 401 and
//! 403, too, but seldom: credentials are mended by people. Everything else is refused. Some formats say more: which
//! records the answer is about.

use http::StatusCode;
use serde::Deserialize;

use super::answer::{Answer, Read};
use crate::config::checked::HttpFormat;
use crate::limits;

/// What becomes of a batch.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    Delivered,
    /// It is sent again, for this reason.
    Again(String),
    /// It is sent again once the credentials may have been mended.
    Denied(String),
    /// It is dropped, for this reason.
    Refused(String),
    Each(Each),
}

/// What becomes of each record.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Each {
    pub(super) fates: Vec<Fate>,
    /// What the peer has said of one that was not delivered.
    pub(super) words: String,
    /// Nothing but the records that are refused was in the way of the others.
    pub(super) at_once: bool,
}

/// What becomes of one record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fate {
    Delivered,
    Again,
    Denied,
    Refused,
}

impl Verdict {
    /// Of a request with so many records.
    pub(super) fn of(answer: &Answer, format: &HttpFormat, records: usize) -> Self {
        match (format, answer.status) {
            (HttpFormat::Elasticsearch { .. }, status) if status.is_success() => of_bulk(answer, records),
            (HttpFormat::Splunk(_), StatusCode::BAD_REQUEST) => of_event(answer, records),
            (_, status) => match of_status(status) {
                Fate::Delivered => Self::Delivered,
                Fate::Again => Self::Again(answer.shown()),
                Fate::Denied => Self::Denied(format!("{}: {MEND}", answer.shown())),
                Fate::Refused => Self::Refused(answer.shown()),
            },
        }
    }
}

impl HttpFormat {
    /// Bytes of an answer that are to be read: enough for a connection to be used again, and for what is said of each
    /// record.
    pub(super) const fn answer_bytes(&self, records: usize) -> usize {
        match self {
            Self::Elasticsearch { .. } => limits::SINK_ANSWER_BYTES + records * limits::SINK_ANSWER_RECORD_BYTES,
            Self::Ndjson | Self::Splunk(_) | Self::Loki(_) => limits::SINK_ANSWER_BYTES,
        }
    }
}

fn of_status(status: StatusCode) -> Fate {
    match status {
        status if status.is_success() => Fate::Delivered,
        StatusCode::TOO_MANY_REQUESTS | StatusCode::REQUEST_TIMEOUT => Fate::Again,
        status if status.is_server_error() => Fate::Again,
        StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => Fate::Denied,
        _ => Fate::Refused,
    }
}

/// What to do about 401 and 403.
const MEND: &str =
    "mend the credentials in `headers`, or what they may do there; records wait in the buffer until then";

/// Elasticsearch's bulk API: an item for each record, in the records' order.
#[derive(Deserialize)]
struct Bulk {
    errors: bool,
    #[serde(default)]
    items: Vec<Item>,
}

#[derive(Deserialize)]
struct Item {
    #[serde(alias = "index")]
    create: Created,
}

#[derive(Deserialize)]
struct Created {
    status: u16,
    #[serde(default)]
    error: serde_json::Value,
}

fn of_bulk(answer: &Answer, records: usize) -> Verdict {
    let Ok(bulk) = serde_json::from_slice::<Bulk>(&answer.text) else {
        let cut = if answer.read == Read::Cut { ", and the answer is not whole" } else { "" };
        return Verdict::Again(format!("this is not how a bulk request is answered{cut}: {}", answer.shown()));
    };
    if !bulk.errors {
        return Verdict::Delivered;
    }
    if bulk.items.len() != records {
        return Verdict::Again(format!("{records} records, and an answer to {}", bulk.items.len()));
    }
    let status = |item: &Item| StatusCode::from_u16(item.create.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let fates: Vec<_> = bulk.items.iter().map(|item| of_status(status(item))).collect();
    let not_delivered = |fate| fates.iter().filter(|found| **found == fate).count();
    let (again, denied, refused) =
        (not_delivered(Fate::Again), not_delivered(Fate::Denied), not_delivered(Fate::Refused));
    // The one that is lost says more than one that is not, and one that somebody has to mend more than one that passes.
    let example = match (refused, denied) {
        (1.., _) => Fate::Refused,
        (0, 1..) => Fate::Denied,
        (0, 0) => Fate::Again,
    };
    let failed = again + denied;
    let mut words =
        fates.iter().zip(&bulk.items).find(|(fate, _)| **fate == example).map_or_else(String::new, |(_, item)| {
            format!(
                "of {records} records, {failed} failed and {refused} were refused; {}: {}",
                item.create.status,
                shown(item)
            )
        });
    if denied > 0 {
        words.push_str(&format!("; {denied} were denied: {MEND}"));
    }
    Verdict::Each(Each { fates, words, at_once: false })
}

fn shown(item: &Item) -> String {
    item.create.error.to_string().chars().take(limits::SINK_ANSWER_SHOWN).collect()
}

/// Splunk's answer when something is wrong with one event. Whether those before it were taken is not said in any
/// document, so they are sent again.
#[derive(Deserialize)]
struct Event {
    #[serde(rename = "invalid-event-number")]
    number: usize,
}

fn of_event(answer: &Answer, records: usize) -> Verdict {
    match serde_json::from_slice::<Event>(&answer.text) {
        Ok(Event { number }) if number < records && records > 1 => {
            let mut fates = vec![Fate::Again; records];
            if let Some(fate) = fates.get_mut(number) {
                *fate = Fate::Refused;
            }
            Verdict::Each(Each { fates, words: answer.shown(), at_once: true })
        }
        _ => Verdict::Refused(answer.shown()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(status: u16, text: &str) -> Answer {
        let (head, ()) = http::Response::builder().status(status).body(()).unwrap().into_parts();
        Answer { text: text.into(), ..Answer::new(&head) }
    }

    fn bulk(statuses: &[u16]) -> Answer {
        let items: Vec<_> =
            statuses.iter().map(|status| serde_json::json!({ "create": { "status": status } })).collect();
        let errors = statuses.iter().any(|status| *status >= 300);
        answer(200, &serde_json::json!({ "took": 1, "errors": errors, "items": items }).to_string())
    }

    #[test]
    fn each_item_of_a_bulk_answer_has_its_fate() {
        let format = HttpFormat::Elasticsearch { index: None };
        let of = |answer: &Answer, records| Verdict::of(answer, &format, records);
        assert_eq!(of(&bulk(&[201, 200]), 2), Verdict::Delivered);
        let Verdict::Each(each) = of(&bulk(&[201, 429, 400, 503, 409]), 5) else { panic!() };
        let (again, refused) = (Fate::Again, Fate::Refused);
        assert_eq!(each.fates, [Fate::Delivered, again, refused, again, refused]);
        assert!(each.words.starts_with("of 5 records, 2 failed and 2 were refused; 400: ") && !each.at_once);
        // An answer that does not fit the request is none.
        for other in [bulk(&[201, 429]), answer(200, "<html>"), answer(200, ""), answer(200, "{}")] {
            assert!(matches!(of(&other, 3), Verdict::Again(_)));
        }
        assert!(matches!(of(&answer(429, "{}"), 3), Verdict::Again(_)));
        assert!(matches!(of(&answer(400, "{}"), 3), Verdict::Refused(_)));
    }

    #[test]
    fn who_is_denied_is_told_what_to_do() {
        for format in [HttpFormat::Ndjson, HttpFormat::Splunk(Vec::new()), HttpFormat::Elasticsearch { index: None }] {
            for status in [401, 403] {
                let verdict = Verdict::of(&answer(status, "who?"), &format, 3);
                let Verdict::Denied(words) = verdict else { panic!("{verdict:?}") };
                assert!(words.contains("who?") && words.contains("mend the credentials in `headers`"), "{words}");
            }
            for status in [400, 404, 413, 301] {
                assert!(matches!(Verdict::of(&answer(status, "{}"), &format, 3), Verdict::Refused(_)), "{status}");
            }
        }
        // Who may ask, but may not write there, hears so of each document.
        let format = HttpFormat::Elasticsearch { index: None };
        let Verdict::Each(each) = Verdict::of(&bulk(&[201, 403, 400]), &format, 3) else { panic!() };
        assert_eq!(each.fates, [Fate::Delivered, Fate::Denied, Fate::Refused]);
        assert!(each.words.contains("400: null; 1 were denied: mend the credentials"), "{}", each.words);
    }

    #[test]
    fn the_event_that_splunk_does_not_want_is_left_out() {
        let format = HttpFormat::Splunk(Vec::new());
        let of = |status, text: &str, records| Verdict::of(&answer(status, text), &format, records);
        assert_eq!(of(200, r#"{"text":"Success","code":0}"#, 3), Verdict::Delivered);
        let wrong = r#"{"text":"Incorrect index","code":7,"invalid-event-number":1}"#;
        let Verdict::Each(each) = of(400, wrong, 3) else { panic!() };
        assert_eq!((each.fates, each.at_once), (vec![Fate::Again, Fate::Refused, Fate::Again], true));
        assert!(matches!(of(400, wrong, 1), Verdict::Refused(_)));
        assert!(matches!(of(400, r#"{"text":"No data","code":5}"#, 3), Verdict::Refused(_)));
        assert!(matches!(of(403, r#"{"text":"Invalid token","code":4}"#, 3), Verdict::Denied(_)));
        assert!(matches!(of(503, r#"{"text":"Server is busy","code":9}"#, 3), Verdict::Again(_)));
    }
}
