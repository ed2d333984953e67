//! From method and path to an endpoint, with the role it needs and how large a body it takes.

use std::collections::BTreeSet;

use http::Method;

use super::request::Role;
use crate::limits;

/// The endpoints. `H` is what is done there.
pub struct Router<H> {
    endpoints: Vec<Endpoint<H>>,
}

/// One method of one pattern of paths.
pub struct Endpoint<H> {
    method: Method,
    pattern: Vec<Piece>,
    /// The pattern, for people.
    path: String,
    /// Who may ask.
    pub needs: Role,
    /// The largest body, in bytes.
    pub body_bytes: usize,
    /// What is done.
    pub handler: H,
}

/// A segment of a pattern.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Piece {
    /// This one. Goes before the others, where several patterns fit.
    Literal(String),
    /// Any.
    Any,
    /// Any, and not to be shown in a log.
    Secret,
}

/// What there is for a request.
pub enum Found<'r, H> {
    /// The endpoint.
    Endpoint(&'r Endpoint<H>),
    /// Other methods of the same path, with those that every path has: what `Allow` says.
    Methods(String),
    /// No such path.
    Nothing,
}

impl<H> Default for Router<H> {
    fn default() -> Self {
        Self { endpoints: Vec::new() }
    }
}

impl<H> Router<H> {
    /// Add an endpoint. `pattern` is a path with `{name}` for any segment and `{!name}` for one that is a secret:
    /// `/consumers/{consumer}/key-auth/{!key}`.
    pub fn add(&mut self, method: Method, pattern: &str, needs: Role, handler: H) {
        self.add_upload(method, pattern, needs, limits::ADMIN_BODY_BYTES, handler);
    }

    /// As [`Router::add`], for bodies of up to this many bytes.
    pub fn add_upload(&mut self, method: Method, pattern: &str, needs: Role, body_bytes: usize, handler: H) {
        let path = pattern.replace("{!", "{");
        let pattern = pattern.split('/').filter(|segment| !segment.is_empty()).map(Piece::of).collect();
        self.endpoints.push(Endpoint { method, pattern, path, needs, body_bytes, handler });
    }

    /// The patterns of all endpoints, in order.
    pub fn paths(&self) -> BTreeSet<&str> {
        self.endpoints.iter().map(|endpoint| endpoint.path.as_str()).collect()
    }

    /// The endpoint for `method` and the path's `segments`. HEAD is GET.
    pub fn find(&self, method: &Method, segments: &[String]) -> Found<'_, H> {
        let method = if method == Method::HEAD { &Method::GET } else { method };
        let fitting = || self.endpoints.iter().filter(|endpoint| endpoint.fits(segments));
        let here = fitting().filter(|endpoint| endpoint.method == *method);
        if let Some(endpoint) = here.min_by(|a, b| a.pattern.cmp(&b.pattern)) {
            return Found::Endpoint(endpoint);
        }
        let mut allowed = String::new();
        for (method, words) in METHODS {
            if fitting().any(|endpoint| endpoint.method == method) {
                allowed.push_str(words);
                allowed.push_str(", ");
            }
        }
        if allowed.is_empty() { Found::Nothing } else { Found::Methods(allowed + "OPTIONS") }
    }
}

/// Those that endpoints have, and what `Allow` says of each.
const METHODS: [(Method, &str); 5] = [
    (Method::GET, "GET, HEAD"),
    (Method::POST, "POST"),
    (Method::PUT, "PUT"),
    (Method::PATCH, "PATCH"),
    (Method::DELETE, "DELETE"),
];

impl<H> Endpoint<H> {
    fn fits(&self, segments: &[String]) -> bool {
        self.pattern.len() == segments.len()
            && self.pattern.iter().zip(segments).all(|(piece, segment)| match piece {
                Piece::Literal(literal) => literal == segment,
                Piece::Any | Piece::Secret => true,
            })
    }

    /// `path`, as it was sent, for a log: without what is a secret.
    pub fn shown(&self, path: &str) -> String {
        let segments = path.split('/').filter(|segment| !segment.is_empty());
        let mut shown = String::with_capacity(path.len());
        for (piece, segment) in self.pattern.iter().zip(segments) {
            shown.push('/');
            shown.push_str(if *piece == Piece::Secret { "***" } else { segment });
        }
        if shown.is_empty() { "/".to_owned() } else { shown }
    }
}

impl Piece {
    fn of(segment: &str) -> Self {
        match segment.strip_prefix('{').and_then(|segment| segment.strip_suffix('}')) {
            None => Self::Literal(segment.to_owned()),
            Some(name) if name.starts_with('!') => Self::Secret,
            Some(_) => Self::Any,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::admin::request::segments;

    fn router() -> Router<u8> {
        let mut router = Router::default();
        router.add(Method::GET, "/", Role::Read, 0);
        router.add(Method::GET, "/services/{service}", Role::Read, 1);
        router.add(Method::DELETE, "/services/{service}", Role::Write, 2);
        router.add(Method::GET, "/services/{service}/routes", Role::Read, 3);
        router.add(Method::GET, "/{kind}/validate/routes", Role::Read, 4);
        router.add(Method::GET, "/services/special", Role::Read, 5);
        router.add_upload(Method::POST, "/components", Role::Plugins, 7, 6);
        router.add(Method::PUT, "/consumers/{consumer}/key-auth/{!key}", Role::Write, 8);
        router
    }

    #[test]
    fn method_and_path_lead_to_one_endpoint() {
        let router = router();
        for (method, path, expected) in [
            ("GET", "/", 0),
            ("HEAD", "/services/x", 1),
            ("GET", "/services/x/", 1),
            ("GET", "/services/%73pecial", 5),
            ("DELETE", "/services/special", 2),
            ("GET", "/services/a%2Fb/routes", 3),
            // A literal goes before any name, the earlier the better.
            ("GET", "/services/validate/routes", 3),
            ("GET", "/plugins/validate/routes", 4),
            ("POST", "/components", 6),
        ] {
            let method = method.parse().unwrap();
            let Found::Endpoint(endpoint) = router.find(&method, &segments(path).unwrap()) else {
                panic!("{method} {path}")
            };
            assert_eq!(endpoint.handler, expected, "{method} {path}");
        }
        let Found::Endpoint(upload) = router.find(&Method::POST, &["components".to_owned()]) else { panic!() };
        assert_eq!((upload.needs, upload.body_bytes), (Role::Plugins, 7));
    }

    #[test]
    fn paths_are_listed_once() {
        let router = router();
        let paths: Vec<_> = router.paths().into_iter().collect();
        assert_eq!(paths[..3], ["/", "/components", "/consumers/{consumer}/key-auth/{key}"]);
        assert_eq!(paths.iter().filter(|path| **path == "/services/{service}").count(), 1);
    }

    #[test]
    fn what_is_not_there_is_told_apart_from_what_cannot_be_done() {
        let router = router();
        for (method, path, expected) in [
            ("POST", "/", "GET, HEAD, OPTIONS"),
            ("PATCH", "/services/x", "GET, HEAD, DELETE, OPTIONS"),
            ("OPTIONS", "/components", "POST, OPTIONS"),
            ("BREW", "/components", "POST, OPTIONS"),
        ] {
            let method = method.parse().unwrap();
            let Found::Methods(allowed) = router.find(&method, &segments(path).unwrap()) else {
                panic!("{method} {path}")
            };
            assert_eq!(allowed, expected, "{method} {path}");
        }
        for path in ["/service", "/services", "/services/x/y", "/services/x/routes/y", "*"] {
            let found = router.find(&Method::GET, &segments(path).unwrap());
            assert!(matches!(found, Found::Nothing), "{path}");
        }
    }

    #[test]
    fn secrets_in_paths_are_not_shown() {
        let router = router();
        for (method, path, expected) in [
            (Method::PUT, "/consumers/al%20ice/key-auth/k%33y", "/consumers/al%20ice/key-auth/***"),
            (Method::GET, "/", "/"),
            (Method::GET, "//services/x/", "/services/x"),
        ] {
            let Found::Endpoint(endpoint) = router.find(&method, &segments(path).unwrap()) else { panic!("{path}") };
            assert_eq!(endpoint.shown(path), expected);
        }
    }
}
