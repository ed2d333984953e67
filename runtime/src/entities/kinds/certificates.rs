//! Certificates, the names that they are shown for (Kong: snis), and authorities. A certificate lists its names, as texts
//! or, those that have ids of their own, as tables.

use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use serde_json::{Value as Json, json};
use toml_edit::TableLike;

use super::credentials::HIDDEN;
use super::texts::any;
use super::{Change, Entity, Kind, Spec};
use crate::entities::error::FieldErrors;
use crate::entities::schema::{Field, Type};
use crate::entities::tree::{Element, elements, push_text, remove_at, set};
use crate::generations::sha256;
use crate::tls::names::Pattern;

pub(super) const SPEC: Spec = Spec {
    collection: "certificates",
    list: "certificates",
    label: None,
    label_key: "name",
    owners: &[],
    owned: false,
    as_tables: true,
    fields: &[
        Field::new("cert", Type::Text(any), "The chain, the server's own certificate first, in PEM.").required(),
        Field::new("key", Type::Text(any), "Its unencrypted key, in PEM; never shown again.").required(),
        Field::new("cert_alt", Type::Text(any), "A second one with a key of another type, RSA beside ECDSA."),
        Field::new("key_alt", Type::Text(any), "The second one's key."),
        Field::new("snis", Type::Array(&Type::Text(pattern)), "Who is shown it; null: whoever asks for a name in it."),
    ],
    read,
    write,
};

pub(super) const SNI: Spec = Spec {
    collection: "snis",
    list: "snis",
    label: Some("name"),
    label_key: "name",
    owners: &[("certificate", Kind::Certificate)],
    owned: true,
    as_tables: false,
    fields: &[Field::new("name", Type::Text(pattern), "What clients ask for; a star stands for one label.").required()],
    read: |sni, entity| {
        entity.insert("name".to_owned(), sni.text("name").map_or(Json::Null, Json::from));
    },
    write: |table, change| {
        change.plain(table, "name", "name", &Json::Null);
        Ok(())
    },
};

pub(super) const CA: Spec = Spec {
    collection: "ca_certificates",
    list: "ca_certificates",
    label: None,
    label_key: "name",
    owners: &[],
    owned: false,
    as_tables: true,
    fields: &[
        Field::new("cert", Type::Text(any), "One certificate of an authority, in PEM.").required(),
        Field::new("cert_digest", Type::Text(any), "SHA-256 of it, whatever is said here."),
    ],
    read: |authority, entity| {
        entity.insert("cert".to_owned(), authority.get("cert"));
        entity.insert("cert_digest".to_owned(), digest(&authority.get("cert")));
    },
    write: |table, change| {
        change.plain(table, "cert", "cert", &Json::Null);
        Ok(())
    },
};

const PEMS: [&str; 4] = ["cert", "key", "cert_alt", "key_alt"];

fn pattern(text: &str) -> Result<(), String> {
    text.parse::<Pattern>().map(drop)
}

fn read(certificate: Element<'_>, entity: &mut Entity) {
    for field in PEMS {
        entity.insert(field.to_owned(), certificate.get(field));
    }
    if let Element::Table(table) = certificate
        && table.contains_key("snis")
    {
        let names = elements(table, "snis").into_iter().filter_map(|(_, sni)| sni.text("name")).map(Json::from);
        entity.insert("snis".to_owned(), names.collect());
    }
}

fn write(table: &mut dyn TableLike, change: &Change<'_>) -> Result<(), FieldErrors> {
    for field in PEMS {
        if change.after(field) != HIDDEN {
            change.plain(table, field, field, &Json::Null);
        } else if !table.contains_key(field) {
            let problem = json!("*** stands for a key that is there already: send the key itself");
            return Err(FieldErrors::from_iter([(field.to_owned(), problem)]));
        }
    }
    if change.concerns(&["snis"])
        && let Json::Array(names) = change.after("snis")
    {
        list(table, names);
    }
    Ok(())
}

/// Have the certificate `table` list these names, and leave those that it lists already as they are written.
fn list(table: &mut dyn TableLike, names: &[Json]) {
    let listed = elements(table, "snis").into_iter().map(|(at, sni)| (at, sni.text("name").map(Json::from)));
    let listed: Vec<(usize, Json)> = listed.map(|(at, name)| (at, name.unwrap_or_default())).collect();
    // From the end, so that none moves before its turn.
    for (at, _) in listed.iter().rev().filter(|(_, name)| !names.contains(name)) {
        remove_at(table, "snis", *at);
    }
    keep_list(table);
    for name in names.iter().filter(|name| !listed.iter().any(|(_, known)| known == *name)) {
        push_text(table, "snis", "name", name.as_str().unwrap_or_default());
    }
}

/// Fill in what follows from the rest, or from what was there `before`; nothing was if it is new.
pub(in crate::entities) fn complete(kind: Kind, before: Option<&Entity>, after: &mut Entity) {
    match kind {
        // Names are said by their own list or not at all: a certificate does not lose them by being written anew.
        Kind::Certificate if after.get("snis").is_none_or(Json::is_null) => {
            let names = before.map_or(json!([]), |before| before.get("snis").cloned().unwrap_or_default());
            after.insert("snis".to_owned(), names);
        }
        Kind::CaCertificate => {
            let digest = digest(after.get("cert").unwrap_or(&Json::Null));
            after.insert("cert_digest".to_owned(), digest);
        }
        _ => {}
    }
}

/// SHA-256 of the certificate itself, in hexadecimal; null where only a file has it.
fn digest(cert: &Json) -> Json {
    let der = cert.as_str().and_then(|text| CertificateDer::from_pem_slice(text.as_bytes()).ok());
    der.map_or(Json::Null, |der| json!(sha256(&der)))
}

/// Have `table` list no names, if it lists none: without a list, it would be shown for those in it.
pub(in crate::entities) fn keep_list(table: &mut dyn TableLike) {
    if !table.contains_key("snis") {
        set(table, "snis", &json!([]));
    }
}
