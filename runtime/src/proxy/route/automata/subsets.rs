//! The states that a regex's automaton may be in after some text: sets of them, closed under steps that take no text.

use regex_automata::nfa::thompson::{NFA, State};
use regex_automata::util::look::Look;
use regex_automata::util::primitives::StateID;

use super::Purpose;
use crate::proxy::route::radix::index;

/// One or several regexes, whose states are numbered through.
pub(super) struct Subsets<'n> {
    purpose: Purpose,
    states: Vec<&'n State>,
    /// Whose each state is.
    owners: Vec<u32>,
    /// Where each regex's states begin.
    firsts: Vec<u32>,
    /// Where each regex itself begins.
    starts: Vec<u32>,
    /// The set in which each state was seen last.
    seen: Vec<u32>,
    set: u32,
    /// States still to be followed.
    open: Vec<u32>,
    /// How many states were looked at so far.
    pub(super) work: usize,
    /// Whether something was met that only the regex itself can judge.
    pub(super) beyond: bool,
}

/// What follows upon a state in a set.
pub(super) enum Member<'n> {
    /// A step for some bytes.
    Step(&'n State),
    /// The regex has matched.
    Match,
    /// It goes on if the text ends here.
    End,
}

impl<'n> Subsets<'n> {
    pub(super) fn new(nfas: &[&'n NFA], purpose: Purpose) -> Self {
        let (mut states, mut owners, mut firsts, mut starts) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        for (nfa, owner) in nfas.iter().zip(0..) {
            let first = index(states.len());
            firsts.push(first);
            starts.push(first + nfa.start_anchored().as_u32());
            states.extend(nfa.states());
            owners.resize(states.len(), owner);
        }
        let seen = vec![0; states.len()];
        Self { purpose, states, owners, firsts, starts, seen, set: 0, open: Vec::new(), work: 0, beyond: false }
    }

    /// Where all regexes are before any text.
    pub(super) fn start(&mut self) -> Vec<u32> {
        self.set += 1;
        let mut set = Vec::new();
        for start in self.starts.clone() {
            self.close(start, At::Start, &mut set);
        }
        set
    }

    /// Where a set's members are after `byte`.
    pub(super) fn step(&mut self, set: &[u32], byte: u8) -> Vec<u32> {
        self.set += 1;
        let mut after = Vec::new();
        for member in set {
            self.work += 1;
            let next = match self.member(*member) {
                Some(Member::Step(State::ByteRange { trans })) => trans.matches_byte(byte).then_some(trans.next),
                Some(Member::Step(State::Sparse(ranges))) => ranges.matches_byte(byte),
                Some(Member::Step(State::Dense(table))) => table.matches_byte(byte),
                _ => None,
            };
            if let Some(next) = next {
                self.close(self.beside(*member, next), At::Middle, &mut after);
            }
        }
        after
    }

    /// Whether a member has a match, if the text ends where it is.
    pub(super) fn matches_in_the_end(&mut self, member: u32) -> bool {
        let Some(State::Look { next, .. }) = self.state(member) else { return false };
        self.set += 1;
        let mut after = Vec::new();
        self.close(self.beside(member, *next), At::End, &mut after);
        after.iter().any(|member| matches!(self.member(*member), Some(Member::Match)))
    }

    pub(super) fn member(&self, state: u32) -> Option<Member<'n>> {
        match self.state(state)? {
            State::Match { .. } => Some(Member::Match),
            State::Look { .. } => Some(Member::End),
            step => Some(Member::Step(step)),
        }
    }

    /// The number of the regex that a state is of.
    pub(super) fn owner(&self, state: u32) -> u32 {
        self.owners.get(state as usize).copied().unwrap_or_default()
    }

    fn state(&self, state: u32) -> Option<&'n State> {
        self.states.get(state as usize).copied()
    }

    /// The number of another state of the same regex.
    fn beside(&self, state: u32, other: StateID) -> u32 {
        self.firsts.get(self.owner(state) as usize).map_or(0, |first| first + other.as_u32())
    }

    /// Add to `set` all that is reached from `state` without any text, in the order in which the regex prefers it.
    fn close(&mut self, state: u32, place: At, set: &mut Vec<u32>) {
        self.open.push(state);
        while let Some(state) = self.open.pop() {
            self.work += 1;
            let Some(seen) = self.seen.get_mut(state as usize).filter(|seen| **seen != self.set) else { continue };
            *seen = self.set;
            match self.state(state) {
                None | Some(State::Fail) => {}
                Some(State::Union { alternates }) => {
                    let alternates = alternates.iter().rev().map(|next| self.beside(state, *next));
                    let alternates: Vec<u32> = alternates.collect();
                    self.open.extend(alternates);
                }
                Some(State::BinaryUnion { alt1, alt2 }) => {
                    let both = [self.beside(state, *alt2), self.beside(state, *alt1)];
                    self.open.extend(both);
                }
                Some(State::Capture { next, .. }) => self.open.push(self.beside(state, *next)),
                Some(State::Look { look, next }) => match self.look(*look, place) {
                    Verdict::Holds => self.open.push(self.beside(state, *next)),
                    Verdict::Fails => {}
                    Verdict::InTheEnd => set.push(state),
                },
                Some(_) => set.push(state),
            }
        }
    }

    fn look(&mut self, look: Look, place: At) -> Verdict {
        match (look, place, self.purpose) {
            (Look::Start, At::Start, _) | (Look::End, At::End, _) => Verdict::Holds,
            (Look::Start, At::Middle, _) => Verdict::Fails,
            (Look::End, At::Start | At::Middle, _) => Verdict::InTheEnd,
            // Whoever comes into question is asked itself.
            (_, _, Purpose::Candidates) => Verdict::Holds,
            (_, _, Purpose::End) => {
                self.beyond = true;
                Verdict::Fails
            }
        }
    }
}

/// Where in the text a set is.
#[derive(Clone, Copy)]
enum At {
    Start,
    Middle,
    End,
}

enum Verdict {
    Holds,
    Fails,
    InTheEnd,
}
