//! From a request's host, path and method to its route. Routes are ranked once, by Kong's rules, and filed under their
//! host and in a tree of path prefixes: a lookup costs what the path is long, not what the routes are many.

use std::cmp::Reverse;
use std::collections::HashMap;
use std::sync::Arc;

use http::Method;

use crate::config::checked;
use crate::config::values::HostPattern;
use crate::snapshot::Route;

/// All routes of one generation.
pub struct Router {
    ways: Vec<Way>,
    exact: HashMap<String, Prefixes>,
    /// Keyed by what is behind the star, `.example.com`.
    suffixes: HashMap<String, Prefixes>,
    any: Prefixes,
}

/// One host and one path of a route. A smaller position in `ways` is a better match.
struct Way {
    /// Empty: any.
    methods: Box<[Method]>,
    prefix_length: usize,
    route: Arc<Route>,
}

/// Where a request goes.
pub struct Match<'r> {
    /// The route.
    pub route: &'r Arc<Route>,
    /// How much of the path the route's prefix is; 0 if the route has none.
    pub prefix_length: usize,
}

impl Router {
    /// Compile `routes`, listed from the oldest to the youngest.
    pub fn new(routes: Vec<(&checked::Route, Arc<Route>)>) -> Self {
        let mut ranked = Vec::new();
        for (age, (listed, route)) in routes.into_iter().enumerate() {
            for host in optional(&listed.hosts) {
                for path in optional(&listed.paths) {
                    let rank = rank(listed, host, path.map_or(0, |path| path.0.len()), age);
                    ranked.push((rank, host, path, &listed.methods, Arc::clone(&route)));
                }
            }
        }
        ranked.sort_by_key(|(rank, ..)| *rank);

        let mut router =
            Self { ways: Vec::new(), exact: HashMap::new(), suffixes: HashMap::new(), any: Prefixes::default() };
        for (_, host, path, methods, route) in ranked {
            let prefix = path.map_or("", |path| &path.0);
            let tree = match host {
                None => &mut router.any,
                Some(HostPattern::Exact(name)) => router.exact.entry(name.clone()).or_default(),
                Some(HostPattern::Suffix(suffix)) => router.suffixes.entry(suffix.clone()).or_default(),
            };
            tree.insert(prefix.as_bytes(), router.ways.len());
            let methods = methods.iter().map(|method| method.0.clone()).collect();
            router.ways.push(Way { methods, prefix_length: prefix.len(), route });
        }
        router
    }

    /// The best match. `host` is as the Host header has it: its port does not count, nor its case.
    pub fn find(&self, host: &str, path: &str, method: &Method) -> Option<Match<'_>> {
        let mut best = self.best(&self.any, path, method, usize::MAX);
        if !self.exact.is_empty() || !self.suffixes.is_empty() {
            let host = without_port(host).to_ascii_lowercase();
            if let Some(tree) = self.exact.get(&host) {
                best = self.best(tree, path, method, best);
            }
            for (dot, _) in host.match_indices('.').filter(|(dot, _)| *dot > 0) {
                if let Some(tree) = host.get(dot..).and_then(|suffix| self.suffixes.get(suffix)) {
                    best = self.best(tree, path, method, best);
                }
            }
        }
        let way = self.ways.get(best)?;
        Some(Match { route: &way.route, prefix_length: way.prefix_length })
    }

    /// The best way below `bound` whose prefix and method fit.
    fn best(&self, tree: &Prefixes, path: &str, method: &Method, bound: usize) -> usize {
        let mut best = bound;
        tree.walk(path.as_bytes(), |ways| {
            for &way in ways.iter().take_while(|way| **way < best) {
                let fits = |way: &Way| way.methods.is_empty() || way.methods.contains(method);
                if self.ways.get(way).is_some_and(fits) {
                    best = way;
                    break;
                }
            }
        });
        best
    }
}

/// What decides between two matches, the first difference counting; less is better (Kong's router, "traditional").
type Rank = (Reverse<usize>, Reverse<[bool; 3]>, bool, Reverse<usize>, usize);

fn rank(route: &checked::Route, host: Option<&HostPattern>, prefix_length: usize, age: usize) -> Rank {
    // Host before path before method: which criteria a route has matters after how many it has.
    let criteria = [host.is_some(), prefix_length > 0, !route.methods.is_empty()];
    let matched = criteria.iter().filter(|criterion| **criterion).count();
    let wildcard = matches!(host, Some(HostPattern::Suffix(_)));
    (Reverse(matched), Reverse(criteria), wildcard, Reverse(prefix_length), age)
}

/// Each of them, or once none.
fn optional<T>(list: &[T]) -> impl Iterator<Item = Option<&T>> {
    list.iter().map(Some).chain(list.is_empty().then_some(None))
}

fn without_port(host: &str) -> &str {
    match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => name,
        _ => host,
    }
}

/// A radix tree: each node adds a label to its parent's prefix and holds the ways that end there, best first.
#[derive(Default)]
struct Prefixes {
    label: Box<[u8]>,
    ways: Vec<usize>,
    children: Vec<Prefixes>,
}

impl Prefixes {
    /// File `way` under `prefix`. Ways come in the order of their rank.
    fn insert(&mut self, prefix: &[u8], way: usize) {
        let Some(first) = prefix.first() else { return self.ways.push(way) };
        let child = self.children.iter_mut().find(|child| child.label.first() == Some(first));
        let Some(child) = child else {
            self.children.push(Self { label: prefix.into(), ways: vec![way], children: Vec::new() });
            return;
        };
        let common = child.label.iter().zip(prefix).take_while(|(a, b)| a == b).count();
        if common < child.label.len() {
            child.split(common);
        }
        child.insert(prefix.get(common..).unwrap_or_default(), way);
    }

    /// Make the first `at` bytes of the label a node of their own, above the rest.
    fn split(&mut self, at: usize) {
        let (head, tail) = self.label.split_at(at);
        let (head, tail) = (head.into(), tail.into());
        let lower =
            Self { label: tail, ways: std::mem::take(&mut self.ways), children: std::mem::take(&mut self.children) };
        self.label = head;
        self.children = vec![lower];
    }

    /// Visit the ways of every prefix of `path`.
    fn walk(&self, path: &[u8], mut visit: impl FnMut(&[usize])) {
        let (mut node, mut rest) = (self, path);
        loop {
            visit(&node.ways);
            let next = node.children.iter().find_map(|child| Some((child, rest.strip_prefix(&*child.label)?)));
            let Some((child, remaining)) = next else { return };
            (node, rest) = (child, remaining);
        }
    }
}

#[cfg(test)]
mod tests;
