//! Places while they are filled.

use std::collections::BTreeMap;

use http::header::HeaderName;

use super::key::{Filing, Key, filing};
use super::{Keyed, NONE, Place, Places};
use crate::proxy::route::Criteria;
use crate::proxy::route::radix::index;
use crate::proxy::route::table::{Filed, Table};
use crate::proxy::route::way::Way;

#[derive(Default)]
pub(in crate::proxy::route) struct PlacesDraft {
    ways: Vec<Way>,
    keyed: Vec<Keyed>,
    keys: Vec<Key>,
    header_names: Vec<HeaderName>,
    by_header: Vec<(Filed, u32)>,
    by_text: Vec<(Filed, u32)>,
}

impl PlacesDraft {
    /// A place for `ways`, best first, each with its route's criteria.
    pub(in crate::proxy::route) fn file<'c>(&mut self, ways: impl IntoIterator<Item = (Way, &'c Criteria)>) -> Place {
        let (mut open, mut unnamed) = (Vec::new(), Vec::new());
        let mut lists = BTreeMap::<(Key, Box<[u8]>), Vec<Way>>::new();
        let mut best = u32::MAX;
        for (way, criteria) in ways {
            best = best.min(way.rank);
            let (filing, rest) = filing(criteria, &mut self.header_names);
            let way = way.with(rest);
            match &filing {
                Filing::Open => open.push(way),
                Filing::Name(_) => unnamed.push(way),
                Filing::Header(_) | Filing::Source(_) => {}
            }
            for found_by in filing.keys() {
                let list = lists.entry(found_by).or_default();
                // A route may say the same twice.
                if list.last().is_none_or(|last| last.rank != way.rank) {
                    list.push(way);
                }
            }
        }
        match &*open {
            [way] if lists.is_empty() => Place::Single(*way),
            _ if lists.is_empty() => Place::List { best, first: self.list(open) },
            _ => Place::Keyed { best, place: self.file_keyed(open, unnamed, lists) },
        }
    }

    fn file_keyed(&mut self, open: Vec<Way>, unnamed: Vec<Way>, lists: BTreeMap<(Key, Box<[u8]>), Vec<Way>>) -> u32 {
        let place = index(self.keyed.len());
        let (first_way, first_key) = (index(self.ways.len()), index(self.keys.len()));
        let (open, unnamed) = (self.list(open), self.list(unnamed));
        let mut header_keys = 0;
        for ((key, text), ways) in lists {
            if self.keys.len() == first_key as usize || self.keys.last() != Some(&key) {
                self.keys.push(key);
                if let Key::Header(name) = key {
                    header_keys += 1;
                    let name = self.header_names.get(name as usize).map(|name| name.as_str().as_bytes().into());
                    self.by_header.push(((place, name.unwrap_or_default()), index(self.keys.len() - 1)));
                }
            }
            let first = self.list(ways);
            self.by_text.push(((index(self.keys.len() - 1), text), first));
        }
        let keys = first_key..index(self.keys.len());
        let ways = first_way..index(self.ways.len());
        self.keyed.push(Keyed { open, unnamed, keys, header_keys, ways });
        place
    }

    /// The first of them; `NONE` if there are none.
    fn list(&mut self, ways: Vec<Way>) -> u32 {
        if ways.is_empty() {
            return NONE;
        }
        let first = index(self.ways.len());
        self.ways.extend(ways);
        if let Some(last) = self.ways.last_mut() {
            *last = last.last();
        }
        first
    }

    pub(in crate::proxy::route) fn finish(self) -> Places {
        Places {
            ways: self.ways.into(),
            keyed: self.keyed.into(),
            keys: self.keys.into(),
            header_names: self.header_names.into(),
            by_header: Table::new(self.by_header.iter().map(|(filed, key)| (filed, *key))),
            by_text: Table::new(self.by_text.iter().map(|(filed, first)| (filed, *first))),
        }
    }
}
