//! Regexes of paths. Each is filed in the tree under the literal text that it begins with, so that only few are ever
//! tried; where many begin alike, they are tried all at once. Captures are taken for the winner alone.

use std::sync::Arc;

use regex::bytes::{Regex, RegexSet, RegexSetBuilder};

use super::place::Place;
use crate::config::values::PathRegex;
use crate::limits;

/// From this many on, one pass over the path for all beats one for each.
const SET_FROM: usize = 4;

/// What the named groups of a route's regex found in a path.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Captures(Vec<(Arc<str>, String)>);

impl Captures {
    /// What the group `name` found; `None` if there is no such group, or it took no part in the match.
    pub fn named(&self, name: &str) -> Option<&str> {
        self.iter().find(|(group, _)| *group == name).map(|(_, text)| text)
    }

    /// Names and what was found, in the pattern's order.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(name, text)| (&**name, &**text))
    }
}

/// One regex, once per router however many routes and hosts it stands at.
#[derive(Debug)]
pub(super) struct Pattern {
    regex: Regex,
    /// Named groups and their numbers.
    names: Box<[(usize, Arc<str>)]>,
}

impl Pattern {
    pub(super) fn new(written: &PathRegex) -> Self {
        let regex = written.regex().clone();
        let names = regex.capture_names().enumerate().filter_map(|(nth, name)| Some((nth, Arc::from(name?))));
        Self { names: names.collect(), regex }
    }

    /// How many bytes of `path` the match takes, and its captures.
    pub(super) fn take(&self, path: &str) -> (usize, Captures) {
        if self.names.is_empty() {
            return (self.regex.find(path.as_bytes()).map_or(0, |found| found.end()), Captures::default());
        }
        let Some(groups) = self.regex.captures(path.as_bytes()) else { return (0, Captures::default()) };
        let captures = self.names.iter().filter_map(|(nth, name)| {
            let text = String::from_utf8_lossy(groups.get(*nth)?.as_bytes()).into_owned();
            Some((Arc::clone(name), text))
        });
        (groups.get(0).map_or(0, |whole| whole.end()), Captures(captures.collect()))
    }
}

/// Regexes that begin alike.
#[derive(Debug)]
pub(super) struct Regexes {
    /// Tells in one pass which of `members` match; `None`: they are few.
    set: Option<RegexSet>,
    /// Those with the best ways first.
    members: Vec<Member>,
}

#[derive(Debug)]
pub(super) struct Member {
    /// Index of a `Pattern`.
    pub(super) pattern: usize,
    pub(super) place: Place,
}

impl Regexes {
    /// Nearly always one, of all `members`; more if they are too large together.
    pub(super) fn new(mut members: Vec<Member>, patterns: &[Pattern]) -> Vec<Self> {
        members.sort_by_key(|member| member.place.best());
        if members.len() < SET_FROM {
            return if members.is_empty() { Vec::new() } else { vec![Self { set: None, members }] };
        }
        let texts = members.iter().filter_map(|member| patterns.get(member.pattern)).map(|known| known.regex.as_str());
        let set = RegexSetBuilder::new(texts)
            .unicode(false)
            .size_limit(limits::ROUTE_REGEX_SET_BYTES)
            .dfa_size_limit(limits::ROUTE_REGEX_SET_CACHE_BYTES)
            .build();
        match set {
            Ok(set) => vec![Self { set: Some(set), members }],
            Err(_) => {
                let worse = members.split_off(members.len() / 2);
                let mut halves = Self::new(members, patterns);
                halves.extend(Self::new(worse, patterns));
                halves
            }
        }
    }

    /// Visit the places behind the regexes that match, as long as there may be something better than `bound` in them.
    pub(super) fn visit<'r>(
        &'r self,
        path: &str,
        patterns: &[Pattern],
        mut bound: usize,
        visit: &mut impl FnMut(&'r Place, usize) -> usize,
    ) -> usize {
        if self.members.first().is_none_or(|best| best.place.best() >= bound) {
            return bound;
        }
        let matches = self.set.as_ref().map(|set| set.matches(path.as_bytes()));
        for (nth, member) in self.members.iter().enumerate() {
            if member.place.best() >= bound {
                break;
            }
            let matched = match &matches {
                Some(matches) => matches.matched(nth),
                None => patterns.get(member.pattern).is_some_and(|known| known.regex.is_match(path.as_bytes())),
            };
            if matched {
                bound = visit(&member.place, bound);
            }
        }
        bound
    }
}
