//! Services: the URL of gateway.toml is protocol, host, port and path here.

use serde_json::{Value as Json, json};
use toml_edit::TableLike;

use super::texts::{any, host, name, path, uuid};
use super::{Change, Entity, Spec, milliseconds, period, refuse_all_but_defaults};
use crate::entities::error::FieldErrors;
use crate::entities::schema::{Field, Type};
use crate::entities::tree::{Element, set, set_in};

pub(super) const SPEC: Spec = Spec {
    collection: "services",
    list: "services",
    label: Some("name"),
    label_key: "name",
    owners: &[],
    owned: false,
    as_tables: true,
    fields: FIELDS,
    read,
    write,
};

const FIELDS: &[Field] = &[
    Field::new("name", Type::Text(name), "How logs and metrics call it."),
    Field::new("protocol", Type::OneOf(&["http", "https", "grpc", "grpcs"]), "What is spoken to it.").or("\"http\""),
    Field::new("host", Type::Text(host), "An upstream's name, any host, or unix:/path of a socket.").required(),
    Field::new("port", Type::Integer(0, 65535), "Unheard with an upstream, whose targets have their own.").or("80"),
    Field::new("path", Type::Text(path), "What goes before the path of every request."),
    Field::new("retries", Type::Integer(0, 100), "Further attempts after one that failed.").or("5"),
    Field::new("connect_timeout", TIMEOUT, "For a connection and its TLS handshake, in milliseconds.").or("5000"),
    Field::new("read_timeout", TIMEOUT, "Until the head of the response, in milliseconds.").or("60000"),
    Field::new("write_timeout", TIMEOUT, "Between two pieces of a body, in milliseconds.").or("60000"),
    Field::new("enabled", Type::Boolean, "Whether it is there at all.").or("true"),
    Field::new("tls_verify", Type::Boolean, "Whether its certificate has to be right; null: yes."),
    Field::new("tls_verify_depth", Type::Integer(0, 64), "Not to be had here: chains are as long as they have to be."),
    Field::new("tls_server_name", Type::Text(any), "The name that its certificate has to be for."),
    Field::new("client_certificate", Type::Foreign("certificates"), "What the gateway shows it."),
    Field::new("ca_certificates", Type::Array(&Type::Text(uuid)), "Who may vouch for its certificate."),
    Field::new("http_version", Type::OneOf(&["1", "2", "auto"]), "The version of HTTP that is spoken to it."),
];

const TIMEOUT: Type = Type::Integer(1, 2_147_483_646);

/// Which of gateway.toml's `timeouts` is which.
const TIMEOUTS: [(&str, &str); 3] =
    [("connect_timeout", "connect"), ("read_timeout", "response"), ("write_timeout", "idle")];

fn read(service: Element<'_>, entity: &mut Entity) {
    entity.insert("name".to_owned(), service.get("name"));
    if let Some(parts) = service.text("url").map(split_url) {
        entity.extend(parts);
    }
    for (field, key) in [("retries", "retries"), ("enabled", "enabled"), ("http_version", "http")] {
        let said = service.get(key);
        if !said.is_null() {
            entity.insert(field.to_owned(), said);
        }
    }
    let timeouts = service.get("timeouts");
    for (field, key) in TIMEOUTS {
        if let Some(said) = timeouts.get(key).and_then(milliseconds) {
            entity.insert(field.to_owned(), said);
        }
    }
    let tls = service.get("tls");
    for (field, key) in
        [("tls_verify", "verify"), ("tls_server_name", "server_name"), ("ca_certificates", "ca_certificates")]
    {
        entity.insert(field.to_owned(), tls.get(key).cloned().unwrap_or_default());
    }
    if let Some(id) = tls.get("certificate").and_then(Json::as_str) {
        entity.insert("client_certificate".to_owned(), json!({ "id": id }));
    }
}

fn write(table: &mut dyn TableLike, change: &Change<'_>) -> Result<(), FieldErrors> {
    let mut wrong = FieldErrors::new();
    refuse_all_but_defaults(FIELDS, &["tls_verify_depth"], change, &mut wrong);
    if !wrong.is_empty() {
        return Err(wrong);
    }
    change.plain(table, "name", "name", &Json::Null);
    if change.concerns(&["protocol", "host", "port", "path"]) {
        set(table, "url", &Json::String(joined_url(change.after)));
    }
    change.plain(table, "retries", "retries", &json!(5));
    change.plain(table, "enabled", "enabled", &json!(true));
    change.plain(table, "http_version", "http", &Json::Null);
    for (field, key) in TIMEOUTS {
        if change.concerns(&[field]) {
            set_in(table, "timeouts", key, &period(change.after(field)));
        }
    }
    for (field, key) in
        [("tls_verify", "verify"), ("tls_server_name", "server_name"), ("ca_certificates", "ca_certificates")]
    {
        if change.concerns(&[field]) {
            set_in(table, "tls", key, change.after(field));
        }
    }
    if change.concerns(&["client_certificate"]) {
        set_in(table, "tls", "certificate", change.after("client_certificate").get("id").unwrap_or(&Json::Null));
    }
    Ok(())
}

/// Protocol, host, port and path of a URL; what is none is taken for a host.
pub fn split_url(url: &str) -> Entity {
    let (protocol, rest) = url.split_once("://").unwrap_or(("http", url));
    let (authority, path) = match rest.strip_prefix("unix:") {
        Some(socket) => match socket.split_once(':') {
            Some((socket, path)) => (format!("unix:{socket}"), path),
            None => (rest.to_owned(), ""),
        },
        None => {
            let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
            (authority.to_owned(), path)
        }
    };
    let port = match authority.rsplit_once(':') {
        Some((_, port)) if !authority.starts_with("unix:") && !port.contains(']') => port.parse::<u16>().ok(),
        _ => None,
    };
    let host = port.and(authority.rsplit_once(':')).map_or(authority.as_str(), |(host, _)| host);
    let path = if path.is_empty() { Json::Null } else { json!(path) };
    [
        ("protocol", json!(protocol)),
        ("host", json!(host)),
        ("port", json!(port.unwrap_or(default_port(protocol)))),
        ("path", path),
    ]
    .map(|(name, value)| (name.to_owned(), value))
    .into_iter()
    .collect()
}

fn joined_url(service: &Entity) -> String {
    let text = |field: &str| service.get(field).and_then(Json::as_str).unwrap_or_default();
    let (protocol, host, path) = (text("protocol"), text("host"), text("path"));
    if host.starts_with("unix:") {
        let colon = if path.is_empty() { "" } else { ":" };
        return format!("{protocol}://{host}{colon}{path}");
    }
    // An address of IPv6 is told from its port by brackets.
    let host = if host.contains(':') && !host.starts_with('[') { format!("[{host}]") } else { host.to_owned() };
    match service.get("port").and_then(Json::as_u64) {
        // An upstream's name goes without, and usually that is said by the usual port.
        Some(port) if port != u64::from(default_port(protocol)) => format!("{protocol}://{host}:{port}{path}"),
        _ => format!("{protocol}://{host}{path}"),
    }
}

fn default_port(protocol: &str) -> u16 {
    if protocol.ends_with('s') { 443 } else { 80 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_are_taken_apart_and_put_together_again() {
        for url in [
            "http://orders",
            "https://orders.internal:8443/base",
            "http://[::1]:8080/a",
            "http://10.0.0.1/a/b",
            "grpc://unix:/run/app.sock",
            "http://unix:/run/app.sock:/base",
        ] {
            assert_eq!(joined_url(&split_url(url)), url);
        }
        assert_eq!(split_url("https://a")["port"], 443);
        assert_eq!(split_url("http://[::1]:8080")["host"], "[::1]");
    }
}
