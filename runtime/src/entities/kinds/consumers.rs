//! Consumers, and the groups they belong to (Kong: acls).

use serde_json::Value as Json;
use toml_edit::TableLike;

use super::texts::name;
use super::{Change, Entity, Kind, Spec};
use crate::entities::error::{Error, FieldErrors};
use crate::entities::schema::{Field, Type};
use crate::entities::tree::Element;

pub(super) const SPEC: Spec = Spec {
    collection: "consumers",
    list: "consumers",
    label: Some("username"),
    label_key: "username",
    owners: &[],
    owned: false,
    as_tables: true,
    fields: &[
        Field::new("username", Type::Text(name), "Who this is, as the upstream is told."),
        Field::new("custom_id", Type::Text(name), "The id that another system has for them."),
    ],
    read,
    write,
};

pub(super) const ACL: Spec = Spec {
    collection: "acls",
    list: "groups",
    label: None,
    label_key: "name",
    owners: &[("consumer", Kind::Consumer)],
    owned: true,
    as_tables: false,
    fields: &[Field::new("group", Type::Text(name), "What the plugin acl lets in, or keeps out.").required()],
    read: |group, entity| {
        entity.insert("group".to_owned(), group.text("name").map_or(Json::Null, Json::from));
    },
    write: |table, change| {
        change.plain(table, "group", "name", &Json::Null);
        Ok(())
    },
};

fn read(consumer: Element<'_>, entity: &mut Entity) {
    for field in ["username", "custom_id"] {
        entity.insert(field.to_owned(), consumer.get(field));
    }
}

fn write(table: &mut dyn TableLike, change: &Change<'_>) -> Result<(), FieldErrors> {
    if ["username", "custom_id"].into_iter().all(|field| change.after(field).is_null()) {
        let mut wrong = FieldErrors::new();
        wrong.insert(
            Error::WHOLE.to_owned(),
            Json::from(vec!["at least one of these fields must be non-empty: 'custom_id', 'username'"]),
        );
        return Err(wrong);
    }
    change.plain(table, "username", "username", &Json::Null);
    change.plain(table, "custom_id", "custom_id", &Json::Null);
    Ok(())
}
