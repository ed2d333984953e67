//! Routes.

use serde_json::{Value as Json, json};
use toml_edit::TableLike;

use super::texts::{any, method, name, pattern};
use super::{Change, Entity, Kind, Spec};
use crate::config::values::{HostPattern, Sni, Source};
use crate::entities::error::FieldErrors;
use crate::entities::schema::{Field, Type};
use crate::entities::tree::{Element, set};

pub(super) const SPEC: Spec = Spec {
    collection: "routes",
    list: "routes",
    label: Some("name"),
    label_key: "name",
    owners: &[("service", Kind::Service)],
    owned: true,
    as_tables: true,
    fields: FIELDS,
    read,
    write,
};

const FIELDS: &[Field] = &[
    Field::new("name", Type::Text(name), "How logs and metrics call it."),
    Field::new("protocols", Type::Array(&Type::OneOf(&["http", "https", "grpc", "grpcs"])), "What clients speak.")
        .or("[\"http\", \"https\"]"),
    Field::new("methods", Type::Array(&Type::Text(method)), "Which requests it takes, by method."),
    Field::new("hosts", Type::Array(&Type::Text(host)), "… by host; *.example.com and example.* stand for several."),
    Field::new("paths", Type::Array(&Type::Text(pattern)), "… by path: a prefix, or a regex behind \"~\"."),
    Field::new("headers", Type::Map(&Type::Array(&Type::Text(any))), "… by header, each with its values."),
    Field::new("snis", Type::Array(&Type::Text(sni)), "… by the name in the TLS handshake."),
    Field::new("sources", ENDS, "… by where they come from."),
    Field::new("destinations", ENDS, "Not to be had here: listeners are told apart by hosts."),
    Field::new("https_redirect_status_code", Type::Integer(301, 426), "What http is told where https is wanted.")
        .or("426"),
    Field::new("regex_priority", Type::Integer(-1_000_000, 1_000_000), "Which regex comes first: the greater.").or("0"),
    Field::new("strip_path", Type::Boolean, "Whether the prefix that matched stays here.").or("true"),
    Field::new("path_handling", Type::OneOf(&["v0", "v1"]), "How paths are joined; v0 is.").or("\"v0\""),
    Field::new("preserve_host", Type::Boolean, "Whether the client's Host goes on.").or("false"),
    Field::new("request_buffering", Type::Boolean, "Bodies always stream here, whatever is said.").or("true"),
    Field::new("response_buffering", Type::Boolean, "Bodies always stream here, whatever is said.").or("true"),
    Field::new("enabled", Type::Boolean, "Whether it is there at all.").or("true"),
    Field::new("body_bytes", Type::Text(any), "Largest request body, like \"10MiB\"; null: what holds for all."),
];

const ENDS: Type = Type::Array(&Type::Record(&[
    Field::new("ip", Type::Text(any), "An address, or a range of them."),
    Field::new("port", Type::Integer(0, 65535), "A port."),
]));

fn host(text: &str) -> Result<(), String> {
    text.parse::<HostPattern>().map(drop)
}

fn sni(text: &str) -> Result<(), String> {
    text.parse::<Sni>().map(drop)
}

/// Fields that gateway.toml has by the same names, and what they are if it does not say.
fn alike() -> [(&'static str, Json); 11] {
    [
        ("name", Json::Null),
        ("methods", Json::Null),
        ("hosts", Json::Null),
        ("paths", Json::Null),
        ("snis", Json::Null),
        ("https_redirect_status_code", json!(426)),
        ("regex_priority", json!(0)),
        ("strip_path", json!(true)),
        ("preserve_host", json!(false)),
        ("enabled", json!(true)),
        ("body_bytes", Json::Null),
    ]
}

fn read(route: Element<'_>, entity: &mut Entity) {
    for (field, _) in alike() {
        let said = route.get(field);
        if !said.is_null() {
            entity.insert(field.to_owned(), said);
        }
    }
    if let Json::Array(protocols) = route.get("protocols") {
        entity.insert("protocols".to_owned(), Json::Array(protocols));
    }
    if let Json::Object(headers) = route.get("headers") {
        // One value may stand without brackets.
        let listed = headers.into_iter().map(|(name, values)| match values {
            Json::Array(_) => (name, values),
            one => (name, json!([one])),
        });
        entity.insert("headers".to_owned(), listed.collect());
    }
    if let Json::Array(sources) = route.get("sources") {
        let ends = sources.iter().filter_map(|source| source.as_str()?.parse::<Source>().ok());
        let ends = ends.map(|source| json!({ "ip": source.network(), "port": source.port() }));
        entity.insert("sources".to_owned(), ends.collect());
    }
}

fn write(table: &mut dyn TableLike, change: &Change<'_>) -> Result<(), FieldErrors> {
    let mut wrong = FieldErrors::new();
    let no_list = |value: &Json| value.as_array().is_none_or(Vec::is_empty);
    if !no_list(change.after("destinations")) {
        wrong.insert("destinations".to_owned(), json!("not to be had here: tell clients apart by hosts or snis"));
    }
    if change.after("path_handling") == "v1" {
        wrong.insert("path_handling".to_owned(), json!("not to be had here: expected v0"));
    }
    for field in ["request_buffering", "response_buffering"] {
        if change.after(field) == &json!(false) {
            wrong.insert(field.to_owned(), json!("bodies always stream here: leave it out"));
        }
    }
    for (field, otherwise) in alike() {
        change.plain(table, field, field, &otherwise);
    }
    // An empty list matches nothing in particular, as does none.
    for field in ["methods", "hosts", "paths", "snis"] {
        if no_list(change.after(field)) {
            set(table, field, &Json::Null);
        }
    }
    change.plain(table, "protocols", "protocols", &json!(["http", "https"]));
    if change.concerns(&["headers"]) {
        let headers = change.after("headers");
        set(table, "headers", if headers.as_object().is_none_or(|all| all.is_empty()) { &Json::Null } else { headers });
    }
    if change.concerns(&["sources"]) {
        match sources(change.after("sources")) {
            Ok(sources) => set(table, "sources", &sources),
            Err(problem) => drop(wrong.insert("sources".to_owned(), json!(problem))),
        }
    }
    if wrong.is_empty() { Ok(()) } else { Err(wrong) }
}

fn sources(ends: &Json) -> Result<Json, String> {
    let mut sources = Vec::new();
    for end in ends.as_array().into_iter().flatten() {
        let port = end.get("port").and_then(Json::as_u64).and_then(|port| u16::try_from(port).ok());
        let net = match (end.get("ip").and_then(Json::as_str), port) {
            (Some(net), _) => net,
            (None, Some(_)) => return Err("a port needs an ip here: 0.0.0.0/0 is any of IPv4, ::/0 of IPv6".to_owned()),
            (None, None) => return Err("expected an ip".to_owned()),
        };
        sources.push(Json::String(Source::new(net, port)?.to_string()));
    }
    Ok(if sources.is_empty() { Json::Null } else { Json::Array(sources) })
}
