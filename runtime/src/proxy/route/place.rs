//! The ways that end at one host and one path: what is left to tell them apart are methods, headers, server names and
//! sources, which are checked one way after the other, best first.

use std::collections::HashMap;

use http::header::{HeaderMap, HeaderName};

use crate::config::values::{HeaderCriterion, HeaderValues};
use crate::limits;

/// A place's ways, each once per value of its key. Ten thousand ways that differ by the value of a header only are
/// found by that value. Those that differ by SNI or source only are scanned: the host says what SNI says, and nobody
/// routes ten thousand networks.
#[derive(Debug)]
pub(super) struct Place {
    /// The best of all. It stands here so that the usual place, of one way, is read in one go.
    best: usize,
    /// Unless `best` is the only way: those that no header's value singles out, best first.
    open: Vec<usize>,
    /// The others, by their first header criterion that lists values.
    #[expect(clippy::box_collection, reason = "hardly any place has one: 8 bytes instead of 48")]
    keyed: Option<Box<HashMap<HeaderName, ByValue>>>,
}

/// Ways by a header's value, in lower case; best first.
type ByValue = HashMap<Box<[u8]>, Vec<usize>>;

impl Place {
    /// `ways`, best first, with the header criteria of each.
    pub(super) fn new<'c>(ways: impl IntoIterator<Item = (usize, &'c [HeaderCriterion])>) -> Self {
        let mut place = Self { best: usize::MAX, open: Vec::new(), keyed: None };
        for (way, headers) in ways {
            place.best = place.best.min(way);
            match headers.iter().find_map(listed) {
                None => place.open.push(way),
                Some((name, values)) => {
                    let by_value = place.keyed.get_or_insert_default().entry(name.clone()).or_default();
                    for value in values {
                        let ways = by_value.entry(value.as_bytes().into()).or_default();
                        if ways.last() != Some(&way) {
                            ways.push(way);
                        }
                    }
                }
            }
        }
        if place.open.len() == 1 && place.keyed.is_none() {
            place.open = Vec::new();
        }
        place.open.shrink_to_fit();
        place
    }

    /// The best way, whether or not it fits; `usize::MAX` if there is none.
    pub(super) fn best(&self) -> usize {
        self.best
    }

    /// The best way that fits, or `bound` if that is better.
    pub(super) fn find(&self, headers: &HeaderMap, mut bound: usize, fits: impl Fn(usize) -> bool) -> usize {
        let mut look = |ways: &[usize]| {
            let fitting = ways.iter().take_while(|way| **way < bound).find(|way| fits(**way));
            bound = fitting.copied().unwrap_or(bound);
        };
        look(self.open());
        if let Some(keyed) = &self.keyed {
            // Whichever are fewer lead to the others.
            if keyed.len() <= headers.keys_len() {
                keyed.iter().for_each(|(name, by_value)| look_up(headers, name, by_value, &mut look));
            } else {
                for name in headers.keys() {
                    keyed.get(name).into_iter().for_each(|by_value| look_up(headers, name, by_value, &mut look));
                }
            }
        }
        bound
    }

    fn open(&self) -> &[usize] {
        match &self.keyed {
            None if self.open.is_empty() && self.best != usize::MAX => std::slice::from_ref(&self.best),
            _ => &self.open,
        }
    }

    /// All ways.
    pub(super) fn ways(&self) -> impl Iterator<Item = usize> {
        let keyed = self.keyed.iter().flat_map(|keyed| keyed.values()).flat_map(HashMap::values).flatten();
        self.open().iter().chain(keyed).copied()
    }
}

fn listed(criterion: &HeaderCriterion) -> Option<(&HeaderName, &[String])> {
    match &criterion.values {
        HeaderValues::AnyOf(values) => Some((&criterion.name, values)),
        HeaderValues::Matching(_) => None,
    }
}

fn look_up(headers: &HeaderMap, name: &HeaderName, by_value: &ByValue, look: &mut impl FnMut(&[usize])) {
    for value in headers.get_all(name) {
        let mut buffer = [0; limits::ROUTE_HEADER_BYTES];
        let Some(lower) = buffer.get_mut(..value.len()) else { continue };
        lower.copy_from_slice(value.as_bytes());
        lower.make_ascii_lowercase();
        by_value.get(&*lower).into_iter().for_each(|ways| look(ways));
    }
}
