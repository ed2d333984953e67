//! Where each entity of a document stands, and how to find it: by id, or by the name that its kind goes by.

use std::collections::HashMap;

use serde_json::{Value as Json, json};
use toml_edit::DocumentMut;
use uuid::Uuid;

use super::kinds::{Entity, Kind};
use super::tree::{Element, element, elements};
use crate::proposal::{Place, Step};

/// All entities of a document, in its order.
#[derive(Debug, Default)]
pub struct Index {
    entries: Vec<Entry>,
    by_id: HashMap<(Kind, String), usize>,
    by_label: HashMap<(Kind, String), usize>,
}

/// One entity.
#[derive(Debug, Clone)]
pub struct Entry {
    /// What it is.
    pub kind: Kind,
    /// Its id, a UUID: what its table says, or made of what it is called.
    pub id: String,
    /// What it is called, if anything.
    pub label: Option<String>,
    /// Where it stands.
    pub place: Place,
    /// What it belongs to: the field that says so, and the other's id.
    pub owners: Vec<(&'static str, String)>,
}

/// Ids of what has none of its own are made within this.
const NAMESPACE: Uuid = Uuid::from_u128(0x7e1d_8f57_3a0c_4c1e_9a54_6f1d_20c3_b9a1);

/// The entities below which others stand, with what those are.
const BELOW: [(Kind, &[Kind]); 5] = [
    (Kind::Service, &[Kind::Route, Kind::Plugin]),
    (Kind::Route, &[Kind::Plugin]),
    (Kind::Consumer, &[Kind::KeyAuth, Kind::BasicAuth, Kind::Jwt, Kind::HmacAuth, Kind::Acl, Kind::Plugin]),
    (Kind::Upstream, &[Kind::Target]),
    (Kind::Certificate, &[Kind::Sni]),
];

impl Index {
    /// Of everything in `document`.
    pub fn of(document: &DocumentMut) -> Self {
        let mut index = Self::default();
        let top = Element::Table(document.as_table());
        let kinds =
            [Kind::Certificate, Kind::CaCertificate, Kind::Service, Kind::Upstream, Kind::Consumer, Kind::Plugin];
        for kind in kinds {
            index.list(kind, top, &Vec::new(), None);
        }
        index.resolve_scopes(document);
        index
    }

    /// Those of this kind.
    pub fn of_kind(&self, kind: Kind) -> impl Iterator<Item = &Entry> {
        self.entries.iter().filter(move |entry| entry.kind == kind)
    }

    /// The one with this id, or else the one that is called so.
    pub fn find(&self, kind: Kind, id_or_label: &str) -> Option<&Entry> {
        self.by_id(kind, id_or_label).or_else(|| self.by_label(kind, id_or_label))
    }

    /// The one with this id.
    pub fn by_id(&self, kind: Kind, id: &str) -> Option<&Entry> {
        let found = self.by_id.get(&(kind, id.to_ascii_lowercase()))?;
        self.entries.get(*found)
    }

    /// The one that is called so.
    pub fn by_label(&self, kind: Kind, label: &str) -> Option<&Entry> {
        let found = self.by_label.get(&(kind, label.to_owned()))?;
        self.entries.get(*found)
    }

    /// What `entry` is, with what it belongs to.
    pub fn read(&self, document: &DocumentMut, entry: &Entry) -> Entity {
        let Some(element) = element(document, &entry.place) else { return Entity::new() };
        let mut entity = entry.kind.read(element);
        entity.insert("id".to_owned(), Json::String(entry.id.clone()));
        if entry.kind == Kind::Service {
            self.resolve_certificates(&mut entity);
        }
        for (field, _) in entry.kind.spec().owners {
            let owner = entry.owners.iter().find(|(owner, _)| owner == field);
            entity.insert((*field).to_owned(), owner.map_or(Json::Null, |(_, id)| json!({ "id": id })));
        }
        entity
    }

    /// Services may name certificates otherwise than by their ids.
    fn resolve_certificates(&self, service: &mut Entity) {
        let resolve = |kind: Kind, named: &mut Json| {
            if let Some(found) = named.as_str().and_then(|named| self.find(kind, named)) {
                *named = json!(found.id);
            }
        };
        if let Some(named) = service.get_mut("client_certificate").and_then(|certificate| certificate.get_mut("id")) {
            resolve(Kind::Certificate, named);
        }
        if let Some(Json::Array(named)) = service.get_mut("ca_certificates") {
            named.iter_mut().for_each(|named| resolve(Kind::CaCertificate, named));
        }
    }

    /// Note one that has just been written at `place`, behind all others of its list; gives its id.
    pub(super) fn add(
        &mut self,
        document: &DocumentMut,
        kind: Kind,
        place: Place,
        owners: Vec<(&'static str, String)>,
    ) -> Option<String> {
        let element = element(document, &place)?;
        let above = owners.first().and_then(|(field, id)| {
            let (_, kind) = kind.spec().owners.iter().find(|(owner, _)| owner == field)?;
            self.by_id.get(&(*kind, id.clone())).copied()
        });
        let noted = self.note(kind, element, place, above);
        let entry = self.entries.get_mut(noted)?;
        entry.owners = owners;
        Some(entry.id.clone())
    }

    /// Note the elements of `above` that are of this kind, and what stands below them.
    fn list(&mut self, kind: Kind, above: Element<'_>, place: &Place, owner: Option<usize>) {
        let Element::Table(table) = above else { return };
        let spec = kind.spec();
        for (position, element) in elements(table, spec.list) {
            if kind.credential().is_some_and(|said| element.text("kind") != Some(said)) {
                continue;
            }
            let mut at = place.clone();
            at.extend([Step::Key(spec.list.to_owned()), Step::Element(position)]);
            let noted = self.note(kind, element, at.clone(), owner);
            for below in BELOW.iter().filter(|(above, _)| *above == kind).flat_map(|(_, below)| *below) {
                self.list(*below, element, &at, Some(noted));
            }
        }
    }

    fn note(&mut self, kind: Kind, element: Element<'_>, place: Place, owner: Option<usize>) -> usize {
        let spec = kind.spec();
        let owner_position = owner;
        let owner = owner.and_then(|owner| self.entries.get(owner));
        let label = spec.label.and_then(|_| element.text(spec.label_key)).map(str::to_owned);
        // A certificate need not be called anything.
        let called = element.text(spec.label_key).or_else(|| element.text("cert")).unwrap_or_default();
        let id = match element.get("id") {
            Json::String(id) => id.to_ascii_lowercase(),
            _ => {
                let within = owner.map_or("", |owner| &owner.id);
                // Two of the same name within the same are a fault, but not here.
                Uuid::new_v5(&NAMESPACE, format!("{}/{within}/{called}", spec.collection).as_bytes()).to_string()
            }
        };
        let mut owners = Vec::new();
        if let Some(owner) = owner {
            let field = spec.owners.iter().find(|(_, kind)| *kind == owner.kind);
            owners.extend(field.map(|(field, _)| (*field, owner.id.clone())));
        }
        let noted = self.entries.len();
        self.by_id.entry((kind, id.clone())).or_insert(noted);
        // Targets are called the same in different upstreams.
        if let Some(label) = label.clone().filter(|_| kind != Kind::Target) {
            self.by_label.entry((kind, label)).or_insert(noted);
        }
        // Kong has certificates found by the names that they are shown for; here they may have one, too.
        let also = match kind {
            Kind::Sni => owner_position.map(|owner| (Kind::Certificate, owner)),
            Kind::Certificate | Kind::CaCertificate => Some((kind, noted)),
            _ => None,
        };
        if let (Some((kind, noted)), Some(name)) = (also, element.text("name")) {
            self.by_label.entry((kind, name.to_owned())).or_insert(noted);
        }
        self.entries.push(Entry { kind, id, label, place, owners });
        noted
    }

    /// Uses that stand with a consumer may name a route or a service for which they hold.
    fn resolve_scopes(&mut self, document: &DocumentMut) {
        for position in 0..self.entries.len() {
            let Some(entry) = self.entries.get(position).filter(|entry| entry.kind == Kind::Plugin) else { continue };
            let Some(element) = element(document, &entry.place) else { continue };
            let named = [("route", Kind::Route), ("service", Kind::Service)].map(|(field, kind)| {
                let other = element.text(field).and_then(|name| self.find(kind, name))?;
                Some((field, other.id.clone()))
            });
            if let Some(entry) = self.entries.get_mut(position) {
                entry.owners.extend(named.into_iter().flatten());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "\
plugins = [{ use = \"everywhere\" }]
[[services]]
name = \"a\"
url = \"http://u/base\"
plugins = [{ use = \"of-service\" }]
[[services.routes]]
name = \"r\"
paths = [\"/\"]
plugins = [{ use = \"of-route\", config = { key_names = [\"k\"] } }]
[[services]]
id = \"AAAAAAAA-0000-4000-8000-000000000001\"
url = \"http://b:81\"
[[upstreams]]
name = \"u\"
targets = [\"10.0.0.1:80\", { address = \"10.0.0.2:80\", weight = 5 }]
[[consumers]]
username = \"alice\"
groups = [\"gold\"]
credentials = [{ kind = \"KEY\", key = \"k1\" }, { kind = \"NAME\", username = \"al\", password = \"env:P\" }]
plugins = [{ use = \"of-consumer\", route = \"r\", config = { minute = 5 } }]
";

    fn indexed() -> (DocumentMut, Index) {
        let kind = |kind: Kind| kind.credential().unwrap();
        let text = TEXT.replace("KEY", kind(Kind::KeyAuth)).replace("NAME", kind(Kind::BasicAuth));
        let document = text.parse().unwrap();
        let index = Index::of(&document);
        (document, index)
    }

    #[test]
    fn everything_is_found_by_id_and_by_name() {
        let (document, index) = indexed();
        let route = index.find(Kind::Route, "r").unwrap();
        assert_eq!(index.find(Kind::Route, &route.id).unwrap().place, route.place);
        let read = index.read(&document, route);
        assert_eq!(read["paths"], json!(["/"]));
        assert_eq!(read["service"]["id"], index.find(Kind::Service, "a").unwrap().id);
        let unnamed = index.find(Kind::Service, "aaaaaaaa-0000-4000-8000-000000000001").unwrap();
        let read = index.read(&document, unnamed);
        assert_eq!((&read["name"], &read["host"], &read["port"]), (&Json::Null, &json!("b"), &json!(81)));
        assert!(index.find(Kind::Route, "a").is_none());
    }

    #[test]
    fn plugins_say_their_scopes() {
        let (document, index) = indexed();
        let scopes: Vec<_> = index
            .of_kind(Kind::Plugin)
            .map(|entry| {
                let read = index.read(&document, entry);
                let scope = ["consumer", "route", "service"].into_iter().filter(|field| !read[*field].is_null());
                (read["name"].as_str().unwrap().to_owned(), scope.collect::<Vec<_>>().join("+"))
            })
            .collect();
        let expected =
            [("of-route", "route"), ("of-service", "service"), ("of-consumer", "consumer+route"), ("everywhere", "")];
        assert_eq!(scopes, expected.map(|(name, scope)| (name.to_owned(), scope.to_owned())));
    }

    #[test]
    fn what_consumers_have_is_told_apart_by_its_kind() {
        let (document, index) = indexed();
        let count = |kind| index.of_kind(kind).count();
        assert_eq!([Kind::KeyAuth, Kind::BasicAuth, Kind::Jwt, Kind::Acl].map(count), [1, 1, 0, 1]);
        let acl = index.of_kind(Kind::Acl).next().unwrap();
        assert_eq!(index.read(&document, acl)["group"], "gold");
        let targets: Vec<_> =
            index.of_kind(Kind::Target).map(|entry| index.read(&document, entry)["weight"].clone()).collect();
        assert_eq!(targets, [json!(100), json!(5)]);
    }

    #[test]
    fn ids_are_the_same_each_time() {
        let ids = || indexed().1.entries.into_iter().map(|entry| entry.id).collect::<Vec<_>>();
        assert_eq!(ids(), ids());
        let unique: std::collections::HashSet<_> = ids().into_iter().collect();
        assert_eq!(unique.len(), ids().len());
    }
}
