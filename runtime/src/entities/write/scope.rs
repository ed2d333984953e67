//! Where an entity stands: with what it belongs to. A use of a plugin that belongs to several stands with the consumer,
//! and names the others there, or with the route.

use serde_json::Value as Json;
use toml_edit::{DocumentMut, TableLike};

use crate::entities::error::Error;
use crate::entities::index::{Entry, Index};
use crate::entities::kinds::{Entity, Kind};
use crate::entities::tree::{element, set};
use crate::proposal::{Place, Step};

/// Where an entity stands, or is to.
pub(super) struct Scope {
    /// The table that has its list.
    pub(super) above: Place,
    /// What else it belongs to, by the names that gateway.toml has for them.
    named: Vec<(&'static str, String)>,
    owners: Vec<(&'static str, String)>,
}

impl Scope {
    /// # Errors
    /// It belongs to nothing, and cannot.
    pub(super) fn of(index: &Index, document: &DocumentMut, kind: Kind, entity: &Entity) -> Result<Self, Error> {
        let spec = kind.spec();
        let owner = |(field, kind): &(&'static str, Kind)| {
            let id = entity.get(*field)?.get("id")?.as_str()?;
            Some((*field, index.by_id(*kind, id)?))
        };
        let owners: Vec<(&'static str, &Entry)> = spec.owners.iter().filter_map(owner).collect();
        if let Some((field, _)) = spec.owners.first()
            && spec.owned
            && owners.is_empty()
        {
            return Err(Error::field(field, "required field missing"));
        }
        let mut stands_with = owners.iter();
        let above = stands_with.next().map_or_else(Place::new, |(_, first)| first.place.clone());
        let mut named = Vec::new();
        for (field, other) in stands_with {
            // A route is in its service anyhow.
            if owners.first().is_some_and(|(first, _)| *first == "route") {
                if !above.starts_with(&other.place) {
                    return Err(Error::field(field, "the route leads to another service"));
                }
                continue;
            }
            let name = element(document, &other.place).and_then(|element| element.text("name"));
            named.push((*field, name.unwrap_or(&other.id).to_owned()));
        }
        let owners = owners.into_iter().map(|(field, entry)| (field, entry.id.clone())).collect();
        Ok(Self { above, named, owners })
    }

    /// Whether `entry` stands there already.
    pub(super) fn is_that_of(&self, entry: &Entry) -> bool {
        entry.owners.first() == self.owners.first() && entry.place.len() == self.above.len() + 2
    }

    /// Have `table` name what else it belongs to.
    pub(super) fn write(&self, table: &mut dyn TableLike) {
        if self.owners.first().is_some_and(|(first, _)| *first == "consumer") && table.contains_key("use") {
            for field in ["route", "service"] {
                let named = self.named.iter().find(|(known, _)| *known == field);
                set(table, field, &named.map_or(Json::Null, |(_, name)| Json::from(name.as_str())));
            }
        }
    }
}

/// The positions in a place, to order places of one list by.
pub fn positions(place: &Place) -> Vec<usize> {
    let positions = place.iter().map(|step| match step {
        Step::Element(position) => *position,
        Step::Key(_) => 0,
    });
    positions.collect()
}
