//! What came of a case, whoever ran it, against what it expects.

use std::collections::BTreeMap;
use std::fmt;

use serde_json::Value;

use crate::case::{Case, ExpectedRequest, ExpectedResponse};
use crate::values::Presence;

/// What came of a case.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Seen {
    /// Why the plugin refused its config; nothing else happened then.
    pub refused: Option<String>,
    /// What the upstream got, if it was asked.
    pub upstream: Option<SeenRequest>,
    /// What the client got.
    pub response: Option<SeenResponse>,
    /// Why a hook failed.
    pub failure: Option<String>,
    /// What the plugin logged.
    pub log: Vec<String>,
    /// What its metrics have come to; of a histogram, the sum.
    pub metrics: BTreeMap<String, f64>,
    /// What it handed to sinks.
    pub records: BTreeMap<String, Vec<Vec<u8>>>,
    /// What the settings make up; `None` where that is not known.
    pub own_sink: Option<Value>,
}

/// A request as the upstream got it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SeenRequest {
    /// Which upstream it was: one of [`Case::upstreams`], or `service` for the service's own.
    pub name: String,
    /// The method.
    pub method: String,
    /// Path and query.
    pub target: String,
    /// The header section; names in lower case.
    pub headers: Vec<(String, Vec<u8>)>,
    /// The whole body.
    pub body: Vec<u8>,
}

/// A response as the client got it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SeenResponse {
    /// The status.
    pub status: u16,
    /// The header section; names in lower case.
    pub headers: Vec<(String, Vec<u8>)>,
    /// The whole body, as far as it came.
    pub body: Vec<u8>,
}

/// One thing that came out otherwise.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mismatch {
    /// Where in the case the expectation stands: `reply.status`.
    pub field: String,
    /// What was expected.
    pub expected: String,
    /// What came.
    pub got: String,
}

impl fmt::Display for Mismatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { field, expected, got } = self;
        write!(f, "{field}: expected {expected}, got {got}")
    }
}

impl Case {
    /// Everything that came out otherwise than expected.
    pub fn judge(&self, seen: &Seen) -> Vec<Mismatch> {
        let mut verdict = Verdict(Vec::new());
        let expect = &self.expect;
        verdict.reason("refused", expect.refused.as_deref(), seen.refused.as_deref());
        if seen.refused.is_some() {
            // Nothing was sent, so there is nothing else to be compared.
            return verdict.0;
        }
        verdict.reason("failure", expect.failure.as_deref(), seen.failure.as_deref());
        if let Some(expected) = &expect.upstream {
            match &seen.upstream {
                Some(got) => verdict.request(expected, got),
                None => verdict.add("upstream", "a request", &told(seen.response.as_ref())),
            }
        }
        if let Some(expected) = &expect.reply {
            match (&seen.upstream, &seen.response) {
                (Some(asked), _) => {
                    verdict.add("reply", "an answer of the plugin's", &format!("a request to the upstream: {asked}"));
                }
                (None, got) => verdict.response("reply", expected, got.as_ref()),
            }
        }
        if let Some(expected) = &expect.response {
            verdict.response("response", expected, seen.response.as_ref());
        }
        for line in &expect.log {
            if !seen.log.iter().any(|logged| logged.contains(line)) {
                verdict.add("log", &format!("a line with {line:?}"), &format!("{:?}", seen.log));
            }
        }
        for (series, expected) in &expect.metrics {
            let got = seen.metrics.get(series);
            if got != Some(expected) {
                verdict.add(&format!("metrics.{series}"), &expected.to_string(), &or_nothing(got));
            }
        }
        for (sink, expected) in &expect.records {
            let got: Vec<String> = seen.records.get(sink).into_iter().flatten().map(|record| text(record)).collect();
            let all = got.iter().zip(expected).all(|(got, expected)| is_record(got, expected));
            if !all || got.len() != expected.len() {
                let expected: Vec<String> = expected.iter().map(as_text).collect();
                verdict.add(&format!("records.{sink}"), &format!("{expected:?}"), &format!("{got:?}"));
            }
        }
        if let (Some(expected), Some(got)) = (&expect.own_sink, &seen.own_sink)
            && !has(got, expected)
        {
            verdict.add("own_sink", &expected.to_string(), &got.to_string());
        }
        verdict.0
    }
}

/// Whether this is the text of a record, or JSON that has at least what is expected of it.
fn is_record(got: &str, expected: &Value) -> bool {
    match expected {
        Value::String(expected) => got == expected,
        expected => serde_json::from_str(got).is_ok_and(|got| has(&got, expected)),
    }
}

fn has(got: &Value, expected: &Value) -> bool {
    match (got, expected) {
        (Value::Object(got), Value::Object(expected)) => {
            expected.iter().all(|(name, expected)| got.get(name).is_some_and(|got| has(got, expected)))
        }
        (got, expected) => got == expected,
    }
}

fn as_text(expected: &Value) -> String {
    expected.as_str().map_or_else(|| expected.to_string(), str::to_owned)
}

struct Verdict(Vec<Mismatch>);

impl Verdict {
    fn add(&mut self, field: &str, expected: &str, got: &str) {
        self.0.push(Mismatch { field: field.to_owned(), expected: expected.to_owned(), got: got.to_owned() });
    }

    fn same(&mut self, field: &str, expected: Option<&str>, got: &str) {
        if let Some(expected) = expected
            && expected != got
        {
            self.add(field, &format!("{expected:?}"), &format!("{got:?}"));
        }
    }

    /// What went wrong may say more than is expected, but must not come unasked.
    fn reason(&mut self, field: &str, expected: Option<&str>, got: Option<&str>) {
        let fits = match (expected, got) {
            (None, None) => true,
            (Some(expected), Some(got)) => got.contains(expected),
            _ => false,
        };
        if !fits {
            let expected = expected.map_or_else(|| "none".to_owned(), |text| format!("one with {text:?}"));
            self.add(field, &expected, &got.map_or_else(|| "none".to_owned(), |text| format!("{text:?}")));
        }
    }

    fn request(&mut self, expected: &ExpectedRequest, got: &SeenRequest) {
        self.same("upstream.name", expected.name.as_deref(), &got.name);
        self.same("upstream.method", expected.method.as_deref(), &got.method);
        self.same("upstream.path", expected.path.as_deref(), &got.target);
        self.headers("upstream", &expected.headers, &got.headers);
        self.same("upstream.body", expected.body.as_deref(), &text(&got.body));
        if let Some(consumer) = &expected.consumer {
            let told = values(&got.headers, "x-consumer-username");
            if told != [consumer.as_str()] {
                self.add("upstream.consumer", &format!("{consumer:?}"), &shown(&told));
            }
        }
    }

    fn response(&mut self, field: &str, expected: &ExpectedResponse, got: Option<&SeenResponse>) {
        let Some(got) = got else { return self.add(field, "an answer", "nothing") };
        if let Some(status) = expected.status
            && status != got.status
        {
            self.add(&format!("{field}.status"), &status.to_string(), &got.status.to_string());
        }
        self.headers(field, &expected.headers, &got.headers);
        let body = text(&got.body);
        self.same(&format!("{field}.body"), expected.body.as_deref(), &body);
        if let Some(json) = &expected.json
            && serde_json::from_slice::<Value>(&got.body).ok().as_ref() != Some(json)
        {
            self.add(&format!("{field}.json"), &json.to_string(), &body);
        }
    }

    fn headers(&mut self, field: &str, expected: &BTreeMap<String, Presence>, got: &[(String, Vec<u8>)]) {
        for (name, expected) in expected {
            let got = values(got, name);
            if !expected.fits(&got) {
                let expected = match expected {
                    Presence::Any(true) => "any value".to_owned(),
                    Presence::Any(false) => "none".to_owned(),
                    Presence::Exactly(values) => shown(values),
                    Presence::Like(shape) => format!("one like {shape:?}"),
                };
                self.add(&format!("{field}.headers.{name}"), &expected, &shown(&got));
            }
        }
    }
}

impl fmt::Display for SeenRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.method, self.target)
    }
}

fn told(response: Option<&SeenResponse>) -> String {
    match response {
        Some(response) => format!("an answer without it: {} {:?}", response.status, text(&response.body)),
        None => "nothing".to_owned(),
    }
}

fn values(headers: &[(String, Vec<u8>)], name: &str) -> Vec<String> {
    headers.iter().filter(|(own, _)| own.eq_ignore_ascii_case(name)).map(|(_, value)| text(value)).collect()
}

fn shown(values: &[String]) -> String {
    match values {
        [] => "none".to_owned(),
        [one] => format!("{one:?}"),
        several => format!("{several:?}"),
    }
}

fn or_nothing(value: Option<&f64>) -> String {
    value.map_or_else(|| "nothing".to_owned(), f64::to_string)
}

/// Bytes that are no text are shown as such.
fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}
