//! Deterministic automata over paths, all in one piece of memory: which of many regexes may take a path, and where the
//! match of a single one ends. They are built with the router, so that no request waits for a piece of one, and no
//! worker needs a cache of its own. A step costs about a nanosecond, and a whole walk few cache lines.

use std::collections::HashMap;

pub(super) use self::build::{Program, Purpose, compile};

mod build;
mod subsets;

/// The states of each automaton, the one it begins with first; what comes next is counted from there. A state that has
/// nothing to choose is a run: its head with the number of bytes that it takes, where they stand in `texts`, and what
/// comes next. Any other has a head with the number of its edges, its reports if it has any, and its edges, two words
/// each: first and last byte, and what comes next.
#[derive(Debug, Default)]
pub(super) struct Automata {
    words: Vec<u32>,
    /// What runs take.
    texts: Vec<u8>,
    /// For each state that reports: how many it reports to everybody, those, how many it reports where the path ends,
    /// those.
    reports: Vec<u32>,
    /// Where all this stands, while automata are built. The same of it stands there once: ten thousand routes whose
    /// regexes end alike, behind whatever tells them apart, are walked in the same few cache lines.
    known: Known,
}

#[derive(Debug, Default)]
struct Known {
    automata: HashMap<Vec<u32>, u32>,
    texts: HashMap<Vec<u8>, u32>,
    reports: HashMap<[Vec<u32>; 2], u32>,
}

/// Where an automaton's states are, or the leaf that it is. It begins behind the literal text that was known when it
/// was built.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Start(u32);

/// Set in the head of a run.
const RUN: u32 = 1 << 30;
/// What a head has of its number of bytes or edges.
const COUNT: u32 = RUN - 1;
/// Set in a head: the place of its reports follows.
const REPORTS: u32 = 1 << 31;
/// Set in what comes next: no state, but the end of the walk and a report of this number.
const LEAF: u32 = 1 << 31;

impl Automata {
    /// Without what is needed for building only.
    pub(super) fn finished(mut self) -> Self {
        self.known = Known::default();
        self.words.shrink_to_fit();
        self
    }

    /// Feed `text` to an automaton. It reports numbers, each with how much of `text` it took to know.
    pub(super) fn walk(&self, start: Start, text: &[u8], mut report: impl FnMut(u32, usize)) {
        if start.0 & LEAF != 0 {
            return report(start.0 & !LEAF, 0);
        }
        let states = self.words.get(start.0 as usize..).unwrap_or_default();
        let (mut next, mut rest) = (0, text);
        loop {
            let position = text.len() - rest.len();
            if next & LEAF != 0 {
                return report(next & !LEAF, position);
            }
            match states.get(next as usize..).unwrap_or_default() {
                [head, at, target, ..] if head & RUN != 0 => {
                    let end = at.saturating_add(head & COUNT);
                    let run = self.texts.get(*at as usize..end as usize);
                    let Some(behind) = run.and_then(|run| rest.strip_prefix(run)) else { return };
                    (next, rest) = (*target, behind);
                }
                [head, behind @ ..] => {
                    let edges = match behind {
                        [reports, edges @ ..] if head & REPORTS != 0 => {
                            let (always, in_the_end) = self.reports(*reports);
                            let in_the_end = if rest.is_empty() { in_the_end } else { &[] };
                            always.iter().chain(in_the_end).for_each(|number| report(*number, position));
                            edges
                        }
                        edges => edges,
                    };
                    let Some((byte, behind)) = rest.split_first() else { return };
                    let Some(target) = edge((head & COUNT) as usize, edges, *byte) else { return };
                    (next, rest) = (target, behind);
                }
                [] => return,
            }
        }
    }

    /// How much of `text` it took to make the last report.
    pub(super) fn last_report(&self, start: Start, text: &[u8]) -> Option<usize> {
        let mut last = None;
        self.walk(start, text, |_, position| last = Some(position));
        last
    }

    /// What the state reports to everybody, and what only where the path ends.
    fn reports(&self, at: u32) -> (&[u32], &[u32]) {
        let (always, behind) = counted(self.reports.get(at as usize..).unwrap_or_default());
        (always, counted(behind).0)
    }
}

/// A list that begins with its length, and what is behind it.
fn counted(list: &[u32]) -> (&[u32], &[u32]) {
    let counted = list.split_first().and_then(|(count, behind)| behind.split_at_checked(*count as usize));
    counted.unwrap_or_default()
}

/// Where `byte` leads by the first `count` of these edges.
fn edge(count: usize, edges: &[u32], byte: u8) -> Option<u32> {
    let edges = edges.as_chunks::<2>().0.get(..count)?;
    let byte = u32::from(byte);
    let [range, target] = edges.iter().find(|[range, _]| byte <= range >> 8)?;
    (range & 0xff <= byte).then_some(*target)
}

#[cfg(test)]
mod tests;
