//! Kong's endpoints about schemas: what may be in an entity or in a plugin's config, and whether a body would do. Tools
//! that keep a configuration in files take the defaults from here.

use std::collections::HashMap;
use std::sync::Arc;

use http::{Method, StatusCode};
use serde_json::{Value as Json, json};

use super::answer::Answer;
use super::change;
use super::entities::wish;
use super::request::{Request, Role};
use super::router::Router;
use super::{Admin, Handler, handler};
use crate::entities::{self, Error, Kind, Notation, Wish};
use crate::host::catalogue::Described;
use crate::host::schema::Schema;

/// What Kong calls those that go by another name here.
const CALLED: [(&str, Kind); 4] = [
    ("keyauth_credentials", Kind::KeyAuth),
    ("basicauth_credentials", Kind::BasicAuth),
    ("jwt_secrets", Kind::Jwt),
    ("hmacauth_credentials", Kind::HmacAuth),
];

/// Adds them.
pub(super) fn add(endpoints: &mut Router<Handler>) {
    let entity = handler(|_, request| async move { entity(request.segment(1)) });
    endpoints.add(Method::GET, "/schemas/{entity}", Role::Read, entity);
    let plugin = handler(|admin, request| async move { plugin(&admin, &request).await });
    endpoints.add(Method::GET, "/schemas/plugins/{plugin}", Role::Read, plugin);
    // Nothing comes of it, but a body may name files and variables, and the answer says whether they are there.
    let validate = handler(|admin, request| async move { validate(&admin, &request).await });
    endpoints.add(Method::POST, "/schemas/{entity}/validate", Role::Write, validate);
}

/// Say in these uses of plugins, if they are such, what their settings are where nothing is said (as Kong does).
pub(super) async fn fill(admin: &Admin, kind: Kind, entities: &mut [Json]) {
    if kind != Kind::Plugin {
        return;
    }
    let mut known: HashMap<String, Option<Described>> = HashMap::new();
    for entity in entities {
        let Some(name) = entity.get("name").and_then(Json::as_str) else { continue };
        if !known.contains_key(name) {
            known.insert(name.to_owned(), described(admin, name).await);
        }
        let plugin = known.get(name).and_then(Option::as_ref);
        if let (Some(plugin), Some(config)) = (plugin, entity.get_mut("config").and_then(Json::as_object_mut)) {
            entities::fill(&plugin.schema, config);
        }
    }
}

/// What the plugin of this name says of itself; `None` if there is none.
async fn described(admin: &Admin, name: &str) -> Option<Described> {
    match admin.gateway.described(name) {
        Some(described) => Some(described),
        None => admin.catalogue.plugin(name).await,
    }
}

/// Has what a form says of a plugin's config be what that plugin takes. `changed` names the use that is to be another, if
/// there is one: bodies need not say whose config it is then.
pub(super) async fn take_texts(admin: &Admin, wish: &mut Wish, changed: Option<&str>) {
    if wish.kind != Kind::Plugin || wish.notation != Notation::Form {
        return;
    }
    let said = wish.body.get("name").and_then(Json::as_str).map(str::to_owned);
    let named = said.or_else(|| {
        let current = admin.configuration.current.load();
        let entry = entities::find(current.index(), Kind::Plugin, None, changed?)?;
        Some(current.index().read(&current.document, entry).get("name")?.as_str()?.to_owned())
    });
    let Some(plugin) = described(admin, named.as_deref().unwrap_or_default()).await else { return };
    if let Some(config) = wish.body.get_mut("config").and_then(Json::as_object_mut) {
        entities::take_texts(&plugin.schema, config);
    }
}

fn kind(name: &str) -> Option<Kind> {
    let ours = Kind::ALL.into_iter().find(|kind| kind.spec().collection == name);
    ours.or_else(|| CALLED.iter().find(|(called, _)| *called == name).map(|(_, kind)| *kind))
}

fn no_entity(name: &str) -> Answer {
    Answer::message(StatusCode::NOT_FOUND, &format!("No entity named '{name}'"))
}

fn entity(name: &str) -> Answer {
    match kind(name) {
        Some(kind) => Answer::json(StatusCode::OK, &entities::told(kind)),
        None => no_entity(name),
    }
}

async fn plugin(admin: &Admin, request: &Request) -> Answer {
    let name = request.segment(2);
    let Some(plugin) = described(admin, name).await else {
        return Answer::message(StatusCode::NOT_FOUND, &format!("No plugin named '{name}'"));
    };
    match request.query.value("format") {
        None | Some("kong") => {
            let told = entities::told_of_plugin(name, &entities::settings(&plugin.schema));
            Answer::json(StatusCode::OK, &told)
        }
        Some("json-schema") => Answer::new(StatusCode::OK, "application/schema+json", format!("{}\n", plugin.schema)),
        Some(_) => Answer::message(StatusCode::BAD_REQUEST, "format must be one of: kong, json-schema"),
    }
}

/// Whether this body would make an entity.
async fn validate(admin: &Arc<Admin>, request: &Request) -> Answer {
    let Some(kind) = kind(request.segment(1)) else { return no_entity(request.segment(1)) };
    let wish = match wish(admin, request, kind, None).await {
        Ok(wish) => wish,
        Err(answer) => return answer,
    };
    let named = wish.body.get("name").and_then(Json::as_str).filter(|_| kind == Kind::Plugin).map(str::to_owned);
    let plugin = match &named {
        Some(name) => described(admin, name).await,
        None => None,
    };
    // Passwords are hashed on the way, and schemas made ready.
    let validated = tokio::task::spawn_blocking(move || {
        let schema = plugin.as_ref().map(|plugin| Schema::of(Arc::clone(&plugin.schema))).transpose();
        let schema = schema.map_err(|problem| Error::field("config", problem))?;
        entities::validate(wish, schema.as_ref())?;
        match named {
            Some(name) if schema.is_none() => Err(Error::field("name", format!("there is no plugin \"{name}\""))),
            _ => Ok(()),
        }
    });
    match validated.await {
        Ok(Ok(())) => Answer::json(StatusCode::OK, &json!({ "message": "schema validation successful" })),
        Ok(Err(error)) => change::refused(&error),
        Err(error) => {
            tracing::error!(%error, "a body could not be validated");
            Answer::message(StatusCode::INTERNAL_SERVER_ERROR, "An unexpected error occurred")
        }
    }
}
