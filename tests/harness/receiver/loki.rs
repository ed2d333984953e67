//! `POST /loki/api/v1/push`, as Loki 3 has it for JSON.

use serde_json::Value;

use super::{Asked, Complaint, Fate, Verdict};

pub(super) fn verdict(asked: &Asked, fate: Fate) -> Result<Verdict, Complaint> {
    let taken = entries(asked).map_err(|words| Complaint { text: words.clone(), words, status: 400 })?;
    Ok(match fate {
        Fate::Status(status) => Verdict { status, text: "Ingestion rate limit exceeded".to_owned(), taken: Vec::new() },
        _ => Verdict { status: 204, text: String::new(), taken },
    })
}

fn entries(asked: &Asked) -> Result<Vec<String>, String> {
    if asked.method != "POST" || asked.path != "/loki/api/v1/push" {
        return Err(format!("{} {} is not there", asked.method, asked.path));
    }
    if asked.header("content-type") != "application/json" {
        return Err("anything but application/json is taken for protobuf".to_owned());
    }
    let push: Value = serde_json::from_str(&asked.body).map_err(|error| format!("{}: {error}", asked.body))?;
    let mut lines = Vec::new();
    for stream in push["streams"].as_array().ok_or("streams is no array")? {
        let labels = stream["stream"].as_object().ok_or("stream is no object")?;
        let named = |name: &str| {
            name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
                && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
        };
        if labels.is_empty() || !labels.iter().all(|(name, value)| named(name) && value.is_string()) {
            return Err(format!("error at least one label pair is required per stream: {labels:?}"));
        }
        for entry in stream["values"].as_array().ok_or("values is no array")? {
            let [Value::String(time), Value::String(line)] = &**entry.as_array().ok_or("a value is no array")? else {
                return Err(format!("{entry} is not time and line"));
            };
            if time.len() != 19 || time.parse::<u64>().is_err() {
                return Err(format!("{time} is not in nanoseconds"));
            }
            lines.push(line.clone());
        }
    }
    Ok(lines)
}
