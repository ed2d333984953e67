//! What became of each change, and the way back to one of them.

use std::sync::Arc;

use http::{Method, StatusCode};
use serde_json::{Value as Json, json};
use toml_edit::{DocumentMut, Item, Table, value};

use super::answer::Answer;
use super::change::{self, Change};
use super::request::{Request, Role};
use super::router::Router;
use super::{Admin, Handler, handler};
use crate::entities::{Entity, Error};
use crate::generations::{Outcome, Record, Source};
use crate::proposal::{Edited, Place};

/// Adds its endpoints.
pub(super) fn add(endpoints: &mut Router<Handler>) {
    let list = handler(|admin, _| async move { list(&admin) });
    endpoints.add(Method::GET, "/generations", Role::Read, list);
    let show = handler(|admin, request| async move { show(&admin, &request) });
    endpoints.add(Method::GET, "/generations/{generation}", Role::Read, show);
    let activate = handler(|admin, request| async move { activate(&admin, &request).await });
    endpoints.add(Method::POST, "/generations/{generation}/activate", Role::Write, activate);
}

fn list(admin: &Admin) -> Answer {
    let live = admin.gateway.generation();
    let records = admin.configuration.generations.list();
    let data: Vec<Json> = records
        .iter()
        .map(|record| {
            let mut told = told(record, live);
            told.insert("changes".to_owned(), json!(record.changes.len()));
            Json::Object(told)
        })
        .collect();
    Answer::json(StatusCode::OK, &json!({ "data": data, "next": null }))
}

fn show(admin: &Admin, request: &Request) -> Answer {
    let number = request.segment(1).parse().ok();
    match number.and_then(|number| admin.configuration.generations.get(number)) {
        Some(record) => Answer::json(StatusCode::OK, &Json::Object(told(&record, admin.gateway.generation()))),
        None => Answer::not_found(),
    }
}

fn told(record: &Record, live: u64) -> Entity {
    let mut told = match json!(record) {
        Json::Object(told) => told,
        _ => Entity::new(),
    };
    let (outcome, faults) = match &record.outcome {
        Outcome::Served => ("served", None),
        Outcome::Refused(faults) => ("refused", Some(json!(faults))),
    };
    told.insert("outcome".to_owned(), json!(outcome));
    told.extend(faults.map(|faults| ("faults".to_owned(), faults)));
    told.insert("live".to_owned(), json!(record.generation == live));
    told
}

/// Have the configuration be what it was then, with the plugin files of then.
async fn activate(admin: &Arc<Admin>, request: &Request) -> Answer {
    let generations = Arc::clone(&admin.configuration.generations);
    let Some(record) = request.segment(1).parse().ok().and_then(|number| generations.get(number)) else {
        return Answer::not_found();
    };
    if record.outcome != Outcome::Served {
        let message = format!("generation {} was refused, and never served", record.generation);
        return Answer::message(StatusCode::CONFLICT, &message);
    }
    let read = {
        let generation = record.generation;
        tokio::task::spawn_blocking(move || generations.text(generation)).await
    };
    let Ok(Some(text)) = read else {
        let message = format!("what generation {} said is not kept: see `state_dir`", record.generation);
        return Answer::message(StatusCode::CONFLICT, &message);
    };
    let edit = move |document: &mut DocumentMut, _: &crate::entities::Index| {
        *document = text.parse().map_err(|_| Error::message(409, "it is damaged"))?;
        pin(document, &record);
        Ok(Edited { value: json!({ "activated": record.generation }), at: Place::new() })
    };
    match change::make_from(admin, request, Source::Activation, Box::new(edit)).await {
        Change::Made(made) => made.json(StatusCode::OK),
        Change::Refused(answer) => answer,
    }
}

/// Whatever is at their paths by now, these are the plugin files that are meant.
fn pin(document: &mut DocumentMut, record: &Record) {
    let Some(components) = document.get_mut("components").and_then(Item::as_table_like_mut) else { return };
    for (name, sha256) in &record.components {
        if let Some(component) = components.get_mut(name).and_then(Item::as_table_like_mut) {
            component.insert("sha256", value(sha256));
        }
    }
}

/// Has `document` list this plugin file.
pub(super) fn list_component(document: &mut DocumentMut, name: &str, sha256: &str) {
    let components = document.entry("components").or_insert_with(|| {
        let mut table = Table::new();
        table.set_implicit(true);
        Item::Table(table)
    });
    let Some(components) = components.as_table_like_mut() else { return };
    match components.get_mut(name).and_then(Item::as_table_like_mut) {
        Some(component) => drop(component.insert("sha256", value(sha256))),
        None => {
            let mut component = Table::new();
            component.insert("sha256", value(sha256));
            component.decor_mut().set_prefix("\n");
            components.insert(name, Item::Table(component));
        }
    }
}
