//! One host and one path of a route, boiled down to 16 bytes: what most lookups have to read of it.

use std::num::NonZeroU16;

use http::Method;

use super::Criteria;

/// What is left to check once a request's host and path are right.
#[derive(Debug, Clone, Copy)]
pub(super) struct Way {
    /// Less is better.
    pub(super) rank: u32,
    /// The route's index in the list.
    pub(super) route: u32,
    path: u32,
    /// The host's. There is no port 0.
    port: Option<NonZeroU16>,
    /// Methods, `REST` and `LAST`.
    marks: u16,
}

/// What a way takes of the path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum WayPath {
    /// Any path, or one that begins with this many known bytes.
    Prefix(u32),
    /// As much as this pattern takes, by its index.
    Regex(u32),
    /// Likewise, and it has named groups.
    Groups(u32),
}

/// Criteria besides host, path and method, and besides what the way is filed under.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Rest {
    Nothing,
    Something,
}

/// Set in `path` of regexes. No prefix is that long, and so many patterns do not fit into memory.
const REGEX: u32 = 1 << 31;
/// Set in `path` of regexes with named groups.
const GROUPS: u32 = 1 << 30;
/// In `marks`: not all is checked yet.
const REST: u16 = 1 << 15;
/// In `marks`: the list of ways that this one is in ends here.
const LAST: u16 = 1 << 14;
/// In `marks`: all methods.
const ANY_METHOD: u16 = LAST - 1;
/// In `marks`: methods that have no bit of their own; which they are is part of the rest.
const OTHER_METHODS: u16 = 1 << 13;

impl Way {
    pub(super) fn new(rank: u32, route: u32, port: Option<u16>, path: WayPath, criteria: &Criteria) -> Self {
        let path = match path {
            WayPath::Prefix(length) => length,
            WayPath::Regex(pattern) => pattern | REGEX,
            WayPath::Groups(pattern) => pattern | REGEX | GROUPS,
        };
        let methods = criteria.methods.iter().fold(0, |marks, method| marks | mark(method));
        let marks = if criteria.methods.is_empty() { ANY_METHOD } else { methods };
        Self { rank, route, path, port: port.and_then(NonZeroU16::new), marks }
    }

    /// The same way, with what is left to check where it is filed.
    pub(super) fn with(mut self, rest: Rest) -> Self {
        if rest == Rest::Something {
            self.marks |= REST;
        }
        self
    }

    /// The same way at the end of a list.
    pub(super) fn last(mut self) -> Self {
        self.marks |= LAST;
        self
    }

    pub(super) fn is_last(&self) -> bool {
        self.marks & LAST != 0
    }

    pub(super) fn path(&self) -> WayPath {
        let pattern = self.path & !(REGEX | GROUPS);
        match (self.path & REGEX, self.path & GROUPS) {
            (0, _) => WayPath::Prefix(self.path),
            (_, 0) => WayPath::Regex(pattern),
            _ => WayPath::Groups(pattern),
        }
    }

    pub(super) fn rest(&self) -> Rest {
        if self.marks & REST == 0 { Rest::Nothing } else { Rest::Something }
    }

    /// Whether it may take requests to `port` with this method; if its rest is nothing, it does.
    pub(super) fn takes(&self, port: Option<u16>, method: MethodMark) -> bool {
        self.marks & method.0 != 0 && self.port.is_none_or(|own| port == Some(own.get()))
    }
}

/// A request's method, as the mark that the ways have which take it.
#[derive(Debug, Clone, Copy)]
pub(super) struct MethodMark(u16);

impl MethodMark {
    pub(super) fn new(method: &Method) -> Self {
        Self(mark(method))
    }

    /// Whether the mark says less than the method.
    pub(super) fn is_vague(method: &Method) -> bool {
        mark(method) == OTHER_METHODS
    }
}

fn mark(method: &Method) -> u16 {
    match *method {
        Method::GET => 1,
        Method::POST => 1 << 1,
        Method::PUT => 1 << 2,
        Method::DELETE => 1 << 3,
        Method::HEAD => 1 << 4,
        Method::OPTIONS => 1 << 5,
        Method::PATCH => 1 << 6,
        Method::CONNECT => 1 << 7,
        Method::TRACE => 1 << 8,
        _ => OTHER_METHODS,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn four_ways_fit_into_a_cache_line() {
        assert_eq!(size_of::<Way>(), 16);
    }
}
