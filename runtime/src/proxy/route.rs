//! From a request to its route. Each route is ranked once per host and path it has, by Kong's rules ("traditional"),
//! and filed under that host, in a tree of paths: a lookup costs what the path is long, not what the routes are many.
//! All hosts' trees share few arrays, since what a lookup among very many waits for is memory.
//! Who calls: `exchange` with each request, the snapshot to build it, the configuration to find duplicates.

use std::collections::HashMap;
use std::net::SocketAddr;

use http::{HeaderMap, Method};

use self::hosts::{Hosts, RequestedHost};
use self::paths::Paths;
use self::place::{Place, Places};
use self::rank::Identity;
use self::way::{MethodMark, Rest, Way};
use crate::config::values::{HeaderCriterion, HostPattern, PathPattern, Sni, Source};
use crate::limits;

pub use self::captures::Captures;

mod automata;
mod build;
mod captures;
mod hosts;
mod near_miss;
mod paths;
mod place;
mod radix;
mod rank;
mod regexes;
mod table;
mod way;

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
    hosts: Hosts,
    paths: Paths,
    places: Places,
    /// Whether any route asks for hosts: if not, nobody has to look at them.
    hosts_matter: bool,
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
        let (hosts, paths, places) = build::build(&routes);
        let shadowed = shadowed(&routes);
        let hosts_matter = routes.iter().any(|(criteria, _)| !criteria.hosts.is_empty());
        Built { router: Self { routes, hosts, paths, places, hosts_matter }, shadowed }
    }

    /// All of them, as listed.
    pub fn routes(&self) -> impl Iterator<Item = &R> {
        self.routes.iter().map(|(_, route)| route)
    }

    /// The best match. Allocates nothing, unless it is by a regex with named groups, or a regex comes into question that
    /// no automaton could be built of.
    pub fn find(&self, ask: &Ask<'_>) -> Option<Match<'_, R>> {
        let host = if self.hosts_matter { ask.host } else { "" };
        let mut buffer = [0; limits::HOST_BYTES];
        let host = RequestedHost::new(host, ask.port, &mut buffer);
        let method = MethodMark::new(ask.method);
        let mut best = None;
        self.visit(&host, ask.path, |place, taken, bound| {
            let fits = |way: &Way| way.takes(host.port(), method) && self.takes_rest(way, ask);
            match self.places.find(place, ask, bound, fits) {
                None => bound,
                Some(way) => {
                    best = Some((way, taken));
                    way.rank
                }
            }
        });
        let (way, taken) = best?;
        let (_, route) = self.routes.get(way.route as usize)?;
        let (prefix_length, captures) = self.paths.taken(way, ask.path, taken);
        Some(Match { route, prefix_length, captures })
    }

    /// Visit the places that this host and path lead to, with how many bytes of the path they take if that is known
    /// already, until none can hold a way below the bound that `visit` gave back last.
    fn visit<'r>(
        &'r self,
        host: &RequestedHost<'_>,
        path: &str,
        mut visit: impl FnMut(&'r Place, Option<usize>, u32) -> u32,
    ) {
        let mut bound = u32::MAX;
        self.hosts.visit(host, |tree| bound = self.paths.visit(tree, path, bound, &mut visit));
    }

    fn takes_rest(&self, way: &Way, ask: &Ask<'_>) -> bool {
        way.rest() == Rest::Nothing
            || self.routes.get(way.route as usize).is_some_and(|(criteria, _)| criteria.takes_rest(ask))
    }
}

impl Criteria {
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
