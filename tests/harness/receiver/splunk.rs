//! `POST /services/collector/event`, as Splunk 9 has it.

use serde_json::{Map, Value, json};

use super::{Asked, Complaint, Fate, Verdict};

/// Keys that an event may have beside it.
const KEYS: [&str; 7] = ["time", "host", "source", "sourcetype", "index", "event", "fields"];

pub(super) fn verdict(asked: &Asked, token: &str, fate: Fate) -> Result<Verdict, Complaint> {
    if asked.method != "POST" || !["/services/collector/event", "/services/collector"].contains(&&*asked.path) {
        return Err(complaint(404, 404, &format!("{} {} is not there", asked.method, asked.path), None));
    }
    match asked.header("authorization").split_once(' ') {
        Some(("Splunk", given)) if given == token => {}
        Some(("Splunk", _)) => return Err(complaint(403, 4, "Invalid token", None)),
        Some(_) => return Err(complaint(401, 3, "Invalid authorization", None)),
        None => return Err(complaint(401, 2, "Token is required", None)),
    }
    if asked.body.trim().is_empty() {
        return Err(complaint(400, 5, "No data", None));
    }
    let mut taken = Vec::new();
    for (number, event) in serde_json::Deserializer::from_str(&asked.body).into_iter::<Map<String, Value>>().enumerate()
    {
        let event = event.map_err(|_| complaint(400, 6, "Invalid data format", Some(number)))?;
        if let Some(unknown) = event.keys().find(|key| !KEYS.contains(&key.as_str())) {
            return Err(complaint(400, 6, &format!("Invalid data format: {unknown}"), Some(number)));
        }
        let seconds = event.get("time").and_then(Value::as_f64);
        if seconds.is_none_or(|seconds| !(1e9..1e10).contains(&seconds)) {
            return Err(complaint(400, 6, "Invalid data format: time", Some(number)));
        }
        match event.get("event") {
            None => return Err(complaint(400, 12, "Event field is required", Some(number))),
            Some(Value::Null) => return Err(complaint(400, 13, "Event field cannot be blank", Some(number))),
            Some(Value::String(text)) if text.is_empty() => {
                return Err(complaint(400, 13, "Event field cannot be blank", Some(number)));
            }
            Some(Value::String(text)) => taken.push(text.clone()),
            Some(other) => taken.push(other.to_string()),
        }
    }
    Ok(match fate {
        Fate::Status(503) => nothing(503, &json!({ "text": "Server is busy", "code": 9 })),
        Fate::Status(status) => nothing(status, &json!({ "text": "Internal server error", "code": 8 })),
        // One event is in an index that the token has no right to: the server says which.
        Fate::Partly { every, status } if taken.iter().any(|event| is_wrong(event, every)) => {
            let number = taken.iter().position(|event| is_wrong(event, every));
            nothing(status, &json!({ "text": "Incorrect index", "code": 7, "invalid-event-number": number }))
        }
        _ => Verdict { status: 200, text: json!({ "text": "Success", "code": 0 }).to_string(), taken },
    })
}

fn is_wrong(event: &str, every: usize) -> bool {
    let event: Value = serde_json::from_str(event).unwrap_or_default();
    event["number"].as_u64().is_some_and(|number| number % every as u64 == 0)
}

fn nothing(status: u16, text: &Value) -> Verdict {
    Verdict { status, text: text.to_string(), taken: Vec::new() }
}

fn complaint(status: u16, code: u16, words: &str, number: Option<usize>) -> Complaint {
    let mut text = json!({ "text": words, "code": code });
    if let Some(number) = number {
        text["invalid-event-number"] = json!(number);
    }
    Complaint { words: words.to_owned(), status, text: text.to_string() }
}
