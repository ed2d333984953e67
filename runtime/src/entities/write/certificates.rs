//! What certificates have to do with services, which refer to them, and with one another.

use serde_json::{Value as Json, json};
use toml_edit::DocumentMut;

use crate::entities::error::Error;
use crate::entities::index::{Entry, Index};
use crate::entities::kinds::{Entity, Kind, keep_list};
use crate::entities::tree::{remove, table_mut};
use crate::proposal::Step;

/// Have a service refer to certificates by their ids.
///
/// # Errors
/// There is none such.
pub(super) fn resolve(index: &Index, service: &mut Entity) -> Result<(), Error> {
    if let Some(named) = service.get_mut("client_certificate").filter(|named| !named.is_null()) {
        let key = named.as_object().and_then(|named| named.values().next()).and_then(Json::as_str);
        let found = key.and_then(|key| index.find(Kind::Certificate, key));
        let found = found.ok_or_else(|| Error::foreign_key("client_certificate", named, "certificates"))?;
        *named = json!({ "id": found.id });
    }
    for named in service.get_mut("ca_certificates").and_then(Json::as_array_mut).into_iter().flatten() {
        let found = named.as_str().and_then(|id| index.by_id(Kind::CaCertificate, id));
        let found = found.ok_or_else(|| Error::foreign_key("ca_certificates", named, "ca_certificates"))?;
        *named = json!(found.id);
    }
    Ok(())
}

/// What a service refers to: certificates and authorities, by their ids.
fn references(service: &Entity) -> impl Iterator<Item = (Kind, &str)> {
    let certificate = service.get("client_certificate").and_then(|certificate| certificate.get("id"));
    let authorities = service.get("ca_certificates").and_then(Json::as_array).into_iter().flatten();
    let certificate = certificate.into_iter().map(|id| (Kind::Certificate, id));
    let all = certificate.chain(authorities.map(|id| (Kind::CaCertificate, id)));
    all.filter_map(|(kind, id)| Some((kind, id.as_str()?)))
}

/// Have everything that `service` refers to say its id, for the service's table to go by.
pub(super) fn identify(document: &mut DocumentMut, index: &Index, service: &Entity) {
    for (kind, id) in references(service) {
        let Some(entry) = index.by_id(kind, id) else { continue };
        if let Some(table) = table_mut(document, &entry.place, "").filter(|table| !table.contains_key("id")) {
            table.insert("id", toml_edit::value(entry.id.as_str()));
        }
    }
}

/// No service refers to `entry`, which is to go.
///
/// # Errors
/// One does.
pub(super) fn check_unreferenced(document: &DocumentMut, index: &Index, entry: &Entry) -> Result<(), Error> {
    if !matches!(entry.kind, Kind::Certificate | Kind::CaCertificate) {
        return Ok(());
    }
    for service in index.of_kind(Kind::Service) {
        let service = index.read(document, service);
        if references(&service).any(|(kind, id)| kind == entry.kind && id == entry.id) {
            return Err(Error::referenced(entry.kind.spec().collection, "services"));
        }
    }
    Ok(())
}

/// A name is in one certificate's list only.
///
/// # Errors
/// Another one lists it, too.
pub(super) fn check_names(index: &Index, certificate: &Entity) -> Result<(), Error> {
    let names = certificate.get("snis").and_then(Json::as_array).into_iter().flatten();
    for name in names.filter_map(Json::as_str) {
        let owner = index.by_label(Kind::Sni, name).and_then(|sni| sni.owners.first());
        if let Some((_, other)) = owner.filter(|(_, other)| certificate.get("id") != Some(&json!(other))) {
            let problem = format!("{name} already associated with existing certificate '{other}'");
            return Err(Error::field("snis", problem));
        }
    }
    Ok(())
}

/// Remove the element at `place`, of this kind. A certificate whose last name is removed is shown to nobody.
pub(super) fn take_out(document: &mut DocumentMut, kind: Kind, place: &[Step]) {
    remove(document, place);
    if kind == Kind::Sni
        && let [certificate @ .., _, _] = place
        && let Some(table) = table_mut(document, certificate, "")
    {
        keep_list(table);
    }
}
