//! Regexes of paths. Each is filed in the tree under the literal text that it begins with, so that only few are ever
//! tried; where several begin alike, an automaton tells which of them come into question.

use std::ops::Range;
use std::sync::Arc;

use regex::bytes::{Regex, RegexSet};

use super::automata::{Automata, Start};
use super::captures::{Captures, Groups};
use super::place::Place;

pub(super) use self::draft::RegexesDraft;

mod draft;

/// All regexes of a router.
#[derive(Debug)]
pub(super) struct Regexes {
    patterns: Box<[Pattern]>,
    groups: Box<[Group]>,
    /// Those of a group side by side, those with the best ways first.
    members: Box<[Member]>,
    automata: Automata,
}

/// One regex, once per router however many routes and hosts it stands at.
#[derive(Debug)]
struct Pattern {
    regex: Regex,
    groups: Option<Arc<Groups>>,
}

/// One regex at one host; two to a cache line.
#[derive(Debug)]
#[repr(align(32))]
struct Member {
    place: Place,
    /// Index of a `Pattern`.
    pattern: u32,
    /// The automaton that tells where its match ends, and whether there is one, in the path behind the literal; `None`:
    /// ask the regex itself.
    exact: Option<Start>,
}

/// Regexes of one host that begin alike.
#[derive(Debug)]
struct Group {
    /// Ways that take whatever begins like that.
    place: Option<Place>,
    members: Range<u32>,
    choice: Choice,
}

/// How it is found out which members may match.
#[derive(Debug)]
enum Choice {
    /// They are few: try each.
    Each,
    /// It reports members by their place in the group.
    Automaton(Start),
    /// They are too much for an automaton that is built beforehand; these are built, and forgotten, as paths come.
    Sets(Box<[Set]>),
}

/// Some members of a group, which are tried all at once.
#[derive(Debug)]
struct Set {
    /// The first of them.
    first: u32,
    /// `None`: it is one that is too large for a set.
    regexes: Option<RegexSet>,
}

/// A path, and what is left of it behind the literal that was found at its beginning.
#[derive(Clone, Copy)]
pub(super) struct Asked<'p> {
    pub(super) path: &'p str,
    pub(super) behind: &'p [u8],
}

impl Regexes {
    /// Visit the places of a group, with how many bytes of the path they take if that is known already, as long as
    /// there may be something better than `bound` in them, which each visit may lower. The bound in the end.
    pub(super) fn visit_group<'r>(
        &'r self,
        group: u32,
        asked: Asked<'_>,
        mut bound: u32,
        visit: &mut impl FnMut(&'r Place, Option<usize>, u32) -> u32,
    ) -> u32 {
        let Some(group) = self.groups.get(group as usize) else { return bound };
        if let Some(place) = group.place.as_ref().filter(|place| place.best() < bound) {
            bound = visit(place, None, bound);
        }
        let members = self.members.get(group.members.start as usize..group.members.end as usize).unwrap_or_default();
        // The first has the best rank of all.
        if members.first().is_none_or(|member| member.place.best() >= bound) {
            return bound;
        }
        let mut try_member = |member: &'r Member| bound = self.try_member(member, asked, bound, visit);
        match &group.choice {
            Choice::Each => members.iter().for_each(try_member),
            Choice::Automaton(start) => self.automata.walk(*start, asked.behind, |nth, _| {
                members.get(nth as usize).into_iter().for_each(&mut try_member);
            }),
            Choice::Sets(sets) => {
                for set in sets {
                    let members = members.get(set.first as usize..).unwrap_or_default();
                    match &set.regexes {
                        Some(regexes) => {
                            let matching = regexes.matches(asked.path.as_bytes());
                            matching.iter().filter_map(|nth| members.get(nth)).for_each(&mut try_member);
                        }
                        None => members.first().into_iter().for_each(&mut try_member),
                    }
                }
            }
        }
        bound
    }

    /// The same for a regex that nothing else begins like.
    pub(super) fn visit_member<'r>(
        &'r self,
        member: u32,
        asked: Asked<'_>,
        bound: u32,
        visit: &mut impl FnMut(&'r Place, Option<usize>, u32) -> u32,
    ) -> u32 {
        self.members.get(member as usize).map_or(bound, |member| self.try_member(member, asked, bound, visit))
    }

    fn try_member<'r>(
        &'r self,
        member: &'r Member,
        asked: Asked<'_>,
        bound: u32,
        visit: &mut impl FnMut(&'r Place, Option<usize>, u32) -> u32,
    ) -> u32 {
        if member.place.best() >= bound {
            return bound;
        }
        match member.exact {
            Some(start) => match self.automata.last_report(start, asked.behind) {
                None => bound,
                Some(end) => visit(&member.place, Some(asked.path.len() - asked.behind.len() + end), bound),
            },
            None => {
                let pattern = self.patterns.get(member.pattern as usize);
                let matches = pattern.is_some_and(|pattern| pattern.regex.is_match(asked.path.as_bytes()));
                if matches { visit(&member.place, None, bound) } else { bound }
            }
        }
    }

    /// How many bytes of `path` a pattern takes that takes it.
    pub(super) fn taken(&self, pattern: u32, path: &str) -> usize {
        let found = self.patterns.get(pattern as usize).and_then(|pattern| pattern.regex.find(path.as_bytes()));
        found.map_or(0, |found| found.end())
    }

    /// What the groups of a pattern find in a path that it takes.
    pub(super) fn captures(&self, pattern: u32, path: &str) -> Captures {
        let groups = self.patterns.get(pattern as usize).and_then(|pattern| pattern.groups.as_ref());
        groups.map_or_else(Captures::default, |groups| Captures::new(groups, path))
    }
}
