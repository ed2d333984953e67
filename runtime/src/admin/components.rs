//! Plugins beyond the bundled ones: uploaded, listed, gone back to. An upload is checked and compiled, and configured for
//! every use of it, before anything changes.

use std::sync::Arc;

use http::{Method, StatusCode};
use serde_json::{Value as Json, json};
use toml_edit::{DocumentMut, Item};

use super::answer::Answer;
use super::change::{self, Change};
use super::generations::list_component;
use super::request::{Request, Role};
use super::router::Router;
use super::{Admin, Handler, handler};
use crate::config::values::Name;
use crate::entities::{Entry, Error, Index, Kind};
use crate::generations::{Outcome, sha256};
use crate::limits;
use crate::proposal::{Edited, Place, Step};

/// Adds its endpoints.
pub(super) fn add(endpoints: &mut Router<Handler>) {
    let list = handler(|admin, _| async move { list(&admin) });
    endpoints.add(Method::GET, "/components", Role::Read, list);
    let show = handler(|admin, request| async move { show(&admin, request.segment(1)) });
    endpoints.add(Method::GET, "/components/{component}", Role::Read, show);
    let upload = handler(|admin, request| async move { upload(&admin, &request).await });
    let most = usize::try_from(limits::COMPONENT_BYTES).unwrap_or(usize::MAX);
    endpoints.add_upload(Method::PUT, "/components/{component}", Role::Plugins, most, upload);
    let activate = handler(|admin, request| async move { activate(&admin, &request).await });
    endpoints.add(Method::POST, "/components/{component}/versions/{sha256}/activate", Role::Plugins, activate);
    let remove = handler(|admin, request| async move { remove(&admin, &request).await });
    endpoints.add(Method::DELETE, "/components/{component}", Role::Plugins, remove);
}

fn list(admin: &Admin) -> Answer {
    let data: Vec<Json> = admin.gateway.components().into_iter().map(|found| json!(found)).collect();
    Answer::json(StatusCode::OK, &json!({ "data": data, "next": null }))
}

/// One with its versions, the newest first: those that generations still know.
fn show(admin: &Admin, name: &str) -> Answer {
    let Some(found) = admin.gateway.components().into_iter().find(|found| found.name == name) else {
        return Answer::not_found();
    };
    let mut versions: Vec<Json> = Vec::new();
    let mut seen = std::collections::HashSet::new();
    for record in admin.configuration.generations.list() {
        if let Some(version) = record.components.get(name).filter(|_| record.outcome == Outcome::Served)
            && seen.insert(version.clone())
        {
            versions.push(json!({ "sha256": version, "generation": record.generation, "at": record.at }));
        }
    }
    let mut told = json!(found);
    if let Some(told) = told.as_object_mut() {
        told.insert("versions".to_owned(), json!(versions));
    }
    Answer::json(StatusCode::OK, &told)
}

/// Keep the file, then have the configuration say that it is this one.
async fn upload(admin: &Arc<Admin>, request: &Request) -> Answer {
    let name = request.segment(1).to_owned();
    if let Err(problem) = name.parse::<Name>() {
        return change::refused(&Error::field("name", problem));
    }
    if request.body.is_empty() {
        let message = "send the plugin's .wasm as the body: curl -T plugin.wasm …, or tidegate plugin push plugin.wasm";
        return Answer::message(StatusCode::BAD_REQUEST, message);
    }
    if let Some(expected) = request.query.value("sha256")
        && !expected.eq_ignore_ascii_case(&sha256(&request.body))
    {
        return change::refused(&Error::field("sha256", "that is not the SHA-256 of what has been sent"));
    }
    let (files, wasm) = (admin.component_files.clone(), request.body.clone());
    let kept = tokio::task::spawn_blocking(move || files.keep(&wasm)).await;
    match kept.unwrap_or_else(|error| Err(std::io::Error::other(error))) {
        Ok(version) => use_version(admin, request, name, version).await,
        Err(error) => {
            let message = format!("the plugin cannot be kept: {error}: see `state_dir`");
            Answer::message(StatusCode::INSUFFICIENT_STORAGE, &message)
        }
    }
}

/// Go back, or forward, to a version that is kept.
async fn activate(admin: &Arc<Admin>, request: &Request) -> Answer {
    let (name, version) = (request.segment(1).to_owned(), request.segment(3).to_ascii_lowercase());
    let known = version.len() == 64 && version.bytes().all(|byte| byte.is_ascii_hexdigit());
    if !known || !admin.component_files.has(&version) {
        return Answer::not_found();
    }
    use_version(admin, request, name, version).await
}

async fn use_version(admin: &Arc<Admin>, request: &Request, name: String, version: String) -> Answer {
    let edit = move |document: &mut DocumentMut, _: &Index| {
        list_component(document, &name, &version);
        let at = vec![Step::Key("components".to_owned()), Step::Key(name.clone())];
        Ok(Edited { value: json!({ "name": name, "sha256": version }), at })
    };
    match change::make(admin, request, Box::new(edit)).await {
        Change::Made(made) => made.json(StatusCode::OK),
        Change::Refused(answer) => answer,
    }
}

async fn remove(admin: &Arc<Admin>, request: &Request) -> Answer {
    let name = request.segment(1).to_owned();
    let edit = move |document: &mut DocumentMut, index: &Index| {
        let uses = |entry: &Entry| index.read(document, entry).get("name").is_some_and(|used| *used == *name);
        if index.of_kind(Kind::Plugin).any(uses) {
            return Err(Error::referenced("components", "plugins"));
        }
        if let Some(components) = document.get_mut("components").and_then(Item::as_table_like_mut) {
            components.remove(&name);
        }
        Ok(Edited { value: json!(true), at: Place::new() })
    };
    match change::make(admin, request, Box::new(edit)).await {
        Change::Made(made) => made.nothing(),
        Change::Refused(answer) => answer,
    }
}
