//! The paths of all hosts: for each a tree of prefixes, and of what regexes begin with.

use std::collections::BTreeMap;

use super::Criteria;
use super::captures::Captures;
use super::place::{Place, PlacesDraft};
use super::radix::{Radix, index};
use super::regexes::{Asked, Regexes, RegexesDraft};
use super::way::{Way, WayPath};
use crate::config::values::PathPattern;

#[derive(Debug)]
pub(super) struct Paths {
    trees: Radix<Spot>,
    regexes: Regexes,
}

/// What begins with the same bytes, in one host's tree.
#[derive(Debug, Clone, Copy)]
enum Spot {
    /// Ways with just this prefix.
    Place(Place),
    /// A single regex, by its index.
    Member(u32),
    /// Several regexes, or one and ways with just this prefix.
    Group(u32),
}

impl Paths {
    /// Visit the places that `path` leads to in one host's tree, with how many bytes of it they take if that is known
    /// already, as long as there may be something better than `bound` in them, which each visit may lower. The bound in
    /// the end.
    pub(super) fn visit<'r>(
        &'r self,
        tree: u32,
        path: &str,
        mut bound: u32,
        visit: &mut impl FnMut(&'r Place, Option<usize>, u32) -> u32,
    ) -> u32 {
        self.trees.walk(tree, path.as_bytes(), |spot, behind| {
            bound = match spot {
                Spot::Place(place) if place.best() >= bound => bound,
                Spot::Place(place) => visit(place, None, bound),
                Spot::Member(member) => self.regexes.visit_member(*member, Asked { path, behind }, bound, visit),
                Spot::Group(group) => self.regexes.visit_group(*group, Asked { path, behind }, bound, visit),
            };
        });
        bound
    }

    /// How many bytes of `path` a way takes that takes it, unless that is `known`, and what its groups find.
    pub(super) fn taken(&self, way: &Way, path: &str, known: Option<usize>) -> (usize, Captures) {
        let taken = |pattern| known.unwrap_or_else(|| self.regexes.taken(pattern, path));
        match way.path() {
            WayPath::Prefix(length) => (length as usize, Captures::default()),
            WayPath::Regex(pattern) => (taken(pattern), Captures::default()),
            WayPath::Groups(pattern) => (taken(pattern), self.regexes.captures(pattern, path)),
        }
    }
}

/// The paths of all hosts while they are filled.
#[derive(Default)]
pub(super) struct PathsDraft {
    trees: Vec<BTreeMap<Vec<u8>, Spot>>,
    regexes: RegexesDraft,
}

/// The paths of one host. Ways come best first.
#[derive(Default)]
pub(super) struct PathDraft<'c>(BTreeMap<Vec<u8>, SpotDraft<'c>>);

#[derive(Default)]
struct SpotDraft<'c> {
    ways: Ways<'c>,
    /// By pattern.
    regexes: BTreeMap<u32, Ways<'c>>,
}

type Ways<'c> = Vec<(Way, &'c Criteria)>;

impl<'c> PathDraft<'c> {
    pub(super) fn file(&mut self, path: Option<&PathPattern>, way: Way, criteria: &'c Criteria) {
        let start = match path {
            None => Vec::new(),
            Some(PathPattern::Prefix(prefix)) => prefix.clone().into_bytes(),
            Some(PathPattern::Regex(regex)) => regex.literal().to_owned(),
        };
        let spot = self.0.entry(start).or_default();
        let ways = match way.path() {
            WayPath::Prefix(_) => &mut spot.ways,
            WayPath::Regex(pattern) | WayPath::Groups(pattern) => spot.regexes.entry(pattern).or_default(),
        };
        ways.push((way, criteria));
    }
}

impl PathsDraft {
    pub(super) fn way_path(&mut self, path: Option<&PathPattern>) -> WayPath {
        match path {
            None => WayPath::Prefix(0),
            Some(PathPattern::Prefix(prefix)) => WayPath::Prefix(index(prefix.len())),
            Some(PathPattern::Regex(regex)) => self.regexes.way_path(regex),
        }
    }

    /// Another host's tree; they are numbered in the order in which they come.
    pub(super) fn add(&mut self, filed: PathDraft<'_>, places: &mut PlacesDraft) {
        let spots = filed.0.into_iter().map(|(start, SpotDraft { ways, regexes })| {
            let place = (!ways.is_empty()).then(|| places.file(ways));
            let members = regexes.into_iter().map(|(pattern, ways)| (pattern, places.file(ways)));
            let members: Vec<_> = members.collect();
            let spot = match (place, &*members) {
                (Some(place), []) => Spot::Place(place),
                (None, [(pattern, place)]) => Spot::Member(self.regexes.member(*pattern, *place)),
                (place, _) => Spot::Group(self.regexes.group(&start, members, place)),
            };
            (start, spot)
        });
        let spots = spots.collect();
        self.trees.push(spots);
    }

    pub(super) fn finish(self) -> Paths {
        Paths { trees: Radix::new(self.trees), regexes: self.regexes.finish() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_spot_is_small_enough_for_a_node_of_one_cache_line() {
        assert_eq!(size_of::<Option<Spot>>(), 20);
    }
}
