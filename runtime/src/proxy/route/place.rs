//! The ways that end at one host and one path: what is left to tell them apart are methods, headers, server names and
//! sources. Ten thousand of them that differ by the value of a header are found by that value; server names and
//! networks likewise. What a way is found by needs no check any more, so that its route's criteria are rarely read.

use std::ops::Range;

use http::header::HeaderName;

use self::key::Key;
use super::Ask;
use super::table::Table;
use super::way::Way;

pub(super) use self::draft::PlacesDraft;

mod draft;
mod key;

/// The places of all hosts and paths.
#[derive(Debug)]
pub(super) struct Places {
    /// Lists of ways, each best first.
    ways: Box<[Way]>,
    keyed: Box<[Keyed]>,
    keys: Box<[Key]>,
    /// Each name once, so that there are few to keep in the cache.
    header_names: Box<[HeaderName]>,
    /// From a keyed place and a header's name to a key.
    by_header: Table,
    /// From a key and a text to the first way of a list.
    by_text: Table,
}

/// One of them, in the form in which it is filed: the usual place, of a single way, is read in one go.
#[derive(Debug, Clone, Copy)]
pub(super) enum Place {
    Single(Way),
    /// More ways that no key singles out.
    List {
        best: u32,
        first: u32,
    },
    /// Ways some of which are found by keys.
    Keyed {
        best: u32,
        place: u32,
    },
}

const NONE: u32 = u32::MAX;

/// A place some of whose ways are found by their keys.
#[derive(Debug)]
struct Keyed {
    /// The first of those that no key singles out, if there are any; else `NONE`.
    open: u32,
    /// The first of those that server names single out: requests without TLS may go to any of them.
    unnamed: u32,
    /// Those by headers come first.
    keys: Range<u32>,
    header_keys: u32,
    /// All of its lists.
    ways: Range<u32>,
}

impl Place {
    /// The best rank of its ways, whether or not they fit.
    pub(super) fn best(&self) -> u32 {
        match self {
            Self::Single(way) => way.rank,
            Self::List { best, .. } | Self::Keyed { best, .. } => *best,
        }
    }
}

impl Places {
    /// The best way of a place with a rank below `bound` that fits.
    pub(super) fn find<'r>(
        &'r self,
        place: &'r Place,
        ask: &Ask<'_>,
        mut bound: u32,
        fits: impl Fn(&Way) -> bool,
    ) -> Option<&'r Way> {
        let mut found = None;
        let mut look = |first: u32| {
            for way in self.ways.get(first as usize..).unwrap_or_default() {
                if way.rank >= bound {
                    return;
                }
                if fits(way) {
                    (bound, found) = (way.rank, Some(way));
                    return;
                }
                if way.is_last() {
                    return;
                }
            }
        };
        match place {
            Place::Single(way) => return Some(way).filter(|way| way.rank < bound && fits(way)),
            Place::List { first, .. } => look(*first),
            Place::Keyed { place, .. } => self.look_up(*place, ask, &mut look),
        }
        found
    }

    /// All ways of a place; some of them more than once.
    pub(super) fn ways<'r>(&'r self, place: &'r Place) -> impl Iterator<Item = &'r Way> {
        let from = |first: u32| self.ways.get(first as usize..).unwrap_or_default();
        let ways = match place {
            Place::Single(way) => std::slice::from_ref(way),
            Place::List { first, .. } => {
                let ways = from(*first);
                let last = ways.iter().position(Way::is_last);
                last.and_then(|last| ways.get(..=last)).unwrap_or_default()
            }
            Place::Keyed { place, .. } => {
                let ways = self.keyed.get(*place as usize).map(|keyed| &keyed.ways);
                ways.and_then(|ways| from(ways.start).get(..ways.len())).unwrap_or_default()
            }
        };
        ways.iter()
    }

    /// Look at each list of a keyed place in which there may be ways for this request.
    fn look_up(&self, place: u32, ask: &Ask<'_>, look: &mut impl FnMut(u32)) {
        let Some(keyed) = self.keyed.get(place as usize) else { return };
        look(keyed.open);
        let by_other_keys = keyed.keys.start + keyed.header_keys;
        // Whichever are fewer lead to the others.
        if keyed.header_keys as usize <= ask.headers.keys_len() {
            (keyed.keys.start..by_other_keys).for_each(|key| self.look_up_key(key, ask, look));
        } else {
            let names = ask.headers.keys().map(|name| name.as_str().as_bytes());
            for key in names.filter_map(|name| self.by_header.find(place, name)) {
                self.look_up_key(key, ask, look);
            }
        }
        if !ask.tls {
            look(keyed.unnamed);
        }
        (by_other_keys..keyed.keys.end).for_each(|key| self.look_up_key(key, ask, look));
    }

    fn look_up_key(&self, key: u32, ask: &Ask<'_>, look: &mut impl FnMut(u32)) {
        if let Some(known) = self.keys.get(key as usize) {
            known.texts(ask, &self.header_names, |text| {
                self.by_text.find(key, text).into_iter().for_each(&mut *look);
            });
        }
    }
}
