//! `POST /config`: a file of Kong's takes the place of all entities, in one generation; what else gateway.toml says stays.

use std::sync::{Arc, OnceLock};

use http::{Method, StatusCode};
use serde_json::{Map, Value as Json, json};
use toml_edit::DocumentMut;

use super::answer::Answer;
use super::body::{self, MediaType};
use super::change::{self, Made};
use super::request::{Request, Role};
use super::router::Router;
use super::{Admin, Handler, handler};
use crate::entities::declarative::{self, Mode, Problem};
use crate::entities::{Error, Index, hidden};
use crate::generations::Source;
use crate::proposal::{Edited, Place, Refusal};

pub(super) fn add(endpoints: &mut Router<Handler>) {
    let post = handler(|admin, request| async move { load(&admin, &request).await });
    endpoints.add(Method::POST, "/config", Role::Write, post);
}

async fn load(admin: &Arc<Admin>, request: &Request) -> Answer {
    let file = match file(request.content_type.as_ref(), request) {
        Ok(file) => file,
        Err(answer) => return answer,
    };
    let asked = |name: &str| request.query.value(name).is_some_and(|said| !["0", "false"].contains(&said));
    let flat = asked("flatten_errors");
    if asked("check_hash") {
        let current = admin.configuration.current.load_full();
        let mut document = DocumentMut::clone(&current.document);
        let loaded = declarative::load(&mut document, &file, Mode::Strict);
        if loaded.problems.is_empty() && document.to_string() == *current.text {
            return Answer::new(StatusCode::NOT_MODIFIED, "application/json; charset=utf-8", "");
        }
    }
    let made = Arc::new(OnceLock::new());
    let edit = {
        let made = Arc::clone(&made);
        move |document: &mut DocumentMut, _: &Index| {
            let loaded = declarative::load(document, &file, Mode::Strict);
            if !loaded.problems.is_empty() {
                return Err(refusal(&loaded.problems, flat));
            }
            let value = by_collection(document, &loaded.made);
            drop(made.set(loaded.made));
            Ok(Edited { value, at: Place::new() })
        }
    };
    match change::propose(admin, request, Source::Admin, Box::new(edit)).await {
        Ok(made) => Made::json(made, StatusCode::CREATED),
        Err(Refusal::Invalid(report, text, _)) => {
            let made = made.get().map_or(&[][..], Vec::as_slice);
            let problems: Vec<Problem> =
                declarative::blame(&report, &text, made).into_iter().map(|blame| blame.problem).collect();
            change::refused(&refusal(&problems, flat))
        }
        Err(other) => change::answer(&other),
    }
}

/// The file in a body: by itself, or as the field `config` of a form.
fn file(content_type: Option<&MediaType>, request: &Request) -> Result<Map<String, Json>, Answer> {
    let essence = content_type.map_or("", |kind| kind.essence.as_str());
    let is_text = ["application/json", "application/yaml", "application/x-yaml", "text/yaml", "text/x-yaml"];
    let text = if is_text.contains(&essence) {
        let text = str::from_utf8(&request.body).map_err(|_| unreadable("it is not UTF-8"))?;
        text.to_owned()
    } else {
        match body::fields(content_type, &request.body)?.object.remove("config") {
            Some(Json::String(text)) => text,
            _ => return Err(unreadable("there is no `config` in it")),
        }
    };
    let file = declarative::read(&text).map_err(|problem| unreadable(&problem))?;
    match file.get("config") {
        Some(Json::String(text)) if file.len() == 1 => declarative::read(text).map_err(|problem| unreadable(&problem)),
        _ => Ok(file),
    }
}

fn unreadable(problem: &str) -> Answer {
    let fields = json!({ "error": problem });
    change::refused(&error(&format!("declarative config is invalid: {problem}"), &fields))
}

/// What is wrong with a file (Kong: code 14), nested as the file is; or flat, entity by entity.
fn refusal(problems: &[Problem], flat: bool) -> Error {
    let mut fields = json!({});
    let lines: Vec<String> = problems.iter().flat_map(Problem::lines).collect();
    let message = format!("declarative config is invalid: {}", lines.join("; "));
    if flat {
        let mut refusal = error(&message, &fields);
        let flattened = problems.iter().map(Problem::flattened).collect::<Vec<_>>();
        if let Some(body) = refusal.body.as_object_mut() {
            body.insert("flattened_errors".to_owned(), Json::Array(flattened));
        }
        return refusal;
    }
    problems.iter().for_each(|problem| problem.nest(&mut fields));
    error(&message, &fields)
}

fn error(message: &str, fields: &Json) -> Error {
    let body = json!({
        "code": 14, "name": "invalid declarative configuration", "message": message, "fields": fields,
    });
    Error { status: 400, body }
}

/// What was made, as Kong answers it: by collection, then by id.
fn by_collection(document: &DocumentMut, made: &[declarative::Made]) -> Json {
    let index = Index::of(document);
    let mut collections: Map<String, Json> = Map::new();
    for made in made {
        let Some(entry) = index.by_id(made.kind, &made.id) else { continue };
        let entity = hidden(made.kind, index.read(document, entry));
        let collection = collections.entry(declarative::collection(made.kind)).or_insert_with(|| json!({}));
        if let Some(collection) = collection.as_object_mut() {
            collection.insert(made.id.clone(), Json::Object(entity));
        }
    }
    Json::Object(collections)
}
