//! From regexes to one automaton, by the subset construction. It stops where a single regex is left, and is given up
//! where it would take too long.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use regex::bytes::Regex;
use regex_automata::nfa::thompson::{self, NFA, State, WhichCaptures};
use regex_automata::util::syntax;

use super::subsets::{Member, Subsets};
use super::{Automata, LEAF, REPORTS, RUN, Start};
use crate::limits;
use crate::proxy::route::radix::index;

/// What an automaton is to tell.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::proxy::route) enum Purpose {
    /// Which of several regexes may match: each is reported once, as soon as it has matched or no other is left.
    Candidates,
    /// Where the match of a single regex ends: the last report says it. There is none if it does not match.
    End,
}

/// A regex as automata are built from it; it is needed no longer than that takes.
pub(in crate::proxy::route) struct Program(NFA);

impl Program {
    /// `None` if it is too large.
    pub(in crate::proxy::route) fn new(regex: &Regex) -> Option<Self> {
        // As `PathRegex` compiles it.
        let syntax = syntax::Config::new().unicode(false).utf8(false);
        let config = thompson::Config::new()
            .utf8(false)
            .which_captures(WhichCaptures::None)
            .nfa_size_limit(Some(limits::ROUTE_REGEX_BYTES));
        thompson::Compiler::new().syntax(syntax).configure(config).build(regex.as_str()).ok().map(Self)
    }

    /// What it takes of memory.
    pub(in crate::proxy::route) fn bytes(&self) -> usize {
        self.0.memory_usage()
    }
}

/// Build an automaton into `automata`. All of the regexes begin with `literal`, and so does what they are asked about:
/// it begins behind that. What it reports are indices of `programs`. `None` if it would take too long, or if something
/// comes up that only the regex itself can judge.
pub(in crate::proxy::route) fn compile(
    automata: &mut Automata,
    programs: &[&Program],
    literal: &[u8],
    purpose: Purpose,
) -> Option<Start> {
    let nfas: Vec<&NFA> = programs.iter().map(|program| &program.0).collect();
    let mut subsets = Subsets::new(&nfas, purpose);
    let mut set = subsets.start();
    for byte in literal {
        set = subsets.step(&set, *byte);
    }
    // That was cheap, however long the literal is.
    subsets.work = 0;
    let room = limits::ROUTE_REGEX_WORK.saturating_mul(programs.len());
    let mut draft = Draft { subsets, purpose, room, known: HashMap::new(), sets: Vec::new(), states: Vec::new() };
    let start = draft.target(set);
    draft.fill()?;
    Some(draft.write(automata, start))
}

/// An automaton while it is built.
struct Draft<'n> {
    subsets: Subsets<'n>,
    purpose: Purpose,
    /// How many states may be looked at.
    room: usize,
    known: HashMap<Kind, u32>,
    /// Of the states that have no edges yet.
    sets: Vec<(u32, Vec<u32>)>,
    states: Vec<DraftState>,
}

/// What two states must have in common to be one.
#[derive(Clone, PartialEq, Eq, Hash)]
struct Kind {
    reports: Vec<u32>,
    set: Vec<u32>,
}

#[derive(Default)]
struct DraftState {
    reports: Vec<u32>,
    reports_in_the_end: Vec<u32>,
    edges: Vec<(u8, u8, u32)>,
}

impl Draft<'_> {
    /// Give edges to all states, and to those that they lead to.
    fn fill(&mut self) -> Option<()> {
        while let Some((state, set)) = self.sets.pop() {
            let mut edges: Vec<(u8, u8, u32)> = Vec::new();
            for (first, last) in self.ranges(&set) {
                let after = self.subsets.step(&set, first);
                if self.subsets.work > self.room || self.subsets.beyond {
                    return None;
                }
                if after.is_empty() {
                    continue;
                }
                let target = self.target(after);
                match edges.last_mut() {
                    Some((_, end, known)) if *known == target && end.checked_add(1) == Some(first) => *end = last,
                    _ => edges.push((first, last, target)),
                }
            }
            if let Some(state) = self.states.get_mut(state as usize) {
                state.edges = edges;
            }
        }
        // What ends a text is looked at last.
        (!self.subsets.beyond).then_some(())
    }

    /// Ranges of bytes that all members of a set treat alike.
    fn ranges(&self, set: &[u32]) -> Vec<(u8, u8)> {
        // Where ranges begin.
        let mut cuts = BTreeSet::from([0u16]);
        let mut cut = |first: u8, last: u8| cuts.extend([u16::from(first), u16::from(last) + 1]);
        for member in set {
            match self.subsets.member(*member) {
                Some(Member::Step(State::ByteRange { trans })) => cut(trans.start, trans.end),
                Some(Member::Step(State::Sparse(ranges))) => {
                    ranges.transitions.iter().for_each(|range| cut(range.start, range.end));
                }
                Some(Member::Step(State::Dense(_))) => (0..=u8::MAX).for_each(|byte| cut(byte, byte)),
                _ => {}
            }
        }
        let ends = cuts.iter().skip(1).copied().chain([256]);
        let ranges = cuts.iter().zip(ends).filter_map(|(first, end)| {
            let last = end.checked_sub(1)?;
            Some((u8::try_from(*first).ok()?, u8::try_from(last).ok()?))
        });
        ranges.collect()
    }

    /// The state that stands for a set, or the leaf.
    fn target(&mut self, mut set: Vec<u32>) -> u32 {
        let mut reports = Vec::new();
        match self.purpose {
            Purpose::Candidates => self.take_candidates(&mut set, &mut reports),
            Purpose::End => {
                // What the regex prefers less than a match that it has is nothing any more.
                if let Some(at) =
                    set.iter().position(|state| matches!(self.subsets.member(*state), Some(Member::Match)))
                {
                    set.truncate(at);
                    reports.push(0);
                }
            }
        }
        if let ([only], []) = (&*reports, &*set) {
            return only | LEAF;
        }
        let kind = Kind { reports, set };
        if let Some(known) = self.known.get(&kind) {
            return *known;
        }
        let number = index(self.states.len());
        let mut in_the_end = Vec::new();
        for member in &kind.set {
            if matches!(self.subsets.member(*member), Some(Member::End)) && self.subsets.matches_in_the_end(*member) {
                in_the_end.push(self.subsets.owner(*member));
            }
        }
        in_the_end.dedup();
        let reports = kind.reports.clone();
        self.states.push(DraftState { reports, reports_in_the_end: in_the_end, edges: Vec::new() });
        self.sets.push((number, kind.set.clone()));
        self.known.insert(kind, number);
        number
    }

    /// Whoever has matched, or is left alone, is reported and followed no further.
    fn take_candidates(&self, set: &mut Vec<u32>, reports: &mut Vec<u32>) {
        let owner = |state: &u32| self.subsets.owner(*state);
        let matched = set.iter().filter(|state| matches!(self.subsets.member(**state), Some(Member::Match)));
        let matched: BTreeSet<u32> = matched.map(owner).collect();
        set.retain(|state| !matched.contains(&owner(state)));
        set.sort_unstable();
        reports.extend(matched);
        // The regexes' states are numbered through, so the first and the last speak for all.
        if let (Some(first), Some(last)) = (set.first().map(owner), set.last().map(owner))
            && first == last
        {
            reports.push(first);
            set.clear();
        }
    }

    fn write(self, automata: &mut Automata, start: u32) -> Start {
        if start & LEAF != 0 {
            return Start(start);
        }
        let runs = self.runs(start);
        let inside: BTreeSet<u32> = runs.values().flat_map(|run| run.inside.iter().copied()).collect();
        let mut places = HashMap::with_capacity(self.states.len());
        let mut at = 0;
        // The start is the first, and inside no run.
        let outside = |state: &u32| !inside.contains(state);
        for (number, state) in (0..).zip(&self.states).filter(|(number, _)| outside(number)) {
            places.insert(number, index(at));
            let edges = 2 * state.edges.len();
            at += if runs.contains_key(&number) { 3 } else { 1 + usize::from(state.has_reports()) + edges };
        }
        let place =
            |target: u32| if target & LEAF == 0 { places.get(&target).copied().unwrap_or(NOWHERE) } else { target };
        let mut words = Vec::with_capacity(at);
        for (number, state) in (0..).zip(self.states).filter(|(number, _)| outside(number)) {
            if let Some(run) = runs.get(&number) {
                let length = index(run.text.len());
                let text = automata.file_text(&run.text);
                words.extend([length | RUN, text, place(run.target)]);
                continue;
            }
            let count = index(state.edges.len());
            if state.has_reports() {
                let reports = automata.file_reports([state.reports, state.reports_in_the_end]);
                words.extend([count | REPORTS, reports]);
            } else {
                words.push(count);
            }
            for (first, last, target) in state.edges {
                words.extend([u32::from(first) | u32::from(last) << 8, place(target)]);
            }
        }
        automata.file(words)
    }

    /// States that take one certain byte, with those behind them that do too and that nothing else leads to.
    fn runs(&self, start: u32) -> BTreeMap<u32, Run> {
        let step = |state: u32| self.states.get(state as usize).and_then(DraftState::only_byte);
        let mut ways_in = vec![0u32; self.states.len()];
        let mut count = |target: u32| ways_in.get_mut(target as usize).into_iter().for_each(|count| *count += 1);
        count(start);
        self.states.iter().flat_map(|state| &state.edges).for_each(|(.., target)| count(*target));
        let goes_on = |state: u32| step(state).filter(|_| ways_in.get(state as usize) == Some(&1));

        let states = 0..index(self.states.len());
        let inside: BTreeSet<u32> = states.clone().filter_map(|state| Some(step(state)?.1)).collect();
        let first = states.filter(|state| goes_on(*state).is_none() || !inside.contains(state));
        let runs = first.filter_map(|first| {
            let (byte, target) = step(first)?;
            let mut run = Run { text: vec![byte], inside: Vec::new(), target };
            // It ends: a circle has a state that is also led to from outside.
            while let Some((byte, target)) = goes_on(run.target) {
                run.inside.push(run.target);
                run.text.push(byte);
                run.target = target;
            }
            Some((first, run))
        });
        runs.collect()
    }
}

impl Automata {
    fn file(&mut self, states: Vec<u32>) -> Start {
        let start = *self.known.automata.entry(states).or_insert_with_key(|states| {
            self.words.extend(states);
            index(self.words.len() - states.len())
        });
        Start(start)
    }

    fn file_text(&mut self, text: &[u8]) -> u32 {
        *self.known.texts.entry(text.to_owned()).or_insert_with(|| {
            self.texts.extend_from_slice(text);
            index(self.texts.len() - text.len())
        })
    }

    fn file_reports(&mut self, lists: [Vec<u32>; 2]) -> u32 {
        *self.known.reports.entry(lists).or_insert_with_key(|lists| {
            let at = index(self.reports.len());
            for list in lists {
                self.reports.push(index(list.len()));
                self.reports.extend(list);
            }
            at
        })
    }
}

/// No state is there.
const NOWHERE: u32 = LEAF - 1;

/// States in a row, as one.
struct Run {
    text: Vec<u8>,
    /// The states that it stands for, besides its own.
    inside: Vec<u32>,
    target: u32,
}

impl DraftState {
    fn has_reports(&self) -> bool {
        !self.reports.is_empty() || !self.reports_in_the_end.is_empty()
    }

    /// The byte that this state needs, if it has nothing else to do.
    fn only_byte(&self) -> Option<(u8, u32)> {
        match &*self.edges {
            [(first, last, target)] if first == last && !self.has_reports() => Some((*first, *target)),
            _ => None,
        }
    }
}
