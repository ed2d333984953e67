//! From a request to its route. Each route is ranked once per host and path it has, by Kong's rules ("traditional"),
//! and filed under that host, in a tree of paths: a lookup costs what the path is long, not what the routes are many.
//! Who calls: `exchange` with each request, the snapshot to build it, the configuration to find duplicates.

use std::collections::HashMap;
use std::net::SocketAddr;

use http::{HeaderMap, Method};

use self::hosts::{Hosts, HostsDraft, RequestedHost};
use self::paths::{Paths, PathsDraft};
use self::place::Place;
use self::rank::{Identity, rank};
use self::regexes::Pattern;
use crate::config::values::{HeaderCriterion, HostPattern, PathPattern, PathRegex, Sni, Source};

pub use self::regexes::Captures;

mod hosts;
mod near_miss;
mod paths;
mod place;
mod radix;
mod rank;
mod regexes;

/// What a route asks of a request: one of each list that is not empty, but all of the headers.
#[derive(Debug, Clone, Default)]
pub struct Criteria {
    /// Any of these hosts.
    pub hosts: Vec<HostPattern>,
    /// Any of these paths.
    pub paths: Vec<PathPattern>,
    /// Any of these methods.
    pub methods: Vec<Method>,
    /// All of these, each name once.
    pub headers: Vec<HeaderCriterion>,
    /// Any of these names in the TLS handshake. Kong: whatever comes without TLS is taken all the same.
    pub snis: Vec<Sni>,
    /// Any of these peers.
    pub sources: Vec<Source>,
    /// Which regex goes first among those of equally specific routes: the higher (Kong's default: 0).
    pub regex_priority: i32,
}

/// What a request is routed by.
#[derive(Debug, Clone, Copy)]
pub struct Ask<'a> {
    /// As the Host header or `:authority` has it.
    pub host: &'a str,
    /// The listener's; it stands in for the port that `host` does not have.
    pub port: u16,
    /// Normalised, without the query.
    pub path: &'a str,
    /// As received.
    pub method: &'a Method,
    /// As received.
    pub headers: &'a HeaderMap,
    /// The server name of the TLS handshake, if the client gave one.
    pub sni: Option<&'a str>,
    /// Whether the request came over TLS.
    pub tls: bool,
    /// The peer.
    pub source: SocketAddr,
}

/// Where a request goes.
#[derive(Debug)]
pub struct Match<'r, R> {
    /// The route.
    pub route: &'r R,
    /// How many bytes of the path its path criterion took; 0 if it has none.
    pub prefix_length: usize,
    /// What the named groups of its regex found; empty for all other routes.
    pub captures: Captures,
}

/// All routes of one generation.
#[derive(Debug)]
pub struct Router<R> {
    /// As listed.
    routes: Vec<(Criteria, R)>,
    /// Best first: a way's index is its rank.
    ways: Vec<Way>,
    patterns: Vec<Pattern>,
    hosts: Hosts<Paths>,
    /// Whether any route asks for hosts: if not, nobody has to look at them.
    hosts_matter: bool,
}

/// One host and one path of a route.
#[derive(Debug)]
struct Way {
    /// Index in `routes`.
    route: usize,
    /// The host's.
    port: Option<u16>,
    /// What is left to check once host and path are right. It stands here so that most lookups never read `routes`.
    rest: Rest,
    path: WayPath,
}

/// Criteria besides host and path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Rest {
    Nothing,
    Something,
}

#[derive(Debug, Clone, Copy)]
enum WayPath {
    /// Any path, or one that begins with this many known bytes.
    Prefix(usize),
    /// Index in `patterns`.
    Regex(usize),
}

/// A router, and what is wrong with its routes.
#[derive(Debug)]
pub struct Built<R> {
    /// Complete all the same.
    pub router: Router<R>,
    /// Routes that are never reached.
    pub shadowed: Vec<Shadowed>,
}

/// Two routes with the same criteria, as indices in the list they came in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Shadowed {
    /// Takes all requests.
    pub first: usize,
    /// Takes none.
    pub second: usize,
}

impl<R> Router<R> {
    /// Compile `routes`, listed from the oldest to the youngest.
    #[expect(clippy::new_ret_no_self, reason = "a router comes with the faults of its routes")]
    pub fn new(routes: Vec<(Criteria, R)>) -> Built<R> {
        let mut ranked = Vec::new();
        for (listed, (criteria, _)) in routes.iter().enumerate() {
            for host in optional(&criteria.hosts) {
                for path in optional(&criteria.paths) {
                    ranked.push((rank(criteria, host, path, listed), host, path, criteria));
                }
            }
        }
        // Stable: two ways of one route may rank the same.
        ranked.sort_by_key(|(rank, ..)| *rank);

        let mut patterns = Patterns::default();
        let mut hosts = HostsDraft::<PathsDraft>::default();
        let mut ways = Vec::with_capacity(ranked.len());
        for (rank, host, path, criteria) in &ranked {
            let paths = hosts.at(host.map(|host| &host.name));
            let path = match path {
                None => paths.file_prefix("", ways.len()),
                Some(PathPattern::Prefix(prefix)) => paths.file_prefix(prefix, ways.len()),
                Some(PathPattern::Regex(regex)) => paths.file_regex(regex, patterns.index(regex), ways.len()),
            };
            let port = host.and_then(|host| host.port);
            ways.push(Way { route: rank.listed(), port, rest: criteria.rest(), path });
        }
        let headers = |way: usize| ranked.get(way).map_or(&[][..], |(.., criteria)| &criteria.headers);
        let hosts = hosts.finish(|paths| paths.finish(&patterns.compiled, &headers));
        let shadowed = shadowed(&routes);
        let hosts_matter = routes.iter().any(|(criteria, _)| !criteria.hosts.is_empty());
        Built { router: Self { routes, ways, patterns: patterns.compiled, hosts, hosts_matter }, shadowed }
    }

    /// The best match. Allocates nothing unless regexes come into question.
    pub fn find(&self, ask: &Ask<'_>) -> Option<Match<'_, R>> {
        let host = if self.hosts_matter { ask.host } else { "" };
        let host = RequestedHost::new(host, ask.port);
        let best = self
            .visit(&host, ask.path, |place, bound| place.find(ask.headers, bound, |way| self.fits(way, &host, ask)));
        let way = self.ways.get(best)?;
        let (_, route) = self.routes.get(way.route)?;
        let (prefix_length, captures) = match way.path {
            WayPath::Prefix(length) => (length, Captures::default()),
            WayPath::Regex(pattern) => self.patterns.get(pattern)?.take(ask.path),
        };
        Some(Match { route, prefix_length, captures })
    }

    /// Visit the places that this host and path lead to, until none can hold a way below the bound that `visit` gave
    /// back last. The bound in the end.
    fn visit<'r>(
        &'r self,
        host: &RequestedHost,
        path: &str,
        mut visit: impl FnMut(&'r Place, usize) -> usize,
    ) -> usize {
        let mut bound = usize::MAX;
        self.hosts.visit(host, |paths| bound = paths.visit(path, &self.patterns, bound, &mut visit));
        bound
    }

    /// Whether a way whose host and path are right takes the rest as well.
    fn fits(&self, way: usize, host: &RequestedHost, ask: &Ask<'_>) -> bool {
        let Some(way) = self.ways.get(way) else { return false };
        way.port.is_none_or(|port| host.port() == Some(port))
            && (way.rest == Rest::Nothing
                || self.routes.get(way.route).is_some_and(|(criteria, _)| criteria.takes_rest(ask)))
    }
}

impl Criteria {
    fn rest(&self) -> Rest {
        let none =
            self.methods.is_empty() && self.headers.is_empty() && self.snis.is_empty() && self.sources.is_empty();
        if none { Rest::Nothing } else { Rest::Something }
    }

    fn takes_rest(&self, ask: &Ask<'_>) -> bool {
        self.takes_method(ask) && self.takes_headers(ask) && self.takes_sni(ask) && self.takes_source(ask)
    }

    fn takes_method(&self, ask: &Ask<'_>) -> bool {
        self.methods.is_empty() || self.methods.contains(ask.method)
    }

    fn takes_headers(&self, ask: &Ask<'_>) -> bool {
        self.headers.iter().all(|header| header.takes(ask.headers))
    }

    fn takes_sni(&self, ask: &Ask<'_>) -> bool {
        let asked = || ask.sni.is_some_and(|name| self.snis.iter().any(|sni| sni.takes(name)));
        self.snis.is_empty() || !ask.tls || asked()
    }

    fn takes_source(&self, ask: &Ask<'_>) -> bool {
        self.sources.is_empty() || self.sources.iter().any(|source| source.takes(ask.source))
    }
}

/// Each of them, or once none.
fn optional<T>(list: &[T]) -> impl Iterator<Item = Option<&T>> {
    list.iter().map(Some).chain(list.is_empty().then_some(None))
}

/// Each pattern once, whatever the number of routes and hosts that it stands at.
#[derive(Default)]
struct Patterns {
    compiled: Vec<Pattern>,
    by_text: HashMap<String, usize>,
}

impl Patterns {
    fn index(&mut self, regex: &PathRegex) -> usize {
        *self.by_text.entry(regex.regex().as_str().to_owned()).or_insert_with(|| {
            self.compiled.push(Pattern::new(regex));
            self.compiled.len() - 1
        })
    }
}

fn shadowed<R>(routes: &[(Criteria, R)]) -> Vec<Shadowed> {
    let mut known = HashMap::with_capacity(routes.len());
    let pairs = routes.iter().enumerate().filter_map(|(second, (criteria, _))| {
        let first = *known.entry(Identity::new(criteria)).or_insert(second);
        (first != second).then_some(Shadowed { first, second })
    });
    pairs.collect()
}

#[cfg(test)]
mod tests;
