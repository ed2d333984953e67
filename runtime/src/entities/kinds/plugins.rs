//! Uses of plugins. Which scope one is in is said by where it stands.

use serde_json::{Value as Json, json};
use toml_edit::TableLike;

use super::texts::{any, name};
use super::{Change, Entity, Kind, Spec};
use crate::entities::error::FieldErrors;
use crate::entities::schema::{Field, Type};
use crate::entities::tree::{Element, set};

pub(super) const SPEC: Spec = Spec {
    collection: "plugins",
    list: "plugins",
    label: None,
    label_key: "use",
    owners: &[("consumer", Kind::Consumer), ("route", Kind::Route), ("service", Kind::Service)],
    owned: false,
    as_tables: false,
    fields: FIELDS,
    read,
    write,
};

const FIELDS: &[Field] = &[
    Field::new("name", Type::Text(name), "A bundled plugin, or a component.").required(),
    Field::new("config", Type::Object, "Its settings; the plugin says which there are.").or("{}"),
    Field::new("enabled", Type::Boolean, "Whether it is there at all.").or("true"),
    Field::new("protocols", Type::Array(&Type::OneOf(PROTOCOLS)), "Which requests pass it: here, all.")
        .or("[\"grpc\", \"grpcs\", \"http\", \"https\"]"),
    Field::new("instance_name", Type::Text(any), "Not to be had here: a use is named by its plugin and scope."),
    Field::new(
        "priority",
        Type::Integer(-2_147_483_648, 2_147_483_647),
        "Its place in the chain; null: the plugin's own.",
    ),
    Field::new("on_failure", Type::OneOf(&["closed", "open"]), "Whether a request fails with it.").or("\"closed\""),
    Field::new("isolation", Type::OneOf(&["worker", "request"]), "Whose its instances are.").or("\"worker\""),
    Field::new("limits", Type::Object, "What a call may cost: time, wait, memory, body, instances."),
    Field::new("grants", Type::Object, "What it may do besides: http, secrets, sinks, credentials, sockets, files."),
    Field::new("trip", Type::Object, "When it is not called any more for a while: failures, within, cooldown."),
    Field::new("timer", Type::Text(any), "How often its timer hook is called, like \"30s\"."),
];

const PROTOCOLS: &[&str] = &["http", "https", "grpc", "grpcs", "tcp", "tls", "tls_passthrough", "udp", "ws", "wss"];

/// Fields as gateway.toml has them, and what they are if it does not say.
fn keys() -> [(&'static str, &'static str, Json); 10] {
    [
        ("name", "use", Json::Null),
        ("config", "config", json!({})),
        ("enabled", "enabled", json!(true)),
        ("priority", "priority", Json::Null),
        ("on_failure", "on_failure", json!("closed")),
        ("isolation", "isolation", json!("worker")),
        ("limits", "limits", Json::Null),
        ("grants", "grants", Json::Null),
        ("trip", "trip", Json::Null),
        ("timer", "timer", Json::Null),
    ]
}

fn read(plugin_use: Element<'_>, entity: &mut Entity) {
    for (field, key, _) in keys() {
        let said = plugin_use.get(key);
        if !said.is_null() {
            entity.insert(field.to_owned(), said);
        }
    }
}

fn write(table: &mut dyn TableLike, change: &Change<'_>) -> Result<(), FieldErrors> {
    if !change.after("instance_name").is_null() {
        let problem = json!("not to be had here: a use is named by its plugin and scope");
        return Err(FieldErrors::from_iter([("instance_name".to_owned(), problem)]));
    }
    for (field, key, otherwise) in keys() {
        if field == "config" && change.concerns(&["config"]) {
            // Null is a setting's way to say nothing.
            let config = without_nulls(change.after("config"));
            set(table, key, if config == otherwise { &Json::Null } else { &config });
        } else {
            change.plain(table, field, key, &otherwise);
        }
    }
    Ok(())
}

fn without_nulls(value: &Json) -> Json {
    match value {
        Json::Object(members) => {
            let said = members.iter().filter(|(_, member)| !member.is_null());
            said.map(|(name, member)| (name.clone(), without_nulls(member))).collect()
        }
        Json::Array(elements) => elements.iter().map(without_nulls).collect(),
        plain => plain.clone(),
    }
}
