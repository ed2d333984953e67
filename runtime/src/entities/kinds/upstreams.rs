//! Upstreams and their targets.

use serde_json::{Map, Value as Json, json};
use toml_edit::TableLike;

use super::texts::{any, name};
use super::{Change, Entity, Kind, Spec, milliseconds, refuse_all_but_defaults};
use crate::config::checked::HashOn;
use crate::entities::error::FieldErrors;
use crate::entities::schema::{Field, Type};
use crate::entities::tree::{Element, set, set_in};

pub(super) const SPEC: Spec = Spec {
    collection: "upstreams",
    list: "upstreams",
    label: Some("name"),
    label_key: "name",
    owners: &[],
    owned: false,
    as_tables: true,
    fields: FIELDS,
    read,
    write,
};

pub(super) const TARGET: Spec = Spec {
    collection: "targets",
    list: "targets",
    label: Some("target"),
    label_key: "address",
    owners: &[("upstream", Kind::Upstream)],
    owned: true,
    as_tables: false,
    fields: &[
        Field::new("target", Type::Text(any), "Where it listens: host:port, or unix:/path of a socket.").required(),
        Field::new("weight", Type::Integer(0, 65535), "Its share, among those of all.").or("100"),
    ],
    read: read_target,
    write: write_target,
};

const FIELDS: &[Field] = &[
    Field::new("name", Type::Text(name), "What services name as their host.").required(),
    Field::new("algorithm", Type::OneOf(ALGORITHMS), "Who gets the next request.").or("\"round-robin\""),
    Field::new("hash_on", Type::OneOf(HASH_ON), "What is hashed, with consistent-hashing.").or("\"none\""),
    Field::new("hash_fallback", Type::OneOf(HASH_ON), "What is hashed if a request has not that.").or("\"none\""),
    Field::new("hash_on_header", Type::Text(any), "The header, if it is one."),
    Field::new("hash_fallback_header", Type::Text(any), "The header, if it is one."),
    Field::new("hash_on_cookie", Type::Text(any), "The cookie, if it is one."),
    Field::new("hash_on_cookie_path", Type::Text(any), "Cookies are read here, and not set.").or("\"/\""),
    Field::new("hash_on_query_arg", Type::Text(any), "Not to be had here."),
    Field::new("hash_fallback_query_arg", Type::Text(any), "Not to be had here."),
    Field::new("hash_on_uri_capture", Type::Text(any), "Not to be had here."),
    Field::new("hash_fallback_uri_capture", Type::Text(any), "Not to be had here."),
    Field::new("host_header", Type::Text(any), "Not to be had here: see a route's preserve_host."),
    Field::new("client_certificate", Type::Foreign("certificates"), "Not to be had here: services have one."),
    Field::new("use_srv_name", Type::Boolean, "Not to be had here.").or("false"),
    Field::new("slots", Type::Integer(10, 65536), "Rings have as many slots here as they need.").or("10000"),
    Field::new("healthchecks", Type::Record(HEALTHCHECKS), "How it is found out who is healthy."),
];

/// Those that gateway.toml has nothing for.
const NOT_HERE: &[&str] = &[
    "hash_on_cookie_path",
    "hash_on_query_arg",
    "hash_fallback_query_arg",
    "hash_on_uri_capture",
    "hash_fallback_uri_capture",
    "host_header",
    "client_certificate",
    "use_srv_name",
];

const ALGORITHMS: &[&str] = &["round-robin", "least-connections", "consistent-hashing", "latency"];
const HASH_ON: &[&str] = &["none", "consumer", "ip", "header", "cookie", "path"];

const HEALTHCHECKS: &[Field] = &[
    Field::new("active", Type::Record(ACTIVE), "By asking."),
    Field::new("passive", Type::Record(PASSIVE), "By what requests come to."),
    Field::new("threshold", Type::Number(0.0, 100.0), "Percent of the weight that has to be healthy.").or("0"),
];

const ACTIVE: &[Field] = &[
    Field::new("type", Type::OneOf(&["http", "https", "tcp"]), "What is asked.").or("\"http\""),
    Field::new("http_path", Type::Text(any), "What is asked for.").or("\"/\""),
    Field::new("https_sni", Type::Text(any), "Whom is asked, as Host says."),
    Field::new("timeout", Type::Number(0.0, 65535.0), "How long an answer may take, in seconds.").or("1"),
    Field::new("concurrency", Type::Integer(1, 2_147_483_648), "Each target is asked by itself here.").or("10"),
    Field::new("https_verify_certificate", Type::Boolean, "As services say by tls_verify.").or("true"),
    Field::new("healthy", Type::Record(ACTIVE_HEALTHY), "What makes a target healthy."),
    Field::new("unhealthy", Type::Record(ACTIVE_UNHEALTHY), "What makes a target unhealthy."),
];

const ACTIVE_HEALTHY: &[Field] = &[
    Field::new("interval", Type::Number(0.0, 65535.0), "Between two probes, in seconds; 0: none.").or("0"),
    Field::new("successes", Type::Integer(0, 255), "So many in a row.").or("0"),
    Field::new("http_statuses", STATUSES, "What counts as good.").or("[200, 302]"),
];

const ACTIVE_UNHEALTHY: &[Field] = &[
    Field::new("interval", Type::Number(0.0, 65535.0), "As with healthy ones: one interval holds for all.").or("0"),
    Field::new("http_failures", Type::Integer(0, 255), "So many in a row.").or("0"),
    Field::new("tcp_failures", Type::Integer(0, 255), "Counted with the others.").or("0"),
    Field::new("timeouts", Type::Integer(0, 255), "Counted with the others.").or("0"),
    Field::new("http_statuses", STATUSES, "All that are not good are bad.")
        .or("[429, 404, 500, 501, 502, 503, 504, 505]"),
];

const PASSIVE: &[Field] = &[
    Field::new("type", Type::OneOf(&["http", "https", "tcp", "grpc", "grpcs"]), "What is looked at.").or("\"http\""),
    Field::new("healthy", Type::Record(PASSIVE_HEALTHY), "A target is tried again after a while."),
    Field::new("unhealthy", Type::Record(PASSIVE_UNHEALTHY), "What makes a target unhealthy."),
];

const PASSIVE_HEALTHY: &[Field] = &[
    Field::new("successes", Type::Integer(0, 255), "One good answer is enough here.").or("0"),
    Field::new("http_statuses", STATUSES, "All that are not bad are good.")
        .or("[200, 201, 202, 203, 204, 205, 206, 207, 208, 226, 300, 301, 302, 303, 304, 305, 306, 307, 308]"),
];

const PASSIVE_UNHEALTHY: &[Field] = &[
    Field::new("http_failures", Type::Integer(0, 255), "So many within `within`.").or("0"),
    Field::new("tcp_failures", Type::Integer(0, 255), "Counted with the others.").or("0"),
    Field::new("timeouts", Type::Integer(0, 255), "Counted with the others.").or("0"),
    Field::new("http_statuses", STATUSES, "What counts as bad.").or("[429, 500, 503]"),
];

const STATUSES: Type = Type::Array(&Type::Integer(100, 999));

fn read(upstream: Element<'_>, entity: &mut Entity) {
    entity.insert("name".to_owned(), upstream.get("name"));
    if let Json::String(balance) = upstream.get("balance") {
        let algorithm = if balance == "consistent-hash" { "consistent-hashing" } else { &balance };
        entity.insert("algorithm".to_owned(), json!(algorithm));
    }
    let hashed = upstream.get("hash_on");
    let hashed = hashed.as_array().into_iter().flatten().filter_map(|on| on.as_str()?.parse().ok());
    for (on, field) in hashed.zip(["hash_on", "hash_fallback"]) {
        let (kind, name) = match &on {
            HashOn::Header(name) => ("header", Some((format!("{field}_header"), name.to_string()))),
            HashOn::Cookie(name) => ("cookie", Some(("hash_on_cookie".to_owned(), name.clone()))),
            HashOn::Address => ("ip", None),
            HashOn::Path => ("path", None),
            HashOn::Consumer => ("consumer", None),
        };
        entity.insert(field.to_owned(), json!(kind));
        entity.extend(name.map(|(field, name)| (field, json!(name))));
    }
    let health = upstream.get("health");
    let mut insert = |pointer: &str, value: Option<Json>| {
        let checks = entity.get_mut("healthchecks").and_then(|checks| checks.pointer_mut(pointer));
        if let (Some(place), Some(value)) = (checks, value) {
            *place = value;
        }
    };
    insert("/threshold", health.get("threshold").cloned());
    if let Some(active) = health.get("active") {
        let said = |key: &str, otherwise: Json| Some(active.get(key).cloned().unwrap_or(otherwise));
        let interval = || said("interval", json!("5s")).as_ref().and_then(seconds);
        insert("/active/type", said("type", json!("http")));
        insert("/active/http_path", said("path", json!("/")));
        insert("/active/https_sni", active.get("host").cloned());
        insert("/active/timeout", said("timeout", json!("1s")).as_ref().and_then(seconds));
        insert("/active/healthy/interval", interval());
        insert("/active/unhealthy/interval", interval());
        insert("/active/healthy/successes", said("successes", json!(1)));
        insert("/active/healthy/http_statuses", said("statuses", json!([200, 201, 202, 204, 301, 302])));
        for field in ["http_failures", "tcp_failures", "timeouts"] {
            insert(&format!("/active/unhealthy/{field}"), said("failures", json!(2)));
        }
    }
    if let Some(passive) = health.get("passive") {
        let said = |key: &str, otherwise: Json| Some(passive.get(key).cloned().unwrap_or(otherwise));
        for field in ["http_failures", "tcp_failures", "timeouts"] {
            insert(&format!("/passive/unhealthy/{field}"), said("failures", json!(5)));
        }
        insert("/passive/unhealthy/http_statuses", said("statuses", json!([500, 502, 503, 504])));
    }
}

fn write(table: &mut dyn TableLike, change: &Change<'_>) -> Result<(), FieldErrors> {
    let mut wrong = FieldErrors::new();
    refuse_all_but_defaults(FIELDS, NOT_HERE, change, &mut wrong);
    if !wrong.is_empty() {
        return Err(wrong);
    }
    change.plain(table, "name", "name", &Json::Null);
    if change.concerns(&["algorithm"]) {
        let balance = match change.after("algorithm").as_str() {
            Some("consistent-hashing") => json!("consistent-hash"),
            Some("round-robin") | None => Json::Null,
            Some(other) => json!(other),
        };
        set(table, "balance", &balance);
    }
    let hashing = ["algorithm", "hash_on", "hash_fallback", "hash_on_header", "hash_fallback_header", "hash_on_cookie"];
    if change.concerns(&hashing) {
        set(table, "hash_on", &hashed(change)?);
    }
    if change.concerns(&["healthchecks"]) {
        health(table, change.after("healthchecks"));
    }
    // An upstream says what targets it has, if only that it has none.
    if table.get("targets").is_none_or(toml_edit::Item::is_none) {
        table.insert("targets", toml_edit::value(toml_edit::Array::new()));
    }
    Ok(())
}

/// What is hashed, as gateway.toml says it.
fn hashed(change: &Change<'_>) -> Result<Json, FieldErrors> {
    if change.after("algorithm") != "consistent-hashing" {
        return Ok(Json::Null);
    }
    let mut hashed = Vec::new();
    for field in ["hash_on", "hash_fallback"] {
        let named = |field: &str, kind: &str| match change.after(field).as_str() {
            Some(name) => Ok(format!("{kind}:{name}")),
            None => Err(FieldErrors::from_iter([(field.to_owned(), json!("required field missing"))])),
        };
        match change.after(field).as_str() {
            Some("header") => hashed.push(named(&format!("{field}_header"), "header")?),
            Some("cookie") => hashed.push(named("hash_on_cookie", "cookie")?),
            Some("ip") => hashed.push("address".to_owned()),
            Some(other @ ("path" | "consumer")) => hashed.push(other.to_owned()),
            _ => {}
        }
    }
    Ok(json!(hashed))
}

/// Has `upstream` say how it is found out who is healthy: by probes if there is an interval between them, by requests if
/// there is a number of failures.
fn health(upstream: &mut dyn TableLike, checks: &Json) {
    let whole = |pointer: &str| checks.pointer(pointer).cloned().unwrap_or_default();
    let number = |pointer: &str| checks.pointer(pointer).and_then(Json::as_f64).unwrap_or_default();
    let failures = |of: &str| {
        let counts = ["http_failures", "tcp_failures", "timeouts"];
        let counts = counts.map(|count| number(&format!("/{of}/unhealthy/{count}")));
        counts.into_iter().filter(|count| *count > 0.0).reduce(f64::min).map(|count| json!(count as i64))
    };
    let threshold = number("/threshold");
    let mut said = Map::new();
    if threshold > 0.0 {
        said.insert("threshold".to_owned(), json!(threshold as i64));
    }
    let intervals = [number("/active/healthy/interval"), number("/active/unhealthy/interval")];
    if let Some(interval) = intervals.into_iter().filter(|interval| *interval > 0.0).reduce(f64::min) {
        let successes = whole("/active/healthy/successes").as_i64().filter(|times| *times > 0);
        let active = [
            ("type", whole("/active/type")),
            ("path", whole("/active/http_path")),
            ("host", whole("/active/https_sni")),
            ("interval", period(interval)),
            ("timeout", period(number("/active/timeout"))),
            ("statuses", whole("/active/healthy/http_statuses")),
            ("successes", json!(successes.unwrap_or(1))),
            ("failures", failures("active").unwrap_or(json!(2))),
        ];
        said.insert("active".to_owned(), active.into_iter().collect());
    }
    if let Some(failures) = failures("passive") {
        let statuses = whole("/passive/unhealthy/http_statuses");
        said.insert("passive".to_owned(), json!({ "failures": failures, "statuses": statuses }));
    }
    for part in ["threshold", "active", "passive"] {
        let mut value = said.remove(part).unwrap_or_default();
        // What only gateway.toml can say stays.
        let kept = upstream.get("health").and_then(|health| health.get(part)).map(super::super::json::of_item);
        if let (Json::Object(value), Some(Json::Object(kept))) = (&mut value, kept) {
            for key in ["within", "recover"] {
                value.extend(kept.get(key).map(|said| (key.to_owned(), said.clone())));
            }
        }
        set_in(upstream, "health", part, &value);
    }
}

fn period(seconds: f64) -> Json {
    super::period(&json!((seconds * 1000.0).round() as i64))
}

fn seconds(period: &Json) -> Option<Json> {
    let milliseconds = milliseconds(period)?.as_i64()?;
    Some(if milliseconds % 1000 == 0 { json!(milliseconds / 1000) } else { json!(milliseconds as f64 / 1000.0) })
}

fn read_target(target: Element<'_>, entity: &mut Entity) {
    let address = target.text("address").or_else(|| target.text("service"));
    entity.insert("target".to_owned(), address.map_or(Json::Null, Json::from));
    let weight = target.get("weight");
    if !weight.is_null() {
        entity.insert("weight".to_owned(), weight);
    }
}

fn write_target(table: &mut dyn TableLike, change: &Change<'_>) -> Result<(), FieldErrors> {
    if change.concerns(&["target"]) {
        let target = change.after("target").as_str().unwrap_or_default();
        let bare = target.starts_with("unix:") || target.rsplit(']').next().is_some_and(|end| end.contains(':'));
        // Kong's port for a target that names none.
        let address = if bare { target.to_owned() } else { format!("{target}:8000") };
        set(table, "address", &Json::String(address));
    }
    change.plain(table, "weight", "weight", &json!(100));
    Ok(())
}
