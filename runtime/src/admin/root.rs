//! What Kong's clients ask first, and what entities are filed under.

use std::collections::BTreeSet;

use http::{Method, StatusCode};
use serde_json::{Map, Value as Json, json};

use super::answer::Answer;
use super::change;
use super::request::Role;
use super::router::Router;
use super::{Admin, Handler, handler};
use crate::entities::Kind;
use crate::host::library::bundled;

/// Adds its endpoints.
pub(super) fn add(endpoints: &mut Router<Handler>) {
    endpoints.add(Method::GET, "/", Role::Read, handler(|admin, _| async move { root(&admin) }));
    let paths = handler(|admin, _| async move { paths(&admin) });
    endpoints.add(Method::GET, "/endpoints", Role::Read, paths);
    let all = handler(|admin, _| async move { tags(&admin, None) });
    endpoints.add(Method::GET, "/tags", Role::Read, all);
    let one = handler(|admin, request| async move { tags(&admin, Some(request.segment(1))) });
    endpoints.add(Method::GET, "/tags/{tag}", Role::Read, one);
}

/// What Kong's clients ask first: which version, which plugins.
fn root(admin: &Admin) -> Answer {
    let current = admin.configuration.current.load();
    let mut available = Map::new();
    for (name, _) in bundled() {
        // Having all of them compiled for this would cost seconds, and memory: it is said of those that were asked about.
        let known = admin.catalogue.known(name);
        let priority = known.as_ref().map(|plugin| plugin.priority);
        let version = known.map_or_else(|| admin.version.to_owned(), |plugin| plugin.version);
        available.insert((*name).to_owned(), json!({ "version": version, "priority": priority }));
    }
    for component in admin.gateway.components() {
        available.insert(component.name, json!({ "version": component.version, "priority": component.priority }));
    }
    let index = current.index();
    let enabled: BTreeSet<String> = index
        .of_kind(Kind::Plugin)
        .filter_map(|entry| Some(index.read(&current.document, entry).get("name")?.as_str()?.to_owned()))
        .collect();
    let body = json!({
        "tagline": "Tidegate: a gateway whose plugins are WebAssembly components",
        // Clients of Kong look at what they are talking to: the shape is that of its last open version.
        "version": "3.9.0",
        "tidegate_version": admin.version,
        "edition": "community",
        // Clients take "off" for one that cannot be written to.
        "configuration": { "database": "file", "role": "traditional" },
        "plugins": { "available_on_server": available, "enabled_in_cluster": enabled },
        "generation": admin.gateway.generation(),
    });
    change::tagged(Answer::json(StatusCode::OK, &body), &current)
}

/// All paths there are (Kong: `/endpoints`).
fn paths(admin: &Admin) -> Answer {
    Answer::json(StatusCode::OK, &json!({ "data": admin.endpoints.paths(), "next": null }))
}

/// Which entities are filed under `only`, or under whichever tag (Kong: `/tags`).
fn tags(admin: &Admin, only: Option<&str>) -> Answer {
    let current = admin.configuration.current.load();
    let index = current.index();
    let mut data = Vec::new();
    for kind in Kind::ALL {
        for entry in index.of_kind(kind) {
            let entity = index.read(&current.document, entry);
            let tags = entity.get("tags").and_then(Json::as_array).into_iter().flatten().filter_map(Json::as_str);
            data.extend(
                tags.filter(|tag| only.is_none_or(|only| only == *tag))
                    .map(|tag| json!({ "entity_name": kind.spec().collection, "entity_id": entry.id, "tag": tag })),
            );
        }
    }
    change::tagged(Answer::json(StatusCode::OK, &json!({ "data": data, "next": null })), &current)
}
