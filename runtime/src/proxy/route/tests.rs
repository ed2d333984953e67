use super::build::optional;
use super::*;

mod reference;
mod regexes;
mod rules;

/// A route as an operator writes it.
#[derive(Debug, Clone, Default)]
struct Spec {
    hosts: Vec<&'static str>,
    paths: Vec<&'static str>,
    methods: Vec<&'static str>,
    headers: Vec<(&'static str, Vec<&'static str>)>,
    snis: Vec<&'static str>,
    sources: Vec<&'static str>,
    regex_priority: i32,
}

impl Spec {
    fn criteria(&self) -> Criteria {
        Criteria {
            hosts: self.hosts.iter().map(|text| text.parse().unwrap()).collect(),
            paths: self.paths.iter().map(|text| text.parse().unwrap()).collect(),
            methods: self.methods.iter().map(|text| text.parse().unwrap()).collect(),
            headers: self.headers.iter().map(|(name, values)| HeaderCriterion::new(name, values).unwrap()).collect(),
            snis: self.snis.iter().map(|text| text.parse().unwrap()).collect(),
            sources: self.sources.iter().map(|text| text.parse().unwrap()).collect(),
            regex_priority: self.regex_priority,
        }
    }
}

/// Routes named by their place in the list.
fn router(specs: &[Spec]) -> Router<usize> {
    Router::new(specs.iter().map(Spec::criteria).zip(0..).collect()).router
}

/// A request, owned.
#[derive(Debug, Clone)]
struct Request {
    host: String,
    port: u16,
    path: String,
    method: Method,
    headers: HeaderMap,
    sni: Option<String>,
    tls: bool,
    source: SocketAddr,
}

impl Request {
    /// A GET in the clear.
    fn new(host: &str, path: &str) -> Self {
        Self {
            host: host.to_owned(),
            port: 8000,
            path: path.to_owned(),
            method: Method::GET,
            headers: HeaderMap::new(),
            sni: None,
            tls: false,
            source: "192.0.2.1:1234".parse().unwrap(),
        }
    }

    fn method(mut self, method: Method) -> Self {
        self.method = method;
        self
    }

    fn header(mut self, name: &'static str, value: &'static str) -> Self {
        self.headers.append(name, http::HeaderValue::from_static(value));
        self
    }

    fn tls(mut self, sni: Option<&str>) -> Self {
        self.tls = true;
        self.sni = sni.map(str::to_owned);
        self
    }

    fn source(mut self, source: &str) -> Self {
        self.source = source.parse().unwrap();
        self
    }

    fn ask(&self) -> Ask<'_> {
        Ask {
            host: &self.host,
            port: self.port,
            path: &self.path,
            method: &self.method,
            headers: &self.headers,
            sni: self.sni.as_deref(),
            tls: self.tls,
            source: self.source,
        }
    }

    fn winner(&self, router: &Router<usize>) -> Option<usize> {
        router.find(&self.ask()).map(|found| *found.route)
    }
}

fn paths(paths: &[&'static str]) -> Spec {
    Spec { paths: paths.to_vec(), ..Spec::default() }
}

fn hosts(hosts: &[&'static str]) -> Spec {
    Spec { hosts: hosts.to_vec(), ..Spec::default() }
}

fn each_path(lists: &[&'static str]) -> Router<usize> {
    router(&lists.iter().map(|path| paths(&[path])).collect::<Vec<_>>())
}

fn each_host(lists: &[&'static str]) -> Router<usize> {
    router(&lists.iter().map(|host| hosts(&[host])).collect::<Vec<_>>())
}

/// The first of the two wins, in whichever order they are listed.
#[expect(clippy::needless_pass_by_value, reason = "the callers make them on the spot")]
fn first_wins(better: Spec, worse: Spec, request: &Request) {
    for alone in [&better, &worse] {
        assert!(request.winner(&router(std::slice::from_ref(alone))).is_some(), "{alone:?} takes {request:?}");
    }
    assert_eq!(request.winner(&router(&[better.clone(), worse.clone()])), Some(0), "{better:?} {worse:?}");
    assert_eq!(request.winner(&router(&[worse.clone(), better.clone()])), Some(1), "{better:?} {worse:?}");
}
