//! Regexes while they are filed: which of them are in a group, and how it chooses among them.

use std::collections::HashMap;

use regex::bytes::RegexSetBuilder;

use super::{Choice, Group, Member, Pattern, Regexes, Set};
use crate::config::values::PathRegex;
use crate::limits;
use crate::proxy::route::automata::{Automata, Program, Purpose, Start, compile};
use crate::proxy::route::captures::Groups;
use crate::proxy::route::place::Place;
use crate::proxy::route::radix::index;
use crate::proxy::route::way::WayPath;

/// From this many on, one pass over the path for all beats one for each.
const CHOICE_FROM: usize = 3;

#[derive(Default)]
pub(in crate::proxy::route) struct RegexesDraft {
    patterns: Vec<PatternDraft>,
    program_bytes: usize,
    by_text: HashMap<String, u32>,
    groups: Vec<Group>,
    members: Vec<Member>,
    automata: Automata,
}

struct PatternDraft {
    pattern: Pattern,
    /// As long as all of them together are not too large.
    program: Option<Program>,
    exact: Option<Start>,
}

impl RegexesDraft {
    /// What a way with this regex takes. Each text has one pattern.
    pub(in crate::proxy::route) fn way_path(&mut self, written: &PathRegex) -> WayPath {
        let text = written.regex().as_str();
        let pattern = match self.by_text.get(text) {
            Some(known) => *known,
            None => {
                let pattern = index(self.patterns.len());
                self.by_text.insert(text.to_owned(), pattern);
                let draft = self.draft(written);
                self.patterns.push(draft);
                pattern
            }
        };
        let groups = self.patterns.get(pattern as usize).is_some_and(|draft| draft.pattern.groups.is_some());
        if groups { WayPath::Groups(pattern) } else { WayPath::Regex(pattern) }
    }

    fn draft(&mut self, written: &PathRegex) -> PatternDraft {
        let regex = written.regex();
        let program = Program::new(regex).filter(|program| {
            self.program_bytes = self.program_bytes.saturating_add(program.bytes());
            self.program_bytes <= limits::ROUTE_PROGRAM_BYTES
        });
        let exact = program
            .as_ref()
            .and_then(|program| compile(&mut self.automata, &[program], written.literal(), Purpose::End));
        PatternDraft { pattern: Pattern { regex: regex.clone(), groups: Groups::new(regex) }, program, exact }
    }

    /// The index of a member: a pattern at one host, and its place there.
    pub(in crate::proxy::route) fn member(&mut self, pattern: u32, place: Place) -> u32 {
        let exact = self.patterns.get(pattern as usize).and_then(|known| known.exact);
        self.members.push(Member { place, pattern, exact });
        index(self.members.len() - 1)
    }

    /// The index of a group: patterns at one host that begin with `literal`, with their places, and the place of
    /// whatever begins like that.
    pub(in crate::proxy::route) fn group(
        &mut self,
        literal: &[u8],
        mut filed: Vec<(u32, Place)>,
        place: Option<Place>,
    ) -> u32 {
        filed.sort_by_key(|(_, place)| place.best());
        let patterns: Vec<u32> = filed.iter().map(|(pattern, _)| *pattern).collect();
        let choice = self.choice(literal, &patterns);
        let first = index(self.members.len());
        for (pattern, place) in filed {
            self.member(pattern, place);
        }
        self.groups.push(Group { place, members: first..index(self.members.len()), choice });
        index(self.groups.len() - 1)
    }

    fn choice(&mut self, literal: &[u8], patterns: &[u32]) -> Choice {
        if patterns.len() < CHOICE_FROM {
            return Choice::Each;
        }
        let programs = patterns.iter().map(|pattern| self.patterns.get(*pattern as usize)?.program.as_ref());
        let start = programs
            .collect::<Option<Vec<_>>>()
            .and_then(|programs| compile(&mut self.automata, &programs, literal, Purpose::Candidates));
        match start {
            Some(start) => Choice::Automaton(start),
            None => {
                let texts: Vec<&str> = patterns.iter().filter_map(|pattern| self.text(*pattern)).collect();
                let mut sets = Vec::new();
                fill_sets(&texts, 0, &mut sets);
                Choice::Sets(sets.into())
            }
        }
    }

    fn text(&self, pattern: u32) -> Option<&str> {
        self.patterns.get(pattern as usize).map(|known| known.pattern.regex.as_str())
    }

    pub(in crate::proxy::route) fn finish(self) -> Regexes {
        Regexes {
            patterns: self.patterns.into_iter().map(|draft| draft.pattern).collect(),
            groups: self.groups.into(),
            members: self.members.into(),
            automata: self.automata.finished(),
        }
    }
}

/// Nearly always one, of all `texts`; more if they are too large together.
fn fill_sets(texts: &[&str], first: usize, sets: &mut Vec<Set>) {
    let built = RegexSetBuilder::new(texts)
        .unicode(false)
        .size_limit(limits::ROUTE_REGEX_SET_BYTES)
        .dfa_size_limit(limits::ROUTE_REGEX_SET_CACHE_BYTES)
        .build();
    match (built, texts.len()) {
        (Ok(regexes), _) => sets.push(Set { first: index(first), regexes: Some(regexes) }),
        (Err(_), 0 | 1) => sets.push(Set { first: index(first), regexes: None }),
        (Err(_), count) => {
            let (better, worse) = texts.split_at(count / 2);
            fill_sets(better, first, sets);
            fill_sets(worse, first + better.len(), sets);
        }
    }
}
