//! `POST /_bulk`, as Elasticsearch 8 has it.

use serde_json::{Map, Value, json};

use super::{Asked, Complaint, Fate, Verdict};

pub(super) fn verdict(asked: &Asked, fate: Fate) -> Result<Verdict, Complaint> {
    let items = items(asked).map_err(complaint)?;
    if let Fate::Status(status) = fate {
        let text = json!({ "error": { "type": "es_rejected_execution_exception" }, "status": status }).to_string();
        return Ok(Verdict { status, text, taken: Vec::new() });
    }
    let mut answers = Vec::new();
    let mut taken = Vec::new();
    let mut errors = false;
    for (number, item) in items.into_iter().enumerate() {
        let status = match fate {
            Fate::Partly { every, status } if number % every == 0 => status,
            _ => 201,
        };
        let mut answer = json!({ "_index": item.index, "_id": number.to_string(), "status": status });
        if status == 201 {
            answer["result"] = json!("created");
            taken.push(item.source);
        } else {
            errors = true;
            answer["error"] = json!({ "type": "some_exception", "reason": format!("no room for {number}") });
        }
        answers.push(json!({ item.action: answer }));
    }
    let text = json!({ "took": 3, "errors": errors, "items": answers }).to_string();
    Ok(Verdict { status: 200, text, taken })
}

struct Item {
    action: String,
    index: String,
    source: String,
}

fn items(asked: &Asked) -> Result<Vec<Item>, String> {
    if asked.method != "POST" {
        return Err(format!("{} instead of POST", asked.method));
    }
    let path = asked.path.split('?').next().unwrap();
    let of_path = match path.strip_suffix("/_bulk").ok_or(format!("{path} does not end with /_bulk"))? {
        "" => None,
        index => Some(index.trim_start_matches('/').to_owned()),
    };
    let kind = asked.header("content-type");
    if !["application/x-ndjson", "application/json"].contains(&kind) {
        return Err(format!("Content-Type header [{kind}] is not supported"));
    }
    let text = asked.body.strip_suffix('\n').ok_or("The bulk request must be terminated by a newline [\\n]")?;
    let mut lines = text.split('\n');
    let mut items = Vec::new();
    while let Some(action) = lines.next() {
        let action: Map<String, Value> = serde_json::from_str(action).map_err(|error| format!("{action}: {error}"))?;
        let mut entries = action.into_iter();
        let (Some((action, Value::Object(about))), None) = (entries.next(), entries.next()) else {
            return Err("an action is an object with one key".to_owned());
        };
        if !["index", "create"].contains(&&*action) {
            return Err(format!("Unknown action [{action}]"));
        }
        if let Some((unknown, _)) = about.iter().find(|(key, _)| *key != "_index") {
            return Err(format!("Action/metadata line contains an unknown parameter [{unknown}]"));
        }
        let index = about.get("_index").and_then(Value::as_str).map(str::to_owned).or_else(|| of_path.clone());
        let index = index.ok_or("an index is missing")?;
        let source = lines.next().ok_or("The last action has no source")?.to_owned();
        serde_json::from_str::<Map<String, Value>>(&source).map_err(|error| format!("{source}: {error}"))?;
        items.push(Item { action, index, source });
    }
    Ok(items)
}

fn complaint(words: String) -> Complaint {
    let text = json!({ "error": { "type": "illegal_argument_exception", "reason": words }, "status": 400 }).to_string();
    Complaint { words, status: 400, text }
}
