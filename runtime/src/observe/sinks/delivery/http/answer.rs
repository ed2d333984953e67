//! What there is to know of an answer.

use std::time::{Duration, SystemTime};

use http::header::RETRY_AFTER;
use http::response::Parts;
use http::{HeaderMap, StatusCode};

use crate::limits;

pub(super) struct Answer {
    pub(super) status: StatusCode,
    /// Not to be asked again before.
    pub(super) after: Option<Duration>,
    /// As far as it was read.
    pub(super) text: Vec<u8>,
    pub(super) read: Read,
}

/// How much of it was read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Read {
    Whole,
    Cut,
}

impl Answer {
    pub(super) fn new(head: &Parts) -> Self {
        Self { status: head.status, after: retry_after(head), text: Vec::new(), read: Read::Whole }
    }

    /// That is all, and not all there was.
    pub(super) fn cut(mut self) -> Self {
        self.read = Read::Cut;
        self
    }

    /// As the log has it.
    pub(super) fn shown(&self) -> String {
        let beginning = self.text.get(..limits::SINK_ANSWER_SHOWN).unwrap_or(&self.text);
        format!("answered {}: {:?}", self.status, String::from_utf8_lossy(beginning))
    }
}

/// How long the peer wants to be left alone: seconds, or a date (RFC 9110, section 10.2.3). With other answers than
/// these it means something else.
fn retry_after(head: &Parts) -> Option<Duration> {
    let heeded = matches!(head.status, StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE);
    if heeded { of_headers(&head.headers) } else { None }
}

fn of_headers(headers: &HeaderMap) -> Option<Duration> {
    let text = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    let after = match text.parse() {
        Ok(seconds) => Duration::from_secs(seconds),
        Err(_) => httpdate::parse_http_date(text).ok()?.duration_since(SystemTime::now()).unwrap_or_default(),
    };
    Some(after.min(limits::SINK_RETRY_AFTER))
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    #[test]
    fn retry_after_is_seconds_or_a_date_and_has_a_bound() {
        let after =
            |text: &'static str| of_headers(&HeaderMap::from_iter([(RETRY_AFTER, HeaderValue::from_static(text))]));
        assert_eq!(after("7"), Some(Duration::from_secs(7)));
        assert_eq!(after("999999"), Some(limits::SINK_RETRY_AFTER));
        assert_eq!(after("Sun, 06 Nov 1994 08:49:37 GMT"), Some(Duration::ZERO));
        assert_eq!(after("Fri, 31 Dec 9999 23:59:59 GMT"), Some(limits::SINK_RETRY_AFTER));
        assert_eq!([after("-1"), after("soon"), after("")], [None; 3]);
        assert_eq!(of_headers(&HeaderMap::new()), None);
    }
}
