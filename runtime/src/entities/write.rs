//! Making, changing and removing entities: each is an edit of a table of gateway.toml.

mod certificates;
mod scope;
mod unique;

use serde_json::{Value as Json, json};
use toml_edit::DocumentMut;
use uuid::Uuid;

use super::error::Error;
use super::index::{Entry, Index};
use super::kinds::{Change, Entity, Kind, complete, hidden};
use super::schema::{Field, Notation, Type, check, defaults, missing};
use super::tree::{element, push, table_mut};
use crate::proposal::{Edited, Place, Step};
use scope::Scope;
use unique::check_unique;

pub use scope::positions;

/// What somebody wants an entity to be.
#[derive(Debug, Clone)]
pub struct Wish {
    /// What it is.
    pub kind: Kind,
    /// What its client says of it.
    pub body: Entity,
    /// How that is written.
    pub notation: Notation,
    /// What the path says that it belongs to: the field, and the other's id.
    pub owner: Option<(&'static str, String)>,
    /// Seconds since 1970.
    pub now: u64,
}

/// Make a new one.
///
/// # Errors
/// It is none that there may be.
pub fn create(document: &mut DocumentMut, index: &Index, wish: &Wish) -> Result<Edited, Error> {
    let said = wish.checked(index)?;
    let id = match said.get("id").and_then(Json::as_str) {
        Some(id) => id.to_ascii_lowercase(),
        None => Uuid::new_v4().to_string(),
    };
    insert(document, index, wish, said, &id)
}

/// What is wrong with a new one, as far as that does not depend on others.
///
/// # Errors
/// It is none that there may be.
pub(super) fn examine(wish: &Wish) -> Result<(), Error> {
    let spec = wish.kind.spec();
    let mut body = wish.body.clone();
    if wish.kind == Kind::Service {
        take_url_apart(&mut body)?;
    }
    spec.owners.iter().for_each(|(owner, _)| drop(body.remove(*owner)));
    let said = check(&wish.kind.fields(), &body, wish.notation).map_err(Error::schema)?;
    let wrong = missing(&wish.kind.fields(), &over_defaults(wish.kind, said));
    if wrong.is_empty() { Ok(()) } else { Err(Error::schema(wrong)) }
}

/// Have the one that `key` names, by its id or its label, be as it is said, and no more of it; make it if there is none.
///
/// # Errors
/// It is none that there may be.
pub fn put(document: &mut DocumentMut, index: &Index, wish: &Wish, key: &str) -> Result<Edited, Error> {
    let mut said = wish.checked(index)?;
    if let Some(entry) = wish.find(index, key) {
        let before = index.read(document, entry);
        let mut after = over_defaults(wish.kind, said);
        for kept in ["id", "created_at"] {
            after.insert(kept.to_owned(), before.get(kept).cloned().unwrap_or_default());
        }
        // The path names it, whatever else it is called.
        if let Some(label) = wish.kind.spec().label.filter(|_| Uuid::try_parse(key).is_err()) {
            after.insert(label.to_owned(), json!(key));
        }
        make_up(wish.kind, &mut after);
        return replace(document, index, wish, entry, &before, after);
    }
    let id = match (Uuid::try_parse(key), wish.kind.spec().label) {
        (Ok(id), _) => id.to_string(),
        (Err(_), Some(label)) => {
            said.insert(label.to_owned(), json!(key));
            Uuid::new_v4().to_string()
        }
        (Err(_), None) => return Err(Error::primary_key(key)),
    };
    insert(document, index, wish, said, &id)
}

/// Change what is said of the one that `key` names, and leave the rest.
///
/// # Errors
/// There is none, or none such as it would be.
pub fn update(document: &mut DocumentMut, index: &Index, wish: &Wish, key: &str) -> Result<Edited, Error> {
    let entry = wish.find(index, key).ok_or_else(Error::not_found)?;
    let said = wish.checked(index)?;
    let before = index.read(document, entry);
    let mut after = before.clone();
    let said = said.into_iter().filter(|(name, _)| name != "id");
    put_over(&mut after, &wish.kind.fields(), said);
    replace(document, index, wish, entry, &before, after)
}

/// Remove the one that `key` names; whether there was one.
///
/// # Errors
/// Others need it.
pub fn remove(
    document: &mut DocumentMut,
    index: &Index,
    kind: Kind,
    owner: Option<&(&'static str, String)>,
    key: &str,
) -> Result<Edited, Error> {
    let Some(entry) = find(index, kind, owner, key) else {
        return Ok(Edited { value: json!(false), at: Place::new() });
    };
    certificates::check_unreferenced(document, index, entry)?;
    if kind == Kind::Service {
        let is_of_it = |route: &Entry| route.owners.iter().any(|(_, id)| *id == entry.id);
        if index.of_kind(Kind::Route).any(is_of_it) {
            return Err(Error::referenced("services", "routes"));
        }
    }
    // Uses that stand with consumers and hold for this only would hold for all without it.
    let also = index.of_kind(Kind::Plugin).filter(|other| {
        other.owners.len() > 1
            && other.owners.iter().any(|(_, id)| *id == entry.id)
            && !other.place.starts_with(&entry.place)
    });
    let mut places: Vec<&Place> = also.map(|other| &other.place).chain([&entry.place]).collect();
    // From the end, so that none moves before its turn.
    places.sort_by_key(|place| std::cmp::Reverse(positions(place)));
    for place in places {
        certificates::take_out(document, kind, place);
    }
    Ok(Edited { value: json!(true), at: Place::new() })
}

/// The entity that `key` names, if it belongs to `owner`.
pub fn find<'i>(index: &'i Index, kind: Kind, owner: Option<&(&'static str, String)>, key: &str) -> Option<&'i Entry> {
    let is_of = |entry: &&Entry| owner.is_none_or(|owner| entry.owners.contains(owner));
    match kind {
        // Called the same in different upstreams.
        Kind::Target => index
            .of_kind(kind)
            .filter(|entry| entry.id.eq_ignore_ascii_case(key) || entry.label.as_deref() == Some(key))
            .find(is_of),
        _ => index.find(kind, key).filter(is_of),
    }
}

impl Wish {
    fn find<'i>(&self, index: &'i Index, key: &str) -> Option<&'i Entry> {
        find(index, self.kind, self.owner.as_ref(), key)
    }

    /// What is said, checked, with others by their ids.
    fn checked(&self, index: &Index) -> Result<Entity, Error> {
        let spec = self.kind.spec();
        let mut fields = self.kind.fields();
        for (owner, kind) in spec.owners {
            fields.push(Field::new(owner, Type::Foreign(kind.spec().collection), ""));
        }
        let mut body = self.body.clone();
        if self.kind == Kind::Service {
            take_url_apart(&mut body)?;
        }
        let mut said = check(&fields, &body, self.notation).map_err(Error::schema)?;
        for (owner, kind) in spec.owners {
            let Some(named) = said.get_mut(*owner).filter(|named| !named.is_null()) else { continue };
            let by_id = named.get("id").and_then(Json::as_str).map(|id| index.by_id(*kind, id));
            let by_name = || named.as_object()?.values().next()?.as_str().map(|name| index.by_label(*kind, name));
            let found = by_id.or_else(by_name).flatten();
            let found = found.ok_or_else(|| Error::foreign_key(owner, named, kind.spec().collection))?;
            *named = json!({ "id": found.id });
        }
        if self.kind == Kind::Service {
            certificates::resolve(index, &mut said)?;
        }
        if let Some((owner, id)) = &self.owner {
            said.insert((*owner).to_owned(), json!({ "id": id }));
        }
        Ok(said)
    }
}

/// Put a new one where it belongs.
fn insert(document: &mut DocumentMut, index: &Index, wish: &Wish, said: Entity, id: &str) -> Result<Edited, Error> {
    let mut after = over_defaults(wish.kind, said);
    after.insert("id".to_owned(), json!(id));
    for time in ["created_at", "updated_at"] {
        after.entry(time).and_modify(|said| {
            if said.is_null() {
                *said = json!(wish.now);
            }
        });
    }
    let made_up = make_up(wish.kind, &mut after);
    complete(wish.kind, None, &mut after);
    let at = place(document, index, wish.kind, &after, None)?;
    let mut shown = hidden(wish.kind, written(document, wish.kind, &at, &after));
    // Nobody could know it otherwise.
    shown.extend(made_up.iter().filter_map(|field| Some(((*field).to_owned(), after.get(*field)?.clone()))));
    Ok(Edited { value: Json::Object(shown), at })
}

/// Have `entry`, which was `before`, be `after`.
fn replace(
    document: &mut DocumentMut,
    index: &Index,
    wish: &Wish,
    entry: &Entry,
    before: &Entity,
    mut after: Entity,
) -> Result<Edited, Error> {
    complete(wish.kind, Some(before), &mut after);
    after.insert("updated_at".to_owned(), before.get("updated_at").cloned().unwrap_or_default());
    if after == *before {
        return Ok(Edited { value: Json::Object(hidden(wish.kind, after)), at: entry.place.clone() });
    }
    let at = place(document, index, wish.kind, &after, Some((entry, before.clone())))?;
    let mut written = written(document, wish.kind, &at, &after);
    // What cannot be kept here makes no difference.
    if written != *before
        && let Some(table) = table_mut(document, &at, wish.kind.spec().label_key)
    {
        table.insert("updated_at", toml_edit::value(i64::try_from(wish.now).unwrap_or(i64::MAX)));
        written.insert("updated_at".to_owned(), json!(wish.now));
    }
    Ok(Edited { value: Json::Object(hidden(wish.kind, written)), at })
}

/// What is read of `after` where it has been written: an answer says the same as whoever asks again is told.
fn written(document: &DocumentMut, kind: Kind, at: &Place, after: &Entity) -> Entity {
    let mut entity = element(document, at).map(|element| kind.read(element)).unwrap_or_default();
    let not_in_it = kind.spec().owners.iter().map(|(owner, _)| *owner).chain(["id"]);
    entity.extend(not_in_it.map(|field| (field.to_owned(), after.get(field).cloned().unwrap_or_default())));
    entity
}

/// Write `after` to where it belongs, in place of what was there.
fn place(
    document: &mut DocumentMut,
    index: &Index,
    kind: Kind,
    after: &Entity,
    current: Option<(&Entry, Entity)>,
) -> Result<Place, Error> {
    let spec = kind.spec();
    let wrong = missing(&kind.fields(), after);
    if !wrong.is_empty() {
        return Err(Error::schema(wrong));
    }
    let id = after.get("id").and_then(Json::as_str).unwrap_or_default();
    check_unique(index, document, kind, after, current.as_ref().map(|(entry, _)| *entry))?;
    match kind {
        Kind::Certificate => certificates::check_names(index, after)?,
        Kind::Service => certificates::identify(document, index, after),
        _ => {}
    }
    let scope = Scope::of(index, document, kind, after)?;
    let (at, before) = match current {
        Some((entry, before)) if scope.is_that_of(entry) => (entry.place.clone(), Some(before)),
        current => {
            if let Some((entry, _)) = &current {
                certificates::take_out(document, kind, &entry.place);
            }
            let list = table_mut(document, &scope.above, "").ok_or_else(Error::not_found)?;
            let mut new = Entity::new();
            if let Some(credential) = kind.credential() {
                new.insert("kind".to_owned(), json!(credential));
            }
            let position = push(list, spec.list, new, spec.as_tables);
            let position = position.ok_or_else(|| Error::entity(format!("`{}` is no list", spec.list)))?;
            let mut at = scope.above.clone();
            at.extend([Step::Key(spec.list.to_owned()), Step::Element(position)]);
            (at, None)
        }
    };
    let table = table_mut(document, &at, spec.label_key).ok_or_else(Error::not_found)?;
    // What was made of a name has to be said, before that is another one.
    table.insert("id", toml_edit::value(id));
    let is_new = before.is_none();
    let before = before.unwrap_or_default();
    if let Err(wrong) = kind.write(table, &Change { before: &before, after }) {
        // Whoever loads a whole file goes on with the others.
        if is_new {
            certificates::take_out(document, kind, &at);
        }
        return Err(Error::schema(wrong));
    }
    scope.write(table);
    Ok(at)
}

/// Invent what Kong invents where nothing is said; which fields that were.
fn make_up(kind: Kind, entity: &mut Entity) -> Vec<&'static str> {
    let fields: &[&'static str] = match kind {
        Kind::KeyAuth => &["key"],
        Kind::Jwt => &["key", "secret"],
        Kind::HmacAuth => &["secret"],
        _ => &[],
    };
    let unsaid = fields.iter().filter(|field| entity.get(**field).is_none_or(Json::is_null)).copied();
    let unsaid: Vec<_> = unsaid.collect();
    for field in &unsaid {
        entity.insert((*field).to_owned(), json!(Uuid::new_v4().simple().to_string()));
    }
    unsaid
}

/// `url` stands for protocol, host, port and path.
fn take_url_apart(body: &mut Entity) -> Result<(), Error> {
    match body.remove("url") {
        None | Some(Json::Null) => Ok(()),
        Some(Json::String(url)) => {
            url.parse::<crate::config::values::ServiceUrl>().map_err(|problem| Error::field("url", problem))?;
            for (field, value) in super::kinds::split_url(&url) {
                body.insert(field, value);
            }
            Ok(())
        }
        Some(_) => Err(Error::field("url", "expected a string")),
    }
}

/// What a new one is: what is said, and else what it is if nothing is said.
fn over_defaults(kind: Kind, said: Entity) -> Entity {
    let fields = kind.fields();
    let mut entity = defaults(&fields);
    put_over(&mut entity, &fields, said);
    entity
}

/// Put what is said over `entity`, null for as if nothing was said. What has fields of its own is put over field by field.
fn put_over(entity: &mut Entity, fields: &[Field], said: impl IntoIterator<Item = (String, Json)>) {
    for (name, value) in said {
        let field = fields.iter().find(|field| field.name == name);
        match (value, field.map(|field| field.takes), entity.get_mut(&name)) {
            (Json::Null, _, Some(place)) => *place = field.map_or(Json::Null, Field::otherwise),
            (Json::Object(value), Some(Type::Record(inner)), Some(Json::Object(place))) => {
                put_over(place, inner, value);
            }
            (Json::Object(value), Some(Type::Object), Some(Json::Object(place))) => merge(place, value),
            (value, _, _) => drop(entity.insert(name, value)),
        }
    }
}

fn merge(place: &mut Entity, said: Entity) {
    for (name, value) in said {
        match (value, place.get_mut(&name)) {
            (Json::Null, _) => drop(place.remove(&name)),
            (Json::Object(value), Some(Json::Object(place))) => merge(place, value),
            (value, _) => drop(place.insert(name, value)),
        }
    }
}

#[cfg(test)]
mod tests;
