//! Which of two matches is the better one (Kong's router, "traditional"), and which routes are the same to it.

use std::cmp::Reverse;
use std::collections::BTreeSet;

use super::Criteria;
use crate::config::values::{HostName, HostPattern, PathPattern};

/// What decides, the first difference counting; less is better.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Rank {
    /// How many categories of criteria the route has.
    count: Reverse<usize>,
    /// Which ones: host, header, path, method, SNI, source.
    categories: Reverse<[bool; 6]>,
    wildcard: bool,
    /// False if the host has a port.
    any_port: bool,
    wildcard_length: Reverse<usize>,
    header_names: Reverse<usize>,
    /// False if the path is a regex.
    literal: bool,
    regex_priority: Reverse<i32>,
    /// A prefix's, or a pattern's text's.
    path_length: Reverse<usize>,
    listed: usize,
}

impl Rank {
    /// The route's index in the list.
    pub(super) fn listed(&self) -> usize {
        self.listed
    }
}

/// The rank of a route that is listed at `listed`, for one of its hosts and one of its paths.
pub(super) fn rank(criteria: &Criteria, host: Option<&HostPattern>, path: Option<&PathPattern>, listed: usize) -> Rank {
    let categories = [
        host.is_some(),
        !criteria.headers.is_empty(),
        path.is_some(),
        !criteria.methods.is_empty(),
        !criteria.snis.is_empty(),
        !criteria.sources.is_empty(),
    ];
    let wildcard_length = match host.map(|host| &host.name) {
        None | Some(HostName::Exact(_)) => None,
        Some(HostName::Suffix(fixed) | HostName::Prefix(fixed)) => Some(fixed.len()),
    };
    let regex = matches!(path, Some(PathPattern::Regex(_)));
    Rank {
        count: Reverse(categories.iter().filter(|has| **has).count()),
        categories: Reverse(categories),
        wildcard: wildcard_length.is_some(),
        any_port: host.is_none_or(|host| host.port.is_none()),
        wildcard_length: Reverse(wildcard_length.unwrap_or(0)),
        header_names: Reverse(criteria.headers.len()),
        literal: !regex,
        regex_priority: Reverse(if regex { criteria.regex_priority } else { 0 }),
        path_length: Reverse(path.map_or(0, |path| path.as_str().len())),
        listed,
    }
}

/// All of a route's criteria, in whatever order they were written. Two routes of the same are told apart by nothing
/// but their place in the list.
#[derive(PartialEq, Eq, Hash)]
pub(super) struct Identity<'c> {
    hosts: BTreeSet<String>,
    paths: BTreeSet<&'c str>,
    methods: BTreeSet<&'c str>,
    headers: BTreeSet<(&'c str, BTreeSet<&'c str>)>,
    snis: BTreeSet<String>,
    sources: BTreeSet<String>,
    /// It orders regexes only.
    regex_priority: Option<i32>,
}

impl<'c> Identity<'c> {
    pub(super) fn new(criteria: &'c Criteria) -> Self {
        let regex = criteria.paths.iter().any(|path| matches!(path, PathPattern::Regex(_)));
        Self {
            hosts: criteria.hosts.iter().map(ToString::to_string).collect(),
            paths: criteria.paths.iter().map(PathPattern::as_str).collect(),
            methods: criteria.methods.iter().map(http::Method::as_str).collect(),
            headers: criteria
                .headers
                .iter()
                .map(|header| (header.name.as_str(), header.values.iter().collect()))
                .collect(),
            snis: criteria.snis.iter().map(ToString::to_string).collect(),
            sources: criteria.sources.iter().map(ToString::to_string).collect(),
            regex_priority: regex.then_some(criteria.regex_priority),
        }
    }
}
