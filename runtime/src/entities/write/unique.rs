//! What only one of a kind may have.

use serde_json::{Value as Json, json};
use toml_edit::DocumentMut;

use crate::entities::error::{Error, FieldErrors};
use crate::entities::index::{Entry, Index};
use crate::entities::kinds::{Entity, Kind};
use crate::entities::tree::element;

/// No other has its id, its label, or, for what has no label, says the same within the same.
pub(super) fn check_unique(
    index: &Index,
    document: &DocumentMut,
    kind: Kind,
    after: &Entity,
    current: Option<&Entry>,
) -> Result<(), Error> {
    let is_other = |entry: &&Entry| current.is_none_or(|current| current.id != entry.id);
    let clash = |fields: &[&str]| {
        let fields = fields.iter().map(|field| ((*field).to_owned(), after.get(*field).cloned().unwrap_or_default()));
        Err(Error::unique(fields.collect::<FieldErrors>()))
    };
    let text = |field: &str| after.get(field).and_then(Json::as_str);
    if text("id").and_then(|id| index.by_id(kind, id)).filter(is_other).is_some() {
        return clash(&["id"]);
    }
    let spec = kind.spec();
    let unique = spec.label.filter(|_| kind != Kind::Target);
    if let Some(label) = unique
        && text(label).and_then(|called| index.by_label(kind, called)).filter(is_other).is_some()
    {
        // A key is no answer's business.
        return if kind == Kind::KeyAuth {
            Err(Error::unique(FieldErrors::from_iter([(label.to_owned(), json!("***"))])))
        } else {
            clash(&[label])
        };
    }
    let also: &[&str] = match kind {
        Kind::Plugin => &["name", "consumer", "route", "service"],
        Kind::Acl => &["group", "consumer"],
        Kind::Target => &["target", "upstream"],
        Kind::CaCertificate if text("cert_digest").is_some() => &["cert_digest"],
        Kind::Consumer if text("custom_id").is_some() => &["custom_id"],
        _ => return Ok(()),
    };
    let same = |entry: &Entry| {
        let said = |field: &&&str| {
            element_field(index, document, entry, field) != after.get(**field).cloned().unwrap_or_default()
        };
        !also.iter().any(|field| said(&field))
    };
    if index.of_kind(kind).filter(is_other).any(same) { clash(also) } else { Ok(()) }
}

/// One field of an entity, read without the others.
fn element_field(index: &Index, document: &DocumentMut, entry: &Entry, field: &str) -> Json {
    if let Some((_, id)) = entry.owners.iter().find(|(owner, _)| *owner == field) {
        return json!({ "id": id });
    }
    let spec = entry.kind.spec();
    if spec.owners.iter().any(|(owner, _)| *owner == field) {
        return Json::Null;
    }
    match field {
        // Every consumer is looked at for each new one.
        "custom_id" => element(document, &entry.place).map_or(Json::Null, |element| element.get(field)),
        "name" | "group" | "target" => element(document, &entry.place)
            .and_then(|element| element.text(spec.label_key))
            .map_or(Json::Null, Json::from),
        _ => index.read(document, entry).remove(field).unwrap_or_default(),
    }
}
