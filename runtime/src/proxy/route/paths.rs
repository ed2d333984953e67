//! The paths of one host: a tree of prefixes, and of what regexes begin with.

use std::collections::BTreeMap;

use super::WayPath;
use super::place::Place;
use super::radix::Radix;
use super::regexes::{Member, Pattern, Regexes};
use crate::config::values::{HeaderCriterion, PathRegex};

#[derive(Debug)]
pub(super) struct Paths(Radix<Spot>);

#[derive(Debug)]
struct Spot {
    /// Ways with just this prefix.
    place: Place,
    /// Ways whose regexes begin with it.
    regexes: Vec<Regexes>,
}

impl Paths {
    /// Visit the places that `path` leads to, as long as there may be something better than `bound` in them, which
    /// each visit may lower. The bound in the end.
    pub(super) fn visit<'r>(
        &'r self,
        path: &str,
        patterns: &[Pattern],
        mut bound: usize,
        visit: &mut impl FnMut(&'r Place, usize) -> usize,
    ) -> usize {
        self.0.walk(path.as_bytes(), |spot| {
            if spot.place.best() < bound {
                bound = visit(&spot.place, bound);
            }
            for regexes in &spot.regexes {
                bound = regexes.visit(path, patterns, bound, visit);
            }
        });
        bound
    }
}

/// Paths while they are filled. Ways come best first.
#[derive(Default)]
pub(super) struct PathsDraft(BTreeMap<Vec<u8>, SpotDraft>);

#[derive(Default)]
struct SpotDraft {
    ways: Vec<usize>,
    /// By pattern.
    regexes: BTreeMap<usize, Vec<usize>>,
}

impl PathsDraft {
    pub(super) fn file_prefix(&mut self, prefix: &str, way: usize) -> WayPath {
        self.0.entry(prefix.into()).or_default().ways.push(way);
        WayPath::Prefix(prefix.len())
    }

    pub(super) fn file_regex(&mut self, regex: &PathRegex, pattern: usize, way: usize) -> WayPath {
        let spot = self.0.entry(regex.literal().to_owned()).or_default();
        spot.regexes.entry(pattern).or_default().push(way);
        WayPath::Regex(pattern)
    }

    /// `headers`: the criteria of a way.
    pub(super) fn finish<'c>(self, patterns: &[Pattern], headers: &impl Fn(usize) -> &'c [HeaderCriterion]) -> Paths {
        let place = |ways: Vec<usize>| Place::new(ways.into_iter().map(|way| (way, headers(way))));
        let spots = self.0.into_iter().map(|(start, SpotDraft { ways, regexes })| {
            let members = regexes.into_iter().map(|(pattern, ways)| Member { pattern, place: place(ways) });
            let regexes = Regexes::new(members.collect(), patterns);
            (start, Spot { place: place(ways), regexes })
        });
        Paths(Radix::new(spots.collect()))
    }
}
