//! Whether a body would make an entity, found out without making one (Kong: `/schemas/…/validate`): in a configuration of
//! its own, where nothing else is, so that nothing has to be unique and what it belongs to need not exist.

use std::path::Path;

use serde_json::{Value as Json, json};
use toml_edit::DocumentMut;

use super::error::Error;
use super::faults::explain;
use super::index::Index;
use super::kinds::{Entity, Kind};
use super::schema::{Field, Notation, Type, check};
use super::write::{Wish, create};
use crate::config;
use crate::host::schema::Schema;

/// What any configuration has to have.
const NOTHING: &str = "listeners = [{ address = \"127.0.0.1:0\" }]\n";

/// Look at what `wish` says, as making it would; `schema` is that of its plugin's config, if it is a use of one.
///
/// # Errors
/// What is wrong with it.
pub fn validate(mut wish: Wish, schema: Option<&Schema>) -> Result<(), Error> {
    let mut document: DocumentMut = NOTHING.parse().unwrap_or_default();
    let elsewhere = take_elsewhere(&mut wish)?;
    if wish.kind.spec().owned {
        wish.owner = stand_in(&mut document, wish.kind, &elsewhere)?;
    }
    let index = Index::of(&document);
    let edited = create(&mut document, &index, &wish)?;
    let text = document.to_string();
    let told = |report| explain(&report, &text, &edited.at);
    let (config, faults) = config::parse(Path::new("gateway.toml"), &text).map_err(told)?;
    if let (Some(schema), Some(plugin_use)) = (schema, config.plugins.first()) {
        schema.check(plugin_use.plugin.value.as_str(), &plugin_use.config, &faults);
    }
    if faults.is_empty() { Ok(()) } else { Err(told(faults.into_report())) }
}

/// Take out of the body what it says of others, which need not exist, and what would have it looked at no further; all
/// of that, checked.
fn take_elsewhere(wish: &mut Wish) -> Result<Entity, Error> {
    let spec = wish.kind.spec();
    let is_elsewhere = |field: &&Field| {
        matches!(field.takes, Type::Foreign(_)) || ["ca_certificates", "enabled"].contains(&field.name)
    };
    let mut fields: Vec<Field> = spec.fields.iter().filter(is_elsewhere).copied().collect();
    fields.extend(spec.owners.iter().map(|(field, kind)| Field::new(field, Type::Foreign(kind.spec().collection), "")));
    let taken = fields.iter().filter_map(|field| Some((field.name.to_owned(), wish.body.remove(field.name)?)));
    let taken: Entity = taken.collect();
    check(&fields, &taken, wish.notation).map_err(Error::schema)
}

/// Something for it to belong to, if it says that it belongs to anything: the field, and the other's id.
fn stand_in(
    document: &mut DocumentMut,
    kind: Kind,
    elsewhere: &Entity,
) -> Result<Option<(&'static str, String)>, Error> {
    let Some((field, owner)) = kind.spec().owners.first() else { return Ok(None) };
    if elsewhere.get(*field).is_none_or(Json::is_null) {
        return Ok(None);
    }
    let body = match owner {
        Kind::Service => json!({ "host": "localhost" }),
        Kind::Consumer => json!({ "username": "somebody" }),
        _ => json!({ "name": "somewhere" }),
    };
    let body = body.as_object().cloned().unwrap_or_default();
    let wish = Wish { kind: *owner, body, notation: Notation::Typed, owner: None, now: 0 };
    let index = Index::of(document);
    let made = create(document, &index, &wish)?;
    Ok(made.value.get("id").and_then(Json::as_str).map(|id| (*field, id.to_owned())))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    fn said(kind: Kind, body: &Json) -> Result<(), Json> {
        let schema = json!({
            "properties": { "minute": { "type": "integer" } }, "additionalProperties": false
        });
        let schema = Schema::of(Arc::new(schema)).unwrap();
        let body = body.as_object().cloned().unwrap();
        let wish = Wish { kind, body, notation: Notation::Typed, owner: None, now: 0 };
        validate(wish, Some(&schema).filter(|_| kind == Kind::Plugin)).map_err(|error| error.body["fields"].clone())
    }

    #[test]
    fn what_could_be_made_is_right_whatever_else_there_is() {
        let id = "c0ffee00-0000-4000-8000-000000000001";
        for (kind, body) in [
            (Kind::Service, json!({ "name": "s", "url": "http://orders:81/base", "enabled": false })),
            (
                Kind::Service,
                json!({ "id": id, "host": "a", "client_certificate": { "id": id }, "ca_certificates": [id] }),
            ),
            (Kind::Route, json!({ "paths": ["/a"], "service": { "id": id } })),
            (Kind::Consumer, json!({ "username": "somebody" })),
            (Kind::KeyAuth, json!({ "key": "k", "consumer": { "username": "nobody" } })),
            (Kind::Acl, json!({ "group": "gold", "consumer": { "id": id } })),
            (Kind::Upstream, json!({ "name": "u", "algorithm": "least-connections" })),
            (Kind::Target, json!({ "target": "10.0.0.1:80", "upstream": { "name": "u" } })),
            (Kind::Plugin, json!({ "name": "p", "config": { "minute": 5 }, "route": { "id": id }, "enabled": false })),
        ] {
            assert_eq!(said(kind, &body), Ok(()), "{body}");
        }
    }

    #[test]
    fn what_could_not_be_made_is_told_by_field() {
        for (kind, body, field) in [
            (Kind::Service, json!({ "host": "a b" }), "/host"),
            (Kind::Service, json!({ "name": "s" }), "/host"),
            (Kind::Service, json!({ "host": "a", "enabled": "no" }), "/enabled"),
            (Kind::Service, json!({ "host": "a", "client_certificate": 7 }), "/client_certificate"),
            (Kind::Route, json!({ "paths": ["/a"] }), "/service"),
            (Kind::Route, json!({ "paths": ["~/("], "service": { "id": "x" } }), "/paths"),
            (Kind::Target, json!({ "target": "a:b:c", "upstream": { "id": "x" } }), "/target"),
            (Kind::Plugin, json!({ "name": "p", "config": { "minute": "many" }, "enabled": false }), "/config/minute"),
            (Kind::Plugin, json!({ "name": "p", "config": { "minutes": 1 } }), "/config/minutes"),
            (Kind::Plugin, json!({ "name": "p", "colour": 1 }), "/colour"),
        ] {
            let wrong = said(kind, &body).unwrap_err();
            assert!(wrong.pointer(field).is_some(), "{body}: {wrong}");
        }
    }
}
