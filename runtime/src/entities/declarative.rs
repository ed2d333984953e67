//! Kong's declarative files: what `POST /config` and `tidegate import` load. A file is a sequence of entities to be made,
//! one after the other, so that each finds what it refers to; all that is wrong is found at once, each with its place.

mod blame;
mod plan;
mod problem;
mod prune;
mod yaml;

use serde_json::{Map, Value as Json};
use toml_edit::{DocumentMut, Item};

use super::index::Index;
use super::kinds::{Entity, Kind};
use super::schema::Notation;
use super::tree::{remove, table_mut};
use super::write::{Wish, create, examine};
use crate::proposal::{Place, Step};
use plan::Planned;

pub use super::write::positions;
pub use blame::{Blame, blame};
pub use plan::collection;
pub use problem::{Problem, shown};
pub use yaml::read;

/// The lists of gateway.toml that a file stands for.
const LISTS: [&str; 4] = ["services", "upstreams", "consumers", "plugins"];

/// What to do with what cannot be taken as it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// Say what is wrong.
    Strict,
    /// Leave out as little as does no harm, and say so.
    Lenient,
}

/// What has become of a file.
#[derive(Debug, Default)]
pub struct Loaded {
    /// What was made, in the order in which that was done.
    pub made: Vec<Made>,
    /// What is wrong, or was left out.
    pub problems: Vec<Problem>,
}

/// An entity that was made.
#[derive(Debug, Clone)]
pub struct Made {
    /// What it is.
    pub kind: Kind,
    /// Its id.
    pub id: String,
    /// Where the file has it.
    pub place: Place,
    /// What the file says of it.
    pub said: Entity,
}

/// Has `document` have the entities of `file`, and no others.
pub fn load(document: &mut DocumentMut, file: &Map<String, Json>, mode: Mode) -> Loaded {
    for list in LISTS {
        document.remove(list);
    }
    let mut loaded = Loaded::default();
    let planned = plan::plan(file, &mut loaded.problems);
    let mut index = Index::of(document);
    let mut ids: Vec<Option<String>> = vec![None; planned.len()];
    let mut order: Vec<usize> = (0..planned.len()).collect();
    order.sort_by_key(|at| planned.get(*at).map(|planned| plan::rank(planned.kind)));
    for at in order {
        let Some(one) = planned.get(at) else { continue };
        let owner = match one.owner {
            None => None,
            Some((field, above)) => match ids.get(above).cloned().flatten() {
                Some(id) => Some((field, id)),
                None => {
                    // It cannot be made without; that is no reason to hear of its own faults only the next time.
                    loaded.problems.extend(examine(&wish(one, None)).err().map(|error| Problem::of(one, &error)));
                    continue;
                }
            },
        };
        let id = make(document, &mut index, one, owner, mode, &mut loaded.problems);
        if let (Some(id), Some(place)) = (id, ids.get_mut(at)) {
            *place = Some(id.clone());
            let (place, said) = (one.place.clone(), one.body.clone());
            loaded.made.push(Made { kind: one.kind, id, place, said });
        }
    }
    loaded
}

/// Make one; gives its id.
fn make(
    document: &mut DocumentMut,
    index: &mut Index,
    planned: &Planned,
    owner: Option<(&'static str, String)>,
    mode: Mode,
    problems: &mut Vec<Problem>,
) -> Option<String> {
    let mut wish = wish(planned, owner);
    let edited = loop {
        match create(document, index, &wish) {
            Ok(edited) => break edited,
            Err(error) => {
                let left_out = if mode == Mode::Lenient { prune::prune(planned, &mut wish.body, &error) } else { None };
                match left_out {
                    Some(left_out) => problems.push(left_out),
                    None => {
                        problems.push(Problem::of(planned, &error));
                        return None;
                    }
                }
            }
        }
    };
    let owners = planned.kind.spec().owners.iter();
    let owners =
        owners.filter_map(|(field, _)| Some((*field, edited.value.get(field)?.get("id")?.as_str()?.to_owned())));
    let owners = owners.collect();
    forget_what_was_made_up(document, planned, &edited.at);
    index.add(document, planned.kind, edited.at, owners)
}

/// What a file does not say follows from what it says, so that the same file comes to the same each time. What is called
/// nothing needs an id to be known by.
fn forget_what_was_made_up(document: &mut DocumentMut, planned: &Planned, at: &Place) {
    let spec = planned.kind.spec();
    let Some(table) = table_mut(document, at, spec.label_key) else { return };
    let has_name = table.get(spec.label_key).is_some_and(|name| !name.is_none());
    for field in ["id", "created_at", "updated_at"] {
        if !planned.body.contains_key(field) && (field != "id" || has_name) {
            table.remove(field);
        }
    }
}

/// Take the entity at `place` out of `document`, with all that stands in it.
pub fn leave_out(document: &mut DocumentMut, place: &[Step]) -> bool {
    remove(document, place)
}

/// Take out what `path` leads to from the entity at `place`; whether it was there.
pub fn leave_out_key(document: &mut DocumentMut, place: &[Step], path: &[String]) -> bool {
    let Some((key, above)) = path.split_last() else { return false };
    let Some(mut table) = table_mut(document, place, "") else { return false };
    for key in above {
        let Some(below) = table.get_mut(key).and_then(Item::as_table_like_mut) else { return false };
        table = below;
    }
    table.remove(key).is_some()
}

fn wish(planned: &Planned, owner: Option<(&'static str, String)>) -> Wish {
    Wish { kind: planned.kind, body: planned.body.clone(), notation: Notation::Typed, owner, now: 0 }
}

#[cfg(test)]
mod tests;
